"""Fetching over the network: what failed for a moment is tried again; what fails for good stops the run, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from datagen.errors import RunError

TRIES, PAUSE_S = 3, 0.5
"""A server that fails for a moment costs no picture."""
TIMEOUT_S = 60.0
Fetched = TypeVar("Fetched")


def tried(fetch: Callable[[], Fetched], told: str) -> Fetched:
    """Fetch something, up to three times.

    Args:
        fetch: Raises an ``OSError`` where it failed, maybe for a moment.
        told: What cannot be done then, as the beginning of a sentence.

    Raises:
        RunError: It fails each time.
    """
    for attempt in range(TRIES):
        try:
            return fetch()
        except OSError as error:
            fault = error
        if attempt + 1 < TRIES:
            time.sleep(PAUSE_S * 2**attempt)
    why = " ".join(str(fault).split())[:200]
    raise RunError(f"{told} ({why}). What is stored is safe: start the same command again when it answers.")
