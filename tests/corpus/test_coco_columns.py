"""Ids become numbers without losing what they mean, and rows become columns."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.corpus.coco.columns import NO_ID, Ids, folded
from datagen.corpus.coco.listing import Lookup
from datagen.corpus.images import GrowingTexts, id_text, joined_texts, texts_of

IDS = st.one_of(
    st.integers(-9, 9),
    st.integers(-(2**70), 2**70),
    st.sampled_from(
        [10**18, -(10**18), 10**18 - 1, 2**63 - 1, -(2**63), "-0", "00", "-7", "007", "a7", "²", str(10**18)]
    ),
    st.text("0123456789-+_ ", min_size=1, max_size=21),
)
TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=8)


@settings(max_examples=200, deadline=None)
@given(st.lists(IDS | st.none(), max_size=8))
def test_ids_are_one_number_where_they_are_one_text(given_ids: list[int | str | None]) -> None:
    ids = Ids()
    numbers = ids.numbers(given_ids).tolist()
    assert [n == NO_ID for n in numbers] == [value is None for value in given_ids]
    known = [(n, id_text(value)) for n, value in zip(numbers, given_ids, strict=True) if value is not None]
    assert [ids.text(n) for n, _ in known] == [text for _, text in known]
    assert ids.texts(np.array([n for n, _ in known], np.int64)) == [text for _, text in known]
    assert len({n for n, _ in known}) == len({text for _, text in known})


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-50, 50) | st.integers(-(10**18), 10**18), unique=True, max_size=9), st.data())
def test_rows_of_ids_are_found(ids: list[int], data: st.DataObject) -> None:
    asked = data.draw(st.lists(st.sampled_from([*ids, 51, -51, NO_ID, 10**18 + 1]), max_size=9))
    found = Lookup(np.array(ids, np.int64)).rows(np.array(asked, np.int64))
    assert found.tolist() == [ids.index(value) if value in ids else -1 for value in asked]


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXTS, max_size=4), st.data())
def test_texts_come_out_as_they_went_in(parts: list[list[str]], data: st.DataObject) -> None:
    growing = GrowingTexts()
    for part in parts:
        growing.add(part)
    whole = [text for part in parts for text in part]
    texts = growing.texts()
    assert texts.read(0, len(whole)) == whole
    joined = joined_texts([texts_of(part) for part in parts])
    rows = data.draw(st.lists(st.sampled_from(range(len(whole))), max_size=9)) if whole else []
    assert joined.pick(np.array(rows, np.int64)).read(0, len(rows)) == [whole[row] for row in rows]
    start = data.draw(st.integers(0, len(whole)))
    assert texts.cut(start, len(whole)).read(0, len(whole) - start) == whole[start:]


SPACES = " \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u2003\u3000\0"


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(st.sampled_from(f"aé犬{SPACES}"), max_size=6) | st.text("ab ", max_size=9), max_size=6))
def test_white_space_is_folded_in_each_text(texts: list[str]) -> None:
    before = texts.copy()
    assert folded(texts) == [" ".join(text.split()) for text in texts]
    assert texts == before


@pytest.mark.parametrize("space", SPACES)
def test_one_odd_space_among_plain_texts_is_folded(space: str) -> None:
    for odd in (f"a{space}b", f"{space}a b", f"a b{space}", f"a {space}b", space):
        texts = ["a dog", odd, "a cat sits", ""]
        assert folded(texts) == [" ".join(text.split()) for text in texts]


def test_many_texts_are_picked_in_parts() -> None:
    many = [f"{n} é" * (n % 5) for n in range(10_000)]
    rows = np.random.default_rng(1).permutation(10_000)
    assert texts_of(many).pick(rows).read(0, 10_000) == [many[row] for row in rows]


def test_what_was_handed_out_cannot_grow() -> None:
    growing = GrowingTexts()
    growing.add(["a"])
    texts = growing.texts()
    with pytest.raises(BufferError):
        growing.add(["b"])
    assert texts.read(0, 1) == ["a"]
