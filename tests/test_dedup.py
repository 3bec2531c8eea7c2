"""Repeats are found exactly, the first in corpus order stays, and a twin is named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.config import DedupSettings, load_settings
from datagen.dedup import Deduplicator
from datagen.dedup import asked as asked_module
from datagen.dedup import entries as entries_module
from datagen.dedup import nearindex as nearindex_module
from datagen.dedup import sharedkeys as sharedkeys_module
from datagen.dedup.nearindex import NearIndex, similarity
from datagen.dedup.questions import question_key
from datagen.dedup.vocabulary import Vocabulary
from datagen.errors import SettingsError
from datagen.records import Drop, Provenance, Sample, Turn

MADE = Provenance("template", "r", "q", "s")
LONG = "A brown dog runs over a wide green lawn while two people watch it from a wooden fence."


def sample(image_id: str, *turns: tuple[str, str], kind: str = "conversation") -> Sample:
    said = tuple(Turn(question, answer) for question, answer in turns)
    return Sample(f"{image_id}-{kind}", image_id, f"{image_id}.jpg", kind, said, "accepted", MADE)


def admit_all(*samples: Sample, **options: object) -> list[Sample]:
    deduplicator = Deduplicator(DedupSettings(**options))  # type: ignore[arg-type]
    return [deduplicator.admit(one) for one in samples]


def test_different_samples_pass_unchanged() -> None:
    given_samples = [sample("1", ("Where is the dog?", LONG)), sample("2", ("Where is the cat?", "On a sofa."))]
    assert admit_all(*given_samples) == given_samples


def test_question_asked_in_another_sample_cuts_the_conversation() -> None:
    first = sample("1", ("What is the dog doing?", "It runs after a ball."))
    second = sample("1", ("Why is it wet?", "It rains."), ("What are the dogs doing?", "Run."), kind="reasoning")
    kept, cut = admit_all(first, second)
    assert kept == first
    assert cut.status == "accepted"
    assert cut.turns == second.turns[:1]
    detail = "turn 2 asks what turn 1 of 1-conversation asks, similarity 0.43"
    assert cut.cuts == (Drop("dedup", "question_asked_again", detail),)


def test_question_asked_again_first_rejects_the_sample() -> None:
    first = sample("1", ("Where is it?", "In a park."), ("What is the dog doing?", "It runs."))
    second = sample("1", ("What is the dog doing?", "It jumps."), ("Why?", "For joy."), kind="reasoning")
    fate = admit_all(first, second)[1]
    assert (fate.status, fate.stage, fate.reason) == ("rejected", "dedup", "question_asked_again")
    assert fate.detail == "turn 1 asks what turn 2 of 1-conversation asks, similarity 1.00"
    assert fate.turns == second.turns


def test_question_asked_twice_in_one_sample_is_cut() -> None:
    one = sample(
        "1", ("What is the dog doing?", "It runs."), ("What is the dog doing in this image?", "It is running.")
    )
    (cut,) = admit_all(one)
    assert cut.turns == one.turns[:1]


def test_same_question_about_another_image_stays() -> None:
    samples = [
        sample("1", ("What is the dog doing?", "Running.")),
        sample("2", ("What is the dog doing?", "Sleeping.")),
    ]
    assert admit_all(*samples) == samples


def test_within_image_can_be_switched_off() -> None:
    samples = [sample("1", ("What is it?", "A dog."), ("What is it?", "A cat."))]
    assert admit_all(*samples, within_image=False) == samples


def test_cut_turns_are_not_remembered() -> None:
    first = sample(
        "1", ("What is the dog doing?", "It runs."), ("What is the dog doing?", "A"), ("Who is the man?", "B")
    )
    second = sample("1", ("Who is the man?", "The owner."), kind="reasoning")
    assert admit_all(first, second)[1] == second


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is the dog doing?", "what is the dog doing"),
        ("What is the dog doing?", "What's the dog doing in the picture?".replace("'s", " is")),
        ("How many dogs are there?", "How many dogs can you see in this image?"),
        ("How many dogs are visible in the image?", "How many dogs are there?"),
        ("What color is the bus?", "What color are the buses?"),
        ("Isn't the dog wet?", "Is not the dog wet?"),
        ("Where is the child?", "Where are the children?"),
    ],
)
def test_same_question_in_other_words(one: str, other: str) -> None:
    assert question_key(one) == question_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Is the dog left of the cat?", "Is the cat left of the dog?"),
        ("Is there a dog in the image?", "Is there a cat in the image?"),
        ("How many dogs are there?", "How many cats are there?"),
        ("Is the dog to the left of the man?", "Is the dog to the right of the man?"),
        ("Is the dog on the sofa?", "Is the dog not on the sofa?"),
        ("Is the dog on the sofa?", "Isn't the dog on the sofa?"),
        ("Are there two dogs on the lawn?", "Are there three dogs on the lawn?"),
        ("Is the dog on the table?", "Is the dog under the table?"),
        ("What is the man doing?", "What is the woman doing?"),
        ("What is the man wearing?", "Why is the man wearing?"),
        ("What is the man?", "What does the man do?"),
        ("What do you see?", "What is in the image?"),
        ("Describe the image.", "Describe the image in detail."),
        ("Can you see a dog?", "Can you see dogs?"),
        ("?", "Why?"),
    ],
)
def test_different_questions_stay_apart(one: str, other: str) -> None:
    assert question_key(one) != question_key(other)


def test_exact_copy_names_the_kept_one() -> None:
    copy = sample("2", ("Where is the dog?", f"  {LONG.upper()}"))
    fate = admit_all(sample("1", ("Where is the dog?", LONG)), copy)[1]
    assert (fate.status, fate.stage, fate.reason) == ("rejected", "dedup", "exact_copy")
    assert fate.detail == "says what 1-conversation says, similarity 1.00"


def test_near_copy_names_the_nearest() -> None:
    far = LONG.replace("brown", "black").replace("wide", "long")
    near = LONG.replace("brown", "white")
    fates = admit_all(
        sample("1", ("Describe it.", far), kind="description"),
        sample("2", ("What is shown?", LONG), kind="description"),
        sample("3", ("Say what you see.", near), kind="description"),
    )
    assert [fate.status for fate in fates] == ["accepted", "accepted", "rejected"]
    assert fates[2].reason == "near_copy"
    assert fates[2].detail == "says what 2-description says, similarity 0.88"


def test_types_do_not_meet() -> None:
    samples = [sample("1", ("Where?", LONG), kind=kind) for kind in ("conversation", "reasoning")]
    assert admit_all(*samples, within_image=False) == samples


def test_short_texts_are_copies_only_when_equal() -> None:
    samples = [
        sample("1", ("Why?", "It is wet.")),
        sample("2", ("Why?", "Wet it is.")),
        sample("3", ("Why?", "It is wet")),
    ]
    assert [one.reason for one in admit_all(*samples)] == [None, None, "exact_copy"]
    assert [one.reason for one in admit_all(*samples, min_words=4)] == [None, "near_copy", "exact_copy"]


def test_over_set_can_be_switched_off() -> None:
    samples = [sample("1", ("Where?", LONG)), sample("2", ("Where?", LONG))]
    assert admit_all(*samples, over_set=False) == samples


def test_cut_is_made_before_texts_are_compared() -> None:
    samples = [
        sample("1", ("What is the dog doing?", LONG)),
        sample("2", ("What is the dog doing?", LONG), ("What is the dog doing?", "Something else entirely.")),
    ]
    assert admit_all(*samples)[1].reason == "exact_copy"


def test_rejected_samples_pass_by_unseen() -> None:
    fallen = Sample("1-x", "1", "1.jpg", "conversation", (Turn("Where?", LONG),), "rejected", MADE, "checks", "refusal")
    fine = sample("1", ("Where?", LONG))
    assert admit_all(fallen, fine) == [fallen, fine]


def test_rejected_copy_leaves_its_questions_free() -> None:
    question = "Where is the dog?"
    samples = [
        sample("1", (question, LONG)),
        sample("2", (question, LONG)),
        sample("2", (question, "Here."), kind="reasoning"),
    ]
    assert [one.status for one in admit_all(*samples)] == ["accepted", "rejected", "accepted"]


def test_threshold_of_zero_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"dedup\.threshold"):
        load_settings(None, {"corpus.captions": ["c.json"], "dedup.threshold": 0})


WORD_SETS = st.lists(st.frozensets(st.sampled_from("abcdefghijkl"), min_size=1), max_size=30)


@settings(deadline=None, max_examples=300)
@given(WORD_SETS, st.sampled_from([0.1, 0.3, 0.5, 0.6, 2 / 3, 0.7, 0.75, 0.8, 0.9, 1.0]), st.integers(1, 8))
def test_index_equals_brute_force(sets: list[frozenset[str]], threshold: float, reorder_at: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearindex_module, "_FIRST_REORDER", reorder_at)
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


TURNS = st.lists(
    st.tuples(st.sampled_from(["Where is it?", "What is the dog doing?", "Why?"]), st.text("ab c ", max_size=9)),
    min_size=1,
    max_size=3,
)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.sampled_from("12"), st.sampled_from(["conversation", "description"]), TURNS), max_size=12))
def test_looking_ahead_changes_nothing(made: list[tuple[str, str, list[tuple[str, str]]]]) -> None:
    samples = [sample(image, *turns, kind=kind) for image, kind, turns in made]
    ahead = Deduplicator(DedupSettings(min_words=3, threshold=0.5))
    assert list(ahead.admit_all(samples)) == admit_all(*samples, min_words=3, threshold=0.5)


def test_questions_of_an_image_long_gone_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked_module, "_MOST_QUESTIONS", 2)
    deduplicator = Deduplicator(DedupSettings())
    again = sample("1", ("What is the dog doing?", "It runs."))
    others = [sample(name, (f"Where is the {name}?", "There.")) for name in ("cat", "cow", "cat", "hen")]
    fates = [one.status for one in deduplicator.admit_all([again, *others, again])]
    assert fates == ["accepted", "accepted", "accepted", "rejected", "accepted", "rejected"]
    late = sample("1", ("What is the dog doing?", "It sleeps in the sun."))
    assert deduplicator.admit(late).status == "accepted"


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
