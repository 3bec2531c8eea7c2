"""The rows of COCO's JSON files, as msgspec decodes and checks them; unknown keys are passed over."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Raw, Struct

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
    """One annotation of a captions file; VizWiz marks those that are of no use."""

    image_id: Id
    caption: str
    id: Id | None = None
    is_rejected: int | bool | None = None
    is_precanned: int | bool | None = None


class InstanceRow(Struct, gc=False):
    """One annotation of an instances file; ``segmentation`` stays undecoded, as few need it."""

    image_id: Id
    category_id: Id
    id: Id | None = None
    bbox: BoxPx | None = None
    area: float | None = None
    iscrowd: int | bool | None = None
    segmentation: Raw = Raw()


class CaptionsFile(Struct):
    """A captions file; the rows of its lists are decoded by themselves (``rows``)."""

    images: list[Raw]
    annotations: list[Raw]
    licenses: list[Raw] | None = None


class InstancesFile(Struct):
    """An instances file; person keypoints and LVIS have the same shape."""

    images: list[Raw]
    annotations: list[Raw]
    categories: list[Raw] | None = None
    licenses: list[Raw] | None = None
