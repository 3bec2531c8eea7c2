"""Corruptions of a sentence about a photograph, each of which its captions contradict.

The hard negatives of the entailment judge: a colour, number, sex, noun, activity, place, attribute, direction or order
is turned into one that excludes what was said. A corruption is made only where no caption of the image admits the new
word, as captions differ: what one calls grey is silver to another.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from datagen.claims.wordnet import are_kin, distance, is_a
from datagen.lexicon import plural, singular_of

WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")
_TABLES = msgspec.yaml.decode(Path(__file__).with_suffix(".yaml").read_bytes())
_COLOURS: dict[str, str] = _TABLES["colours"]
_TURNED: dict[str, str] = _TABLES["opposite"]
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_ALTERNATIVES: dict[str, tuple[str, ...]] = {}
for _row in (row.split(", ") for row in _TABLES["exclusive"]):
    for _word in _row:
        _ALTERNATIVES[_word] = (*_ALTERNATIVES.get(_word, ()), *(one for one in _row if one != _word))
_SAID = re.compile(r"\b(" + "|".join(map(re.escape, sorted(_ALTERNATIVES, key=len, reverse=True))) + r")\b")
_DIRECTION = re.compile(r"\b(" + "|".join(map(re.escape, sorted(_TURNED, key=len, reverse=True))) + r")\b")
_COLOUR = re.compile(r"\b(" + "|".join(_COLOURS) + r")\b(?! (?:tea|meter|juice|bell|lab|light))")
_NUMBER = re.compile(r"\b(" + "|".join(_NUMBERS[1:]) + r")\b")
_ONE = re.compile(
    r"\b(?:a|an|one) ((?:[a-z]+ ){0,2}?)([a-z]+)\b(?= (?:is|are|on|in|at|with|that|and|while|[a-z]+ing)\b|[.,]|$)"
)
_NOUN_AT = re.compile(r"\b(?:a|an|the|his|her|their|some|two|three|of) ((?:[a-z]+ )?)([a-z]{3,})\b")
_PAIR = re.compile(r"\b(?P<x>[a-z]+) (?P<m>[a-z]{3,}\b.{3,50}?\b)(?P<y>[a-z]+)\b")
Corrupt = Callable[[str, str, random.Random], str | None]


def words_of(text: str) -> frozenset[str]:
    """The words of a text in lower case, with the singulars of plurals."""
    found = WORD.findall(text.lower())
    return frozenset((*found, *(singular_of(word) for word in found)))


def _admits(notes: str, text: str) -> bool:
    """Whether the notes use all content words of a text, or one that may mean the same."""
    said = words_of(notes)
    return all(
        word in said or singular_of(word) in said for word in WORD.findall(text) if len(word) > 3 or word in _COLOURS
    )


def _put(text: str, match: re.Match[str], new: str, group: int = 1) -> str:
    start, end = match.span(group)
    before = text[:start]
    if re.search(r"\b(?:a|an) $", before) and re.match(r"(?:a|an|two|some) |[a-z]+s$", new) is None:
        right = "an " if new[0] in "aeiou" else "a "
        before = re.sub(r"\ban? $", right, before)
    return before + new + text[end:]


def colour(text: str, notes: str, dice: random.Random) -> str | None:
    """Another colour, one that no caption names and that is not easily called by the old one's name."""
    found = list(_COLOUR.finditer(text))
    if not found:
        return None
    at = dice.choice(found)
    near = {at[1], *_COLOURS[at[1]].split()}
    said = words_of(notes)
    free = [name for name in _COLOURS if name not in near and name not in said and not near & {*_COLOURS[name].split()}]
    return _put(text, at, dice.choice(free)) if free else None


def number(text: str, notes: str, dice: random.Random) -> str | None:
    """Another number, or several of what is one."""
    found = list(_NUMBER.finditer(text))
    said = words_of(notes)
    if found and dice.random() < 0.8:
        at = dice.choice(found)
        n = _NUMBERS.index(at[1])
        free = [name for m, name in enumerate(_NUMBERS[:7]) if m and m != n and name not in said]
        return _put(text, at, dice.choice(free)) if free else None
    if said & {"two", "three", "several", "many", "some", "group", "pair", "couple", "bunch"}:
        return None
    ones = [
        one
        for one in _ONE.finditer(text)
        if is_a(one[2], "person") or is_a(one[2], "animal") or is_a(one[2], "vehicle")
    ]
    if not ones:
        return None
    at = dice.choice(ones)
    if plural(at[2]) in WORD.findall(notes.lower()):
        return None
    many = f"{dice.choice(_NUMBERS[1:5])} {at[1]}{plural(at[2])}"
    after = re.sub(r"^ is\b", " are", text[at.end() :])
    return text[: at.start()] + many + after


def exclusive(text: str, notes: str, dice: random.Random) -> str | None:
    """A word of a set of which one excludes the others: activities, places, materials, animals, sexes."""
    found = list(_SAID.finditer(text))
    dice.shuffle(found)
    for at in found:
        free = [one for one in dict.fromkeys(_ALTERNATIVES[at[1]]) if not _admits(notes, one)]
        if free:
            return _put(text, at, dice.choice(free))
    return None


def direction(text: str, notes: str, dice: random.Random) -> str | None:
    """A preposition or a side turned into its opposite."""
    found = [at for at in _DIRECTION.finditer(text) if at[1] not in ("on", "up", "down") or dice.random() < 0.4]
    return _put(text, at, _TURNED[at[1]]) if found and (at := dice.choice(found)) else None


@lru_cache(maxsize=4096)
def _siblings(noun: str, among: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(one for one in among if 2 <= distance(noun, one) <= 4 and not are_kin(noun, one))


def sibling_of(nouns: Sequence[str]) -> Corrupt:
    """A noun for which another of the same kind is put, out of those that captions use."""
    among = tuple(nouns)
    known = frozenset(among)

    def corrupt(text: str, notes: str, dice: random.Random) -> str | None:
        found = [at for at in _NOUN_AT.finditer(text) if singular_of(at[2]) in known]
        if not found:
            return None
        at = dice.choice(found)
        is_many = at[2] != singular_of(at[2])
        said = words_of(notes)
        free = [
            one for one in _siblings(singular_of(at[2]), among)
            if one not in said and not any(are_kin(one, word) for word in said if len(word) > 2)
        ]  # fmt: skip
        if not free:
            return None
        new = dice.choice(free)
        return _put(text, at, plural(new) if is_many else new, 2)

    return corrupt


def swap(text: str, notes: str, dice: random.Random) -> str | None:
    """Two colours, numbers or people of one sentence changed for each other."""
    for sort in dice.sample((_COLOUR, _NUMBER, re.compile(r"\b(man|woman|boy|girl|dog|cat|child|horse|bird)\b")), 3):
        found = list(sort.finditer(text))
        if (
            len(found) >= 2
            and found[0][1] != found[-1][1]
            and "and" not in text[found[0].end() : found[-1].start()].split()[:1]
        ):
            one, two = found[0], found[-1]
            return text[: one.start(1)] + two[1] + text[one.end(1) : two.start(1)] + one[1] + text[two.end(1) :]
    return None


def corruptions(nouns: Sequence[str]) -> dict[str, Corrupt]:
    """All of them by name, the noun's with the words that it may put."""
    return {
        "colour": colour, "number": number, "exclusive": exclusive, "direction": direction,
        "noun": sibling_of(nouns), "swap": swap,
    }  # fmt: skip


def corrupted(
    text: str, notes: str, dice: random.Random, how: dict[str, Corrupt], shares: dict[str, float]
) -> Iterator[tuple[str, str]]:
    """Ways of corrupting a lower-case sentence, in random order by their shares: name of the way and new sentence."""
    names = sorted(how, key=lambda name: dice.random() ** (1 / shares.get(name, 1)), reverse=True)
    for name in names:
        new = how[name](text, notes, dice)
        if new is not None and new != text:
            yield name, new
