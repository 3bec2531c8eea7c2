"""What the embedded teacher knows of the world: kinds of places with their signs, and what may be denied safely."""

from __future__ import annotations

import re

from msgspec import Struct

from datagen.words import read_bundled


class SceneSetting(Struct, frozen=True):
    """A kind of place.

    Attributes:
        place: How one is there, such as ``"in a kitchen"``.
        words: Words of a description that name the place, as alternatives of a pattern.
        signs: Categories that tell of it.
        unlikely: Categories that are common near such places: fair questions when they are missing.
        elsewhere: Places that nobody could take for this one.
    """

    place: str
    words: str
    signs: frozenset[str]
    unlikely: tuple[str, ...]
    elsewhere: tuple[str, ...]

    @property
    def name(self) -> str:
        """The place with its article, such as ``"a kitchen"``."""
        return self.place.partition(" ")[2]

    def is_named_in(self, text: str) -> bool:
        """Whether a text names the place."""
        return re.search(rf"\b(?:{self.words})\b", text, re.IGNORECASE) is not None


class AbsenceDoubt(Struct, frozen=True):
    """What makes it disputable to say that one of some categories is absent.

    Attributes:
        categories: What may be denied.
        rivals: Categories that people take for them, or them for these.
        words: Words of a description, also in the plural, that leave it open whether one is shown.
    """

    categories: tuple[str, ...]
    words: tuple[str, ...]
    rivals: tuple[str, ...] = ()


class World(Struct, frozen=True, forbid_unknown_fields=True):
    """The tables of ``data/template/scenes.yaml``, which says what each is."""

    lookalikes: tuple[frozenset[str], ...]
    animals: frozenset[str]
    vehicles: frozenset[str]
    held: frozenset[str]
    foods: frozenset[str]
    big: frozenset[str]
    distractors: tuple[str, ...]
    food_distractors: tuple[str, ...]
    arguable: frozenset[str]
    sliced: frozenset[str]
    clutter: frozenset[str]
    onlookers: frozenset[str]
    dishes: frozenset[str]
    hues: tuple[str, ...]
    near_hues: dict[str, tuple[str, ...]]
    settings: tuple[SceneSetting, ...]
    deniable: tuple[AbsenceDoubt, ...]


WORLD = read_bundled("template/scenes.yaml", World)

SETTING_WORDS = re.compile(
    r"\b(?:" + "|".join(f"(?P<s{n}>{setting.words})" for n, setting in enumerate(WORLD.settings)) + r")\b"
)
"""All settings' words in one pattern, for text in lower case: group ``s3`` tells of ``WORLD.settings[3]``."""


def _doubts_by_category() -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    doubts: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
    for doubt in WORLD.deniable:
        words = {*doubt.words, *(f"{word}s" for word in doubt.words)}
        for name in doubt.categories:
            rivals, known = doubts.get(name, (frozenset(), frozenset()))
            doubts[name] = rivals | ({*doubt.categories, *doubt.rivals} - {name}), known | words
    return doubts


DENIABLE = _doubts_by_category()
"""Categories that may be denied, with the rivals and the words that make it disputable."""
