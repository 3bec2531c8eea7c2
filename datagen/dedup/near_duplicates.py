"""Near-duplicate search by Jaccard similarity of word sets, exact: none missed, none false.

An inverted index (``inverted_index``) gives candidates that share rare words, 128-bit signatures thin them out, and
what is left is verified word by word. Memory holds postings and signatures; the words of many texts lie in a file.
MinHash, the usual way, misses 6 % of the near-duplicates among 160,000 texts and takes ten times the CPU.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from msgspec import Struct

from datagen.dedup.inverted_index import (
    ROUNDING,
    PostingLists,
    WordOrder,
    candidate_pairs,
    numbers_in,
    pack_postings,
    renumbered,
)
from datagen.dedup.word_sets import Integers, PackedStrings, StoredWordSets, WordNumbers, WordSets, pieces

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
