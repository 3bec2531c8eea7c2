"""Export form ``preference``: pairs of a better and a worse answer to one question about one picture, for DPO.

Two files hold the same pairs: ``SPLIT.jsonl`` in TRL's conversational form (``images``, ``prompt``, ``chosen``,
``rejected``), ``SPLIT_ranking.json`` in LLaMA-Factory's sharegpt form with ``ranking``, described in
``dataset_info.json``. Each pair says what is wrong with the worse answer, and how that is known.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec.structs import asdict

from datagen.export.llava_json import RecordArray
from datagen.export.rows import IMAGES, TRAIN, ExportRow, ExportSettings, LeftOut, chat_messages, record_fault
from datagen.records import Sample

PairSource = Literal["repair", "caught", "planted"]


class PreferencePair(Sample, frozen=True):
    """A conversation up to one answer, the better one, and the worse one in its place.

    Attributes:
        worse: The worse answer.
        source: ``repair``: before and after the teacher wrote it anew. ``caught``: lost, where another answer to the
            same question about the image is in the dataset. ``planted``: an error was put into the better one.
        kind: What is wrong, such as ``count``.
        known_by: Who knows: ``annotations``, ``judge``, ``validator`` or ``planted``.
        evidence: The sentence that says so.
    """

    worse: str = ""
    source: PairSource = "planted"
    kind: str = ""
    known_by: str = ""
    evidence: str = ""


_TOLD = ("source", "kind", "known_by", "evidence")


class PreferenceFiles:
    """Writes both files of a split.

    Attributes:
        tally: Pairs by source.
    """

    has_pixels = False

    def __init__(self, folder: Path, split: str, settings: ExportSettings) -> None:
        self.tally: Counter[str] = Counter()
        self.prefix = "" if settings.pictures == "leave" else f"{IMAGES}/"
        self.lines = (folder / f"{split}.jsonl").open("wb")
        self.file = (folder / f"{split}_ranking.json").open("wb")
        self.array = RecordArray(self.file)
        if split == TRAIN:  # one for all splits
            info = msgspec.json.encode(_dataset_info(settings.choice.splits))
            (folder / "dataset_info.json").write_bytes(msgspec.json.format(info, indent=2) + b"\n")

    def add(self, row: ExportRow) -> LeftOut | None:
        """Write a pair, unless its worse answer would be lost on its readers."""
        pair = row.sample
        if not isinstance(pair, PreferencePair):
            return LeftOut("no_pair", "it is a sample and no pair of answers")
        *turns, better = row.record["conversations"]
        worse = {"from": "gpt", "value": pair.worse}
        fault = record_fault({**row.record, "conversations": [*turns, worse]})
        if fault is not None:
            return fault
        told: dict[str, Any] = {name: value for name, value in asdict(pair).items() if name in _TOLD}
        about = {"id": pair.sample_id, "image_id": pair.image_id, "licence": pair.provenance.licence, **told}
        image = self.prefix + row.image
        prompt = chat_messages({"conversations": turns}, {"type": "image"})
        answers = (chat_messages({"conversations": [one]}, {}) for one in (better, worse))
        chosen, rejected = answers
        line = {**about, "images": [image], "prompt": prompt, "chosen": chosen, "rejected": rejected}
        self.lines.write(msgspec.json.encode(line) + b"\n")
        self.array.add({**about, "images": [row.image], "conversations": turns, "chosen": better, "rejected": worse})
        self.tally[pair.source] += 1
        return None

    def close(self) -> None:
        """Complete the files."""
        self.lines.close()
        self.array.end()
        self.file.close()


def _dataset_info(splits: tuple[str, ...]) -> dict[str, object]:
    """LLaMA-Factory's description of the files; its ``media_dir`` is the image folder."""
    columns = {"messages": "conversations", "images": "images", "chosen": "chosen", "rejected": "rejected"}
    return {
        "datagen_preference" if split == TRAIN else f"datagen_preference_{split}": {
            "file_name": f"{split}_ranking.json",
            "formatting": "sharegpt",
            "ranking": True,
            "columns": columns,
        }
        for split in splits
    }
