"""Contexts: LLaVA's bytes, our notes, and the way back."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from datagen.config import ContextSettings
from datagen.context import parse_context, render_context
from datagen.records import AnnotatedImage, Box

BOTH: tuple[Literal["captions", "boxes"], ...] = ("captions", "boxes")
LLAVA, DEFAULT = ContextSettings(style="llava"), ContextSettings()


def box(category: str, *corners: float, is_crowd: bool = False) -> Box:
    return Box(category, corners, (corners[2] - corners[0]) * (corners[3] - corners[1]), is_crowd)  # type: ignore[arg-type]


def scene(*boxes: Box, captions: tuple[str, ...] = ()) -> AnnotatedImage:
    return AnnotatedImage("1", "1.jpg", 640, 480, captions, boxes)


def test_llava_rendering_is_exact_to_the_byte():
    image = scene(
        box("hot dog", 0.0, 0.24, 0.5, 1.0),
        box("person", 0.12345, 0.0004, 0.9996, 0.66666, is_crowd=True),
        captions=("Second first.", "another caption"),
    )
    assert render_context(image, BOTH, LLAVA) == (
        "Second first.\nanother caption\n\nhot dog: [0.0, 0.24, 0.5, 1.0]\nperson: [0.123, 0.0, 1.0, 0.667]"
    )


def test_parts_that_are_not_told_or_not_there_leave_no_trace():
    image = scene(box("dog", 0.1, 0.1, 0.2, 0.2), captions=("A dog.",))
    assert render_context(image, ("captions",), LLAVA) == "A dog."
    assert render_context(image, ("boxes",), LLAVA) == "dog: [0.1, 0.1, 0.2, 0.2]"
    assert render_context(scene(captions=("A dog.",)), BOTH, DEFAULT) == "A dog."
    assert render_context(scene(), BOTH, DEFAULT) == ""


def test_the_default_adds_counts():
    image = scene(box("dog", 0.1, 0.1, 0.2, 0.2), box("cat", 0.5, 0.1, 0.6, 0.2), box("dog", 0.7, 0.1, 0.8, 0.2))
    assert render_context(image, BOTH, DEFAULT).splitlines()[-1] == "Counts: dog 2; cat 1"


def test_crowds_are_marked_and_open_the_count():
    image = scene(box("person", 0.1, 0.1, 0.2, 0.9), box("person", 0.3, 0.3, 0.9, 0.8, is_crowd=True))
    assert render_context(image, BOTH, DEFAULT) == (
        "person: [0.1, 0.1, 0.2, 0.9]\n"
        "person (a group, members not counted): [0.3, 0.3, 0.9, 0.8]\n"
        "Counts: person at least 3"
    )


def test_doubles_are_told_and_make_presence_uncertain():
    image = scene(box("cup", 0.1, 0.1, 0.5, 0.5), box("bowl", 0.1, 0.1, 0.5, 0.49))
    assert render_context(image, BOTH, DEFAULT).splitlines()[2:] == [
        "Counts: cup uncertain; bowl uncertain",
        "Boxed twice: bowl: [0.1, 0.1, 0.5, 0.49] may be the same object as cup: [0.1, 0.1, 0.5, 0.5]",
    ]


def test_the_cap_keeps_the_largest_in_order_and_says_what_is_left_out():
    boxes = [box("cup", 0.1 * n, 0.1, 0.1 * n + 0.01 * (n + 1), 0.2) for n in range(4)]
    text = render_context(scene(*boxes, box("kite", 0.9, 0.9, 0.91, 0.91)), BOTH, ContextSettings(max_boxes=2))
    assert text.splitlines() == [
        "cup: [0.2, 0.1, 0.23, 0.2]",
        "cup: [0.3, 0.1, 0.34, 0.2]",
        "Counts: cup 4; kite 1",
        "Left out: 3 smaller boxes (cup, kite), included in the counts",
    ]
    one_less = render_context(scene(*boxes[:2]), BOTH, ContextSettings(max_boxes=1))
    assert one_less.endswith("Left out: 1 smaller box (cup), included in the counts")
    assert render_context(scene(*boxes), BOTH, ContextSettings(style="llava", max_boxes=1)).count("cup") == 4


def test_a_detectors_boxes_are_told_as_such_and_read_back_as_boxes():
    image = scene(box("cup", 0.1, 0.1, 0.5, 0.5))
    drawn = replace(image, by_detector=True, unfinished=("cup",))
    text = render_context(drawn, BOTH, DEFAULT)
    assert text.splitlines()[1:] == [
        "Counts: cup at least 1",
        "Boxed by: a detector, which may be wrong or miss things",
    ]
    assert parse_context(text).boxes == parse_context(render_context(image, BOTH, DEFAULT)).boxes
    assert not parse_context(text).captions
    written = render_context(replace(drawn, captions=("A cup.",), by_captioner=True), BOTH, DEFAULT)
    assert written.startswith("A cup.\nWritten by: a model, which may be wrong\n\ncup: ")
    assert parse_context(written).captions == ("A cup.",)
    drawn, llava = replace(drawn, by_captioner=True), ContextSettings(style="llava")  # byte for byte LLaVA's
    assert render_context(drawn, BOTH, llava) == render_context(image, BOTH, llava)


def test_absent_things_stand_last_and_only_where_they_are_asked_for():
    image = scene(box("dog", 0.1, 0.1, 0.2, 0.2), captions=("A dog.",))
    told = render_context(image, (*BOTH, "absent"), DEFAULT, ("cat", "hot dog"))
    assert told == f"{render_context(image, BOTH, DEFAULT)}\nAbsent: cat; hot dog"
    assert parse_context(told).absent == ("cat", "hot dog")
    assert render_context(image, (*BOTH, "absent"), DEFAULT) == render_context(image, BOTH, DEFAULT)
    assert "Absent" not in render_context(image, BOTH, DEFAULT, ("cat",))
    assert "Absent" not in render_context(image, (*BOTH, "absent"), LLAVA, ("cat",))


def test_a_double_is_not_told_when_one_half_is_left_out():
    image = scene(box("cup", 0.1, 0.1, 0.5, 0.5), box("bowl", 0.1, 0.1, 0.5, 0.49))
    assert "Boxed twice" not in render_context(image, BOTH, ContextSettings(max_boxes=1))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("dog: [0.1, 0.2, 0.3]", "should end in four numbers"),
        ("dog: [0.1, 0.2, 0.3, x]", "should end in four numbers"),
        ("dog: [0.5, 0.2, 0.3, 0.4]", "left before right"),
        ("dog: [0.1, 0.2, 0.3, 1.4]", "corners from 0 to 1"),
        ("dog: [0.1, nan, 0.3, 0.4]", "corners from 0 to 1"),
    ],
)
def test_a_box_line_that_is_no_box_is_named(line, expected):
    with pytest.raises(ValueError, match=expected):
        parse_context(f"A dog.\n\n{line}")


def test_reading_takes_categories_with_brackets_and_windows_line_ends():
    image = parse_context("A tie.\r\n\r\ntie (silk): [0.1, 0.1, 0.2, 0.2]\r\nCounts: tie 1\r\n", "07")
    assert image.image_id == "07"
    assert image.captions == ("A tie.",)
    assert [(b.category, b.is_crowd) for b in image.boxes] == [("tie (silk)", False)]


milli = st.integers(0, 1000)
spans = st.tuples(milli, milli).filter(lambda pair: pair[0] != pair[1]).map(sorted)
boxes_of_three_digits = st.builds(
    lambda name, x, y, is_crowd: box(name, x[0] / 1000, y[0] / 1000, x[1] / 1000, y[1] / 1000, is_crowd=is_crowd),
    st.sampled_from(["dog", "hot dog", "tie (silk)"]), spans, spans, st.booleans(),
)  # fmt: skip
sentences = st.sampled_from(["A dog.", "two cats: one black", "What a view (really)!", "[sic] 3, 4"])


@given(st.lists(sentences, max_size=3), st.lists(boxes_of_three_digits, max_size=6))
def test_what_was_rendered_reads_back(captions, boxes):
    image = scene(*boxes, captions=tuple(captions))
    back = parse_context(render_context(image, BOTH, DEFAULT), "1")
    assert back.captions == image.captions
    assert back.boxes == image.boxes
