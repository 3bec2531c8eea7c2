"""Export form ``claims``: a JSON line per claim of the samples, with the words, the verdict and what decided it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import msgspec

from datagen.records import Sample


def claim_records(sample: Sample) -> Iterator[dict[str, Any]]:
    """Tell every claim of a sample as a flat record.

    Args:
        sample: Accepted or rejected; what the claims stage cut off is no longer among its turns.

    Yields:
        ``sample_id``, ``image_id``, ``turn`` (from 1), ``text`` (the words that claim), and the fields of
        ``Claim`` but those at their defaults.
    """
    for number, turn in enumerate(sample.turns, start=1):
        for claim in turn.claims:
            said = turn.question if claim.in_question else turn.answer
            yield {
                "sample_id": sample.sample_id,
                "image_id": sample.image_id,
                "turn": number,
                "text": said[claim.start : claim.end],
                **msgspec.to_builtins(claim),
            }


def write_claims(samples: Iterable[Sample], file: BinaryIO) -> int:
    """Write the claims of accepted samples as JSON lines.

    Returns:
        How many.
    """
    n_claims = 0
    for sample in samples:
        if sample.status == "accepted":
            for record in claim_records(sample):
                file.write(msgspec.json.encode(record) + b"\n")
                n_claims += 1
    return n_claims
