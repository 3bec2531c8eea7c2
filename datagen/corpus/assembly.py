"""Images of any annotation format on their way into columns: boxes are checked, clipped and named as COCO's are.

A format says what stands in its files, image by image or in long columns of boxes; what a box must be, which categories
sentences can name, and when a run should not go on with the rest is decided here, for all of them alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from datagen.corpus.box_form import FITS, SEEMS_CORNERS
from datagen.corpus.caption_faults import N_SAMPLED, faulty, said_of_most, told_of_most
from datagen.corpus.category_names import (
    is_nameless,
    is_no_thing,
    names_in_sentences,
    told_nameless,
    told_no_things,
)
from datagen.corpus.file_names import plain_name
from datagen.corpus.images import (
    LAST_MARK,
    MAX_CAPTION_BYTES,
    MAX_SIDE_PX,
    AnnotatedImages,
    Annotations,
    Columns,
    Growing,
    GrowingTexts,
    Ints,
    RegionColumns,
    Texts,
    ends_of,
    id_of_file,
    texts_of,
)
from datagen.corpus.source import Corpus
from datagen.errors import CorpusError
from datagen.records import Finding

Corners = NDArray[np.float64]
"""Left, top, right, bottom as shares of the frame, shape (boxes, 4)."""
Rows = NDArray[np.int32]
Mask = NDArray[np.bool_]

MAX_LABEL_BYTES = 4 << 20
"""Of the annotation file of one picture; 40,000 boxes of YOLO's fill half of it."""
_AT_ONCE = 1 << 12
"""Captions laid into the buffer together: numpy's cost per call is spread over them."""
MIN_ODD = 2
"""Boxes that must be odd before the form of all is doubted, unless they are most: one drawn backwards is a slip."""
ROUNDING = 0.002
"""How far a box may reach over a frame of unknown size unremarked: a pixel of 500, as COCO rounds."""


class Assembly:
    """A corpus in the making.

    Args:
        source: Names the corpus in sentences, such as the path of its folder.
        categories: Names that the files declare, as they spell them; others are added as they come.

    Attributes:
        findings: What was left out or mended so far.
        n_faulty: Records that could not be read.
    """

    def __init__(self, source: str, categories: Sequence[str] = ()) -> None:
        self.findings: list[Finding] = []
        self.n_faulty = 0
        self._source = source
        self._first_fault = ""
        self._names: list[str] = []
        self._ids: list[str] = []
        self._taken: set[str] = set()
        self._sizes: list[tuple[int, int]] = []
        self._licences: list[int] = []
        self._licence_names: dict[str, int] = {}
        self._categories: dict[str, int] = {}
        for name in categories:
            self.category(name)
        self._captions, self._captioned = GrowingTexts(), Growing(np.int32)
        self._new_captions: list[str] = []
        self._new_captioned: list[int] = []
        self._box_images, self._box_categories = Growing(np.int32), Growing(np.int32)
        self._corners, self._areas, self._crowds = Growing(np.float64, 4), Growing(np.float64), Growing(np.bool_)
        self._labels = Growing(np.int32, 2)
        self._open: list[int] = []
        self._regions, self._region_images = GrowingTexts(), Growing(np.int32)
        self._region_corners, self._region_kinds = Growing(np.float32, 4), Growing(np.int8)

    def __len__(self) -> int:
        return len(self._names)

    def add_image(self, file_name: str, width: int = 0, height: int = 0, licence: str | None = None) -> int:
        """Enter an image; give its row.

        Args:
            file_name: Under the image folder.
            width: Pixels; 0 where nobody says it.
            height: Pixels.
            licence: Its short name.
        """
        name = plain_name(file_name)
        self._ids.append(id_of_file(name, self._taken))
        self._names.append(name)
        self._sizes.append((width, height) if min(width, height) > 0 and max(width, height) <= MAX_SIDE_PX else (0, 0))
        self._licences.append(self._licence_names.setdefault(licence, len(self._licence_names)) if licence else -1)
        return len(self._names) - 1

    def category(self, name: str) -> int:
        """The row of a category, entered if it is new."""
        return self._categories.setdefault(name, len(self._categories))

    def add_captions(self, image: int, captions: Sequence[str]) -> None:
        """Give an image captions; those that are none are left out and told."""
        folded = [" ".join(text.split()) for text in captions]
        kept = [text for text in folded if self._is_caption(image, text)]
        self._new_captions += kept
        self._new_captioned += [image] * len(kept)
        if len(self._new_captions) >= _AT_ONCE:
            self._lay_captions()

    def _lay_captions(self) -> None:
        self._captions.add(self._new_captions)
        self._captioned.add(np.array(self._new_captioned, np.int32))
        self._new_captions.clear()
        self._new_captioned.clear()

    def _is_caption(self, image: int, text: str) -> bool:
        if not text:
            self.tell("empty_caption", image, "a caption is empty; left out")
        elif "\ufffd" in text:
            self.tell("caption_damaged", image, "letters of a caption are lost (U+FFFD, or no UTF-8); left out")
        elif len(text.encode()) > MAX_CAPTION_BYTES:
            self.tell("caption_too_long", image, f"a caption has more than {MAX_CAPTION_BYTES} bytes; left out")
        else:
            return True
        return False

    def add_boxes(
        self,
        images: Sequence[int] | NDArray[np.int32],
        categories: Sequence[int] | NDArray[np.int32],
        corners: Sequence[Sequence[float]] | Corners,
        areas: Sequence[float] | NDArray[np.float64] | None = None,
        crowds: Sequence[bool] | NDArray[np.bool_] | None = None,
    ) -> None:
        """Take boxes, by column.

        Args:
            images: Rows of their images.
            categories: Rows of what they show.
            corners: As ``Corners`` has them, finite; they may reach over the frame.
            areas: As shares of the frame; by default each box's own.
            crowds: Which of them are regions over a group that nobody counted.
        """
        n_boxes = len(images)
        self._box_images.add(np.asarray(images, np.int32))
        self._box_categories.add(np.asarray(categories, np.int32))
        self._corners.add(np.asarray(corners, np.float64).reshape(-1, 4))
        self._areas.add(np.full(n_boxes, np.inf) if areas is None else np.asarray(areas, np.float64))
        self._crowds.add(np.zeros(n_boxes, np.bool_) if crowds is None else np.asarray(crowds, np.bool_))

    def add_labels(self, labels: Sequence[tuple[int, int]] | Rows) -> None:
        """Take what is said of categories in whole images.

        Args:
            labels: Rows of image and category of which not every object has its box; -1 minus the category for one
                that was looked for and not found; ``ONLY_LABELLED`` where nothing but such may be denied.
        """
        self._labels.add(np.asarray(labels, np.int32).reshape(-1, 2))

    def leave_open(self, image: int, category: int | None = None) -> None:
        """Take an image not to be without a thing, or to have so many, as a box of it was left out.

        Args:
            image: Its row.
            category: What the box shows; None where nobody knows, so that it may be any.
        """
        if category is None:
            self._open.append(image)
        else:
            self.add_labels([(image, category)])

    def add_regions(self, image: int, said: Sequence[tuple[str, Sequence[float], int]]) -> None:
        """Give an image what is said of its parts; what has no words, or lies nowhere in the frame, is left out.

        Args:
            image: Its row.
            said: Text, corners as ``Corners`` has them and finite, and index into ``REGION_KINDS``.
        """
        folded = [(" ".join(text.split()), corners, kind) for text, corners, kind in said]
        kept = [one for one in folded if self._is_caption(image, one[0])]
        if not kept:
            return
        corners = np.clip(np.array([one[1] for one in kept], np.float64), 0.0, 1.0)
        has_size = (corners[:, 2] > corners[:, 0]) & (corners[:, 3] > corners[:, 1])
        if not has_size.all():
            lost = int(len(kept) - has_size.sum())
            self.tell("region_out_of_frame", image, f"{lost} sentences on parts lie outside the frame; left out")
            kept = [one for one, is_kept in zip(kept, has_size.tolist(), strict=True) if is_kept]
        self._regions.add([one[0] for one in kept])
        self._region_images.add(np.full(len(kept), image, np.int32))
        self._region_corners.add(corners[has_size].astype(np.float32))
        self._region_kinds.add(np.array([one[2] for one in kept], np.int8))

    def tell(self, kind: str, image: int | None, detail: str) -> None:
        """Note what was left out or mended."""
        self.findings.append(Finding(kind, None if image is None else self._ids[image], detail))

    def tell_unreadable(self, place: str, detail: str, *, image: int | None = None) -> None:
        """Note a record that could not be read; a run is refused where most are such.

        Args:
            place: File and record, without folders of this machine.
            detail: What is wrong, without a full stop.
            image: Whose it is, if that is known.
        """
        self.note_faulty(f"{place}: {detail}")
        if image is not None:
            self.leave_open(image)
        self.tell("record_unreadable", image, f"{place}: {detail}; left out")

    def note_faulty(self, told: str) -> None:
        """Count a record of which most could not be read."""
        self.n_faulty += 1
        self._first_fault = self._first_fault or told

    def annotations(self, n_records: int, guess: Callable[[Corners], str | None] | None = None) -> Annotations:
        """Lay everything out in the order of the images; nothing can be added any more.

        Args:
            n_records: Files, lines or rows that were read, faulty ones among them.
            guess: Says what boxes seem to be that do not fit, as ``box_form.guess_form`` does.

        Raises:
            CorpusError: There is no image.
        """
        if not self._names:
            first = f", such as {self._first_fault}" if self._first_fault else ""
            raise CorpusError(f"{self._source}: of {n_records} records none is an image{first}.")
        names, rows = self._named_categories()
        images, corners = self._box_images.array(), self._corners.array()
        categories = rows[self._box_categories.array()]
        is_kept = categories >= 0
        refusals = [
            self._judge_records(n_records),
            self._judge_names(images, is_kept),
            self._judge_boxes(images, categories, corners, is_kept, names, guess),
        ]
        corners = np.clip(corners, 0.0, 1.0)
        areas = np.minimum(self._areas.array(), (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1]))
        is_kept &= (corners[:, 2] > corners[:, 0]) & (corners[:, 3] > corners[:, 1])
        boxes_end, order = _in_order(images[is_kept], len(self._names))
        order = np.flatnonzero(is_kept)[order]
        texts, captioned = self._told_captions()
        captions_end, caption_order = _in_order(captioned, len(self._names))
        labelled, labels = self._coded_labels(rows)
        labels_end, label_order = _in_order(labelled, len(self._names))
        columns = Columns(
            texts_of(self._ids),
            texts_of(self._names),
            np.array(self._sizes, np.int32).reshape(-1, 2),
            np.array(self._licences, np.int32),
            captions_end,
            boxes_end,
            texts.pick(caption_order),
            corners[order],
            areas[order],
            categories[order],
            self._crowds.array()[order],
            labels_end,
            labels[label_order],
            names,
            tuple(self._licence_names),
            self._told_of_parts(),
        )
        return Annotations(columns, tuple(self.findings), next(filter(None, refusals), None))

    def _told_of_parts(self) -> RegionColumns | None:
        images = self._region_images.array()
        if not len(images):
            return None
        ends, order = _in_order(images, len(self._names))
        texts = self._regions.texts()
        if (np.diff(images) < 0).any():
            texts = texts.pick(order)
        return RegionColumns(ends, texts, self._region_corners.array()[order], self._region_kinds.array()[order])

    def _told_captions(self) -> tuple[Texts, Rows]:
        """The captions that describe pictures, and their images; see ``caption_faults``."""
        self._lay_captions()
        texts, images = self._captions.texts(), self._captioned.array()
        is_kept = np.ones(len(images), np.bool_)
        for at, (kind, told, text) in faulty(texts).items():
            is_kept[at] = False
            self.tell(kind, int(images[at]), f"{told} ('{text[:60]}'); left out")
        rows = np.flatnonzero(is_kept)
        step = max(1, len(rows) // N_SAMPLED)
        sampled = rows[(np.arange(len(rows)) // 16) % step == 0].tolist()
        heard = ((int(images[at]), texts.read(at, at + 1)[0]) for at in sampled)
        found = said_of_most(heard, len(np.unique(images[rows])))
        if found:
            is_heading = [texts.read(at, at + 1)[0] in found for at in rows.tolist()]
            is_kept[rows[is_heading]] = False
            self.tell("captions_alike", None, told_of_most(found, sum(is_heading), len(rows)))
        return (texts, images) if is_kept.all() else (texts.pick(np.flatnonzero(is_kept)), images[is_kept])

    def _named_categories(self) -> tuple[tuple[str, ...], Rows]:
        """Names as sentences have them, and for each category as it came the row of its name; -1 where it has none."""
        given = [*self._categories]
        named = [
            "" if not name or is_nameless(name) else name for name in names_in_sentences([str(name) for name in given])
        ]
        for raw, name in zip(given, named, strict=True):
            if not name:
                told = told_nameless(raw) if raw else "has an empty name; name it"
                self.tell("category_unnamed", None, f"a category {told}; its boxes are left out")
        no_things = {row: name for row, name in enumerate(named) if name and is_no_thing(name)}
        if no_things:
            of_boxes = self._box_categories.array()
            told = told_no_things(
                [*dict.fromkeys(no_things.values())], int(np.isin(of_boxes, [*no_things]).sum()), len(of_boxes)
            )
            self.tell("category_no_thing", None, told)
            named = ["" if row in no_things else name for row, name in enumerate(named)]
        places = {name: row for row, name in enumerate(dict.fromkeys(filter(None, named)))}
        return tuple(places), np.array([places.get(name, -1) for name in named], np.int32)

    def _judge_records(self, n_records: int) -> str | None:
        if 2 * self.n_faulty <= n_records:
            return None
        told = f"{self.n_faulty} of {n_records} records cannot be read, such as {self._first_fault}"
        return f"{self._source}: {told}. 'datagen lint' names them all."

    def _judge_names(self, images: Rows, is_named: Mask) -> str | None:
        n_unnamed = len(images) - int(np.count_nonzero(is_named))
        if 2 * n_unnamed <= len(images):
            return None
        told = f"{n_unnamed} of {len(images)} boxes have categories without a name that a sentence can say"
        first = next(one.detail for one in self.findings if one.kind in ("category_unnamed", "category_no_thing"))
        return f"{self._source}: {told}, such as {first.partition(';')[0]}. Name in words what they show."

    def _judge_boxes(
        self,
        images: Rows,
        categories: Rows,
        corners: Corners,
        is_kept: Mask,
        names: Sequence[str],
        guess: Callable[[Corners], str | None] | None,
    ) -> str | None:
        """Leave boxes out that show nothing of their image, tell these and those that are clipped; see the refusal."""
        sizes = np.array(self._sizes, np.float64).reshape(-1, 2)[images]
        slack = np.where(sizes > 0, 1.0 / np.maximum(sizes, 1.0), ROUNDING)
        left_top, right_bottom = corners[:, :2], corners[:, 2:]
        is_flat: Mask = np.any(right_bottom <= left_top, axis=1)
        is_outside: Mask = ~is_flat & np.any((left_top >= 1) | (right_bottom <= 0), axis=1)
        over = np.maximum(-left_top, right_bottom - 1)
        is_over: Mask = ~is_flat & ~is_outside & np.any(over > slack, axis=1)
        was_named = is_kept.copy()
        for at in np.flatnonzero(was_named & (is_flat | is_outside | is_over)).tolist():
            kind = "box_zero_size" if is_flat[at] else "box_out_of_frame"
            fault = "has no size; left out" if is_flat[at] else "lies outside the frame; left out"
            fault = f"reaches over the frame by {over[at].max():.3g} of it; clipped" if is_over[at] else fault
            told = f"{names[categories[at]]}, box {_told(corners[at], sizes[at])} {fault}"
            self.tell(kind, int(images[at]), told)
        is_lost = was_named & (is_flat | is_outside)
        self.add_labels(np.column_stack((images, self._box_categories.array()))[is_lost])
        is_kept &= ~(is_flat | is_outside)
        n_boxes, n_odd = int(was_named.sum()), int((was_named & (is_flat | is_outside | is_over)).sum())
        if n_odd <= SEEMS_CORNERS * n_boxes or (n_odd < MIN_ODD and 2 * n_odd <= n_boxes):
            return None
        cause = guess(corners[was_named]) if guess is not None else None
        if cause is None and 2 * n_odd <= n_boxes:
            return None
        advice = f"Likely cause: {cause}" if cause else "Look whether boxes and sizes are of the same pictures"
        return (
            f"{self._source}: {n_odd} of {n_boxes} boxes do not fit their frames. {advice}. 'datagen lint' names them."
        )

    def _coded_labels(self, rows: Rows) -> tuple[Rows, Rows]:
        """What is said of categories in whole images, as ``Columns`` has it: image and label."""
        every = np.arange(len(self._categories), dtype=np.int32)
        for image in dict.fromkeys(self._open):
            self.add_labels(np.column_stack((np.full(len(every), image, np.int32), every)))
        labels = self._labels.array()
        images, codes = labels[:, 0], labels[:, 1]
        is_mark = codes <= LAST_MARK
        is_absent = (codes < 0) & ~is_mark
        named = (
            rows[np.where(is_mark, 0, np.where(is_absent, -1 - codes, codes))] if len(rows) else np.zeros_like(codes)
        )
        coded = np.where(is_mark, codes, np.where(is_absent, -1 - named, named))
        is_told = is_mark | (named >= 0)
        return images[is_told], coded[is_told].astype(np.int32)


def corpus_of(kept: Annotations) -> Corpus:
    """The corpus that was assembled, or mapped from the cache."""
    return Corpus(AnnotatedImages(kept.columns), kept.columns.category_names, kept.findings, kept.refusal)


def read_bounded(path: str) -> bytes | None:
    """Read the annotation file of a picture, without a byte order mark; None for one that is too large to be one."""
    with open(path, "rb") as file:  # noqa: PTH123  # a path for each of 100,000 files takes as long as reading them
        data = file.read(MAX_LABEL_BYTES + 1)
    return data.removeprefix(b"\xef\xbb\xbf") if len(data) <= MAX_LABEL_BYTES else None


def within(corners: Corners, slack: float = 0.01) -> float:
    """Share of boxes that have a size and lie in the frame: of another reading, it tells whether that was meant."""
    if not len(corners):
        return 0.0
    with np.errstate(all="ignore"):
        fits = (corners[:, :2] >= -slack) & (corners[:, 2:] <= 1 + slack) & (corners[:, 2:] > corners[:, :2])
    return float(fits.all(axis=1).mean())


def seems(corners: Corners) -> bool:
    """Whether nearly all boxes fit so."""
    return within(corners) >= FITS


def _told(corners: Corners, size: NDArray[np.float64]) -> str:
    scale = np.tile(size, 2) if size.all() else np.ones(4)
    unit = "px" if size.all() else "as shares"
    return f"[{', '.join(f'{value:.4g}' for value in (corners * scale).tolist())}] (left, top, right, bottom, {unit})"


def _in_order(images: Rows, n_images: int) -> tuple[Ints, Ints]:
    """Where each image's annotations end, and their order: by image, those of one image as they came."""
    return ends_of(np.bincount(images, minlength=n_images)), np.argsort(images, kind="stable")
