"""LLaVA's JSON array of ``{id, image, conversations}``: a run's own ``dataset.json``, and the export form ``llava``.

The form ``internvl`` has the same records, a line each, with the picture's size.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from datagen.export.rows import (
    IMAGE_TOKEN,
    IMAGES,
    TRAIN,
    ExportRow,
    ExportSettings,
    LeftOut,
    token_fault,
    told_beside,
)
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
    """Writes ``SPLIT.json``: the records of the run's own ``dataset.json``, with what ``told_beside`` tells."""

    has_pixels = False

    def __init__(self, folder: Path, split: str, settings: ExportSettings) -> None:
        self.file = (folder / f"{split}.json").open("wb")
        self.array = RecordArray(self.file)
        if split == TRAIN:  # one for all splits
            info = msgspec.json.encode(_dataset_info(settings.choice.splits))
            (folder / "dataset_info.json").write_bytes(msgspec.json.format(info, indent=2) + b"\n")

    def add(self, row: ExportRow) -> None:
        """Write a row."""
        self.array.add({**row.record, **told_beside(row.sample)})

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


class InternVLJsonl:
    """Writes ``SPLIT.jsonl``, and ``SPLIT_meta.json``, which ``--meta_path`` of InternVL's trainer takes.

    Its paths are relative to the export, or where pictures are left, the pictures' to the image folder.
    """

    has_pixels = False

    def __init__(self, folder: Path, split: str, settings: ExportSettings) -> None:
        self.folder, self.split = folder, split
        self.root = "" if settings.pictures == "leave" else f"{IMAGES}/"
        self.tokens = _INTERNVL_TOKENS if settings.coordinates != "internvl" else _PICTURE_TOKENS  # boxes are written
        self.file = (folder / f"{split}.jsonl").open("wb")
        self.n_rows = 0

    def add(self, row: ExportRow) -> LeftOut | None:
        """Write a row, unless a text holds what InternVL counts its pictures by, or reads as a box."""
        from PIL import Image

        fault = token_fault(row.record, self.tokens)
        if fault is not None:
            return fault
        with Image.open(row.picture) as picture:
            width, height = picture.size  # as stored: its trainer turns no picture by EXIF
        plain = row.record
        line = {"id": plain["id"], "image": plain["image"], "width": width, "height": height}
        line |= {"conversations": plain["conversations"], **told_beside(row.sample)}
        self.file.write(msgspec.json.encode(line) + b"\n")
        self.n_rows += 1
        return None

    def close(self) -> None:
        """Complete the file and describe it."""
        self.file.close()
        name = "datagen" if self.split == TRAIN else f"datagen_{self.split}"
        about = {
            "root": self.root,
            "annotation": f"{self.split}.jsonl",
            "data_augment": False,
            "repeat_time": 1,
            "length": self.n_rows,
        }
        meta = msgspec.json.format(msgspec.json.encode({name: about}), indent=2)
        (self.folder / f"{self.split}_meta.json").write_bytes(meta + b"\n")


_PICTURE_TOKENS = re.compile("</?img>|<IMG_CONTEXT>")
_INTERNVL_TOKENS = re.compile(f"</?(?:quad|ref|box)>|{_PICTURE_TOKENS.pattern}")
