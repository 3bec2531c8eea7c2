"""A compact hash map from texts to 64-bit numbers, at sixteen bytes an entry."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.uint64]

MIN_WAITING = 8192
_WAITING_SHARE = 64
"""Entries that wait to be merged, as a share of those merged: merging costs an entry 0.5 us, waiting 160 bytes."""


class DigestMap:
    """A mapping from texts to numbers below 2**64.

    The latest entries lie in a dict, and are merged into sorted arrays when they are many: an entry of a dict
    takes ten times the memory. Texts are held as 64 bits of their BLAKE2b digest: among a million, two are one with
    a chance of 3e-8, so whoever cannot bear that compares what the number leads to.

    Args:
        digests: Sorted digests of an earlier map, and
        numbers: theirs; both as ``arrays`` gave them.
    """

    def __init__(self, digests: Numbers | None = None, numbers: Numbers | None = None) -> None:
        self._waiting: dict[int, int] = {}
        self._digests = np.empty(0, np.uint64) if digests is None else digests
        self._numbers = np.empty(0, np.uint64) if numbers is None else numbers

    def __len__(self) -> int:
        self._merge()
        return len(self._digests)

    def __contains__(self, text: str) -> bool:
        return self.get(text) is not None

    def put(self, text: str, number: int) -> None:
        """Set a text's number."""
        self._waiting[_digest_of(text)] = number
        if len(self._waiting) >= max(MIN_WAITING, len(self._digests) // _WAITING_SHARE):
            self._merge()

    def get(self, text: str) -> int | None:
        """Find a text's number."""
        digest = _digest_of(text)
        number = self._waiting.get(digest)
        if number is not None:
            return number
        place = int(self._digests.searchsorted(np.uint64(digest)))
        if place == len(self._digests) or int(self._digests[place]) != digest:
            return None
        return int(self._numbers[place])

    def arrays(self) -> tuple[Numbers, Numbers]:
        """Everything, as sorted digests and their numbers; not to be written to."""
        self._merge()
        return self._digests, self._numbers

    def _merge(self) -> None:
        if not self._waiting:
            return
        digests = np.fromiter(self._waiting.keys(), np.uint64, len(self._waiting))
        numbers = np.fromiter(self._waiting.values(), np.uint64, len(self._waiting))
        order = np.argsort(digests)
        digests, numbers = digests[order], numbers[order]
        places = np.searchsorted(self._digests, digests)
        is_known = np.zeros(len(digests), bool)
        inside = places < len(self._digests)
        is_known[inside] = self._digests[places[inside]] == digests[inside]
        self._waiting = {}
        if is_known.any():
            self._numbers = self._numbers.copy()  # arrays that were given away stay as they were
            self._numbers[places[is_known]] = numbers[is_known]
        self._numbers = np.insert(self._numbers, places[~is_known], numbers[~is_known])
        self._digests = np.insert(self._digests, places[~is_known], digests[~is_known])


def _digest_of(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
