"""From one COCO instance to a box in unit corners, with what was wrong about it."""

from __future__ import annotations

from datagen.corpus.coco.masks import Mask, MaskError, check_rle_size, is_absent, measure_mask
from datagen.corpus.coco.schema import BoxPx, InstanceRow
from datagen.geometry import clip_to_unit
from datagen.records import Box

Fault = tuple[str, str]
"""Kind of the finding, and what was found."""

SLACK_PX = 1.0
"""How far a box may reach over the frame unremarked: COCO rounds to hundredths of a pixel."""


def make_box(row: InstanceRow, category: str, width: int, height: int) -> tuple[Box | None, list[Fault]]:
    """Make a box of an instance.

    Box and area come from the annotation; where it has none, or an area that cannot be, they come
    from the mask by COCO's rules. A crowd's run-length mask must fit the image.

    Args:
        row: The annotation; has ``bbox`` or ``segmentation``.
        category: Name of its category.
        width: Of the image, pixels.
        height: Of the image, pixels.

    Returns:
        The box, or None for one that shows nothing of the image; and the faults found.
    """
    faults: list[Fault] = []
    area_px = row.area if row.area is not None and row.area > 0 else None
    mask: Mask | None = None
    if (row.iscrowd or row.bbox is None or area_px is None) and not is_absent(row.segmentation):
        try:
            if row.iscrowd:
                check_rle_size(row.segmentation, width, height)
            if row.bbox is None or area_px is None:
                mask = measure_mask(row.segmentation, width, height)
        except MaskError as fault:
            faults.append((fault.kind, f"{fault.detail}; {'its box is used' if row.bbox else 'left out'}"))
    box_px = row.bbox or (mask.box_px if mask else None)
    if box_px is None:
        return None, faults
    corners = _corners(box_px, width, height, faults)
    if corners is None:
        return None, faults
    left, top, right, bottom = corners
    box_area = (right - left) * (bottom - top)
    if area_px is None and mask is not None:
        area_px = mask.area_px
    area_unit = box_area if area_px is None else min(area_px / (width * height), box_area)
    return Box(category, corners, area_unit, bool(row.iscrowd)), faults


def _corners(box_px: BoxPx, width: int, height: int, faults: list[Fault]) -> BoxPx | None:
    """Unit corners clipped to the frame, or None for a box without size or outside the frame."""
    x, y, box_width, box_height = box_px
    right_px, bottom_px = x + box_width, y + box_height
    if right_px <= x or bottom_px <= y:
        faults.append(("box_zero_size", f"{_told(box_px)} has no size; left out"))
        return None
    if x >= width or y >= height or right_px <= 0 or bottom_px <= 0:
        faults.append(("box_out_of_frame", f"{_told(box_px)} lies outside the {width}x{height} frame; left out"))
        return None
    corners = x / width, y / height, right_px / width, bottom_px / height
    if x >= 0 and y >= 0 and right_px <= width and bottom_px <= height:
        return corners
    over_px = max(-x, -y, right_px - width, bottom_px - height)
    if over_px > SLACK_PX:
        faults.append(
            ("box_out_of_frame", f"{_told(box_px)} reaches {over_px:.4g} px over the {width}x{height} frame; clipped")
        )
    left, top, right, bottom = clipped = clip_to_unit(corners)
    if right <= left or bottom <= top:
        faults.append(("box_zero_size", f"{_told(box_px)} has no size inside the frame; left out"))
        return None
    return clipped


def _told(box_px: BoxPx) -> str:
    return f"box [{', '.join(f'{value:.6g}' for value in box_px)}]"
