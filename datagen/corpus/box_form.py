"""What form boxes seem to have where COCO's, [left, top, width, height] in pixels, does not fit them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FITS = 0.98
"""Share of boxes that must fit another reading: a corpus has a few faulty boxes in any form."""
SEEMS_CORNERS = 0.1
"""Share of boxes over the frame from which on corners are looked for: 0.1 % of COCO's reach over it."""
SEEMS_THOUSANDTHS = 0.3
NEAR_A_THOUSAND = 800

MIN_PERCENT = 8
"""Boxes from which on it is no chance that all lie in the first hundred pixels of frames with larger sides."""
MIN_PERCENT_SIDE = 300

Boxes = NDArray[np.float64]


def are_shares(boxes: Boxes, frames: Boxes) -> NDArray[np.bool_]:
    """Which boxes look like shares of the frame from 0 to 1: as pixels they would lie within the first one.

    Args:
        boxes: Left, top, width, height, shape (boxes, 4).
        frames: Width and height of each one's image in pixels, shape (boxes, 2).
    """
    shares = np.zeros(len(boxes), np.bool_)
    with np.errstate(invalid="ignore"):
        rows = np.flatnonzero(np.abs(boxes[:, 2]) <= 1)  # nearly none, and looking at all sides takes ten times as long
        shares[rows] = ((boxes[rows] >= -1) & (boxes[rows] <= 1)).all(axis=1) & (frames[rows] >= 8).all(axis=1)
    return shares


_CORNERS = "corners [left, top, right, bottom]"
_CENTRE = "[centre x, centre y, width, height]"


def guess_form(boxes: Boxes, frames: Boxes) -> str | None:
    """Say what the boxes of a file seem to be instead of COCO's, as nearly all fit so; None where nothing fits.

    Args:
        boxes: As the file has them, shape (boxes, 4).
        frames: Width and height of each one's image in pixels, shape (boxes, 2).
    """
    is_told = np.isfinite(boxes).all(axis=1) & (frames > 0).all(axis=1)
    boxes, frames = boxes[is_told], frames[is_told]
    if not len(boxes):
        return None
    with np.errstate(over="ignore"):
        if are_shares(boxes, frames).mean() >= FITS:
            return _told_of_scale(boxes, 1.0, "shares of the frame from 0 to 1", "multiply by width and height")
        if seem_percent(boxes, frames):
            mend = "multiply by width and height and divide by 100"
            return _told_of_scale(boxes, 100.0, "percent of the frame from 0 to 100", mend)
        a, b, c, d = boxes.T
        width, height = frames.T
        readings = (
            (
                _within(a, b, c, d, width, height),
                f"its boxes are {_CORNERS}; subtract left from right and top from bottom",
            ),
            (
                _within(a, b, a + c, b + d, height, width),
                "width and height of its images are exchanged, or its boxes are [top, left, height, width]",
            ),
            (
                _within(a - c / 2, b - d / 2, a + c / 2, b + d / 2, width, height),
                f"its boxes are {_CENTRE}; subtract half of the size from the centre",
            ),
            (
                _within(b, a, d, c, width, height),
                "its boxes are corners [top, left, bottom, right]; exchange the numbers and subtract",
            ),
        )
        for fits, told in readings:
            if fits.mean() >= FITS:
                return told
        if boxes.min() >= 0 and (boxes.max(axis=1) <= 1000).mean() >= FITS and _fill_a_thousand(boxes, frames):
            mend = "multiply by width and height and divide by 1000"
            return _told_of_scale(boxes, 1000.0, "thousandths of the frame from 0 to 1000", mend)
    return None


def _fill_a_thousand(boxes: Boxes, frames: Boxes) -> bool:
    """Whether many boxes lie beyond their frames, and some at a thousand: any box in pixels may lie below that."""
    right, bottom = (boxes[:, :2] + boxes[:, 2:]).T
    furthest = max(right.max(), boxes[:, 2].max()), max(bottom.max(), boxes[:, 3].max())
    return share_out_of_frame(boxes, frames) > SEEMS_THOUSANDTHS and min(furthest) > NEAR_A_THOUSAND


def _told_of_scale(boxes: Boxes, full: float, scale: str, mend: str) -> str | None:
    """Say of boxes in shares of the frame in what order their numbers stand.

    Args:
        boxes: As the file has them.
        full: What stands for the whole side.
        scale: What the numbers are.
        mend: How they become pixels.
    """
    a, b, c, d = boxes.T / full
    one = np.ones(len(boxes))
    slack = 0.01
    forms = (
        (_within(a, b, a + c, b + d, one, one, slack), ""),
        (_within(a, b, c, d, one, one, slack), f", as {_CORNERS}: subtract left from right and top from bottom, then"),
        (
            _within(a - c / 2, b - d / 2, a + c / 2, b + d / 2, one, one, slack),
            f", as YOLO's {_CENTRE}: subtract half of the size from the centre, then",
        ),
    )
    order = next((told for fits, told in forms if fits.mean() >= FITS), "" if full == 1 else None)
    return None if order is None else f"its boxes are {scale}{order or ':'} {mend}"


def seem_percent(boxes: Boxes, frames: Boxes) -> bool:
    """Whether the boxes of a file seem to be percent of the frame: all lie in the first 100 pixels, and fill them.

    Args:
        boxes: As the file has them, shape (boxes, 4).
        frames: Of each one's image, shape (boxes, 2).
    """
    if len(boxes) < MIN_PERCENT or (boxes[:, 2] < 110).mean() < FITS:  # a wider one reaches over the first hundred
        return False
    if (frames < MIN_PERCENT_SIDE).any() or are_shares(boxes, frames).any():
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        right, bottom = (boxes[:, :2] + boxes[:, 2:]).T
        full = np.full(len(boxes), 100.0)
        fits = _within(boxes[:, 0], boxes[:, 1], right, bottom, full, full)
    return bool(fits.mean() >= FITS and right[fits].max() > 60 and bottom[fits].max() > 60)


def _within(
    left: Boxes, top: Boxes, right: Boxes, bottom: Boxes, width: Boxes, height: Boxes, slack: float = 1.0
) -> NDArray[np.bool_]:
    fits: NDArray[np.bool_] = (left >= -slack) & (top >= -slack) & (right > left) & (bottom > top)
    return fits & (right <= width + slack) & (bottom <= height + slack)


def share_out_of_frame(boxes: Boxes, frames: Boxes) -> float:
    """Share of boxes that have no size or reach over the frame by more than a pixel."""
    if not len(boxes):
        return 0.0
    with np.errstate(all="ignore"):
        left, top, width, height = boxes.T
        return float(1 - _within(left, top, left + width, top + height, *frames.T).mean())


def are_of_other_form(boxes: Boxes, frames: Boxes, share_over: float) -> bool:
    """Whether the boxes of a file are no COCO boxes for sure, though most of them could be.

    Either too many reach over the frame and nearly all fit in another form, or all fill the first hundred pixels alone.

    Args:
        boxes: As the file has them.
        frames: Of each one's image.
        share_over: ``share_out_of_frame``.
    """
    if seem_percent(boxes, frames):
        return True
    return len(boxes) > 2 and share_over > SEEMS_CORNERS and guess_form(boxes, frames) is not None


def told_scored(scores: NDArray[np.float64], n_boxes: int, min_score: float) -> str:
    """Say that a detector drew the boxes, and what is made of them, as a sentence.

    Args:
        scores: Of those that have one, from 0 to 1.
        n_boxes: All.
        min_score: Boxes with a lower one are left out.
    """
    n_low = int(np.count_nonzero(scores < min_score))
    return (
        f"{len(scores)} of {n_boxes} boxes carry a score ({scores.min():.2g} to {scores.max():.2g}, half below "
        f"{np.median(scores):.2g}), as a detector's do; {n_low} below {min_score:g} (--set corpus.min_score) are left "
        "out, and nothing is counted or denied by the others"
    )
