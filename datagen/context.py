"""From an annotated image to the symbolic context that stands in for its pixels.

Two styles. ``llava`` is LLaVA's own, byte for byte: captions, an empty line, one
``category: [x1, y1, x2, y2]`` per box. ``default`` says in addition what the numbers leave open:
crowd regions, objects boxed twice, boxes left out, the counts that are safe to state, what is said of parts, and
plausible things that are not there.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from msgspec import UNSET, UnsetType

from datagen.config import ContextSettings
from datagen.geometry import Count, count_objects, doubled_pairs
from datagen.records import AnnotatedImage, Box, BoxUnit, Region

ContextPart = Literal["captions", "boxes", "absent"]

CROWD_MARK = " (a group, members not counted)"
_BOX_LINE = re.compile(r"^(?P<category>[^:\[\]]+?)(?P<mark>" + re.escape(CROWD_MARK) + r")?: \[(?P<corners>[^\]]+)\]$")
REGIONS = "Sentences on parts of the image, each with the edges of the part:"
_REGION_LINE = re.compile(r"^(?P<text>.+?) \[(?P<corners>[^\[\]]+)\]$")
_NOTE_LINE = re.compile(r"^(Counts|Boxed twice|Left out|Boxed by|Written by): ")
BY_CAPTIONER = "Written by: a model, which may be wrong"
BY_DETECTOR = "Boxed by: a detector, which may be wrong or miss things"
ABSENT = "Absent: "


def render_context(
    image: AnnotatedImage,
    parts: tuple[ContextPart, ...],
    settings: ContextSettings,
    absent: tuple[str, ...] = (),
) -> str:
    """Describe an image in text.

    Args:
        image: The annotated image.
        parts: Which parts to tell; LLaVA tells boxes to all types but conversation.
        settings: Style and the cap on boxes.
        absent: Things that are surely not there, told below the boxes where the parts and the style have them.

    Returns:
        Text without a trailing newline; empty when the image has none of the parts.
    """
    blocks = []
    if "captions" in parts and image.captions:
        blocks.append("\n".join(image.captions))
        if image.by_captioner is True and settings.style != "llava":
            blocks[-1] += f"\n{BY_CAPTIONER}"
    if "boxes" in parts and image.boxes:
        blocks.append(
            render_llava_boxes(image.boxes)
            if settings.style == "llava"
            else _boxes_with_notes(image.boxes, tuple(image.unfinished or ()), settings.max_boxes)
        )
        if image.by_detector is True and settings.style != "llava":
            blocks[-1] += f"\n{BY_DETECTOR}"
        if absent and tells_absent(parts, settings):
            blocks[-1] += f"\n{ABSENT}{'; '.join(absent)}"
    if "boxes" in parts and image.regions and settings.style != "llava":
        blocks.append("\n".join((REGIONS, *_region_lines(image.regions, settings.max_boxes))))
    return "\n\n".join(blocks)


@lru_cache(maxsize=16)
def _region_lines(regions: tuple[Region, ...], limit: int) -> tuple[str, ...]:
    """A line a region, the largest, in their order; those that say nothing over a longer one of the same image not."""
    words = [frozenset(region.text.lower().strip(".").split()) for region in regions]
    longest = sorted(range(len(regions)), key=lambda n: -len(words[n]))
    telling: list[int] = []
    for n in longest:
        if not any(words[n] - _LITTLE <= words[other] for other in telling):
            telling.append(n)
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in (region.box_unit for region in regions)]
    kept = sorted(sorted(telling, key=lambda n: (-areas[n], n))[:limit])
    return tuple(f"{regions[n].text} {_corners_told(regions[n].box_unit)}" for n in kept)


_LITTLE = frozenset("a an the is are of in on".split())
"""Words without which a sentence says the same."""


def tells_absent(parts: tuple[ContextPart, ...], settings: ContextSettings) -> bool:
    """Whether a context has the line of absent things; LLaVA's has none."""
    return "absent" in parts and settings.style != "llava"


def render_llava_boxes(boxes: tuple[Box, ...]) -> str:
    """LLaVA's lines, from the released prompt examples: Python's repr of corners rounded to 3 digits."""
    return "\n".join(_box_line(box.category, box.box_unit) for box in boxes)


def _box_line(label: str, corners: BoxUnit) -> str:
    return f"{label}: {_corners_told(corners)}"


def _corners_told(corners: BoxUnit) -> str:
    return f"[{', '.join(repr(round(float(value), 3)) for value in corners)}]"


@lru_cache(maxsize=16)  # the response types are told the same of an image, and each digest leaves a line out
def _boxes_with_notes(boxes: tuple[Box, ...], unfinished: tuple[str, ...], max_boxes: int) -> str:
    kept = _largest(boxes, max_boxes)
    lines = [
        _box_line(box.category + (CROWD_MARK if box.is_crowd else ""), box.box_unit)
        for n, box in enumerate(boxes)
        if n in kept
    ]
    counts = count_objects(boxes, unfinished)
    lines.append(f"Counts: {'; '.join(_count_phrase(count) for count in counts.values())}")
    doubled = [
        f"{_box_line(boxes[j].category, boxes[j].box_unit)} may be the same object as "
        f"{_box_line(boxes[i].category, boxes[i].box_unit)}"
        for i, j, _ in doubled_pairs(boxes)
        if i in kept and j in kept
    ]
    if doubled:
        lines.append(f"Boxed twice: {'; '.join(doubled)}")
    left_out = count_objects(tuple(box for n, box in enumerate(boxes) if n not in kept))
    if left_out:
        n_left = len(boxes) - len(kept)
        names = ", ".join(left_out)
        lines.append(
            f"Left out: {n_left} smaller {'box' if n_left == 1 else 'boxes'} ({names}), included in the counts"
        )
    return "\n".join(lines)


def _count_phrase(count: Count) -> str:
    if count.is_exact:
        return f"{count.category} {count.at_least}"
    if count.at_least == 0:
        return f"{count.category} uncertain"
    return f"{count.category} at least {count.at_least}"


def _largest(boxes: tuple[Box, ...], limit: int) -> set[int]:
    by_area = sorted(range(len(boxes)), key=lambda n: (-boxes[n].area_unit, n))
    return set(by_area[:limit])


def parse_context(text: str, image_id: str = "0") -> AnnotatedImage:
    """Read a context back into an annotated image; notes are dropped, as they follow from the boxes.

    Few-shot examples are kept as context text, so that a person can write them, and are told to
    the teacher in whatever style the run uses.

    Raises:
        ValueError: A box line does not have four numbers in 0 to 1 in rising order.
    """
    captions: list[str] = []
    boxes: list[Box] = []
    regions: list[Region] = []
    absent: tuple[str, ...] | UnsetType = UNSET
    before, _, of_parts = text.partition(REGIONS)
    for line in filter(None, of_parts.splitlines()):
        said = _REGION_LINE.match(line)
        if said is None:
            raise ValueError(f"'{line}' should be a sentence on a part and its edges, [left, top, right, bottom]")
        regions.append(Region(said["text"], _corners(said["corners"], line)))
    for line in before.splitlines():
        match = _BOX_LINE.match(line)
        if match is not None:
            corners = _corners(match["corners"], line)
            area = (corners[2] - corners[0]) * (corners[3] - corners[1])
            boxes.append(Box(match["category"].strip(), corners, area, is_crowd=match["mark"] is not None))
        elif line.startswith(ABSENT):
            absent = tuple(name.strip() for name in line.removeprefix(ABSENT).split(";"))
        elif line.strip() and not _NOTE_LINE.match(line):
            captions.append(line.strip())
    told = (tuple(captions), tuple(boxes))
    return AnnotatedImage(
        image_id, f"{image_id}.jpg", 1000, 1000, *told, absent=absent, regions=tuple(regions) or UNSET
    )


def _corners(numbers: str, line: str) -> BoxUnit:
    try:
        left, top, right, bottom = (float(number) for number in numbers.split(","))
    except ValueError:
        raise ValueError(f"'{line}' should end in four numbers, [left, top, right, bottom]") from None
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ValueError(f"'{line}' should hold corners from 0 to 1, left before right and top before bottom")
    return left, top, right, bottom
