"""Wishes that an image can meet, by what its captions and boxes tell."""

import random

import pytest
from msgspec.structs import replace

from datagen.context import ContextPart
from datagen.records import AnnotatedImage, Box
from datagen.wishes import AskedFor, Wish, count_facts, draw_wishes, needs_met_by

BOTH: tuple[ContextPart, ...] = ("captions", "boxes")


def scene(*captions: str, boxes: tuple[Box, ...] = ()) -> AnnotatedImage:
    return AnnotatedImage("1", "1.jpg", 100, 100, captions, boxes)


def box(name: str, left: float, right: float) -> Box:
    return Box(name, (left, 0.1, right, 0.9), 0.8 * (right - left))


@pytest.mark.parametrize(
    ("caption", "needs"),
    [
        ("A vase.", ""),
        ("A wooden vase on a table.", "looks relation"),
        ("A striped cat sleeping.", "looks deeds"),
        ("A man.", "people"),
        ("A man sitting.", "people deeds"),
        ("A vase sitting there.", ""),
        ("A man in a hat.", "people belongings"),
        ("A doll in a hat.", ""),
        ("A kitchen at night.", "scene"),
        ("Looking down at a desk.", ""),
        ("A girl is painting.", "people deeds example"),
        ("A man rides.", "people deeds example"),
        ("A man with skis.", "people"),
        ("A woman beside a painting.", "people relation"),
        ("A woman with a brush painting a wall.", "people deeds example"),
        ("A building with a parking meter.", ""),
        ("A dog chasing a cat.", "deeds"),
    ],
)
def test_captions_bear_what_they_tell(caption: str, needs: str) -> None:
    assert needs_met_by(scene(caption), BOTH) == {"captions", "little", *needs.split()}


def test_boxes_bear_counts_places_and_relations() -> None:
    met = {"no captions", "little"}
    wide = scene(boxes=(box("couch", 0.0, 1.0),))
    assert needs_met_by(wide, BOTH) == {*met, "count"}
    aside = scene(boxes=(box("dog", 0.0, 0.2),))
    assert needs_met_by(aside, BOTH) == {*met, "count", "place"}
    apart = scene(boxes=(box("dog", 0.0, 0.2), box("cat", 0.5, 0.7)))
    assert needs_met_by(apart, BOTH) == {*met, "count", "place", "kinds", "relation"}
    pair = scene(boxes=(box("dog", 0.0, 0.2), box("dog", 0.5, 0.7)))
    assert needs_met_by(pair, BOTH) == {*met, "count", "several"}
    unsure = replace(pair, unfinished=("dog",))
    assert needs_met_by(unsure, BOTH) == met


def test_only_the_parts_that_are_told_count() -> None:
    image = scene("A red dog.", "A dog.", "Dog.", boxes=(box("dog", 0.0, 0.2), box("dog", 0.5, 0.7)))
    assert count_facts(image, BOTH) == 2 + 2
    assert count_facts(image, ("captions",)) == count_facts(image, ("boxes",)) == 2
    assert "several" not in needs_met_by(image, ("captions",))
    assert "looks" not in needs_met_by(image, ("boxes",))


def test_little_is_told_of_an_image_up_to_a_number_of_facts() -> None:
    boxes = tuple(box(name, 0.1, 0.2) for name in "abcdefg")
    assert "little" in needs_met_by(scene(boxes=boxes[:6]), BOTH)
    assert "little" not in needs_met_by(scene(boxes=boxes), BOTH)


def test_a_wish_is_drawn_of_those_that_can_be_met() -> None:
    wish = Wish(("a", AskedFor("b", ("people",)), AskedFor("c", facts=5)), draw=2)
    rng = random.Random(0)
    assert wish.open_to(frozenset(), 0) == ["a"]
    assert draw_wishes((wish,), frozenset(), 4, rng) == "Wanted: a."
    assert draw_wishes((wish,), frozenset({"people"}), 4, rng) in ("Wanted: a; b.", "Wanted: b; a.")
    assert {draw_wishes((wish,), frozenset({"people"}), 5, rng).count("; ") for _ in range(9)} == {1}
    assert draw_wishes((Wish((AskedFor("b", ("people",)),)),), frozenset(), 9, rng) == ""
