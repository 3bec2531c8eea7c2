"""From the path of a COCO file, decoded whole, to its typed rows, or to one sentence saying why it is none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from msgspec import Raw, Struct

from datagen.corpus.coco.schema import CaptionsFile, InstancesFile
from datagen.corpus.source import check_start, explain_unreadable
from datagen.errors import CorpusError


class _Marks(Struct):
    """The keys that tell one kind of annotation from another."""

    caption: Raw = Raw()
    category_id: Raw = Raw()
    segments_info: Raw = Raw()


class _AnyFile(Struct):
    annotations: list[_Marks] = []


Kind = Literal["captions", "instances"]
FileT = TypeVar("FileT", CaptionsFile, InstancesFile)

_SHAPE = "A COCO file is one JSON object with 'images' and 'annotations'"
_HINTS = {
    "bbox": "a COCO box is [x, y, width, height] in pixels",
    "images": f"{_SHAPE}; 'images' lists id, file_name, width and height",
    "annotations": f"{_SHAPE}; image-info files of a test set carry no annotations and cannot be used",
    "image_id": "every annotation names its image by 'image_id'",
    "category_id": "every instance names its category by 'category_id'",
    "caption": "a caption is a text",
}


def decode_whole(path: Path, shape: type[FileT]) -> FileT:
    """Decode a file whose rows fit into memory.

    Raises:
        CorpusError: It is missing, unreadable, or no COCO file of this kind.
    """
    kind: Kind = "captions" if shape is CaptionsFile else "instances"
    data = _read_bytes(path)
    text = memoryview(data)[3:] if data.startswith(b"\xef\xbb\xbf") else memoryview(data)
    try:
        return msgspec.json.decode(text, type=shape)
    except msgspec.ValidationError as error:
        raise CorpusError(f"{path}: {_name_fault(bytes(text), str(error), kind)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # the latter from msgspec before 0.23
        raise CorpusError(f"{path}: {_locate_fault(bytes(text), str(error))}") from None
    except RecursionError:
        raise CorpusError(f"{path}: brackets are nested hundreds deep, which no COCO file does. {_SHAPE}.") from None


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise CorpusError(explain_unreadable(error, str(path))) from None
    check_start(path, data, _SHAPE)
    return data


def _name_fault(text: bytes, message: str, kind: Kind) -> str:
    """Say what a well-formed file is instead of COCO, or which value in it is wrong."""
    if _is_json_lines(text):
        return f"looks like JSON Lines (one object per line). {_SHAPE}."
    what, _, where = message.partition(" - at ")
    if not where and what.startswith("Expected"):
        found = what.partition("got ")[2].strip("`")
        return f"holds a JSON {found}. {_SHAPE}; lists are what detection results and LLaVA datasets are."
    if other := _other_kind(text, kind):
        return other
    key = re.search(r"field `(\w+)`", what) or re.search(r"\.(\w+)[^.]*$", where)
    hint = _HINTS.get(key[1] if key else "", "correct the value, or leave the record out")
    place = f"at {where.strip('`')}: " if where else ""
    return f"{place}{what[:1].lower()}{what[1:]} ({hint})."


def _other_kind(text: bytes, kind: Kind) -> str | None:
    try:
        annotations = msgspec.json.decode(text, type=_AnyFile).annotations
    except (ValueError, RecursionError):
        return None
    first = annotations[0] if annotations else _Marks()
    has_caption, has_category, has_segments = (
        bool(bytes(mark)) for mark in (first.caption, first.category_id, first.segments_info)
    )
    if has_segments:
        return "looks like a panoptic file. Give the instances file of the same images."
    if kind == "instances" and has_caption and not has_category:
        return "looks like a captions file; give it to --captions."
    if kind == "captions" and has_category and not has_caption:
        return "looks like an instances file; give it to --instances."
    return None


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
