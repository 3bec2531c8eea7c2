"""Boxes in another form than COCO's are known for what they are, and COCO's own never are taken for such."""

import random
import re
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from datagen.corpus import ImageRecords
from datagen.corpus.box_form import are_of_other_form, guess_form, seem_percent, share_out_of_frame

WIDTH, HEIGHT = 640, 480
Box = tuple[float, float, float, float]


def honest(n: int, seed: int = 0) -> list[Box]:
    """Boxes in COCO's form: left, top, width, height in pixels."""
    rng, found = random.Random(seed), list[Box]()
    for _ in range(n):
        width, height = rng.uniform(20, 400), rng.uniform(20, 300)
        found.append((rng.uniform(0, WIDTH - width), rng.uniform(0, HEIGHT - height), width, height))
    return found


def corners(box: Box) -> Box:
    return box[0], box[1], box[0] + box[2], box[1] + box[3]


def centre(box: Box) -> Box:
    return box[0] + box[2] / 2, box[1] + box[3] / 2, box[2], box[3]


def scaled(full: float) -> Callable[[Box], Box]:
    def scale(box: Box) -> Box:
        return box[0] / WIDTH * full, box[1] / HEIGHT * full, box[2] / WIDTH * full, box[3] / HEIGHT * full

    return scale


def asked(boxes: list[Box]) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    given, frames = np.array(boxes, np.float64), np.tile([float(WIDTH), float(HEIGHT)], (len(boxes), 1))
    return given, frames, share_out_of_frame(given, frames)


FORMS: dict[str, tuple[Callable[[Box], Box], str]] = {
    "corners": (corners, r"are corners \[left, top, right, bottom\]"),
    "centre": (centre, r"are \[centre x, centre y, width, height\]"),
    "corners, top first": (lambda b: (b[1], b[0], b[1] + b[3], b[0] + b[2]), r"corners \[top, left, bottom, right\]"),
    "top first": (lambda b: (b[1], b[0], b[3], b[2]), r"\[top, left, height, width\]"),
    "shares": (scaled(1), "shares of the frame from 0 to 1: multiply"),
    "shares, corners": (lambda b: corners(scaled(1)(b)), r"from 0 to 1, as corners \[left"),
    "shares, centre": (lambda b: centre(scaled(1)(b)), "from 0 to 1, as YOLO's"),
    "percent": (scaled(100), "percent of the frame from 0 to 100: multiply"),
    "thousandths, corners": (lambda b: corners(scaled(1000)(b)), r"from 0 to 1000, as corners \[left"),
}


@pytest.mark.parametrize("name", FORMS)
def test_another_form_is_named(name: str) -> None:
    change, told = FORMS[name]
    boxes, frames, share_over = asked([change(box) for box in honest(60)])
    guess = guess_form(boxes, frames)
    assert guess is not None and re.search(told, guess), guess
    if not name.startswith("shares"):  # of these each is told by itself
        assert are_of_other_form(boxes, frames, share_over)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("n_over", [0, 3, 12])
def test_coco_boxes_are_taken_as_they_are(seed: int, n_over: int) -> None:
    """A fifth may reach over the frame, as where masks were made by hand."""
    over = [(left, top, width + 60, height + 60) for left, top, width, height in honest(n_over, seed + 100)]
    assert not are_of_other_form(*asked([*honest(60, seed), *over]))


def test_what_reaches_over_the_frame_is_not_taken_for_thousandths() -> None:
    over = [(WIDTH - width + 4, top, width, height) for _, top, width, height in honest(15)]
    assert not are_of_other_form(*asked([*honest(75, 1), *over]))
    boxes, frames, _ = asked(honest(60))
    assert guess_form(boxes, frames / 2) is None, "frames at half their size say nothing of the boxes"


def test_small_things_in_a_corner_are_no_percent() -> None:
    logos = [(8.0 + n % 3, 10.0, 40.0, 22.0) for n in range(50)]
    assert not are_of_other_form(*asked(logos))
    few = [scaled(100)(box) for box in honest(7)]
    assert not are_of_other_form(*asked(few))
    boxes, frames, _ = asked([scaled(100)(box) for box in honest(60)])
    assert not seem_percent(boxes, frames / 4), "in small frames they may be pixels"


def test_records_in_percent_are_refused_with_the_cause() -> None:
    rows = [
        {
            "file_name": f"{n}.jpg",
            "width": WIDTH,
            "height": HEIGHT,
            "boxes": [{"category": "dog", "bbox": scaled(100)(box)}],
        }
        for n, box in enumerate(honest(20))
    ]
    refusal = ImageRecords(rows).load().refusal
    assert refusal is not None and "All 20 boxes of the 20 records lie in the first 100 pixels" in refusal
    assert "percent of the frame from 0 to 100" in refusal
