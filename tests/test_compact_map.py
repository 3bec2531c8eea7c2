"""The map answers like a dict, whatever the order, and stays small."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen import compact_map
from datagen.compact_map import DigestMap

NUMBERS = st.integers(0, 2**64 - 1)


@given(st.lists(st.tuples(st.sampled_from("abcdefghij"), NUMBERS), max_size=60), st.integers(1, 10))
def test_it_answers_like_a_dict(puts: list[tuple[str, int]], least: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compact_map, "MIN_WAITING", least)
        found, expected = DigestMap(), dict[str, int]()
        for text, number in puts:
            found.put(text, number)
            expected[text] = number
            assert {name: found.get(name) for name in "abcdefghij"} == {
                name: expected.get(name) for name in "abcdefghij"
            }
        assert len(found) == len(expected)
        again = DigestMap(*found.arrays())
        assert all((name in again) == (name in expected) for name in "abcdefghij")
        assert all(again.get(name) == number for name, number in expected.items())


def test_arrays_given_away_do_not_change() -> None:
    found = DigestMap()
    found.put("a", 1)
    digests, numbers = found.arrays()
    found.put("a", 2)
    found.put("b", 3)
    assert len(found) == 2
    assert (len(digests), numbers.tolist()) == (1, [1])


def test_a_hundred_thousand_entries_take_sixteen_bytes_each() -> None:
    found, numbers = DigestMap(), list(range(100_000))
    random.Random(0).shuffle(numbers)
    for number in numbers:
        found.put(f"key {number}", number)
    assert len(found) == 100_000
    assert sum(array.nbytes for array in found.arrays()) == 16 * 100_000
    assert all(found.get(f"key {n}") == n for n in range(0, 100_000, 97))
    assert found.get("key -1") is None


def test_half_of_a_surrogate_pair_is_a_text_too() -> None:
    found = DigestMap()
    found.put("\ud800", 7)
    assert found.get("\ud800") == 7
