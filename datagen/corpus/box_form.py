"""What form boxes seem to have where COCO's, [left, top, width, height] in pixels, does not fit them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FITS = 0.98
"""Share of boxes that must fit another reading: a corpus has a few faulty boxes in any form."""
SEEMS_CORNERS = 0.1
"""Share of boxes over the frame from which on corners are looked for: 0.1 % of COCO's reach over it."""

Boxes = NDArray[np.float64]


def are_shares(boxes: Boxes, frames: Boxes) -> NDArray[np.bool_]:
    """Which boxes look like shares of the frame from 0 to 1: as pixels they would lie within the first one.

    Args:
        boxes: Left, top, width, height, shape (boxes, 4).
        frames: Width and height of each one's image in pixels, shape (boxes, 2).
    """
    with np.errstate(invalid="ignore"):
        is_small = ((boxes >= -1) & (boxes <= 1)).all(axis=1)
        shares: NDArray[np.bool_] = np.logical_and(is_small, (frames >= 8).all(axis=1))
    return shares


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
    a, b, c, d = boxes.T
    width, height = frames.T
    with np.errstate(over="ignore"):
        readings = (
            (
                are_shares(boxes, frames),
                "its boxes are shares of the frame from 0 to 1: multiply by width and height",
            ),
            (
                _within(a, b, c, d, width, height),
                "its boxes are corners [left, top, right, bottom]; subtract left from right and top from bottom",
            ),
            (
                _within(a, b, a + c, b + d, height, width),
                "width and height of its images are exchanged: write the size of the pictures as stored",
            ),
            (
                _within(a - c / 2, b - d / 2, a + c / 2, b + d / 2, width, height),
                "its boxes are [centre x, centre y, width, height]; subtract half of the size from the centre",
            ),
            (
                _within(b, a, b + d, a + c, width, height),
                "its boxes are [top, left, height, width]; exchange the numbers",
            ),
        )
        return next((told for fits, told in readings if fits.mean() >= FITS), None)


def _within(left: Boxes, top: Boxes, right: Boxes, bottom: Boxes, width: Boxes, height: Boxes) -> NDArray[np.bool_]:
    fits: NDArray[np.bool_] = (left >= -1) & (top >= -1) & (right > left) & (bottom > top)
    return fits & (right <= width + 1) & (bottom <= height + 1)


def share_out_of_frame(boxes: Boxes, frames: Boxes) -> float:
    """Share of boxes that have no size or reach over the frame by more than a pixel."""
    if not len(boxes):
        return 0.0
    with np.errstate(all="ignore"):
        left, top, width, height = boxes.T
        return float(1 - _within(left, top, left + width, top + height, *frames.T).mean())


def are_corners(boxes: Boxes, frames: Boxes, share_over: float) -> bool:
    """Whether the boxes of a file are corners, as too many reach over the frame and nearly all fit as corners.

    Args:
        boxes: As the file has them.
        frames: Of each one's image.
        share_over: ``share_out_of_frame``.
    """
    return len(boxes) > 2 and share_over > SEEMS_CORNERS and _within(*boxes.T, *frames.T).mean() >= FITS
