"""Open Images: tables of boxes and of image-level labels that people verified; captions there are none.

As storage.googleapis.com/openimages/web/download.html has it. Boxes are corners as shares of the frame; ``IsGroupOf``
is a group of more than five that nobody counted, a crowd. What is only depicted (``IsDepiction``) or seen from inside
(``IsInside``) is left out, and its category is not counted to the end. Of the labels, those of people count (confidence
1 or 0); a machine's are passed over. A category that people found absent may be denied, any other may not. Of one that
they found present every object was to be boxed (arXiv 1811.00982), so it is not counted to the end only where it has no
box, as with a wider word such as "Clothing".

Tables are read a block at a time as Arrow columns: 14.6 million rows of boxes would be 15 GB of Python's objects.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datagen.config import CorpusSettings
from datagen.corpus.assembly import Assembly, Rows, corpus_of
from datagen.corpus.cache import cached
from datagen.corpus.coco.listing import licence_name
from datagen.corpus.images import ONLY_LABELLED, Annotations
from datagen.corpus.picture_folders import rank_of
from datagen.corpus.source import Corpus, FileSource, explain_unreadable
from datagen.errors import CorpusError

HEAD_BYTES = 1 << 14
MAX_FILES = 200
"""Of a folder that are looked into."""
MAX_TOLD = 100_000
"""Faulty rows of a table that are told one by one."""
_BOXES = ("ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax")
_FLAGS = ("IsGroupOf", "IsDepiction", "IsInside")
_LABELS = ("ImageID", "Source", "LabelName", "Confidence")
_IMAGES = ("ImageID", "License")
_KINDS = ("boxes", "image labels", "category names", "images")


def recognise_open_images(path: Path) -> bool:
    """Whether this is a table of boxes or labels, or a folder that holds one."""
    files = find_tables(path)
    return bool(files["boxes"] or files["image labels"])


def open_open_images(settings: CorpusSettings) -> FileSource:
    """The tables at ``corpus.path``: a folder's, or one with the names of categories beside it."""
    path = Path(settings.path or "")
    files = find_tables(path)

    def read() -> Corpus:
        if not files["boxes"] and not files["image labels"]:
            raise CorpusError(explain_unreadable(FileNotFoundError(2, "", str(path)), str(path)))
        return corpus_of(cached(files, lambda: _read(path, files)))

    return FileSource(
        name="open_images",
        files={kind: paths for kind, paths in files.items() if paths} or {"boxes": (str(path),)},
        read=read,
        pictures=_folder_of_pictures(path, files),
        is_exhaustive=False,
    )


def find_tables(path: Path) -> dict[str, tuple[str, ...]]:
    """The tables of a folder by what they hold; of one that is named alone, itself and the category names beside it."""
    found: dict[str, tuple[str, ...]] = dict.fromkeys(_KINDS, ())
    folder = path if path.is_dir() else path.parent
    tables = sorted(folder.glob("*.csv"), key=_split_first)[:MAX_FILES] if folder.is_dir() else []
    for one in tables:
        kind = _kind_of(one)
        if kind is not None and (path.is_dir() or one == path or kind == "category names"):
            found[kind] = (*found[kind], str(one))
    return found


def _split_first(path: Path) -> tuple[int, str]:
    return rank_of(re.split(r"[-_.]", path.name)), path.name


def _kind_of(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            lines = file.read(HEAD_BYTES).decode("utf-8-sig", "replace").splitlines()
    except OSError:
        return None
    names = {name.strip() for name in (lines[0].split(",") if lines else [])}
    for kind, needed in (("boxes", _BOXES), ("image labels", _LABELS), ("images", _IMAGES)):
        if {*needed} <= names:
            return kind
    if names == {"LabelName", "DisplayName"} or all(
        line.startswith(("/m/", "/g/", "/t/")) for line in lines[:2] or ["-"]
    ):
        return "category names"
    return None


def _folder_of_pictures(path: Path, files: dict[str, tuple[str, ...]]) -> str | None:
    """The folder of the tables, or one in it, that holds the first picture they name."""
    folder = path if path.is_dir() else path.parent
    for table in (*files["boxes"], *files["image labels"]):
        with Path(table).open(encoding="utf-8-sig", errors="replace", newline="") as file:
            row = next(csv.DictReader(file), {})
        name = f"{row.get('ImageID')}.jpg"
        below = sorted(one for one in folder.iterdir() if one.is_dir())[:MAX_FILES]
        return next((str(one) for one in (folder, *below) if "/" not in name and (one / name).is_file()), None)
    return None


class _Images:
    """Rows of images by their ids, entered as they come."""

    def __init__(self, assembly: Assembly, licences: dict[str, str | None]) -> None:
        self._assembly = assembly
        self._licences = licences
        self._rows: dict[str, int] = {}

    def row(self, image_id: str) -> int:
        """The row of an image; -1 for an id that is none."""
        row = self._rows.get(image_id)
        if row is None:
            if not image_id or "/" in image_id or "\ufffd" in image_id or "\0" in image_id:
                return -1
            row = self._assembly.add_image(f"{image_id}.jpg", licence=self._licences.get(image_id))
            self._rows[image_id] = row
        return row


def _read(path: Path, files: dict[str, tuple[str, ...]]) -> Annotations:
    """Read all tables: names first, then boxes, then labels."""
    names = _read_names(files["category names"])
    if not names:
        raise CorpusError(
            f"{path}: no table of category names lies there, so '/m/01g317' has no name. Put Open Images' "
            "class-descriptions file (LabelName,DisplayName) beside the boxes."
        )
    assembly = Assembly(str(path), [*dict.fromkeys(names.values())])
    licences = _read_licences(files["images"])
    images = _Images(assembly, licences)
    boxed: list[Rows] = []
    n_records = n_apart = 0
    odd: list[tuple[str, str]] = []
    for table in files["boxes"]:
        for block in _blocks(table, (*_BOXES, *_FLAGS), odd):
            n_records += len(block)
            rows, categories = block.rows("ImageID", images.row), _categories(block, names, assembly)
            corners = np.column_stack([block.numbers(name) for name in ("XMin", "YMin", "XMax", "YMax")])
            is_group, is_depicted, is_inside = (block.numbers(name) == 1 for name in _FLAGS)
            is_read = (rows >= 0) & (categories >= 0) & np.isfinite(corners).all(axis=1)
            _tell(assembly, block, np.flatnonzero(~is_read), rows, categories)
            is_apart = is_read & (is_depicted | is_inside)
            n_apart += int(is_apart.sum())
            assembly.add_labels(np.column_stack((rows, categories))[is_apart])
            is_box = is_read & ~is_apart
            assembly.add_boxes(rows[is_box], categories[is_box], corners[is_box], crowds=is_group[is_box])
            boxed.append(np.unique(np.column_stack((rows, categories))[is_box], axis=0))
    if n_apart:
        told = f"{n_apart} boxes are of what is only depicted or seen from its inside; left out, counts are open"
        assembly.tell("box_depicted", None, told)
    has_box = _keys(np.concatenate([np.empty((0, 2), np.int32), *boxed]))
    for table in files["image labels"]:
        for block in _blocks(table, _LABELS, odd):
            n_records += len(block)
            rows, categories = block.rows("ImageID", images.row), _categories(block, names, assembly)
            confidence = block.numbers("Confidence")
            is_told = ((confidence == 0) | (confidence == 1)) & block.matches("Source", "verification", "crowdsource")
            is_read = is_told & (rows >= 0) & (categories >= 0)
            _tell(assembly, block, np.flatnonzero(is_told & ~is_read), rows, categories)
            pairs = np.column_stack((rows, categories))
            is_boxless = is_read & ~np.isin(_keys(pairs), has_box)
            absent = np.unique(pairs[is_boxless & (confidence == 0)], axis=0)
            assembly.add_labels(np.column_stack((absent[:, 0], -1 - absent[:, 1])))
            assembly.add_labels(np.unique(pairs[is_boxless & (confidence == 1)], axis=0))
    marks = np.full((len(assembly), 2), ONLY_LABELLED, np.int32)
    marks[:, 0] = np.arange(len(assembly))
    assembly.add_labels(marks)
    for place, fault in odd:
        assembly.tell_unreadable(place, fault)
    return assembly.annotations(n_records + len(odd))


def _keys(pairs: Rows) -> NDArray[np.int64]:
    """Image and category as one number."""
    return (pairs[:, 0].astype(np.int64) << 32) | pairs[:, 1].astype(np.int64)


def _categories(block: _TableRows, names: dict[str, str], assembly: Assembly) -> Rows:
    return block.rows("LabelName", lambda label: assembly.category(names[label]) if label in names else -1)


def _tell(assembly: Assembly, block: _TableRows, odd: NDArray[np.int64], rows: Rows, categories: Rows) -> None:
    """Tell rows that cannot be read."""
    for at in odd.tolist():
        if assembly.n_faulty >= MAX_TOLD:
            assembly.note_faulty("")
            continue
        fault = "its corners are no numbers"
        if rows[at] < 0:
            fault = "its ImageID is none"
        elif categories[at] < 0:
            fault = f"its LabelName '{block.text('LabelName', at)[:40]}' stands in no table of category names"
        image = int(rows[at]) if rows[at] >= 0 else None
        assembly.tell_unreadable(f"{block.name}, line {block.first_line + at}", fault, image=image)


class _TableRows:
    """Some rows of a table, by column.

    Attributes:
        name: Of the file.
        first_line: Of its first row.
    """

    def __init__(self, name: str, first_line: int, batch: Any) -> None:
        self.name = name
        self.first_line = first_line
        self._batch = batch

    def __len__(self) -> int:
        return int(self._batch.num_rows)

    def text(self, column: str, at: int) -> str:
        """One value."""
        return str(self._batch.column(column)[at].as_py().decode("utf-8", "replace"))

    def rows(self, column: str, row_of: Any) -> Rows:
        """What each value stands for; each is looked up once a block."""
        encoded = self._batch.column(column).dictionary_encode()
        values = [row_of(value.decode("utf-8", "replace")) for value in encoded.dictionary.to_pylist()]
        rows: Rows = np.array([*values, -1], np.int32)[_buffer(encoded.indices, np.int32)]
        return rows

    def numbers(self, column: str) -> NDArray[np.float64]:
        """Values as numbers; NaN for what is none, or where the table has no such column."""
        import pyarrow as pa

        texts = self._batch.column(column)
        if texts.null_count:
            return np.full(len(self), np.nan)
        try:
            return _buffer(texts.cast(pa.string()).cast(pa.float64()), np.float64)
        except pa.ArrowInvalid:
            return np.array([_number(text) for text in texts.to_pylist()], np.float64)

    def matches(self, column: str, *starts: str) -> NDArray[np.bool_]:
        """Which values begin with one of some words."""
        encoded = self._batch.column(column).dictionary_encode()
        found = [value.decode("utf-8", "replace").startswith(starts) for value in encoded.dictionary.to_pylist()]
        matching: NDArray[np.bool_] = np.array([*found, False], np.bool_)[_buffer(encoded.indices, np.int32)]
        return matching


def _buffer(array: Any, dtype: type[np.generic]) -> NDArray[Any]:
    """Arrow's numbers without pandas, which ``to_numpy`` would import."""
    values = np.frombuffer(array.buffers()[1] or b"", dtype)
    return values[array.offset : array.offset + len(array)]


def _number(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _blocks(path: str, columns: Sequence[str], odd: list[tuple[str, str]]) -> Iterator[_TableRows]:
    """Read a table a block of a megabyte at a time.

    Args:
        path: Of the table.
        columns: To be read; those that it has not are empty.
        odd: Takes the rows of another number of columns: place, and what is wrong.

    Raises:
        CorpusError: It is no table.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    name = Path(path).name

    def skip(row: Any) -> str:
        fault = f"has {row.actual_columns} columns, the first line has {row.expected_columns}"
        odd.append((f"{name}, line {row.number}", fault))
        return "skip"

    convert = arrow_csv.ConvertOptions(
        check_utf8=False,
        strings_can_be_null=False,
        include_columns=list(columns),
        include_missing_columns=True,
        column_types=dict.fromkeys(columns, pa.binary()),
    )
    line = 2
    try:
        with arrow_csv.open_csv(
            path,
            read_options=arrow_csv.ReadOptions(use_threads=False),
            parse_options=arrow_csv.ParseOptions(invalid_row_handler=skip),
            convert_options=convert,
        ) as reader:
            for batch in reader:
                yield _TableRows(name, line, batch)
                line += batch.num_rows
    except pa.ArrowInvalid as error:
        raise CorpusError(f"{path}: is no CSV table ({' '.join(str(error).split())[:200]}).") from None


def _read_names(paths: Sequence[str]) -> dict[str, str]:
    """Category names by their codes, such as "/m/01g317"."""
    names: dict[str, str] = {}
    for path in paths:
        with Path(path).open(encoding="utf-8-sig", errors="replace", newline="") as file:
            names |= {row[0]: row[1] for row in csv.reader(file) if len(row) == 2 and row[0] != "LabelName"}
    return names


def _read_licences(paths: Sequence[str]) -> dict[str, str | None]:
    """Licences by image."""
    found: dict[str, str | None] = {}
    named: dict[str, str | None] = {}
    for path in paths:
        with Path(path).open(encoding="utf-8-sig", errors="replace", newline="") as file:
            for row in csv.DictReader(file):
                url = row.get("License") or ""
                if url not in named:
                    named[url] = licence_name(None, url)
                found[row.get("ImageID") or ""] = named[url]
    return found
