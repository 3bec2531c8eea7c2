"""From COCO caption and instance files to one corpus, merged by image id."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from datagen.config import CorpusSettings
from datagen.corpus.boxes import make_box
from datagen.corpus.images import AnnotatedImages, columns_of
from datagen.corpus.licences import licence_names
from datagen.corpus.masks import is_absent
from datagen.corpus.reading import read_captions, read_instances
from datagen.corpus.schema import (
    CaptionRow,
    CaptionsFile,
    CategoryRow,
    ImageRow,
    InstanceRow,
    InstancesFile,
    id_text,
)
from datagen.errors import CorpusError
from datagen.records import AnnotatedImage, Box, Finding

RowT = TypeVar("RowT", InstanceRow, CaptionRow)

MAX_SIDE_PX = 10_000_000
"""A width or height above this is a mistake in the file, whatever the picture."""


class Corpus(Struct, frozen=True):
    """Everything that the annotation files say.

    Attributes:
        images: In order of first appearance, instance files before caption files; their records are made when asked
            for (``AnnotatedImages``), so walk them again rather than keep them.
        categories: Every category name the files declare, in order of first appearance.
        findings: Records that were left out or mended while loading.
    """

    images: Sequence[AnnotatedImage]
    categories: tuple[str, ...]
    findings: tuple[Finding, ...]


def load_annotations(settings: CorpusSettings) -> Corpus:
    """Load annotated images from COCO files (2014, 2017, LVIS, person keypoints).

    An image without boxes whose size no file states has width and height 0.

    Args:
        settings: Uses ``captions``, ``instances`` and ``limit``.

    Raises:
        CorpusError: A file is not what it should be, or two files contradict each other.
    """
    with _collector_paused():
        instances = [(Path(name), read_instances(Path(name))) for name in settings.instances]
        captions = [(Path(name), read_captions(Path(name))) for name in settings.captions]
        merge = _Merge()
        files: list[tuple[Path, InstancesFile | CaptionsFile]] = [*instances, *captions]
        for path, file in files:  # first all images: any file may annotate any of them
            merge.list_images(path, file)
        repeats = _Repeats(len(instances))
        for path, boxes_file in instances:
            merge.place_boxes(path, boxes_file, repeats)
        repeats = _Repeats(len(captions))
        for path, captions_file in captions:
            merge.place_captions(path, captions_file, repeats)
        if not merge.entries:
            raise CorpusError(f"{', '.join(str(path) for path, _ in files)}: lists no image. Give a file with images.")
        return merge.corpus(settings.limit)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the garbage collector from walking millions of fresh records that hold no cycles."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Entry(Struct):
    """One image while it gathers what the files say."""

    file_name: str
    width: int
    height: int
    licence: str | None
    source: Path
    captions: list[str]
    boxes: list[Box]


class _Repeats:
    """Annotations of earlier files: keypoints beside instances, or a file given twice, double nothing."""

    def __init__(self, n_files: int) -> None:
        self.is_needed = n_files > 1
        self.earlier: set[tuple[str, str, str]] = set()
        self.current: set[tuple[str, str, str]] = set()

    def begin_file(self) -> None:
        """Count what was met so far as met in an earlier file."""
        self.earlier |= self.current
        self.current.clear()

    def has(self, row_id: int | str | None, image_id: str, content: str | Box) -> bool:
        """Whether an earlier file has the same annotation, with the same content."""
        if not self.is_needed or row_id is None:
            return False
        if isinstance(content, Box):  # without the area: COCO's keypoint files round it differently
            content = f"{content.category} {[round(value, 6) for value in content.box_unit]}"
        key = id_text(row_id), image_id, content
        self.current.add(key)
        return key in self.earlier


class _Merge:
    """The corpus in the making."""

    def __init__(self) -> None:
        self.entries: dict[str, _Entry] = {}
        self.categories: dict[str, None] = {}
        self.findings: list[Finding] = []

    def list_images(self, path: Path, file: InstancesFile | CaptionsFile) -> None:
        """Enter a file's images.

        Raises:
            CorpusError: An image contradicts an earlier one of the same id.
        """
        licences = licence_names(file.licenses or ())
        for row in file.images:
            image_id = id_text(row.id)
            licence = None if row.license is None else licences.get(id_text(row.license))
            entry = _Entry(_file_name(path, row), *_size(path, row), licence, path, [], [])
            earlier = self.entries.setdefault(image_id, entry)
            if earlier is not entry:
                _unite(image_id, earlier, entry)

    def place_boxes(self, path: Path, file: InstancesFile, repeats: _Repeats) -> None:
        """Give an instance file's boxes to their images.

        Raises:
            CorpusError: A box cannot be placed in any frame.
        """
        names = _category_names(path, file.categories or ())
        self.categories |= dict.fromkeys(names.values())
        repeats.begin_file()
        for row, image_id, entry in self._placeable(path, file.annotations):
            category = names.get(id_text(row.category_id))
            if category is None:
                self._note("unknown_category", image_id, row, f"category {row.category_id} is not declared; left out")
                continue
            if row.bbox is None and is_absent(row.segmentation):
                raise CorpusError(
                    f"{path}: {_named(row)} of image {image_id} has neither `bbox` nor `segmentation`. "
                    "A COCO box is [x, y, width, height] in pixels; add it, or leave the annotation out."
                )
            if not entry.width or not entry.height:
                raise CorpusError(
                    f"{entry.source}: image {image_id} ({entry.file_name}) has boxes but no width and height. "
                    "Add both, in pixels."
                )
            box, faults = make_box(row, category, entry.width, entry.height)
            if box is not None and repeats.has(row.id, image_id, box):
                continue
            for kind, detail in faults:
                self._note(kind, image_id, row, f"{category}, {detail}")
            if box is not None:
                entry.boxes.append(box)

    def place_captions(self, path: Path, file: CaptionsFile, repeats: _Repeats) -> None:
        """Give a caption file's captions to their images, white space folded to single spaces."""
        repeats.begin_file()
        for row, image_id, entry in self._placeable(path, file.annotations):
            caption = " ".join(row.caption.split())
            if not caption:
                self._note("empty_caption", image_id, row, "the caption is empty; left out")
            elif not repeats.has(row.id, image_id, caption):
                entry.captions.append(caption)

    def _placeable(self, path: Path, rows: list[RowT]) -> Iterator[tuple[RowT, str, _Entry]]:
        """Pair a file's annotations with their images, noting those that cannot be paired."""
        n_ids = sum(row.id is not None for row in rows)
        n_repeated = n_ids - len({row.id for row in rows if row.id is not None})
        if n_repeated:
            detail = f"{path}: {n_repeated} of {len(rows)} annotations repeat the id of an earlier one; kept"
            self.findings.append(Finding("repeated_annotation_id", None, detail))
        rows.reverse()
        while rows:  # each row is let go as its record is made: a third less memory at the peak
            row = rows.pop()
            image_id = id_text(row.image_id)
            entry = self.entries.get(image_id)
            if entry is None:
                self._note("unknown_image", image_id, row, f"{path} annotates an image that no file lists; left out")
            else:
                yield row, image_id, entry

    def _note(self, kind: str, image_id: str, row: InstanceRow | CaptionRow, detail: str) -> None:
        self.findings.append(Finding(kind, image_id, f"{_named(row)}: {detail}"))

    def corpus(self, limit: int | None) -> Corpus:
        """Freeze what was gathered: the first ``limit`` images and what was found of them."""
        images = tuple(
            AnnotatedImage(
                image_id,
                entry.file_name,
                entry.width,
                entry.height,
                tuple(entry.captions),
                tuple(entry.boxes),
                entry.licence,
            )
            for image_id, entry in islice(self.entries.items(), limit)
        )
        beyond = set(islice(self.entries, len(images), None))
        findings = tuple(finding for finding in self.findings if finding.image_id not in beyond)
        return Corpus(AnnotatedImages(columns_of(images)), tuple(self.categories), findings)


def _named(row: InstanceRow | CaptionRow) -> str:
    return "an annotation" if row.id is None else f"annotation {row.id}"


def _file_name(path: Path, row: ImageRow) -> str:
    """Path under the image folder; what leads out of the folder is found when the picture is opened."""
    name = row.file_name or (row.coco_url or "").partition("?")[0].rpartition("/")[2]
    if not name:
        raise CorpusError(f"{path}: image {row.id} has neither 'file_name' nor 'coco_url'. Add its file name.")
    return name.replace("\\", "/")


def _size(path: Path, row: ImageRow) -> tuple[int, int]:
    """Width and height in pixels, 0 for what the file leaves open."""
    sides = row.width or 0.0, row.height or 0.0
    if any(side > MAX_SIDE_PX or not side.is_integer() for side in sides):
        raise CorpusError(
            f"{path}: image {row.id} is {sides[0]:g} x {sides[1]:g} pixels large, which no picture is. "
            "Correct its width and height."
        )
    return max(0, int(sides[0])), max(0, int(sides[1]))


def _unite(image_id: str, earlier: _Entry, later: _Entry) -> None:
    """Lay a second listing of an image over the first."""
    is_same_size = all(
        not a or not b or a == b for a, b in ((earlier.width, later.width), (earlier.height, later.height))
    )
    if earlier.file_name != later.file_name or not is_same_size:
        told = (f"{entry.file_name} ({entry.width}x{entry.height}) in {entry.source}" for entry in (earlier, later))
        raise CorpusError(
            f"{later.source}: image {image_id} is {' but '.join(told)}. "
            "One id must mean one picture: give files of the same data set."
        )
    earlier.width = earlier.width or later.width
    earlier.height = earlier.height or later.height
    earlier.licence = earlier.licence or later.licence


def _category_names(path: Path, rows: Iterable[CategoryRow]) -> dict[str, str]:
    names: dict[str, str] = {}
    for row in rows:
        name = " ".join(row.name.split())  # a line break would break the context's lines
        if not name:
            raise CorpusError(f"{path}: category {row.id} has an empty name. Name it.")
        if names.setdefault(id_text(row.id), name) != name:
            raise CorpusError(f"{path}: category {row.id} is both '{names[id_text(row.id)]}' and '{name}'. Keep one.")
    return names
