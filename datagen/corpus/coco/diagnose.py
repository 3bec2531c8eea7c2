"""From the path of a COCO file, decoded whole, to its typed rows, or to one sentence saying why it is none."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Raw

from datagen.corpus.coco.boxes import BrokenRow, CaptionsFile, InstancesFile
from datagen.corpus.source import check_start, explain_unreadable
from datagen.errors import CorpusError

FileT = TypeVar("FileT", CaptionsFile, InstancesFile)

Broken = Mapping[str, Mapping[int, BrokenRow]]
Mend = Callable[[bytes], tuple[bytes, Broken] | None]

_SHAPE = "A COCO file is one JSON object with 'images' and 'annotations'"
_HINTS = {
    "images": f"{_SHAPE}; 'images' lists id, file_name, width and height",
    "annotations": f"{_SHAPE}; image-info files of a test set carry no annotations and cannot be used",
}
_OBJECT = f"is an object of records by key, where COCO has a list of them; write its values as a list. {_SHAPE}."


def decode_whole(path: Path, shape: type[FileT], mend: Mend) -> tuple[FileT, Broken]:
    """Decode a file whose rows fit into memory.

    Args:
        path: Of the file.
        shape: Which kind it should be.
        mend: Cuts out what of its records is no JSON.

    Returns:
        The file, and by list which of its rows are no JSON; these are ``null`` in it.

    Raises:
        CorpusError: It is missing, unreadable, or no COCO file of this kind.
    """
    data = _read_bytes(path)
    text = memoryview(data)[3:] if data.startswith(b"\xef\xbb\xbf") else memoryview(data)
    try:
        file = msgspec.json.decode(text, type=shape)
    except msgspec.ValidationError as error:
        told = _locate_odd_byte(bytes(text)) or _name_fault(bytes(text), str(error))
        raise CorpusError(f"{path}: {told}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # the latter from msgspec before 0.23
        if (found := _decode_mended(bytes(text), shape, mend)) is not None:
            return found
        raise CorpusError(f"{path}: {_locate_fault(bytes(text), str(error))}") from None
    except RecursionError:
        raise CorpusError(f"{path}: brackets are nested hundreds deep, which no COCO file does. {_SHAPE}.") from None
    if odd := _locate_odd_byte(bytes(text)):  # rows are not decoded yet
        raise CorpusError(f"{path}: {odd}")
    return file, {}


def _decode_mended(text: bytes, shape: type[FileT], mend: Mend) -> tuple[FileT, Broken] | None:
    """Decode a file without those of its records that are no JSON; None where that does not make it one."""
    if _locate_odd_byte(text) or (mended := mend(text)) is None:
        return None
    try:
        return msgspec.json.decode(mended[0], type=shape), mended[1]
    except (msgspec.DecodeError, RecursionError):
        return None


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise CorpusError(explain_unreadable(error, str(path))) from None
    check_start(path, data, _SHAPE)
    return data


_OF_LABEL_STUDIO = (b"from_name", b"rectanglelabels", b"polygonlabels", b"completed_by", b"annotation_id")
_N_LOOKED_AT = 65_536


def _name_fault(text: bytes, message: str) -> str:
    """Say what a well-formed file is instead of COCO, or which part of it is wrong."""
    if _is_json_lines(text):
        return f"looks like JSON Lines (one object per line). {_SHAPE}."
    what, _, where = message.partition(" - at ")
    if not where and what.startswith("Expected"):
        found = what.partition("got ")[2].strip("`")
        if any(mark in text[:_N_LOOKED_AT] for mark in _OF_LABEL_STUDIO):
            return f"is in Label Studio's own form; export it as COCO there. {_SHAPE}."
        return f"holds a JSON {found}. {_SHAPE}; lists are what detection results and LLaVA datasets are."
    place = where.strip("`")
    if what.endswith("got `object`") and place.count(".") == 1:
        return f"{place.removeprefix('$.')!r} {_OBJECT}"
    key = re.search(r"field `(\w+)`", what) or re.search(r"\.(\w+)[^.]*$", where)
    hint = _HINTS.get(key[1] if key else "", "correct the value")
    return f"{f'at {place}: ' if where else ''}{what[:1].lower()}{what[1:]} ({hint})."


def _locate_fault(text: bytes, message: str) -> str:
    """Say where a text stops being JSON."""
    if message.endswith("truncated"):
        tail = text[-40:].decode("utf-8", "replace").strip()
        return f"ends in the middle, after {len(text)} bytes ('{_one_line(tail)}'). Copy or download it again."
    if _is_json_lines(text):
        return f"looks like JSON Lines (one object per line). {_SHAPE}."
    if odd := _locate_odd_byte(text):
        return odd
    position = re.search(r"\(byte (\d+)\)", message)
    if position is None:
        return f"is not JSON ({message}). {_SHAPE}."
    at = int(position[1])
    start = max(text.rfind(sign, 0, at) for sign in b",:[{ \n")  # of the word that holds the byte
    word = re.match(rb"-?(?:NaN|Infinity)", text[start + 1 : start + 10])
    where = _line_and_byte(text, at)
    if word:
        return f"at {where}: {word[0].decode()} is no JSON number. Correct the value there, or leave the record out."
    near = text[max(0, at - 20) : at + 20].decode("utf-8", "replace")
    return (
        f"is not JSON at {where} ({message.partition(': ')[2].partition(' (')[0]} near '{_one_line(near)}'). {_SHAPE}."
    )


def _locate_odd_byte(text: bytes) -> str | None:
    """Say where a text stops being UTF-8; None where all of it is."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return f"is not UTF-8 at {_line_and_byte(text, error.start)}. Save it as UTF-8."
    return None


def _line_and_byte(text: bytes, at: int) -> str:
    return f"line {text[:at].count(10) + 1}, byte {at}"


def _is_json_lines(text: bytes) -> bool:
    first, _, rest = text.strip().partition(b"\n")
    if not rest.lstrip().startswith(b"{"):
        return False
    try:
        msgspec.json.decode(first, type=dict[str, Raw])
    except (ValueError, RecursionError):
        return False
    return True


def _one_line(text: str) -> str:
    return " ".join(text.split())
