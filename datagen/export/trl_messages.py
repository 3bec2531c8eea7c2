"""Export form ``messages``: chat messages with an image part, one object a line, as TRL reads them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from datagen.export.rows import ExportRow, chat_messages
from datagen.export.splits import IMAGES, ExportSettings


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
        self.file.write(msgspec.json.encode(line) + b"\n")

    def close(self) -> None:
        """Complete the file."""
        self.file.close()
