"""What one COCO file says, as columns: rows come in piece by piece and are let go at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from msgspec import Raw, Struct
from numpy.typing import NDArray

from datagen.corpus.masks import frame_of, is_absent
from datagen.corpus.schema import CaptionRow, Id, ImageRow, InstanceRow, id_text
from datagen.corpus.texts import Ints, Texts, joined_texts, texts_of

NO_ID = np.iinfo(np.int64).min
_FIRST_TEXT = 10**18
"""Numbers up to here stand for themselves, those from here on for a text or a longer number."""
_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_NO_BOX = (np.nan,) * 4  # JSON has no such number, so it cannot come from a file


class Ids:
    """Ids as numbers, so that columns can hold them; those that mean the same are the same (``id_text``)."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._texts: list[str] = []

    def numbers(self, ids: Sequence[Id | None]) -> Ints:
        """Number ids; ``NO_ID`` for those that are None."""
        if set(map(type, ids)) == {int}:
            try:
                numbers = np.fromiter(ids, np.int64, len(ids))
            except OverflowError:
                pass
            else:
                if numbers.min() > -_FIRST_TEXT and numbers.max() < _FIRST_TEXT:
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
    """

    ids: Ints
    names: list[str]
    sides: NDArray[np.float64]
    licences: Ints


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
    """

    ids: Ints
    image_ids: Ints
    category_ids: Ints
    boxes: NDArray[np.float64]
    areas: NDArray[np.float64]
    crowds: NDArray[np.bool_]
    masks: dict[int, Raw]


class CaptionTable(Struct, frozen=True):
    """The annotations of a captions file; white space in captions is folded to single spaces."""

    ids: Ints
    image_ids: Ints
    captions: Texts


class ImageRows:
    """The images of a file on their way into a table."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._names: list[str] = []
        self._parts: list[tuple[Ints, NDArray[np.float64], Ints]] = []

    def add(self, rows: list[ImageRow]) -> None:
        """Take rows."""
        self._names += [(row.file_name or _name_in(row.coco_url)).replace("\\", "/") for row in rows]
        sides = [(row.width or 0.0, row.height or 0.0) for row in rows]
        self._parts.append(
            (
                self._ids.numbers([row.id for row in rows]),
                np.array(sides, np.float64).reshape(-1, 2),
                self._ids.numbers([row.license for row in rows]),
            )
        )

    def table(self) -> ImageTable:
        """Lay the rows out."""
        ids, sides, licences = _joined(self._parts, (np.empty(0, np.int64), np.empty((0, 2)), np.empty(0, np.int64)))
        return ImageTable(ids, self._names, sides, licences)


class InstanceRows:
    """The annotations of an instances file on their way into a table."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._parts: list[tuple[NDArray[Any], ...]] = []
        self._masks: dict[int, Raw] = {}
        self._n_rows = 0

    def add(self, rows: list[InstanceRow]) -> None:
        """Take rows."""
        boxes = np.fromiter(
            chain.from_iterable(_NO_BOX if row.bbox is None else row.bbox for row in rows), np.float64, 4 * len(rows)
        ).reshape(-1, 4)
        areas = np.array([row.area for row in rows], np.float64)  # None becomes NaN
        crowds = np.array([bool(row.iscrowd) for row in rows], np.bool_)
        is_measured = np.isnan(boxes[:, 0]) | ~(areas > 0)
        for at in np.flatnonzero(crowds | is_measured).tolist():
            segmentation = rows[at].segmentation
            if not is_absent(segmentation):  # a copy, or the whole block would stay
                mask = segmentation.copy() if is_measured[at] else frame_of(segmentation)
                self._masks[self._n_rows + at] = mask
        self._n_rows += len(rows)
        numbered = [self._ids.numbers([row.id for row in rows])]
        numbered.append(self._ids.numbers([row.image_id for row in rows]))
        numbered.append(self._ids.numbers([row.category_id for row in rows]))
        self._parts.append((*numbered, boxes, areas, crowds))

    def table(self) -> InstanceTable:
        """Lay the rows out."""
        none = np.empty(0, np.int64)
        empty = (none, none, none, np.empty((0, 4)), np.empty(0), np.empty(0, np.bool_))
        ids, image_ids, category_ids, boxes, areas, crowds = _joined(self._parts, empty)
        return InstanceTable(ids, image_ids, category_ids, boxes, areas, crowds, self._masks)


class CaptionRows:
    """The annotations of a captions file on their way into a table."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._parts: list[tuple[Ints, Ints]] = []
        self._captions: list[Texts] = []

    def add(self, rows: list[CaptionRow]) -> None:
        """Take rows."""
        ids, image_ids = ([row.id for row in rows], [row.image_id for row in rows])
        self._parts.append((self._ids.numbers(ids), self._ids.numbers(image_ids)))
        self._captions.append(texts_of([" ".join(row.caption.split()) for row in rows]))

    def table(self) -> CaptionTable:
        """Lay the rows out."""
        none = np.empty(0, np.int64)
        ids, image_ids = _joined(self._parts, (none, none))
        return CaptionTable(ids, image_ids, joined_texts(self._captions))


def _joined(parts: list[tuple[Any, ...]], empty: tuple[Any, ...]) -> list[Any]:
    """Lay the parts of each column end to end, a column at a time: no two are held twice."""
    columns = [list(column) for column in zip(empty, *parts, strict=True)]
    parts.clear()
    joined = []
    while columns:
        joined.append(np.concatenate(columns.pop(0)))
    return joined


def _name_in(url: str | None) -> str:
    """LVIS names its pictures by their address alone."""
    return (url or "").partition("?")[0].rpartition("/")[2]
