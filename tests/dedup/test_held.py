"""What is held of many texts, in files and arrays, is what lists and dictionaries would hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.config import DedupSettings
from datagen.dedup import Deduplicator, entries, held, nearindex
from datagen.dedup.held import ExactTexts, HeldSets, Names
from datagen.dedup.nearindex import NearIndex
from datagen.dedup.vocabulary import Vocabulary
from datagen.dedup.wordsets import WordSets
from datagen.records import Provenance, Sample, Turn


@given(st.lists(st.text()))
def test_names_come_back(names: list[str]) -> None:
    kept = Names()
    for name in names:
        kept.append(name)
    assert [kept[n] for n in range(len(kept))] == names


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40))), st.integers(1, 5))
def test_texts_are_known_by_their_whole_digest(texts: list[tuple[int, int]], most: int) -> None:
    known: dict[bytes, str] = {}
    exact = ExactTexts()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(held, "_MOST_WAITING", most)
        for n, (head, rest) in enumerate(texts):
            digest = head.to_bytes(8, "little") + rest.to_bytes(8, "little")
            assert exact.get(digest) == known.get(digest)
            if digest not in known:
                known[digest] = f"text {n}"
                exact.add(digest, f"text {n}")
    assert all(exact.get(digest) == name for digest, name in known.items())


@settings(deadline=None)
@given(
    st.lists(st.lists(st.sets(st.integers(0, 50), max_size=9), min_size=1, max_size=9), max_size=8),
    st.integers(0, 40),
    st.data(),
)
def test_sets_are_read_back_from_their_file(blocks: list[list[set[int]]], most: int, data: st.DataObject) -> None:
    kept, every = HeldSets(), [sorted(one) for block in blocks for one in block]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(held, "_MOST_IN_MEMORY", most)
        for block in blocks:
            words = np.array([word for one in block for word in sorted(one)], np.uint32)
            kept.extend(WordSets(words, np.array([len(one) for one in block])))
    wanted = data.draw(st.lists(st.integers(0, len(every) - 1), max_size=30)) if every else []
    numbers = np.array(wanted, np.int64)
    assert kept.words_of(numbers).tolist() == [word for n in wanted for word in every[n]]
    assert kept.taken(numbers).sizes.tolist() == [len(every[n]) for n in wanted]
    assert kept.counts.tolist() == [sum(word in one for one in every) for word in range(len(kept.counts))]


def test_many_texts_are_judged_alike_in_memory_and_in_files(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    texts = [[f"w{n}" for n in rng.integers(0, 400, 30)] for _ in range(600)]
    for n in range(0, 600, 5):
        texts[n] = [*texts[int(rng.integers(0, n + 1))][:-1], f"own{n}"]
    keys = [str(n) for n in range(600)]
    monkeypatch.setattr(nearindex, "_BLOCK", 50)
    plain = NearIndex(0.8).admit(keys, texts)
    monkeypatch.setattr(held, "_MOST_IN_MEMORY", 100)
    monkeypatch.setattr(entries, "_FEW_SETS", 200)
    assert NearIndex(0.8).admit(keys, texts) == plain
    assert 50 < sum(twin is not None for twin in plain) < 130


def test_words_of_any_hash_are_told_apart() -> None:
    sets = Vocabulary().sets_of([["a", "b"], ["b", "c", "c"]])
    assert sets.sizes.tolist() == [2, 2]
    assert len(set(sets.words.tolist())) == 3


def test_exact_copies_are_named_across_many_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "_MOST_WAITING", 3)

    def sample(n: int, answer: str) -> Sample:
        spent = Provenance("t", "r", "q", "s", 0, 0, 0, None, None)
        return Sample(f"{n}-x", str(n), "a.jpg", "x", (Turn("What is it?", answer),), "accepted", provenance=spent)

    samples = [sample(n, f"thing number {n % 7} stands there") for n in range(21)]
    judged = list(Deduplicator(DedupSettings(min_words=90)).admit_all(samples))
    assert [one.reason for one in judged] == [None] * 7 + ["exact_copy"] * 14
    assert [one.detail for one in judged[7:]] == [f"says what {n % 7}-x says, similarity 1.00" for n in range(7, 21)]
