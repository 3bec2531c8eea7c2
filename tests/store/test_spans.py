"""The index of places answers like a dict, whatever the order, and stays small."""

import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.store import spans
from datagen.store.spans import SpanIndex

ENTRIES = st.tuples(st.integers(0, 2**40), st.integers(0, 2**31 - 1), st.booleans())


@given(st.lists(st.tuples(st.sampled_from("abcdefghij"), ENTRIES), max_size=60), st.integers(1, 10))
def test_it_answers_like_a_dict(puts: list[tuple[str, tuple[int, int, bool]]], least: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spans, "MOST_RECENT", least)
        index = SpanIndex()
        expected = {}
        for key, entry in puts:
            index.put(key, entry)
            expected[key] = entry
            assert {name: index.get(name) for name in "abcdefghij"} == {
                name: expected.get(name) for name in "abcdefghij"
            }
        assert len(index) >= len(expected)


def test_a_hundred_thousand_entries_take_sixteen_bytes_each() -> None:
    index, numbers = SpanIndex(), list(range(100_000))
    random.Random(0).shuffle(numbers)
    for number in numbers:
        index.put(f"key {number}", (number * 1000, number, number % 3 == 0))
    assert len(index) == 100_000
    assert sum(sys.getsizeof(column) for column in (index._keys, index._packed)) < 17 * 100_000
    assert all(index.get(f"key {n}") == (n * 1000, n, n % 3 == 0) for n in range(0, 100_000, 97))
    assert index.get("key -1") is None
