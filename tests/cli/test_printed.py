"""The first five lines of a run's outcome are those by which one decides whether to train on it."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from datagen.cli.printed import outcome_lines, turn_lines
from datagen.hallucination_rate import Coverage, HallucinationRate, Hallucinations, Rate, SentenceCover
from datagen.records import Cut, Drop, Flaw, Provenance, Repair, Sample, Turn, cut_or_reject
from datagen.summary import Calibration, Fates, Summary, Tally, TurnCounts

COUNTS = TurnCounts(written=395, kept=238, cut=150, rejected=7, at_fault=120)
RATE = HallucinationRate(Rate(12, 100, 9, 0.12, 0.0703, 0.2), Rate(3, 40, 9, 0.075, 0.02, 0.19))


def lines_of(**told: object) -> list[str]:
    summary: Summary = replace(
        Tally().summary(), samples=237, accepted=235, share_accepted=0.992, turns=238, words_per_answer=12.0, **told
    )
    return list(outcome_lines(summary, Path("run")))


def test_what_was_lost_and_what_is_wrong_come_first() -> None:
    lines = lines_of(
        turn_counts=COUNTS,
        by_type={"conversation": Fates(235, 2, COUNTS)},
        hallucinations=Hallucinations(RATE, {"m": RATE}, {"conversation": RATE}, {"count": RATE}),
        claims={"supported": 90, "unknown": 31},
        coverage=Coverage(SentenceCover(200, 150, 60, 90), {}, {}, {"scene": 9}, {}),
    )
    assert lines[:11] == [
        "accepted  235 of 237 samples (99.2 %)",
        "turns     238 of 395 kept (60.3 %), 12.0 words an answer",
        "lost      157 turns: 150 cut off samples that went on, 7 in rejected samples",
        "          120 of them were at fault, the others went with these",
        "wrong     12.0 % of 100 checkable claims (95 %: 7.0 to 20.0 %)",
        "          worst: count 12.0 %",
        "doubted   7.5 % of 40 judged turns (95 %: 2.0 to 19.0 %)",
        "left      90 claims borne out, 0 contradicted, 31 unchecked",
        "checked   45.0 % of 200 sentences; 30.0 % say more than what is there",
        "          annotations are silent on: scene (9)",
        "          conversation: 235 samples accepted, 2 rejected; 238 of 395 turns kept",
    ]


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        (TurnCounts(written=40, kept=31, cut=0, rejected=9, at_fault=0), ["lost      9 turns: 9 in rejected samples"]),
        (
            TurnCounts(written=4, kept=3, cut=1, rejected=0, at_fault=1),
            ["lost      1 turn: 1 cut off samples that went on"],
        ),
        (TurnCounts(written=4, kept=4, cut=0, rejected=0, at_fault=0), []),
    ],
)
def test_parts_that_are_zero_are_left_out(counts: TurnCounts, told: list[str]) -> None:
    lines = lines_of(turn_counts=counts)
    assert lines[2 : 2 + len(told)] == told
    assert not any("were at fault" in line or "0 cut" in line for line in lines)


def test_why_a_question_has_no_score_is_told_in_words() -> None:
    found = Calibration("nano", 0.05, 10, {}, unscored={"outside_domain": 102, "refused": 1})
    lines = lines_of(calibration=found)
    known = "the validator does not know such pictures or things (outside_domain)"
    assert f"          102 questions without a score: {known}" in lines
    assert "          1 question without a score: refused" in lines


def test_a_run_of_before_turns_were_counted_is_told() -> None:
    lines = lines_of(turn_counts=None, by_type={"conversation": Fates(235, 2)}, hallucinations=None, claims=None)
    assert lines[:3] == [
        "accepted  235 of 237 samples (99.2 %)",
        "turns     238, 12.0 words an answer",
        "          conversation: 235 samples accepted, 2 rejected",
    ]


def test_cuts_are_counted_in_samples_and_losses_in_turns() -> None:
    lines = lines_of(cut_by_stage={"checks": {"count_contradicted": 1, "side_contradicted": 3}})
    assert "shortened 1 sample in checks: count_contradicted" in lines
    assert "shortened 3 samples in checks: side_contradicted" in lines


def test_a_sample_tells_what_was_cut_and_why() -> None:
    turns = tuple(Turn(f"Question {n}?", f"Answer {n}.") for n in range(1, 4))
    whole = Sample("1-a", "1", "1.jpg", "a", turns, "accepted", Provenance("m", "r", "q", "s"))
    cut = cut_or_reject(whole, turns[:1], Drop("checks", "count_contradicted", "turn 2: 'two'"))
    assert list(turn_lines(replace(cut, cuts=(Cut("parse", "truncated", "after 3"), *cut.cuts)))) == [
        "1. Q: Question 1?",
        "   A: Answer 1.",
        "2. Q: Question 2?",
        "   A: Answer 2.",
        "   CUT in checks: count_contradicted (turn 2: 'two')",
        "3. Q: Question 3?",
        "   A: Answer 3.",
        "   CUT in checks: count_contradicted (with an earlier turn)",
        "cut in parse: truncated (after 3)",
    ]


def test_a_turn_that_the_teacher_left_out_is_not_told_twice() -> None:
    turn = Turn("How many?", "Three cups.")
    flaw = Flaw(0, 0, "Three cups.", "checks", "count_contradicted", "boxes show 1", new="")
    sample = replace(
        Sample("1-a", "1", "1.jpg", "a", (turn,), "rejected", Provenance("m", "r", "q", "s")),
        repairs=(Repair("d", (flaw,), {0: turn}),),
    )
    assert list(turn_lines(sample)) == [
        "1. Q: How many?",
        "   A: Three cups.",
        "   went back: 'Three cups.' (count_contradicted: boxes show 1)",
        "   left out, as nothing true can stand there: the turn falls",
    ]
    mended = replace(sample, turns=(Turn("How many?", "One cup."),))
    assert "   BEFORE: How many? Three cups." in list(turn_lines(mended))
