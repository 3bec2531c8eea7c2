"""LLaVA's JSON array of ``{id, image, conversations}``: a run's own ``dataset.json``, and the export form ``llava``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from datagen.export.rows import IMAGE_TOKEN, TRAIN, ExportRow, ExportSettings
from datagen.randomness import rng_for
from datagen.records import Sample


def llava_record(sample: Sample, rng_seed: int) -> dict[str, Any]:
    """Turn one sample into LLaVA's record.

    The image token stands once, in the first human turn, before or after the question at random,
    as in LLaVA-Instruct-158K; LLaVA's trainer moves it to the front.
    """
    first, *further = sample.turns
    is_before = rng_for(rng_seed, sample.sample_id, "image token").random() < 0.5
    opening = f"{IMAGE_TOKEN}\n{first.question}" if is_before else f"{first.question}\n{IMAGE_TOKEN}"
    values = [opening, first.answer]
    for turn in further:
        values += [turn.question, turn.answer]
    return {
        "id": sample.sample_id,
        "image": sample.image,
        "conversations": [{"from": "gpt" if n % 2 else "human", "value": value} for n, value in enumerate(values)],
    }


class RecordArray:
    """Writes records as one JSON array, one a line.

    Args:
        file: Stays open.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.n_written = 0
        file.write(b"[")

    def add(self, record: dict[str, Any]) -> None:
        """Write a record."""
        self._file.write((b",\n" if self.n_written else b"\n") + msgspec.json.encode(record))
        self.n_written += 1

    def end(self) -> None:
        """Complete the array."""
        self._file.write(b"\n]\n")


def write_llava(samples: Iterable[Sample], file: BinaryIO, rng_seed: int) -> int:
    """Write accepted samples as one JSON array, in the order given.

    Returns:
        How many records were written.
    """
    array = RecordArray(file)
    for sample in samples:
        if sample.status == "accepted":
            array.add(llava_record(sample, rng_seed))
    array.end()
    return array.n_written


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
