"""From accepted samples to LLaVA's JSON array of ``{id, image, conversations}``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO

import msgspec

from datagen.randomness import rng_for
from datagen.records import Sample

IMAGE_TOKEN = "<image>"


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
