"""Where each record of a file stands, by key: sixteen bytes a record."""

from __future__ import annotations

from datagen.digestmap import DigestMap

Entry = tuple[int, int, bool]
"""Where a line starts and how long it is, in bytes, and a mark."""

START_BITS, LENGTH_BITS = 40, 23  # one bit is left for the mark: a file of a terabyte, lines of 8 MB


class SpanIndex:
    """A mapping from text keys to entries; one that is too large to be packed lies in a dict of its own.

    Args:
        packed: Entries of an earlier index.
    """

    def __init__(self, packed: DigestMap | None = None) -> None:
        self._packed = DigestMap() if packed is None else packed
        self._large: dict[str, Entry] = {}

    def __len__(self) -> int:
        return len(self._packed) + sum(key not in self._packed for key in self._large)

    def put(self, key: str, entry: Entry) -> None:
        """Set a key's entry."""
        start, length, is_marked = entry
        if start < 1 << START_BITS and length < 1 << LENGTH_BITS:
            self._packed.put(key, start << (LENGTH_BITS + 1) | length << 1 | is_marked)
            self._large.pop(key, None)
        else:
            self._large[key] = entry

    def get(self, key: str) -> Entry | None:
        """Find a key's entry."""
        if self._large and key in self._large:
            return self._large[key]
        packed = self._packed.get(key)
        if packed is None:
            return None
        return packed >> (LENGTH_BITS + 1), (packed >> 1) % (1 << LENGTH_BITS), bool(packed & 1)

    def packed(self) -> DigestMap | None:
        """Everything, to be kept in a file; None when not all of it is packed."""
        return None if self._large else self._packed
