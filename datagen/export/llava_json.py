"""Export form ``llava``: LLaVA's JSON array, with the ``dataset_info.json`` that LLaMA-Factory reads beside it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from datagen.export.llava_row import RecordArray
from datagen.export.rows import ExportRow
from datagen.export.splits import TRAIN, ExportSettings


class LlavaJson:
    """Writes ``SPLIT.json``, byte for byte what the run's own ``dataset.json`` is."""

    has_pixels = False

    def __init__(self, folder: Path, split: str, settings: ExportSettings) -> None:
        self.file = (folder / f"{split}.json").open("wb")
        self.array = RecordArray(self.file)
        if split == TRAIN:  # one for all splits
            info = msgspec.json.encode(_dataset_info(settings.choice.splits))
            (folder / "dataset_info.json").write_bytes(msgspec.json.format(info, indent=2) + b"\n")

    def add(self, row: ExportRow) -> None:
        """Write a row."""
        self.array.add(row.record)

    def close(self) -> None:
        """Complete the array."""
        self.array.end()
        self.file.close()


def _dataset_info(splits: tuple[str, ...]) -> dict[str, object]:
    """LLaMA-Factory's description of the files; its ``media_dir`` is the image folder."""
    return {
        "datagen" if split == TRAIN else f"datagen_{split}": {
            "file_name": f"{split}.json",
            "formatting": "sharegpt",
            "columns": {"messages": "conversations", "images": "image"},
        }
        for split in splits
    }
