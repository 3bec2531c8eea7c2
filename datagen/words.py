"""Word tables of a corpus: synonyms, wider words, look-alikes; COCO's are bundled, a user's file adds more."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from datagen.errors import SettingsError
from datagen.yaml_text import decode_yaml

Names = tuple[str, ...]
ShapeT = TypeVar("ShapeT")
MAX_FILE_BYTES = 5_000_000
MAX_WORD_LENGTH = 60
NUMBER_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six",
    "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
"""Index is the number; above twelve digits are clearer."""
COCO_CATEGORIES = tuple(
    """person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
    parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella,
    handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard,
    surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange,
    broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop,
    mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors,
    teddy bear, hair drier, toothbrush""".replace("\n   ", "").split(", ")
)


class Words(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Tables of words; every name and word in lower case, categories as the corpus names them.

    Attributes:
        synonyms: Per category, other names of exactly it.
        kinds: Per category, narrower words: they show that one is there, not how many there are.
        unsure: Per category, words that often mean something else: never held against a text.
        hypernyms: Per wider word that is a claim itself, the categories that bear it out.
        hints: Per word of a caption, the categories that it leaves open.
        lookalikes: Groups of categories that are taken for one another.
        decoys: Phrases that hold a word of a category and show none.
        overlooked: Categories that annotators miss in busy pictures.
        uncountable: Categories whose number is a matter of taste.
        plurals: Per word, its plural where that is not regular.
    """

    synonyms: dict[str, Names] = {}
    kinds: dict[str, Names] = {}
    unsure: dict[str, Names] = {}
    hypernyms: dict[str, Names] = {}
    hints: dict[str, Names] = {}
    lookalikes: tuple[Names, ...] = ()
    decoys: Names = ()
    overlooked: Names = ()
    uncountable: Names = ()
    plurals: dict[str, str] = {}

    def __hash__(self) -> int:
        """Cheap, for caches keyed by settings: equal words have equal sizes."""
        return hash((len(self.synonyms), len(self.kinds), len(self.unsure), len(self.hypernyms), self.decoys))

    def categories(self) -> Names:
        """Every category that a row is about, once each."""
        rows = (self.synonyms, self.kinds, self.unsure)
        groups = (*self.hypernyms.values(), *self.hints.values(), *self.lookalikes, self.overlooked, self.uncountable)
        return tuple(dict.fromkeys([*(name for row in rows for name in row), *(name for g in groups for name in g)]))


NO_WORDS = Words()


def read_words(path: Path) -> Words:
    """Read a YAML file of words.

    Raises:
        SettingsError: Missing, too large, not YAML, an unknown table, a word that is none, or one word for
            two categories.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{path}: the file of words cannot be read ({error.strerror}).") from None
    if len(content) > MAX_FILE_BYTES:
        raise SettingsError(f"{path}: a file of words may have {MAX_FILE_BYTES // 1_000_000} MB at most.")
    try:
        tree = decode_yaml(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{path}: not valid YAML ({' '.join(str(error).split())}).") from None
    return words_of(tree, str(path))


def words_of(tree: object, source: str) -> Words:
    """Check a tree of words, such as a file or the settings hold, and bring it to lower case.

    Raises:
        SettingsError: As for ``read_words``; ``source`` opens the sentence.
    """
    try:
        words = msgspec.convert(_lowered({} if tree is None else tree), Words)
    except msgspec.ValidationError as error:
        tables = ", ".join(Words.__struct_fields__)
        raise SettingsError(f"{source}: {error}; a file of words has the tables {tables}.") from None
    except RecursionError:
        raise SettingsError(f"{source}: nested too deeply; a file of words has tables of words.") from None
    owners: dict[str, str] = {}
    for table in (words.synonyms, words.kinds, words.unsure):
        for category, names in table.items():
            for word in names:
                if owners.setdefault(word, category) != category:
                    told = f"'{word}' stands for both '{owners[word]}' and '{category}'"
                    raise SettingsError(f"{source}: {told}; name it once.")
    for word in (*owners, *words.hypernyms, *words.hints, *words.decoys, *words.plurals, *words.plurals.values()):
        if not 0 < len(word) <= MAX_WORD_LENGTH or not word.isprintable() or not any(map(str.isalnum, word)):
            raise SettingsError(
                f"{source}: {word[:MAX_WORD_LENGTH]!r} is no word: expected 1 to {MAX_WORD_LENGTH} letters."
            )
    return words


def _lowered(tree: object) -> object:
    if isinstance(tree, str):
        return " ".join(tree.lower().split())
    if isinstance(tree, list | tuple):
        return [_lowered(item) for item in tree]
    if isinstance(tree, dict):
        return {_lowered(key): _lowered(value) for key, value in tree.items()}
    return tree


def merged(first: Words, second: Words) -> Words:
    """Lay one set of words over another: ``first`` comes first in every row, so it wins."""

    def laid(name: str) -> Any:
        a, b = getattr(first, name), getattr(second, name)
        return a + b if isinstance(a, tuple) else {key: (*a.get(key, ()), *b.get(key, ())) for key in {**a, **b}}

    tables = {name: laid(name) for name in Words.__struct_fields__ if name != "plurals"}
    return Words(**tables, plurals={**second.plurals, **first.plurals})


@lru_cache(maxsize=1)
def built_in_words() -> Words:
    """The package's own words, for COCO's 80 categories."""
    return words_of(read_bundled("words/coco.yaml", dict), "datagen/data/words/coco.yaml")


def read_bundled(name: str, shape: type[ShapeT]) -> ShapeT:
    """Read a table of the package.

    Args:
        name: Of a YAML file under ``datagen/data``.
        shape: What it holds.
    """
    return msgspec.yaml.decode((Path(__file__).resolve().parent / "data" / name).read_bytes(), type=shape)
