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


def write_llava(samples: Iterable[Sample], file: BinaryIO, rng_seed: int) -> int:
    """Write accepted samples as one JSON array, one record a line, in the order given.

    Returns:
        How many records were written.
    """
    n_written = 0
    file.write(b"[")
    for sample in samples:
        if sample.status == "accepted":
            file.write(b",\n" if n_written else b"\n")
            file.write(msgspec.json.encode(llava_record(sample, rng_seed)))
            n_written += 1
    file.write(b"\n]\n")
    return n_written
