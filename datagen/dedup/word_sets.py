"""Texts as sets of word numbers in a few long NumPy arrays: what the search for near-duplicates compares.

``WordNumbers`` turns words into numbers, ``WordSets`` holds the sets of some texts, ``StoredWordSets`` those of all
that were kept: a million texts of sixty words take some 100 MB, where lists and dictionaries of Python's would take
700.
"""

from __future__ import annotations

import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator
from io import FileIO
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[Any]

_NO_NUMBER = -1
"""Stands in the hash table's free slots."""


class GrowingArray:
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


class PackedStrings:
    """Strings by number, in the order in which they came, end to end in one buffer: no object of Python's for each."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._ends = array("Q", (0,))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        return self._text[self._ends[number] : self._ends[number + 1]].decode("utf-8", "surrogatepass")

    def append(self, text: str) -> None:
        """Give a string the next number."""
        self._text += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._text))


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
        # A shift takes 1.8 ns a word, a table of the 64 bits 4.6.
        bits, in_second = np.left_shift(np.uint64(1), words & 63, dtype=np.uint64), (words & 64).astype(bool)
        for half in (0, 1):
            folded[filled, half] = np.bitwise_xor.reduceat(np.where(in_second == half, bits, 0), starts)
    return folded


def _unnamed_file() -> FileIO:
    return tempfile.TemporaryFile(prefix="datagen-words-", buffering=0)


class StoredWordSets:
    """Word sets of the texts that were kept; the words of many lie in a file without a name that goes with the process.

    They are read only to verify the few pairs that signatures leave. The file stands where the system keeps its
    temporary ones (``TMPDIR``).

    Args:
        max_in_memory: Words held before they go into the file; two million are some 30,000 samples, so that small runs
            need none.

    Attributes:
        counts: Sets that hold each word, by its number.
    """

    def __init__(self, max_in_memory: int = 1 << 21) -> None:
        self._max_in_memory = max_in_memory
        self._words = GrowingArray(np.empty(0, np.uint32))
        self._n_filed = 0
        self._file: FileIO | None = None
        self._sizes = GrowingArray(np.empty(0, np.uint32))
        self._starts = GrowingArray(np.empty(0, np.uint64))
        self._signatures = GrowingArray(np.empty((0, 2), np.uint64))
        self.counts = np.zeros(0, np.uint32)

    @property
    def sizes(self) -> Integers:
        """Words of each set."""
        return self._sizes.values

    @property
    def signatures(self) -> Integers:
        """See ``WordSets``."""
        return self._signatures.values

    def extend(self, sets: WordSets) -> None:
        """Append sets."""
        self._starts.extend(sets.starts.astype(np.uint64) + np.uint64(self._n_filed + len(self._words)))
        self._sizes.extend(sets.sizes.astype(np.uint32))
        self._signatures.extend(sets.signatures)
        self._words.extend(sets.words)
        n_words = int(sets.words.max(initial=0)) + 1
        if n_words > len(self.counts):
            self.counts = np.append(self.counts, np.zeros(n_words, np.uint32))
        np.add.at(self.counts, sets.words, np.uint32(1))
        if len(self._words) > self._max_in_memory:
            if self._file is None:
                self._file = _unnamed_file()
                weakref.finalize(self, self._file.close)
            self._file.seek(4 * self._n_filed)
            rest = memoryview(self._words.values.tobytes())
            while rest:
                rest = rest[self._file.write(rest) :]
            self._n_filed += len(self._words)
            self._words = GrowingArray(np.empty(0, np.uint32))

    def taken(self, numbers: Integers) -> WordSets:
        """Copy some of the sets, by their numbers."""
        sizes = self.sizes[numbers].astype(np.int64)
        return WordSets(self.words_of(numbers), sizes, self.signatures[numbers])

    def words_of(self, numbers: Integers) -> Integers:
        """Read the words of some sets, one set after another."""
        starts, sizes = self._starts.values[numbers].astype(np.int64), self.sizes[numbers].astype(np.int64)
        words = np.empty(int(sizes.sum()), np.uint32)
        ends = np.cumsum(sizes)
        in_file = starts < self._n_filed
        here = ~in_file
        if here.any():
            read = self._words.values[ranges(starts[here] - self._n_filed, sizes[here])]
            words[ranges((ends - sizes)[here], sizes[here])] = read
        filed = np.flatnonzero(in_file)
        while len(filed):  # what stands side by side is read at once
            n = 1 + int(np.argmin(np.append((starts + sizes)[filed[:-1]] == starts[filed[1:]], False)))
            first, last = filed[0], filed[n - 1]
            at = int(ends[first] - sizes[first])
            if last - first != n - 1:
                n, last = 1, first
            self._read(int(starts[first]), words[at : int(ends[last])])
            filed = filed[n:]
        return words

    def _read(self, start: int, into: Integers) -> None:
        assert self._file is not None
        self._file.seek(4 * start)
        content = b""
        while len(content) < into.nbytes:
            more = self._file.read(into.nbytes - len(content))
            if not more:
                raise OSError("a temporary file of datagen was cut short while it worked")
            content += more
        into[:] = np.frombuffer(content, np.uint32)


class WordNumbers:
    """Words by number, counted from 0: a hash table with linear probing that looks up many words at once.

    Words are told apart by Python's own hash: 64 bits, keyed anew in each process. That two of a million
    words share one has a chance of 3 in 100 million, and nobody can write such a pair on purpose. A
    dictionary of the words themselves takes twice the time, four misses of the cache for each word.
    """

    def __init__(self) -> None:
        self._hashes = GrowingArray(np.empty(0, np.int64))
        self._slots = np.full(1024, _NO_NUMBER, np.int32)

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
        new = numbers == _NO_NUMBER
        if new.any():
            self._add(np.unique(hashes[new]))
            numbers[new] = self._found(hashes[new])
        return numbers.astype(np.uint32)

    def _found(self, hashes: Integers) -> Integers:
        known, last = self._hashes.values, len(self._slots) - 1
        if not len(known):
            return np.full(len(hashes), _NO_NUMBER, np.int32)
        slots = hashes & last
        numbers: Integers = self._slots[slots]
        astray = np.flatnonzero((numbers != _NO_NUMBER) & (known[numbers] != hashes))
        while len(astray):
            slots[astray] = (slots[astray] + 1) & last
            numbers[astray] = self._slots[slots[astray]]
            astray = astray[(numbers[astray] != _NO_NUMBER) & (known[numbers[astray]] != hashes[astray])]
        return numbers

    def _add(self, hashes: Integers) -> None:
        first = len(self._hashes)
        self._hashes.extend(hashes)
        if 2 * len(self._hashes) > len(self._slots):  # fuller than half, probes grow long
            room = 4 * max(len(self._slots), 1 << len(self._hashes).bit_length())
            self._slots, first = np.full(room, _NO_NUMBER, np.int32), 0
        numbers = np.arange(first, len(self._hashes), dtype=np.int32)
        slots = self._hashes.values[first:] & (len(self._slots) - 1)
        while len(numbers):
            free = self._slots[slots] == _NO_NUMBER
            self._slots[slots[free]] = numbers[free]  # of several that want one slot the last gets it
            homeless = self._slots[slots] != numbers
            numbers, slots = numbers[homeless], (slots[homeless] + 1) & (len(self._slots) - 1)


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
