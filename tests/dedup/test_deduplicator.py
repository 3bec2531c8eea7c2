"""Repeats are found exactly, the first in corpus order stays, and a twin is named."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen import compact_map, dedup
from datagen.config import DedupSettings, load_settings
from datagen.dedup import Deduplicator, ExactTexts
from datagen.dedup.repeated_questions import AskedQuestions
from datagen.errors import SettingsError
from datagen.records import Cut, Provenance, Sample, Turn

MADE = Provenance("template", "r", "q", "s")
LONG = "A brown dog runs over a wide green lawn while two people watch it from a wooden fence."


def sample(image_id: str, *turns: tuple[str, str], kind: str = "conversation") -> Sample:
    said = tuple(Turn(question, answer) for question, answer in turns)
    return Sample(f"{image_id}-{kind}", image_id, f"{image_id}.jpg", kind, said, "accepted", MADE)


def admit_all(*samples: Sample, **options: object) -> list[Sample]:
    deduplicator = Deduplicator(DedupSettings(**options))  # type: ignore[arg-type]
    return [next(deduplicator.admit_all([one])) for one in samples]


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
    assert cut.cuts == (Cut("dedup", "question_asked_again", detail, second.turns[1:], 1),)


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
    monkeypatch.setattr(dedup, "AskedQuestions", partial(AskedQuestions, max_questions=2))
    deduplicator = Deduplicator(DedupSettings())
    again = sample("1", ("What is the dog doing?", "It runs."))
    others = [sample(name, (f"Where is the {name}?", "There.")) for name in ("cat", "cow", "cat", "hen")]
    fates = [one.status for one in deduplicator.admit_all([again, *others, again])]
    assert fates == ["accepted", "accepted", "accepted", "rejected", "accepted", "rejected"]
    late = sample("1", ("What is the dog doing?", "It sleeps in the sun."))
    assert next(deduplicator.admit_all([late])).status == "accepted"


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40))))
def test_texts_are_known_by_their_whole_digest(texts: list[tuple[int, int]]) -> None:
    known: dict[bytes, str] = {}
    exact = ExactTexts()
    for n, (head, rest) in enumerate(texts):
        digest = head.to_bytes(8, "little") + rest.to_bytes(8, "little")
        assert exact.get(digest) == known.get(digest)
        if digest not in known:
            known[digest] = f"text {n}"
            exact.add(digest, f"text {n}")
    assert all(exact.get(digest) == name for digest, name in known.items())


def test_texts_that_the_map_takes_for_one_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact_map, "_digest_of", lambda text: 7)
    exact = ExactTexts()
    exact.add(b"a" * 16, "first")
    assert (exact.get(b"a" * 16), exact.get(b"b" * 16)) == ("first", None)


def test_exact_copies_are_named_across_many_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact_map, "MIN_WAITING", 3)

    def saying(n: int, answer: str) -> Sample:
        spent = Provenance("t", "r", "q", "s", 0, 0, 0, None, None)
        return Sample(f"{n}-x", str(n), "a.jpg", "x", (Turn("What is it?", answer),), "accepted", provenance=spent)

    samples = [saying(n, f"thing number {n % 7} stands there") for n in range(21)]
    judged = list(Deduplicator(DedupSettings(min_words=90)).admit_all(samples))
    assert [one.reason for one in judged] == [None] * 7 + ["exact_copy"] * 14
    assert [one.detail for one in judged[7:]] == [f"says what {n % 7}-x says, similarity 1.00" for n in range(7, 21)]
