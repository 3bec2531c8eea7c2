"""What dedup keeps of the texts it let pass: words in a file, names in a row, exact texts as digests.

A million texts of sixty words take some 100 MB here, where lists and dictionaries of Python's would take 700.
"""

from __future__ import annotations

import tempfile
import weakref
from array import array
from io import FileIO

import numpy as np

from datagen.dedup.wordsets import Column, Integers, WordSets, ranges

_MOST_IN_MEMORY = 1 << 21
"""Words held before they go into a file: runs up to some 30,000 samples need none."""
_MOST_WAITING = 1 << 14


class Names:
    """Names by number, in the order in which they came."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._ends = array("Q", (0,))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        return self._text[self._ends[number] : self._ends[number + 1]].decode("utf-8", "surrogatepass")

    def append(self, name: str) -> None:
        """Give a name the next number."""
        self._text += name.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._text))


class ExactTexts:
    """Names of texts by their digests of 128 bits, at 20 bytes and the name each."""

    def __init__(self) -> None:
        self._names = Names()
        self._rests = Column(np.empty(0, np.uint64))  # the other half of the digests, by number
        self._waiting: dict[bytes, int] = {}
        self._heads = np.empty(0, np.uint64)  # sorted
        self._numbers = np.empty(0, np.uint32)

    def get(self, digest: bytes) -> str | None:
        """Find the name of a text."""
        number = self._waiting.get(digest)
        if number is not None:
            return self._names[number]
        head, rest = np.frombuffer(digest, np.uint64)
        for place in range(int(self._heads.searchsorted(head)), len(self._heads)):
            if self._heads[place] != head:
                break
            if self._rests.values[self._numbers[place]] == rest:
                return self._names[int(self._numbers[place])]
        return None

    def add(self, digest: bytes, name: str) -> None:
        """Remember a text that is not known yet."""
        self._waiting[digest] = len(self._names)
        self._names.append(name)
        self._rests.extend(np.frombuffer(digest, np.uint64)[1:])
        if len(self._waiting) >= max(_MOST_WAITING, len(self._heads) // 8):
            self._merge()

    def _merge(self) -> None:
        heads = np.frombuffer(b"".join(self._waiting), np.uint64)[::2]
        numbers = np.fromiter(self._waiting.values(), np.uint32, len(self._waiting))
        order = np.argsort(heads, kind="stable")
        places = self._heads.searchsorted(heads[order])
        self._heads = np.insert(self._heads, places, heads[order])
        self._numbers = np.insert(self._numbers, places, numbers[order])
        self._waiting = {}


def _unnamed_file() -> FileIO:
    return tempfile.TemporaryFile(prefix="datagen-words-", buffering=0)


class HeldSets:
    """Word sets that were let pass; the words of many lie in a file that has no name, and goes with the process.

    They are read only to verify the few pairs that signatures leave. The file stands where the system keeps its
    temporary ones (``TMPDIR``).

    Attributes:
        counts: Sets that hold each word, by its number.
    """

    def __init__(self) -> None:
        self._words = Column(np.empty(0, np.uint32))
        self._n_filed = 0
        self._file: FileIO | None = None
        self._sizes = Column(np.empty(0, np.uint32))
        self._starts = Column(np.empty(0, np.uint64))
        self._signatures = Column(np.empty((0, 2), np.uint64))
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
        if len(self._words) > _MOST_IN_MEMORY:
            if self._file is None:
                self._file = _unnamed_file()
                weakref.finalize(self, self._file.close)
            self._file.seek(4 * self._n_filed)
            rest = memoryview(self._words.values.tobytes())
            while rest:
                rest = rest[self._file.write(rest) :]
            self._n_filed += len(self._words)
            self._words = Column(np.empty(0, np.uint32))

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
