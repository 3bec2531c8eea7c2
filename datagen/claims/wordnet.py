"""WordNet: what a word is a kind of, so that a tram is a vehicle and no bus, and to saunter is to walk.

The table is a compact form of WordNet 3.1's nouns, verbs and adjectives of what can be seen, made by
``training/wordnet_table.py``; it is read when the first word is looked up.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Literal

import msgspec
from msgspec import Struct

PartOfSpeech = Literal["noun", "verb"]


class Graph(Struct, frozen=True):
    """One part of speech.

    Attributes:
        words: Per word its senses, the usual first; -1 opens them where the usual one is nothing that can be seen.
        parents: Per sense those that it is a kind of.
    """

    words: dict[str, tuple[int, ...]]
    parents: tuple[tuple[int, ...], ...]


class WordNet(Struct, frozen=True):
    """The table.

    Attributes:
        noun: Things, animals, people, food, plants, places and materials.
        verb: What a body does.
        adjective: Opposites: the words of one side, those like them, and the same of the other side.
    """

    noun: Graph
    verb: Graph
    adjective: tuple[tuple[tuple[str, ...], ...], ...]


@lru_cache(maxsize=1)
def wordnet() -> WordNet:
    """Read the table once."""
    packed = (files("datagen") / "data" / "words" / "wordnet.json.gz").read_bytes()
    return msgspec.json.decode(gzip.decompress(packed), type=WordNet)


@lru_cache(maxsize=20_000)
def senses(word: str, part: PartOfSpeech = "noun") -> tuple[int, ...]:
    """The senses of a lower-case word in its plain form, the usual first; none of a word that is not in the table."""
    graph: Graph = getattr(wordnet(), part)
    found = graph.words.get(word.replace(" ", "_"), ())
    return found[1:] if found[:1] == (-1,) else found


@lru_cache(maxsize=20_000)
def is_usual(word: str) -> bool:
    """Whether the usual sense of a noun can be seen: a row of seats is less a thing than an axe."""
    found = wordnet().noun.words.get(word.replace(" ", "_"), (-1,))
    return found[0] != -1


@lru_cache(maxsize=1)
def _adjectives() -> frozenset[str]:
    return frozenset(word for pair in wordnet().adjective for words in pair for word in words)


def is_adjective(word: str) -> bool:
    """Whether a word is an adjective that has an opposite, or is like one that has."""
    return word in _adjectives()


@lru_cache(maxsize=20_000)
def steps_up(sense: int) -> dict[int, int]:
    """Per noun sense that one is a kind of, how many steps it lies above it; 0 for itself."""
    parents = wordnet().noun.parents
    found, level, n = {sense: 0}, [sense], 0
    while level:
        n += 1
        level = [above for one in level for above in parents[one] if above not in found]
        found.update(dict.fromkeys(level, n))
    return found


@lru_cache(maxsize=100_000)
def distance(a: str, b: str) -> int:
    """Steps between two nouns by way of what both are a kind of, in either's two usual senses; 99 where nothing is."""
    found = [99]
    for x in senses(a)[:2]:
        mine = steps_up(x)
        for y in senses(b)[:2]:
            theirs = steps_up(y)
            found += [mine[one] + theirs[one] for one in mine.keys() & theirs.keys()]
    return min(found)


@lru_cache(maxsize=20_000)
def lineage(sense: int, part: PartOfSpeech = "noun") -> frozenset[int]:
    """A sense and all that it is a kind of."""
    parents = getattr(wordnet(), part).parents
    found, todo = {sense}, [sense]
    while todo:
        for above in parents[todo.pop()]:
            if above not in found:
                found.add(above)
                todo.append(above)
    return frozenset(found)


@lru_cache(maxsize=100_000)
def are_kin(a: str, b: str, part: PartOfSpeech = "noun") -> bool:
    """Whether two words may mean the same, or one a kind of the other, in any of their senses."""
    if a == b:
        return True
    mine, theirs = senses(a, part), senses(b, part)
    return any(x in lineage(y, part) or y in lineage(x, part) for x in mine for y in theirs)


@lru_cache(maxsize=20_000)
def is_a(word: str, kind: str, part: PartOfSpeech = "noun", *, n_senses: int = 2) -> bool:
    """Whether a word, in one of its usual senses, is a kind of what another one usually is."""
    above = senses(kind, part)[:1]
    return bool(above) and any(above[0] in lineage(sense, part) for sense in senses(word, part)[:n_senses])


_ENDINGS = (
    ("ies", "y"),
    ("ied", "y"),
    ("ying", "ie"),
    ("s", ""),
    ("es", ""),
    ("ing", ""),
    ("ing", "e"),
    ("ed", ""),
    ("ed", "e"),
)
_SINGLE = re.compile("[^aeiou]+[aeiou][^aeiouwxy]")
"""What would have doubled its last letter: "wading" is of "wade"."""
_IRREGULAR = dict(
    pair.split("/") for pair in (
        "sat/sit seated/sit stood/stand lay/lie lays/lie laying/lie ran/run rode/ride ate/eat drank/drink flew/fly "
        "slept/sleep asleep/sleep swam/swim drove/drive wrote/write sang/sing swung/swing threw/throw dug/dig "
        "bent/bend fed/feed fought/fight caught/catch leapt/leap lept/leap led/lead airborne/fly"
    ).split()
)  # fmt: skip


@lru_cache(maxsize=20_000)
def verb_of(word: str) -> str | None:
    """The plain form of a verb: "swimming", "swims" and "swam" are "swim"; None of what is no form of one."""
    verbs = wordnet().verb.words
    plain = _IRREGULAR.get(word, word)
    if plain in verbs:
        return plain
    for ending, put in _ENDINGS:
        if word.endswith(ending) and len(word) > len(ending):
            short = word[: -len(ending)]
            is_doubled = not put and len(short) > 3 and short[-1] == short[-2]
            usual = f"{short}e" if _SINGLE.fullmatch(short) else ""
            for form in (short[:-1] if is_doubled else "", usual, short + put):
                if form in verbs:
                    return form
    return None


class Nearest:
    """The nearest wider word of a table, by a word's usual sense.

    Args:
        table: Words with what they mean; a word stands for its usual sense.
        part: Their part of speech.
    """

    def __init__(self, table: Mapping[str, str], part: PartOfSpeech = "noun") -> None:
        self._table, self._part = table, part
        self._found: dict[str, str | None] = {}
        self._of_sense: dict[int, str] = {}

    def of(self, word: str) -> str | None:
        """What the table says of a word, or of the nearest thing that it is a kind of; None where it has neither."""
        if word in self._table:
            return self._table[word]
        if word not in self._found:
            self._found[word] = self._climb(senses(word, self._part)[:1])
        return self._found[word]

    def _climb(self, level: Iterable[int]) -> str | None:
        if not self._of_sense:
            for known, meaning in self._table.items():
                for sense in senses(known, self._part)[:1]:
                    self._of_sense.setdefault(sense, meaning)
        parents = getattr(wordnet(), self._part).parents
        level = tuple(level)
        while level:
            for sense in level:
                if sense in self._of_sense:
                    return self._of_sense[sense]
            level = tuple(above for sense in level for above in parents[sense])
        return None
