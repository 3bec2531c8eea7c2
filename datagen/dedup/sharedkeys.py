"""From word sets to keys, of which any two sets that are near share at least one.

Prefix filtering after AllPairs (Bayardo, Ma and Srikant, WWW 2007), with prefixes one longer, as
in AdaptJoin (Wang, Li and Feng, SIGMOD 2012): sets of n and m words with Jaccard similarity t
share at least k = t (n + m) / (1 + t) words, and k is at least t n. In any one order of all words
the first two shared ones are thus among the first n - t n + 2 of each, and of the smaller set among
the first n - 2 t n / (1 + t) + 2, as k is at least that where n <= m. Here rare words come first.
A key is a rare word of these first ones, or a pair of frequent ones: of two shared words either one
is rare, or both make a pair. Sets so small that one shared word is enough give every word.
"""

from __future__ import annotations

import numpy as np

from datagen.dedup.wordsets import Integers, rows_of

ROUNDING = 1e-9
"""Keeps floating point from cutting a bound such as 0.8 * 10 one too short."""
_RARE_COUNT = 128
"""Sets with one word up to which it is rare; lower makes more pairs (71 keys a text at 64, of a million), higher more
sets to look at."""
_ODD = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_SIGN = 1 << 31
_HALF = np.uint64(32)


class WordOrder:
    """An order of all words, rare ones first, by how many sets held each when it was made.

    A word that came later stands before all others, the last come first.

    Args:
        counts: Sets that hold each word, by the word's number.
    """

    def __init__(self, counts: Integers) -> None:
        rarest_first = np.argsort(counts, kind="stable")
        self._ranks = np.empty(len(counts), np.int64)
        self._ranks[rarest_first] = np.arange(len(counts))
        self._n_rare = int(np.count_nonzero(counts <= _RARE_COUNT))

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
        by_rank = (rows_of(sizes) << 32) | (self._ranks_of(words) + _SIGN)
        by_rank.sort()
        place = np.arange(len(by_rank)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        first = place < np.repeat(_n_first(sizes, threshold), sizes)
        early = place < np.repeat(_n_first(sizes, 2 * threshold / (1 + threshold)), sizes)
        by_rank = by_rank[first]
        return by_rank >> 32, (by_rank & 0xFFFFFFFF) - _SIGN, early[first]

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
    """Mix two numbers into 32 bits."""
    mixed: Integers = ranks.astype(np.uint64) * _ODD[0] + np.asarray(others).astype(np.uint64) * _ODD[1]
    mixed = (mixed ^ (mixed >> _HALF)) * _ODD[0]
    return mixed >> _HALF
