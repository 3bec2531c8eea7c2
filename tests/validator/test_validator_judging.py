"""Calibration on own against known-wrong answers, and the verdicts that follow."""

from __future__ import annotations

import random
import re

import msgspec
import pytest
from msgspec.structs import replace
from tiny_checkpoints import TURNS

from datagen.records import Score
from datagen.validator import Calibration, Job, TurnScores, calibrate, collect_scores, judge_turns, score_key
from datagen.validator.judging import _auroc, _fits


def score(pixels: str, mean: float, low: float | None = None, key: str = "k", turn: int = 0) -> Score:
    return Score(key, "1-c", turn, pixels, mean, mean * 3 if low is None else low, mean / 2, 7)


def scored(image_id: str, own: float, other: float | None, blank: float = -2.0) -> TurnScores:
    return TurnScores(
        image_id, score("own", own), score("blank", blank), None if other is None else score("other", other)
    )


def run_of(n_images: int, shift: float, n_turns: int = 2) -> list[TurnScores]:
    """Own answers gain about 1 nat over blank; those before another image ``shift`` less."""
    draw = random.Random(3)
    return [
        scored(str(image), draw.gauss(-1, 0.2), draw.gauss(-1 - shift, 0.2), draw.gauss(-2, 0.02))
        for image in range(n_images)
        for _ in range(n_turns)
    ]


def test_a_validator_that_sees_is_trusted() -> None:
    found = calibrate("m", run_of(200, shift=1.0), 0.05)
    assert found.judged
    assert found.why_not is None
    assert found.n_turns == 400
    assert found.auroc is not None and found.auroc > 0.98
    assert found.recall is not None and found.recall > 0.9
    assert found.own_flagged is not None and found.own_flagged < 0.1
    assert msgspec.json.decode(msgspec.json.encode(found), type=Calibration) == found


def test_order_changes_nothing() -> None:
    turns = run_of(100, shift=1.0)
    assert calibrate("m", turns[::-1], 0.05) == calibrate("m", turns, 0.05)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2, 0.5, 1.0])
def test_at_most_alpha_of_the_fitted_answers_fall_below(alpha: float) -> None:
    turns = run_of(300, shift=3.0)
    found = calibrate("m", turns, alpha)
    fitted = [turn for turn in turns if _fits(turn.image_id)]
    verdicts = [judge_turns(TURNS[:1], [turn], found).seen[0].validation["verdict"] for turn in fitted]
    assert found.judged
    assert verdicts.count("doubtful") == int(alpha * (len(fitted) + 1)) - 1 if alpha < 1 else len(fitted)


@pytest.mark.parametrize(
    ("turns", "alpha", "said"),
    [
        (run_of(14, 1.0), 0.05, "28 turns were scored, calibration needs 30"),
        (run_of(200, 0.0), 0.05, "AUROC 0.5"),
        (run_of(200, 1.0), 0.0, "too few to lose a share of 0"),
        (run_of(16, 1.0), 0.01, "too few to lose a share of 0.01"),
        ([replace(turn, other=None) for turn in run_of(50, 1.0)], 0.05, "held against other images"),
        ([scored("1", -1.0, -3.0)] * 40, 0.05, "held against other images|too few"),
        ([scored(str(i), -1.0, -1.0) for i in range(60)], 0.05, "AUROC 0.500"),
    ],
)
def test_scores_that_are_no_evidence_judge_nothing(turns: list[TurnScores], alpha: float, said: str) -> None:
    found = calibrate("m", turns, alpha)
    assert not found.judged
    assert found.why_not is not None
    assert msgspec.json.decode(msgspec.json.encode(found), type=Calibration) == found
    assert re.search(said, found.why_not)
    judged = judge_turns(TURNS, [scored("1", -9.0, None)] * 3, found)
    assert judged.drop is None
    assert [turn.validation["verdict"] for turn in judged.turns if turn.validation] == ["not judged"] * 3


def test_a_threshold_that_flags_own_answers_as_often_is_no_evidence() -> None:
    # Half of the own answers gain far less than known-wrong ones, the other half far more.
    turns = [scored(str(i), -1.9 if i % 3 == 0 else -0.1, -1.0) for i in range(90)]
    found = calibrate("m", turns, 0.2)
    assert found.auroc is not None and found.auroc >= 0.6
    assert not found.judged
    assert "of known-wrong answers and flags" in str(found.why_not)


READY = Calibration("m", 0.05, 100, 0.5, 1.5, threshold=0.0, auroc=0.9, recall=0.8, own_flagged=0.05, judged=True)


def test_the_conversation_is_cut_before_its_first_doubtful_turn() -> None:
    good, bad = scored("1", -1.0, None), scored("1", -2.5, None)
    judged = judge_turns(TURNS, [good, bad, good], READY)
    assert [turn.answer for turn in judged.turns] == [TURNS[0].answer]
    assert judged.turns[0].validation == {
        "logprob_mean": -1.0, "logprob_min": -3.0, "margin_mean": -0.5, "image_gain": 1.0, "verdict": "supported",
    }  # fmt: skip
    assert judged.drop is not None
    assert (judged.drop.stage, judged.drop.reason) == ("validate", "doubtful_answer")
    assert judged.drop.detail == (
        "answer 2: the image adds -0.500 nats a token, lowest token -7.50; feature -2.000, threshold 0.000 at alpha 0.05"
    )
    assert [turn.validation["verdict"] for turn in judged.seen if turn.validation] == [
        "supported",
        "doubtful",
        "supported",
    ]


def test_a_doubtful_first_turn_rejects_the_sample() -> None:
    judged = judge_turns(TURNS, [scored("1", -2.5, None)] * 3, READY)
    assert judged.turns == ()
    assert judged.drop is not None
    assert len(judged.seen) == 3


def test_supported_turns_all_stay() -> None:
    judged = judge_turns(TURNS, [scored("1", -1.0, None)] * 3, READY)
    assert judged.drop is None
    assert judged.turns == judged.seen


def test_a_turn_without_scores_is_not_judged() -> None:
    judged = judge_turns(TURNS[:1], [None], READY)
    assert judged.drop is None
    assert judged.turns[0].validation == {"verdict": "not judged"}


def test_one_wrong_word_in_a_long_answer_shows_in_the_minimum() -> None:
    blank = score("blank", -2.0, -6.0)
    sound = TurnScores("1", score("own", -1.5, -5.5), blank)
    one_word_wrong = TurnScores("1", score("own", -1.6, -12.0), blank)
    verdicts = [judge_turns(TURNS[:1], [turn], READY).seen[0].validation for turn in (sound, one_word_wrong)]
    assert [verdict["verdict"] for verdict in verdicts if verdict] == ["supported", "doubtful"]


def test_stored_scores_find_their_turns() -> None:
    job = Job("1-c", TURNS, "a", "b")
    store = {
        key: score(pixels, -1.0, key=key, turn=turn)
        for turn, pixels, name in [(0, "own", "a"), (0, "blank", "a"), (0, "other", "b"), (1, "own", "a")]
        for key in [score_key("m", "1-c", TURNS, turn, pixels, name)]
    }
    first, second, third = collect_scores("m", job, "1", store.get)
    assert first is not None and first.other is not None
    assert (first.own.pixels, first.blank.pixels, first.other.pixels) == ("own", "blank", "other")
    assert second is third is None
    alone = collect_scores("m", replace(job, other_picture=None), "1", store.get)[0]
    assert alone is not None and alone.other is None


def test_auroc_counts_ties_as_half() -> None:
    assert _auroc([1.0, 2.0, 3.0], [0.0]) == 1.0
    assert _auroc([1.0, 2.0, 3.0], [2.0]) == 0.5
    assert _auroc([1.0, 2.0], [2.0, 3.0]) == 0.125


def test_images_are_split_about_evenly_and_by_id_alone() -> None:
    assert 400 < sum(_fits(str(image)) for image in range(1000)) < 600
