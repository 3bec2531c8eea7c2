"""Export form ``openai``: chat messages for OpenAI's vision fine-tuning, each picture a data URI in its line."""

from __future__ import annotations

import base64
from pathlib import Path

import msgspec

from datagen.export.rows import ExportRow, chat_messages
from datagen.export.splits import ExportSettings
from datagen.export.trainer_rules import LeftOut

_MEDIA_TYPES = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp"}
_MAX_BYTES = 10_000_000  # of a picture, says OpenAI's vision guide


class OpenAITuning:
    """Writes ``SPLIT.jsonl``; ``id`` is no key of that form."""

    has_pixels = True

    def __init__(self, folder: Path, split: str, settings: ExportSettings) -> None:
        del settings
        self.file = (folder / f"{split}.jsonl").open("wb")

    def add(self, row: ExportRow) -> LeftOut | None:
        """Write a row, unless OpenAI would refuse its picture for its kind or size."""
        picture = row.picture
        kind = _MEDIA_TYPES.get(picture.suffix.lower())
        if kind is None:
            return LeftOut("image_refused", f"{picture.name} is none of {', '.join(_MEDIA_TYPES)}")
        n_bytes = picture.stat().st_size
        if n_bytes > _MAX_BYTES:
            return LeftOut("image_refused", f"{picture.name} has {n_bytes} bytes, the limit is 10 MB")
        pixels = base64.b64encode(picture.read_bytes()).decode("ascii")
        part = {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{pixels}"}}
        self.file.write(msgspec.json.encode({"messages": chat_messages(row.record, part)}) + b"\n")
        return None

    def close(self) -> None:
        """Complete the file."""
        self.file.close()
