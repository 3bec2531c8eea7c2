"""Boxes as answers: what they say about presence, number, place, relation and size."""

from __future__ import annotations

import numpy as np
import pytest

from datagen.claims.kind import YES_NO, ask_presence
from datagen.claims.kinds.count import ANSWERS, count_question
from datagen.claims.kinds.place import QUARTERS, SIDES, quarter_question, side_question
from datagen.claims.kinds.relation import relation_question, size_question
from datagen.lexicon import with_article
from datagen.records import Probe
from datagen.validator.sightings import BoxQuestion, Sightings, answer_question, read_question, sort_sightings


def seen(*boxes: tuple[float, ...]) -> Sightings:
    """Boxes, each left, top, right, bottom and score."""
    table = np.array(boxes, dtype=float).reshape(-1, 5)
    return sort_sightings(table[:, :4], table[:, 4])


UPPER_LEFT, LOWER_RIGHT = (0.1, 0.1, 0.3, 0.3), (0.6, 0.6, 0.9, 0.9)


@pytest.mark.parametrize("name", ["dog", "airplane", "scissors", "broccoli", "hot dog", "traffic light"])
def test_every_form_of_probe_is_read(name: str) -> None:
    phrase = with_article(name)
    forms = {
        ask_presence(name).probe: BoxQuestion("presence", (name,)),
        Probe(count_question(name), ANSWERS, phrase): BoxQuestion("count", (name,)),
        Probe(side_question(name), SIDES, phrase): BoxQuestion("side", (name,)),
        Probe(quarter_question(name), QUARTERS, phrase): BoxQuestion("quadrant", (name,)),
        Probe(relation_question(name, "left of", "fire hydrant"), YES_NO, phrase): BoxQuestion(
            "relation", (name, "fire hydrant"), "left of"
        ),
        Probe(size_question(name, "smaller", "cup"), YES_NO, phrase): BoxQuestion("size", (name, "cup"), "smaller"),
    }
    assert {probe: read_question(probe) for probe in forms} == forms


def test_what_boxes_do_not_say_is_no_question() -> None:
    for probe in (
        Probe("Is the dog asleep?", YES_NO, "a dog"),
        Probe("Is the dog near the cup?", YES_NO, "a dog"),
        Probe("Is it day?", YES_NO),
        Probe("Which?", ("Red", "Blue"), "a dog"),
    ):
        assert read_question(probe) is None


def chances(kind: str, *things: Sightings, relation: str = "") -> tuple[float, ...]:
    names = tuple(str(n) for n in range(len(things)))
    found = answer_question(BoxQuestion(kind, names, relation), lambda name: things[int(name)])  # type: ignore[arg-type]
    assert sum(found) == pytest.approx(1, abs=1e-5) and min(found) > 0
    return found


def test_presence_is_the_surest_box() -> None:
    assert chances("presence", seen((*UPPER_LEFT, 0.8), (*LOWER_RIGHT, 0.3)))[0] == pytest.approx(0.8)
    assert chances("presence", seen())[0] < 1e-5


def test_a_number_is_summed_over_chances_and_not_cut() -> None:
    boxes = [(0.1 * n, 0.1, 0.1 * n + 0.08, 0.3) for n in range(9)]
    sure = chances("count", seen(*((*box, 0.999) for box in boxes[:3])))
    assert sure.index(max(sure)) == 2 and sure[2] > 0.99
    # Five boxes at a half: each for itself they make two or three, and any cut that leaves one leaves all five.
    halves = chances("count", seen(*((*box, 0.5) for box in boxes[:5])))
    assert halves == pytest.approx([5 / 62, 10 / 62, 10 / 62, 5 / 62, 32 / 62, 0, 0, 0], abs=1e-4)
    falling = chances("count", seen(*((*box, score) for box, score in zip(boxes, (0.8, 0.6, 0.1), strict=False))))
    assert falling.index(max(falling)) == 1 and falling[2] < falling[0]  # the score falls most after the second
    assert chances("count", seen(*((*box, 0.999) for box in boxes)))[7] > 0.99  # nine are at least eight
    assert chances("count", seen()) == pytest.approx([1 / 8] * 8, abs=1e-5)


def test_one_thing_seen_twice_counts_once() -> None:
    twice = chances("count", seen((*UPPER_LEFT, 0.9), (0.1, 0.1, 0.3, 0.31, 0.9)))
    assert twice[0] > 0.95
    apart = chances("count", seen((*UPPER_LEFT, 0.9), (*LOWER_RIGHT, 0.9)))
    assert apart[1] > 0.8


def test_places_follow_the_surest_boxes() -> None:
    thing = seen((*UPPER_LEFT, 0.9), (*LOWER_RIGHT, 0.1))
    assert chances("side", thing)[0] > 0.95
    found = chances("quadrant", thing)
    assert found.index(max(found)) == 0 and found[0] > 0.95
    middle = seen((0.4, 0.4, 0.6, 0.6, 0.9))
    assert chances("side", middle) == pytest.approx((0.5, 0.5))
    assert chances("quadrant", seen()) == pytest.approx([0.25] * 4)


@pytest.mark.parametrize(
    ("relation", "is_so"),
    [("left of", True), ("right of", False), ("above", True), ("below", False), ("smaller", True), ("larger", False)],
)
def test_relations_of_two_things(relation: str, is_so: bool) -> None:
    kind = "size" if relation in ("smaller", "larger") else "relation"
    yes = chances(kind, seen((*UPPER_LEFT, 0.95)), seen((*LOWER_RIGHT, 0.95)), relation=relation)[0]
    assert yes > 0.9 if is_so else yes < 0.1
    assert chances(kind, seen((*UPPER_LEFT, 0.95)), seen(), relation=relation)[0] < 1e-5  # no other thing is there
