"""Export forms of chat messages, a line per sample: ``messages`` (TRL), ``swift`` (ms-swift), ``openai`` (tuning)."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import msgspec

from datagen.export.rows import (
    IMAGE_TOKEN,
    IMAGES,
    ExportRow,
    ExportSettings,
    LeftOut,
    chat_messages,
    picture_kind,
    token_fault,
    told_beside,
)


class TrlMessages:
    """Writes ``SPLIT.jsonl``; a picture's path begins with ``images/`` where pictures are part of the export."""

    has_pixels = False

    def __init__(self, folder: Path, split: str, settings: ExportSettings) -> None:
        self.file = (folder / f"{split}.jsonl").open("wb")
        self.prefix = "" if settings.pictures == "leave" else f"{IMAGES}/"

    def add(self, row: ExportRow) -> None:
        """Write a row."""
        messages = chat_messages(row.record, {"type": "image"})
        line = {"id": row.sample.sample_id, "messages": messages, "images": [self.prefix + row.image]}
        self.file.write(msgspec.json.encode({**line, **told_beside(row.sample)}) + b"\n")

    def close(self) -> None:
        """Complete the file."""
        self.file.close()


class SwiftMessages:
    """Writes ``SPLIT.jsonl`` in ms-swift's standard form: texts with a tag where the picture goes, and ``images``.

    The names are looked for under ``ROOT_IMAGE_DIR``, says its page on custom datasets.
    """

    has_pixels = False

    def __init__(self, folder: Path, split: str, settings: ExportSettings) -> None:
        self.file = (folder / f"{split}.jsonl").open("wb")
        self.prefix = "" if settings.pictures == "leave" else f"{IMAGES}/"

    def add(self, row: ExportRow) -> LeftOut | None:
        """Write a row, unless ms-swift would put something in the place of a text that looks like its tags."""
        fault = token_fault(row.record, _SWIFT_TAGS)
        if fault is not None:
            return fault
        messages = [
            {"role": message["role"], "content": "".join(part["text"] for part in message["content"])}
            for message in chat_messages(row.record, {"type": "text", "text": IMAGE_TOKEN})
        ]
        line = {"id": row.sample.sample_id, "messages": messages, "images": [self.prefix + row.image]}
        self.file.write(msgspec.json.encode({**line, **told_beside(row.sample)}) + b"\n")
        return None

    def close(self) -> None:
        """Complete the file."""
        self.file.close()


_SWIFT_TAGS = re.compile("<(?:bbox|ref-object|cot-process|start-image)>")


class OpenAITuning:
    """Writes ``SPLIT.jsonl``; ``id`` is no key of that form."""

    has_pixels = True

    def __init__(self, folder: Path, split: str, settings: ExportSettings) -> None:
        del settings
        self.file = (folder / f"{split}.jsonl").open("wb")

    def add(self, row: ExportRow) -> LeftOut | None:
        """Write a row, unless OpenAI would refuse its picture for its kind or size."""
        picture = row.picture
        kind = picture_kind(picture)
        if kind.name not in ("jpeg", "png", "webp", "gif") or kind.is_animated:
            told = (
                f"an animated {kind.name.upper()}"
                if kind.is_animated
                else f"a {kind.name.upper() or 'file of no known kind'}"
            )
            return LeftOut("image_refused", f"{picture.name} is {told}; taken are still JPEG, PNG, WEBP and GIF")
        n_bytes = picture.stat().st_size
        if n_bytes > 10_000_000:  # says OpenAI's vision guide
            return LeftOut("image_refused", f"{picture.name} has {n_bytes} bytes, the limit is 10 MB")
        pixels = base64.b64encode(picture.read_bytes()).decode("ascii")
        part = {"type": "image_url", "image_url": {"url": f"data:image/{kind.name};base64,{pixels}"}}
        self.file.write(msgspec.json.encode({"messages": chat_messages(row.record, part)}) + b"\n")
        return None

    def close(self) -> None:
        """Complete the file."""
        self.file.close()
