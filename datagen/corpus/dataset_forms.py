"""Published forms of visual-instruction data, each row told as LLaVA's record: chat messages, Parquet, WebDataset.

They are what ``datagen export`` writes and the hub is full of. What a row has beside its conversation stays in the
record; pixels that stand in it become a picture with a name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from datagen.errors import CorpusError

IMAGE_TOKEN = "<image>"
_GROUP_ROWS = 100
"""Rows of Parquet that are held with their pixels at once."""
_DATA = ("*.json", "*.jsonl", "*.parquet", "*.tar", "data/*.parquet")
_BESIDE = re.compile(r"(?:manifest|dataset_info)\.json|.*_(?:meta|ranking)\.json")
"""Files of an export that describe others, or say the same again."""
_LLAVA_ROLES = {"user": "human", "assistant": "gpt"}
_PICTURE_ENDINGS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff")
_DATA_URI = re.compile(r"data:image/([a-z0-9.+-]+);base64,", re.IGNORECASE)


def data_files(path: Path) -> tuple[Path, ...]:
    """The files of a dataset that is named by its file or by its folder, those of ``train`` first.

    Raises:
        CorpusError: The folder holds none, or files of several forms.
    """
    if not path.is_dir():
        return (path,)
    found = [file for pattern in _DATA for file in path.glob(pattern) if not _BESIDE.fullmatch(file.name)]
    endings = sorted({file.suffix for file in found})
    if len(endings) != 1:
        held = f"files that end in {' and in '.join(endings)}" if endings else "no .json, .jsonl, .parquet or .tar file"
        raise CorpusError(f"{path}: is a folder; name the file in it, as it holds {held}.")
    return tuple(sorted(found, key=lambda file: (not file.name.startswith("train"), file.as_posix())))


def parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Read the rows of a Parquet file, a group at a time.

    Raises:
        CorpusError: It is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_GROUP_ROWS):
                yield from batch.to_pylist()
    except (pa.ArrowException, UnicodeDecodeError) as error:
        told = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise CorpusError(f"{path}: cannot be read as Parquet ({told}). Copy or download it again.") from None


def tar_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Read the records of a WebDataset shard: members that share a name up to its first dot are one row.

    Raises:
        CorpusError: It is damaged, or a record in it is no JSON object.
    """
    try:
        with tarfile.open(path, "r:") as shard:
            key, held = "", dict[str, bytes]()
            for member in shard:
                name = PurePosixPath(member.name)
                stem, _, ending = name.name.partition(".")
                if not member.isfile() or ending.lower() not in ("json", *_PICTURE_ENDINGS):
                    continue
                if (this := str(name.with_name(stem or "_"))) != key:
                    yield from _tar_row(path, key, held)
                    key, held = this, {}
                content = shard.extractfile(member)
                held[ending.lower()] = content.read() if content is not None else b""
            yield from _tar_row(path, key, held)
            if path.stat().st_size < shard.offset + 2 * tarfile.BLOCKSIZE:  # tarfile takes a cut header for the end
                raise tarfile.ReadError("it ends in the middle")
    except (tarfile.TarError, EOFError) as error:
        raise CorpusError(f"{path}: cannot be read as a tar file ({error}). Copy or download it again.") from None


def _tar_row(path: Path, key: str, held: dict[str, bytes]) -> Iterator[dict[str, Any]]:
    if "json" not in held:
        return
    try:
        record = json.loads(held.pop("json"))
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise CorpusError(f"{path}: {key}.json in it is no JSON object. Copy or download it again.")
    for ending, pixels in held.items():  # one at most
        name = record.get("image")
        record["image"] = {"bytes": pixels, "path": name if isinstance(name, str) and name else f"{key}.{ending}"}
    yield record


def as_llava(row: dict[str, Any]) -> tuple[dict[str, Any], bytes | None]:
    """Tell a row of any of the forms as LLaVA's record; one that is such a record stays as it is.

    Returns:
        The record, and the pixels of its picture where they stood in the row. A picture without a name gets one by
        its content.
    """
    if "conversations" in row and isinstance(image := row.get("image"), str) and not image.startswith("data:"):
        return row, None  # most of all that is taken in
    record = {name: value for name, value in row.items() if name not in ("messages", "images")}
    inside: list[Any] = []
    if "conversations" not in record and isinstance(messages := row.get("messages"), list):
        record["conversations"] = [_as_turn(message, inside) for message in messages]
    if "image" not in record and (shown := row.get("images") or inside):
        record["image"] = shown
    image = record.get("image")
    if isinstance(image, list) and len(image) == 1:
        image = image[0]
    name, pixels = _name_and_pixels(image)
    if name is not None:
        record["image"] = name
    return record, pixels


def _as_turn(message: Any, inside: list[Any]) -> Any:
    """A message as LLaVA's turn; one that cannot be read so is left to whoever judges the record.

    Args:
        message: Of the row.
        inside: Takes the pictures that stand in the message.
    """
    if not isinstance(message, dict) or "role" not in message:
        return message
    role, content = message["role"], message.get("content")
    if isinstance(content, list):
        parts = [part if isinstance(part, dict) else {} for part in content]
        inside += [picture for part in parts if (picture := _picture_in(part)) is not None]
        texts = [IMAGE_TOKEN if str(part.get("type")).startswith("image") else part.get("text") for part in parts]
        known = [text for text in texts if isinstance(text, str)]
        content = "\n".join(known) if len(known) == len(texts) else None
    return {"from": _LLAVA_ROLES.get(role, role) if isinstance(role, str) else role, "value": content}


def _picture_in(part: dict[str, Any]) -> Any:
    picture = part.get("image_url") or part.get("image")
    return picture.get("url") if isinstance(picture, dict) and "url" in picture else picture


def _name_and_pixels(image: Any) -> tuple[str | None, bytes | None]:
    """Name and pixels of what a row gives as its picture; no name where it may stay as it is."""
    if isinstance(image, str) and (uri := _DATA_URI.match(image)) is not None:
        try:
            pixels = base64.b64decode(image[uri.end() :], validate=True)
        except (binascii.Error, ValueError):
            return "", None  # told as a record that names no image
        return _named_by_content(pixels, uri[1]), pixels
    if isinstance(image, dict) and {"bytes", "path"} & image.keys():
        path, inside = image.get("path"), image.get("bytes")
        found = inside if isinstance(inside, bytes) else None
        if isinstance(path, str) and path:
            return path, found
        return ("", None) if found is None else (_named_by_content(found, "jpeg"), found)
    return None, None


def _named_by_content(pixels: bytes, kind: str) -> str:
    return f"{hashlib.sha256(pixels).hexdigest()[:24]}.{'jpg' if kind.lower() == 'jpeg' else kind.lower()}"
