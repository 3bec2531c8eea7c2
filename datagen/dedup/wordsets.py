"""From texts to sets of word numbers, all in a few long arrays that NumPy looks at in one go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[Any]

_BIT = np.uint64(1) << np.arange(64, dtype=np.uint64)
_NO_BIT = np.uint64(0)


class Column:
    """A NumPy array that grows at its end; its room doubles, so that growing costs little."""

    def __init__(self, values: Integers) -> None:
        self._room = values
        self._length = len(values)

    def __len__(self) -> int:
        return self._length

    @property
    def values(self) -> Integers:
        """What it holds now; a view that the next ``extend`` may leave behind."""
        return self._room[: self._length]

    def extend(self, values: Integers) -> None:
        """Append values."""
        length = self._length + len(values)
        if length > len(self._room):
            room = np.empty((max(length, 2 * len(self._room)), *values.shape[1:]), values.dtype)
            room[: self._length] = self.values
            self._room = room
        self._room[self._length : length] = values
        self._length = length


class WordSets:
    """Many sets of word numbers, in order.

    Args:
        words: The numbers, set after set.
        sizes: How many each set has.
        signatures: Where they are known.
    """

    def __init__(self, words: Integers, sizes: Integers, signatures: Integers | None = None) -> None:
        self._words, self._sizes = Column(words), Column(sizes)
        self._starts = Column(np.cumsum(sizes) - sizes)
        self._signatures = Column(_signatures(words, sizes) if signatures is None else signatures)

    @classmethod
    def empty(cls) -> WordSets:
        """Make a place for sets to come."""
        return cls(np.empty(0, np.uint32), np.empty(0, np.int64))

    @property
    def words(self) -> Integers:
        """Numbers of the words, set after set."""
        return self._words.values

    @property
    def sizes(self) -> Integers:
        """Words of each set."""
        return self._sizes.values

    @property
    def starts(self) -> Integers:
        """Place of each set's first word."""
        return self._starts.values

    @property
    def signatures(self) -> Integers:
        """Each set folded into 128 bits, of which every word turns one; of shape (sets, 2).

        Two signatures differ in no more bits than the sets have words that they do not share.
        """
        return self._signatures.values

    def taken(self, numbers: Integers) -> WordSets:
        """Copy some of the sets, by their numbers."""
        sizes = self.sizes[numbers]
        return WordSets(self.words[ranges(self.starts[numbers], sizes)], sizes, self.signatures[numbers])

    def extend(self, others: WordSets) -> None:
        """Append copies of other sets."""
        self._starts.extend(others.starts + len(self.words))
        self._words.extend(others.words)
        self._sizes.extend(others.sizes)
        self._signatures.extend(others.signatures)


def _signatures(words: Integers, sizes: Integers) -> Integers:
    folded = np.zeros((len(sizes), 2), np.uint64)
    filled = sizes > 0
    starts = (np.cumsum(sizes) - sizes)[filled]
    if len(starts):
        bits, in_second = _BIT[words & 63], (words & 64).astype(bool)
        for half in (0, 1):
            folded[filled, half] = np.bitwise_xor.reduceat(np.where(in_second == half, bits, _NO_BIT), starts)
    return folded


def ranges(starts: Integers, sizes: Integers) -> Integers:
    """Count through ranges: starts 7, 3 with sizes 2, 3 give 7, 8, 3, 4, 5."""
    before = np.cumsum(sizes) - sizes
    return np.repeat(starts - before, sizes) + np.arange(int(sizes.sum()))


def rows_of(sizes: Integers) -> Integers:
    """Number each element with the row it stands in: sizes 2, 3 give 0, 0, 1, 1, 1."""
    return np.repeat(np.arange(len(sizes)), sizes)


def pieces(sizes: Integers, limit: int) -> Iterator[slice]:
    """Cut a list of ranges where their sizes add up to a limit; a longer range stands alone."""
    ends = np.cumsum(sizes)
    first = 0
    while first < len(sizes):
        done = int(ends[first - 1]) if first else 0
        last = max(int(np.searchsorted(ends, done + limit, "right")), first + 1)
        yield slice(first, last)
        first = last
