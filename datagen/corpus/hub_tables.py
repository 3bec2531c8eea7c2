"""Data sets of the Hugging Face hub, by their ids or as files: Parquet, and what ``datasets.save_to_disk`` writes.

As huggingface.co/docs/datasets (about_dataset_features, object_detection) has it: a column of pictures, columns of
captions, and ``objects`` with ``bbox`` (COCO's: left, top, width, height in pixels) and ``category``, whose names stand
in the schema. ``datasets`` is not needed: of ``hf:OWNER/NAME`` columns are read at the hub, and pictures fetched when
they are looked at.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from datagen.config import CorpusSettings
from datagen.corpus.assembly import Assembly, Corners, corpus_of, seems
from datagen.corpus.cache import FORMAT as CACHE_FORMAT
from datagen.corpus.cache import Cache, read_cache, write_cache
from datagen.corpus.cache_folder import cache_folder
from datagen.corpus.captions_file import CAPTION_KEYS, LICENCE_KEYS
from datagen.corpus.hub_parquet import HubTables, hub_tables, is_hub_id
from datagen.corpus.images import MAX_SIDE_PX, Annotations
from datagen.corpus.picture_folders import SUFFIXES
from datagen.corpus.picture_tables import Table, find_tables, picture_column
from datagen.corpus.pictures import size_of
from datagen.corpus.source import Corpus, FileSource
from datagen.errors import CorpusError
from datagen.said_again import HUB_ID
from datagen.version import __version__
from datagen.words import COCO_CATEGORIES

_OBJECTS = ("objects", "annotations", "object")
_BOXES = ("bbox", "bboxes", "boxes", "box")
_CATEGORIES = ("category", "categories", "category_id", "label", "labels", "class", "name", "names")
_CAPTIONS = ("caption", *(key for key in CAPTION_KEYS if key != "caption"), *(f"caption_{n}" for n in range(10)))
MAX_TOLD = 10_000
"""Faulty rows that are told one by one."""


class _Layout(Struct, frozen=True):
    """Which columns hold what.

    Attributes:
        image: Of pictures.
        has_path: They are structs, with the name that the picture had.
        captions: Of captions.
        objects: Of boxes.
        names: Of categories by number, where the schema tells them.
        has_size: Whether ``width`` and ``height`` are there.
        licence: Of licences.
    """

    image: str
    has_path: bool
    captions: tuple[str, ...]
    objects: str | None
    names: tuple[str, ...]
    has_size: bool
    licence: str | None

    @property
    def read(self) -> list[str]:
        """The columns to read: pictures themselves only where nothing else tells their sizes."""
        is_sized = self.has_size or self.objects is None
        image = [f"{self.image}.path"] if self.has_path and is_sized else [self.image] * (not is_sized)
        more = [self.objects] * (self.objects is not None) + [self.licence] * (self.licence is not None)
        return [*image, *self.captions, *more, *("width", "height")[: 2 * self.has_size]]  # type: ignore[list-item]


def recognise_hub_tables(path: Path) -> bool:
    """Whether this is a table, or a folder of them, with pictures and captions or boxes."""
    tables = find_tables(path)
    try:
        return bool(tables) and _layout_of(Table(tables[0])) is not None
    except _arrow_faults():
        return False


def explain_no_hub_tables(path: Path) -> str | None:
    """Say why tables are no data set of pictures with captions or boxes; None where there are none.

    Raises:
        CorpusError: The first cannot be read.
    """
    tables = find_tables(path)
    if not tables:
        return None
    try:
        schema = Table(tables[0]).schema
    except _arrow_faults() as error:
        told = " ".join(str(error).split())[:200]
        raise CorpusError(f"{tables[0]}: cannot be read ({told}). Copy or download it again.") from None
    held = ", ".join(f"{field.name} ({str(field.type)[:40]})" for field in list(schema)[:12])
    told = "has no column of pictures with one of captions (text) or objects (bbox and category)"
    return f"{tables[0]}: {told}; it holds {held}. docs/sources.md has the names."


def open_hub_tables(settings: CorpusSettings) -> FileSource | HubSource:
    """The tables at ``corpus.path``, which is a path or an id on the hub."""
    if settings.path is not None and is_hub_id(settings.path):
        return HubSource(settings.path, settings.limit)
    path = Path(settings.path or "")
    files = find_tables(path) or [path]
    inside = f"{path}/*{files[0].suffix}" if path.is_dir() else str(path)
    has_pixels = _holds_pixels(files[0])
    root = path if path.is_dir() else path.parent
    tables = [(Path(os.path.relpath(file, root)).as_posix(), partial(Table, file)) for file in files]
    return FileSource(
        name="datasets",
        files={"tables": tuple(map(str, files))},
        read=lambda: _corpus_of(_read(str(path), tables, has_pixels=has_pixels)),
        pictures=inside if has_pixels else None,
    )


class HubSource(Struct, frozen=True):
    """A data set on the hub; see ``Source``. Opening it asks nobody.

    Attributes:
        path: Its id.
        limit: Rows that are read; None reads all. What stands behind them is not fetched.
        may_fetch: False takes what an earlier start of this machine read: a run folder may be a stranger's.
    """

    path: str
    limit: int | None = None
    may_fetch: bool = True

    @property
    def name(self) -> str:
        """Of the format."""
        return "datasets"

    @property
    def pictures(self) -> str:
        """The same id, by which they are fetched."""
        return self.path

    @property
    def is_exhaustive(self) -> None:
        """Left open."""
        return

    def identity(self) -> tuple[str, ...]:
        """The id."""
        return (self.path,)

    def describe(self) -> list[tuple[str, str]]:
        """The id."""
        return [("data set of the hub", self.path)]

    def digest(self) -> dict[str, str]:
        """The commit."""
        return {f"data set ({self.path})": self._tables.commit}

    def stamp(self) -> list[str]:
        """Id and commit."""
        return [self.path, self._tables.commit]

    @property
    def _tables(self) -> HubTables:
        return hub_tables(self.path, may_fetch=self.may_fetch)

    def load(self) -> Corpus:
        """Read its columns at the hub, or what an earlier start read of the same commit; see ``Source``."""
        found, folder = self._tables, cache_folder()
        told = hashlib.sha256(msgspec.json.encode([CACHE_FORMAT, __version__, found, self.limit])).hexdigest()
        cache = None if folder is None else Cache(folder / f"{told[:32]}.arrow", told)
        kept = read_cache(cache) if cache else None
        if kept is None:
            if not self.may_fetch:
                raise CorpusError(f"{self.path}: its columns were not read on this machine.")
            tables = [(name, partial(_remote_table, found, name)) for name, _ in found.files]
            try:
                kept = _read(self.path, tables, has_pixels=True, limit=self.limit)
            except _arrow_faults() as error:
                raise CorpusError(f"{self.path}: cannot be read ({' '.join(str(error).split())[:200]}).") from None
            if cache is not None:
                write_cache(cache, kept)
        return _corpus_of(kept)


def _remote_table(found: HubTables, name: str) -> Table:
    """Open a file of the hub.

    Raises:
        CorpusError: The pictures are not in it.
    """
    table = Table(Path(name), found.open(name))
    column = picture_column(table.schema)
    if column is not None and not table.may_hold(column):
        raise CorpusError(
            f"{HUB_ID}{found.repo}: {name} tells the paths of pictures and does not hold them; fetch it with 'hf "
            f"download --repo-type dataset {found.repo} --local-dir mine', then --corpus mine --images FOLDER."
        )
    return table


def _holds_pixels(file: Path) -> bool:
    """Whether the first picture is inside; ``to_parquet`` of a data set of files writes their paths alone."""
    try:
        table = Table(file)
        column = picture_column(table.schema)
        return column is not None and table.picture(0, column) is not None
    except _arrow_faults():
        return False


def _arrow_faults() -> tuple[type[Exception], ...]:
    import pyarrow as pa

    return (OSError, pa.ArrowException)


def _layout_of(table: Table) -> _Layout | None:
    """Find the columns by their names and types; None where there are no pictures, or nothing is told of them."""
    import pyarrow as pa

    schema = table.schema
    image = picture_column(schema)
    names = {name for name, n in Counter(schema.names).items() if n == 1}  # of two of a name none is known to be meant
    texts = tuple(name for name in dict.fromkeys(_CAPTIONS) if name in names and _holds_text(schema.field(name).type))
    objects = next((name for name in _OBJECTS if name in names and pa.types.is_nested(schema.field(name).type)), None)
    if image is None or not (texts or objects):
        return None
    return _Layout(
        image,
        pa.types.is_struct(schema.field(image).type),
        texts,
        objects,
        _names_in(schema.metadata, objects),
        {"width", "height"} <= names,
        next((name for name in LICENCE_KEYS if name in names and _holds_text(schema.field(name).type)), None),
    )


def _holds_text(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _names_in(metadata: Mapping[bytes, bytes] | None, objects: str | None) -> tuple[str, ...]:
    """The names of the categories of boxes, as ``datasets`` writes them beside the schema."""
    try:
        told = msgspec.json.decode((metadata or {}).get(b"huggingface", b"{}"))
        tree = told["info"]["features"][objects]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
        return ()
    left = [tree]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            names = node.get("names")
            if isinstance(names, list) and node.get("_type", "ClassLabel") == "ClassLabel":
                return tuple(map(str, names))
            left += node.values()
        elif isinstance(node, list):
            left += node
    return ()


def _read(
    path: str, tables: Iterable[tuple[str, Callable[[], Table]]], *, has_pixels: bool, limit: int | None = None
) -> Annotations:
    """Read all rows of all tables, or the first ones; pictures stay where they are."""
    n_rows = 0
    reading = _Rows(Assembly(path), has_pixels=has_pixels)
    for name, open_table in tables:
        if limit is not None and n_rows >= limit:
            break
        try:
            table = open_table()
            layout = _layout_of(table)
            if layout is None:
                raise CorpusError(f"{path}: {name} has no column of pictures with one of captions or objects.")
            n_read = len(table) if limit is None else min(len(table), limit - n_rows)
            n_rows += n_read
            for declared in layout.names:
                reading.assembly.category(declared)
            for number, row in enumerate(islice(table.rows(layout.read), n_read)):
                reading.add(name, number, row, layout)
        except _arrow_faults() as error:
            n_rows += 1
            reading.assembly.tell_unreadable(name, f"cannot be read ({' '.join(str(error).split())[:200]})")
    found = reading.assembly.annotations(n_rows, _guess)
    if reading.are_shares:
        told = "its boxes are shares of the frame from 0 to 1: multiply by width and height"
        found = replace(found, refusal=f"{path}: no box reaches beyond the first pixel. Likely cause: {told}.")
    return found


def _corpus_of(found: Annotations) -> Corpus:
    corpus = corpus_of(found)
    return corpus if corpus.categories else replace(corpus, categories=COCO_CATEGORIES)  # as of captions alone


class _Rows:
    """Makes images of rows.

    Args:
        assembly: Takes them.
        has_pixels: Pictures are inside; else rows name their files.
    """

    def __init__(self, assembly: Assembly, *, has_pixels: bool) -> None:
        self.assembly, self._has_pixels = assembly, has_pixels
        self._largest = 0.0

    @property
    def are_shares(self) -> bool:
        """Whether no box has a number above 1, so that none can be in pixels."""
        return 0 < self._largest <= 1

    def add(self, name: str, number: int, row: Mapping[str, Any], layout: _Layout) -> None:
        """Enter an image with what its row tells; what cannot be read of it is told."""
        value = row.get(layout.image)
        picture = value if isinstance(value, Mapping) else {}
        at = picture.get("path") or ""
        suffix = PurePosixPath(str(at)).suffix.lower()
        inside = f"{name}/{number}{suffix if suffix in SUFFIXES else '.jpg'}"
        if not at and not self._has_pixels:
            self.assembly.tell_unreadable(f"{name}, row {number}", "has neither a picture nor the path of one")
            return
        width, height = self._size(row, layout, picture.get("bytes") if layout.has_path else value)
        licence = row.get(layout.licence or "")
        image = self.assembly.add_image(
            inside if self._has_pixels else str(at),
            width,
            height,
            licence if isinstance(licence, str) and licence else None,
        )
        texts = [one for key in layout.captions for one in _texts(row.get(key))]
        self.assembly.add_captions(image, [*dict.fromkeys(texts)])
        if layout.objects is not None:
            self._add_boxes(image, f"{name}, row {number}", row.get(layout.objects), (width, height), layout.names)

    @staticmethod
    def _size(row: Mapping[str, Any], layout: _Layout, data: object) -> tuple[int, int]:
        if layout.has_size:
            width, height = row.get("width"), row.get("height")
            is_size = isinstance(width, int) and isinstance(height, int) and 0 < width <= MAX_SIDE_PX >= height > 0
            return (width, height) if is_size else (0, 0)  # type: ignore[return-value]
        if layout.objects is None or not isinstance(data, bytes):
            return 0, 0
        return size_of(data)

    def _add_boxes(self, image: int, place: str, objects: Any, size: tuple[int, int], names: tuple[str, ...]) -> None:
        boxes: list[tuple[float, ...]] = []
        categories: list[int] = []
        for box, category in _pairs(objects):
            fault = ""
            named = names[category] if isinstance(category, int) and 0 <= category < len(names) else category
            if box is None:
                fault = "has not one box for each category"
            elif not isinstance(named, str):
                fault = f"the category of a box is {str(category)[:40]}, and nothing names it"
            elif not isinstance(box, list) or len(box) != 4 or not all(isinstance(side, int | float) for side in box):
                fault = "a box has not four numbers"
            elif not all(map(math.isfinite, box)):
                fault = "a number of a box is not finite"
            elif not all(size):
                fault = "has boxes, and nothing tells the picture's size"
            if fault:
                if self.assembly.n_faulty < MAX_TOLD:
                    self.assembly.tell_unreadable(place, fault, image=image)
                return
            left, top, across, down = box
            self._largest = max(self._largest, *box)
            boxes.append((left / size[0], top / size[1], (left + across) / size[0], (top + down) / size[1]))
            categories.append(self.assembly.category(named))
        if boxes:
            self.assembly.add_boxes([image] * len(boxes), categories, boxes)


def _texts(value: object) -> Iterator[str]:
    yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))


def _pairs(objects: Any) -> Iterator[tuple[Any, Any]]:
    """Boxes with their categories, of a struct of lists or of a list of structs."""
    if isinstance(objects, Mapping):
        boxes, categories = (_first_of(objects, keys) for keys in (_BOXES, _CATEGORIES))
        if isinstance(boxes, list) and isinstance(categories, list) and len(boxes) == len(categories):
            yield from zip(boxes, categories, strict=True)
        elif boxes or categories:
            yield None, None
    elif isinstance(objects, list):
        for one in objects:
            if isinstance(one, Mapping):
                yield _first_of(one, _BOXES), _first_of(one, _CATEGORIES)


def _first_of(row: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((row[key] for key in keys if key in row), None)


def _guess(corners: Corners) -> str | None:
    """What the numbers of the boxes seem to be instead of left, top, width and height."""
    given = corners.copy()
    given[:, 2:] -= given[:, :2]
    return "its boxes are corners [left, top, right, bottom]; COCO's have width and height" if seems(given) else None
