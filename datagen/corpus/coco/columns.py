"""What one COCO file says, as columns: rows come in piece by piece and are let go at once."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Raw, Struct
from numpy.typing import NDArray

from datagen.corpus.coco.boxes import (
    BoxPx,
    CaptionRow,
    CategoryRow,
    Id,
    ImageRow,
    InstanceRow,
    LicenceRow,
    frame_of,
    is_absent,
)
from datagen.corpus.file_names import plain_name
from datagen.corpus.images import Growing, GrowingTexts, Ints, Texts, id_text
from datagen.records import Finding

Mask = NDArray[np.bool_]

NO_ID = np.iinfo(np.int64).min
_FIRST_TEXT = 10**18
"""Numbers up to here stand for themselves, those from here on for a text or a longer number."""
_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")


class Ids:
    """Ids as numbers, so that columns can hold them; those that mean the same are the same (``id_text``)."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._texts: list[str] = []

    def numbers(self, ids: Sequence[Id | None]) -> Ints:
        """Number ids; ``NO_ID`` for those that are None."""
        try:
            numbers: Ints = np.frombuffer(array("q", ids), np.int64)  # type: ignore[type-var]
        except (TypeError, OverflowError):  # a text, None, a number of more than 64 bits
            pass
        else:
            if not len(ids) or (numbers.min() > -_FIRST_TEXT and numbers.max() < _FIRST_TEXT):
                return numbers
        return np.fromiter(map(self._number, ids), np.int64, len(ids))

    def _number(self, value: Id | None) -> int:
        if value is None:
            return NO_ID
        text = id_text(value)
        if _NUMBER.fullmatch(text):
            return int(text)
        number = self._numbers.setdefault(text, _FIRST_TEXT + len(self._texts))
        if number == _FIRST_TEXT + len(self._texts):
            self._texts.append(text)
        return number

    def texts(self, numbers: Ints) -> list[str]:
        """The ids that numbers stand for."""
        if len(numbers) and numbers.max() < _FIRST_TEXT:
            return [*map(str, numbers.tolist())]
        return [self.text(number) for number in numbers.tolist()]

    def text(self, number: int) -> str:
        """The id that a number stands for."""
        return self._texts[number - _FIRST_TEXT] if number >= _FIRST_TEXT else str(number)


class ImageTable(Struct, frozen=True):
    """The images that a file lists.

    Attributes:
        ids: Numbered by ``Ids``.
        names: File names; empty where the file gives none.
        sides: Width and height as the file has them, 0 where it has none, shape (images, 2).
        licences: Licence ids, numbered; ``NO_ID`` for none.
        labels: What is said of categories in the whole image: row of the image, ``ABSENT`` or ``UNFINISHED``, and the
            category's id, numbered; ``NO_ID`` for an image of which only such categories may be denied. Three columns.
    """

    ids: Ints
    names: list[str]
    sides: NDArray[np.float64]
    licences: Ints
    labels: Ints


ABSENT, UNFINISHED = 0, 1
"""Of a category in an image: looked for and not found; not every object boxed."""


class InstanceTable(Struct, frozen=True):
    """The annotations of an instances file.

    Attributes:
        ids: Numbered by ``Ids``, as are the next two; ``NO_ID`` for none.
        image_ids: What they annotate.
        category_ids: What they show.
        boxes: Left, top, width, height in pixels, shape (annotations, 4); NaN where there is none.
        areas: Square pixels; NaN where there is none.
        crowds: Whether they are crowd regions.
        masks: Segmentations by the annotation's index, of those alone whose box or area must be made of it, or whose
            frame must be checked.
        scores: How certain a detector was, from 0 to 1; NaN where the file does not say.
        turned: By how many degrees the boxes are turned that stand askew, by the annotation's index.
    """

    ids: Ints
    image_ids: Ints
    category_ids: Ints
    boxes: NDArray[np.float64]
    areas: NDArray[np.float64]
    crowds: NDArray[np.bool_]
    masks: dict[int, Raw]
    scores: NDArray[np.float64]
    turned: dict[int, float]


class CaptionTable(Struct, frozen=True):
    """The annotations of a captions file; white space in captions is folded to single spaces.

    Attributes:
        is_marked: Whether the file itself says that a caption is of no use.
        by_model: Whether it says that a model wrote it.
    """

    ids: Ints
    image_ids: Ints
    captions: Texts
    is_marked: NDArray[np.bool_]
    by_model: NDArray[np.bool_]


class Faults(Struct, frozen=True):
    """What could not be read of a file.

    Attributes:
        findings: One for each record that was left out.
        refusal: Why a run should not go on with the others, or None.
        n_of_other_kind: Captions among instances, or instances among captions.
        n_rows: Annotations of either kind.
    """

    findings: list[Finding] = []
    refusal: str | None = None
    n_of_other_kind: int = 0
    n_rows: int = 0


class Captions(Struct, frozen=True):
    """A captions file."""

    path: Path
    images: ImageTable
    licences: list[LicenceRow]
    annotations: CaptionTable
    faults: Faults


class Instances(Struct, frozen=True):
    """An instances file.

    Attributes:
        lost: Image and category of the annotations that could not be read, shape (annotations, 2).
    """

    path: Path
    images: ImageTable
    licences: list[LicenceRow]
    annotations: InstanceTable
    faults: Faults
    categories: list[CategoryRow]
    lost: Ints


class ImageRows:
    """The images of a file on their way into a table."""

    def __init__(self, ids: Ids) -> None:
        self._number = ids.numbers
        self._ids, self._licences, self._sides = Growing(np.int64), Growing(np.int64), Growing(np.float64, 2)
        self._names: list[str] = []
        self._labels = Growing(np.int64, 3)

    def add(self, rows: list[ImageRow]) -> None:
        """Take rows."""
        self._take_labels(rows)
        self._names += [plain_name(row.file_name or _name_in(row.coco_url)) for row in rows]
        self._ids.add(self._number([row.id for row in rows]))
        self._licences.add(self._number([row.license for row in rows]))
        sides = [row.width or 0.0 for row in rows], [row.height or 0.0 for row in rows]
        self._sides.add(np.array(sides, np.float64).T)

    def _take_labels(self, rows: list[ImageRow]) -> None:
        """Keep what is said of categories in whole images."""
        places, kinds, ids = list[int](), list[int](), list[Id | None]()
        for place, row in enumerate(rows, start=len(self._names)):
            absent, unfinished = row.neg_category_ids, row.not_exhaustive_category_ids
            if absent is None and unfinished is None and row.pos_category_ids is None:
                continue
            absent, unfinished = absent or (), (*(unfinished or ()), *(row.pos_category_ids or ()))
            places += [place] * (1 + len(absent) + len(unfinished))
            kinds += [ABSENT] * (1 + len(absent)) + [UNFINISHED] * len(unfinished)
            ids += [None, *absent, *unfinished]
        if places:
            self._labels.add(np.column_stack((places, kinds, self._number(ids))))

    def table(self) -> ImageTable:
        """All that came."""
        return ImageTable(
            self._ids.array(), self._names, self._sides.array(), self._licences.array(), self._labels.array()
        )


class InstanceRows:
    """The annotations of an instances file on their way into a table."""

    def __init__(self, ids: Ids) -> None:
        self._number = ids.numbers
        self._ids, self._image_ids, self._category_ids = Growing(np.int64), Growing(np.int64), Growing(np.int64)
        self._boxes, self._areas, self._crowds = Growing(np.float64, 4), Growing(np.float64), Growing(np.bool_)
        self._masks: dict[int, Raw] = {}
        self._scores = Growing(np.float64)
        self._turned: dict[int, float] = {}
        self._n_rows = 0

    def add(self, rows: list[InstanceRow]) -> None:
        """Take rows."""
        boxes = _box_array([row.bbox for row in rows])
        areas = np.array([row.area for row in rows], np.float64)  # None becomes NaN
        crowds = np.array([1 if row.iscrowd else 0 for row in rows], np.bool_)
        scores = np.full(len(rows), np.nan)
        for at in _with_more(rows):
            crowds[at] |= _is_group(rows[at])
            scores[at] = _score_of(rows[at])
            if (degrees := _turned_by(rows[at].attributes)) is not None:
                self._turned[self._n_rows + at] = degrees
        self._scores.add(scores)
        self._keep_masks(rows, crowds, np.isnan(boxes[:, 0]) | ~(areas > 0))
        self._ids.add(self._number([row.id for row in rows]))
        self._image_ids.add(self._number([row.image_id for row in rows]))
        self._category_ids.add(self._number([row.category_id for row in rows]))
        self._boxes.add(boxes)
        self._areas.add(areas)
        self._crowds.add(crowds)

    def _keep_masks(self, rows: list[InstanceRow], crowds: Mask, is_measured: Mask) -> None:
        for at in np.flatnonzero(crowds | is_measured).tolist():
            segmentation = rows[at].segmentation
            if not is_measured[at]:
                segmentation = frame_of(segmentation)
            if not is_absent(segmentation):
                self._masks[self._n_rows + at] = segmentation.copy()  # a view would hold the whole block
        self._n_rows += len(rows)

    def table(self) -> InstanceTable:
        """All that came."""
        return InstanceTable(
            self._ids.array(),
            self._image_ids.array(),
            self._category_ids.array(),
            self._boxes.array(),
            self._areas.array(),
            self._crowds.array(),
            self._masks,
            as_shares(self._scores.array()),
            self._turned,
        )


class CaptionRows:
    """The annotations of a captions file on their way into a table."""

    def __init__(self, ids: Ids) -> None:
        self._number = ids.numbers
        self._ids, self._image_ids, self._captions = Growing(np.int64), Growing(np.int64), GrowingTexts()
        self._marked, self._by_model = Growing(np.bool_), Growing(np.bool_)

    def add(self, rows: list[CaptionRow]) -> None:
        """Take rows."""
        marked, by_model = np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
        for at in [at for at, row in enumerate(rows) if row.is_rejected or row.is_precanned or row.by_model]:
            marked[at] = bool(rows[at].is_rejected or rows[at].is_precanned)
            by_model[at] = rows[at].by_model is True
        self._marked.add(marked)
        self._by_model.add(by_model)
        self._ids.add(self._number([row.id for row in rows]))
        self._image_ids.add(self._number([row.image_id for row in rows]))
        self._captions.add(folded([row.caption for row in rows]))

    def table(self) -> CaptionTable:
        """All that came."""
        marks = self._marked.array(), self._by_model.array()
        return CaptionTable(self._ids.array(), self._image_ids.array(), self._captions.texts(), *marks)


def _with_more(rows: list[InstanceRow]) -> list[int]:
    """Where rows say more than COCO's own do; one look at each, as there are 860,000."""
    return [
        at
        for at, row in enumerate(rows)
        if row.score is not None
        or row.confidence is not None
        or row.is_group is not None
        or row.is_group_of is not None
        or row.attributes
    ]


def folded(texts: list[str]) -> list[str]:
    """Texts with their white space folded to single spaces.

    Splitting each took three times as long as looking over the bytes of many for those that need it.
    """
    joined = "\0".join(["", *texts, ""])
    signs = np.frombuffer(joined.encode(), np.uint8)
    borders = np.flatnonzero(signs == 0)
    if len(borders) != len(texts) + 1:  # a text holds one itself
        return [" ".join(text.split()) for text in texts]
    is_gap = signs <= ord(" ")
    is_odd = (signs >= 0x80) | (is_gap & (signs != ord(" ")) & (signs != 0))  # may be white space beyond ASCII
    is_odd[1:] |= is_gap[1:] & is_gap[:-1]
    found = texts.copy()
    for row in np.unique(np.searchsorted(borders, np.flatnonzero(is_odd)) - 1).tolist():
        found[row] = " ".join(texts[row].split())
    return found


def _is_group(row: InstanceRow) -> bool:
    given = row.is_group if row.is_group_of is None else row.is_group_of
    return given is not None and given in (1, "1", "true", "True")


def _turned_by(attributes: Raw) -> float | None:
    """By how many degrees a box is turned; None for one that stands upright, or on its head."""
    try:
        degrees = float(msgspec.json.decode(attributes, type=_Attributes).rotation)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None
    return degrees if math.isfinite(degrees) and MAX_TURNED < degrees % 180 < 180 - MAX_TURNED else None


class _Attributes(Struct):
    rotation: Any = 0


MAX_TURNED = 1.0
"""Degrees; so little moves no side of a square by more than 1 % of its length."""


def _score_of(row: InstanceRow) -> float:
    given = row.confidence if row.score is None else row.score
    if given is None or isinstance(given, bool):
        return math.nan
    try:
        return float(given)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def as_shares(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores from 0 to 1; those of tools that write percent are divided, what else is no share is none."""
    most = np.nanmax(scores, initial=0.0)
    shares = scores / 100 if 1 < most <= 100 else scores
    return np.where((shares >= 0) & (shares <= 1), shares, np.nan)


def _box_array(boxes: list[BoxPx | None]) -> NDArray[np.float64]:
    try:
        values = np.fromiter(chain.from_iterable(boxes), np.float64, 4 * len(boxes))  # type: ignore[arg-type]
    except TypeError:  # some have none; JSON has no NaN, so it cannot come from a file
        no_box = (np.nan,) * 4
        values = np.array([no_box if box is None else box for box in boxes], np.float64)
    return values.reshape(-1, 4)


def _name_in(url: str | None) -> str:
    """LVIS names its pictures by their address alone."""
    return plain_name(url or "").rpartition("/")[2]
