"""From a turn to its statements: what its answer says, and what its question takes for granted or has confirmed.

Hedged clauses ("might", "possibly", "if") and what a denial governs state nothing. What a clause states is read by the
claim kinds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from msgspec.structs import replace

from datagen.claims.clause import SLOTS, Clause, Statement
from datagen.claims.grammar import (
    AS_IT_IS,
    CLAUSE_BREAKS,
    FLAGS,
    HEDGES,
    OPEN_QUESTION,
    POLITE,
    REFUTES,
    SELECTS,
    SUPPOSES,
)
from datagen.claims.kind import ShortAnswer
from datagen.claims.kinds import KINDS, kind_of
from datagen.claims.phrases import Phrase, noun_phrases
from datagen.lexicon import Lexicon

_SENTENCE = re.compile(r"[^.!?;\n]+[.!?;]?")
_PICTURE_SHOWS = re.compile(r"\b(?:image|picture|scene|photo)(?: \w+)? (?:shows?|has|holds)\b", FLAGS)
_PRONOUN = re.compile(
    r"\s*(?:(?:yes|no|actually|here),?\s+)?(?P<word>they|it|both of them|both|all(?: \w+)? of them)\s+(?=(?:is|are|"
    r"can|sits?|stands?|appears?)\b)",
    FLAGS,
)
_RELATIVE = re.compile(r"(?P<word>which|who)\s+(?=(?:is|are|sits?|stands?|lies|appears?)\b)", FLAGS)
_HOW_MANY = re.compile(r"\bhow many\b", FLAGS)

_DENIALS = tuple(kind.read_clause for kind in KINDS if kind.read_clause is not None and kind.denies)
_CLAUSE_READERS = tuple(kind.read_clause for kind in KINDS if kind.read_clause is not None and not kind.denies)
_BARE_READERS = tuple(kind.read_clause for kind in KINDS if kind.read_clause is not None and kind.reads_bare)
_PHRASE_READERS = tuple(kind.read_phrase for kind in KINDS if kind.read_phrase is not None)
_SHORT_ANSWER_READERS = tuple(kind.read_short_answer for kind in KINDS if kind.read_short_answer is not None)
_NARROWING = frozenset(kind.name for kind in KINDS if kind.narrows)


def read_turn(question: str, answer: str, lexicon: Lexicon) -> list[Statement]:
    """Read what a turn states: its answer, and what its question takes for granted or has confirmed."""
    asked = read_statements(_bare_question(question), lexicon, None, in_question=True)
    subjects = {s.category: s for s in asked if kind_of(s.kind).is_existence}
    antecedent = _as_phrase(next(iter(subjects.values()))) if len(subjects) == 1 else None
    said = read_answer(answer, lexicon, antecedent)
    if SUPPOSES.search(question):
        return [statement for statement in said if _stands(statement, answer)]
    if SELECTS.search(question):
        return said
    opening = answer[:3].lower()
    found: list[Statement] = []
    if opening == "yes":
        found = [s for s in asked if s.number is None or not _HOW_MANY.search(question)]
    elif OPEN_QUESTION.match(question.strip()) and not REFUTES.search(answer):
        found = [s for s in asked if s.is_definite]
    turn = ShortAnswer(question, answer, lexicon, antecedent, said)
    meant = [statement for read in _SHORT_ANSWER_READERS for statement in read(turn)]
    return [*found, *(s for s in meant if s.in_question), *said, *(s for s in meant if not s.in_question)]


def _stands(statement: Statement, answer: str) -> bool:
    """Whether a statement is about the picture as it is, though its question changes the picture."""
    if_supposed = kind_of(statement.kind).if_supposed
    if if_supposed in ("stands", "falls"):
        return if_supposed == "stands"
    start, end = next(
        (sentence.span() for sentence in _SENTENCE.finditer(answer) if sentence.end() >= statement.end),
        (statement.start, statement.end),
    )
    if if_supposed == "if shown":
        return _PICTURE_SHOWS.search(answer, start, statement.start) is not None
    return AS_IT_IS.search(answer, start, end) is not None


def _bare_question(question: str) -> str:
    """A question without its polite opening, as many characters long."""
    stripped = question.lstrip()
    lead = len(question) - len(stripped)
    match = POLITE.match(stripped)
    return question if match is None else " " * (lead + match.end()) + stripped[match.end() :]


def _as_phrase(statement: Statement) -> Phrase:
    return Phrase(
        statement.category, statement.word, statement.start, statement.end, "open", None, statement.is_plural,
        statement.is_loose, statement.is_unsure, statement.is_definite, is_firm=True,
    )  # fmt: skip


def read_answer(text: str, lexicon: Lexicon, antecedent: Phrase | None = None) -> list[Statement]:
    """Read what a text states, without a question before it."""
    statements = read_statements(text, lexicon, antecedent)
    numbers: dict[str, set[int | None]] = {}
    for statement in statements:
        if statement.comparison == "exact":
            numbers.setdefault(statement.category, set()).add(statement.number)
    return [  # "Two dogs lie here. ... Three dogs run there": neither counts them all
        replace(s, comparison="at least") if s.comparison == "exact" and len(numbers[s.category]) > 1 else s
        for s in statements
    ]


def read_statements(
    text: str, lexicon: Lexicon, antecedent: Phrase | None, *, in_question: bool = False
) -> list[Statement]:
    """Read the sentences of a text one by one.

    Args:
        text: An answer, or a question.
        lexicon: The corpus's words.
        antecedent: What "it" or "they" at the start stands for.
        in_question: Sentences that ask are read too.
    """
    text = SLOTS.sub(" ", text)
    mentions = lexicon.find(text)
    if not mentions and antecedent is None and not _BARE_READERS:
        return []
    found: list[Statement] = []
    done = 0
    for sentence in _SENTENCE.finditer(text):
        inside = []
        while done < len(mentions) and mentions[done].start < sentence.end():
            inside.append(mentions[done])
            done += 1
        if sentence[0].endswith("?") and not in_question:
            continue
        phrases = noun_phrases(text, inside, sentence.start(), sentence.end())
        for start, end in _clauses(text, sentence.start(), sentence.end()):
            own = [phrase for phrase in phrases if start <= phrase.end - 1 < end]
            pronoun = _PRONOUN.match(text, start, end) if antecedent is not None else None
            if pronoun is not None and antecedent is not None:
                is_all = (
                    pronoun["word"].lower() not in ("it", "they")
                    or " both " in text[start:end]
                    or " all " in text[start:end]
                )
                own.insert(0, replace(antecedent, start=pronoun.start("word"), end=pronoun.end("word"), measure="open",
                                      number=None, is_all=is_all))  # fmt: skip
            relative = _RELATIVE.match(text, start, end)
            named = [phrase for phrase in phrases if relative is not None and start - 2 <= phrase.end <= start]
            if relative is not None and named:
                span = {"start": relative.start("word"), "end": relative.end("word")}
                own.insert(0, replace(named[-1], **span, measure="open", number=None))
            if not own and not _BARE_READERS:
                continue
            if not HEDGES.search(text, start, end):
                found += _read_clause(Clause(text, start, end, own, in_question=in_question))
            elif not in_question:  # "the dog might be waiting": there is a dog all the same
                granted = [phrase for phrase in own if phrase.is_definite and phrase.measure in ("some", None)]
                if granted:
                    clause = Clause(text, start, end, own)
                    found += [statement for phrase in granted for statement in _read_phrase(phrase, clause)]
        if phrases and not in_question:
            antecedent = phrases[0]
    return found


def _clauses(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for match in CLAUSE_BREAKS.finditer(text, start, end):
        if match.start() > start:
            yield start, match.start()
        start = match.end()
    if start < end:
        yield start, end


def _read_clause(clause: Clause) -> Iterator[Statement]:
    """Denials first, then what each noun phrase says by itself, then what the clause says of them."""
    for read_clause in _DENIALS:
        yield from read_clause(clause)
    if not clause.phrases:
        for read_clause in _BARE_READERS:
            yield from read_clause(clause)
        return
    told = [statement for read_clause in _CLAUSE_READERS for statement in read_clause(clause)]
    narrowing = [statement for statement in told if statement.kind in _NARROWING]
    denied = {phrase.start for phrase, _ in clause.denied}
    for phrase in clause.phrases:
        if phrase.end > clause.silent or phrase.start in denied:
            continue
        is_narrowed = any(statement.start <= phrase.start < statement.end for statement in narrowing)
        yield from _read_phrase(replace(phrase, is_whole=False) if is_narrowed else phrase, clause)
    yield from told


def _read_phrase(phrase: Phrase, clause: Clause) -> Iterator[Statement]:
    for read_phrase in _PHRASE_READERS:
        statement = read_phrase(phrase, clause)
        if statement is not None:
            yield statement


@lru_cache(maxsize=1024)
def read_captions(captions: tuple[str, ...], lexicon: Lexicon) -> tuple[tuple[Statement, ...], ...]:
    """Read each caption of an image once, for all answers about it."""
    return tuple(tuple(read_answer(caption, lexicon)) for caption in captions)
