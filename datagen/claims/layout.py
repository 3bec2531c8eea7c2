"""Spatial relations of bounding boxes: whether a place or a relation that is claimed holds, fails, or stays open.

Three answers: True where a careful writer would say it, False where nobody would, None between. Depth is told
by size and by the lower edge (what stands nearer on the ground reaches lower), and only where both agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from datagen.geometry import (
    Place,
    centre_of,
    contradicts_place,
    height_of,
    horizontal_place,
    relation_between,
    vertical_place,
    width_of,
)
from datagen.records import BoxUnit

IN_CORNER, OFF_CORNER = 0.3, 0.25
"""A centre this near to two edges lies in a corner; a box that keeps this far from both edges of an axis does not."""
MIDWAY = 0.2
"""Distance of a centre from the middle line up to which a thing is in the middle of the frame's width."""
CLOSE, FAR = 0.1, 0.35
"""Gaps up to ``CLOSE`` are next to each other; from ``FAR`` on, and beyond 1.5 times the larger side, they are not."""
APART = 0.12
"""A thing this far from another is neither on it nor in its hands."""
BESIDE = 0.02
"""A gap from which on a thing lies beyond two others, not between them."""
CLEARLY_LARGER = 1.5
"""Ratio of areas from which on nobody would call the smaller one larger."""
LOWER = 0.1
"""Difference of lower edges that tells which of two things stands nearer."""
ON_TABLE = 0.08
"""The same on a table, which is looked at from above."""
TURNED = 0.03
"""Two things that lie apart, with centres at least so far from each other, lie the one way and not the other."""
FAR_TURNED = 0.17
"""The same of two things one of which lies within the other's span."""
OVERLAP = 0.15
OFF_END = 0.15
"""Share of a thing's width from its middle from which on another thing is at one end of it."""
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


def area_of(box: BoxUnit) -> float:
    """Area as a share of the frame."""
    return width_of(box) * height_of(box)


def gap_between(a: BoxUnit, b: BoxUnit) -> float:
    """Largest distance between two boxes along an axis, as a share of the frame; 0 where they touch."""
    return max(0.0, a[0] - b[2], b[0] - a[2], a[1] - b[3], b[1] - a[3])


def decide_place(place: str, box: BoxUnit, others: Sequence[BoxUnit]) -> bool | None:
    """Whether a box is at a place.

    Args:
        place: left, right, top, bottom, middle, corner, foreground or background.
        box: Corners, 0 to 1.
        others: Every other box of the image, for depth.
    """
    if place == "corner":
        return _decide_corner(box)
    if place == "foreground":
        return _decide_foreground(box, others)
    if place == "background":
        return _decide_background(box, others)
    if place == "middle":  # said of what stands midway across the frame, however low
        x, _ = centre_of(box)
        is_off = box[2] < 0.3 or box[0] > 0.7 or ((box[3] < 0.3 or box[1] > 0.7) and abs(x - 0.5) > MIDWAY)
        return False if is_off else True if place in (horizontal_place(box), vertical_place(box)) else None
    if contradicts_place(box, cast("Place", place)) or (place in _SPAN and _is_far_side(_SPAN[place](box))):
        return False
    return True if place in (horizontal_place(box), vertical_place(box)) else None


def _is_far_side(distances: tuple[float, float]) -> bool:
    """Whether a box that touches the middle lies so far to the other side that nobody would name this one."""
    near, far = distances
    return near >= 1 - FAR_SIDE_END and (near + far) / 2 >= FAR_SIDE_CENTRE


def is_beyond_middle(place: str, box: BoxUnit) -> bool:
    """Whether a box's centre lies clearly on the other half than a side is on, of which "most" may not."""
    near, far = _SPAN[place](box) if place in _SPAN else (0.0, 0.0)
    return (near + far) / 2 >= 0.5 + TURNED


def is_off_strictly(place: str, box: BoxUnit, part: str) -> bool:
    """Whether a box lies beyond a narrower part of the frame than a side of it.

    Args:
        place: left, right, top or bottom.
        box: Corners, 0 to 1.
        part: ``half``, ``edge`` (a box that keeps ``OFF_EDGE`` from it is off) or ``corner``.
    """
    near, far = _SPAN[place](box)  # distances from that edge of the box's nearest and farthest side
    if part != "half" and near > (0.3 if part == "edge" else OFF_CORNER) and far > 0.6:
        return True
    if part == "corner" and near > 0.1 and (near + far) / 2 >= OFF_CENTRE:
        return True
    return near >= OFF_EDGE and (near + far) / 2 >= OFF_CENTRE


_SPAN: dict[str, Callable[[BoxUnit], tuple[float, float]]] = {
    "left": lambda box: (box[0], box[2]),
    "right": lambda box: (1 - box[2], 1 - box[0]),
    "top": lambda box: (box[1], box[3]),
    "bottom": lambda box: (1 - box[3], 1 - box[1]),
}
FAR_SIDE_END, FAR_SIDE_CENTRE = 0.8, 0.58
"""A box on the other side of the middle that keeps 0.2 from a side is not on it: of 95 places that LLMs gave single
boxes rightly, none lay with its centre beyond the middle at all."""
OFF_EDGE, OFF_CENTRE = 0.25, 0.56
"""The same for what lies at an edge, in a corner, or in a half."""
DOMINANT = 4.0
"""A thing this many times as large as any other of its kind is meant by "the dog"."""


def meant_of(boxes: Sequence[BoxUnit], size: int = 0, dominant: float = DOMINANT) -> Sequence[BoxUnit]:
    """Of the boxes of a kind those that "the dog" may mean: the one beside which all others are small, or all.

    Args:
        boxes: Those of the kind.
        dominant: How many times as large as any other the one must be.
        size: 1 for "the largest dog", -1 for "the smallest": those that nobody would call larger, or smaller.
    """
    if len(boxes) < 2:
        return boxes
    if size:
        areas = sorted(map(area_of, boxes))
        if size > 0:
            return [box for box in boxes if area_of(box) * CLEARLY_LARGER >= areas[-1]]
        return [box for box in boxes if area_of(box) <= areas[0] * CLEARLY_LARGER]
    first, second = sorted(boxes, key=area_of, reverse=True)[:2]
    return [first] if area_of(first) >= dominant * area_of(second) and area_of(first) >= 0.03 else boxes


def _decide_corner(box: BoxUnit) -> bool | None:
    x, y = centre_of(box)
    if min(x, 1 - x) <= IN_CORNER and min(y, 1 - y) <= IN_CORNER:
        return True
    is_off = any(box[n] > OFF_CORNER and box[n + 2] < 1 - OFF_CORNER for n in (0, 1))
    return False if is_off else None


def _decide_foreground(box: BoxUnit, others: Sequence[BoxUnit]) -> bool | None:
    area, bottom = area_of(box), box[3]
    lowest, largest = max((b[3] for b in others), default=0.0), max(map(area_of, others), default=0.0)
    if bottom >= max(0.6, lowest - LOWER) and area >= max(0.05, largest / 4):
        return True
    is_behind = any(area_of(b) >= 8 * area and b[3] >= bottom + 2 * LOWER for b in others)
    return False if is_behind and area <= 0.02 and bottom <= 0.6 else None


def _decide_background(box: BoxUnit, others: Sequence[BoxUnit]) -> bool | None:
    area, bottom = area_of(box), box[3]
    if area <= 0.1 and any(area_of(b) >= 4 * area and b[3] >= bottom + LOWER for b in others):
        return True
    is_foremost = area >= 0.15 and bottom >= 0.9 and all(2 * area_of(b) <= area and b[3] <= bottom for b in others)
    return False if is_foremost and others else None


def decide_relation(relation: str, a: BoxUnit, b: BoxUnit, *, ground: str = "") -> bool | None:
    """Whether one box lies to another as a relation says.

    Args:
        relation: Any of the grammar's but ``between``.
        a: The first thing's corners.
        b: The second's.
        ground: Both stand on the "ground", or on a "table"; empty where they may not.
    """
    if relation in OPPOSITE:
        found: tuple[str, ...] = relation_between(a, b)
        if relation in found:
            return True
        low, high = (0, 2) if relation in ("left of", "right of") else (1, 3)
        first, second = (b, a) if relation in ("left of", "above") else (a, b)
        shared = first[high] - second[low]
        narrower = min(first[high] - first[low], second[high] - second[low])
        apart = centre_of(second)[low] - centre_of(first)[low]
        is_ordered = first[low] <= second[low] and first[high] <= second[high]
        is_turned = (
            (shared <= OVERLAP * narrower and apart >= TURNED) or (is_ordered and apart >= LOWER) or apart >= FAR_TURNED
        )
        return False if OPPOSITE[relation] in found or is_turned else None
    if relation in ("at left of", "at right of"):  # one end of the other
        x, middle = centre_of(a)[0], centre_of(b)[0]
        beyond = (x - middle if relation == "at left of" else middle - x) / max(width_of(b), LOWER)
        return False if beyond >= OFF_END else True if beyond <= -OFF_END else None
    if relation in ("larger", "smaller"):
        large, small = (a, b) if relation == "larger" else (b, a)
        if area_of(large) > CLEARLY_LARGER * area_of(small):
            return True
        return False if CLEARLY_LARGER * area_of(large) < area_of(small) else None
    if relation in ("nearer", "farther"):
        a, b = (a, b) if relation == "nearer" else (b, a)
        return True if _is_nearer(a, b, LOWER, 1) else False if _is_nearer(b, a, 1.5 * LOWER, 3) else None
    if relation in ("in front of", "behind"):  # a person in front of a screen may sit on either side of it
        front, back = (a, b) if relation == "in front of" else (b, a)
        is_over = min(a[2], b[2]) > max(a[0], b[0])
        if ground == "ground" and _is_nearer(back, front, 1.5 * LOWER, 3):
            return False
        if ground == "table" and _is_nearer(back, front, ON_TABLE, 0):
            return False
        return True if is_over and front[3] >= back[3] + LOWER / 2 else None
    return _decide_contact(relation, a, b)


def _is_nearer(a: BoxUnit, b: BoxUnit, lower: float, times: float) -> bool:
    return a[3] > b[3] + lower and area_of(a) > times * area_of(b)


def _decide_contact(relation: str, a: BoxUnit, b: BoxUnit) -> bool | None:
    gap, side = gap_between(a, b), max(width_of(a), height_of(a), width_of(b), height_of(b))
    if relation == "next to":
        return True if gap <= CLOSE else False if gap > max(FAR, 1.5 * side) else None
    directions = relation_between(a, b)
    # Boxes that touch do not prove that one thing lies on, under or in the hands of the other.
    if relation == "on":
        is_beside = (a[0] >= b[2] or a[2] <= b[0]) and a[3] >= b[3] - BESIDE
        is_apart = max(a[0] - b[2], b[0] - a[2]) > TURNED
        return False if gap > APART or "below" in directions or is_beside or is_apart else None
    if relation == "in":
        return False if gap > CLOSE / 2 else None
    if relation == "under":
        is_over = a[3] < centre_of(b)[1]  # it ends above the middle of what it would lie under
        return False if gap > max(FAR, side) or "above" in directions or is_over else None
    if relation == "holding":
        return False if gap > APART else None
    return None


def decide_between(a: BoxUnit, b: BoxUnit, c: BoxUnit) -> bool | None:
    """Whether one box lies between two others: across, or down (which also tells of depth)."""
    centre, ends = centre_of(a), (centre_of(b), centre_of(c))
    low = [min(end[n] for end in ends) for n in (0, 1)]
    high = [max(end[n] for end in ends) for n in (0, 1)]
    is_spread = [high[n] - low[n] >= LOWER for n in (0, 1)]
    if any(is_spread[n] and low[n] < centre[n] < high[n] for n in (0, 1)):
        return True
    for n, other in ((0, 1), (1, 0)):
        is_beyond = a[n] > max(b[n + 2], c[n + 2]) + BESIDE or a[n + 2] < min(b[n], c[n]) - BESIDE
        is_outside = not low[other] - LOWER < centre[other] < high[other] + LOWER
        is_along = high[n] - low[n] >= 2 * (high[other] - low[other])
        if is_beyond and (is_outside or is_along or not is_spread[other]):
            return False
    return None
