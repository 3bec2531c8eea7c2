"""Presence: "A dog runs" says that there is a dog."""

from __future__ import annotations

import re

from datagen.claims.clause import Clause, Statement, state
from datagen.claims.grammar import FLAGS
from datagen.claims.kind import (
    ABSENT_OBJECT,
    ACTING,
    Kind,
    ask_presence,
    is_anybody,
    name_absent,
    verify_presence,
)
from datagen.claims.phrases import Phrase


def read_phrase(phrase: Phrase, clause: Clause) -> Statement | None:
    """What is named is there, unless its number says more or denies it."""
    if phrase.is_counted or phrase.measure in ("none", "others") or phrase.is_stand_in:
        return None
    is_firm = False if is_anybody(phrase, clause) else None
    is_acting = _ACTS.match(clause.source, phrase.end) is not None
    return state(
        "presence", phrase, phrase.start, phrase.end, clause.in_question, is_firm=is_firm,
        value=ACTING if is_acting else None,
    )  # fmt: skip


_ACTS = re.compile(r"\s+(?:is|are)\s+[a-z]+ing\b", FLAGS)


PRESENCE = Kind(
    name="presence",
    says="a thing is there",
    examples=("A dog runs.", "One of the dogs runs."),
    read_phrase=read_phrase,
    verify=verify_presence,
    probe=lambda claim: [ask_presence(claim.category)],
    plants=((ABSENT_OBJECT, name_absent),),
    measures=("presence",),
    is_existence=True,
    if_supposed="stands",
    bears_out_wider=lambda statement, n_boxed, is_shown: is_shown,
)
