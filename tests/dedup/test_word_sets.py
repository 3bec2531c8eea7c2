"""What is held of many texts, in files and arrays, is what lists and dictionaries would hold."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.dedup.word_sets import PackedStrings, StoredWordSets, WordNumbers, WordSets


@given(st.lists(st.text()))
def test_strings_come_back(names: list[str]) -> None:
    kept = PackedStrings()
    for name in names:
        kept.append(name)
    assert [kept[n] for n in range(len(kept))] == names


@settings(deadline=None)
@given(
    st.lists(st.lists(st.sets(st.integers(0, 50), max_size=9), min_size=1, max_size=9), max_size=8),
    st.integers(0, 40),
    st.data(),
)
def test_sets_are_read_back_from_their_file(blocks: list[list[set[int]]], most: int, data: st.DataObject) -> None:
    kept, every = StoredWordSets(max_in_memory=most), [sorted(one) for block in blocks for one in block]
    for block in blocks:
        words = np.array([word for one in block for word in sorted(one)], np.uint32)
        kept.extend(WordSets(words, np.array([len(one) for one in block])))
    wanted = data.draw(st.lists(st.integers(0, len(every) - 1), max_size=30)) if every else []
    numbers = np.array(wanted, np.int64)
    assert kept.words_of(numbers).tolist() == [word for n in wanted for word in every[n]]
    assert kept.taken(numbers).sizes.tolist() == [len(every[n]) for n in wanted]
    assert kept.counts.tolist() == [sum(word in one for one in every) for word in range(len(kept.counts))]


def test_words_of_any_hash_are_told_apart() -> None:
    sets = WordNumbers().sets_of([["a", "b"], ["b", "c", "c"]])
    assert sets.sizes.tolist() == [2, 2]
    assert len(set(sets.words.tolist())) == 3


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 4000), max_size=900), max_size=4))
def test_each_word_has_its_own_number_and_keeps_it(batches: list[list[int]]) -> None:
    vocabulary = WordNumbers()
    seen: dict[int, int] = {}
    for batch in batches:
        numbers = vocabulary.numbers_of(np.array([1024 * hashed for hashed in batch], np.int64))  # all want one slot
        seen |= dict(zip(batch, numbers.tolist(), strict=True))
        assert [seen[hashed] for hashed in batch] == numbers.tolist()
    assert sorted(seen.values()) == list(range(len(vocabulary))) == list(range(len(seen)))
