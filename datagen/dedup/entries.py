"""From the keys of sets to index entries, integers whose order brings together what must be compared.

An entry has, from the highest bit down: 29 bits of a shared key; 7 bits of the set's size, in steps
of a tenth; 27 bits of its number; one bit that says whether the key may be shared with a larger set.
Sorted, the sets that share a key and are of like size thus stand side by side.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from datagen.dedup.wordsets import Integers, pieces, ranges

_KEY_SHIFT, _SIZE_SHIFT, _NUMBER_SHIFT = np.uint64(35), np.uint64(28), np.uint64(1)
_LAST_SIZE, _LAST_NUMBER, _FOR_LARGER = (1 << 7) - 1, np.uint64((1 << 27) - 1), np.uint64(1)
_SIZE_STEP = 1.1  # in 127 steps to 180,000 words; larger sets meet those of any larger size
_ROUNDING = 1e-9


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


def merged(runs: list[Integers]) -> Integers:
    """Merge sorted arrays into one."""
    # NumPy's stable sort merges runs that it finds, at 2 ns a number where sorting anew takes 50.
    joined = np.concatenate(runs)
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
