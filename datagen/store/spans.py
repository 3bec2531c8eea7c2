"""Where each record of a file stands, by key: twenty bytes a record, so that a million of them need no more."""

from __future__ import annotations

import hashlib

import numpy as np

Entry = tuple[int, int, bool]
"""Where a line starts and how long it is, in bytes, and a mark."""

MOST_RECENT = 8192
_MARK = np.uint32(1 << 31)


class SpanIndex:
    """A mapping from text keys to entries.

    The latest entries lie in a dict, and are merged into sorted arrays when they are many: an entry of a dict
    takes ten times the memory.
    Keys are held as 64 bits of their BLAKE2b digest: among a million, two are one with a chance of 3e-8.
    """

    def __init__(self) -> None:
        self._recent: dict[int, Entry] = {}
        self._keys = np.empty(0, np.uint64)
        self._starts = np.empty(0, np.int64)
        self._lengths = np.empty(0, np.uint32)

    def __len__(self) -> int:
        self._merge()
        return len(self._keys)

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
        length = self._lengths[place]
        return int(self._starts[place]), int(length & ~_MARK), bool(length & _MARK)

    def _merge(self) -> None:
        if not self._recent:
            return
        order = sorted(self._recent)
        entries = [self._recent[number] for number in order]
        keys = np.array(order, np.uint64)
        starts = np.array([start for start, _, _ in entries], np.int64)
        lengths = np.array([length for _, length, _ in entries], np.uint32)
        lengths |= np.array([is_marked for _, _, is_marked in entries]).astype(np.uint32) << np.uint32(31)
        places = np.searchsorted(self._keys, keys)
        is_known = np.zeros(len(keys), bool)
        inside = places < len(self._keys)
        is_known[inside] = self._keys[places[inside]] == keys[inside]
        self._starts[places[is_known]] = starts[is_known]
        self._lengths[places[is_known]] = lengths[is_known]
        fresh = ~is_known
        self._starts = np.insert(self._starts, places[fresh], starts[fresh])
        self._lengths = np.insert(self._lengths, places[fresh], lengths[fresh])
        self._keys = np.insert(self._keys, places[fresh], keys[fresh])
        self._recent.clear()


def _number_of(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")
