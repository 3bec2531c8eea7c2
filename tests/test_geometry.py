"""Rules that turn boxes into counts, places and relations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.geometry import (
    centre_of,
    clip_to_unit,
    contradicts_place,
    count_objects,
    distinct_boxes,
    doubled_pairs,
    height_of,
    horizontal_place,
    iou,
    relation_between,
    unique_boxes,
    vertical_place,
    width_of,
)
from datagen.records import AnnotatedImage, Box

A, NEAR_A, FAR = (0.1, 0.1, 0.5, 0.5), (0.1, 0.1, 0.5, 0.49), (0.6, 0.6, 0.9, 0.9)
share = st.floats(0, 1, allow_nan=False)
corners = st.builds(
    lambda x1, x2, y1, y2: (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), share, share, share, share
)


def box(category: str, box_unit=A, is_crowd: bool = False) -> Box:
    return Box(category, box_unit, 0.1, is_crowd)


def test_size_and_centre():
    assert width_of(A) == pytest.approx(0.4)
    assert centre_of(A) == pytest.approx((0.3, 0.3))
    assert height_of((0.1, 0.2, 0.3, 0.9)) == pytest.approx(0.7)
    assert clip_to_unit((-0.2, 0.1, 1.4, 0.5)) == (0.0, 0.1, 1.0, 0.5)


def test_iou_of_known_boxes():
    assert iou(A, A) == pytest.approx(1.0)
    assert iou(A, FAR) == 0.0
    assert iou((0, 0, 0.5, 1), (0.25, 0, 0.75, 1)) == pytest.approx(1 / 3)
    assert iou((0.5, 0.5, 0.5, 0.5), (0.5, 0.5, 0.5, 0.5)) == 0.0


@given(corners, corners)
def test_iou_is_symmetric_and_bounded(a, b):
    assert iou(a, b) == pytest.approx(iou(b, a))
    assert 0 <= iou(a, b) <= 1 + 1e-9


def test_a_double_is_named_with_the_earliest_box_it_repeats():
    boxes = (box("dog"), box("cat", FAR), box("dog", NEAR_A), box("dog", A))
    assert [(i, j) for i, j, _ in doubled_pairs(boxes)] == [(0, 2), (0, 3)]


def test_boxes_under_two_names_may_be_one_thing_from_less_overlap_on():
    wider = (0.1, 0.1, 0.65, 0.5)  # IoU 0.73
    assert doubled_pairs((box("pizza"), box("pizza", wider))) == ()
    ((first, second, overlap),) = doubled_pairs((box("pizza"), box("sandwich", wider)))
    assert (first, second, round(overlap, 2)) == (0, 1, 0.73)
    counts = count_objects((box("pizza"), box("sandwich", wider)))
    assert {(count.at_least, count.is_exact) for count in counts.values()} == {(0, False)}
    assert doubled_pairs((box("pizza"), box("sandwich", (0.1, 0.1, 0.8, 0.5)))) == ()  # IoU 0.57
    assert [pair[:2] for pair in doubled_pairs((box("cup", wider), box("bowl"), box("bowl", NEAR_A)))] == [
        (0, 1),
        (1, 2),
    ]


def test_crowds_are_never_doubles():
    assert doubled_pairs((box("dog", A, True), box("dog"))) == ()
    assert doubled_pairs((box("dog"), box("dog", A, True))) == ()


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([box("dog"), box("dog", FAR)], {"dog": (2, True, False)}),
        ([box("dog"), box("dog", NEAR_A)], {"dog": (1, False, False)}),
        ([box("dog"), box("cat", NEAR_A)], {"dog": (0, False, False), "cat": (0, False, False)}),
        ([box("dog"), box("cat", NEAR_A), box("dog", FAR)], {"dog": (1, False, False), "cat": (0, False, False)}),
        ([box("dog", A, True)], {"dog": (2, False, True)}),
        ([box("dog"), box("dog", FAR, True)], {"dog": (3, False, True)}),
        ([], {}),
    ],
)
def test_counts_are_never_overstated(boxes, expected):
    found = count_objects(tuple(boxes))
    assert {name: (c.at_least, c.is_exact, c.has_crowd) for name, c in found.items()} == expected


def test_distinct_and_unique_boxes_leave_out_what_is_open():
    boxes = (box("dog"), box("cat", NEAR_A), box("cup", FAR), box("bowl", (0.0, 0.8, 0.1, 0.9)), box("kite", A, True))
    assert [b.category for b in distinct_boxes(boxes)] == ["cup", "bowl"]
    two_cups = (*boxes, box("cup", (0.7, 0.0, 0.8, 0.1)))
    assert list(unique_boxes(AnnotatedImage("1", "1.jpg", 10, 10, (), two_cups))) == ["bowl"]


@pytest.mark.parametrize(
    ("span", "place"),
    [
        ((0.0, 0.3), 0),
        ((0.2, 0.5), 0),
        ((0.2, 0.52), None),
        ((0.5, 0.8), 2),
        ((0.4, 0.6), 1),
        ((0.31, 0.89), 1),
        ((0.1, 0.9), None),
        ((0.35, 0.5), 1),
    ],
)
def test_writers_name_a_place_only_when_nobody_would_object(span, place):
    low, high = span
    across, down = ("left", "middle", "right", None), ("top", "middle", "bottom", None)
    assert horizontal_place((low, 0.0, high, 1.0)) == across[3 if place is None else place]
    assert vertical_place((0.0, low, 1.0, high)) == down[3 if place is None else place]


@pytest.mark.parametrize(
    ("place", "wrong", "tolerable"),
    [
        ("left", (0.6, 0.1, 0.9, 0.2), (0.55, 0.1, 0.9, 0.2)),
        ("right", (0.1, 0.1, 0.4, 0.2), (0.1, 0.1, 0.45, 0.2)),
        ("top", (0.1, 0.6, 0.2, 0.9), (0.1, 0.55, 0.2, 0.9)),
        ("bottom", (0.1, 0.1, 0.2, 0.4), (0.1, 0.1, 0.2, 0.45)),
        ("middle", (0.0, 0.4, 0.2, 0.6), (0.1, 0.4, 0.35, 0.6)),
    ],
)
def test_judges_object_only_when_nobody_would_say_it(place, wrong, tolerable):
    assert contradicts_place(wrong, place)
    assert not contradicts_place(tolerable, place)


@given(corners)
def test_what_a_writer_says_no_judge_contradicts(a):
    across, down = horizontal_place(a), vertical_place(a)
    assert across in (None, "middle") or not contradicts_place(a, across)
    assert down in (None, "middle") or not contradicts_place(a, down)
    if across == down == "middle":
        assert not contradicts_place(a, "middle")


def test_relations_need_boxes_that_are_apart():
    assert relation_between((0, 0, 0.2, 0.2), (0.5, 0, 0.7, 0.2)) == ("left of",)
    assert relation_between((0.5, 0, 0.7, 0.2), (0, 0, 0.2, 0.2)) == ("right of",)
    assert relation_between((0, 0, 0.2, 0.2), (0.5, 0.5, 0.7, 0.7)) == ("left of", "above")
    assert relation_between((0, 0.5, 0.2, 0.7), (0, 0, 0.2, 0.2)) == ("below",)
    assert relation_between((0, 0, 0.3, 0.3), (0.2, 0, 0.5, 0.3)) == ()
    assert relation_between((0, 0, 0.04, 0.1), (0.05, 0, 0.09, 0.1)) == ()


@given(corners, corners)
def test_relations_turn_round(a, b):
    opposite = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
    assert [opposite[name] for name in relation_between(a, b)] == list(relation_between(b, a))
