"""Where each record of a file stands, by key: sixteen bytes a record, so that a million of them are no burden."""

from __future__ import annotations

import hashlib

import numpy as np

Entry = tuple[int, int, bool]
"""Where a line starts and how long it is, in bytes, and a mark."""

MOST_RECENT = 8192
START_BITS, LENGTH_BITS = 40, 23  # one bit is left for the mark: a file of a terabyte, lines of 8 MB


class SpanIndex:
    """A mapping from text keys to entries.

    The latest entries lie in a dict, and are merged into sorted arrays when they are many: an entry of a dict
    takes ten times the memory. One that is too large for the arrays stays in the dict.
    Keys are held as 64 bits of their BLAKE2b digest: among a million, two are one with a chance of 3e-8.
    """

    def __init__(self) -> None:
        self._recent: dict[int, Entry] = {}
        self._keys = np.empty(0, np.uint64)
        self._packed = np.empty(0, np.uint64)

    def __len__(self) -> int:
        self._merge()
        return len(self._keys) + len(self._recent)

    def put(self, key: str, entry: Entry) -> None:
        """Set a key's entry."""
        self._recent[_number_of(key)] = entry
        if len(self._recent) >= MOST_RECENT:
            self._merge()

    def get(self, key: str) -> Entry | None:
        """Find a key's entry."""
        number = _number_of(key)
        entry = self._recent.get(number)
        if entry is not None or not len(self._keys):
            return entry
        place = int(np.searchsorted(self._keys, np.uint64(number)))
        if place == len(self._keys) or int(self._keys[place]) != number:
            return None
        packed = int(self._packed[place])
        return packed >> (LENGTH_BITS + 1), (packed >> 1) % (1 << LENGTH_BITS), bool(packed & 1)

    def _merge(self) -> None:
        fitting = {key: entry for key, entry in self._recent.items() if _fits(entry)}
        if not fitting:
            return
        order = sorted(fitting)
        keys = np.array(order, np.uint64)
        packed = np.array([_pack(fitting[number]) for number in order], np.uint64)
        places = np.searchsorted(self._keys, keys)
        is_known = np.zeros(len(keys), bool)
        inside = places < len(self._keys)
        is_known[inside] = self._keys[places[inside]] == keys[inside]
        self._packed[places[is_known]] = packed[is_known]
        is_new = ~is_known
        self._packed = np.insert(self._packed, places[is_new], packed[is_new])
        self._keys = np.insert(self._keys, places[is_new], keys[is_new])
        self._recent = {key: entry for key, entry in self._recent.items() if key not in fitting}


def _fits(entry: Entry) -> bool:
    return entry[0] < 1 << START_BITS and entry[1] < 1 << LENGTH_BITS


def _pack(entry: Entry) -> int:
    start, length, is_marked = entry
    return start << (LENGTH_BITS + 1) | length << 1 | is_marked


def _number_of(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")
