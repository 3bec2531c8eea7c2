"""Random choices that depend on the sample alone, never on order, workers or engine."""

from __future__ import annotations

import hashlib
import random


def rng_for(rng_seed: int, *key: str) -> random.Random:
    """Make the generator that belongs to one sample and purpose.

    Args:
        rng_seed: The run's seed.
        key: Image id, response type, and what is being drawn.

    Returns:
        A generator in the same state on every machine and Python version.
    """
    text = "\x1f".join((str(rng_seed), *key))
    return random.Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))
