"""Plants one error into one turn: another number, a thing that is not there, a wrong side, a turned relation, a denial.

Whether the annotations decide an error is asked of the boxes here, apart from the judge that is measured.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from msgspec import Struct

from datagen.geometry import contradicts_place, count_objects, relation_between
from datagen.lexicon import Lexicon, counted, plural, with_article
from datagen.records import AnnotatedImage, Box, Turn

SIDES = {"left": "right", "right": "left", "upper": "lower", "lower": "upper", "top": "bottom", "bottom": "top"}
SIDE = re.compile(
    r"\b(?:on|in|to|toward|at|over on) the (?:far )?(left|right|upper|lower|top|bottom)\b"
    r"(?! of the \w+(?<!image|frame))"
)
TURNED = {"left of": "right of", "right of": "left of", "farther left": "farther right",
          "farther right": "farther left",
          "higher up": "lower down", "lower down": "higher up", "higher in": "lower in", "lower in": "higher in",
          "larger in": "smaller in", "more of the": "less of the", "above": "below", "below": "above"}  # fmt: skip
RELATION = re.compile(r"\b(" + "|".join(TURNED) + r")\b(?! (?:the|this) (?:frame|image|picture))")
NOTICED_AREA = 0.001
DENIAL = re.compile(
    r"\b(?:not?|none|never|rather|instead|missing|if|then|adding|taking|left with|starts? from)\b|n't\b", re.IGNORECASE
)


class Corpus(Struct, frozen=True):
    """What planting needs to know of a corpus: its names, how they are found, and COCO's supercategories."""

    names: tuple[str, ...]
    lexicon: Lexicon
    supercategories: dict[str, str]

    def is_apart(self, name: str, shown: set[str]) -> bool:
        """Whether nothing of a category's supercategory is shown: nobody took one for the other."""
        kinds = self.supercategories
        return name not in shown and kinds.get(name, name) not in {kinds.get(other, other) for other in shown}

    def shown(self, image: AnnotatedImage) -> set[str]:
        """What is boxed or captioned."""
        return {box.category for box in image.boxes}.union(*map(self.lexicon.named, image.captions))


class Planted(Struct, frozen=True):
    """A changed answer, where the change stands, and whether the annotations decide that it is wrong."""

    answer: str
    start: int
    end: int
    is_decided: bool


def plant(kind: str, image: AnnotatedImage, turn: Turn, rng: random.Random, corpus: Corpus) -> Planted | None:
    """Plant one error of a kind into a turn; None where none fits."""
    if (kind != "denied object") and (DENIAL.search(turn.answer) or DENIAL.search(turn.question)):
        return None
    return PLANTERS[kind].plant(image, turn.answer, rng, corpus)


def _changed(text: str, match: re.Match[str], new: str, is_decided: bool, group: int = 0) -> Planted:
    start = match.start(group)
    return Planted(text[:start] + new + text[match.end(group) :], start, start + len(new), is_decided)


def plant_count(image: AnnotatedImage, text: str, rng: random.Random, corpus: Corpus) -> Planted | None:
    """State another number of a boxed category."""
    for name, count in count_objects(image.boxes).items():
        for number in range(1, 11):
            match = re.search(rf"\b{counted(name, number)}\b", text)
            if match is not None:
                wrong = number + rng.choice((1, 2, 3)) if number < 3 or rng.random() < 0.5 else number - 1
                if re.search(r"\b(?:at least|the|all)\s+$", text[: match.start()]) and wrong < number:
                    return None  # still true, or of some of them
                noticed = sum(box.category == name and box.area_unit >= 0.001 for box in image.boxes)
                says_all = re.search(r"\b(?:there (?:is|are)|count)\s+$", text[: match.start()], re.IGNORECASE)
                decided = (wrong > count.at_least and count.is_exact) or (
                    wrong < min(noticed, count.at_least) and bool(says_all)
                )
                return _changed(text, match, counted(name, wrong), decided)
    return None


def plant_absent(image: AnnotatedImage, text: str, rng: random.Random, corpus: Corpus) -> Planted | None:
    """Name a category that is neither boxed nor captioned in place of one that is."""
    shown = corpus.shown(image)
    absent = [name for name in corpus.names if name not in shown]
    boxed = [box.category for box in image.boxes]
    rng.shuffle(boxed)
    mentions = corpus.lexicon.find(text)  # the "train" of "train station" is none
    for name in boxed:
        other = rng.choice(absent)
        for old, new in (
            (with_article(name), with_article(other)),
            (f"the {name}", f"the {other}"),
            (plural(name), plural(other)),
        ):
            match = re.search(rf"\b{old}\b", text)
            if match is not None and any(mention.end == match.end() for mention in mentions):
                return _changed(text, match, new, corpus.is_apart(other, shown))
    return None


def plant_denial(image: AnnotatedImage, text: str, rng: random.Random, corpus: Corpus) -> Planted | None:
    """Deny a thing that is plainly boxed, in place of one that is rightly denied."""
    shown, said = corpus.shown(image), corpus.lexicon.named(text)
    plain = {box.category for box in image.boxes if not box.is_crowd and box.area_unit >= NOTICED_AREA} - said
    if not DENIAL.search(text) or not plain:
        return None
    for mention in corpus.lexicon.find(text):
        if mention.category not in shown:
            other = rng.choice(sorted(plain))
            for old, new in (
                (with_article(mention.category), with_article(other)),
                (plural(mention.category), plural(other)),
                (mention.category, other),
            ):
                match = re.search(rf"\b{old}\b", text)
                if match is not None:
                    return _changed(text, match, new, True)
    return None


def plant_side(image: AnnotatedImage, text: str, rng: random.Random, corpus: Corpus) -> Planted | None:
    """Turn a side around; decided when every box of the nearest thing named lies clearly elsewhere."""
    matches = list(SIDE.finditer(text))
    matches = [m for m in matches if not re.match(r"[\w -]{0,12}of (?:the|a) (?!image|picture|frame)", text[m.end() :])]
    if not matches:
        return None
    match = rng.choice(matches)
    wrong = SIDES[match[1]]
    place = {"upper": "top", "lower": "bottom"}.get(wrong, wrong)
    sentence = text.rfind(".", 0, match.start()) + 1
    own = [
        m
        for m in corpus.lexicon.find(text)
        if sentence <= m.start and m.start < text.find(".", match.end()) % (len(text) + 1)
    ]
    boxes = [box.box_unit for box in image.boxes if own and box.category == own[0].category]
    decided = (
        len({m.category for m in own}) == 1 and bool(boxes) and all(contradicts_place(box, place) for box in boxes)  # type: ignore[arg-type]
    )
    return _changed(text, match, wrong, decided, group=1)


def plant_relation(image: AnnotatedImage, text: str, rng: random.Random, corpus: Corpus) -> Planted | None:
    """Turn a relation around; decided when the boxes of the two things named show the opposite."""
    match = RELATION.search(text)
    if match is None:
        return None
    start = max(text.rfind(mark, 0, match.start()) for mark in ".;?") + 1
    end = min((found for mark in ".;?" if (found := text.find(mark, match.end())) >= 0), default=len(text))
    before = [m for m in corpus.lexicon.find(text) if start <= m.start and m.end <= match.start()]
    after = [m for m in corpus.lexicon.find(text) if match.end() <= m.start < end]
    if not before or not after:
        return None
    pairs = [
        (a, b)
        for a in image.boxes
        if a.category == before[-1].category
        for b in image.boxes
        if b.category == after[0].category
    ]
    word = match[1]
    if word in ("larger in", "more of the"):
        decided = bool(pairs) and all(_area(a) > 1.5 * _area(b) for a, b in pairs)
    else:
        held = {
            "left": "left of",
            "right": "right of",
            "higher": "above",
            "lower": "below",
            "above": "above",
            "below": "below",
        }
        relation = next(value for key, value in held.items() if key in word)
        decided = bool(pairs) and all(relation in relation_between(a.box_unit, b.box_unit) for a, b in pairs)
    return _changed(text, match, TURNED[word], decided)


def _area(box: Box) -> float:
    left, top, right, bottom = box.box_unit
    return (right - left) * (bottom - top)


class Planter(Struct, frozen=True):
    """How an error is planted, and the kind of claim that it makes wrong."""

    claim: str
    plant: Callable[[AnnotatedImage, str, random.Random, Corpus], Planted | None]


PLANTERS = {
    "count": Planter("count", plant_count),
    "absent object": Planter("presence", plant_absent),
    "denied object": Planter("absence", plant_denial),
    "side": Planter("place", plant_side),
    "relation": Planter("relation", plant_relation),
}
