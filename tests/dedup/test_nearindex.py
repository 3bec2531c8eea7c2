"""The index of near copies, held against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.dedup import entries as entries_module
from datagen.dedup import nearindex as nearindex_module
from datagen.dedup import sharedkeys as sharedkeys_module
from datagen.dedup.nearindex import NearIndex, similarity
from datagen.dedup.vocabulary import Vocabulary

WORD_SETS = st.lists(st.frozensets(st.sampled_from("abcdefghijkl"), min_size=1), max_size=30)


@settings(deadline=None, max_examples=300)
@given(WORD_SETS, st.sampled_from([0.1, 0.3, 0.5, 0.6, 2 / 3, 0.7, 0.75, 0.8, 0.9, 1.0]), st.integers(1, 8))
def test_index_equals_brute_force(sets: list[frozenset[str]], threshold: float, reorder_at: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearindex_module, "_FIRST_REORDER", reorder_at)
        patch.setattr(entries_module, "_FEW_SETS", 4)
        index = NearIndex(threshold)
    for n, wanted in enumerate(sets):
        scores = [(similarity(wanted, other), -k) for k, other in enumerate(sets[:n])]
        best = max((score for score in scores if score[0] >= threshold), default=None)
        assert index.find(wanted) == (None if best is None else (str(-best[1]), best[0]))
        index.add(str(n), wanted)


@settings(deadline=None, max_examples=200)
@given(
    WORD_SETS,
    st.sampled_from([0.1, 0.5, 2 / 3, 0.8, 1.0]),
    *(st.integers(1, 8), st.integers(1, 9), st.integers(0, 3), st.sampled_from([3, 127])),
)
def test_many_at_once_are_judged_as_one_by_one(
    sets: list[frozenset[str]], threshold: float, reorder_at: int, block: int, rare_count: int, last_size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearindex_module, "_FIRST_REORDER", reorder_at)
        patch.setattr(nearindex_module, "_BLOCK", block)
        patch.setattr(nearindex_module, "_MOST_PAIRS", 5)
        patch.setattr(sharedkeys_module, "_RARE_COUNT", rare_count)
        patch.setattr(entries_module, "_LAST_SIZE", last_size)
        together = NearIndex(threshold).admit([str(n) for n in range(len(sets))], sets)
    kept: dict[str, frozenset[str]] = {}
    for n, wanted in enumerate(sets):
        scores = [(similarity(wanted, other), -int(key)) for key, other in kept.items()]
        best = max((score for score in scores if score[0] >= threshold), default=None)
        assert together[n] == (None if best is None else (str(-best[1]), best[0]))
        if best is None:
            kept[str(n)] = wanted


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 4000), max_size=900), max_size=4))
def test_each_word_has_its_own_number_and_keeps_it(batches: list[list[int]]) -> None:
    vocabulary = Vocabulary()
    seen: dict[int, int] = {}
    for batch in batches:
        numbers = vocabulary.numbers_of(np.array([1024 * hashed for hashed in batch], np.int64))  # all want one slot
        seen |= dict(zip(batch, numbers.tolist(), strict=True))
        assert [seen[hashed] for hashed in batch] == numbers.tolist()
    assert sorted(seen.values()) == list(range(len(vocabulary))) == list(range(len(seen)))


def test_sets_that_differ_in_size_alone_are_found_up_to_the_threshold() -> None:
    index = NearIndex(0.8)
    index.add("a", map(str, range(80)))
    assert index.find(map(str, range(64))) == ("a", 0.8)
    assert index.find(map(str, range(100))) == ("a", 0.8)
    assert index.find(map(str, range(63))) is None
    assert index.find(map(str, range(101))) is None


def test_empty_sets_are_near_nothing() -> None:
    index = NearIndex(0.8)
    index.add("a", [])
    assert index.find([]) is None
    assert similarity(frozenset(), frozenset()) == 1.0
