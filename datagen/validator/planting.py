"""Errors made on purpose: from a turn believed true to turns that are known to be false, one error each.

They are what the field's teachers get wrong: a number off by one, a thing that is not there, the wrong side, a
relation turned around. The fifth kind, another image's answers, needs no planting.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Literal

from msgspec.structs import replace

from datagen.lexicon import NUMBER_WORDS, PLURAL_ONLY, UNCOUNTED, Lexicon, counted, number_word, plural, with_article
from datagen.records import Claim, Turn
from datagen.validator.probing import MOST

ErrorKind = Literal["count", "absent object", "side", "relation", "other image"]
ERROR_KINDS: tuple[ErrorKind, ...] = ("count", "absent object", "side", "relation", "other image")

_SIDES = {"left": "right", "right": "left", "upper": "lower", "lower": "upper", "top": "bottom", "bottom": "top"}
_TURNED = {
    "left": "right",
    "right": "left",
    "above": "below",
    "below": "above",
    "higher": "lower",
    "lower": "higher",
    "up": "down",
    "down": "up",
    "larger": "smaller",
    "smaller": "larger",
    "bigger": "smaller",
    "more": "less",
    "less": "more",
    "behind": "in front of",
    "in front of": "behind",
}
_NUMBER = re.compile(rf"\b(?:\d{{1,2}}|{'|'.join(NUMBER_WORDS[1:])})\b", re.IGNORECASE)


def plant_errors(turn: Turn, lexicon: Lexicon, absent: Sequence[str], rng: random.Random) -> dict[ErrorKind, Turn]:
    """Plant one error of each kind that fits.

    Args:
        turn: With its claims; what is contradicted already, or said in the question, is left alone.
        lexicon: The corpus's, to find where a thing is named.
        absent: Categories that the image does not show, of those that the corpus does.
        rng: Decides which claim is spoilt, and how.

    Returns:
        Kind of error to the turn that has it, without claims: they must be read anew.
    """
    sound = [claim for claim in turn.claims if claim.verdict != "contradicted" and not claim.in_question]
    planters: dict[ErrorKind, Callable[[Claim], str | None]] = {
        "count": lambda claim: _miscount(turn.answer, claim, rng),
        "absent object": lambda claim: _misname(turn.answer, claim, lexicon, absent, rng),
        "side": lambda claim: _turn_words(turn.answer, claim, _SIDES) if claim.kind == "place" else None,
        "relation": lambda claim: _turn_words(turn.answer, claim, _TURNED) if claim.kind == "relation" else None,
    }
    planted: dict[ErrorKind, Turn] = {}
    for kind, planter in planters.items():
        answers = (planter(claim) for claim in rng.sample(sound, len(sound)))
        answer = next((answer for answer in answers if answer is not None and answer != turn.answer), None)
        if answer is not None:
            planted[kind] = replace(turn, answer=answer, claims=(), validation=None)
    return planted


def _miscount(answer: str, claim: Claim, rng: random.Random) -> str | None:
    """Say another number of a thing."""
    if claim.kind != "count" or claim.number is None or not 1 <= claim.number < MOST or claim.comparison == "at most":
        return None
    if claim.number == 1 and re.search(
        r"\bis\s+$", answer[: claim.start] + answer[claim.start : claim.end].partition("one")[0]
    ):
        return None  # "there is two dogs" would be found by its grammar
    span = answer[claim.start : claim.end]
    is_open = claim.comparison == "at least" or claim.number == 1
    wrong = claim.number + 1 if is_open or claim.number == 2 or rng.random() < 0.5 else claim.number - 1
    whole = re.search(rf"\b{re.escape(counted(claim.category, claim.number))}\b", span, re.IGNORECASE)
    if whole is not None:
        return _replaced(answer, claim.start + whole.start(), claim.start + whole.end(), counted(claim.category, wrong))
    number = _NUMBER.search(span)
    if number is None or claim.number == 1 or number[0].lower() not in (str(claim.number), number_word(claim.number)):
        return None
    said = str(wrong) if number[0].isdigit() else number_word(wrong)
    return _replaced(answer, claim.start + number.start(), claim.start + number.end(), said)


def _misname(answer: str, claim: Claim, lexicon: Lexicon, absent: Sequence[str], rng: random.Random) -> str | None:
    """Name a thing that is not there in place of one that is."""
    options = [name for name in absent if name not in PLURAL_ONLY and name not in UNCOUNTED]
    if claim.kind not in ("presence", "count") or not options:
        return None
    for mention in lexicon.find(answer):
        if mention.category != claim.category or not claim.start <= mention.start < mention.end <= claim.end:
            continue
        other = rng.choice(options)
        if mention.is_plural:
            return _replaced(answer, mention.start, mention.end, plural(other))
        article = re.search(r"\b(an?) $", answer[: mention.start], re.IGNORECASE)
        if article is None:
            return _replaced(answer, mention.start, mention.end, other)
        said = with_article(other)
        said = said.capitalize() if article[1][0].isupper() else said
        return _replaced(answer, article.start(), mention.end, said)
    return None


def _turn_words(answer: str, claim: Claim, opposite: dict[str, str]) -> str | None:
    """Turn a side or a relation around, every word of it that has an opposite."""
    span = answer[claim.start : claim.end]
    # What takes "up more" of the frame takes up less, not down.
    words = re.compile(
        rf"\b(?:{'|'.join(sorted(opposite, key=len, reverse=True))})\b(?! (?:\w+ )?(?:more|less)\b)", re.IGNORECASE
    )
    turned = words.sub(lambda found: _like(found[0], opposite[found[0].lower()]), span)
    return None if turned == span else _replaced(answer, claim.start, claim.end, turned)


def _replaced(answer: str, start: int, end: int, said: str) -> str:
    return answer[:start] + _like(answer[start:end], said) + answer[end:]


def _like(before: str, after: str) -> str:
    """Begin with a capital where the text before did."""
    return after[:1].upper() + after[1:] if before[:1].isupper() else after
