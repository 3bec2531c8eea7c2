"""Grammar and the phrases that all four writers share: lists, agreement, places, relations, sizes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from datagen.geometry import Relation, contradicts_place, horizontal_place, vertical_place
from datagen.lexicon import PLURAL_ONLY, counted, with_article
from datagen.records import BoxUnit

QA = tuple[str, str]
"""A question and its answer."""


def pick(rng: random.Random, options: Sequence[str], **values: str) -> str:
    """Draw one wording and fill it in; the first letter becomes a capital."""
    text = options[int(rng.random() * len(options))]
    return capital(text.format(**values) if values else text)


def capital(text: str) -> str:
    """Raise the first letter, leaving the rest alone."""
    return text[:1].upper() + text[1:]


def join_list(items: Iterable[str], word: str = "and") -> str:
    """Join as prose: "a", "a and b", "a, b, and c"."""
    parts = list(items)
    if len(parts) <= 2:
        return f" {word} ".join(parts)
    return f"{', '.join(parts[:-1])}, {word} {parts[-1]}"


def is_plural(name: str, number: int = 1) -> bool:
    """Whether a name with this number takes "are": "the skis are", "two dogs are", "a dog is"."""
    return name in PLURAL_ONLY if number == 1 else True


def be(name: str, number: int = 1) -> str:
    """The form of "to be" that agrees with "the NAME"."""
    return "are" if is_plural(name, number) else "is"


def it(name: str) -> str:
    """What stands for "the NAME" when it comes again: "it", "they", "that person"."""
    return "that person" if name == "person" else "they" if is_plural(name) else "it"


def verb(name: str, singular: str, plural_form: str) -> str:
    """Choose the verb form that agrees with "the NAME"."""
    return plural_form if is_plural(name) else singular


def there_is(amount: str, number: int) -> str:
    """Open an existence clause: "there is one dog", "there are two dogs"."""
    return f"there {'is' if number == 1 else 'are'} {amount}"


def amount_of(name: str, number: int) -> str:
    """Name an amount as prose does: "a dog", "three dogs", "two pairs of scissors"."""
    return with_article(name) if number == 1 else counted(name, number)


def one_of(name: str) -> str:
    """The noun after "one": "dog", "pair of scissors", "piece of broccoli"."""
    return counted(name, 1).removeprefix("one ")


def many_of(name: str) -> str:
    """The noun after "how many": "dogs", "pairs of scissors", "pieces of broccoli"."""
    return counted(name, 2).removeprefix("two ")


_ACROSS = {
    "left": ("on the left side of the image", "in the left half of the picture", "toward the left of the frame",
             "on the left", "over on the left-hand side"),
    "right": ("on the right side of the image", "in the right half of the picture", "toward the right of the frame",
              "on the right", "over on the right-hand side"),
}  # fmt: skip
_DOWN = {
    "top": ("in the upper half of the image", "in the upper part of the picture", "toward the top of the frame"),
    "bottom": ("in the lower half of the image", "in the lower part of the picture", "toward the bottom of the frame"),
}
_CORNER = ("in the {down} {across} part of the image", "toward the {down} {across} of the frame",
           "in the {down} {across} area of the picture")  # fmt: skip
_MIDDLE = ("near the center of the image", "around the middle of the picture", "close to the center of the frame")
_DOWN_WORD = {"top": "upper", "bottom": "lower"}


def place_phrase(rng: random.Random, box: BoxUnit) -> str | None:
    """Say where a box is, as far as nobody would object; None when it has no clear place."""
    across, down = horizontal_place(box), vertical_place(box)
    if across in _ACROSS:
        if down in _DOWN_WORD and rng.random() < 0.6:
            return _CORNER[int(rng.random() * 3)].format(down=_DOWN_WORD[down], across=across)
        return _choose(rng, _ACROSS[across])
    if down in _DOWN:
        return _choose(rng, _DOWN[down])
    if across == "middle" and not contradicts_place(box, "middle"):
        return _choose(rng, _MIDDLE)
    return None


def side_phrase(rng: random.Random, side: str) -> str:
    """Say "left", "right", "top" or "bottom" as a place."""
    return _choose(rng, _ACROSS.get(side) or _DOWN[side])


_RELATION_WORDS: dict[Relation, tuple[str, ...]] = {
    "left of": ("to the left of", "left of", "farther left than"),
    "right of": ("to the right of", "right of", "farther right than"),
    "above": ("higher up in the picture than", "higher in the frame than"),
    "below": ("lower down in the picture than", "lower in the frame than"),
}
OPPOSITE: dict[Relation, Relation] = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


def relation_phrase(rng: random.Random, relation: Relation) -> str:
    """Say a relation so that it is read in the picture plane: "to the left of", "higher in the frame than"."""
    return _choose(rng, _RELATION_WORDS[relation])


def _choose(rng: random.Random, options: Sequence[str]) -> str:
    return options[int(rng.random() * len(options))]
