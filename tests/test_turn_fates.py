"""Each turn that was written has one fate, and its place in the conversation is found again."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from datagen.config import BalanceSettings
from datagen.diversity import Census, plan
from datagen.records import Drop, Provenance, Review, Sample, Turn, cut_or_reject, reject
from datagen.turn_fates import fated_turns, written_turns

TURNS = tuple(Turn(f"Is thing {n} red?", f"Yes, {n}.") for n in range(5))
SAMPLE = Sample("1-a", "1", "1.jpg", "a", TURNS, "accepted", Provenance("m", "r", "q", "s"))
WRONG = Drop("checks", "count_contradicted", "turn 4")


def told(sample: Sample) -> list[tuple[Any, ...]]:
    return [(one.number, one.turn.answer[5], one.fate, one.reason, one.cause) for one in fated_turns(sample)]


def test_the_turn_at_fault_is_told_from_those_behind_it() -> None:
    assert told(cut_or_reject(SAMPLE, TURNS[:3], WRONG)) == [
        (1, "0", "kept", None, None),
        (2, "1", "kept", None, None),
        (3, "2", "kept", None, None),
        (4, "3", "cut", "count_contradicted", "itself"),
        (5, "4", "cut", "count_contradicted", "an earlier turn"),
    ]


def test_a_sample_falls_over_its_first_turn_or_as_a_whole() -> None:
    causes = [one.cause for one in fated_turns(cut_or_reject(SAMPLE, (), WRONG))]
    assert causes == ["itself", *["an earlier turn"] * 4]
    copy = reject(cut_or_reject(SAMPLE, TURNS[:3], WRONG), Drop("dedup", "near_copy", "says what 2-a says"))
    assert [one.cause for one in fated_turns(copy)] == [*["the sample"] * 3, "itself", "an earlier turn"]
    assert [one.fate for one in fated_turns(copy)] == [*["rejected"] * 3, *["cut"] * 2]
    by_hand = replace(reject(SAMPLE, Drop("review", "by_hand", "")), review=Review("reject", "accepted"))
    assert {one.cause for one in fated_turns(by_hand)} == {"the sample"}


@given(st.lists(st.integers(1, 5)), st.integers(0, 9))
def test_no_turn_is_lost_and_all_stand_as_they_were_written(cuts: list[int], seed: int) -> None:
    sample = SAMPLE
    for n_kept in sorted(cuts, reverse=True):
        sample = cut_or_reject(sample, sample.turns[:n_kept], Drop("checks", "x", ""))
    census = Census(seed).count([sample, replace(SAMPLE, sample_id="2-a", turns=(Turn("Is it?", "No."),))])
    sample = plan(census, BalanceSettings(yes_share=0.5, max_loss=0.9)).apply(sample)
    if sample.status == "accepted":
        sample = cut_or_reject(sample, sample.turns[:1], Drop("validate", "doubtful_answer", ""))
    assert [one.turn for one in fated_turns(sample)] == list(TURNS)
    assert sorted(written_turns(sample), key=lambda turn: turn.question) == list(TURNS)


def test_cuts_of_older_runs_hold_no_turns() -> None:
    import msgspec

    drop = {"stage": "checks", "reason": "x", "detail": "turn 2"}
    plain = {**msgspec.to_builtins(SAMPLE), "cuts": [drop]}
    del plain["over_first_turn"]
    old = msgspec.convert(plain, Sample)
    assert [one.fate for one in fated_turns(old)] == ["kept"] * 5
    assert written_turns(old) == TURNS
