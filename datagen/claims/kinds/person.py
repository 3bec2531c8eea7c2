"""Person: "A woman sits there" says whether someone is a man or a woman, and how old.

Captions alone tell it. It is contradicted where there is one person, or one beside whom all others are small, and every
caption that tells says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from datagen.claims.clause import Clause, Statement
from datagen.claims.kind import (
    Evidence,
    Kind,
    PlantedError,
    Probed,
    Ruling,
    ask_yes_no,
    boxes_meant,
    is_the_same,
    turning,
)
from datagen.claims.syntax import Noun
from datagen.records import Claim


class Said(Struct, frozen=True):
    """What a noun says of someone: male or female, and the age as a rank from 0 (baby) to 4 (old)."""

    sex: str | None
    age: float | None


PEOPLE = {
    "man": Said("male", 3), "gentleman": Said("male", 3), "guy": Said("male", 2.5), "businessman": Said("male", 3),
    "fireman": Said("male", 3), "policeman": Said("male", 3), "father": Said("male", 3), "groom": Said("male", 3),
    "woman": Said("female", 3), "lady": Said("female", 3), "mother": Said("female", 3), "bride": Said("female", 3),
    "waitress": Said("female", 3), "policewoman": Said("female", 3), "businesswoman": Said("female", 3),
    "grandmother": Said("female", 4), "grandfather": Said("male", 4),
    "boy": Said("male", 1.5), "girl": Said("female", 2), "child": Said(None, 1), "kid": Said(None, 1.2),
    "toddler": Said(None, 0.7), "baby": Said(None, 0), "infant": Said(None, 0), "teenager": Said(None, 2),
    "adult": Said(None, 3),
}  # fmt: skip
"""Nouns for people; a girl may be a young woman."""
AGES = {"old": 4.0, "older": 4.0, "elderly": 4.0, "aged": 4.0, "gray-haired": 4.0, "grey-haired": 4.0, "senior": 4.0,
        "white-haired": 4.0, "little": 1.0, "small": 1.0, "young": 2.0, "younger": 2.0, "baby": 0.0, "teenage": 2.0,
        "middle-aged": 3.5, "adult": 3.0, "grown": 3.0}  # fmt: skip
"""What words before them add."""
APART = 1.5
"""Ranks between two ages that nobody gives the same person."""
ADULT, FAR = 3.0, 2.0
PRONOUNS = {"he": "male", "she": "female"}
WRONG_PERSON = PlantedError("person", "a wrong kind of person")
_HEADS = frozenset(PEOPLE) | frozenset(PRONOUNS)
_PLURALS = frozenset(
    "men women boys girls children kids babies toddlers ladies guys gentlemen infants teenagers adults".split()
)
_WORDS = _HEADS | _PLURALS


def read_clause(clause: Clause) -> Iterator[Statement]:
    """Nouns that tell who someone is, with the adjective of age before them, and "he" and "she"."""
    words = clause.sentence.words
    if not clause.phrases or (_WORDS.isdisjoint(words) and _TELLING.isdisjoint(words)):
        return
    for noun in clause.nouns():
        said = PEOPLE.get(noun.head) or _by_adjectives(noun)
        phrase = clause.phrase_of(noun) if said is not None else None
        if phrase is not None and phrase.category != "person":
            continue  # "a baby bear"
        if said is None or phrase is None or phrase.measure in ("none", "others"):
            continue
        age = next((AGES[word] for word in noun.modifiers if word in AGES), said.age)
        if age == 2.0 and said.age in (0, 1):
            age = said.age  # a young child
        if age == 1.0 and said.age == 3:
            age = 3.0  # a small man is no child
        yield Statement(
            "person", phrase.category, noun.head, phrase.start, noun.end, value=_named(said.sex, age),
            is_plural=noun.is_plural, is_definite=phrase.is_definite, number=phrase.number,
            is_firm=phrase.is_firm, in_question=clause.in_question, beside=clause.beside(),
        )  # fmt: skip
    for phrase in clause.phrases[:1]:
        word = clause.source[phrase.start : phrase.end].lower()
        if word in PRONOUNS:
            yield Statement(
                "person", phrase.category, word, phrase.start, phrase.end, value=_named(PRONOUNS[word], None),
                is_definite=True, is_firm=phrase.is_firm or phrase.measure == "open", in_question=clause.in_question,
                beside=clause.beside(),
            )  # fmt: skip


_SEXES = {"male": "male", "female": "female"}
_TELLING = frozenset(_SEXES) | frozenset("elderly old young middle-aged teenage".split())


def _by_adjectives(noun: Noun) -> Said | None:
    """What the words before a noun for anybody say: "a FEMALE tennis player", "an ELDERLY couple"."""
    sex = next((_SEXES[word] for word in noun.modifiers if word in _SEXES), None)
    age = next((AGES[word] for word in noun.modifiers if word in _TELLING and word in AGES), None)
    return None if sex is None and age is None else Said(sex, age)


_OF_SEX = {
    "male": frozenset(
        "he his him man boy guy gentleman father dad groom male husband son brother grandfather businessman lad".split()
    ),
    "female": frozenset(
        "she her woman girl lady mother mom bride female wife daughter sister grandmother waitress".split()
    ),
}  # fmt: skip
"""Per sex, words of captions that tell of somebody of it; "couple" and "family" tell of both."""
_OF_BOTH = frozenset("couple family parent".split())


_NAMES = {0.0: "baby", 0.7: "toddler", 1.0: "child", 1.2: "kid", 1.5: "boy", 2.0: "young", 2.5: "grown", 3.0: "adult",
          3.5: "middle-aged", 4.0: "elderly"}  # fmt: skip
_RANKS = {name: rank for rank, name in _NAMES.items()}


def _named(sex: str | None, age: float | None) -> str:
    return ", ".join(part for part in (sex, None if age is None else _NAMES[float(age)]) if part)


def _sides(value: str | None) -> tuple[str | None, float | None]:
    parts = (value or "").split(", ")
    sex = parts[0] if parts[0] in ("male", "female") else None
    age = next((_RANKS[part] for part in parts if part in _RANKS), None)
    return sex, age


def verify_person(statement: Statement, evidence: Evidence) -> Ruling:
    """What captions say of the one who is meant; of several people they tell only where they count them all."""
    category = statement.category
    sex, age = _sides(statement.value)
    told = [_sides(one.value) for caption in evidence.told for one in caption if one.kind == "person"]
    sexes, ages = {s for s, _ in told if s}, [a for _, a in told if a is not None]
    saying = f"{category}: text says {statement.value}"
    if not told:
        return "unknown", f"{saying}, no caption tells who it is"
    shown = "captions say " + " and ".join(dict.fromkeys(_named(s, a) for s, a in told))
    is_other_sex = sex is not None and bool(sexes) and sex not in sexes
    far = [other for other in ages if age is not None and abs(age - other) >= APART]
    # "a man" may be young or old: beside "a young man" he is no elderly one.
    is_other_age = bool(far) and all(other in far or other == ADULT != age for other in ages)
    if not (is_other_sex or is_other_age):
        agrees = (sex is None or sex in sexes) and (age is None or any(abs(age - other) < 1 for other in ages))
        return ("supported_by_caption" if agrees else "unknown"), f"{saying}, {shown}"
    if is_other_age and not is_other_sex and len(ages) < 2 and age is not None and abs(age - far[0]) < FAR:
        return "unknown", f"{saying}, {shown}, one alone"
    is_of_none = (is_other_sex and sex is not None and _all_tell_other(sex, evidence)) or (
        is_other_age and age is not None and age <= CHILD and _none_tells_of_child(evidence)
    )
    if not is_of_none and not _is_only(statement, evidence) and not is_the_same(statement, evidence):
        return "unknown", f"{saying}, {shown}, perhaps of someone else"
    return "contradicted", f"{saying}, {shown}"


ALL_TELL, TELLING, WITNESSES = 3, 2, 4
"""Captions that tell of people of one sex alone, or of grown ones, from which on there is nobody else to be told of; of
one sex so many suffice of so many in all: of 1,005 captions of COCO, each held against the others of its picture, 0.2 %
say otherwise."""


def _all_tell_other(sex: str, evidence: Evidence) -> bool:
    """Whether captions agree that whoever is there to be told of is of the other sex."""
    n_told = sum(any(one.kind == "person" and _sides(one.value)[0] for one in caption) for caption in evidence.told)
    enough = TELLING if len(evidence.told) >= WITNESSES else ALL_TELL
    return n_told >= enough and evidence.nouns.keys().isdisjoint(_OF_SEX[sex] | _OF_BOTH)


CHILD = 1.5
_OF_CHILDREN = frozenset("child kid boy girl baby toddler infant son daughter family kitten kindergarten".split())


def _none_tells_of_child(evidence: Evidence) -> bool:
    """Whether captions agree that whoever is there to be told of is grown."""
    n_told = sum(any(one.kind == "person" for one in caption) for caption in evidence.told)
    return n_told >= ALL_TELL and evidence.nouns.keys().isdisjoint(_OF_CHILDREN)


def _is_only(statement: Statement, evidence: Evidence) -> bool:
    count = evidence.counts.get(statement.category)
    if count is None:
        return False
    if count.is_exact and count.at_least == 1:
        return True
    own = [one for caption in evidence.told for one in caption if one.kind == "person"]
    if not statement.is_plural and not any(one.is_plural for one in own):
        return statement.is_definite and len(boxes_meant(statement.category, evidence)) == 1
    # "Two men" in a caption, where there are two, are all of them.
    return count.is_exact and any(one.is_plural and one.number == count.at_least for one in own)


def probe(claim: Claim) -> Iterator[Probed]:
    """Ask whether such a person is there."""
    sex, age = _sides(claim.value)
    name = {("male", True): "man", ("female", True): "woman", ("male", False): "boy", ("female", False): "girl"}.get(
        (sex or "", age is None or age >= 2.5), "child" if age is not None and age < 2 else ""
    )
    if name:
        yield ask_yes_no(claim, f"Is there a {name} in the image?", WRONG_PERSON)


PERSON = Kind(
    name="person",
    says="whether someone is a man or a woman, and how old",
    examples=("A woman runs.", "The old man is near the dog.", "A little boy runs."),
    read_clause=read_clause,
    verify=verify_person,
    probe=probe,
    plants=(
        (
            WRONG_PERSON,
            turning({"man": "woman", "woman": "man", "boy": "girl", "girl": "boy", "men": "women", "women": "men"}),
        ),
    ),
    suffers=lambda claim: (WRONG_PERSON,) if _sides(claim.value)[0] else (),
    if_supposed="if plain",
)
