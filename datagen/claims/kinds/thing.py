"""Thing: "There is a lamp" says that something outside the boxes' categories is there.

Captions alone tell it, and their silence says little: a lamp on a side table nobody mentions. How much the silence
says is told: what takes up the picture by the text's own words, but no caption names, is unlikely. A thing under a
wrong name is contradicted: where captions agree that an animal is a sheep, "a goat" is there for none of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

from datagen.claims.clause import Clause, Statement
from datagen.claims.grammar import FLAGS
from datagen.claims.kind import Evidence, Kind, Probed, Ruling, ask_yes_no
from datagen.claims.syntax import GROUPS, Noun, Sentence, class_of, singular, stem
from datagen.claims.wordnet import are_kin, distance, is_a, is_usual, lineage, senses
from datagen.lexicon import plural, with_article
from datagen.records import Claim

_ABSTRACT = frozenset(
    "scene image picture photo photograph view area place space thing addition background foreground setting position "
    "person people center middle corner edge left right top bottom distance light shadow surface detail feature "
    "object item element pattern shape lower upper closeup close-up sky ground floor air summary rest pose look sign "
    "hint pair couple match game upright".split()
)
"""Nouns of the picture, or of what every picture has; others that name nothing to be seen are told by WordNet."""
PROMINENT = re.compile(
    r"\b(?:dominat|centrepiece|centerpiece|main|largest|biggest|fills?|takes? up|huge|giant|prominent)\w*", FLAGS
)
SORTS = (
    ("animal", 0), ("instrumentality", 0), ("food", 1), ("building", 0), ("plaything", 0), ("protective cover", 0),
    ("beverage", 0), ("plant", 1), ("structure", 0),
)  # fmt: skip
"""Sorts of things, each a word and the number of its sense."""
N_NARROW = 3
"""The first sorts, of which no two things are taken for granted in every picture, as clothes and walls are."""
_UNREAL = frozenset(
    "like as picture painting photo statue toy drawing poster print logo shaped sculpture image pattern decorated "
    "cartoon costume".split()
)
"""Words behind which a name need not be that of a thing that is there."""
_GENERIC = frozenset(
    "often usually typically normally generally commonly always would unlike instead rather such when makes needs "
    "need helps help allows allow requires means tends tend".split()
)
"""Words of a sentence about things of a kind, not about those in the picture."""
_NO_OWN_THING = frozenset("no neither any every each his her its their ’s 's".split())
"""Determiners of what is denied, of anything, or a part of something: "its coat"."""
_WORD = re.compile("[a-z]+")
_IN_GENERAL = frozenset("for by to than without requires needs per".split())
MOST, ALL = 3, 4
"""Captions that agree on a thing, from which on it stands in the place of one that the text makes a sentence's topic
(a box counts as one), and of any other one."""
FAR, NEAR = 8, 4
"""Steps in WordNet up to which one thing may stand in the other's place. Of 1,005 captions of COCO, each held against
the others of its picture, 0.8 % have a topic that would be refuted so; of captions of other pictures 17 %."""
TOLD_OF = {
    "animal": 1, "food": 1, "beverage": 1, "weapon": 1, "musical instrument": 1, "tree": 1,
    "building": 1, "vehicle": 1, "flower": 2, "fruit": 2, "vegetable": 2, "tower": 1, "bridge": 1, "fountain": 1,
}  # fmt: skip
"""Sorts of which somebody tells where several people describe a picture, each with the number of a word's senses that
are asked. Of 1,005 captions of COCO, each held against the others of its picture, 0.6 % name such a thing alone; of
captions of another picture of Flickr8k 3 %; of 176 replies written from captions and boxes none does."""
_TOO_WIDE = frozenset(TOLD_OF) | frozenset(
    "house home cottage shop store meal snack drink dish plant resort hall pet tank".split()
)
WITNESSES, LIKE = 4, 4
"""Captions whose common silence on such a thing speaks against it; steps to a thing that they may mean by it."""
SIBLINGS = 2
"""Captions that name one kind of such a sort, from which on another kind is not there."""
SILENT, TELLING = 0.3, 0.8
"""How unlikely a thing is that no caption names: in passing, and where the text makes it the main thing."""


_BESIDE_ANYTHING = frozenset(
    "cushion pillow rug carpet mat curtain blind lamp armrest backrest headboard shelf counter countertop drawer "
    "cabinet cupboard stool footstool lock chain basket rack handle mast paddle saddle wheel tire helmet "
    "wall floor ceiling window door doorway roof stair staircase balcony chimney engine key gear".split()
)
"""Furnishings and parts of things and rooms: they lie beside what captions name, never in its place."""


@lru_cache(maxsize=20_000)
def sorts_of(word: str, n_sorts: int = len(SORTS)) -> frozenset[int]:
    """Of the first of ``SORTS`` those that a noun in the singular belongs to by its two usual senses."""
    roots = {senses(name)[n] for name, n in SORTS[:n_sorts]}
    return frozenset(root for sense in senses(word)[:2] for root in roots & lineage(sense))


def named_in(sentence: Sentence) -> frozenset[str]:
    """The nouns of a sentence that belong to a sort."""
    return frozenset(name for noun in sentence.nouns if sorts_of(name := name_of(noun)))


def name_of(noun: Noun) -> str:
    """A noun, with the word before it where they are one name: "fire engine"."""
    if not noun.modifiers:
        return noun.head
    compound = f"{noun.modifiers[-1]} {noun.head}"
    if not senses(compound) and noun.is_plural:
        compound = f"{noun.modifiers[-1]} {plural(noun.head)}"  # "french fries"
    return compound if senses(compound) else noun.head


def read_clause(clause: Clause) -> Iterator[Statement]:
    """Nouns outside the categories that the text says to be there: "there is a lamp", "a lamp stands on the floor"."""
    words = clause.sentence.words
    if _is_general(clause):
        return
    topic = clause.sentence.topic()
    for noun in clause.nouns():
        name = name_of(noun)
        if not sorts_of(name) or noun.head in _ABSTRACT or clause.phrase_of(noun) is not None:
            continue
        if noun.determiner in _NO_OWN_THING or words[noun.first - 1] in _IN_GENERAL:
            continue
        of = _group_of(clause.sentence, noun)
        is_any = noun.is_plural and not noun.determiner and not noun.modifiers and of is None  # "goats eat grass"
        if not is_usual(name) and noun.determiner not in ("a", "an") and of is None:
            continue  # "the lower part"
        if noun.head == "frame" and noun.determiner == "the" and not noun.modifiers:
            continue  # the picture's own: "on the left of the frame"; "a frame hangs on the wall" is a thing
        is_object = words[noun.first - 2 : noun.first - 1] in _PICTURES and clause.sentence.tags[noun.first - 1] == "V"
        if not is_any and _UNREAL.isdisjoint(words[max(0, noun.first - (1 if is_object else 2)) : noun.last]):
            is_topic = topic is not None and topic in (noun, of)
            role = "topic" if PROMINENT.search(clause.source, clause.start, clause.end) is None else "main"
            yield Statement(
                "thing", name, name, noun.start, noun.end, value=role if is_topic else _verb_before(clause, noun),
                is_plural=noun.is_plural, in_question=clause.in_question,
                is_definite=_is_sure(clause, noun) and _SUPPOSING.isdisjoint(words),
                beside=_words_of(clause.source),
            )  # fmt: skip


def _is_sure(clause: Clause, noun: Noun) -> bool:
    """Whether it is told as there: "a pot of TEA", "four PENCILS", "red TULIPS"."""
    words = clause.sentence.words
    if noun.determiner or noun.modifiers or _group_of(clause.sentence, noun) is not None:
        return True
    return noun.first > 1 and words[noun.first - 1] == "of" and any(
        one.determiner and one.last == noun.first - 2 and one.head in _SERVED for one in clause.nouns()
    )  # fmt: skip


def _group_of(sentence: Sentence, noun: Noun) -> Noun | None:
    """The noun for a group of the things that another one names: "a HERD of goats"."""
    if noun.first < 2 or sentence.words[noun.first - 1] != "of" or not noun.is_plural:
        return None
    return next((one for one in sentence.nouns if one.last == noun.first - 2 and one.head in GROUPS), None)


_PICTURES = (["image"], ["picture"], ["photo"], ["photograph"])
"""What shows things that are there: "the image shows a goat"."""
_SERVED = frozenset(
    "pot cup glass mug bowl plate bottle slice piece can jar basket bunch bouquet vase pile stack box bag tray".split()
)
_SUPPOSING = frozenset(
    "would could might may should must can if whether such any every often usually help helps need needs want wants "
    "imagine suppose suggest suggests perhaps maybe probably possibly likely like".split()
)
"""Words of a sentence that need not be about things in the picture alone."""


def _is_general(clause: Clause) -> bool:
    """Whether it may be about things of a kind: "a lamp can help", but a lamp "can be seen"."""
    words, span = clause.sentence.words, clause.words()
    if not _GENERIC.isdisjoint(words[n] for n in span):
        return True
    return "can" in words[span.start : span.stop] and _CAN_BE_SEEN.isdisjoint(words[span.start : span.stop])


_CAN_BE_SEEN = frozenset("seen see spot made make found spotted noticed".split())


@lru_cache(maxsize=16)  # a text with five things would be split five times
def _words_of(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.lower()))


def _verb_before(clause: Clause, noun: Noun) -> str | None:
    """The verb that something is done to it by: "holding a balloon"."""
    at, sentence = noun.first - 1, clause.sentence
    is_verb = at >= 0 and sentence.tags[at] in "VFG" and class_of(sentence.words[at]) != "V"
    return f"{AFTER}{stem(sentence.words[at])}" if is_verb else None


AFTER = "after "
"""Opens the value of a claim about what something is done to, before the verb's stem."""


_HOLDING = frozenset(map(stem, "holding wielding use uses using gripping grasping clutching swinging carrying".split()))
"""Verbs for having a thing in one's hands."""


def verify_thing(statement: Statement, evidence: Evidence) -> Ruling:
    """A caption that names it bears it out; where captions agree on another thing of its sort, it is not there."""
    word, role = statement.word, statement.value
    n_captions = max(evidence.nouns.get(word, 0), sum(word in names for names in evidence.things))
    if n_captions:
        return "supported_by_caption", f"{word}: {n_captions} captions name it"
    if word in evidence.part_words:
        return "supported_by_caption", f"{word}: a sentence on a part names it"
    is_telling = role is not None or (statement.is_definite and _is_told_of(word))
    n_sorts, steps = (len(SORTS), FAR) if is_telling else (N_NARROW, NEAR)
    verb = (role or "").removeprefix(AFTER) if (role or "").startswith(AFTER) else None
    verbs = _HOLDING if verb in _HOLDING else {verb}
    captions = [
        names for names, stems in zip(evidence.things, evidence.stems, strict=True)
        if verb is None or not verbs.isdisjoint(stems)
    ]  # fmt: skip
    told = [
        *_rivals(statement, evidence, captions, n_sorts, steps, MOST if is_telling else ALL),
        *(_rivals(statement, evidence, evidence.things, N_NARROW, NEAR, ALL) if verb in _HOLDING else ()),
    ]
    if told and not _is_named(word, evidence):
        return "contradicted", f"{word}: captions tell of {' and '.join(sorted(set(told)))}"
    siblings = _siblings(word, evidence) if statement.is_definite and len(evidence.told) >= WITNESSES else []
    if siblings and not any(_is_said(name, statement) for name in siblings):
        return "contradicted", f"{word}: captions tell of {' and '.join(sorted(siblings))}"
    if statement.is_definite and len(evidence.told) >= WITNESSES and _is_told_of(word) and not _is_near(word, evidence):
        return "contradicted", f"{word}: {len(evidence.told)} captions, and none names it or anything like it"
    unlikely = TELLING if statement.value == "main" else SILENT
    return "unknown", f"{word}: no category, and no caption names it (unlikely by {unlikely})"


def _rivals(
    statement: Statement, evidence: Evidence, captions: Sequence[frozenset[str]], n_sorts: int, steps: int, enough: int
) -> Iterator[str]:
    """Things of a sort that enough captions name (a box counts as one) and that stand in the place of another one."""
    word, sorts = statement.word, sorts_of(statement.word, n_sorts)
    if word in _BESIDE_ANYTHING:
        return
    for name in sorted(set().union(*captions)):  # the first is told, and the order of a set differs between processes
        if sorts.isdisjoint(sorts_of(name, n_sorts)) or distance(word, name) > steps or are_kin(word, name):
            continue
        if name in _told_sorts(word):
            continue  # an iris is a flower
        n = sum(any(are_kin(name, other) for other in names) for names in captions)
        if n >= enough - (enough == MOST and _is_boxed(name, evidence)) and not _is_said(name, statement):
            yield name


@lru_cache(maxsize=20_000)
def _is_told_of(word: str) -> bool:
    """Whether people who describe a picture tell of such a thing."""
    return word in _FLOWERS or (word not in _TOO_WIDE and is_usual(word) and bool(_told_sorts(word)))


@lru_cache(maxsize=20_000)
def _told_sorts(word: str) -> frozenset[str]:
    """The sorts of ``TOLD_OF`` that a word belongs to."""
    if word in _FLOWERS:
        return frozenset(("flower",))
    return frozenset(sort for sort, n in TOLD_OF.items() if is_a(word, sort, n_senses=n))


_FLOWERS = frozenset("tulip rose lily daffodil orchid iris lavender hyacinth hydrangea peony lilac geranium".split())
"""Flowers that are shrubs and bulbs to WordNet."""


def _siblings(word: str, evidence: Evidence) -> list[str]:
    """Kinds of the same sort as a word of ``TOLD_OF`` that captions agree on: vodka where the text has tea."""
    if not _is_told_of(word):
        return []
    sorts = _told_sorts(word)
    told = Counter(name for names in evidence.things for name in names)
    if any(are_kin(word, name) and name not in _TOO_WIDE and not is_a(word, name) for name in told):
        return []
    return [
        name for name, n in told.items()
        if n >= SIBLINGS and name not in _TOO_WIDE and not are_kin(word, name) and distance(word, name) <= FAR
        and not sorts.isdisjoint(_told_sorts(name))
    ]  # fmt: skip


def _is_near(word: str, evidence: Evidence) -> bool:
    """Whether captions or boxes name what it may be, or what it is a kind or a part of."""
    told = (name for names in evidence.things for name in names)
    boxed = (part for name in evidence.boxes for part in (name, *name.split()))
    others = (other for other in (*told, *evidence.nouns, *boxed) if not is_a(other, "person"))  # "goat" for a victim
    sorts = _told_sorts(word)
    return any(are_kin(word, other) or distance(word, other) <= LIKE or other in sorts for other in others)


def _is_boxed(name: str, evidence: Evidence) -> bool:
    return name in evidence.boxes or (
        name in evidence.vocabulary.lexicon.forms
        and bool(evidence.vocabulary.lexicon.named(name) & evidence.boxes.keys())
    )


def _is_named(word: str, evidence: Evidence) -> bool:
    """Whether captions or boxes may mean a thing by another word."""
    boxed = (part for name in evidence.boxes for part in (name, *name.split()))
    told = (name for names in evidence.things for name in names)
    return any(are_kin(word, other) for other in (*evidence.nouns, *told, *boxed))


def _is_said(name: str, statement: Statement) -> bool:
    """Whether a text names the captions' thing as well, and so speaks of two: "a barn beside the church"."""
    return any(are_kin(name, singular(said)) for said in statement.beside)


def probe(claim: Claim) -> Iterator[Probed]:
    """Ask whether it is there."""
    yield ask_yes_no(claim, f"Is there {with_article(claim.category)} in the image?", None)


THING = Kind(
    name="thing",
    says="something outside the categories is there",
    examples=("There is a lamp.", "A lamp stands on the floor."),
    read_clause=read_clause,
    reads_bare=True,
    of_captions=False,
    verify=verify_thing,
    probe=probe,
    plants=(),
    if_supposed="if plain",
    if_seeming=True,
)
