"""Person: "A woman sits there" says whether someone is a man or a woman, and how old.

Captions alone tell it. It is contradicted where there is one person, or one beside whom all others are small, and every
caption that tells says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

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
from datagen.claims.wordnet import Nearest, is_a, is_adjective, lineage, senses
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
    "adult": Said(None, 3), "schoolboy": Said("male", 1.2), "schoolgirl": Said("female", 1.2), "teen": Said(None, 2),
    "lad": Said("male", 1.5), "youngster": Said(None, 1.2), "preschooler": Said(None, 1), "pensioner": Said(None, 4),
    "grandpa": Said("male", 4), "grandma": Said("female", 4), "mom": Said("female", 3), "mum": Said("female", 3),
    "dad": Said("male", 3), "husband": Said("male", 3), "wife": Said("female", 3), "son": Said("male", None),
    "daughter": Said("female", None), "brother": Said("male", None), "sister": Said("female", None),
    "nun": Said("female", 3), "monk": Said("male", 3), "actress": Said("female", 3), "housewife": Said("female", 3),
    "cowboy": Said("male", 3), "cowgirl": Said("female", 3), "bridesmaid": Said("female", 3),
    "ballerina": Said("female", None), "sportsman": Said("male", 3), "sportswoman": Said("female", 3),
    "cowhand": Said(None, 3), "granny": Said("female", 4), "senior": Said(None, 4), "male": Said("male", None),
    "female": Said("female", None),
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
_NEAREST = Nearest({name: name for name in PEOPLE})


@lru_cache(maxsize=20_000)
def said_of(word: str) -> Said | None:
    """What a noun in the singular says of someone, by the table or by what it is a kind of: a stewardess is a woman."""
    if word in PEOPLE or not is_a(word, "person", n_senses=1):
        return PEOPLE.get(word)
    ending = _ENDINGS.search(word)
    if ending is not None:
        return PEOPLE[_OF_ENDINGS.get(ending[0], ending[0])]
    name = _NEAREST.of(word)
    return None if name is None else PEOPLE[name]


_ENDINGS = re.compile(r"(?:woman|(?<!^hu)(?<!^ger)(?<!^ro)man|girl|boy|lady|(?<=[a-z]{3}[^n])ess)$", re.ASCII)
_OF_ENDINGS = {"ess": "woman"}
"""Ends of words that say who someone is: "stewardESS", "fisherMAN"."""


def read_clause(clause: Clause) -> Iterator[Statement]:
    """Nouns that tell who someone is, with the adjective of age before them, and "he" and "she"."""
    for noun in clause.nouns():
        said = said_of(noun.head) or _by_adjectives(noun)
        phrase = clause.phrase_of(noun) if said is not None else None
        if phrase is not None and phrase.category != "person":
            continue  # "a baby bear"
        if phrase is None and said is None and _is_someone(noun, clause):
            said = ANYBODY
        if said is None or (phrase is None and (noun.head in _NO_PEOPLE or noun.determiner in _OWNING)):
            continue
        age = next((AGES[word] for word in noun.modifiers if word in AGES), said.age)
        if age == 2.0 and said.age is not None and said.age < 2:
            age = said.age  # a young child
        if age == 1.0 and said.age == 3:
            age = 3.0  # a small man is no child
        subject = clause.named(noun) if phrase is None or phrase.measure not in ("none", "others") else None
        if subject is not None and (phrase is not None or is_a(noun.head, "person", n_senses=1)):
            yield Statement(
                "person", "person", noun.head, subject.start, noun.end, value=_named(said.sex, age),
                is_plural=noun.is_plural, is_definite=subject.is_definite, number=subject.number,
                is_firm=subject.is_firm if phrase is None else phrase.is_firm, in_question=clause.in_question,
                beside=clause.beside(),
            )  # fmt: skip
    for phrase in clause.phrases[:1]:
        word = clause.source[phrase.start : phrase.end].lower()
        if word in PRONOUNS:
            yield Statement(
                "person", phrase.category, word, phrase.start, phrase.end, value=_named(PRONOUNS[word], None),
                is_definite=True, is_firm=phrase.is_firm or phrase.measure == "open", in_question=clause.in_question,
                beside=clause.beside(),
            )  # fmt: skip


ANYBODY = Said(None, None)


def _is_someone(noun: Noun, clause: Clause) -> bool:
    """Whether a noun outside the corpus's words brings somebody in: "a RANGER is watching", "two clowns"."""
    before = clause.sentence.words[noun.first - 1] if noun.first else ""
    return (
        (noun.determiner in ("a", "an") or noun.modifiers[:1] in _FEW)
        and before not in _IN_GENERAL
        and _is_human(noun.head)
    )  # fmt: skip


@lru_cache(maxsize=20_000)
def _is_human(word: str) -> bool:
    """Whether a word is for a person in all its senses: a toaster may be a thing, and "one heavy" is a look."""
    (human,) = senses("person")[:1]
    if word in _OF_OBJECTS or is_adjective(word):
        return False
    return bool(senses(word)) and all(human in lineage(sense) for sense in senses(word))


_OF_OBJECTS = frozenset("model walker cutter boarder sitter rider runner monitor planter holder reader canary".split())
"""Words for people that are said of things and animals too."""
_FEW = (("one",), ("two",), ("three",), ("several",))
_IN_GENERAL = frozenset("for by to than without requires needs per like as of".split())
_OWNING = frozenset("his her their its my our your 's ’s".split())
_NO_PEOPLE = frozenset("male female senior junior youth baby infant adult fry".split())
"""Words that may be said of animals, or mean no person."""
_SEXES = {"male": "male", "female": "female"}
_TELLING = frozenset(_SEXES) | frozenset("elderly old young middle-aged teenage".split())


def _by_adjectives(noun: Noun) -> Said | None:
    """What the words before a noun for anybody say: "a FEMALE tennis player", "an ELDERLY couple"."""
    if _TELLING.isdisjoint(noun.modifiers):
        return None
    sex = next((_SEXES[word] for word in noun.modifiers if word in _SEXES), None)
    age = next((AGES[word] for word in noun.modifiers if word in _TELLING and word in AGES), None)
    return None if sex is None and age is None else Said(sex, age)


_OF_SEX = {
    "male": frozenset(
        "he his him himself man boy guy gentleman father dad groom male husband son brother grandfather businessman "
        "lad dude".split()
    ),
    "female": frozenset(
        "she her hers herself woman girl lady mother mom bride female wife daughter sister grandmother waitress".split()
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
    told = [_sides(one.value) for caption in evidence.told for one in caption if _tells(one)]
    sexes, ages = set().union(*_sexes_told(evidence)), [a for _, a in told if a is not None]
    if not statement.value:
        return _verify_anybody(statement, evidence)
    saying = f"{category}: text says {statement.value}"
    if not told and not sexes:
        return "unknown", f"{saying}, no caption tells who it is"
    shown = "captions say " + " and ".join(dict.fromkeys(_named(s, a) for s, a in told) if told else sorted(sexes))
    is_other_sex = sex is not None and bool(sexes) and sex not in sexes
    far = [other for other in ages if age is not None and abs(age - other) >= APART]
    # "a man" may be young or old: beside "a young man" he is no elderly one.
    is_other_age = bool(far) and all(other in far or other == ADULT != age for other in ages)
    if not (is_other_sex or is_other_age):
        named = {one for one, _ in told if one} or sexes
        agrees = (sex is None or sex in named) and (age is None or any(abs(age - other) < 1 for other in ages))
        return ("supported_by_caption" if agrees else "unknown"), f"{saying}, {shown}"
    if is_other_age and not is_other_sex and len(ages) < 2 and age is not None and abs(age - far[0]) < FAR:
        return "unknown", f"{saying}, {shown}, one alone"
    is_of_none = (is_other_sex and sex is not None and _all_tell_other(sex, evidence)) or (
        is_other_age and age is not None and age <= CHILD and _none_tells_of_child(evidence)
    )
    if not is_of_none and not _is_only(statement, evidence) and not is_the_same(statement, evidence):
        return "unknown", f"{saying}, {shown}, perhaps of someone else"
    return "contradicted", f"{saying}, {shown}"


def _verify_anybody(statement: Statement, evidence: Evidence) -> Ruling:
    """A ranger is not there where no person is boxed, and no caption has a word for one."""
    word = statement.word
    if evidence.nouns.get(word):
        return "supported_by_caption", f"{word}: a caption names one"
    if "person" in evidence.boxes or not evidence.is_looked_for("person") or len(evidence.told) < TELLING:
        return "unknown", f"{word}: captions and boxes do not tell who it is"
    if any((name not in _NO_PEOPLE and _is_human(name)) or name in _OF_ANYBODY for name in evidence.nouns):
        return "unknown", f"{word}: captions tell of somebody"
    return "contradicted", f"{word}: text names somebody, no box and no caption shows anybody"


_OF_ANYBODY = frozenset().union(*_OF_SEX.values()) | frozenset("someone somebody people crowd hand group".split())
ALL_TELL, TELLING, WITNESSES = 3, 2, 4
"""Captions that tell of people of one sex alone, or of grown ones, from which on there is nobody else to be told of; of
one sex so many suffice of so many in all: of 1,005 captions of COCO, each held against the others of its picture, 0.2 %
say otherwise."""


def _all_tell_other(sex: str, evidence: Evidence) -> bool:
    """Whether captions agree that whoever is there to be told of is of the other sex."""
    n_told = sum(map(bool, _sexes_told(evidence)))
    enough = TELLING if len(evidence.told) >= WITNESSES else ALL_TELL
    return n_told >= enough and evidence.nouns.keys().isdisjoint(_OF_SEX[sex] | _OF_BOTH)


def _tells(statement: Statement) -> bool:
    """Whether a statement says who somebody is."""
    return statement.kind == "person" and bool(statement.value)


def _sexes_told(evidence: Evidence) -> list[set[str]]:
    """Per caption, the sexes of those whom it tells of, by a noun or a pronoun: "HIS gloved hand"."""
    return [
        {sex for one in caption if one.kind == "person" and (sex := _sides(one.value)[0]) is not None}
        | {sex for sex, telling in _OF_SEX.items() if not telling.isdisjoint(words)}
        for caption, words in zip(evidence.told, evidence.words, strict=True)
    ]


CHILD = 1.5
_OF_CHILDREN = frozenset("child kid boy girl baby toddler infant son daughter family kitten kindergarten".split())


def _none_tells_of_child(evidence: Evidence) -> bool:
    """Whether captions agree that whoever is there to be told of is grown."""
    n_told = sum(any(map(_tells, caption)) for caption in evidence.told)
    return n_told >= ALL_TELL and evidence.nouns.keys().isdisjoint(_OF_CHILDREN)


def _is_only(statement: Statement, evidence: Evidence) -> bool:
    count = evidence.counts.get(statement.category)
    if count is None:
        return False
    if count.is_exact and count.at_least == 1:
        return True
    own = [one for caption in evidence.told for one in caption if _tells(one)]
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
    reads_bare=True,
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
