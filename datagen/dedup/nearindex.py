"""From word sets to an earlier one that is nearly the same, exactly: none missed, none false.

Sets are found by the keys they share (``sharedkeys``), thinned by signature and then verified word
by word. Only signatures and keys are held in memory; the words of many sets lie in a file (``held``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from datagen.dedup.entries import EntryRuns, entries_of, meetings, numbers_in, renumbered
from datagen.dedup.held import HeldSets, Names
from datagen.dedup.sharedkeys import ROUNDING, WordOrder
from datagen.dedup.vocabulary import Vocabulary
from datagen.dedup.wordsets import Integers, WordSets, pieces

_FIRST_REORDER = 256
_REORDER_RATIO = 4
"""Making the order anew takes every key again: at 2 it was a quarter of the time."""
_BLOCK = 2048
"""Texts compared at once. Bounds what a block of copies costs, whose pairs grow with its square."""
_MOST_PAIRS = 1 << 20
"""Pairs, or words of pairs, looked at in one step; bounds the memory, some 50 bytes each."""
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)

Twin = tuple[str, float]
_Near = list[tuple[int, int, float]]
"""Number of the set asked for, number of the other, Jaccard similarity."""


class NearIndex:
    """Word sets seen so far.

    The order of words that the keys need is made anew each time the number of sets is four times what it was;
    answers do not depend on it. A lower threshold takes more memory and time: the keys of a set
    grow with the square of the words that may differ.

    Args:
        threshold: Jaccard similarity from which two sets count as near; above 0.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._vocabulary = Vocabulary()
        self._keys = Names()
        self._held = HeldSets()
        self._runs = EntryRuns()
        self._order = WordOrder(np.zeros(0, np.int64))
        self._reorder_at = _FIRST_REORDER

    def find(self, tokens: Iterable[str]) -> Twin | None:
        """Find the most similar set; among equally similar ones the first added.

        Returns:
            Its key and the Jaccard similarity, or None when no set reaches the threshold.
        """
        asked = self._vocabulary.sets_of([tokens])
        near = self._near(asked, self._runs.beside(self._keys_of(asked)), self._held)
        best = max(((score, -n) for _, n, score in near), default=None)
        return None if best is None else (self._keys[-best[1]], best[0])

    def add(self, key: str, tokens: Iterable[str]) -> None:
        """Remember a set under a key."""
        own = self._vocabulary.sets_of([tokens])
        shared = self._keys_of(own)
        self._keep([key], own, renumbered(shared, np.full(len(shared), len(self._keys))))

    def admit(self, keys: Sequence[str], texts: Sequence[Iterable[str]]) -> list[Twin | None]:
        """Do in order for each text: find its twin, and add it when it has none.

        This is what calling ``find`` and ``add`` does, many times faster from some fifty texts on.

        Returns:
            For each text the key and similarity of its twin, or None when it was added.
        """
        twins: list[Twin | None] = []
        for first in range(0, len(texts), _BLOCK):
            twins += self._admit_block(keys[first : first + _BLOCK], texts[first : first + _BLOCK])
        return twins

    def _admit_block(self, keys: Sequence[str], texts: Sequence[Iterable[str]]) -> list[Twin | None]:
        block = self._vocabulary.sets_of(texts)
        shared = self._keys_of(block)
        n_held = len(self._keys)
        near = self._near(block, self._runs.beside(shared), self._held)
        inside = self._near(block, [(shared, shared)], block)
        near += [(n, n_held + other, score) for n, other, score in inside]
        best: dict[int, tuple[float, int]] = {}
        for n, other, score in sorted(near):
            if other - n_held not in best:  # the other was kept: its own pairs came before
                best[n] = max(best.get(n, (0.0, 0)), (score, -other))
        twins: list[Twin | None] = [None] * len(keys)
        for n, (score, other) in best.items():
            twins[n] = self._keys[-other] if -other < n_held else keys[-other - n_held], score
        kept = np.array([twin is None for twin in twins])
        places = np.cumsum(kept) - 1 + n_held
        owners = numbers_in(shared)
        shared = renumbered(shared, places[owners])[kept[owners]]
        self._keep(
            [key for key, stays in zip(keys, kept, strict=True) if stays], block.taken(np.flatnonzero(kept)), shared
        )
        return twins

    def _keys_of(self, sets: WordSets) -> Integers:
        """Make the sets' entries, sorted, numbered from 0."""
        keys, owners, for_larger = self._order.keys_of(sets.words, sets.sizes, self._threshold)
        return np.sort(entries_of(keys, sets.sizes[owners], owners, for_larger))

    def _keep(self, keys: list[str], sets: WordSets, shared: Integers) -> None:
        for key in keys:
            self._keys.append(key)
        self._held.extend(sets)
        if len(self._keys) >= self._reorder_at:
            self._reorder()
        else:
            self._runs.add(shared)

    def _reorder(self) -> None:
        self._reorder_at = _REORDER_RATIO * len(self._keys)
        counts = np.zeros(len(self._vocabulary), np.uint32)
        n_known = min(len(counts), len(self._held.counts))
        counts[:n_known] = self._held.counts[:n_known]
        self._order = WordOrder(counts)
        self._runs = EntryRuns(len(self._keys))
        self._runs.fill(self._every_key())

    def _every_key(self) -> Iterator[Integers]:
        for piece in pieces(self._held.sizes, _MOST_PAIRS):
            numbers = np.arange(piece.start, piece.stop)
            part = self._keys_of(self._held.taken(numbers))
            yield renumbered(part, numbers_in(part) + piece.start)

    def _near(self, asked: WordSets, beside: Iterable[tuple[Integers, Integers]], held: WordSets | HeldSets) -> _Near:
        """Find all pairs of a set asked for and a set held, or an earlier one asked for, that reach the threshold."""
        found = [
            self._thinned(asked, held, *pair)
            for shared, run in beside
            for pair in meetings(shared, asked.sizes, run, self._threshold, _MOST_PAIRS)
        ]
        pairs = np.unique(np.concatenate(found)) if found else np.zeros(0, np.uint64)
        near: _Near = []
        numbers, others = (pairs >> _HALF).astype(np.int64), (pairs & _LOW).astype(np.int64)
        for piece in pieces(held.sizes[others], _MOST_PAIRS):
            near += self._verified(asked, held, numbers[piece], others[piece])
        return near

    def _thinned(self, asked: WordSets, held: WordSets | HeldSets, numbers: Integers, others: Integers) -> Integers:
        """Leave out pairs whose signatures differ in more bits than near sets in words."""
        if asked is held:
            earlier = others < numbers
            numbers, others = numbers[earlier], others[earlier]
        most = (1 - self._threshold) / (1 + self._threshold)
        bound = (asked.sizes[numbers] + held.sizes[others]) * most + ROUNDING
        # take() gathers rows ten times as fast as an index.
        n_bits = np.bitwise_count(asked.signatures.take(numbers, 0) ^ held.signatures.take(others, 0))
        close = n_bits[:, 0] + n_bits[:, 1] <= bound
        return (numbers[close].astype(np.uint64) << _HALF) | others[close].astype(np.uint64)

    def _verified(self, asked: WordSets, held: WordSets | HeldSets, numbers: Integers, others: Integers) -> _Near:
        sizes = held.sizes[others].astype(np.int64)
        words = held.words_of(others).astype(np.int64)
        wanted = (numbers.repeat(sizes) << 32) | words
        rows = np.unique(numbers)
        own = np.sort((rows.repeat(asked.sizes[rows]) << 32) | asked.taken(rows).words)
        place = np.minimum(np.searchsorted(own, wanted), len(own) - 1)
        n_shared = np.add.reduceat(own[place] == wanted, np.cumsum(sizes) - sizes, dtype=np.int64)
        scores = n_shared / (asked.sizes[numbers] + sizes - n_shared)
        near = scores >= self._threshold
        return list(zip(numbers[near].tolist(), others[near].tolist(), scores[near].tolist(), strict=True))


def similarity(a: frozenset[str], b: frozenset[str]) -> float:
    """Jaccard similarity of two sets; 1 when both are empty."""
    n_shared = len(a & b)
    n_all = len(a) + len(b) - n_shared
    return n_shared / n_all if n_all else 1.0
