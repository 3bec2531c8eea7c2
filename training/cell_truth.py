"""What the cells of a grid hold of a photograph's boxes: which are covered by what, and where centres lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from datagen.records import BoxUnit
from training.photographs import DETECTED_FROM, Found, Photograph, trust_in

COVERED = 0.25
"""A cell is covered by a box that takes at least this share of it."""
SEEN = 0.35
"""A box cut by a crop still counts while this share of it is in the picture."""
UNKNOWN = -1


class CellTruth(Struct, frozen=True):
    """Truth on a grid.

    Attributes:
        cover: Chance that a cell is covered by a category, (categories, grid, grid).
        centre: Share of centres of a category that falls to a cell, one in all for every thing, so spread over the
            four cells around each that no border matters, (categories, grid, grid).
        amount: How many of each category there are, -1 where that is not known, (categories,).
    """

    cover: NDArray[np.float32]
    centre: NDArray[np.float32]
    amount: NDArray[np.float32]


def cell_truth(photograph: Photograph, n_categories: int, grid: int, view: BoxUnit, *, mirrored: bool) -> CellTruth:
    """Lay boxes over a grid.

    Args:
        photograph: With its boxes.
        n_categories: Of the model.
        grid: Cells along a side.
        view: The part of the photograph that is shown, (0, 0, 1, 1) for all of it.
        mirrored: Left and right are exchanged.
    """
    cover, centre = (np.zeros((n_categories, grid, grid), np.float32) for _ in range(2))
    amount = np.full(n_categories, UNKNOWN, np.float32)
    amount[list(photograph.decided)] = 0
    for found in photograph.found:
        if found.trust < trust_in(DETECTED_FROM):
            continue
        box = _seen(found.box, view)
        if box is None:
            continue
        if mirrored:
            box = (1 - box[2], box[1], 1 - box[0], box[3])
        cells = _covered(box, grid)
        cover[found.category] = np.maximum(cover[found.category], cells * found.trust)
        if found.is_crowd:
            amount[found.category] = UNKNOWN
            continue
        middle = np.outer(_spread((box[1] + box[3]) / 2, grid), _spread((box[0] + box[2]) / 2, grid))
        centre[found.category] += middle * found.trust
        if found.category in photograph.decided and amount[found.category] != UNKNOWN:
            amount[found.category] += 1
    for found in photograph.found:
        if found.is_crowd:
            amount[found.category] = UNKNOWN
    return CellTruth(cover, centre.clip(0, 1), amount)


def _seen(box: BoxUnit, view: BoxUnit) -> BoxUnit | None:
    """A box in a part of the picture, None where too little of it is left."""
    left, top, right, bottom = view
    cut = (max(box[0], left), max(box[1], top), min(box[2], right), min(box[3], bottom))
    whole = (box[2] - box[0]) * (box[3] - box[1])
    if cut[2] <= cut[0] or cut[3] <= cut[1] or (cut[2] - cut[0]) * (cut[3] - cut[1]) < SEEN * whole:
        return None
    wide, high = right - left, bottom - top
    return (cut[0] - left) / wide, (cut[1] - top) / high, (cut[2] - left) / wide, (cut[3] - top) / high


def _covered(box: BoxUnit, grid: int) -> NDArray[np.float32]:
    left, top, right, bottom = (value * grid for value in box)
    edges = np.arange(grid)
    across = np.clip(np.minimum(edges + 1, right) - np.maximum(edges, left), 0, 1)
    down = np.clip(np.minimum(edges + 1, bottom) - np.maximum(edges, top), 0, 1)
    cells = (down[:, None] * across >= COVERED).astype(np.float32)
    cells[min(grid - 1, int((top + bottom) / 2)), min(grid - 1, int((left + right) / 2))] = 1
    return cells


def _spread(middle: float, grid: int) -> NDArray[np.float32]:
    shares: NDArray[np.float32] = np.clip(1 - np.abs(np.arange(grid) + 0.5 - middle * grid), 0, 1).astype(np.float32)
    return shares / shares.sum()


def stacked(truths: Sequence[CellTruth]) -> CellTruth:
    """Join truths to a batch."""
    return CellTruth(*(np.stack([getattr(one, name) for one in truths]) for name in CellTruth.__struct_fields__))


__all__ = ["CellTruth", "Found", "cell_truth", "stacked"]
