"""The index of places answers like a dict, also for places too large to be packed."""

from hypothesis import given
from hypothesis import strategies as st

from datagen.store.key_index import SpanIndex

ENTRIES = st.tuples(st.integers(0, 2**41), st.integers(0, 2**31 - 1), st.booleans())


@given(st.lists(st.tuples(st.sampled_from("abcdefghij"), ENTRIES), max_size=60))
def test_it_answers_like_a_dict(puts: list[tuple[str, tuple[int, int, bool]]]) -> None:
    index = SpanIndex()
    expected: dict[str, tuple[int, int, bool]] = {}
    for key, entry in puts:
        index.put(key, entry)
        expected[key] = entry
        assert {name: index.get(name) for name in "abcdefghij"} == {name: expected.get(name) for name in "abcdefghij"}
    assert len(index) == len(expected)


def test_an_index_with_a_large_entry_is_not_kept_in_a_file() -> None:
    index = SpanIndex()
    index.put("a", (5, 7, True))
    packed = index.packed()
    assert packed is not None
    assert SpanIndex(packed).get("a") == (5, 7, True)
    index.put("b", (2**41, 7, False))
    assert index.packed() is None
    index.put("b", (2**30, 7, False))
    assert index.packed() is not None
