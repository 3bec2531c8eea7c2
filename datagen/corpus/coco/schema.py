"""The rows of COCO's JSON files, as msgspec decodes and checks them; unknown keys are passed over."""

from __future__ import annotations

from typing import Annotated

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
    """One entry of ``categories``."""

    id: Id
    name: str


class ImageRow(Struct, gc=False):
    """One entry of ``images``; LVIS has ``coco_url`` in place of ``file_name``."""

    id: Id
    file_name: str | None = None
    coco_url: str | None = None
    width: float | None = None
    height: float | None = None
    license: Id | None = None


class CaptionRow(Struct, gc=False):
    """One annotation of a captions file."""

    image_id: Id
    caption: str
    id: Id | None = None


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
    """A captions file."""

    images: list[ImageRow]
    annotations: list[CaptionRow]
    licenses: list[LicenceRow] | None = None


class InstancesFile(Struct):
    """An instances file; person keypoints and LVIS have the same shape."""

    images: list[ImageRow]
    annotations: list[InstanceRow]
    categories: list[CategoryRow] | None = None
    licenses: list[LicenceRow] | None = None
