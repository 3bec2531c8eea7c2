"""Near-duplicate search by Jaccard similarity of word sets, exact: none missed, none false.

An inverted index (``PostingLists``) gives candidates that share rare words, 128-bit signatures thin them out, and
what is left is verified word by word. Memory holds postings and signatures; the words of many texts lie in a file.
MinHash, the usual way, misses 6 % of the near-duplicates among 160,000 texts and takes ten times the CPU.

The index finds texts of like size that share rare words. Prefix filtering after AllPairs (Bayardo, Ma and Srikant, WWW
2007), with prefixes one longer, as in AdaptJoin (Wang, Li and Feng, SIGMOD 2012): sets of n and m words with Jaccard
similarity t share at least k = t (n + m) / (1 + t) words, and k is at least t n. In any one order of all words the
first two shared ones are thus among the first n - t n + 2 of each, and of the smaller set among the first n - 2 t n /
(1 + t) + 2, as k is at least that where n <= m. Here rare words come first. A key is a rare word of these first ones,
or a pair of frequent ones: of two shared words either one is rare, or both make a pair. Sets so small that one shared
word is enough give every word.

A posting says which set has a key. It is one integer of, from the highest bit down: 29 bits of the key; 7 bits of the
set's size, in steps of a tenth; 27 bits of its number; one bit that says whether the key may be shared with a larger
set. Sorted, the postings of one key and of like sizes thus stand side by side, and sets of other sizes are never looked
at, which with words numbered by hash brought 160,000 texts from 6.5 to 3.7 CPU seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from msgspec import Struct

from datagen.dedup.word_sets import (
    Integers,
    PackedStrings,
    StoredWordSets,
    WordNumbers,
    WordSets,
    pieces,
    ranges,
    rows_of,
)

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


Twin = tuple[str, float]
"""Key of the earlier text that is nearly the same, and the Jaccard similarity of the two."""
_Near = list[tuple[int, int, float]]
"""Number of the query, number of the other set, Jaccard similarity."""
_Sets = WordSets | StoredWordSets


class IndexLimits(Struct, frozen=True):
    """Numbers that decide what the index costs, never what it finds.

    Attributes:
        first_reorder: Sets from which words are put in order of rarity for the first time.
        block: Texts compared at once. One by one, 12,000 texts cost 830 us each, in blocks of 256 or 2,048 some 40 us,
            of 8,192 90 us. Bounds what a block of copies costs, whose pairs grow with its square.
        max_pairs: Pairs, or words of pairs, looked at in one step; bounds the memory, some 50 bytes each.
        max_rare: See ``WordOrder``.
        min_divided: See ``PostingLists``.
        max_in_memory: See ``StoredWordSets``.
    """

    first_reorder: int = 256
    block: int = 2048
    max_pairs: int = 1 << 20
    max_rare: int = 128
    min_divided: int = 1 << 15
    max_in_memory: int = 1 << 21


class NearDuplicateIndex:
    """Word sets seen so far.

    The order of words that prefix filtering needs is made anew each time the number of sets is four times what it
    was; answers do not depend on it. A lower threshold takes more memory and time: the postings of a set grow with the
    square of the words that may differ.

    Args:
        threshold: Jaccard similarity from which two sets count as near; above 0.
        limits: What it may cost.
    """

    def __init__(self, threshold: float, limits: IndexLimits | None = None) -> None:
        self._threshold = threshold
        self._limits = limits = limits or IndexLimits()
        self._vocabulary = WordNumbers()
        self._keys = PackedStrings()
        self._stored = StoredWordSets(limits.max_in_memory)
        self._index = PostingLists()
        self._order = WordOrder(np.zeros(0, np.int64), limits.max_rare)
        self._reorder_at = limits.first_reorder

    def admit(self, keys: Sequence[str], texts: Sequence[Iterable[str]]) -> list[Twin | None]:
        """Do in order for each text: find its twin, and add it when it has none; many at once cost far less.

        Returns:
            For each text the key of the most similar one added before, among equally similar ones of the first, and
            the Jaccard similarity; or None where none reaches the threshold and the text was added.
        """
        twins: list[Twin | None] = []
        for first in range(0, len(texts), self._limits.block):
            last = first + self._limits.block
            twins += self._admit_block(keys[first:last], texts[first:last])
        return twins

    def _admit_block(self, keys: Sequence[str], texts: Sequence[Iterable[str]]) -> list[Twin | None]:
        block = self._vocabulary.sets_of(texts)
        postings = self._postings_of(block)
        n_stored = len(self._keys)
        near = self._near(block, self._index.beside(postings), self._stored)
        inside = self._near(block, [(postings, postings)], block)
        near += [(n, n_stored + other, score) for n, other, score in inside]
        best: dict[int, tuple[float, int]] = {}
        for n, other, score in sorted(near):
            if other - n_stored not in best:  # the other was kept: its own pairs came before
                best[n] = max(best.get(n, (0.0, 0)), (score, -other))
        twins: list[Twin | None] = [None] * len(keys)
        for n, (score, other) in best.items():
            twins[n] = self._keys[-other] if -other < n_stored else keys[-other - n_stored], score
        kept = np.array([twin is None for twin in twins])
        places = np.cumsum(kept) - 1 + n_stored
        owners = numbers_in(postings)
        postings = renumbered(postings, places[owners])[kept[owners]]
        self._keep(
            [key for key, stays in zip(keys, kept, strict=True) if stays], block.taken(np.flatnonzero(kept)), postings
        )
        return twins

    def _postings_of(self, sets: WordSets) -> Integers:
        """Make the sets' postings, sorted, numbered from 0."""
        keys, owners, for_larger = self._order.keys_of(sets.words, sets.sizes, self._threshold)
        return np.sort(pack_postings(keys, sets.sizes[owners], owners, for_larger))

    def _keep(self, keys: list[str], sets: WordSets, postings: Integers) -> None:
        for key in keys:
            self._keys.append(key)
        self._stored.extend(sets)
        if len(self._keys) >= self._reorder_at:
            self._reorder()
        else:
            self._index.add(postings)

    def _reorder(self) -> None:
        # Every posting is made again: once the sets had doubled, in place of fourfold, it took a quarter of the time.
        self._reorder_at = 4 * len(self._keys)
        counts = np.zeros(len(self._vocabulary), np.uint32)
        n_known = min(len(counts), len(self._stored.counts))
        counts[:n_known] = self._stored.counts[:n_known]
        self._order = WordOrder(counts, self._limits.max_rare)
        self._index = PostingLists(len(self._keys), self._limits.min_divided)
        self._index.fill(self._every_posting())

    def _every_posting(self) -> Iterator[Integers]:
        for piece in pieces(self._stored.sizes, self._limits.max_pairs):
            numbers = np.arange(piece.start, piece.stop)
            part = self._postings_of(self._stored.taken(numbers))
            yield renumbered(part, numbers_in(part) + piece.start)

    def _near(self, queries: WordSets, beside: Iterable[tuple[Integers, Integers]], stored: _Sets) -> _Near:
        """Find all pairs of a query and a stored set, or of a query and an earlier one, that reach the threshold."""
        found = [
            self._thinned(queries, stored, *pair)
            for postings, run in beside
            for pair in candidate_pairs(postings, queries.sizes, run, self._threshold, self._limits.max_pairs)
        ]
        pairs = np.unique(np.concatenate(found)) if found else np.zeros(0, np.uint64)
        near: _Near = []
        numbers, others = (pairs >> 32).astype(np.int64), (pairs & 0xFFFFFFFF).astype(np.int64)
        for piece in pieces(stored.sizes[others], self._limits.max_pairs):
            near += self._verified(queries, stored, numbers[piece], others[piece])
        return near

    def _thinned(self, queries: WordSets, stored: _Sets, numbers: Integers, others: Integers) -> Integers:
        """Leave out pairs whose signatures differ in more bits than near sets in words."""
        if queries is stored:
            earlier = others < numbers
            numbers, others = numbers[earlier], others[earlier]
        most = (1 - self._threshold) / (1 + self._threshold)
        bound = (queries.sizes[numbers] + stored.sizes[others]) * most + ROUNDING
        # take() gathers rows ten times as fast as an index.
        n_bits = np.bitwise_count(queries.signatures.take(numbers, 0) ^ stored.signatures.take(others, 0))
        close = n_bits[:, 0] + n_bits[:, 1] <= bound
        return (numbers[close].astype(np.uint64) << 32) | others[close].astype(np.uint64)

    def _verified(self, queries: WordSets, stored: _Sets, numbers: Integers, others: Integers) -> _Near:
        """Count the words that pairs share, and keep the pairs whose Jaccard similarity reaches the threshold."""
        sizes = stored.sizes[others].astype(np.int64)
        words = stored.words_of(others).astype(np.int64)
        wanted = (numbers.repeat(sizes) << 32) | words
        rows = np.unique(numbers)
        own = np.sort((rows.repeat(queries.sizes[rows]) << 32) | queries.taken(rows).words)
        place = np.minimum(np.searchsorted(own, wanted), len(own) - 1)
        n_shared = np.add.reduceat(own[place] == wanted, np.cumsum(sizes) - sizes, dtype=np.int64)
        scores = n_shared / (queries.sizes[numbers] + sizes - n_shared)
        near = scores >= self._threshold
        return list(zip(numbers[near].tolist(), others[near].tolist(), scores[near].tolist(), strict=True))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Jaccard similarity of two sets; 1 when both are empty."""
    n_shared = len(a & b)
    n_all = len(a) + len(b) - n_shared
    return n_shared / n_all if n_all else 1.0
