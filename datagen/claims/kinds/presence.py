"""Presence: "A dog runs" says that there is a dog."""

from __future__ import annotations

import re
from bisect import bisect_left

from datagen.claims.clause import Clause, Statement, state
from datagen.claims.kind import (
    ABSENT_OBJECT,
    Evidence,
    Kind,
    Ruling,
    Spoiling,
    ask_presence,
    doubt_of_absence,
    replaced,
    support,
)
from datagen.claims.phrases import Phrase
from datagen.lexicon import PLURAL_ONLY, UNCOUNTED, plural, with_article
from datagen.records import Claim


def read_phrase(phrase: Phrase, clause: Clause) -> Statement | None:
    """What is named is there, unless its number says more or denies it."""
    if phrase.is_counted or phrase.measure in ("none", "others") or phrase.is_stand_in:
        return None
    is_firm = False if is_anybody(phrase, clause) else None
    return state("presence", phrase, phrase.start, phrase.end, clause.in_question, is_firm=is_firm)


def is_anybody(phrase: Phrase, clause: Clause) -> bool:
    """Whether people are spoken of in general: "it suits two people", "a risk for a child"."""
    if phrase.category != "person" or phrase.is_definite:
        return False
    sentence = clause.sentence
    at = bisect_left(sentence.starts, phrase.start) - 1
    word, tag = (sentence.words[at], sentence.tags[at]) if at >= 0 else ("", "X")
    return word in _IN_GENERAL or (tag == "V" and word not in _SHOWING)


_IN_GENERAL = frozenset("for by to from of than like as per without requires needs".split())
_SHOWING = frozenset(
    "is are was were has have 's ’s shows show features feature depicts contains includes captures see sees".split()
)


def verify_presence(statement: Statement, evidence: Evidence) -> Ruling:
    """A caption that names it, or a box, bears it out; the lack of both speaks against it where all is annotated."""
    category = statement.category
    n_captions, is_boxed = evidence.named.get(category, 0), category in evidence.boxes
    if n_captions or is_boxed:
        said = [f"{n_captions} of {len(evidence.told)} captions name it"] * bool(n_captions)
        boxed = [f"boxes show {len(evidence.boxes.get(category, ()))}"] * is_boxed
        if statement.is_definite and not n_captions and evidence.told:
            boxed.append("no caption names it")
        return support(bool(n_captions), is_boxed), f"{category}: {' and '.join(said + boxed)}"
    doubt = doubt_of_absence(statement, evidence)
    if doubt:
        return "unknown", f"{category}: no box and no caption shows one, but {doubt}"
    return "contradicted", f"{category}: text names one, no box and no caption shows one"


def name_absent(answer: str, claim: Claim, spoiling: Spoiling) -> str | None:
    """Name a thing that is not there in place of one that is, and as likely beside the rest of the picture."""
    options = [name for name in spoiling.rivals(claim.category) if name not in PLURAL_ONLY and name not in UNCOUNTED]
    if not options:
        return None
    for mention in spoiling.lexicon.find(answer):
        if mention.category != claim.category or not claim.start <= mention.start < mention.end <= claim.end:
            continue
        other = spoiling.rng.choice(options)
        if mention.is_plural:
            return replaced(answer, mention.start, mention.end, plural(other))
        article = re.search(r"\b(an?) $", answer[: mention.start], re.IGNORECASE)
        if article is None:
            return replaced(answer, mention.start, mention.end, other)
        said = with_article(other)
        said = said.capitalize() if article[1][0].isupper() else said
        return replaced(answer, article.start(), mention.end, said)
    return None


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
