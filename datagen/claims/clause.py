"""A clause whose noun phrases are one character each, and the statements that are read from it.

The claim kinds read clauses in this form: a row of words then matches over whole phrases ("X is on the left").
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from datagen.claims.grammar import ABSENCES, DENIALS, FLAGS
from datagen.records import Comparison

if TYPE_CHECKING:
    from datagen.claims.phrases import Phrase

_FIRST_SLOT = 0xE000  # Unicode's private use area: no text that people write has a meaning there
SLOT = "[\ue000-\uf8ff]"
"""Matches a noun phrase in ``Clause.text``."""
SLOTS = re.compile(SLOT)
VERBS = (
    r"(?:(?:is|are|was|were|sits?|stands?|lies|lie|rests?|appears?|looks?|can|be|seen|found|located|positioned|"
    r"situated|placed|"
    r"sitting|standing|lying|laying|resting|parked|gathered|visible|shown|both|all|also|just|clearly|actually|to be|"
    r"now|"
    r"slightly|directly|immediately|right(?= (?:next|beside))|further|far|a little|which|who|"
    r"in the (?:background|foreground|distance)|\w+ly|\w+ing|hangs?|waits?|walks?|runs?|flies|fly|"
    r"(?:in|on|over|at|along) (?:the|an?) "
    r"(?!(?:left|right|top|bottom|side|middle|cent|front|back|corner|upper|lower))[a-z]+)\s+)"
)
"""What may stand between a thing and what is said of it: "the dog IS CLEARLY on the left"."""
FRAME = r"(?:\s+(?:of|in)\s+(?:the|this)\s+(?:image|picture|photo|photograph|frame|scene|view|shot)|\s+of\s+it)"
"""Words that speak of the whole picture: "of the image"."""
GOVERNED = re.compile(
    r"(?<!look )(?<!looks )\b(?:of|in|on|at|to|with|by|for|from|near|over|under|behind|beside|above|below|beyond|"
    r"against|"
    r"into|onto|inside|through|holding|riding|wearing|between|than|like|and)\s+$",
    FLAGS,
)
"""Words before a noun phrase after which what follows may be said of something else: "a man WITH a dog on the left"."""
_ABSENCE = re.compile(
    "|".join(f"(?:{row.words.replace('X', f'(?:any )?(?P<x{n}>{SLOT})')})" for n, row in enumerate(ABSENCES)), FLAGS
)


class Statement(Struct, frozen=True, gc=False):
    """One thing that a text says of the picture; see ``Claim`` for the shared fields.

    Attributes:
        is_firm: It may be held against the annotations; a loose mention may only be borne out.
        is_loose: The noun is narrower or wider than the category.
        is_unsure: The noun often means something else.
        is_definite: What it names was taken for granted.
        is_all: The place is said of every such thing.
        is_plural: The noun is plural.
    """

    kind: str
    category: str
    word: str
    start: int
    end: int
    number: int | None = None
    comparison: Comparison | None = None
    place: str | None = None
    relation: str | None = None
    others: tuple[str, ...] = ()
    value: str | None = None
    is_firm: bool = True
    is_loose: bool = False
    is_unsure: bool = False
    is_definite: bool = False
    is_all: bool = False
    is_plural: bool = False
    in_question: bool = False


def state(
    kind: str,
    phrase: Phrase,
    start: int,
    end: int,
    in_question: bool,
    *,
    number: int | None = None,
    comparison: Comparison | None = None,
    place: str | None = None,
    relation: str | None = None,
    others: tuple[str, ...] = (),
    value: str | None = None,
    is_firm: bool | None = None,
) -> Statement:
    """A statement about what a noun phrase names; as firm as the phrase unless ``is_firm`` says otherwise."""
    return Statement(
        kind, phrase.category, phrase.word, start, end, number, comparison, place, relation, others, value,
        (phrase.is_firm or phrase.measure == "open") if is_firm is None else is_firm,
        phrase.is_loose, phrase.is_unsure, phrase.is_definite, phrase.is_all, phrase.is_plural, in_question,
    )  # fmt: skip


class Clause:
    """A clause in which each noun phrase is one character.

    Args:
        source: The whole text.
        start: First character of the clause.
        end: One past its last.
        phrases: Its noun phrases, left to right.
        in_question: Nothing of it is stated unless the answer lets it stand.

    Attributes:
        text: The clause with its slots; positions in it become those of ``source`` by ``origin``.
        silent: Position in ``source`` from which on a denial governs, so that nothing is claimed.
        denied: What is denied ("the dog cannot be seen"), each with the end of the denial.
    """

    def __init__(self, source: str, start: int, end: int, phrases: list[Phrase], *, in_question: bool = False) -> None:
        pieces: list[str] = []
        self.source, self.start, self.end = source, start, end
        self.phrases, self.in_question = phrases, in_question
        self._cuts: list[tuple[int, int]] = []  # clause position after a slot, source position there
        length, at = 0, start
        for n, phrase in enumerate(phrases):
            before = source[at : max(at, phrase.start)]
            pieces += (before, chr(_FIRST_SLOT + n))
            length += len(before) + 1
            at = phrase.end
            self._cuts.append((length, at))
        pieces.append(source[at:end])
        self.text = text = "".join(pieces)
        denial = DENIALS.search(text)
        self.silent = end if denial is None else self.origin(denial.start())
        self.denied: list[tuple[Phrase, int]] = []
        if phrases and (denial is not None or "missing" in text or "absent" in text):
            for match in _ABSENCE.finditer(text):
                slot = next(group for group in match.groups() if group is not None)
                self.denied.append((self.phrase(slot), self.origin(match.end())))

    def phrase(self, slot: str) -> Phrase:
        """The noun phrase that a character stands for."""
        return self.phrases[ord(slot) - _FIRST_SLOT]

    def origin(self, position: int) -> int:
        """Position in the source of a position in ``text`` that is not inside a slot."""
        base, at = 0, self.start
        for cut, cut_at in self._cuts:
            if cut > position:
                break
            base, at = cut, cut_at
        return at + position - base
