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
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Raw, Struct

from datagen.corpus.coco.columns import (
    CaptionRows,
    Captions,
    Ids,
    ImageRows,
    InstanceRows,
    Instances,
)
from datagen.corpus.coco.diagnose import decode_whole
from datagen.corpus.coco.schema import (
    CaptionRow,
    CaptionsFile,
    ImageRow,
    InstanceRow,
    InstancesFile,
)
from datagen.errors import CorpusError

Take = Callable[[bytes], object]
"""Decodes a JSON array and keeps what it needs of it; msgspec's errors tell that it is none."""

BLOCK_BYTES = 1 << 18
"""Read at a time. The rows of a block are let go before the next is read, so they stay in the processor's cache: with
blocks of 2 MB decoding and letting go take a third longer."""
MAX_HELD_BYTES = 16 << 20
"""Longer values are left to the decoder of whole files: parsing one to find its end takes ten times its size."""

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
            raise NotPlain
        values[key] = Raw()
        if key in lists:
            text.expect(b"[")
            _take_list(text, lists[key])
        else:
            values[key] = text.value()
    if text.skip_space():
        raise NotPlain
    return values


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
    try:
        take(b"[%b]" % text.held[text.at : text.at + end])
    except _FAULTS:
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


def read_captions(path: Path, ids: Ids) -> Captions:
    """Read a captions file.

    Args:
        path: Of the file.
        ids: Numbers the ids of all files.

    Raises:
        CorpusError: The file is missing, unreadable, or no COCO captions file.
    """
    file, images, rows = _read(path, CaptionsFile, ids, CaptionRow, CaptionRows)
    return Captions(path, images.table(), file.licenses or [], rows.table())


def read_instances(path: Path, ids: Ids) -> Instances:
    """Read an instances file.

    Args:
        path: Of the file.
        ids: Numbers the ids of all files.

    Raises:
        CorpusError: The file is missing, unreadable, or no COCO instances file.
    """
    file, images, rows = _read(path, InstancesFile, ids, InstanceRow, InstanceRows)
    annotations, categories = rows.table(), file.categories or []
    if len(annotations.ids) and not categories:
        raise CorpusError(
            f"{path}: has {len(annotations.ids)} annotations but no 'categories', so boxes have no names. "
            'Add the list, as [{"id": 1, "name": "person"}, ...].'
        )
    if {(92, "banner"), (183, "other")} <= {(row.id, row.name) for row in categories}:
        raise CorpusError(f"{path}: is a COCO stuff file (regions such as sky, not objects). Give an instances file.")
    return Instances(path, images.table(), file.licenses or [], annotations, categories)


def _read(
    path: Path, shape: type[FileT], ids: Ids, row_type: type[Struct], rows_type: type[RowsT]
) -> tuple[FileT, ImageRows, RowsT]:
    """Read a file in blocks, or whole where that cannot be done.

    Returns:
        The file without its long lists; its images; its annotations.
    """
    images, rows = ImageRows(ids), rows_type(ids)
    lists = {"images": _taker(ImageRow, images), "annotations": _taker(row_type, rows)}
    try:
        with path.open("rb", buffering=0) as blocks:
            values = read_object(blocks, lists)
        if lists.keys() <= values.keys():
            rest: dict[str, Any] = {**values, "images": [], "annotations": []}
            return msgspec.json.decode(msgspec.json.encode(rest), type=shape), images, rows
    except (NotPlain, OSError, ValueError):
        pass  # what is wrong, if anything, is told of the whole file
    file: Any = decode_whole(path, shape)
    images, rows = ImageRows(ids), rows_type(ids)
    images.add(file.images)
    rows.add(file.annotations)
    return msgspec.structs.replace(file, images=[], annotations=[]), images, rows


def _taker(row_type: type[Struct], rows: ImageRows | CaptionRows | InstanceRows) -> Take:
    """What decodes a piece of a list and lays it to its rows."""
    decoder: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[row_type])  # type: ignore[valid-type]
    return lambda piece: rows.add(decoder.decode(piece))
