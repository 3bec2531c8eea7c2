"""The index of near-duplicates, held against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.dedup import near_duplicates
from datagen.dedup.near_duplicates import IndexLimits, NearDuplicateIndex, jaccard

WORD_SETS = st.lists(st.frozensets(st.sampled_from("abcdefghijkl"), min_size=1), max_size=30)


@settings(deadline=None, max_examples=400)
@given(
    WORD_SETS,
    st.sampled_from([0.1, 0.3, 0.5, 0.6, 2 / 3, 0.7, 0.75, 0.8, 0.9, 1.0]),
    *(st.integers(1, 8), st.integers(1, 9), st.integers(0, 3), st.sampled_from([4, 128])),
)
def test_index_equals_brute_force(
    sets: list[frozenset[str]], threshold: float, reorder_at: int, block: int, max_rare: int, size_steps: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_duplicates, "MAX_SIZE_STEPS", size_steps)
        limits = IndexLimits(first_reorder=reorder_at, block=block, max_pairs=5, max_rare=max_rare, min_divided=4)
        together = NearDuplicateIndex(threshold, limits).admit([str(n) for n in range(len(sets))], sets)
    kept: dict[str, frozenset[str]] = {}
    for n, wanted in enumerate(sets):
        scores = [(jaccard(wanted, other), -int(key)) for key, other in kept.items()]
        best = max((score for score in scores if score[0] >= threshold), default=None)
        assert together[n] == (None if best is None else (str(-best[1]), best[0]))
        if best is None:
            kept[str(n)] = wanted


def test_sets_that_differ_in_size_alone_are_found_up_to_the_threshold() -> None:
    for n, expected in ((64, ("a", 0.8)), (100, ("a", 0.8)), (63, None), (101, None)):
        index = NearDuplicateIndex(0.8)
        assert index.admit(["a"], [map(str, range(80))]) == [None]
        assert index.admit(["b"], [map(str, range(n))]) == [expected]


def test_empty_sets_are_near_nothing() -> None:
    assert NearDuplicateIndex(0.8).admit(["a", "b"], [[], []]) == [None, None]
    assert jaccard(frozenset(), frozenset()) == 1.0


def test_many_texts_are_judged_alike_in_memory_and_in_files() -> None:
    rng = np.random.default_rng(1)
    texts = [[f"w{n}" for n in rng.integers(0, 400, 30)] for _ in range(600)]
    for n in range(0, 600, 5):
        texts[n] = [*texts[int(rng.integers(0, n + 1))][:-1], f"own{n}"]
    keys = [str(n) for n in range(600)]
    plain = NearDuplicateIndex(0.8, IndexLimits(block=50)).admit(keys, texts)
    filed = IndexLimits(block=50, max_in_memory=100, min_divided=200)
    assert NearDuplicateIndex(0.8, filed).admit(keys, texts) == plain
    assert 50 < sum(twin is not None for twin in plain) < 130
