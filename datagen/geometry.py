"""Geometry of bounding boxes: counts with bounds, sides, relations, and what the boxes leave open.

The one place where box numbers become words. The context, the embedded teacher, the corpus lint
and the checks all ask here, so that what one writes the other accepts.

Writers use the strict rules (a place is named only when nobody would object); judges use
``contradicts_place`` (a place is wrong only when nobody would say it).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from datagen.records import AnnotatedImage, Box, BoxUnit

DOUBLED_IOU = 0.85
"""Two boxes of one category that overlap more than this outline one object (2 of 80 COCO images have a pair)."""
DOUBLED_IOU_OF_TWO_NAMES = 0.6
"""Two boxes under two names that overlap more than this may: 24 of 380 COCO images have such a pair, and most of them
are one thing that got two names (a pizza and a sandwich, a car and a truck), some two (somebody who fills a couch)."""

Place = Literal["left", "right", "top", "bottom", "middle"]
Relation = Literal["left of", "right of", "above", "below"]

JUDGE_SLACK = 0.08
"""How far over the middle line a judge lets an object's nearest edge lie before it objects."""


class Count(Struct, frozen=True):
    """How many objects of one category an image shows, as far as the boxes tell.

    Attributes:
        category: Category name.
        at_least: The number that is certain.
        is_exact: False when a crowd region or a doubled box leaves the number open upwards.
        has_crowd: True when one of the boxes is a crowd region.
    """

    category: str
    at_least: int
    is_exact: bool
    has_crowd: bool


def width_of(box: BoxUnit) -> float:
    """Width as a share of the frame."""
    return box[2] - box[0]


def height_of(box: BoxUnit) -> float:
    """Height as a share of the frame."""
    return box[3] - box[1]


def centre_of(box: BoxUnit) -> tuple[float, float]:
    """Centre (x, y) as shares of the frame."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def iou(a: BoxUnit, b: BoxUnit) -> float:
    """Intersection over union of two boxes, 0 to 1; 0 when both are empty."""
    inter = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = width_of(a) * height_of(a) + width_of(b) * height_of(b) - inter
    return inter / union if union > 0 else 0.0


@lru_cache(maxsize=512)
@lru_cache(maxsize=64)  # each response type asks again, and each of its counts
def doubled_pairs(boxes: tuple[Box, ...]) -> tuple[tuple[int, int, float], ...]:
    """Find boxes drawn twice around one object, also under two category names.

    Crowd regions are left out: they are meant to lie over other boxes.

    Returns:
        (index of the earlier box, index of its double, IoU); each double is named once, with the earliest box of its
        own category that it repeats, or else the earliest of another.
    """
    pairs: list[tuple[int, int, float]] = []
    areas = [width_of(box.box_unit) * height_of(box.box_unit) for box in boxes]
    for j, later in enumerate(boxes):
        if later.is_crowd:
            continue
        under_another_name: tuple[int, int, float] | None = None
        for i, earlier in enumerate(boxes[:j]):
            is_same = earlier.category == later.category
            threshold = DOUBLED_IOU if is_same else DOUBLED_IOU_OF_TWO_NAMES
            # IoU is at most the ratio of the areas: most pairs are out without being intersected.
            if earlier.is_crowd or min(areas[i], areas[j]) < threshold * max(areas[i], areas[j]):
                continue
            overlap = iou(earlier.box_unit, later.box_unit)
            if overlap > threshold and is_same:
                pairs.append((i, j, overlap))
                break
            if overlap > threshold and under_another_name is None:
                under_another_name = i, j, overlap
        else:
            if under_another_name is not None:
                pairs.append(under_another_name)
    return tuple(pairs)


def count_objects(boxes: tuple[Box, ...], unfinished: Sequence[str] = ()) -> dict[str, Count]:
    """Count every category so that no number is overstated.

    A crowd region adds at least two (a group has more than one member) and opens the count. A
    doubled box of the same category may be one object or two, so it is not added and opens
    the count. A pair under two names opens both counts, and each is certain only of the others.

    Args:
        boxes: Of one image.
        unfinished: Categories of which not every object is boxed, so that their counts are open.

    Returns:
        Category name to its count, in order of first appearance.
    """
    totals = Counter(box.category for box in boxes if not box.is_crowd)
    crowds = {box.category for box in boxes if box.is_crowd}
    open_ended = crowds.union(unfinished)
    for i, j, _ in doubled_pairs(boxes):
        names = (boxes[i].category, boxes[j].category)
        open_ended.update(names)
        for name in {names[1]} if names[0] == names[1] else set(names):
            totals[name] -= 1
    return {
        name: Count(name, max(0, totals[name]) + (2 if name in crowds else 0), name not in open_ended, name in crowds)
        for name in dict.fromkeys(box.category for box in boxes)
    }


def distinct_boxes(boxes: tuple[Box, ...]) -> tuple[Box, ...]:
    """Boxes that each surely outline one object of its own: no crowds, neither half of a doubled pair."""
    doubled = {index for i, j, _ in doubled_pairs(boxes) for index in (i, j)}
    return tuple(box for n, box in enumerate(boxes) if n not in doubled and not box.is_crowd)


def unique_boxes(image: AnnotatedImage) -> dict[str, Box]:
    """Categories that the image shows exactly once, with their box: safe to call "the dog"."""
    return boxes_alone(image.boxes, count_objects(image.boxes, image.unfinished or ()))


def boxes_alone(boxes: tuple[Box, ...], counts: Mapping[str, Count]) -> dict[str, Box]:
    """Categories that boxes show exactly once by their counts, with their box."""
    return {
        box.category: box
        for box in distinct_boxes(boxes)
        if counts[box.category].is_exact and counts[box.category].at_least == 1
    }


def horizontal_place(box: BoxUnit) -> Place | None:
    """The place a careful writer gives a box across the frame: left, middle, right, or none."""
    return _place(box[0], box[2], "left", "right")


def vertical_place(box: BoxUnit) -> Place | None:
    """The place a careful writer gives a box down the frame: top, middle, bottom, or none."""
    return _place(box[1], box[3], "top", "bottom")


def _place(start: float, end: float, low: Place, high: Place) -> Place | None:
    if end - start > 0.6:  # too wide (or tall) for a side or a middle
        return None
    if abs((start + end) / 2 - 0.5) <= 0.12:
        return "middle"
    if end <= 0.5:  # on the left only when it ends before the middle of the frame
        return low
    return high if start >= 0.5 else None


def contradicts_place(box: BoxUnit, place: Place) -> bool:
    """Whether nobody would say that the box is at this place.

    ``left`` and ``right`` are wrong only when the whole box lies beyond the middle (with
    ``JUDGE_SLACK``); ``middle`` only when the box stays wholly in an outer 30 % of the frame.
    """
    if place == "left":
        return box[0] > 0.5 + JUDGE_SLACK
    if place == "right":
        return box[2] < 0.5 - JUDGE_SLACK
    if place == "top":
        return box[1] > 0.5 + JUDGE_SLACK
    if place == "bottom":
        return box[3] < 0.5 - JUDGE_SLACK
    return box[2] < 0.3 or box[0] > 0.7 or box[3] < 0.3 or box[1] > 0.7


def relation_between(a: BoxUnit, b: BoxUnit) -> tuple[Relation, ...]:
    """Relations of ``a`` to ``b`` that a careful writer may state, across first.

    The boxes must be apart on that axis: they share at most a tenth of the narrower one's
    extent, and their centres are at least 0.1 of the frame apart.
    """
    found: list[Relation] = []
    if _before(a[0], a[2], b[0], b[2]):
        found.append("left of")
    elif _before(b[0], b[2], a[0], a[2]):
        found.append("right of")
    if _before(a[1], a[3], b[1], b[3]):
        found.append("above")
    elif _before(b[1], b[3], a[1], a[3]):
        found.append("below")
    return tuple(found)


def _before(a_start: float, a_end: float, b_start: float, b_end: float) -> bool:
    shared = a_end - b_start
    narrower = min(a_end - a_start, b_end - b_start)
    return shared <= 0.1 * narrower and (b_start + b_end) / 2 - (a_start + a_end) / 2 >= 0.1


def clip_to_unit(corners: Sequence[float]) -> BoxUnit:
    """Clip left, top, right, bottom to the frame."""
    left, top, right, bottom = (min(1.0, max(0.0, value)) for value in corners)
    return left, top, right, bottom


POINTED_SIDE, POINTED_AREA = 0.03, 0.004
"""Smallest side and area of what is pointed at, as shares of the picture: a patch of the coarsest grid that a model
reads (Kosmos-2's 32 x 32), and 35 x 35 pixels of a COCO photograph."""


def is_large_enough(box: BoxUnit) -> bool:
    """Whether a box is worth pointing at: in a smaller one, rounding moves the edges too far."""
    width, height = width_of(box), height_of(box)
    return min(width, height) >= POINTED_SIDE and width * height >= POINTED_AREA


def can_be_pointed_at(box: Box) -> bool:
    """Whether an annotation is of one thing, and large enough."""
    return not box.is_crowd and is_large_enough(box.box_unit)


def resized_by_qwen(size: tuple[int, int], most: int, least: int = 56 * 56, factor: int = 28) -> tuple[int, int]:
    """The width and height that Qwen2.5-VL's processor gives a picture: multiples of 28, within so many pixels.

    After ``smart_resize`` of transformers and qwen-vl-utils.
    """
    width, height = (round(side / factor) * factor for side in size)
    if width * height > most:
        beta = math.sqrt(size[0] * size[1] / most)
        width, height = (max(factor, math.floor(side / beta / factor) * factor) for side in size)
    elif width * height < least:
        beta = math.sqrt(least / (size[0] * size[1]))
        width, height = (math.ceil(side * beta / factor) * factor for side in size)
    return width, height
