"""From a claim to short questions with all the answers they could have, and which of them agree with the claim."""

from __future__ import annotations

from msgspec import Struct

from datagen.lexicon import PLURAL_ONLY, counted, number_word, with_article
from datagen.records import Claim
from datagen.validator.protocol import Abilities, Probe, ProbeKind

MOST = 8
"""Larger numbers are not asked: validators miscount them, and "twelve" against "thirteen" is nobody's error."""
YES_NO = ("Yes", "No")
NUMBERS = tuple(number_word(number).capitalize() for number in range(1, MOST + 1))
SIDES = ("Left", "Right")
QUARTERS = ("Upper left", "Upper right", "Lower left", "Lower right")

_SIDE_OF = {"left": (0,), "right": (1,)}
_QUARTERS_OF = {"top": (0, 1), "bottom": (2, 3)}
_PLANAR = ("left of", "right of", "above", "below")
_PLACE_WORDS = {
    "middle": "in the middle of the image",
    "corner": "in a corner of the image",
    "foreground": "in the foreground",
    "background": "in the background",
}
_SIZES = ("larger", "smaller")
_RELATION_WORDS = {"nearer": "nearer to the camera than"}


class Probed(Struct, frozen=True):
    """A claim as a probe.

    Attributes:
        agrees: Indices of the answers under which the claim is true.
    """

    kind: ProbeKind
    probe: Probe
    agrees: tuple[int, ...]


def probe_claim(claim: Claim, abilities: Abilities) -> tuple[Probed, ...]:
    """Ask a validator about a claim: the claim itself, and whether the things are there that it takes for granted.

    "Three cups", "the cup on the left" are wrong first of all where there is no cup, and a question for the number
    or the side does not tell that: each of its answers says that there is one.

    Returns:
        The claim's own question first; nothing that the validator has not learned to answer, or of a thing that it
        does not know.
    """
    things = (claim.category, *claim.others)
    if abilities.categories is not None and not abilities.categories.issuperset(things):
        return ()
    own = _probe(claim)
    granted = things if claim.kind in ("place", "relation") or (claim.kind == "count" and _is_some(claim)) else ()
    asked = [*([] if own is None else [own]), *map(_probe_presence, granted)]
    return tuple(probed for probed in asked if probed.kind in abilities.probes)


def _is_some(claim: Claim) -> bool:
    return bool(claim.number) and claim.comparison != "at most"


def _probe(claim: Claim) -> Probed | None:
    name = claim.category
    if claim.kind in ("presence", "absence"):
        return _probe_presence(name, is_there=claim.kind == "presence")
    if claim.kind == "count":
        agrees = _numbers_that_agree(claim)
        return _asked("count", count_question(name), NUMBERS, agrees, name) if agrees else None
    if claim.kind == "place":
        return _probe_place(name, claim.place or "")
    if claim.kind == "relation" and claim.others:
        return _probe_relation(name, claim.relation or "", claim.others)
    return None


def _probe_presence(name: str, is_there: bool = True) -> Probed:
    return _asked("presence", presence_question(name), YES_NO, (0,) if is_there else (1,), name)


def _probe_place(name: str, place: str) -> Probed | None:
    if place in _SIDE_OF:
        return _asked("side", side_question(name), SIDES, _SIDE_OF[place], name)
    if place in _QUARTERS_OF:
        return _asked("quadrant", quarter_question(name), QUARTERS, _QUARTERS_OF[place], name)
    if place in _PLACE_WORDS:
        return _asked("statement", f"{_is(name)} {_PLACE_WORDS[place]}?", YES_NO, (0,), name)
    return None


def _probe_relation(name: str, relation: str, others: tuple[str, ...]) -> Probed | None:
    if relation in _PLANAR:
        return _asked("relation", relation_question(name, relation, others[0]), YES_NO, (0,), name)
    if relation in _SIZES:
        return _asked("size", size_question(name, relation, others[0]), YES_NO, (0,), name)
    if relation == "between":
        if len(others) < 2:
            return None
        text = f"{_is(name)} between the {others[0]} and the {others[1]}?"
    else:
        text = f"{_is(name)} {_RELATION_WORDS.get(relation, relation)} the {others[0]}?"
    return _asked("statement", text, YES_NO, (0,), name)


def _asked(kind: ProbeKind, question: str, answers: tuple[str, ...], agrees: tuple[int, ...], name: str) -> Probed:
    return Probed(kind, Probe(question, answers, with_article(name)), agrees)


def _numbers_that_agree(claim: Claim) -> tuple[int, ...]:
    number = claim.number or 0
    numbers = range(1, MOST + 1)
    if claim.comparison == "at least":
        agrees = [n for n in numbers if n >= number]
    elif claim.comparison == "at most":
        agrees = [n for n in numbers if n <= number]
    else:
        agrees = [n for n in numbers if n == number]
    return tuple(n - 1 for n in agrees) if len(agrees) < MOST else ()


def presence_question(name: str) -> str:
    """Ask whether a thing is there."""
    return f"Is there {with_article(name)} in the image?"


def count_question(name: str) -> str:
    """Ask for the number of a thing."""
    return f"How many {counted(name, 2).removeprefix('two ')} are there?"


def side_question(name: str) -> str:
    """Ask on which side a thing is."""
    return f"{_is(name)} on the left or the right?"


def quarter_question(name: str) -> str:
    """Ask in which quarter of the frame a thing is."""
    return f"Which quarter {'are' if name in PLURAL_ONLY else 'is'} the {name} in?"


def relation_question(name: str, relation: str, other: str) -> str:
    """Ask how two things lie in the picture plane: ``relation`` is left of, right of, above or below."""
    return f"{_is(name)} {relation} the {other}?"


def size_question(name: str, relation: str, other: str) -> str:
    """Ask which of two things takes up more of the image: ``relation`` is larger or smaller."""
    return f"{_is(name)} {relation} in the image than the {other}?"


def _is(name: str) -> str:
    return f"{'Are' if name in PLURAL_ONLY else 'Is'} the {name}"
