"""Checks on boxes: each names its fault, and what the teacher was given passes."""

import pytest

from datagen.checks import check_turns, first_bad_box, known_checks
from datagen.checks.pointed_boxes import BOX_CHECK_NAMES
from datagen.config import ChecksSettings
from datagen.records import AnnotatedImage, Box, Turn

IMAGE = AnnotatedImage(
    "1", "1.jpg", 640, 480, (),
    (
        Box("dog", (0.1, 0.2, 0.4, 0.6), 0.12),
        Box("cup", (0.9, 0.9, 0.92, 0.95), 0.001),
        Box("sheep", (0.5, 0.1, 0.9, 0.5), 0.16, is_crowd=True),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("The dog is at [0.100, 0.200, 0.400, 0.600].", None),
        ("The dog is at [0.11, 0.21, 0.41, 0.61].", None),
        ("The dog is at [64, 96, 256, 288].", "box_form"),
        ('{"bbox_2d": [100, 200, 400, 600], "label": "dog"}', "box_form"),
        ("The dog is at [0.1, 0.2, 1.4, 0.6].", "box_out_of_range"),
        ("The dog is at [0.4, 0.2, 0.1, 0.6].", "box_out_of_range"),
        ("The dog is at [0.25, 0.2, 0.55, 0.6].", "invented_box"),
        ("The tree is at [0.6, 0.6, 0.8, 0.8].", "invented_box"),
        ("The sheep are at [0.5, 0.1, 0.9, 0.5].", "unfit_box"),
        ("The cup is at [0.9, 0.9, 0.92, 0.95].", "unfit_box"),
        ("It is on the left.", "no_box"),
    ],
)
def test_each_fault_is_named(answer: str, reason: str | None) -> None:
    found = first_bad_box((Turn("Where is it?", answer),), IMAGE)
    assert (found and found[1].reason) == reason
    if reason is not None:
        assert reason in BOX_CHECK_NAMES
        assert first_bad_box((Turn("Where is it?", answer),), IMAGE, BOX_CHECK_NAMES) is None


def test_the_turn_at_fault_is_named_and_a_box_may_stand_in_the_question() -> None:
    turns = (
        Turn("What is at [0.1, 0.2, 0.4, 0.6]?", "A dog."),
        Turn("And is there a cat?", "No, there is none."),
        Turn("What is at [0.1, 0.2, 0.2, 0.3]?", "A paw."),
    )
    found = first_bad_box(turns, IMAGE)
    assert found is not None
    assert (found[0], found[1].reason) == (2, "invented_box")
    assert found[1].detail.startswith("turn 3: question holds [0.100, 0.200, 0.200, 0.300]")
    assert first_bad_box(turns[:2], IMAGE) is None


def test_a_box_is_a_leak_only_where_nobody_points() -> None:
    turns = (Turn("What is the bounding box of the dog?", "[0.100, 0.200, 0.400, 0.600]"),)
    plain = check_turns(turns, False, ChecksSettings())
    assert plain.drop is not None and plain.drop.reason == "context_leak"
    assert check_turns(turns, False, ChecksSettings(), points=True).turns == turns
    leak = (Turn("Where is it?", "According to the caption, it is at [0.100, 0.200, 0.400, 0.600]."),)
    dropped = check_turns(leak, False, ChecksSettings(), points=True).drop
    assert dropped is not None and dropped.reason == "context_leak"


def test_two_boxes_make_two_questions() -> None:
    turns = tuple(Turn(f"What is at [0.{n}00, 0.200, 0.900, 0.600]?", f"Thing {n}.") for n in (1, 2))
    assert check_turns(turns, False, ChecksSettings(), points=True).turns == turns


def test_the_checks_can_be_left_out_by_name() -> None:
    assert set(BOX_CHECK_NAMES) <= set(known_checks())
