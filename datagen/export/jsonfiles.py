"""Rows as JSON files: LLaVA's array, and the messages of TRL and of OpenAI's fine-tuning, one object a line."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import msgspec

from datagen.export.choosing import TRAIN
from datagen.export.rows import Row, chat_messages

FOLDER = "images"
"""Where pictures are copied or linked to, inside the export."""

_MEDIA_TYPES = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp"}


class RowWriter(Protocol):
    """Takes the rows of one split, and ends its files."""

    def add(self, row: Row) -> None:
        """Write a row."""

    def close(self) -> None:
        """Complete the files."""


class LlavaWriter:
    """Writes ``SPLIT.json``, byte for byte what ``write_llava`` writes, and the ``dataset_info.json`` beside it."""

    def __init__(self, folder: Path, split: str) -> None:
        self.file: BinaryIO = (folder / f"{split}.json").open("wb")
        self.separator = b"[\n"

    def add(self, row: Row) -> None:
        """Write a row."""
        self.file.write(self.separator + msgspec.json.encode(row.record))
        self.separator = b",\n"

    def close(self) -> None:
        """Complete the array."""
        self.file.write(b"\n]\n" if self.separator == b",\n" else b"[\n]\n")
        self.file.close()


class MessagesWriter:
    """Writes ``SPLIT.jsonl`` for TRL: messages with an image part, and the picture's path in ``images``.

    Args:
        prefix: What goes before a picture's name, ``images/`` where pictures are part of the export.
    """

    def __init__(self, folder: Path, split: str, prefix: str) -> None:
        self.file: BinaryIO = (folder / f"{split}.jsonl").open("wb")
        self.prefix = prefix

    def add(self, row: Row) -> None:
        """Write a row."""
        self.file.write(msgspec.json.encode(self.as_dict(row)) + b"\n")

    def as_dict(self, row: Row) -> dict[str, Any]:
        """The line of a row."""
        messages = chat_messages(row.record, {"type": "image"})
        return {"id": row.sample.sample_id, "messages": messages, "images": [self.prefix + row.image]}

    def close(self) -> None:
        """Complete the file."""
        self.file.close()


class OpenAIWriter(MessagesWriter):
    """Writes ``SPLIT.jsonl`` for OpenAI's vision fine-tuning: the picture is a data URI in an ``image_url`` part."""

    def __init__(self, folder: Path, split: str) -> None:
        super().__init__(folder, split, "")

    def as_dict(self, row: Row) -> dict[str, Any]:
        """The line of a row; ``id`` is no key of that form."""
        kind = _MEDIA_TYPES[row.picture.suffix.lower()]
        pixels = base64.b64encode(row.picture.read_bytes()).decode("ascii")
        part = {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{pixels}"}}
        return {"messages": chat_messages(row.record, part)}


def openai_fault(picture: Path) -> str | None:
    """Say why OpenAI's fine-tuning would refuse a picture: its kind, or more than 10 MB (their vision guide)."""
    if picture.suffix.lower() not in _MEDIA_TYPES:
        return f"{picture.name} is none of {', '.join(_MEDIA_TYPES)}"
    n_bytes = picture.stat().st_size
    return f"{picture.name} has {n_bytes} bytes, the limit is 10 MB" if n_bytes > 10_000_000 else None


def dataset_info(splits: tuple[str, ...]) -> dict[str, Any]:
    """LLaMA-Factory's ``dataset_info.json`` for the files of ``LlavaWriter``; ``media_dir`` is the image folder."""
    return {
        "datagen" if split == TRAIN else f"datagen_{split}": {
            "file_name": f"{split}.json",
            "formatting": "sharegpt",
            "columns": {"messages": "conversations", "images": "image"},
        }
        for split in splits
    }
