"""Sentences and their parts that the four writers share: agreement, lists, places, relations, sizes, captions quoted.

The bundled validator is trained on the same wordings: the tables of questions and answers here are its and those of
``conversation``.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from datagen.geometry import Relation, contradicts_place, horizontal_place, relation_between, vertical_place
from datagen.lexicon import PLURAL_ONLY, counted, plural, with_article
from datagen.records import Box, BoxUnit
from datagen.teacher.template.captions import Caption
from datagen.teacher.template.image_facts import Facts

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


SHOWN_Q = (
    "What is shown in this image?", "What can you see in the picture?", "What does this photo show?",
    "What is the main subject of the image?", "Can you tell me what is in this picture?",
    "How would you sum up this scene in a sentence?", "What is going on in this picture?",
)  # fmt: skip
COUNT_Q = (
    "How many {names} are there in the image?", "How many {names} can you see?", "What is the number of {names} here?",
    "Can you count the {names} in the picture?", "How many {names} does the image show?",
    "How many {names} are visible?",
)  # fmt: skip
COUNT_A = (
    "{there} in the image.", "{there} in the picture.", "The image shows {amount}.", "I can count {amount} here.",
    "{there} to be seen.", "You can see {amount} in this scene.",
)  # fmt: skip
WHERE_Q = (
    "Where {be} {the} in the image?", "Where in the picture {be} {the}?", "In which part of the frame {be} {the}?",
    "Can you tell me where {the} {be}?", "Where can I find {the} in this scene?", "Where {be} {the} located?",
)  # fmt: skip
WHERE_A = (
    "{the} {be} {place}.", "You can find {the} {place}.", "{the} can be seen {place}.", "Look for {the} {place}.",
    "{the} {appear} {place}.",
)  # fmt: skip
THERE_Q = (
    "{be} there {a} in the image?", "Can you see {a} in this picture?", "Does the image show {a}?",
    "{be} there {a} anywhere in the scene?", "Do you notice {a} here?", "Can {a} be found in the photo?",
)  # fmt: skip
YES_OPEN_A = (
    "Yes, there {be} {amount} in the image.", "Yes, {amount} can be seen here.", "Yes, the picture shows {amount}.",
    "Yes, the scene includes {amount}.", "Yes, {amount} {be} part of this scene.",
)  # fmt: skip
NO_A = (
    "No, there {be} no {name} in the image.", "No, no {name} can be seen here.", "No, I see no {name} in this picture.",
    "No, the image does not show {any}.", "No, there {be} no {name} to be seen in this scene.",
    "No, no {name} {be} visible.",
)  # fmt: skip
RELATION_Q = (
    "Where {be} {the_a} in relation to {the_b}?", "How {be} {the_a} placed relative to {the_b}?",
    "What is the position of {the_a} compared with {the_b}?", "Seen from {the_b}, where {be} {the_a} in the image?",
)  # fmt: skip
RELATION_A = (
    "{the_a} {be} {relation} {the_b}.", "In the image, {the_a} {be} {relation} {the_b}.",
    "{the_a} can be seen {relation} {the_b}.", "You can see {the_a} {relation} {the_b}.",
)  # fmt: skip
IS_RELATION_Q = (
    "{be} {the_a} {relation} {the_b}?", "In the picture, {be} {the_a} {relation} {the_b}?",
    "Would you say that {the_a} {be} {relation} {the_b}?", "Do you see {the_a} {relation} {the_b}?",
)  # fmt: skip
IS_RELATION_YES = (
    "Yes, {the_a} {be} {relation} {the_b}.", "Yes, that is right: {the_a} {be} {relation} {the_b}.",
    "Yes, {the_a} can be seen {relation} {the_b}.",
)  # fmt: skip
IS_RELATION_NO = (
    "No, {the_a} {be} {relation} {the_b}.", "No, it is the other way around: {the_a} {be} {relation} {the_b}.",
    "No, {the_a} can be seen {relation} {the_b}.",
)  # fmt: skip
LARGER_Q = (
    "Which takes up more of the picture, {the_a} or {the_b}?", "{do} {the_a} or {the_b} look larger in the frame?",
    "Which appears bigger in the image, {the_a} or {the_b}?", "Which covers more of the frame, {the_a} or {the_b}?",
)  # fmt: skip
LARGER_A = (
    "{the_big} {take} up more of the picture than {the_small}.",
    "{the_big} {appear} larger in the frame than {the_small}.",
    "Of the two, {the_big} {cover} the larger part of the image.",
    "{the_big} {fill} more of the frame than {the_small}.",
)
SHOWN_PHRASE = (
    "The image shows {text}.", "This is a view of {text}.", "The picture shows {text}.", "It shows {text}.",
    "You can see {text}.", "The scene shows {text}.",
)  # fmt: skip
SHOWN_CLAUSE = ("In this image, {text}.", "In the picture, {text}.", "Here, {text}.", "In this scene, {text}.")
SECOND_PHRASE = (
    "In other words, it shows {text}.", "It could also be described as {text}.", "Put differently, it shows {text}.",
    "One could also speak of {text}.", "Seen another way, the picture shows {text}.",
)  # fmt: skip


def tell(rng: random.Random, caption: Caption) -> str:
    """Make a caption the answer to what is shown."""
    if caption.form in ("plain", "fragment"):
        return caption.as_clause or caption.sentence
    return pick(rng, SHOWN_PHRASE if caption.form == "phrase" else SHOWN_CLAUSE, text=caption.inner)


def second_sentence(rng: random.Random, caption: Caption, said: Sequence[str] = ()) -> str:
    """Tell a further caption, as a sentence of its own where it is one; ``said`` opens no two sentences alike."""
    if caption.form == "phrase":
        fresh = [words for words in SECOND_PHRASE if not any(s.startswith(words.split("{")[0]) for s in said)]
        return caption.as_clause or pick(rng, fresh or SECOND_PHRASE, text=caption.inner)
    return caption.as_clause or caption.sentence


def thing(facts: Facts, name: str) -> str:
    """One category with its number: "a woman", "two dogs", "several chairs", "some bananas"."""
    if name in facts.exact:
        return amount_of(facts.name(name) if facts.exact[name] == 1 else name, facts.exact[name])
    if facts.at_least.get(name, 0) >= 3:
        return f"several {plural(name)}"
    return f"some {plural(name)}" if facts.is_several(name) else with_article(name)


def list_things(facts: Facts, names: Iterable[str]) -> str:
    """List categories with what is known of their number: "two dogs, a couch, and several chairs"."""
    return join_list(thing(facts, name) for name in names)


def common_side(boxes: Sequence[Box]) -> str | None:
    """The side on which all of the boxes are, or None."""
    sides = {horizontal_place(box.box_unit) for box in boxes}
    side = sides.pop()
    return side if not sides and side in ("left", "right") else None


def related_pairs(facts: Facts) -> list[tuple[str, str, Relation]]:
    """Every (A, B, relation) that a careful writer may state of two unique objects, A before B."""
    names = sorted(facts.unique, key=lambda name: -facts.unique[name].area_unit)[:7]
    return [
        (a, b, relation)
        for n, b in enumerate(names)
        for a in names[:n]
        for relation in relation_between(facts.unique[a].box_unit, facts.unique[b].box_unit)
    ]


def draw_relation(facts: Facts, rng: random.Random) -> tuple[str, str, Relation] | None:
    """Draw two unique objects and a relation that holds, either way around, or None."""
    pairs = related_pairs(facts)
    if not pairs:
        return None
    a, b, relation = rng.choice(pairs)
    return (a, b, relation) if rng.random() < 0.5 else (b, a, OPPOSITE[relation])


def box_area(box: Box) -> float:
    """Area of the box itself as a share of the image."""
    left, top, right, bottom = box.box_unit
    return (right - left) * (bottom - top)


def is_larger(a: Box, b: Box, ratio: float) -> bool:
    """Whether ``a`` takes up at least ``ratio`` times as much of the frame, by mask and by box."""
    return a.area_unit >= ratio * b.area_unit and box_area(a) >= ratio * box_area(b)


def draw_sizes(facts: Facts, rng: random.Random, ratio: float) -> tuple[str, str] | None:
    """Draw (larger, smaller) unique objects whose masks and boxes differ by at least ``ratio``."""
    names = list(facts.unique)
    pairs = [(a, b) for a in names for b in names if a != b and is_larger(facts.unique[a], facts.unique[b], ratio)]
    return rng.choice(pairs) if pairs else None


def size_sentence(rng: random.Random, facts: Facts, name: str, box: Box) -> str | None:
    """Say how much of the frame an object takes, where it is clearly much or little."""
    fills_most = (
        "{the} {take} up most of the frame.", "Most of the picture is filled by {the}.",
        "{the} {fill} most of the view.", "The frame belongs mostly to {the}.",
        "{the} {dominate} the frame, filling most of it.",
    )  # fmt: skip
    fills_much = (
        "{the} {take} up a large part of the frame.", "A large share of the picture goes to {the}.",
        "{the} {fill} a good part of the view.", "{the} {stand} out by sheer size in the frame.",
    )  # fmt: skip
    is_small = (
        "{the} {be} small in the frame.", "{the} {take} up only a small part of the picture.",
        "Only a small part of the frame shows {the}.", "{the} {occupy} just a small patch of the view.",
    )  # fmt: skip
    words = {word: verb(name, f"{word}s", word) for word in ("take", "fill", "dominate", "stand")}
    words |= {"the": facts.the(name), "be": be(name), "occupy": verb(name, "occupies", "occupy")}
    if box.area_unit >= 0.55:
        return pick(rng, fills_most, **words)
    if box.area_unit >= 0.22:
        return pick(rng, fills_much, **words)
    return pick(rng, is_small, **words) if box_area(box) < 0.02 else None
