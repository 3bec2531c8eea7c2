"""Reads a person's question as one of the short questions that small models were taught, or finds that it is none."""

from __future__ import annotations

import re

from msgspec import Struct

from datagen.claims.kind import YES_NO, presence_question
from datagen.claims.kinds.count import ANSWERS, count_question
from datagen.claims.kinds.place import QUARTERS, SIDES, quarter_question, side_question
from datagen.claims.kinds.relation import relation_question, size_question
from datagen.lexicon import Lexicon
from datagen.records import Probe, ProbeKind

FORMS: tuple[tuple[ProbeKind, str], ...] = (
    ("presence", "whether a thing is there"),
    ("count", "how many of it there are"),
    ("side", "on which side it is"),
    ("quadrant", "in which quarter it is"),
    ("relation", "how two things lie"),
    ("size", "which of two things is larger"),
)
"""What each kind asks, for a sentence that refuses the rest."""

_FRAME = re.compile(r"\b(?:in|on) (?:the|this) (?:image|picture|photo|photograph|scene|frame)\b")
_ARTICLE = "(?:(?:the|a|an|any|some|a pair of) )?"
_IS, _SEE = "(?:is|are)", "(?:do|can) (?:you|we|i) see"
_SKELETONS: tuple[tuple[ProbeKind, str], ...] = (
    (
        "presence",
        rf"(?:{_IS} there|{_SEE}|does (?:the|this) (?:image|picture|photo) (?:show|contain|have)) {_ARTICLE}@",
    ),
    ("count", rf"how many (?:pairs of )?@(?: {_IS}(?: there| shown| visible)?| {_SEE})?"),
    ("side", rf"{_IS} {_ARTICLE}@ (?:on|to) the left or (?:(?:on|to) )?(?:the )?right"),
    ("side", rf"(?:on )?wh(?:ich|at) side {_IS} {_ARTICLE}@(?: on)?"),
    ("quadrant", rf"(?:in )?wh(?:ich|at) quarter {_IS} {_ARTICLE}@(?: in)?|where {_IS} {_ARTICLE}@"),
    ("relation", rf"{_IS} {_ARTICLE}@ (?:to the )?(?P<relation>left of|right of|above|below) {_ARTICLE}@"),
    ("size", rf"{_IS} {_ARTICLE}@ (?P<size>larger|bigger|smaller) than {_ARTICLE}@"),
)
"""Questions in small letters, without frame and question mark, a thing's name replaced by "@"."""
_READERS = tuple((kind, re.compile(pattern)) for kind, pattern in _SKELETONS)


class ShortQuestion(Struct, frozen=True):
    """A question that a small model may have learned."""

    kind: ProbeKind
    probe: Probe
    categories: tuple[str, ...]


def read_short_question(question: str, lexicon: Lexicon) -> ShortQuestion | None:
    """Read a question.

    Args:
        question: As a person wrote it.
        lexicon: Of the things that the model knows.

    Returns:
        None where it asks for more or for other things: a "red dog", a dog "on the bed".
    """
    text = question.lower().strip().rstrip("?.! ")
    names = tuple(mention.category for mention in lexicon.find(text))
    for mention in reversed(lexicon.find(text)):
        text = f"{text[: mention.start]}@{text[mention.end :]}"
    skeleton = " ".join(_FRAME.sub("", text).split())
    for kind, reader in _READERS:
        found = reader.fullmatch(skeleton)
        if found is not None:
            return ShortQuestion(kind, _probe(kind, names, found), names)
    return None


def _probe(kind: ProbeKind, names: tuple[str, ...], found: re.Match[str]) -> Probe:
    name = names[0]
    if kind == "presence":
        return Probe(presence_question(name), YES_NO)
    if kind == "count":
        return Probe(count_question(name), ANSWERS)
    if kind == "side":
        return Probe(side_question(name), SIDES)
    if kind == "quadrant":
        return Probe(quarter_question(name), QUARTERS)
    if kind == "relation":
        return Probe(relation_question(name, found["relation"], names[1]), YES_NO)
    return Probe(size_question(name, "smaller" if found["size"] == "smaller" else "larger", names[1]), YES_NO)
