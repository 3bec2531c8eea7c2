"""Cuts records that are no JSON out of a COCO file's lists, so that a broken record costs itself and not the file.

A quote that an editor took, or half of a conflict between two versions, breaks one record of 100,000. The next whole
one is found behind ``}, {``: such signs stand inside a broken record, too, so what follows must be an object with the
key that every row of its list has. Where none is near, the file stays refused: then it is cut, or something else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from datagen.corpus.coco.boxes import BrokenRow, Id

_OF_EVERY_ROW = {"annotations": "image_id", "images": "file_name"}
MAX_BROKEN_CHARS = 1 << 20
"""Behind a broken record another must begin before this: the largest masks of COCO take a tenth of it."""
_NEXT = re.compile(r"\}\s*(?:,\s*(?=\{)|(?=\]\s*(?:,\s*\"|\}\s*$)))")
_FOLLOWS = re.compile(r"\s*(?:,\s*|(?=[\]{]))")  # a comma that is missing between two objects costs nothing
_KEY = re.compile(r'\s*("(?:[^"\\]|\\.)*")\s*:\s*')
_SPACE = re.compile(r"\s*")
_JSON = json.JSONDecoder(strict=False)


Broken = Mapping[str, Mapping[int, BrokenRow]]
"""By list, what stood in which of its rows."""


class _NotMended(Exception):  # noqa: N818 - no fault: the file is then told as it is
    """What is broken is not a record."""


def cut_out_broken(text: bytes) -> tuple[bytes, Broken] | None:
    """Find the broken records of a file that is no JSON as a whole.

    Args:
        text: Of the file, valid UTF-8 without a byte order mark.

    Returns:
        The text with ``null`` in their places, and what they were; None where something else is broken.
    """
    letters = text.decode("latin-1")  # a letter a byte, so that places are places in the file
    try:
        return _mend(letters)
    except (_NotMended, ValueError, IndexError, RecursionError):
        return None


def _mend(letters: str) -> tuple[bytes, Broken]:
    pieces: list[str] = []
    broken: dict[str, dict[int, BrokenRow]] = {}
    at = _past(letters, 0, "{")
    while True:
        key = _KEY.match(letters, at)
        if key is None:
            raise _NotMended
        at = key.end()
        name = json.loads(key[1])
        if name in _OF_EVERY_ROW and letters[at] == "[":
            value, at, broken[name] = _mend_list(letters, at + 1, name)
        else:
            end = _JSON.raw_decode(letters, at)[1]
            value, at = letters[at:end], end
        pieces.append(f"{key[1]}:{value}")
        at = _SPACE.match(letters, at).end()  # type: ignore[union-attr]  # it matches nothing, too
        if letters[at] == "}":
            break
        at = _past(letters, at, ",")
    if letters[at + 1 :].strip():
        raise _NotMended
    return f"{{{','.join(pieces)}}}".encode("latin-1"), broken


def _past(letters: str, at: int, sign: str) -> int:
    at = _SPACE.match(letters, at).end()  # type: ignore[union-attr]
    if letters[at] != sign:
        raise _NotMended
    return at + 1


def _mend_list(letters: str, at: int, key: str) -> tuple[str, int, dict[int, BrokenRow]]:
    """The list that begins behind ``[``, where it ends, and its broken rows by their numbers."""
    rows: list[str] = []
    broken: dict[int, BrokenRow] = {}
    at = _SPACE.match(letters, at).end()  # type: ignore[union-attr]
    while letters[at] != "]":
        try:
            end = _JSON.raw_decode(letters, at)[1]
            follows = _FOLLOWS.match(letters, end)
            odd_at = end
        except json.JSONDecodeError as error:
            follows, odd_at = None, error.pos
        if follows is not None:
            rows.append(_plain(letters[at:end]))
            at = follows.end()
            continue
        start, at = at, _next_row(letters, at, key)
        for row in _lost_between(letters, start, at, odd_at, key):
            broken[len(rows)] = row
            rows.append("null")
    return f"[{','.join(rows)}]", at + 1, broken


def _next_row(letters: str, at: int, key: str) -> int:
    """Where the next whole row begins, or where the list is closed."""
    for found in _NEXT.finditer(letters, at, at + MAX_BROKEN_CHARS):
        if letters[found.end()] == "]":
            return found.end()
        try:
            row, _ = _JSON.raw_decode(letters, found.end())
        except json.JSONDecodeError:
            continue
        if isinstance(row, dict) and _OF_EVERY_ROW[key] in row:
            return found.end()
    raise _NotMended


def _plain(row: str) -> str:
    """A row that Python takes for JSON as JSON has it: without NaN and raw control characters."""
    data = row.encode("latin-1")
    try:
        msgspec.json.decode(data, type=Raw)
    except msgspec.DecodeError:
        return made_plain(b"[%b]" % data)[1:-1].decode("latin-1")
    return row


def _lost_between(letters: str, start: int, end: int, odd_at: int, key: str) -> list[BrokenRow]:
    """The rows of a stretch that cannot be read: as many as it names, at least one."""
    line = letters.count("\n", 0, odd_at) + 1
    near = " ".join(letters[max(start, odd_at - 20) : odd_at + 20].encode("latin-1").decode("utf-8", "replace").split())
    told = f"is not JSON at line {line}, byte {odd_at} (near '{near}'); correct the record, or leave it out"
    stretch = letters[start:end]
    if key == "images":
        return [BrokenRow(told, None, None)] * max(1, stretch.count('"file_name"'))
    images, categories = (_ids(stretch, name) for name in ("image_id", "category_id"))
    category = categories[0] if len(images) == len(categories) == 1 else None
    return [BrokenRow(told, image, category) for image in images or [None]]


def _ids(stretch: str, name: str) -> list[Id | None]:
    found: list[Any] = re.findall(rf'"{name}"\s*:\s*(\d{{1,18}}(?![\d.eE])|"[^"\\]{{1,200}}"|)', stretch)
    return [json.loads(value.encode("latin-1")) if value else None for value in found]


def made_plain(piece: bytes) -> bytes:
    """Write what Python's JSON has and JSON has not (NaN, half of a surrogate pair) so that the rest can be read.

    Raises:
        ValueError: It is no JSON array in that sense either.
        RecursionError: It is nested hundreds deep.
    """
    rows = json.loads(piece.decode(), parse_constant=str, strict=False)
    text = json.dumps(rows, ensure_ascii=False)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
