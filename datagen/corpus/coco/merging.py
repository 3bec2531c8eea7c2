"""From the tables of several COCO files to one set of columns, merged by image id.

Nearly all annotations are plain and are handled by whole columns; the others are handled one by one, in file order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from msgspec import Raw, Struct
from numpy.typing import NDArray

from datagen.config import CorpusSettings
from datagen.corpus.box_form import (
    SEEMS_CORNERS,
    are_of_other_form,
    are_shares,
    guess_form,
    share_out_of_frame,
    told_scored,
)
from datagen.corpus.caption_faults import N_SAMPLED, faulty, said_of_most, told_of_most
from datagen.corpus.category_names import told_no_things
from datagen.corpus.coco.boxes import InstanceRow, is_absent, make_box
from datagen.corpus.coco.columns import ABSENT, NO_ID, Captions, Ids, Instances, InstanceTable
from datagen.corpus.coco.listing import Listing
from datagen.corpus.images import (
    BY_CAPTIONER,
    BY_DETECTOR,
    MAX_CAPTION_BYTES,
    ONLY_LABELLED,
    Annotations,
    Columns,
    Ints,
    Texts,
    ends_of,
    joined_texts,
    texts_of,
)
from datagen.errors import CorpusError
from datagen.records import Finding

Mask = NDArray[np.bool_]

_LOOK = "Look whether its boxes, the sizes of its images and its categories are of one data set"
MIN_SCORE = CorpusSettings().min_score
MIN_CROWDS = 3
MANY_CROWDS = 0.2
"""Share of boxes with ``iscrowd`` and a mask from which on the mark cannot mean a group."""
_OF_MASKS = frozenset(("rle_size_mismatch", "mask_unreadable"))
_DETECTORS = ONLY_LABELLED, BY_DETECTOR
"""Labels of the images of a file that a detector made."""
_CHUNK = 1 << 16
"""Annotations placed at once: what is worked out on the way takes some hundred bytes for each."""


def merge_files(
    instances: list[Instances], captions: list[Captions], ids: Ids, min_score: float = MIN_SCORE
) -> Annotations:
    """Merge files; those that come first decide the order, instances before captions.

    Args:
        instances: Emptied on the way, so that no table outlives its use.
        captions: The same.
        ids: What numbered their ids.
        min_score: Boxes with a lower one are left out.

    Raises:
        CorpusError: They list no image, or contradict each other.
    """
    listing = Listing(ids)
    files: list[Instances | Captions] = [*instances, *captions]
    names = ", ".join(str(file.path) for file in files)
    merge = _Merge(ids, listing)
    merge.take_faults(instances, captions)
    while files:  # first all images: any file may annotate any of them
        listing.add(files.pop(0))
    merge.findings += listing.findings
    listing.findings.clear()
    repeats = _Repeats([file.annotations.ids for file in instances])
    while instances:
        merge.place_boxes(instances.pop(0), repeats, min_score)
    repeats = _Repeats([file.annotations.ids for file in captions])
    while captions:
        merge.place_captions(captions.pop(0), repeats)
    if not len(listing):
        raise CorpusError(f"{names}: lists no image. Give a file with images.")
    findings = tuple(merge.findings + listing.findings)
    return Annotations(merge.columns(), findings, next(iter(merge.refusals + listing.refusals), None))


class _Boxes(Struct):
    """The boxes of a file, by column; see ``Columns``."""

    images: NDArray[np.int32]
    categories: NDArray[np.int32]
    corners: NDArray[np.float64]
    areas: NDArray[np.float64]
    crowds: Mask


class _FormCheck:
    """Whether the boxes of a file are in COCO's form; kept from before they are turned into shares of the frame.

    Attributes:
        is_other: They are in another one for sure.
        guess: What they seem to be, where many do not fit; see ``guess_form``.
    """

    def __init__(self, boxes: NDArray[np.float64], frames: NDArray[np.float64]) -> None:
        share_over = share_out_of_frame(boxes, frames)
        self.is_other = are_of_other_form(boxes, frames, share_over)
        is_doubtful = self.is_other or share_over > SEEMS_CORNERS or are_shares(boxes, frames).any()
        self.guess = guess_form(boxes, frames) if is_doubtful else None


class _Merge:
    """The corpus in the making."""

    def __init__(self, ids: Ids, listing: Listing) -> None:
        self.ids = ids
        self.listing = listing
        self.findings: list[Finding] = []
        self.refusals: list[str] = []
        self.boxes: list[_Boxes] = []
        self.labels: list[NDArray[np.int32]] = []
        self.captions: list[tuple[NDArray[np.int32], Texts]] = []

    def take_faults(self, instances: Sequence[Instances], captions: Sequence[Captions]) -> None:
        """Take what could not be read of the files; what belongs to the other kind is told unless it is read there."""
        for files, others, kind in ((instances, captions, "captions"), (captions, instances, "instances")):
            for file in files:
                faults = file.faults
                self.findings += faults.findings
                self.refusals += filter(None, [faults.refusal])
                if faults.n_of_other_kind and file.path not in {other.path for other in others}:
                    told = f"{faults.n_of_other_kind} of {faults.n_rows} annotations are {kind}; left out"
                    told = f"{file.path.name}: {told}. Give the file to --{kind}, too, to have them read"
                    self.findings.append(Finding("annotations_of_other_kind", None, told))

    def place_boxes(self, file: Instances, repeats: _Repeats, min_score: float) -> None:
        """Give an instances file's boxes to their images; what cannot be placed is left out and told."""
        table = file.annotations
        self._note_repeated_ids(file)
        boxes = _Boxes(
            self.listing.rows(table.image_ids, file.path),
            self.listing.category_rows(file, table.category_ids),
            table.boxes,
            table.areas,
            table.crowds,
        )
        sizes = np.concatenate((self.listing.sizes, np.zeros((1, 2), np.int32)))  # the last is row -1's
        is_ours = boxes.images >= 0
        form = _FormCheck(table.boxes[is_ours], sizes[boxes.images[is_ours]].astype(np.float64))
        self._doubt_crowds(file, boxes, is_ours)
        is_odd = np.zeros(len(table.ids), np.bool_)
        is_odd[[*table.masks, *table.turned]] = True
        for start in range(0, len(is_odd), _CHUNK):
            part = slice(start, start + _CHUNK)
            is_odd[part] = ~_place_plain(boxes, part, sizes, ~is_odd[part])
        notes: list[tuple[int, str, str]] = []
        is_kept = ~is_odd
        for at in np.flatnonzero(is_odd).tolist():
            told, is_kept[at] = self._place_odd(file, boxes, at)
            notes += [(at, kind, detail) for kind, detail in told]
        self._judge(file, notes, is_ours, is_kept, form)
        self._tell_no_things(file, is_ours)
        is_repeated = repeats.find(table.ids, is_kept, lambda rows: _box_keys(table.ids, boxes, rows))
        for at, kind, detail in notes:
            if not is_repeated[at]:
                self._note(kind, int(table.image_ids[at]), int(table.ids[at]), detail)
        is_kept &= ~is_repeated
        self._leave_open(file, boxes, is_odd & ~is_kept & ~is_repeated)
        self._doubt_scored(file, boxes, is_kept, min_score)
        self.boxes.append(_Boxes(*(_chosen(getattr(boxes, name), is_kept) for name in boxes.__struct_fields__)))
        self._place_labels(file)

    def _doubt_crowds(self, file: Instances, boxes: _Boxes, is_ours: Mask) -> None:
        """Read no ``iscrowd`` where too many boxes have it: of COCO's 1.2 % do, of CVAT's every one with a mask."""
        rows = np.flatnonzero(boxes.crowds & is_ours)
        n_boxes, masks = int(np.count_nonzero(is_ours)), file.annotations.masks
        share = len(rows) / max(1, n_boxes)
        have_masks = all(bytes(masks.get(row, b"")).lstrip().startswith(b"{") for row in rows.tolist())
        if len(rows) < MIN_CROWDS or share <= (MANY_CROWDS if have_masks else 0.5):
            return
        boxes.crowds = np.zeros_like(boxes.crowds)
        told = "every annotation is" if len(rows) == n_boxes else f"{len(rows)} of {n_boxes} annotations are"
        told = f"{file.path.name}: {told} marked iscrowd, COCO's word for a group that nobody counted"
        told += "; CVAT marks every mask so. The mark is not read: each counts as one object"
        self.findings.append(Finding("crowds_doubted", None, told))

    def _tell_no_things(self, file: Instances, is_ours: Mask) -> None:
        """Tell of categories that name no thing; of a file that has no others nothing can be made."""
        no_things, n_all = self.listing.no_things, int(np.count_nonzero(is_ours))
        if not no_things:
            return
        n_boxes = int(np.count_nonzero(is_ours & np.isin(file.annotations.category_ids, [*no_things])))
        told = told_no_things([*no_things.values()], n_boxes, n_all)
        self.findings.append(Finding("category_no_thing", None, f"{file.path.name}: {told}"))
        if n_boxes == n_all > 0:
            self.refusals.append(f"{file.path}: {told}.")

    def _doubt_scored(self, file: Instances, boxes: _Boxes, is_kept: Mask, min_score: float) -> None:
        """Take a detector's boxes for what they are: unlikely ones are left out, none are denied or counted by them.

        A tool that writes a score of 1 for all that people drew says nothing by it.
        """
        scores = file.annotations.scores
        is_scored = is_kept & ~np.isnan(scores)
        if not (scores[is_scored] < 1).any():
            return
        is_low = is_scored & (scores < min_score)
        told = told_scored(scores[is_scored], int(np.count_nonzero(is_kept)), min_score)
        self.findings.append(Finding("boxes_scored", None, f"{file.path.name}: {told}"))
        is_kept &= ~is_low
        images = np.unique(self.listing.rows(file.images.ids, file.path))
        marks = np.concatenate([np.column_stack((images, np.full(len(images), mark))) for mark in _DETECTORS])
        boxed = np.unique(np.column_stack((boxes.images[is_kept], boxes.categories[is_kept])), axis=0)
        self.labels.append(np.concatenate((marks[marks[:, 0] >= 0], boxed)).astype(np.int32))

    def _leave_open(self, file: Instances, boxes: _Boxes, is_lost: Mask) -> None:
        """Take no image to be without a thing, or to have so many, where a box of it was left out.

        Of a record whose category cannot be read any category may be meant.
        """
        rows = np.flatnonzero(is_lost & (boxes.images >= 0) & (boxes.categories >= 0))
        pairs = [np.column_stack((boxes.images[rows], boxes.categories[rows]))]
        images = self.listing.rows(file.lost[:, 0], file.path)
        categories = self.listing.category_rows(file, file.lost[:, 1])
        every = np.unique(self.listing.category_rows(file, self.ids.numbers([row.id for row in file.categories])))
        is_any = (images >= 0) & (file.lost[:, 1] == NO_ID)
        pairs.append(np.column_stack((images, categories))[(images >= 0) & (categories >= 0)])
        pairs += [np.column_stack((np.full(len(every), image), every)) for image in np.unique(images[is_any])]
        found = np.unique(np.concatenate(pairs), axis=0)
        self.labels.append(found[found[:, 1] >= 0].astype(np.int32))

    def _judge(
        self, file: Instances, notes: list[tuple[int, str, str]], is_ours: Mask, is_kept: Mask, form: _FormCheck
    ) -> None:
        """Find why a run should not go on with the boxes of a file, if most are faulty or in another form."""
        n_boxes = int(np.count_nonzero(is_ours))
        told = {at: (kind, detail) for at, kind, detail in reversed(notes) if is_ours[at] and kind not in _OF_MASKS}
        if 2 * len(told) <= n_boxes and not form.is_other:
            return
        counts = Counter(kind for kind, _ in told.values())
        tally = ", ".join(f"{number} {kind}" for kind, number in counts.most_common())
        sentence = f"{file.path}: {len(told)} of {n_boxes} boxes do not fit ({tally})"
        if not told:
            sentence = f"{file.path}: all {n_boxes} boxes lie in the first 100 pixels of their frames"
        else:
            at = min(told)
            sentence += f", such as {self._named(int(file.annotations.ids[at]))}: {told[at][1].partition(';')[0]}"
        cause = form.guess or _shifted_ids(file, self.ids, counts)
        advice = f"Likely cause: {cause}" if cause else _LOOK
        if counts.most_common(1) and counts.most_common(1)[0][0] == "category_unnamed":
            advice = "Write into 'categories' what they are, in words"
        elif counts.most_common(1) and counts.most_common(1)[0][0] == "box_turned":
            advice = "Boxes are upright here: draw them so, or outlines in their place"
        self.refusals.append(f"{sentence}. {advice}. 'datagen lint' names them all.")

    def _place_labels(self, file: Instances) -> None:
        """Keep what the file says of categories in whole images: (image, label) as ``Columns`` has them."""
        labels = file.images.labels
        if not len(labels):
            return
        images = self.listing.rows(file.images.ids[labels[:, 0]], file.path)
        is_mark = labels[:, 2] == NO_ID
        rows = self.listing.category_rows(file, labels[:, 2])
        coded = np.where(labels[:, 1] == ABSENT, -1 - rows, rows)
        coded = np.where(is_mark, np.int32(ONLY_LABELLED), coded)
        is_known = (images >= 0) & ((rows >= 0) | is_mark)
        self.labels.append(np.column_stack((images, coded))[is_known].astype(np.int32))

    def _place_odd(self, file: Instances, boxes: _Boxes, at: int) -> tuple[list[tuple[str, str]], bool]:
        """Place a box that needs a closer look.

        Returns:
            What is to be told, as (kind, detail), and whether there is a box.
        """
        table, image, category = file.annotations, int(boxes.images[at]), int(boxes.categories[at])
        if image < 0:
            return [_unknown_image(file)], False
        if category < 0:
            if int(table.category_ids[at]) in self.listing.no_things:
                return [], False
            fault = self.listing.unnamed.get(int(table.category_ids[at]))
            if fault is not None:
                told = f"its category {self.ids.text(int(table.category_ids[at]))} {fault}; left out"
                return [("category_unnamed", told)], False
            told = f"category {self.ids.text(int(table.category_ids[at]))} is not declared; left out"
            return [("unknown_category", told)], False
        row = _as_row(table, at)
        width, height = self.listing.sizes[image].tolist()
        if row.bbox is None and is_absent(row.segmentation):
            told = "it has neither `bbox` nor `segmentation`; left out. A COCO box is [x, y, width, height] in pixels"
            return [("box_missing", told)], False
        if not width or not height:
            told = (
                f"image {self.listing.image_id(image)} ({self.listing.names[image]}) has boxes but no width and height"
            )
            return [("box_without_frame", f"{told} in pixels; left out")], False
        name = self.listing.category_names[category]
        if at in table.turned:
            told = f"{name}, the box is turned by {table.turned[at]:g} degrees (attributes.rotation); left out"
            return [("box_turned", told)], False
        box, faults = make_box(row, name, width, height)
        if box is not None:
            boxes.corners[at], boxes.areas[at] = box.box_unit, box.area_unit
        return [(kind, f"{name}, {detail}") for kind, detail in faults], box is not None

    def place_captions(self, file: Captions, repeats: _Repeats) -> None:
        """Give a captions file's captions to their images."""
        table = file.annotations
        self._note_repeated_ids(file)
        images = self.listing.rows(table.image_ids, file.path)
        n_bytes = np.diff(table.captions.offsets)
        is_damaged = _holding(table.captions, "\ufffd".encode())
        is_kept = (images >= 0) & (n_bytes > 0) & (n_bytes <= MAX_CAPTION_BYTES) & ~table.is_marked & ~is_damaged
        odd = {at: fault for at, fault in faulty(table.captions).items() if is_kept[at]}
        is_kept[[*odd]] = False
        for at in np.flatnonzero(~is_kept).tolist():
            if images[at] < 0:
                told = _unknown_image(file)
            elif not n_bytes[at]:
                told = "empty_caption", "the caption is empty; left out"
            elif table.is_marked[at]:
                told = "caption_rejected", "the file marks the caption as is_rejected or is_precanned; left out"
            elif is_damaged[at]:
                told = "caption_damaged", "letters of the caption are lost (U+FFFD); left out"
            elif at in odd:
                told = odd[at][0], f"{odd[at][1]} ('{odd[at][2][:60]}'); left out"
            else:
                told = (
                    "caption_too_long",
                    f"the caption has {n_bytes[at]} bytes, the limit is {MAX_CAPTION_BYTES}; left out",
                )
            self._note(told[0], int(table.image_ids[at]), int(table.ids[at]), told[1])

        def keys(rows: Ints) -> Iterable[Hashable]:
            texts = (table.captions.read(row, row + 1)[0] for row in rows.tolist())
            return zip(table.ids[rows].tolist(), images[rows].tolist(), texts, strict=True)

        is_kept &= ~repeats.find(table.ids, is_kept, keys)
        self._leave_out_headings(file, images, is_kept)
        self._doubt_written(file, images[is_kept & table.by_model])
        if is_kept.all():
            self.captions.append((images, table.captions))
        else:
            self.captions.append((images[is_kept], table.captions.pick(np.flatnonzero(is_kept))))

    def _doubt_written(self, file: Captions, images: NDArray[np.int32]) -> None:
        """Take a model's captions for what they are."""
        if len(images):
            marked = np.unique(images)
            self.labels.append(np.column_stack((marked, np.full(len(marked), BY_CAPTIONER))).astype(np.int32))
            told = f"{file.path.name}: {len(images)} captions are marked as written by a model (by_model)"
            self.findings.append(Finding("captions_by_model", None, f"{told}; nothing is proven by them"))

    def _leave_out_headings(self, file: Captions, images: NDArray[np.int32], is_kept: Mask) -> None:
        """Leave out captions that stand under most images."""
        rows, captions = np.flatnonzero(is_kept), file.annotations.captions
        n_images = len(np.unique(images[rows]))
        step = max(1, len(rows) // N_SAMPLED)
        sampled = rows[(np.arange(len(rows)) // 16) % step == 0].tolist()
        found = said_of_most(((int(images[at]), captions.read(at, at + 1)[0]) for at in sampled), n_images)
        if found:
            is_heading = [captions.read(at, at + 1)[0] in found for at in rows.tolist()]
            is_kept[rows[is_heading]] = False
            told = told_of_most(found, sum(is_heading), len(rows))
            self.findings.append(Finding("captions_alike", None, f"{file.path.name}: {told}"))

    def _note_repeated_ids(self, file: Instances | Captions) -> None:
        ids = file.annotations.ids
        given = np.sort(ids[ids != NO_ID])
        n_repeated = int(np.count_nonzero(given[1:] == given[:-1]))
        if n_repeated:
            detail = f"{file.path.name}: {n_repeated} of {len(ids)} annotations repeat the id of an earlier one; kept"
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
        labels = np.concatenate([np.empty((0, 2), np.int32), *self.labels])
        labels_end, label_order = _ordered(labels[:, 0], len(listing))
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
            labels_end,
            labels[label_order, 1],
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
    is_plain &= ~are_shares(box_px, np.column_stack((width, height)))
    is_plain &= (left >= 0) & (top >= 0) & (right > left) & (bottom > top) & (right <= width) & (bottom <= height)
    with np.errstate(all="ignore"):  # of those that are not plain
        corners = np.stack((left / width, top / height, right / width, bottom / height), axis=1)
        areas = np.minimum(
            area_px / (width * height), (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
        )
    np.copyto(box_px, corners, where=is_plain[:, None])
    np.copyto(area_px, areas, where=is_plain)
    return is_plain


def _shifted_ids(file: Instances, ids: Ids, counts: Counter[str]) -> str | None:
    """Say that category ids are shifted by one, or which ids there are, where undeclared ones are the trouble."""
    if counts.most_common(1)[0][0] != "unknown_category":
        return None
    declared = set(ids.numbers([row.id for row in file.categories]).tolist())
    used = set(np.unique(file.annotations.category_ids).tolist())
    few = ", ".join(str(row.id) for row in file.categories[:3]) + " ..." * (len(file.categories) > 3)
    for by in (1, -1):
        if {number + by for number in used} <= declared:
            return f"the category ids of its annotations are shifted by one against its categories ({few})"
    return f"its categories ({few}) are not those of its annotations: give both from one data set"


def _holding(texts: Texts, part: bytes) -> Mask:
    """Which texts hold some bytes."""
    found = np.zeros(len(texts), np.bool_)
    data = texts.data.tobytes() if len(texts.data) else b""
    at = -1 if data.isascii() and not part.isascii() else data.find(part)  # nine tenths of the time
    while at >= 0:
        found[np.searchsorted(texts.offsets, at, side="right") - 1] = True
        at = data.find(part, at + 1)
    return found


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
    return (
        "unknown_image",
        f"{file.path.name} annotates an image that no file lists, or another one of its id; left out",
    )


def _ordered(images: NDArray[np.int32], n_images: int) -> tuple[Ints, Ints]:
    """Where each image's annotations end, and their order: by image, those of one image as they came."""
    n_bits = max(1, len(images)).bit_length()
    order = np.sort((images.astype(np.int64) << n_bits) | np.arange(len(images)))  # ten times as fast as argsort
    return ends_of(np.bincount(images, minlength=n_images)), order & ((1 << n_bits) - 1)


def _chosen(column: NDArray[Any], is_kept: Mask) -> NDArray[Any]:
    return column if is_kept.all() else column[is_kept]


def _joined(parts: list[NDArray[Any]], empty: NDArray[Any]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate([empty, *parts])
