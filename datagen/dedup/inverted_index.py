"""The inverted index that finds candidates for near-duplicates: texts of like size that share rare words.

Prefix filtering after AllPairs (Bayardo, Ma and Srikant, WWW 2007), with prefixes one longer, as
in AdaptJoin (Wang, Li and Feng, SIGMOD 2012): sets of n and m words with Jaccard similarity t
share at least k = t (n + m) / (1 + t) words, and k is at least t n. In any one order of all words
the first two shared ones are thus among the first n - t n + 2 of each, and of the smaller set among
the first n - 2 t n / (1 + t) + 2, as k is at least that where n <= m. Here rare words come first.
A key is a rare word of these first ones, or a pair of frequent ones: of two shared words either one
is rare, or both make a pair. Sets so small that one shared word is enough give every word.

A posting says which set has a key. It is one integer of, from the highest bit down: 29 bits of the key; 7 bits of the
set's size, in steps of a tenth; 27 bits of its number; one bit that says whether the key may be shared with a larger
set. Sorted, the postings of one key and of like sizes thus stand side by side, and sets of other sizes are never looked
at, which with words numbered by hash brought 160,000 texts from 6.5 to 3.7 CPU seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from datagen.dedup.word_sets import Integers, pieces, ranges, rows_of

ROUNDING = 1e-9
"""Keeps floating point from cutting a bound such as 0.8 * 10 one too short."""
MAX_SIZE_STEPS = 1 << 7
"""Sizes that postings tell apart. In steps of a tenth they reach 180,000 words; larger sets meet those of any larger
size."""
_KEY_SHIFT, _SIZE_SHIFT, _NUMBER_BITS = 35, 28, ((1 << 27) - 1) << 1


class WordOrder:
    """The order of all words that prefix filtering needs: rare ones first, by how many sets held each when it was made.

    A word that came later stands before all others, the last come first.

    Args:
        counts: Sets that hold each word, by the word's number.
        max_rare: Sets with one word up to which it is rare. A lower number makes more pairs (71 keys a text at 64, of a
            million texts), a higher one more sets to look at.
    """

    def __init__(self, counts: Integers, max_rare: int = 128) -> None:
        rarest_first = np.argsort(counts, kind="stable")
        self._ranks = np.empty(len(counts), np.int64)
        self._ranks[rarest_first] = np.arange(len(counts))
        self._n_rare = int(np.count_nonzero(counts <= max_rare))

    def keys_of(self, words: Integers, sizes: Integers, threshold: float) -> tuple[Integers, Integers, Integers]:
        """Make the keys of many sets.

        Args:
            words: Numbers of the words, set after set.
            sizes: Words of each set.
            threshold: Jaccard similarity from which two sets must share a key.

        Returns:
            The keys, of 32 bits each in 64, the set that each belongs to, counted from 0, and whether
            the key may be the one shared with a larger set. Different words or pairs may share a key.
        """
        sets, ranks, early = self._first_words(words, sizes, threshold)
        frequent = ranks >= self._n_rare
        single = ~frequent | (sizes * threshold <= 1 + ROUNDING)[sets]
        found = [(_mixed(ranks[single], 0), sets[single], early[single])]
        sets, ranks, early = sets[frequent], ranks[frequent], early[frequent]
        for apart in range(1, int(np.bincount(sets).max()) if len(sets) else 1):
            same = sets[apart:] == sets[:-apart]
            later = ranks[apart:][same]
            found.append((_mixed(later, ranks[:-apart][same] + 1), sets[apart:][same], early[apart:][same]))
        keys, owners, for_larger = map(np.concatenate, zip(*found, strict=True))
        return keys, owners, for_larger

    def _first_words(self, words: Integers, sizes: Integers, threshold: float) -> tuple[Integers, Integers, Integers]:
        """Order each set and leave its first words: their set, rank, and whether a larger set needs them."""
        to_positive = 1 << 31  # ranks of words that came later are negative
        by_rank = (rows_of(sizes) << 32) | (self._ranks_of(words) + to_positive)
        by_rank.sort()
        place = np.arange(len(by_rank)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        first = place < np.repeat(_n_first(sizes, threshold), sizes)
        early = place < np.repeat(_n_first(sizes, 2 * threshold / (1 + threshold)), sizes)
        by_rank = by_rank[first]
        return by_rank >> 32, (by_rank & 0xFFFFFFFF) - to_positive, early[first]

    def _ranks_of(self, words: Integers) -> Integers:
        n_known = len(self._ranks)
        ranks = -words.astype(np.int64)
        known = words < n_known
        ranks[known] = self._ranks[words[known]]
        return ranks


def _n_first(sizes: Integers, share: float) -> Integers:
    """Count the first words, of which two are shared by any set that shares at least this share of all."""
    n_first: Integers = sizes - np.ceil(share * sizes - ROUNDING).astype(np.int64) + 2
    return n_first


def _mixed(ranks: Integers, others: Integers | int) -> Integers:
    """Hash two numbers to 32 bits, by multiplying with odd numbers that have no pattern."""
    odd, other_odd = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F
    mixed: Integers = ranks.astype(np.uint64) * odd + np.asarray(others).astype(np.uint64) * other_odd
    mixed = (mixed ^ (mixed >> 32)) * odd
    return mixed >> 32


def pack_postings(keys: Integers, sizes: Integers, numbers: Integers, for_larger: Integers) -> Integers:
    """Pack postings; keys have 32 bits, of which the highest 29 are taken."""
    sized: Integers = (keys >> 3 << _KEY_SHIFT) | (_size_step(sizes) << _SIZE_SHIFT)
    packed: Integers = sized | (numbers.astype(np.uint64) << 1) | for_larger
    return packed


def numbers_in(postings: Integers) -> Integers:
    """Read the numbers of the sets."""
    numbers: Integers = ((postings & _NUMBER_BITS) >> 1).astype(np.int64)
    return numbers


def renumbered(postings: Integers, numbers: Integers) -> Integers:
    """Put other numbers in; where they are in the same order the postings stay sorted."""
    renamed: Integers = postings & ~np.uint64(_NUMBER_BITS) | (numbers.astype(np.uint64) << 1)
    return renamed


class PostingLists:
    """Postings in a few sorted arrays, each several times as long as the next.

    New ones are merged from the short end, as in a log-structured merge tree, so that adding stays cheap. Many postings
    are divided by their highest bits: what a merge needs beside them is then a small part of all.

    Args:
        n_sets: Sets to make room for; there may be more.
        min_divided: Sets from which postings are divided.
    """

    def __init__(self, n_sets: int = 0, min_divided: int = 1 << 15) -> None:
        self._n_parts = 1 if n_sets < min_divided else 16
        self._parts: list[list[Integers]] = [[] for _ in range(self._n_parts)]

    def add(self, postings: Integers) -> None:
        """Take in sorted postings."""
        for runs, own in zip(self._parts, self._cut(postings), strict=True):
            added = own if self._n_parts == 1 else own.copy()  # a view would keep all of them
            # A higher ratio than 16 means fewer arrays to look into, and more merging.
            while runs and len(runs[-1]) < 16 * len(added):
                added = _merged(runs.pop(), added)
            if len(added):
                runs.append(added)

    def fill(self, postings: Iterable[Integers]) -> None:
        """Take in many arrays of sorted postings and make one of them; nothing was taken in before."""
        for one in postings:
            for runs, own in zip(self._parts, self._cut(one), strict=True):
                runs.append(own.copy())
        for runs in self._parts:
            whole = np.concatenate(runs)
            runs.clear()
            whole.sort(kind="stable")
            runs.append(whole)

    def beside(self, queries: Integers) -> Iterator[tuple[Integers, Integers]]:
        """Give sorted postings, as far as each array could hold others with their keys, and that array."""
        for runs, own in zip(self._parts, self._cut(queries), strict=True):
            for run in runs:
                yield own, run

    def _cut(self, postings: Integers) -> list[Integers]:
        if self._n_parts == 1:
            return [postings]
        edges = np.arange(1, self._n_parts, dtype=np.uint64) << 60  # the highest 4 bits choose one of 16 parts
        return np.split(postings, np.searchsorted(postings, edges))


def _merged(one: Integers, other: Integers) -> Integers:
    # NumPy's stable sort merges runs that it finds, at 2 ns a number where sorting anew takes 50.
    joined = np.concatenate((one, other))
    joined.sort(kind="stable")
    return joined


def candidate_pairs(
    queries: Integers, sizes: Integers, run: Integers, threshold: float, max_pairs: int
) -> Iterator[tuple[Integers, Integers]]:
    """Find the sets that share a key and whose sizes alone do not keep them apart.

    Args:
        queries: Sorted postings of the sets asked for.
        sizes: Words of these sets, by their numbers.
        run: Sorted postings of other sets.
        threshold: Jaccard similarity that matters.
        max_pairs: Pairs to give at once.

    Yields:
        Numbers of the sets asked for, and of the others; a pair may come several times.
    """
    if not len(run):
        return
    smallest = _size_step(sizes * (threshold - ROUNDING))
    largest = _size_step(sizes / (threshold - ROUNDING))
    numbers = numbers_in(queries)
    key = queries >> _KEY_SHIFT << _KEY_SHIFT
    upper = np.where(queries & 1, largest[numbers], _size_step(sizes)[numbers])
    low, high = key | (smallest[numbers] << _SIZE_SHIFT), key | ((upper + 1) << _SIZE_SHIFT)
    starts = np.searchsorted(run, low)
    hit = run[np.minimum(starts, len(run) - 1)] < high
    hit &= starts < len(run)
    numbers, starts = numbers[hit], starts[hit]
    n_each = np.searchsorted(run, high[hit]) - starts
    for piece in pieces(n_each, max_pairs):
        yield numbers[piece].repeat(n_each[piece]), numbers_in(run[ranges(starts[piece], n_each[piece])])


def _size_step(sizes: Integers) -> Integers:
    steps: Integers = np.log(np.maximum(sizes, 1)) / np.log(1.1)
    return np.minimum(steps, MAX_SIZE_STEPS - 2).astype(np.uint64)  # one is left for the end of the last step's range
