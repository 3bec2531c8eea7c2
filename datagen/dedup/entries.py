"""From the keys of sets to index entries, integers whose order brings together what must be compared.

An entry has, from the highest bit down: 29 bits of a shared key; 7 bits of the set's size, in steps
of a tenth; 27 bits of its number; one bit that says whether the key may be shared with a larger set.
Sorted, the sets that share a key and are of like size thus stand side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from datagen.dedup.wordsets import Integers, pieces, ranges

_KEY_SHIFT, _SIZE_SHIFT, _NUMBER_SHIFT = np.uint64(35), np.uint64(28), np.uint64(1)
_LAST_SIZE, _LAST_NUMBER, _FOR_LARGER = (1 << 7) - 1, np.uint64((1 << 27) - 1), np.uint64(1)
_SIZE_STEP = 1.1  # in 127 steps to 180,000 words; larger sets meet those of any larger size
_ROUNDING = 1e-9
_MERGE_RATIO = 16
"""More means fewer arrays to look into, and more merging."""
_PART_BITS = 4
_MOST_PARTS, _FEW_SETS = 1 << _PART_BITS, 1 << 15


def entries_of(keys: Integers, sizes: Integers, numbers: Integers, for_larger: Integers) -> Integers:
    """Pack entries; keys have 32 bits, of which the highest 29 are taken."""
    sized: Integers = (keys >> np.uint64(3) << _KEY_SHIFT) | (_size_steps(sizes) << _SIZE_SHIFT)
    packed: Integers = sized | (numbers.astype(np.uint64) << _NUMBER_SHIFT) | for_larger
    return packed


def numbers_in(entries: Integers) -> Integers:
    """Read the numbers of the sets."""
    numbers: Integers = (entries >> _NUMBER_SHIFT & _LAST_NUMBER).astype(np.int64)
    return numbers


def renumbered(entries: Integers, numbers: Integers) -> Integers:
    """Put other numbers in; where they are in the same order the entries stay sorted."""
    renamed: Integers = entries & ~(_LAST_NUMBER << _NUMBER_SHIFT) | (numbers.astype(np.uint64) << _NUMBER_SHIFT)
    return renamed


class EntryRuns:
    """Entries in a few sorted arrays, each several times as long as the next.

    New ones are merged from the short end, as in a log-structured merge tree, so that adding stays cheap. Many entries
    are divided by their highest bits: what a merge needs beside them is then a small part of all.
    """

    def __init__(self, n_sets: int = 0) -> None:
        """Make room for so many sets, and more."""
        self._n_parts = 1 if n_sets < _FEW_SETS else _MOST_PARTS
        self._parts: list[list[Integers]] = [[] for _ in range(self._n_parts)]

    def add(self, entries: Integers) -> None:
        """Take in sorted entries."""
        for runs, own in zip(self._parts, self._cut(entries), strict=True):
            added = own if self._n_parts == 1 else own.copy()  # a view would keep all of them
            while runs and len(runs[-1]) < _MERGE_RATIO * len(added):
                added = _merged(runs.pop(), added)
            if len(added):
                runs.append(added)

    def fill(self, entries: Iterable[Integers]) -> None:
        """Take in many arrays of sorted entries and make one of them; nothing was taken in before."""
        for one in entries:
            for runs, own in zip(self._parts, self._cut(one), strict=True):
                runs.append(own.copy())
        for runs in self._parts:
            whole = np.concatenate(runs)
            runs.clear()
            whole.sort(kind="stable")
            runs.append(whole)

    def beside(self, asked: Integers) -> Iterator[tuple[Integers, Integers]]:
        """Give sorted entries, as far as each array could hold others with their keys, and that array."""
        for runs, own in zip(self._parts, self._cut(asked), strict=True):
            for run in runs:
                yield own, run

    def _cut(self, entries: Integers) -> list[Integers]:
        if self._n_parts == 1:
            return [entries]
        edges = np.arange(1, self._n_parts, dtype=np.uint64) << np.uint64(64 - _PART_BITS)
        return np.split(entries, np.searchsorted(entries, edges))


def _merged(one: Integers, other: Integers) -> Integers:
    # NumPy's stable sort merges runs that it finds, at 2 ns a number where sorting anew takes 50.
    joined = np.concatenate((one, other))
    joined.sort(kind="stable")
    return joined


def meetings(
    asked: Integers, sizes: Integers, run: Integers, threshold: float, most: int
) -> Iterator[tuple[Integers, Integers]]:
    """Find the sets that share a key and whose sizes alone do not keep them apart.

    Args:
        asked: Sorted entries of the sets asked for.
        sizes: Words of these sets, by their numbers.
        run: Sorted entries of other sets.
        threshold: Jaccard similarity that matters.
        most: Pairs to give at once.

    Yields:
        Numbers of the sets asked for, and of the others; a pair may come several times.
    """
    if not len(run):
        return
    smallest = _size_steps(sizes * (threshold - _ROUNDING))
    largest = _size_steps(sizes / (threshold - _ROUNDING))
    numbers = numbers_in(asked)
    key = asked >> _KEY_SHIFT << _KEY_SHIFT
    upper = np.where(asked & _FOR_LARGER, largest[numbers], _size_steps(sizes)[numbers])
    low, high = key | (smallest[numbers] << _SIZE_SHIFT), key | ((upper + np.uint64(1)) << _SIZE_SHIFT)
    starts = np.searchsorted(run, low)
    hit = run[np.minimum(starts, len(run) - 1)] < high
    hit &= starts < len(run)
    numbers, starts = numbers[hit], starts[hit]
    n_each = np.searchsorted(run, high[hit]) - starts
    for piece in pieces(n_each, most):
        yield numbers[piece].repeat(n_each[piece]), numbers_in(run[ranges(starts[piece], n_each[piece])])


def _size_steps(sizes: Integers) -> Integers:
    steps: Integers = np.log(np.maximum(sizes, 1)) / np.log(_SIZE_STEP)
    return np.minimum(steps, _LAST_SIZE - 1).astype(np.uint64)
