"""From the tables of several COCO files to one set of columns, merged by image id.

Nearly all annotations are plain and are handled by whole columns; the others are handled one by one, in file order.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from msgspec import Raw, Struct
from numpy.typing import NDArray

from datagen.corpus.buffers import Ints, Texts, ends_of, joined_texts, texts_of
from datagen.corpus.coco.boxes import make_box
from datagen.corpus.coco.columns import NO_ID, Captions, Ids, Instances, InstanceTable
from datagen.corpus.coco.listing import Listing
from datagen.corpus.coco.schema import InstanceRow
from datagen.corpus.images import Annotations, Columns
from datagen.errors import CorpusError
from datagen.records import Finding

Mask = NDArray[np.bool_]

_CHUNK = 1 << 16
"""Annotations placed at once: what is worked out on the way takes some hundred bytes for each."""


def merge_files(instances: list[Instances], captions: list[Captions], ids: Ids) -> Annotations:
    """Merge files; those that come first decide the order, instances before captions.

    Args:
        instances: Emptied on the way, so that no table outlives its use.
        captions: The same.
        ids: What numbered their ids.

    Raises:
        CorpusError: They list no image, contradict each other, or hold a box that cannot be placed in any frame.
    """
    listing = Listing(ids)
    files: list[Instances | Captions] = [*instances, *captions]
    names = ", ".join(str(file.path) for file in files)
    while files:  # first all images: any file may annotate any of them
        listing.add(files.pop(0))
    merge = _Merge(ids, listing)
    repeats = _Repeats([file.annotations.ids for file in instances])
    while instances:
        merge.place_boxes(instances.pop(0), repeats)
    repeats = _Repeats([file.annotations.ids for file in captions])
    while captions:
        merge.place_captions(captions.pop(0), repeats)
    if not len(listing):
        raise CorpusError(f"{names}: lists no image. Give a file with images.")
    return Annotations(merge.columns(), tuple(merge.findings))


class _Boxes(Struct):
    """The boxes of a file, by column; see ``Columns``."""

    images: NDArray[np.int32]
    categories: NDArray[np.int32]
    corners: NDArray[np.float64]
    areas: NDArray[np.float64]
    crowds: Mask


class _Merge:
    """The corpus in the making."""

    def __init__(self, ids: Ids, listing: Listing) -> None:
        self.ids = ids
        self.listing = listing
        self.findings: list[Finding] = []
        self.boxes: list[_Boxes] = []
        self.captions: list[tuple[NDArray[np.int32], Texts]] = []

    def place_boxes(self, file: Instances, repeats: _Repeats) -> None:
        """Give an instances file's boxes to their images.

        Raises:
            CorpusError: A box cannot be placed in any frame.
        """
        table = file.annotations
        self._note_repeated_ids(file)
        boxes = _Boxes(
            self.listing.rows(table.image_ids),
            self.listing.category_rows(file, table.category_ids),
            table.boxes,
            table.areas,
            table.crowds,
        )
        is_odd = np.zeros(len(table.ids), np.bool_)
        is_odd[list(table.masks)] = True
        sizes = np.concatenate((self.listing.sizes, np.zeros((1, 2), np.int32)))  # the last is row -1's
        for start in range(0, len(is_odd), _CHUNK):
            part = slice(start, start + _CHUNK)
            is_odd[part] = ~_place_plain(boxes, part, sizes, ~is_odd[part])
        notes: list[tuple[int, str, str]] = []
        is_kept = ~is_odd
        for at in np.flatnonzero(is_odd).tolist():
            told, is_kept[at] = self._place_odd(file, boxes, at)
            notes += [(at, kind, detail) for kind, detail in told]
        is_repeated = repeats.find(table.ids, is_kept, lambda rows: _box_keys(table.ids, boxes, rows))
        for at, kind, detail in notes:
            if not is_repeated[at]:
                self._note(kind, int(table.image_ids[at]), int(table.ids[at]), detail)
        is_kept &= ~is_repeated
        self.boxes.append(_Boxes(*(_chosen(getattr(boxes, name), is_kept) for name in boxes.__struct_fields__)))

    def _place_odd(self, file: Instances, boxes: _Boxes, at: int) -> tuple[list[tuple[str, str]], bool]:
        """Place a box that needs a closer look.

        Returns:
            What is to be told, as (kind, detail), and whether there is a box.
        """
        table, image, category = file.annotations, int(boxes.images[at]), int(boxes.categories[at])
        if image < 0:
            return [_unknown_image(file)], False
        if category < 0:
            told = f"category {self.ids.text(int(table.category_ids[at]))} is not declared; left out"
            return [("unknown_category", told)], False
        row = _as_row(table, at)
        width, height = self.listing.sizes[image].tolist()
        if row.bbox is None and not bytes(row.segmentation):
            raise CorpusError(
                f"{file.path}: {self._named(int(table.ids[at]))} of image {self.listing.image_id(image)} has neither "
                "`bbox` nor `segmentation`. "
                "A COCO box is [x, y, width, height] in pixels; add it, or leave the annotation out."
            )
        if not width or not height:
            raise CorpusError(
                f"{self.listing.source(image)}: image {self.listing.image_id(image)} ({self.listing.names[image]}) has "
                "boxes but no width and height. Add both, in pixels."
            )
        name = self.listing.category_names[category]
        box, faults = make_box(row, name, width, height)
        if box is not None:
            boxes.corners[at], boxes.areas[at] = box.box_unit, box.area_unit
        return [(kind, f"{name}, {detail}") for kind, detail in faults], box is not None

    def place_captions(self, file: Captions, repeats: _Repeats) -> None:
        """Give a captions file's captions to their images."""
        table = file.annotations
        self._note_repeated_ids(file)
        images = self.listing.rows(table.image_ids)
        is_empty = np.diff(table.captions.offsets) == 0
        is_kept = (images >= 0) & ~is_empty
        for at in np.flatnonzero(~is_kept).tolist():
            told = ("empty_caption", "the caption is empty; left out") if images[at] >= 0 else _unknown_image(file)
            self._note(told[0], int(table.image_ids[at]), int(table.ids[at]), told[1])

        def keys(rows: Ints) -> Iterable[Hashable]:
            texts = (table.captions.read(row, row + 1)[0] for row in rows.tolist())
            return zip(table.ids[rows].tolist(), images[rows].tolist(), texts, strict=True)

        is_kept &= ~repeats.find(table.ids, is_kept, keys)
        if is_kept.all():
            self.captions.append((images, table.captions))
        else:
            self.captions.append((images[is_kept], table.captions.pick(np.flatnonzero(is_kept))))

    def _note_repeated_ids(self, file: Instances | Captions) -> None:
        ids = file.annotations.ids
        given = np.sort(ids[ids != NO_ID])
        n_repeated = int(np.count_nonzero(given[1:] == given[:-1]))
        if n_repeated:
            detail = f"{file.path}: {n_repeated} of {len(ids)} annotations repeat the id of an earlier one; kept"
            self.findings.append(Finding("repeated_annotation_id", None, detail))

    def _note(self, kind: str, image_id: int, row_id: int, detail: str) -> None:
        self.findings.append(Finding(kind, self.ids.text(image_id), f"{self._named(row_id)}: {detail}"))

    def _named(self, row_id: int) -> str:
        return "an annotation" if row_id == NO_ID else f"annotation {self.ids.text(row_id)}"

    def columns(self) -> Columns:
        """Lay everything out in the order of the images, a column at a time; what was gathered is gone then."""
        listing = self.listing
        images = _joined([images for images, _ in self.captions], np.empty(0, np.int32))
        texts = joined_texts([captions for _, captions in self.captions])
        self.captions.clear()
        captions_end, order = _ordered(images, len(listing))
        texts = texts.pick(order)
        boxes_end, order = _ordered(_joined([part.images for part in self.boxes], np.empty(0, np.int32)), len(listing))

        def column(name: str, empty: NDArray[Any]) -> NDArray[Any]:
            joined = _joined([getattr(part, name) for part in self.boxes], empty)
            for part in self.boxes:
                setattr(part, name, empty)
            return np.take(joined, order, axis=0)

        return Columns(
            texts_of(listing.image_ids()),
            texts_of(listing.names),
            listing.sizes,
            listing.licences,
            captions_end,
            boxes_end,
            texts,
            column("corners", np.empty((0, 4))),
            column("areas", np.empty(0)),
            column("categories", np.empty(0, np.int32)),
            column("crowds", np.empty(0, np.bool_)),
            tuple(listing.category_names),
            tuple(listing.licence_names),
        )


class _Repeats:
    """Annotations of earlier files: keypoints beside instances, or a file given twice, double nothing.

    Args:
        ids_by_file: The annotation ids of all files of a kind; none is kept that is in one file alone.
    """

    def __init__(self, ids_by_file: Sequence[Ints]) -> None:
        self._ids_left = list(ids_by_file)
        self._ids_met = np.empty(0, np.int64)
        self._keys: set[Hashable] = set()

    def find(self, ids: Ints, is_kept: Mask, keys: Callable[[Ints], Iterable[Hashable]]) -> Mask:
        """Find what an earlier file has under the same id, of the same image, with the same content.

        Args:
            ids: Of the next file's annotations.
            is_kept: Those to be looked at.
            keys: Gives id, image and content of the annotations in these rows.
        """
        is_repeated = np.zeros(len(ids), np.bool_)
        self._ids_left.pop(0)
        others = [*self._ids_left, self._ids_met]
        if sum(map(len, others)):
            rows = np.flatnonzero(is_kept & (ids != NO_ID) & np.isin(ids, np.concatenate(others)))
            found = list(keys(rows))
            is_repeated[rows] = [key in self._keys for key in found]
            self._keys.update(found)
        if self._ids_left:
            self._ids_met = np.concatenate((self._ids_met, ids))
        return is_repeated


def _place_plain(boxes: _Boxes, part: slice, sizes: NDArray[np.int32], is_plain: Mask) -> Mask:
    """Turn pixel boxes and areas into shares of the frame, in place, where nothing about them is odd; say where.

    What is computed is what ``make_box`` computes, number for number.

    Args:
        boxes: Of a file.
        part: Which of them.
        sizes: Of all images, in pixels; no size for image -1.
        is_plain: Those that may be plain.
    """
    images, box_px, area_px = boxes.images[part], boxes.corners[part], boxes.areas[part]
    width, height = sizes[images].T.astype(np.float64)
    left, top = box_px[:, 0], box_px[:, 1]
    with np.errstate(over="ignore"):
        right, bottom = left + box_px[:, 2], top + box_px[:, 3]
    is_plain &= (boxes.categories[part] >= 0) & (width > 0) & (height > 0) & (area_px > 0)
    is_plain &= (left >= 0) & (top >= 0) & (right > left) & (bottom > top) & (right <= width) & (bottom <= height)
    with np.errstate(all="ignore"):  # of those that are not plain
        corners = np.stack((left / width, top / height, right / width, bottom / height), axis=1)
        areas = np.minimum(
            area_px / (width * height), (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
        )
    np.copyto(box_px, corners, where=is_plain[:, None])
    np.copyto(area_px, areas, where=is_plain)
    return is_plain


def _as_row(table: InstanceTable, at: int) -> InstanceRow:
    """Make an annotation a row again."""
    box, area = table.boxes[at].tolist(), float(table.areas[at])
    return InstanceRow(
        image_id=0,
        category_id=0,
        bbox=None if np.isnan(box[0]) else tuple(box),
        area=None if np.isnan(area) else area,
        iscrowd=bool(table.crowds[at]),
        segmentation=table.masks.get(at, Raw()),
    )


def _box_keys(ids: Ints, boxes: _Boxes, rows: Ints) -> list[bytes]:
    """Id, image and content of boxes, without the area: COCO's keypoint files round it differently."""
    corners = np.rint(boxes.corners[rows] * 1e6).astype(np.int64)
    keys = np.column_stack((ids[rows], boxes.images[rows], boxes.categories[rows], corners)).astype(np.int64)
    data, size = keys.tobytes(), keys.shape[1] * 8
    return [data[at : at + size] for at in range(0, len(data), size)]


def _unknown_image(file: Instances | Captions) -> tuple[str, str]:
    return "unknown_image", f"{file.path} annotates an image that no file lists; left out"


def _ordered(images: NDArray[np.int32], n_images: int) -> tuple[Ints, Ints]:
    """Where each image's annotations end, and their order: by image, those of one image as they came."""
    n_bits = max(1, len(images)).bit_length()
    order = np.sort((images.astype(np.int64) << n_bits) | np.arange(len(images)))  # ten times as fast as argsort
    return ends_of(np.bincount(images, minlength=n_images)), order & ((1 << n_bits) - 1)


def _chosen(column: NDArray[Any], is_kept: Mask) -> NDArray[Any]:
    return column if is_kept.all() else column[is_kept]


def _joined(parts: list[NDArray[Any]], empty: NDArray[Any]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate([empty, *parts])
