"""From word sets to an earlier one that is nearly the same, exactly: none missed, none false.

Prefix filtering after AllPairs (Bayardo, Ma and Srikant, WWW 2007): sets of n and m words with
Jaccard similarity t share at least t (n + m) / (1 + t) words, and so at least one among the first
n - t (n + m) / (1 + t) + 1 of each, in any one order of all words. Only such first words are
indexed, by size, since sizes further apart than t allows never meet; candidates are verified.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

_ROUNDING = 1e-9
"""Keeps floating point from cutting a bound such as 0.8 * 10 one too short."""
_FIRST_REORDER = 256


class NearIndex:
    """Word sets seen so far.

    The order puts rare words first. As counts grow while the index fills, it is made anew each
    time the number of sets has doubled; answers do not depend on it.

    Args:
        threshold: Jaccard similarity from which two sets count as near; above 0.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._keys: list[str] = []
        self._sets: list[frozenset[str]] = []
        self._postings: dict[tuple[str, int], list[int]] = {}
        self._counts: Counter[str] = Counter()
        self._reorder_at = _FIRST_REORDER

    def find(self, tokens: Iterable[str]) -> tuple[str, float] | None:
        """Find the most similar set; among equally similar ones the first added.

        Returns:
            Its key and the Jaccard similarity, or None when no set reaches the threshold.
        """
        wanted = frozenset(tokens)
        best: tuple[float, int] | None = None
        for n in self._candidates(wanted):
            score = similarity(wanted, self._sets[n])
            if score >= self._threshold and (best is None or (score, -n) > best):
                best = score, -n
        return None if best is None else (self._keys[-best[1]], best[0])

    def add(self, key: str, tokens: Iterable[str]) -> None:
        """Remember a set under a key."""
        self._keys.append(key)
        self._sets.append(frozenset(tokens))
        if len(self._sets) == self._reorder_at:
            self._reorder()
        else:
            self._post(len(self._sets) - 1)

    def _reorder(self) -> None:
        self._reorder_at *= 2
        self._counts = Counter(token for held in self._sets for token in held)
        self._postings = {}
        for n in range(len(self._sets)):
            self._post(n)

    def _post(self, n: int) -> None:
        held = self._sets[n]
        n_first = len(held) - _ceil(self._threshold * len(held)) + 1  # enough for the smallest set near this one
        for token in self._rare_first(held)[:n_first]:
            self._postings.setdefault((token, len(held)), []).append(n)

    def _candidates(self, wanted: frozenset[str]) -> set[int]:
        ordered = self._rare_first(wanted)
        found: set[int] = set()
        for size in range(_ceil(self._threshold * len(wanted)), int(len(wanted) / self._threshold + _ROUNDING) + 1):
            n_shared = _ceil(self._threshold * (len(wanted) + size) / (1 + self._threshold))
            for token in ordered[: len(wanted) - n_shared + 1]:
                found.update(self._postings.get((token, size), ()))
        return found

    def _rare_first(self, tokens: frozenset[str]) -> list[str]:
        return sorted(tokens, key=lambda token: (self._counts[token], token))


def _ceil(bound: float) -> int:
    return math.ceil(bound - _ROUNDING)


def similarity(a: frozenset[str], b: frozenset[str]) -> float:
    """Jaccard similarity of two sets; 1 when both are empty."""
    n_shared = len(a & b)
    n_all = len(a) + len(b) - n_shared
    return n_shared / n_all if n_all else 1.0
