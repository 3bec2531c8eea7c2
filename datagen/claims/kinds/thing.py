"""Thing: "There is a lamp" says that something outside the boxes' categories is there.

Captions alone tell it, and their silence says little: a lamp on a side table nobody mentions. How much the silence
says is told: what takes up the picture by the text's own words, but no caption names, is unlikely. A thing under a
wrong name is contradicted: where captions agree that an animal is a sheep, "a goat" is there for none of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from datagen.claims.clause import Clause, Statement
from datagen.claims.grammar import FLAGS
from datagen.claims.kind import Evidence, Kind, Probed, Ruling, ask_yes_no
from datagen.claims.syntax import Noun
from datagen.claims.vocabulary import CLASSES, THINGS_ALIKE
from datagen.lexicon import plural, with_article
from datagen.records import Claim

_SHOWN_BEFORE = frozenset(
    "is are 's ’s shows show features feature includes contains holds see spot notice find".split()
)
_SHOWN_AFTER = re.compile(
    r"\s+(?:is|are|can be|stands?|sits?|lies|hangs?|rises|leans?|rests?)\s+(?:also\s+|partly\s+|clearly\s+)?"
    r"(?:visible|seen|spotted|in view|here|there|on|in|at|behind|beside|next|near|above|below|under|against|from|"
    r"over|by)\b",
    FLAGS,
)
_ABSTRACT = frozenset(
    "scene image picture photo photograph view sense feeling atmosphere mood moment time day way part side area lot "
    "number "
    "variety group row pair couple kind type sort touch contrast reason sign hint chance need place space thing one "
    "focus "
    "addition combination mix array assortment collection range amount bit piece set background foreground center "
    "middle "
    "corner edge left right top bottom distance color colour light shadow air surface position setting environment "
    "person "
    "people something someone nothing everything activity action example fact idea question answer story purpose "
    "person "
    "experience opportunity possibility difference detail feature element object item shape size style design pattern "
    "summary half third quarter majority rest remainder total pose gesture expression smile gaze look glance hour "
    "minute "
    "year season summer winter spring autumn weather sky ground floor no yes point matter case".split()
)
"""Nouns that name no thing to be seen, or one that every picture has."""
PROMINENT = re.compile(
    r"\b(?:dominat|centrepiece|centerpiece|main|largest|biggest|fills?|takes? up|huge|giant|prominent)\w*", FLAGS
)
_ANY_WORDS = frozenset(
    "animal pet livestock wildlife creature vehicle traffic board food meal dish dessert treat snack lunch dinner "
    "breakfast seat furniture seating tool bag container screen electronics device building".split()
)


def _names() -> dict[str, list[tuple[str, frozenset[str]]]]:
    """Per word, its classes, each with the words for the same thing."""
    found: dict[str, list[tuple[str, frozenset[str]]]] = {}
    for kind, groups in THINGS_ALIKE.items():
        for group in groups.split("|"):
            same = frozenset(group.split())
            for word in same:
                found.setdefault(word, []).append((kind, same))
    return found


NAMES = {word: classes for word, classes in _names().items() if word not in _ANY_WORDS}
_HEADS = frozenset(NAMES) | frozenset(map(plural, NAMES))
_FIRST = {kind: frozenset(groups.split("|")[0].split()) for kind, groups in THINGS_ALIKE.items()}
_UNREAL = frozenset(
    "like as picture painting photo statue toy drawing poster print logo shaped sculpture image pattern decorated "
    "cartoon costume".split()
)
"""Words behind which a name need not be that of a thing that is there."""
_GENERIC = frozenset(
    "often usually typically normally generally commonly always can would unlike instead rather such when makes needs "
    "need helps help allows allow requires means tends tend".split()
)
"""Words of a sentence about things of a kind, not about those in the picture."""
_WORD = re.compile("[a-z]+")
_IN_GENERAL = frozenset("for by to than without requires needs per".split())
MOST = 3
"""Captions that name a thing of a class, from which on they would name another one that is there too."""
SILENT, TELLING = 0.3, 0.8
"""How unlikely a thing is that no caption names: in passing, and where the text makes it the main thing."""


def read_clause(clause: Clause) -> Iterator[Statement]:
    """Nouns outside the categories that the text says to be there: "there is a lamp", "a lamp stands on the floor"."""
    words = clause.sentence.words
    hits = _HEADS.intersection(words)
    if hits:  # but for those of the categories
        hits = hits.difference(*(clause.source[one.start : one.end].lower().split() for one in clause.phrases))
    is_open = bool(hits) and _GENERIC.isdisjoint(words)
    named = [noun for noun in clause.nouns() if noun.head in NAMES] if is_open else []
    for noun in named:
        if noun.determiner in ("no", "neither", "any", "every", "each") or clause.phrase_of(noun) is not None:
            continue
        is_any = noun.is_plural and not noun.determiner and not noun.modifiers  # "goats eat grass"
        if is_any or words[noun.first - 1] in _IN_GENERAL:
            continue
        if _UNREAL.isdisjoint(words[max(0, noun.first - 2) : noun.last]):
            yield Statement(
                "thing", noun.head, noun.head, noun.start, noun.end, value="named", is_plural=noun.is_plural,
                in_question=clause.in_question, beside=tuple(_WORD.findall(clause.source.lower())),
            )  # fmt: skip
    n_articles = words.count("a") + words.count("an")
    if n_articles <= len(clause.phrases) and "there" not in words:
        return  # every "a dog" is one of the categories, and is spared the noun phrases
    for noun in clause.nouns():
        if noun.determiner in ("no", "neither", "any") or noun.head in _ABSTRACT or len(noun.head) < 3:
            continue
        if noun not in named and clause.phrase_of(noun) is None and _is_shown(clause, noun):
            is_main = PROMINENT.search(clause.source, clause.start, clause.end) is not None
            yield Statement(
                "thing", noun.head, noun.head, noun.start, noun.end, value="main" if is_main else None,
                is_plural=noun.is_plural, in_question=clause.in_question,
            )  # fmt: skip


def _is_shown(clause: Clause, noun: Noun) -> bool:
    words = clause.sentence.words
    if noun.determiner not in ("a", "an", "some", "several", "many") and not noun.modifiers[:1] and not noun.is_plural:
        return False
    if noun.first and words[noun.first - 1] in _SHOWN_BEFORE and "there" in words[max(0, noun.first - 3) : noun.first]:
        return True
    if noun.first and words[noun.first - 1] in _SHOWN_BEFORE and words[noun.first - 1] not in ("is", "are", "'s", "’s"):
        return noun.determiner in ("a", "an")
    return noun.determiner in ("a", "an") and _SHOWN_AFTER.match(clause.source, noun.end, clause.end) is not None


def verify_thing(statement: Statement, evidence: Evidence) -> Ruling:
    """A caption that names it bears it out; silence leaves it open."""
    if statement.word in evidence.nouns:
        return "supported_by_caption", f"{statement.word}: {evidence.nouns[statement.word]} captions name it"
    for kind, same in NAMES.get(statement.word, ()):
        told = CLASSES[kind] & evidence.nouns.keys()
        n_told = sum(not stems.isdisjoint(told) for stems in evidence.words)
        is_alike = not told.isdisjoint(same | (_FIRST[kind] & _ANY_WORDS)) or _is_boxed(same, evidence)
        # An answer that names the captions' one as well speaks of two: "a barn beside the church"
        is_alike = is_alike or not (told | set(map(plural, told))).isdisjoint(statement.beside)
        if n_told >= MOST - _is_boxed(told, evidence) and not is_alike:
            return "contradicted", f"{statement.word}: captions call it {' and '.join(sorted(told))}"
    unlikely = TELLING if statement.value == "main" else SILENT
    return "unknown", f"{statement.word}: no category, and no caption names it (unlikely by {unlikely})"


def _is_boxed(same: frozenset[str], evidence: Evidence) -> bool:
    return any(not same.isdisjoint(name.split()) for name in evidence.boxes)


def probe(claim: Claim) -> Iterator[Probed]:
    """Ask whether it is there."""
    yield ask_yes_no(claim, f"Is there {with_article(claim.category)} in the image?", None)


THING = Kind(
    name="thing",
    says="something outside the categories is there",
    examples=("There is a lamp.", "A lamp stands on the floor."),
    read_clause=read_clause,
    reads_bare=True,
    verify=verify_thing,
    probe=probe,
    plants=(),
    if_supposed="if plain",
)
