"""From words to small numbers, many at once: a hash table in NumPy, with linear probing."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import numpy as np

from datagen.dedup.wordsets import Column, Integers, WordSets

_NONE = -1
_FIRST_ROOM = 1024


class Vocabulary:
    """Words by number, counted from 0.

    Words are told apart by Python's own hash: 64 bits, keyed anew in each process. That two of a million
    words share one has a chance of 3 in 100 million, and nobody can write such a pair on purpose. A
    dictionary of the words themselves takes twice the time, four misses of the cache for each word.
    """

    def __init__(self) -> None:
        self._hashes = Column(np.empty(0, np.int64))
        self._slots = np.full(_FIRST_ROOM, _NONE, np.int32)

    def __len__(self) -> int:
        return len(self._hashes)

    def sets_of(self, texts: Iterable[Iterable[str]]) -> WordSets:
        """Number the different words of each text."""
        sets = [set(tokens) for tokens in texts]
        sizes = np.fromiter(map(len, sets), np.int64, len(sets))
        hashes = np.fromiter(map(hash, chain.from_iterable(sets)), np.int64, int(sizes.sum()))
        return WordSets(self.numbers_of(hashes), sizes)

    def numbers_of(self, hashes: Integers) -> Integers:
        """Give each hash its number; an unknown one gets the next."""
        numbers = self._found(hashes)
        new = numbers == _NONE
        if new.any():
            self._add(np.unique(hashes[new]))
            numbers[new] = self._found(hashes[new])
        return numbers.astype(np.uint32)

    def _found(self, hashes: Integers) -> Integers:
        known, last = self._hashes.values, len(self._slots) - 1
        if not len(known):
            return np.full(len(hashes), _NONE, np.int32)
        slots = hashes & last
        numbers: Integers = self._slots[slots]
        astray = np.flatnonzero((numbers != _NONE) & (known[numbers] != hashes))
        while len(astray):
            slots[astray] = (slots[astray] + 1) & last
            numbers[astray] = self._slots[slots[astray]]
            astray = astray[(numbers[astray] != _NONE) & (known[numbers[astray]] != hashes[astray])]
        return numbers

    def _add(self, hashes: Integers) -> None:
        first = len(self._hashes)
        self._hashes.extend(hashes)
        if 2 * len(self._hashes) > len(self._slots):
            room = 4 * max(len(self._slots), 1 << len(self._hashes).bit_length())
            self._slots, first = np.full(room, _NONE, np.int32), 0
        numbers = np.arange(first, len(self._hashes), dtype=np.int32)
        slots = self._hashes.values[first:] & (len(self._slots) - 1)
        while len(numbers):
            free = self._slots[slots] == _NONE
            self._slots[slots[free]] = numbers[free]  # of several that want one slot the last gets it
            homeless = self._slots[slots] != numbers
            numbers, slots = numbers[homeless], (slots[homeless] + 1) & (len(self._slots) - 1)
