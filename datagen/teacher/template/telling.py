"""Sentences that several writers tell alike: a caption, a list of things, a relation, a size."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from datagen.geometry import Relation, horizontal_place, relation_between
from datagen.lexicon import plural, with_article
from datagen.records import Box
from datagen.teacher.template import conversation_wording as w
from datagen.teacher.template.captions import Caption
from datagen.teacher.template.facts import Facts
from datagen.teacher.template.phrases import OPPOSITE, amount_of, be, join_list, pick, verb


def tell(rng: random.Random, caption: Caption) -> str:
    """Make a caption the answer to what is shown."""
    if caption.form in ("plain", "fragment"):
        return caption.as_clause or caption.sentence
    return pick(rng, w.SHOWN_PHRASE if caption.form == "phrase" else w.SHOWN_CLAUSE, text=caption.inner)


def second_sentence(rng: random.Random, caption: Caption, said: Sequence[str] = ()) -> str:
    """Tell a further caption, as a sentence of its own where it is one; ``said`` opens no two sentences alike."""
    if caption.form == "phrase":
        fresh = [words for words in w.SECOND_PHRASE if not any(s.startswith(words.split("{")[0]) for s in said)]
        return caption.as_clause or pick(rng, fresh or w.SECOND_PHRASE, text=caption.inner)
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
    words = {word: verb(name, f"{word}s", word) for word in ("take", "fill", "dominate", "stand")}
    words |= {"the": facts.the(name), "be": be(name), "occupy": verb(name, "occupies", "occupy")}
    if box.area_unit >= 0.55:
        return pick(rng, w.FILLS_MOST, **words)
    if box.area_unit >= 0.22:
        return pick(rng, w.FILLS_MUCH, **words)
    return pick(rng, w.IS_SMALL, **words) if box_area(box) < 0.02 else None
