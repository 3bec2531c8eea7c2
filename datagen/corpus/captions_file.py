"""Pictures with one file of captions: lines, a table (CSV), JSON Lines, or Karpathy's JSON; boxes there are none.

- lines ``name<tab>caption`` or ``name,caption``, as Flickr8k's ``1.jpg#0<tab>A dog .``;
- a table whose first line names the columns, such as ``image,caption`` or Flickr30k's ``image_name| comment``;
- JSON Lines with such keys, as ``metadata.jsonl`` of an image folder on the Hugging Face hub;
- ``{"images": [{"filename": ..., "sentences": [{"raw": ...}]}]}``, as Karpathy's splits of COCO and Flickr.

The captions of one name belong together, wherever they stand.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw, Struct

from datagen.config import CorpusSettings
from datagen.corpus.assembly import Assembly
from datagen.corpus.cache import cached
from datagen.corpus.coco.reader import NotPlain, read_object
from datagen.corpus.image_records import ImageRecord
from datagen.corpus.images import AnnotatedImages, Annotations
from datagen.corpus.picture_folders import SUFFIXES
from datagen.corpus.source import Corpus, FileSource
from datagen.errors import CorpusError
from datagen.words import COCO_CATEGORIES

NAME_KEYS = (
    "file_name",
    "filename",
    "image_name",
    "image_path",
    "image_file",
    "image",
    "img",
    "filepath",
    "file",
    "path",
    "name",
)
CAPTION_KEYS = ("caption", "captions", "text", "comment", "description", "sentence", "sentences")
LICENCE_KEYS = ("licence", "license")
HEAD_BYTES = 1 << 16
"""Read to know a file."""
MAX_FILES = 200
"""Of a folder that are looked into for the one with captions."""
MAX_LINES = 20
"""Of a caption in quotes; a longer one is many records behind a mark that nobody closed."""
_ENDS = (".txt", ".tsv", ".csv", ".token", ".jsonl", ".json")
_NUMBERED = re.compile(r"#\d+$")
"""Flickr's number of a caption behind the picture's name."""
_MORE_CAPTIONS = re.compile(r"caption[ _]?\d+")
_FIRST_NAME = re.compile(r'"filename"\s*:\s*"([^"\\\\]+)"')
_DELIMITERS = ("\t", ",", ";", "|")


class _Columns(Struct, frozen=True):
    """Where a table has what.

    Attributes:
        delimiter: Between its columns.
        n: How many there are.
        name: Place of the picture's name.
        captions: Places of captions.
        licence: Place of the licence; -1 for none.
    """

    delimiter: str
    n: int
    name: int
    captions: tuple[int, ...]
    licence: int


class _CaptionRow(Struct):
    """Captions of a picture, or why there are none.

    Attributes:
        place: Of the record in its file.
        fault: The end of a sentence.
    """

    place: str
    name: str = ""
    captions: Sequence[str] = ()
    licence: str | None = None
    fault: str | None = None


class _Sentence(Struct):
    raw: str


class _Split(Struct):
    """One image of Karpathy's splits."""

    filename: str
    sentences: list[_Sentence]
    filepath: str = ""


def recognise_captions(path: Path) -> bool:
    """Whether this is a file of captions, or a folder that holds just one."""
    return _find_file(path) is not None


def open_captions(settings: CorpusSettings) -> FileSource:
    """The file at ``corpus.path``, or the one in that folder."""
    path = Path(settings.path or "")
    found = _find_file(path) or path

    def read() -> Annotations:
        return _read(found)

    def load() -> Corpus:
        kept = cached({"captions": (str(found),)}, read)
        # Captions name no categories, so claims are read with COCO's; no picture has a box, so none is refuted.
        return Corpus(AnnotatedImages(kept.columns), COCO_CATEGORIES, kept.findings, kept.refusal)

    return FileSource(
        name="captions",
        files={"captions": (str(found),)},
        read=load,
        pictures=_folder_of_pictures(found),
    )


def _find_file(path: Path) -> Path | None:
    if path.is_file():
        return path if _is_captions(path) else None
    if not path.is_dir():
        return None
    files = (one for one in sorted(path.iterdir()) if one.suffix.lower() in _ENDS and one.is_file())
    found = [one for one in islice(files, MAX_FILES) if _is_captions(one)]
    return found[0] if len(found) == 1 else None


def _is_captions(path: Path) -> bool:
    head = _head_of(path)
    lines = [line for line in head.splitlines() if line.strip()]
    if not lines or path.suffix.lower() not in _ENDS:
        return False
    if path.suffix.lower() == ".json":
        return head.lstrip().startswith("{") and '"sentences"' in head and '"filename"' in head
    if path.suffix.lower() == ".jsonl":
        return is_caption_record(lines[0])
    return _columns_in(lines[0]) is not None or all(_is_picture(name) and text for name, text in map(_split, lines[:3]))


def _head_of(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(HEAD_BYTES)
    is_wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    return data.decode("utf-16" if is_wide else "utf-8-sig", "replace")


def is_caption_record(line: str) -> bool:
    """Whether a line of JSON names a picture and has a caption, under other keys than a record of images."""
    try:
        keys = msgspec.json.decode(line, type=dict[str, Raw]).keys()
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return False
    return not keys <= {*ImageRecord.__struct_fields__} and _place_of(keys) is not None


def _place_of(keys: Iterable[str]) -> tuple[str, list[str]] | None:
    """Which of some keys name the picture, and which are captions; None where one of both is missing."""
    given = {key.strip().lower(): key for key in reversed([*keys])}
    name = next((given[key] for key in NAME_KEYS if key in given), None)
    captions = [given[key] for key in CAPTION_KEYS if key in given][:1]
    captions += [key for lowered, key in sorted(given.items()) if _MORE_CAPTIONS.fullmatch(lowered)]
    return (name, captions) if name is not None and captions else None


def _columns_in(line: str) -> _Columns | None:
    """Read the first line of a table; None where it names no columns."""
    for delimiter in _DELIMITERS:
        try:
            names = next(csv.reader([line], delimiter=delimiter), [])
        except csv.Error:
            continue
        if (found := _place_of(names)) is not None:
            licence = next((n for n, name in enumerate(names) if name.strip().lower() in LICENCE_KEYS), -1)
            return _Columns(delimiter, len(names), names.index(found[0]), tuple(map(names.index, found[1])), licence)
    return None


def _split(line: str) -> tuple[str, str]:
    """Name and caption of a line: parted by a tab, else by a comma behind the name."""
    name, sign, caption = line.partition("\t")
    if not sign:
        name, _, caption = line.partition(",")
    return _NUMBERED.sub("", name.strip()), caption.strip().removeprefix('"').removesuffix('"')


def _is_picture(name: str) -> bool:
    return f".{name.rpartition('.')[2].lower()}" in SUFFIXES


def _folder_of_pictures(path: Path) -> str | None:
    """The file's own folder, or the one in it that holds the first picture it names; None where none does."""
    try:
        if path.suffix.lower() == ".json":
            found = _FIRST_NAME.search(_head_of(path))
            first = found[1] if found else None
        else:
            first = next((row.name for row in islice(_rows(path), 100) if row.name), None)
        below = sorted(one for one in path.parent.iterdir() if one.is_dir())[:MAX_FILES] if first else []
        places = (path.parent, *below, *(deeper for one in below for deeper in islice(one.iterdir(), MAX_FILES)))
        return next((str(one) for one in places if (one / str(first)).is_file()), None)
    except (OSError, ValueError, CorpusError):
        return None  # told when it is read


class _Captions:
    """All captions of a file on their way into a corpus; a faulty record costs itself."""

    def __init__(self, path: Path) -> None:
        self.assembly = Assembly(str(path))
        self.n_records = 0
        self._file = path.name
        self._images: dict[str, int] = {}

    def add(self, row: _CaptionRow) -> None:
        """Take a record."""
        self.n_records += 1
        fault = row.fault or ("names no picture" if not row.name else None)
        if fault is None and ("\ufffd" in row.name or "\0" in row.name):
            fault = "the name of its picture is no UTF-8"
        if fault is not None:
            self.assembly.tell_unreadable(f"{self._file}, {row.place}", fault)
            return
        image = self._images.get(row.name)
        if image is None:
            image = self._images[row.name] = self.assembly.add_image(row.name, licence=row.licence)
        self.assembly.add_captions(image, row.captions)


def _read(path: Path) -> Annotations:
    """Read a file of any of the forms.

    Raises:
        CorpusError: It is UTF-16, no JSON, or names no picture.
    """
    with path.open("rb") as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            raise CorpusError(f"{path}: is UTF-16 text. Save it as UTF-8.")
    captions = _Captions(path)
    if path.suffix.lower() == ".json":
        _read_karpathy(path, captions)
    else:
        for row in _rows(path):
            captions.add(row)
    return captions.assembly.annotations(captions.n_records)


def _rows(path: Path) -> Iterator[_CaptionRow]:
    """Read a file line by line."""
    return _json_rows(path) if path.suffix.lower() == ".jsonl" else _text_rows(path)


def _text_rows(path: Path) -> Iterator[_CaptionRow]:
    """Read a table or lines."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        first = next((line for line in file if line.strip()), "")
        columns = _columns_in(first)
        if columns is None:
            for number, line in enumerate(chain([first], file), start=1):
                if line.strip():
                    name, caption = _split(line)
                    fault = None if caption else "holds no tab and no comma between name and caption"
                    yield _CaptionRow(f"line {number}", name, (caption,), fault=fault)
            return
        reader = csv.reader(file, delimiter=columns.delimiter)
        while True:
            place = f"line {reader.line_num + 2}"
            try:
                values = next(reader, None)
            except csv.Error as error:
                yield _CaptionRow(place, fault=str(error))
                continue
            if values is None:
                return
            if values:
                yield _table_row(place, values, columns)


def _table_row(place: str, values: list[str], columns: _Columns) -> _CaptionRow:
    if len(values) > columns.n and columns.captions[-1] == columns.n - 1:  # commas of a caption without quotes
        values = [*values[: columns.n - 1], columns.delimiter.join(values[columns.n - 1 :])]
    if (n_lines := max(value.count("\n") for value in values)) > MAX_LINES:
        return _CaptionRow(place, fault=f"a quotation mark is not closed for {n_lines} lines, which are lost with it")
    if len(values) != columns.n:
        return _CaptionRow(place, fault=f"has {len(values)} columns, the first line has {columns.n}")
    name = _NUMBERED.sub("", values[columns.name].strip())
    captions = [values[n] for n in columns.captions]
    if len(captions) > 1:  # a table with five columns of captions need not fill them all
        captions = [text for text in captions if text.strip()]
    return _CaptionRow(
        place, name, captions, (values[columns.licence].strip() or None) if columns.licence >= 0 else None
    )


def _json_rows(path: Path) -> Iterator[_CaptionRow]:
    """Read JSON Lines."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                record = msgspec.json.decode(line.removeprefix(b"\xef\xbb\xbf"), type=dict[str, Any])
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                yield _CaptionRow(f"line {number}", fault=f"is no JSON object in UTF-8 ({error})")
                continue
            yield _json_row(f"line {number}", record)


def _json_row(place: str, record: dict[str, Any]) -> _CaptionRow:
    found = _place_of(record)
    if found is None:
        return _CaptionRow(
            place, fault=f"holds no name of a picture with a caption, but {', '.join([*record][:5]) or 'nothing'}"
        )
    given = [record[key] for key in found[1]]
    captions = [text for one in given for text in (one if isinstance(one, list) else [one])]
    name = record[found[0]]
    if not isinstance(name, str) or not all(isinstance(text, str) for text in captions):
        return _CaptionRow(place, fault="the name or a caption is no text")
    licence = next((record[key] for key in LICENCE_KEYS if isinstance(record.get(key), str)), None)
    return _CaptionRow(place, name, captions, licence)


def _read_karpathy(path: Path, captions: _Captions) -> None:
    """Read Karpathy's splits, a block at a time."""
    many, one_by_one = msgspec.json.Decoder(list[_Split]), msgspec.json.Decoder(list[Raw])

    def take(piece: bytes) -> None:
        try:
            rows: Sequence[_Split | str] = many.decode(piece)
        except msgspec.ValidationError:
            rows = [_split_of(raw) for raw in one_by_one.decode(piece)]
        for row in rows:
            place = f"images[{captions.n_records}]"
            if isinstance(row, str):
                captions.add(_CaptionRow(place, fault=row))
            else:
                name = f"{row.filepath}/{row.filename}" if row.filepath else row.filename
                captions.add(_CaptionRow(place, name, [sentence.raw for sentence in row.sentences]))

    try:
        with path.open("rb") as file:
            read_object(file, {"images": take})
    except NotPlain:
        raise CorpusError(f"{path}: is no whole JSON object of 'images'. Copy or download it again.") from None


def _split_of(raw: Raw) -> _Split | str:
    try:
        return msgspec.json.decode(raw, type=_Split)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return str(error)
