"""Absence: "There is no dog", and "No" to "Is there a dog?", say that there is none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from datagen.claims.clause import FRAME, SLOTS, Clause, Statement, state
from datagen.claims.grammar import ABSENCES, ASKS_EXISTENCE, DENIED_HERE, FLAGS
from datagen.claims.kind import ABSENT_OBJECT, Evidence, Kind, Ruling, ShortAnswer, ask_presence, doubt_of_absence
from datagen.claims.phrases import Phrase, noun_phrases
from datagen.records import Claim

_ENDS_QUESTION = re.compile(
    rf"(?:{FRAME}|\s+(?:here|anywhere|at all|part|visible|shown|present|in view)\b|\s*[?.!,]|\s*$)", FLAGS
)


def read_clause(clause: Clause) -> Iterator[Statement]:
    """Denials of a thing; one with a number ("does not show three dogs") denies the number alone."""
    for phrase, end in clause.denied:
        if phrase.number is None:
            yield state("absence", phrase, phrase.start, end, clause.in_question)


def read_phrase(phrase: Phrase, clause: Clause) -> Statement | None:
    """Read "no dog", unless it denies only one of some place: "no dog on the bed"."""
    if phrase.measure != "none" or not (phrase.is_whole or DENIED_HERE.match(clause.source, phrase.end)):
        return None
    return state("absence", phrase, phrase.start, phrase.end, clause.in_question)


def read_short_answer(turn: ShortAnswer) -> Iterator[Statement]:
    """What "No" denies: the thing a question asked the existence of."""
    if turn.answer[:2].lower() != "no" or turn.answer[2:3].isalpha():
        return
    text = SLOTS.sub(" ", turn.question)
    phrases = noun_phrases(text, turn.lexicon.find(text), 0, len(text))
    if len(phrases) != 1 or phrases[0].number is not None:
        return
    match = ASKS_EXISTENCE.match(Clause(text, 0, len(text), phrases).text)
    if match is not None and _ENDS_QUESTION.match(text, phrases[0].end):
        yield state("absence", phrases[0], phrases[0].start, phrases[0].end, True)


def verify_absence(statement: Statement, evidence: Evidence) -> Ruling:
    """One clearly visible box, or two captions that name it, speak against it."""
    category = statement.category
    count, n_captions = evidence.counts.get(category), evidence.named.get(category, 0)
    if count is not None and count.at_least and evidence.noticed[category] and not statement.is_loose:
        return "contradicted", f"{category}: text says there is none, boxes show {count.at_least}"
    if n_captions >= 2 and not statement.is_loose:
        return "contradicted", f"{category}: text says there is none, {n_captions} captions name it"
    if count is not None or n_captions:
        return "unknown", f"{category}: text says there is none, the annotations are at odds"
    doubt = doubt_of_absence(statement, evidence)
    if doubt:
        return "unknown", f"{category}: no box and no caption shows one, but {doubt}"
    return "supported_by_boxes", f"{category}: no box and no caption shows one"


def excludes(_: Claim, other: Claim) -> bool:
    """Any number of the thing, and its presence where something bears that out."""
    return other.kind == "count" or (other.kind == "presence" and other.verdict != "unknown")


ABSENCE = Kind(
    name="absence",
    says="there is no such thing",
    examples=("There is no dog.", *(row.example for row in ABSENCES)),
    read_clause=read_clause,
    read_phrase=read_phrase,
    read_short_answer=read_short_answer,
    verify=verify_absence,
    excludes=excludes,
    probe=lambda claim: [ask_presence(claim.category, is_there=False)],
    plants=(),
    suffers=lambda claim: (ABSENT_OBJECT,),
    measures=("presence",),
    denies=True,
    if_supposed="stands",
)
