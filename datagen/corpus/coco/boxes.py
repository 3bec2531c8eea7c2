"""COCO's rows as they stand in its files, and bounding boxes in unit corners made of them by COCO's own rules.

pycocotools is C code that believes what it is given: a run-length string that breaks off makes it
read past the end, a far vertex makes it allocate without bound. So everything is proven here first.

Rows are what msgspec decodes and checks; keys that they do not name are passed over.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta, Raw, Struct, field

from datagen.corpus.box_form import are_shares
from datagen.geometry import clip_to_unit
from datagen.records import Box

Id = int | Annotated[str, Meta(min_length=1)]
BoxPx = tuple[float, float, float, float]
"""Left, top, width, height in pixels, as COCO writes them."""

# Rows refer to nothing that refers back, so the garbage collector may leave them alone (gc=False).


class LicenceRow(Struct, gc=False):
    """One entry of ``licenses``."""

    id: Id | None = None
    name: str | None = None
    url: str | None = None


class CategoryRow(Struct, gc=False):
    """One entry of ``categories``; some tools write numbers for names."""

    id: Id
    name: str | int | float | None = None
    supercategory: Any = None


class ImageRow(Struct, gc=False):
    """One entry of ``images``.

    LVIS has ``coco_url`` in place of ``file_name``, and says which categories were looked for and not found
    (``neg_category_ids``) and of which not every object is boxed. Open Images in this form has ``pos_category_ids``,
    too: what its image-level labels say is there, boxed or not.
    """

    id: Id
    file_name: str | None = None
    coco_url: str | None = None
    width: float | None = None
    height: float | None = None
    license: Id | None = None
    neg_category_ids: tuple[Id, ...] | None = None
    pos_category_ids: tuple[Id, ...] | None = None
    not_exhaustive_category_ids: tuple[Id, ...] | None = None


class CaptionRow(Struct, gc=False):
    """One annotation of a captions file; VizWiz marks those that are of no use, ``annotate`` those of a model."""

    image_id: Id
    caption: str
    id: Id | None = None
    is_rejected: int | bool | None = None
    is_precanned: int | bool | None = None
    by_model: Any = None


class InstanceRow(Struct, gc=False):
    """One annotation of an instances file; ``segmentation`` stays undecoded, as few need it.

    A detector's output has its certainty as ``score``, or as ``confidence``. Open Images in this form marks groups by
    ``isgroupof``, FiftyOne by ``IsGroupOf``. CVAT tells in ``attributes`` by how many degrees a box is turned.
    """

    image_id: Id
    category_id: Id
    id: Id | None = None
    bbox: BoxPx | None = None
    area: float | None = None
    iscrowd: int | bool | None = None
    segmentation: Raw = Raw()
    score: Any = None
    confidence: Any = None
    is_group: Any = field(default=None, name="isgroupof")
    is_group_of: Any = field(default=None, name="IsGroupOf")
    attributes: Raw = Raw()


class BrokenRow(Struct, frozen=True):
    """A row that is no JSON.

    Attributes:
        told: What is wrong with it, and where.
        image_id: Of the image that it names as far as can be read.
        category_id: Of its category, likewise.
    """

    told: str
    image_id: Id | None
    category_id: Id | None


class CaptionsFile(Struct):
    """A captions file; the rows of its lists are decoded by themselves (``row_reader``)."""

    images: list[Raw]
    annotations: list[Raw]
    licenses: list[Raw] | None = None


class InstancesFile(Struct):
    """An instances file; person keypoints and LVIS have the same shape."""

    images: list[Raw]
    annotations: list[Raw]
    categories: list[Raw] | None = None
    licenses: list[Raw] | None = None


MAX_OUTLINE_PX = 1_000_000
"""Length of a polygon; each pixel of it costs about 100 bytes while it is filled."""


class MaskError(Exception):
    """A segmentation that cannot be used.

    Attributes:
        kind: ``"rle_size_mismatch"`` or ``"mask_unreadable"``.
        detail: What is wrong with it.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


class Mask(Struct, frozen=True):
    """What a mask covers: pixels, and the box around them."""

    area_px: float
    box_px: BoxPx


class _Rle(Struct):
    size: tuple[int, int]  # height, width
    counts: str | list[int]


class _RleSize(Struct):
    size: tuple[int, int]


_Segmentation = _Rle | list[list[float]] | None


def is_absent(segmentation: Raw) -> bool:
    """Whether an annotation has no segmentation."""
    return bytes(segmentation).strip() in (b"", b"null", b"[]")


def frame_of(segmentation: Raw) -> Raw:
    """Leave a segmentation all that ``check_rle_size`` reads of it: a run-length mask's size without its runs."""
    if not bytes(segmentation).lstrip().startswith(b"{"):
        return Raw()
    try:
        return Raw(msgspec.json.encode(msgspec.json.decode(segmentation, type=_RleSize)))
    except ValueError:
        return segmentation  # what is wrong with it is told later


def check_rle_size(segmentation: Raw, width: int, height: int) -> None:
    """Check the frame of a run-length mask against its image, without reading the mask.

    Raises:
        MaskError: The sizes differ, or there is none.
    """
    if not bytes(segmentation).lstrip().startswith(b"{"):
        return  # polygons carry no frame
    try:
        rle = msgspec.json.decode(segmentation, type=_RleSize)
    except ValueError as error:
        raise MaskError("mask_unreadable", str(error)) from None
    _check_size(rle.size, width, height)


def measure_mask(segmentation: Raw, width: int, height: int) -> Mask:
    """Measure a mask in run-length form (counts as list or string) or as polygons.

    Args:
        segmentation: JSON text as it stands in the file, not absent.
        width: Of the image, pixels.
        height: Of the image, pixels.

    Raises:
        MaskError: It is malformed, empty, or does not fit the image.
    """
    if width * height >= 2**31:  # pycocotools counts pixels in 32-bit run lengths
        raise MaskError("mask_unreadable", f"a frame of {width}x{height} is too large for a mask")
    try:
        decoded = msgspec.json.decode(segmentation, type=_Segmentation)
    except ValueError as error:
        raise MaskError("mask_unreadable", str(error)) from None
    if isinstance(decoded, _Rle):
        return _measure(_proven_rle(decoded, width, height))
    return _measure(_filled_polygons(decoded or [], width, height))


def _measure(rle: dict[str, Any]) -> Mask:
    from pycocotools import mask as coco_mask

    area_px = float(coco_mask.area(rle))
    if area_px <= 0:
        raise MaskError("mask_unreadable", "it covers no pixel")
    left, top, width, height = (float(value) for value in coco_mask.toBbox(rle))
    return Mask(area_px, (left, top, width, height))


def _proven_rle(rle: _Rle, width: int, height: int) -> dict[str, Any]:
    from pycocotools import mask as coco_mask

    _check_size(rle.size, width, height)
    counts = _unpacked(rle.counts) if isinstance(rle.counts, str) else rle.counts
    if min(counts, default=0) < 0 or 0 in counts[1::2]:
        raise MaskError("mask_unreadable", "a run has no length")
    if sum(counts) != width * height:
        raise MaskError("mask_unreadable", f"its runs cover {sum(counts)} pixels, the image has {width * height}")
    if isinstance(rle.counts, str):
        return {"size": [height, width], "counts": rle.counts.encode()}
    proven: dict[str, Any] = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return proven


def _check_size(size: tuple[int, int], width: int, height: int) -> None:
    if size != (height, width):
        raise MaskError("rle_size_mismatch", f"the mask is {size[1]}x{size[0]}, the image {width}x{height}")


def _unpacked(text: str) -> list[int]:
    """Unpack a compressed run-length string.

    Groups of five bits, lowest first, one character each from "0" on; bit 32 says that the number
    goes on, bit 16 of its last group is the sign. From the fourth number on, each is the
    difference to the number two before (rleFrString in pycocotools' maskApi.c).
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64 or shift > 30:
            raise MaskError("mask_unreadable", "its run-length string is not COCO's")
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise MaskError("mask_unreadable", "its run-length string breaks off")
    return counts


def _filled_polygons(polygons: list[list[float]], width: int, height: int) -> dict[str, Any]:
    from pycocotools import mask as coco_mask

    usable = [points for points in polygons if len(points) >= 6]  # fewer than three corners enclose nothing
    if not usable or any(len(points) % 2 for points in usable):
        raise MaskError("mask_unreadable", "no polygon has three corners as x, y pairs")
    outline_px = sum(
        abs(b - a) for points in usable for axis in (points[0::2], points[1::2]) for a, b in pairwise([*axis, axis[0]])
    )
    farthest = max(abs(value) for points in usable for value in points)
    if outline_px > MAX_OUTLINE_PX or farthest > MAX_OUTLINE_PX:
        raise MaskError("mask_unreadable", "its outline is longer than any object's")
    filled: dict[str, Any] = coco_mask.merge(coco_mask.frPyObjects(usable, height, width))
    return filled


Fault = tuple[str, str]
"""Kind of the finding, and what was found."""


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
    is_small = max(map(abs, box_px)) <= 1  # as few are: an array of one takes as long as all the rest
    if is_small and are_shares(np.array([box_px]), np.array([[width, height]], np.float64))[0]:
        faults.append(("box_in_shares", f"{_told(box_px)} looks like shares of the frame, not pixels; left out"))
        return None
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
    if over_px > 1:  # unremarked up to there: COCO rounds to hundredths of a pixel
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
