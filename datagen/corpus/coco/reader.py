"""Reads a COCO file, a block of bytes at a time, into columns; what stands between the long lists is read whole.

A list is cut behind the last object that ends in a block. Where that is gets guessed first: at ``}``, ``,``, ``{``.
Such signs may also stand in a caption or deep inside an object, but then ``[`` + piece + ``]`` is no JSON; so a piece
that decodes was cut well, whatever it holds. Where it does not, the block is parsed object by object.
Nothing here explains a fault: whatever is not plain raises ``NotPlain``, and the file is then decoded whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import numpy as np
from msgspec import Raw, Struct

from datagen.corpus.coco.boxes import (
    BrokenRow,
    CaptionRow,
    CaptionsFile,
    CategoryRow,
    Id,
    ImageRow,
    InstanceRow,
    InstancesFile,
    LicenceRow,
)
from datagen.corpus.coco.broken_records import cut_out_broken, made_plain
from datagen.corpus.coco.columns import (
    CaptionRows,
    Captions,
    Faults,
    Ids,
    ImageRows,
    InstanceRows,
    Instances,
)
from datagen.corpus.coco.diagnose import decode_whole
from datagen.corpus.coco.row_reader import RowReader
from datagen.errors import CorpusError

Take = Callable[[bytes], object]
"""Decodes a JSON array and keeps what it needs of it; msgspec's errors tell that it is none."""

BLOCK_BYTES = 1 << 18
"""Read at a time. The rows of a block are let go before the next is read, so they stay in the processor's cache: with
blocks of 2 MB decoding and letting go take a third longer."""
MAX_HELD_BYTES = 16 << 20
"""Longer values are left to the decoder of whole files: parsing one to find its end takes ten times its size."""

_SHORT_LISTS = ("categories",)
"""Those that a file may not have twice either."""
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_SPACE = re.compile(rb"[ \t\n\r]*")
_KEY = re.compile(rb'("(?:[^"\\]|\\.){0,1000}+")[ \t\n\r]*:[ \t\n\r]*(?=[^ \t\n\r])', re.DOTALL)
_BETWEEN = re.compile(rb"\}[ \t\n\r]*,[ \t\n\r]*\{")
_COMMA = re.compile(r"[ \t\n\r]*,[ \t\n\r]*")
_JSON = json.JSONDecoder(strict=False)


class Readable(Protocol):
    """A file of bytes."""

    def read(self, size: int, /) -> bytes:
        """Read at most so many bytes; none at the end."""


_GOES_ON = b"0123456789.eE+-"
"""What may follow a number that is not whole: "1" of "1.5" is one, too. Nothing, where no more is held, is among it."""


class NotPlain(Exception):  # noqa: N818 - no fault: the file is only read in another way
    """This file cannot be read in blocks."""


class ListTwice(NotPlain):
    """A list stands in it twice, of which the second would hide the first."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def read_object(file: Readable, lists: Mapping[str, Take], block_bytes: int = BLOCK_BYTES) -> dict[str, Raw]:
    """Read a file that holds one JSON object.

    Args:
        file: At its beginning.
        lists: Keys whose values are long lists of objects, and what takes a piece of one, as a JSON array; at least
            one piece comes, if the key is there.
        block_bytes: Read at a time; an object may be longer.

    Returns:
        The other values by their keys; for those of ``lists`` that were there, nothing.

    Raises:
        NotPlain: The text is damaged or unusual, a piece was not taken, or a key stands twice.
    """
    text = _Text(file, block_bytes)
    while len(text.held) < 3 and text.fill():
        pass
    text.at = 3 if text.held.startswith(b"\xef\xbb\xbf") else 0
    text.expect(b"{")
    values: dict[str, Raw] = {}
    while not text.passes(b"}"):
        if values:
            text.expect(b",")
        key = text.key()
        if key in values:
            raise ListTwice(key) if key in lists or key in _SHORT_LISTS else NotPlain
        values[key] = Raw()
        if key in lists:
            text.expect(b"[")
            _take_list(text, lists[key])
        else:
            values[key] = text.value()
    if text.skip_space():
        raise NotPlain
    return values


def read_list(file: Readable, take: Take, block_bytes: int = BLOCK_BYTES) -> None:
    """Read a file that holds one long JSON list of objects; see ``read_object``.

    Raises:
        NotPlain: The text is damaged or unusual.
    """
    text = _Text(file, block_bytes)
    while len(text.held) < 3 and text.fill():
        pass
    text.at = 3 if text.held.startswith(b"\xef\xbb\xbf") else 0
    text.expect(b"[")
    _take_list(text, take)
    if text.skip_space():
        raise NotPlain


class _Text:
    """The part of a file that is held, and where in it we are."""

    def __init__(self, file: Readable, block_bytes: int) -> None:
        self.file = file
        self.block_bytes = block_bytes
        self.held = b""
        self.at = 0

    def fill(self) -> bool:
        """Hold one block more, without what was passed; False at the end of the file."""
        block = self.file.read(self.block_bytes)
        self.held, self.at = self.held[self.at :] + block, 0
        return bool(block)

    def grow(self) -> None:
        """Hold twice as much, as a value is longer than what is held."""
        n_held = len(self.held) - self.at
        more = self.file.read(max(n_held, self.block_bytes)) if n_held <= MAX_HELD_BYTES else b""
        if not more:
            raise NotPlain
        self.held, self.at = self.held[self.at :] + more, 0

    def letters(self) -> str:
        """What is held and not passed, a letter for each byte: all signs of JSON's own are ASCII."""
        return self.held[self.at :].decode("latin-1")

    def skip_space(self) -> bytes:
        """Pass white space; give the byte behind it, or none at the end of the file."""
        while True:
            space = _SPACE.match(self.held, self.at)
            self.at = space.end() if space else self.at
            if self.at < len(self.held) or not self.fill():
                return self.held[self.at : self.at + 1]

    def passes(self, sign: bytes) -> bool:
        """Pass white space and this sign, if it is there."""
        is_there = self.skip_space() == sign
        self.at += is_there
        return is_there

    def expect(self, sign: bytes) -> None:
        """Pass white space and this sign."""
        if not self.passes(sign):
            raise NotPlain

    def key(self) -> str:
        """Pass a key, its colon, and white space."""
        if self.skip_space() != b'"':
            raise NotPlain
        while not (found := _KEY.match(self.held, self.at)):
            if len(self.held) - self.at > 8192:
                raise NotPlain
            self.grow()
        self.at = found.end()
        try:
            return msgspec.json.decode(found[1], type=str)
        except _FAULTS:
            raise NotPlain from None

    def value(self) -> Raw:
        """Pass a value that is no long list."""
        while not (end := _end_of_value(self.letters())) or self.held[self.at + end : self.at + end + 1] in _GOES_ON:
            self.grow()
        value = self.held[self.at : self.at + end]
        self.at += end
        try:
            return msgspec.json.decode(value, type=Raw).copy()
        except _FAULTS:
            raise NotPlain from None


def _take_list(text: _Text, take: Take) -> None:
    """Have a list taken from behind its opening bracket on, and pass its closing one."""
    if text.passes(b"]"):
        take(b"[]")
        return
    while True:
        text.fill()  # what was left of the last block is the beginning of an object
        text.skip_space()
        if not _take_guessed(text, take):
            _take_parsed(text, take)
        if text.passes(b"]"):
            return
        text.expect(b",")


def _take_guessed(text: _Text, take: Take) -> bool:
    """Have all taken up to the last place that looks like the end of an object; False if it is none."""
    end = text.held.rfind(b"}, {", text.at) + 1 or text.held.rfind(b"},{", text.at) + 1 or _last_between(text) + 1
    if not end:
        return False
    try:
        take(b"".join((b"[", memoryview(text.held)[text.at : end], b"]")))
    except _FAULTS:
        return False
    text.at = end
    return True


def _last_between(text: _Text) -> int:
    """Where the last two objects meet that stand on different lines; -1 for nowhere."""
    n_bytes = 1 << 12
    while True:
        start = max(text.at, len(text.held) - n_bytes)
        found = [between.start() for between in _BETWEEN.finditer(text.held, start)]
        if found or start == text.at:
            return found[-1] if found else -1
        n_bytes *= 8


def _take_parsed(text: _Text, take: Take) -> None:
    """Have all taken up to the end of the last whole object, found by parsing."""
    while not (end := _end_of_objects(text.letters())):
        text.grow()
    piece = b"[%b]" % text.held[text.at : text.at + end]
    try:
        take(piece)
    except _FAULTS:
        try:
            take(made_plain(piece))
        except (*_FAULTS, ValueError):
            raise NotPlain from None
    text.at += end


def _end_of_objects(text: str) -> int:
    """Where the last whole object of a list ends with which a text begins; 0 where none is whole."""
    end = at = 0
    while found := _end_of_value(text, at):
        end = found
        comma = _COMMA.match(text, end)
        if comma is None:
            break
        at = comma.end()
    return end


def _end_of_value(text: str, at: int = 0) -> int:
    """Where the value ends that begins at ``at``; 0 where it is not whole."""
    try:
        return _JSON.raw_decode(text, at)[1]
    except ValueError:
        return 0
    except RecursionError:
        raise NotPlain from None


FileT = TypeVar("FileT", CaptionsFile, InstancesFile)
RowsT = TypeVar("RowsT", CaptionRows, InstanceRows)
RowT = TypeVar("RowT", bound=Struct)


def read_captions(path: Path, ids: Ids) -> Captions:
    """Read a captions file.

    Args:
        path: Of the file.
        ids: Numbers the ids of all files.

    Raises:
        CorpusError: The file is missing, unreadable, or no COCO captions file.
    """
    found, file = _read(path, CaptionsFile, ids, CaptionRow, CaptionRows)
    licences = found.rest(file.licenses, "licenses", LicenceRow)
    return Captions(path, found.images.table(), licences, found.rows.table(), found.faults())


def read_instances(path: Path, ids: Ids) -> Instances:
    """Read an instances file.

    Args:
        path: Of the file.
        ids: Numbers the ids of all files.

    Raises:
        CorpusError: The file is missing, unreadable, or no COCO instances file.
    """
    found, file = _read(path, InstancesFile, ids, InstanceRow, InstanceRows)
    annotations, categories = found.rows.table(), found.rest(file.categories, "categories", CategoryRow)
    licences, faults = found.rest(file.licenses, "licenses", LicenceRow), found.faults()
    if len(annotations.ids) and not categories:
        raise CorpusError(
            f"{path}: has {len(annotations.ids)} annotations but no 'categories', so boxes have no names. "
            'Add the list, as [{"id": 1, "name": "person"}, ...].'
        )
    if {(92, "banner"), (183, "other")} <= {(row.id, row.name) for row in categories}:
        raise CorpusError(f"{path}: is a COCO stuff file (regions such as sky, not objects). Give an instances file.")
    lost = np.array([ids.numbers(pair) for pair in found.lost], np.int64).reshape(-1, 2)
    return Instances(path, found.images.table(), licences, annotations, faults, categories, lost)


class _Read(Generic[RowsT]):
    """What was read of one file.

    Attributes:
        images: Its images.
        rows: Its annotations.
    """

    def __init__(
        self,
        path: Path,
        ids: Ids,
        row_type: type[Struct],
        rows_type: type[RowsT],
        broken: Mapping[str, Mapping[int, BrokenRow]] | None = None,
    ) -> None:
        self.images = ImageRows(ids)
        self.rows: RowsT = rows_type(ids)
        self._path = path
        self._readers: dict[str, RowReader[Any]] = {
            "images": RowReader(path, "images", ImageRow, self.images),
            "annotations": RowReader(path, "annotations", row_type, self.rows),
        }
        for key, rows in (broken or {}).items():
            self._readers[key].broken = rows

    def lists(self) -> dict[str, Take]:
        """What takes the pieces of the long lists."""
        return {key: reader.take for key, reader in self._readers.items()}

    def rest(self, values: list[Raw] | None, key: str, row_type: type[RowT]) -> list[RowT]:
        """The rows of a short list."""
        kept: _Kept[RowT] = _Kept()
        self._readers[key] = reader = RowReader(self._path, key, row_type, kept)
        reader.take(b"[%b]" % b",".join(map(bytes, values or ())))
        return kept.rows

    @property
    def lost(self) -> list[tuple[Id, Id | None]]:
        """Image and category of the annotations that could not be read."""
        return self._readers["annotations"].lost

    def faults(self) -> Faults:
        """What was left out.

        Raises:
            CorpusError: It is all of a list.
        """
        for reader in self._readers.values():
            reader.require_some()
        annotations = self._readers["annotations"]
        return Faults(
            [finding for reader in self._readers.values() for finding in reader.findings],
            next(filter(None, (reader.refusal for reader in self._readers.values())), None),
            annotations.n_of_other_kind,
            annotations.n_rows,
        )


class _Kept(Generic[RowT]):
    """Rows as they are."""

    def __init__(self) -> None:
        self.rows: list[RowT] = []

    def add(self, rows: list[RowT]) -> None:
        """Take rows."""
        self.rows += rows


def _read(
    path: Path, shape: type[FileT], ids: Ids, row_type: type[Struct], rows_type: type[RowsT]
) -> tuple[_Read[RowsT], FileT]:
    """Read a file in blocks, or whole where that cannot be done.

    Returns:
        Its images and annotations, with what was left out; and the file without its long lists.
    """
    found = _Read(path, ids, row_type, rows_type)
    lists = found.lists()
    try:
        with path.open("rb", buffering=0) as blocks:
            values = read_object(blocks, lists)
        if lists.keys() <= values.keys():
            rest: dict[str, Any] = {**values, "images": [], "annotations": []}
            return found, msgspec.json.decode(msgspec.json.encode(rest), type=shape)
    except ListTwice as error:
        raise CorpusError(
            f"{path}: '{error.key}' stands in it twice, and readers take the second list alone. Put both into one, or "
            "take out the one that is not meant."
        ) from None
    except (NotPlain, OSError, ValueError):
        pass  # what is wrong, if anything, is told of the whole file
    file, broken = decode_whole(path, shape, cut_out_broken)
    found = _Read(path, ids, row_type, rows_type, broken)
    for key, take in found.lists().items():
        raws: list[Raw] = getattr(file, key)
        for start in range(0, len(raws), 4096):
            take(b"[%b]" % b",".join(map(bytes, raws[start : start + 4096])))
    return found, msgspec.structs.replace(file, images=[], annotations=[])
