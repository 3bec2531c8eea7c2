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

    Attributes:
        words: Numbers of the words, set after set.
        sizes: Words of each set.
        starts: Place of each set's first word.
        signatures: Each set folded into 128 bits, of which every word turns one; of shape (sets, 2). Two signatures
            differ in no more bits than the sets have words that they do not share.
    """

    def __init__(self, words: Integers, sizes: Integers, signatures: Integers | None = None) -> None:
        self.words, self.sizes = words, sizes
        self.starts: Integers = np.cumsum(sizes) - sizes
        self.signatures = _signatures(words, sizes) if signatures is None else signatures

    def taken(self, numbers: Integers) -> WordSets:
        """Copy some of the sets, by their numbers."""
        sizes = self.sizes[numbers]
        return WordSets(self.words_of(numbers), sizes, self.signatures[numbers])

    def words_of(self, numbers: Integers) -> Integers:
        """Copy the words of some sets, one set after another."""
        return self.words[ranges(self.starts[numbers], self.sizes[numbers])]


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
