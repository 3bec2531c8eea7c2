"""Checks on the boxes of turns that point: their form, and that people drew each of them.

Whether a box is that of the thing named beside it, the claims tell; here a box must be one that the teacher was given,
whatever is said of it and in whatever language. Forms other than the one asked for are refused and counted rather than
guessed: 300 may be a pixel or a thousandth.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from datagen.box_text import boxes_in, has_box, in_another_form, is_inside, tell_box
from datagen.geometry import iou, is_large_enough
from datagen.records import AnnotatedImage, Drop, Turn

GIVEN_IOU = 0.75
"""Intersection over union from which a box counts as copied: two decimals in place of three leave 0.75 of a box of
0.07 x 0.07, and a shift by a sixth of its width leaves 0.71."""

BoxCheck = Callable[[str, AnnotatedImage], str | None]


def box_form(text: str, image: AnnotatedImage) -> str | None:
    """Find coordinates in another form than four shares in square brackets."""
    found = in_another_form(text)
    return None if found is None else f"holds {found!r}, expected boxes as [left, top, right, bottom] from 0 to 1"


def box_out_of_range(text: str, image: AnnotatedImage) -> str | None:
    """Find a box that reaches out of the picture, or whose edges are in the wrong order."""
    outside = next((one for one in boxes_in(text) if not is_inside(one.box)), None)
    return None if outside is None else f"holds {text[outside.start : outside.end]}, which is no box inside the picture"


def invented_box(text: str, image: AnnotatedImage) -> str | None:
    """Find a box that nobody drew."""
    for one in boxes_in(text):
        best = max((iou(one.box, box.box_unit) for box in image.boxes), default=0.0)
        if best < GIVEN_IOU:
            return f"holds {tell_box(one.box)}, of no annotated box nearer than IoU {best:.2f}"
    return None


def unfit_box(text: str, image: AnnotatedImage) -> str | None:
    """Find a box around a crowd, or around something too small to be pointed at."""
    for one in boxes_in(text):
        near = [box for box in image.boxes if iou(one.box, box.box_unit) >= GIVEN_IOU]
        if near and all(box.is_crowd for box in near):
            return f"points at a group of {near[0].category} that nobody counted"
        if near and not is_large_enough(near[0].box_unit):
            return f"points at a {near[0].category} too small for it, {tell_box(near[0].box_unit)}"
    return None


BOX_CHECKS: tuple[BoxCheck, ...] = (box_form, box_out_of_range, invented_box, unfit_box)
"""Run on question and answer of each turn that may point; the first fault found is the reason."""
NO_BOX = "no_box"
"""The one check that looks at a whole reply."""


def first_bad_box(turns: Sequence[Turn], image: AnnotatedImage, skip: Collection[str] = ()) -> tuple[int, Drop] | None:
    """The first turn at fault by its boxes, and how; the first turn of all where none of them has a box.

    Args:
        turns: Of a response type that points.
        image: Whose boxes the teacher was given.
        skip: Names of checks to leave out.
    """
    active = [check for check in BOX_CHECKS if check.__name__ not in skip]
    for n, turn in enumerate(turns):
        for check in active:
            for name, text in (("question", turn.question), ("answer", turn.answer)):
                detail = check(text, image)
                if detail is not None:
                    return n, Drop("checks", check.__name__, f"turn {n + 1}: {name} {detail}")
    if NO_BOX not in skip and not any(map(has_box, turns)):
        return 0, Drop("checks", NO_BOX, "no question and no answer holds a box")
    return None


BOX_CHECK_NAMES = (*(check.__name__ for check in BOX_CHECKS), NO_BOX)
BY_ANNOTATIONS = (invented_box.__name__, unfit_box.__name__)
"""Those that hold a box against the annotations, as claims are."""
