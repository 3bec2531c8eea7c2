"""Annotated images kept as columns, and made into records one at a time when somebody asks for them.

A record of a COCO image weighs about 9 KB of Python objects; its share of the columns is 0.8 KB. So a corpus of
any size is walked, sliced, handed to other processes or mapped from a file without its records ever existing together.

Numbers and texts in buffers: a text costs its letters and eight bytes, where a Python string takes fifty more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count, pairwise
from pathlib import Path, PurePosixPath
from typing import Any, overload

import numpy as np
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace
from numpy.typing import NDArray

from datagen.compact_map import DigestMap
from datagen.corpus.file_names import name_in
from datagen.records import AnnotatedImage, Box, Finding, Region, RegionKind

Ints = NDArray[np.int64]

_GROWTH = 1 << 12
"""Texts moved at once: each of their bytes takes sixteen for a moment."""


class Texts(Struct, frozen=True):
    """Many texts in one buffer.

    Attributes:
        data: Their UTF-8 bytes, one after another.
        offsets: Where each begins, and the end; one more than there are texts.
    """

    data: NDArray[np.uint8]
    offsets: Ints

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def read(self, start: int, stop: int) -> list[str]:
        """Make the texts from ``start`` to before ``stop``."""
        offsets = self.offsets[start : stop + 1].tolist()
        first = offsets[0]
        data = self.data[first : offsets[-1]].tobytes()
        return [data[a - first : b - first].decode() for a, b in pairwise(offsets)]

    def cut(self, start: int, stop: int) -> Texts:
        """Take those from ``start`` to before ``stop`` alone."""
        offsets = self.offsets[start : stop + 1]
        return Texts(self.data[offsets[0] : offsets[-1]], offsets - offsets[0])

    def pick(self, rows: Ints) -> Texts:
        """Copy the texts of these rows, in this order."""
        starts, lengths = self.offsets[:-1][rows], np.diff(self.offsets)[rows]
        offsets = ends_of(lengths)
        picked = np.empty(offsets[-1], np.uint8)
        for at in range(0, len(rows), _GROWTH):
            begins, n_bytes = offsets[at : at + _GROWTH], lengths[at : at + _GROWTH]
            moved = np.repeat(starts[at : at + _GROWTH] - begins[: len(n_bytes)], n_bytes)
            moved += np.arange(begins[0], begins[0] + len(moved))
            picked[begins[0] : begins[0] + len(moved)] = self.data[moved]
        return Texts(picked, offsets)


class Growing:
    """Numbers that come in parts. Their buffer grows in place, as the system moves its pages and copies nothing.

    Args:
        dtype: Of the numbers.
        width: Numbers in a row; 0 for plain numbers.
    """

    def __init__(self, dtype: type[np.generic], width: int = 0) -> None:
        self._dtype = dtype
        self._shape = (-1, width) if width else (-1,)
        self._buffer = bytearray()

    def add(self, part: NDArray[Any]) -> None:
        """Take more numbers."""
        self._buffer += np.ascontiguousarray(part, self._dtype).data

    def array(self) -> NDArray[Any]:
        """All numbers, in the buffer itself: nothing can be added any more."""
        return np.frombuffer(self._buffer, self._dtype).reshape(self._shape)


class GrowingTexts:
    """Texts that come in parts."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._lengths = Growing(np.int64)

    def add(self, texts: Sequence[str]) -> None:
        """Take more texts."""
        joined = "".join(texts)
        self._data += joined.encode()
        encoded = texts if joined.isascii() else [text.encode() for text in texts]
        self._lengths.add(np.fromiter(map(len, encoded), np.int64, len(texts)))

    def texts(self) -> Texts:
        """All texts; nothing can be added any more."""
        return Texts(np.frombuffer(self._data, np.uint8), ends_of(self._lengths.array()))


def texts_of(texts: Sequence[str]) -> Texts:
    """Lay texts out in one buffer."""
    growing = GrowingTexts()
    growing.add(texts)
    return growing.texts()


def joined_texts(parts: Sequence[Texts]) -> Texts:
    """Lay several of them end to end."""
    if len(parts) == 1:
        return parts[0]
    data = np.concatenate([np.empty(0, np.uint8), *(part.data for part in parts)])
    return Texts(data, ends_of(np.concatenate([np.empty(0, np.int64), *(np.diff(part.offsets) for part in parts)])))


def ends_of(lengths: Sequence[int] | Ints) -> Ints:
    """Where things of these lengths end when they stand in a row; a 0 before all."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)))


MAX_SIDE_PX = 10_000_000
"""A width or height above this is a mistake in the annotations, whatever the picture."""
MAX_CAPTION_BYTES = 10_000
"""A longer one is no caption: COCO's longest has 250 letters, descriptions of one picture have up to 4,000; what reads
them takes a second for 10,000 and a minute for 80,000."""
ONLY_LABELLED = -(2**31)
"""A label: of this image only what is labelled absent may be denied."""
BY_DETECTOR = ONLY_LABELLED + 1
"""A label: a detector drew the boxes of this image."""
BY_CAPTIONER = ONLY_LABELLED + 2
"""A label: a model wrote the captions of this image."""
LAST_MARK = BY_CAPTIONER
"""Labels up to this one are marks; those of absent categories are above."""
REGION_KINDS: tuple[RegionKind, ...] = ("phrase", "attribute", "relation", "expression")
"""By their codes in ``Columns``."""
_CHUNK = 256
"""Images made in one go while walking: numpy's cost per call is spread over them."""


class RegionColumns(Struct, frozen=True):
    """What is said of parts of images, by column, in the order of their images.

    Attributes:
        ends: Up to which region those of an image reach; one longer than there are images.
        texts: All of them.
        corners: As of boxes, with half of the digits: Visual Genome has ten million.
        kinds: Index into ``REGION_KINDS``.
    """

    ends: Ints
    texts: Texts
    corners: NDArray[np.float32]
    kinds: NDArray[np.int8]

    def cut(self, start: int, stop: int) -> RegionColumns:
        """Take those of the images from ``start`` to before ``stop`` alone."""
        ends = self.ends[start : stop + 1]
        first, last = int(ends[0]), int(ends[-1])
        return RegionColumns(
            ends - ends[0], self.texts.cut(first, last), self.corners[first:last], self.kinds[first:last]
        )

    def read(self, start: int, stop: int) -> list[tuple[Region, ...]]:
        """Make those of the images from ``start`` to before ``stop``, image by image."""
        ends = self.ends[start : stop + 1].tolist()
        first, last = ends[0], ends[-1]
        made = [
            Region(text, (left, top, right, bottom), REGION_KINDS[kind])
            for text, (left, top, right, bottom), kind in zip(
                self.texts.read(first, last),
                self.corners[first:last].tolist(),
                self.kinds[first:last].tolist(),
                strict=True,
            )
        ]
        return [tuple(made[a - first : b - first]) for a, b in pairwise(ends)]


class Columns(Struct, frozen=True):
    """What annotated images hold, by column; captions and boxes stand in the order of their images.

    Attributes:
        image_ids: One an image, like the next four.
        file_names: Under the image folder.
        sizes: Width and height in pixels, shape (images, 2).
        licences: Index into ``licence_names``, -1 for none.
        captions_end: Up to which caption the image's captions reach; image 0's begin at 0. One longer, first is 0.
        boxes_end: The same for boxes.
        captions: All captions.
        corners: Left, top, right, bottom as shares of the frame, shape (boxes, 4).
        areas: As shares of the frame.
        categories: Index into ``category_names``.
        crowds: Whether a box is a crowd region.
        labels_end: The same as ``boxes_end`` for labels of whole images.
        labels: A mark (``ONLY_LABELLED``, ``BY_DETECTOR``, ``BY_CAPTIONER``); an index into ``category_names`` for a
            category of which not every object is boxed; -1 minus the index for one that is absent.
        category_names: As the files spell them.
        licence_names: Short names.
        regions: What is said of parts; None where no image has such.
    """

    image_ids: Texts
    file_names: Texts
    sizes: NDArray[np.int32]
    licences: NDArray[np.int32]
    captions_end: Ints
    boxes_end: Ints
    captions: Texts
    corners: NDArray[np.float64]
    areas: NDArray[np.float64]
    categories: NDArray[np.int32]
    crowds: NDArray[np.bool_]
    labels_end: Ints
    labels: NDArray[np.int32]
    category_names: tuple[str, ...]
    licence_names: tuple[str, ...]
    regions: RegionColumns | None = None

    def __len__(self) -> int:
        return len(self.sizes)

    def cut(self, start: int, stop: int) -> Columns:
        """Take the images from ``start`` to before ``stop`` alone, with what belongs to them."""
        captions_end, boxes_end = self.captions_end[start : stop + 1], self.boxes_end[start : stop + 1]
        boxes = slice(boxes_end[0], boxes_end[-1])
        labels_end = self.labels_end[start : stop + 1]
        return replace(
            self,
            image_ids=self.image_ids.cut(start, stop),
            file_names=self.file_names.cut(start, stop),
            sizes=self.sizes[start:stop],
            licences=self.licences[start:stop],
            captions_end=captions_end - captions_end[0],
            boxes_end=boxes_end - boxes_end[0],
            captions=self.captions.cut(captions_end[0], captions_end[-1]),
            corners=self.corners[boxes],
            areas=self.areas[boxes],
            categories=self.categories[boxes],
            crowds=self.crowds[boxes],
            labels_end=labels_end - labels_end[0],
            labels=self.labels[labels_end[0] : labels_end[-1]],
            regions=None if self.regions is None else self.regions.cut(start, stop),
        )

    def records(self, start: int, stop: int) -> Iterator[AnnotatedImage]:
        """Make the images from ``start`` to before ``stop``."""
        captions_end, boxes_end = (ends[start : stop + 1].tolist() for ends in (self.captions_end, self.boxes_end))
        captions = self.captions.read(captions_end[0], captions_end[-1])
        chosen = slice(boxes_end[0], boxes_end[-1])
        category_names, licence_names = self.category_names, (*self.licence_names, None)
        boxes = [
            Box(category_names[category], (left, top, right, bottom), area, crowd)
            for category, (left, top, right, bottom), area, crowd in zip(
                self.categories[chosen].tolist(),
                self.corners[chosen].tolist(),
                self.areas[chosen].tolist(),
                self.crowds[chosen].tolist(),
                strict=True,
            )
        ]
        n_captions, n_boxes = captions_end[0], boxes_end[0]
        regions = None if self.regions is None else self.regions.read(start, stop)
        for row, image_id, file_name, (width, height), licence, (a, b), (c, d) in zip(
            range(start, stop),
            self.image_ids.read(start, stop),
            self.file_names.read(start, stop),
            self.sizes[start:stop].tolist(),
            self.licences[start:stop].tolist(),
            pairwise(captions_end),
            pairwise(boxes_end),
            strict=True,
        ):
            yield AnnotatedImage(
                image_id,
                file_name,
                width,
                height,
                tuple(captions[a - n_captions : b - n_captions]),
                tuple(boxes[c - n_boxes : d - n_boxes]),
                licence_names[licence],
                *(self._labelled(row) if len(self.labels) else (UNSET,) * 4 if regions else ()),
                *((regions[row - start] or UNSET,) if regions else ()),
            )

    def _labelled(self, row: int) -> _Labelled:
        """Categories that are absent from an image, those not boxed throughout, and what of it a machine made."""
        labels = self.labels[self.labels_end[row] : self.labels_end[row + 1]].tolist()
        unfinished = tuple(self.category_names[label] for label in labels if label >= 0)
        made = BY_DETECTOR in labels or UNSET, BY_CAPTIONER in labels or UNSET
        if ONLY_LABELLED not in labels:
            return UNSET, unfinished or UNSET, *made
        absent = tuple(self.category_names[-1 - label] for label in labels if LAST_MARK < label < 0)
        return absent, unfinished, *made


_Labelled = tuple[tuple[str, ...] | UnsetType, tuple[str, ...] | UnsetType, bool | UnsetType, bool | UnsetType]


class Annotations(Struct, frozen=True):
    """What annotation files say, what of it was left out or mended, and why a run should not go on with the rest."""

    columns: Columns
    findings: tuple[Finding, ...]
    refusal: str | None = None


class AnnotatedImages(Sequence[AnnotatedImage]):
    """A corpus's images in its order: a sequence whose records are made when asked for, and not kept.

    Slices are views, but for those with a step. A pickle holds the columns of the images in view and no others; its
    arrays can travel out of band (protocol 5).

    Args:
        columns: The images' content.
        rows: Which of them, without a step; None takes all.
    """

    __slots__ = ("_rows", "columns")

    def __init__(self, columns: Columns, rows: range | None = None) -> None:
        self.columns = columns
        self._rows = range(len(columns)) if rows is None else rows or range(0)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> AnnotatedImage: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[AnnotatedImage]: ...
    def __getitem__(self, index: int | slice) -> AnnotatedImage | Sequence[AnnotatedImage]:
        found = self._rows[index]
        if not isinstance(found, range):
            return next(self.columns.records(found, found + 1))
        if found.step != 1:
            return [next(self.columns.records(row, row + 1)) for row in found]
        return AnnotatedImages(self.columns, found)

    def __iter__(self) -> Iterator[AnnotatedImage]:
        rows = self._rows
        for start in range(rows.start, rows.stop, _CHUNK):
            yield from self.columns.records(start, min(start + _CHUNK, rows.stop))

    def ids(self) -> Iterator[str]:
        """The images' ids, without making their records, which takes twenty times as long."""
        rows, ids = self._rows, self.columns.image_ids
        starts = range(rows.start, rows.stop, _CHUNK)
        return chain.from_iterable(ids.read(start, min(start + _CHUNK, rows.stop)) for start in starts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self)} annotated images>"

    def __reduce__(self) -> tuple[Any, ...]:
        return AnnotatedImages, (self.columns.cut(self._rows.start, self._rows.stop),)


def ids_of(images: Sequence[AnnotatedImage]) -> Iterator[str]:
    """The ids of images, in order."""
    return images.ids() if isinstance(images, AnnotatedImages) else (image.image_id for image in images)


def columns_of(images: Sequence[AnnotatedImage]) -> Columns:
    """Lay records out as columns."""
    category_names, licence_names = (
        tuple(dict.fromkeys(names))
        for names in (
            (box.category for image in images for box in image.boxes),
            (image.licence for image in images if image.licence is not None),
        )
    )
    categories, licences = ({name: at for at, name in enumerate(names)} for names in (category_names, licence_names))
    boxes = [box for image in images for box in image.boxes]
    labels = [
        [
            *([ONLY_LABELLED] if image.absent is not UNSET else ()),
            *([BY_DETECTOR] if image.by_detector is True else ()),
            *([BY_CAPTIONER] if image.by_captioner is True else ()),
            *(-1 - categories[name] for name in image.absent or () if name in categories),
            *(categories[name] for name in image.unfinished or () if name in categories),
        ]
        for image in images
    ]
    return Columns(
        texts_of([image.image_id for image in images]),
        texts_of([image.file_name for image in images]),
        np.array([(image.width, image.height) for image in images], np.int32).reshape(-1, 2),
        np.array([licences.get(image.licence or "", -1) for image in images], np.int32),
        ends_of([len(image.captions) for image in images]),
        ends_of([len(image.boxes) for image in images]),
        texts_of([caption for image in images for caption in image.captions]),
        np.array([box.box_unit for box in boxes], np.float64).reshape(-1, 4),
        np.array([box.area_unit for box in boxes], np.float64),
        np.array([categories[box.category] for box in boxes], np.int32),
        np.array([box.is_crowd for box in boxes], np.bool_),
        ends_of([len(of_image) for of_image in labels]),
        np.array([label for of_image in labels for label in of_image], np.int32),
        category_names,
        licence_names,
        region_columns([image.regions or () for image in images]),
    )


def region_columns(regions: Sequence[Sequence[Region]]) -> RegionColumns | None:
    """Lay what is said of parts out as columns; None where nothing is.

    Args:
        regions: Image by image.
    """
    if not any(regions):
        return None
    said = [one for of_image in regions for one in of_image]
    return RegionColumns(
        ends_of([len(of_image) for of_image in regions]),
        texts_of([one.text for one in said]),
        np.array([one.box_unit for one in said], np.float32).reshape(-1, 4),
        np.array([REGION_KINDS.index(one.kind) for one in said], np.int8),
    )


def id_text(value: int | str) -> str:
    """Ids as text: digits lose their leading zeros, so that ``7``, ``"7"`` and ``"007"`` are one."""
    if isinstance(value, int):
        return str(value)
    return (value.lstrip("0") or "0") if value.isascii() and value.isdigit() else value


def id_of_file(name: str, taken: set[str] | dict[str, str]) -> str:
    """Make an id of a picture's file name: its stem, or for another file of the same stem its whole path.

    Args:
        name: With forward slashes.
        taken: Ids that are given away; the new one is added, in a mapping with the file's name.
    """
    stem = PurePosixPath(name).stem or "picture"  # "..", "/"
    image_id = id_text(stem)
    if image_id in taken:
        path = image_id = str(PurePosixPath(name).parent / stem).replace("/", "_")
        further = count(2)
        while image_id in taken:
            image_id = f"{path}_{next(further)}"
    if isinstance(taken, dict):
        taken[image_id] = name
    else:
        taken.add(image_id)
    return image_id


class ImagesById(Mapping[str, AnnotatedImage]):
    """A mapping that keeps sixteen bytes an image; the first look walks all of them.

    Args:
        images: The corpus's.
    """

    def __init__(self, images: Sequence[AnnotatedImage]) -> None:
        self._images = images
        self._places: DigestMap | None = None

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[str]:
        return ids_of(self._images)

    def __getitem__(self, image_id: str) -> AnnotatedImage:
        place_found = self.prepared().get(image_id)
        if place_found is None or self._images[place_found].image_id != image_id:
            raise KeyError(image_id)
        return self._images[place_found]

    def prepared(self) -> DigestMap:
        """Where each image stands; made whole before it is shared, as several threads may look at once."""
        if self._places is None:
            places = DigestMap()
            for place, known_id in enumerate(self):
                places.put(known_id, place)
            self._places = places
        return self._places


def placed_in(folder: Path, images: Sequence[AnnotatedImage]) -> Sequence[AnnotatedImage]:
    """Name pictures relative to the image folder where a file names them absolutely, or by way of ``..``."""
    if isinstance(images, AnnotatedImages):
        columns = images.columns
        names = columns.file_names.read(0, len(columns))
        placed = _placed_names(folder, names)
        return images if placed == names else AnnotatedImages(replace(columns, file_names=texts_of(placed)))
    placed = _placed_names(folder, [image.file_name for image in images])
    return [
        image if image.file_name == name else replace(image, file_name=name)
        for image, name in zip(images, placed, strict=True)
    ]


def _placed_names(folder: Path, names: list[str]) -> list[str]:
    """The names under the folder; of two that would mean one file there, each stays as it is."""
    placed = [name_in(folder, name) for name in names]
    if placed == names:
        return placed
    n_meant = Counter(new for _, new in {*zip(names, placed, strict=True)})
    return [new if n_meant[new] == 1 else name for name, new in zip(names, placed, strict=True)]
