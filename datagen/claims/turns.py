"""From a turn to its statements: what the answer says, and what its question takes for granted or has confirmed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from datagen.claims.grammar import (
    AS_IT_IS,
    ASKS_EXISTENCE,
    FLAGS,
    NUMBERS,
    OPEN_QUESTION,
    POLITE,
    REFUTES,
    SELECTS,
    SUPPOSES,
)
from datagen.claims.phrases import Phrase
from datagen.claims.reading import (
    FRAME,
    SENTENCE,
    SLOTS,
    Skeleton,
    Statement,
    noun_phrases,
    read_answer,
    read_statements,
    statement_of,
)
from datagen.lexicon import Lexicon
from datagen.records import Comparison

_BARE_NUMBER = re.compile(
    rf"^\W*(?:there (?:is|are)\s+)?(?P<number>\d{{1,2}}|{'|'.join(NUMBERS)})\W*(?:$|[.,;!]|of them\b)", FLAGS
)
_PICTURE_SHOWS = re.compile(r"\b(?:image|picture|scene|photo)(?: \w+)? (?:shows?|has|holds)\b", FLAGS)
_ENDS_QUESTION = re.compile(
    rf"(?:{FRAME}|\s+(?:here|anywhere|at all|part|visible|shown|present|in view)\b|\s*[?.!,]|\s*$)", FLAGS
)
_HOW_MANY = re.compile(r"\bhow many\b", FLAGS)


def read_turn(question: str, answer: str, lexicon: Lexicon) -> list[Statement]:
    """Read what a turn states: its answer, and what its question takes for granted or has confirmed."""
    asked = read_statements(_bare_question(question), lexicon, None, in_question=True)
    subjects = {s.category: s for s in asked if s.kind in ("presence", "count")}
    antecedent = _as_phrase(next(iter(subjects.values()))) if len(subjects) == 1 else None
    said = read_answer(answer, lexicon, antecedent)
    if SUPPOSES.search(question):
        shown = [s for s in said if _PICTURE_SHOWS.search(answer, _sentence_around(answer, s)[0], s.start)]
        return [
            s
            for s in said
            if s.kind in ("presence", "absence")
            or (s.kind == "count" and s in shown)
            or (s.kind == "place" and AS_IT_IS.search(answer, *_sentence_around(answer, s)))
        ]
    if SELECTS.search(question):
        return said
    opening = answer[:12].lower()
    found: list[Statement] = []
    if opening.startswith("yes"):
        found = [s for s in asked if not (s.kind == "count" and _HOW_MANY.search(question))]
    elif opening.startswith("no") and not answer[2:3].isalpha():
        found = list(_denied(question, lexicon))
    elif OPEN_QUESTION.match(question.strip()) and not REFUTES.search(answer):
        found = [s for s in asked if s.is_definite]
    return [*found, *said, *_answered_number(question, answer, antecedent, said)]


def _sentence_around(text: str, statement: Statement) -> tuple[int, int]:
    return next(
        (sentence.span() for sentence in SENTENCE.finditer(text) if sentence.end() >= statement.end),
        (statement.start, statement.end),
    )


def _bare_question(question: str) -> str:
    """A question without its polite opening, as many characters long."""
    stripped = question.lstrip()
    lead = len(question) - len(stripped)
    match = POLITE.match(stripped)
    return question if match is None else " " * (lead + match.end()) + stripped[match.end() :]


def _denied(question: str, lexicon: Lexicon) -> Iterator[Statement]:
    """What "No" denies: the thing a question asked the existence of."""
    text = SLOTS.sub(" ", question)
    phrases = noun_phrases(text, lexicon.find(text), 0, len(text))
    if len(phrases) != 1 or phrases[0].number is not None:
        return
    skeleton = Skeleton(text, 0, len(text), phrases)
    match = ASKS_EXISTENCE.match(skeleton.text)
    if match is not None and _ENDS_QUESTION.match(text, phrases[0].end):
        yield statement_of("absence", phrases[0], phrases[0].start, phrases[0].end, True)


def _answered_number(
    question: str, answer: str, antecedent: Phrase | None, said: list[Statement]
) -> Iterator[Statement]:
    """The count in "How many dogs are there?" "Three."."""
    if antecedent is None or not _HOW_MANY.search(question) or any(s.kind in ("count", "absence") for s in said):
        return
    match = _BARE_NUMBER.match(answer)
    if match is not None:
        word = match["number"].lower()
        number = NUMBERS[word] if word in NUMBERS else int(word)
        comparison: Comparison = "at least" if antecedent.is_loose else "exact"
        yield statement_of("count", antecedent, *match.span("number"), False, number=number, comparison=comparison)


def _as_phrase(statement: Statement) -> Phrase:
    return Phrase(
        statement.category, statement.word, statement.start, statement.end, "open", None, statement.is_plural,
        statement.is_loose, statement.is_unsure, statement.is_definite, is_firm=True,
    )  # fmt: skip
