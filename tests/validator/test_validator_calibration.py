"""Regressions and thresholds on planted errors: what is promised holds on turns that fitted nothing."""

from __future__ import annotations

import random

import msgspec
import numpy as np
import pytest

from datagen.summary import Calibration
from datagen.validator.calibration import (
    MIN_CLEAN,
    Calibrator,
    Measured,
    _auroc,
    _Regression,
    fold_of,
)


def turns_of(n_images: int, gap: float, seed: int = 3, n_turns: int = 2) -> list[Measured]:
    """Clean turns whose count claim is likely; planted ones lie ``gap`` lower. The likelihood of texts says nothing."""
    draw = random.Random(seed)

    def measured(image: int, shift: float, planted: str | None) -> Measured:
        claim = min(0.0, draw.gauss(-1.0 - shift, 0.4))
        measures = {"count": claim, "claims": claim, "logprob_mean": draw.gauss(-2, 1)}
        return Measured(f"image {image}", measures, ("count", "other image"), planted)  # type: ignore[arg-type]

    return [
        one
        for image in range(n_images)
        for _ in range(n_turns)
        for one in (measured(image, 0, None), measured(image, gap, "count"), measured(image, gap, "other image"))
    ]


def test_a_validator_that_sees_is_trusted() -> None:
    found = Calibrator("m", turns_of(200, gap=3), 0.05).calibration
    assert found.judged and found.why_not is None
    assert found.n_turns == 400
    count = found.kinds["count"]
    assert count.judged
    assert count.auroc is not None and count.auroc > 0.98
    assert count.recall_at_5 is not None and count.recall_at_5 > 0.95
    assert count.calibration_error is not None and count.calibration_error < 0.08
    assert found.recall is not None and found.recall > 0.9
    assert found.clean_flagged is not None and found.clean_flagged <= 0.07
    assert not found.kinds["side"].judged
    assert "0 planted errors in 0 turns" in str(found.kinds["side"].why_not)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Calibration) == found


def test_a_kind_that_is_never_asked_about_says_so() -> None:
    turns = [*turns_of(100, gap=3), *(Measured(f"image {n}", {"claims": -1.0}, (), "side") for n in range(50))]
    report = Calibrator("m", turns, 0.05).calibration.kinds["side"]
    assert (report.n_planted, report.judged) == (50, False)
    assert report.why_not == "the validator is not asked what would show it"


def test_a_blind_validator_judges_nothing() -> None:
    calibrator = Calibrator("m", turns_of(200, gap=0), 0.05)
    assert not calibrator.calibration.judged
    assert calibrator.calibration.why_not == "no kind of planted error is told from clean turns"
    assert "is needed" in str(calibrator.calibration.kinds["count"].why_not)
    assert calibrator.opinion(turns_of(1, gap=0)[0]) is None


def test_order_changes_nothing() -> None:
    turns = turns_of(100, gap=1)
    one, other = Calibrator("m", turns, 0.05), Calibrator("m", turns[::-1], 0.05)
    assert one.calibration == other.calibration
    assert [one.opinion(turn) for turn in turns] == [other.opinion(turn) for turn in turns]


@pytest.mark.parametrize("alpha", [0.02, 0.05, 0.2, 0.5])
def test_new_clean_turns_fall_no_more_often_than_alpha(alpha: float) -> None:
    calibrator = Calibrator("m", turns_of(300, gap=2), alpha)
    fresh = [one for one in turns_of(2000, gap=2, seed=99) if one.planted is None]
    opinions = [calibrator.opinion(one) for one in fresh]
    fallen = sum(opinion is not None and opinion.is_doubtful for opinion in opinions) / len(fresh)
    assert fallen == pytest.approx(alpha, abs=0.015 + 0.15 * alpha)


def test_no_turn_is_judged_by_a_regression_that_saw_its_image() -> None:
    """One image whose planted errors look sound: its own regression would learn that, the others cannot."""
    turns = turns_of(100, gap=3)
    odd = [Measured("odd", {"count": 5.0, "claims": 5.0}, ("count",), "count") for _ in range(40)]
    with_odd, without = Calibrator("m", turns + odd, 0.05), Calibrator("m", turns, 0.05)
    image = next(one for one in turns if one.planted is None and fold_of(one.image_id) == fold_of("odd"))
    seen, alone = with_odd.opinion(image), without.opinion(image)
    assert seen is not None and alone is not None
    assert seen.doubts == alone.doubts


def test_too_few_turns() -> None:
    found = Calibrator("m", turns_of(10, gap=3), 0.05).calibration
    assert found.why_not == f"20 turns were scored, {MIN_CLEAN} are needed"
    found = Calibrator("m", turns_of(20, gap=3), 0.001).calibration
    assert found.why_not == "40 turns are too few to lose a share of 0.001"
    assert Calibrator("m", [], 0.05).calibration.n_turns == 0


def test_a_turn_without_judged_kinds_has_no_opinion() -> None:
    calibrator = Calibrator("m", turns_of(100, gap=3), 0.05)
    assert calibrator.opinion(Measured("x", {"place": -3.0}, ("side",))) is None
    opinion = calibrator.opinion(Measured("x", {"count": -9.0, "claims": -9.0}, ("count", "side")))
    assert opinion is not None
    assert opinion.is_doubtful and opinion.worst == "count" and opinion.doubts.keys() == {"count"}


def test_missing_measures_count_as_the_mean() -> None:
    calibrator = Calibrator("m", turns_of(100, gap=3), 0.05)
    opinion = calibrator.opinion(Measured("x", {}, ("count",)))
    assert opinion is not None
    assert 0.05 < opinion.doubts["count"] < 0.95


def test_the_regression_finds_the_weights_that_made_the_data() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20_000, 14)) * 2 + 5
    chance = 1 / (1 + np.exp(-(1.5 * (rows[:, 3] - 5) - 0.8 * (rows[:, 7] - 5))))
    fitted = _Regression.fit(rows, rng.random(len(rows)) < chance)
    assert fitted.weights[3] / 2 == pytest.approx(1.5, rel=0.1)  # measures are divided by their spread, 2
    assert fitted.weights[7] / 2 == pytest.approx(-0.8, rel=0.1)
    assert np.abs(np.delete(fitted.weights[:14], [3, 7])).max() < 0.15


def test_the_regression_survives_perfect_separation_and_constants() -> None:
    rows = np.full((60, 14), np.nan)
    rows[:, 0], rows[:, 1] = 1.0, np.repeat([0.0, 1.0], 30)
    doubts = _Regression.fit(rows, np.repeat([False, True], 30)).doubt(rows)
    assert doubts[:30].max() < 0.1 and doubts[30:].min() > 0.9


def test_auroc_counts_ties_half() -> None:
    assert _auroc(np.array([0.1, 0.2]), np.array([0.3, 0.4])) == 1.0
    assert _auroc(np.array([0.1, 0.3]), np.array([0.1, 0.3])) == 0.5
    assert _auroc(np.array([0.5]), np.array([0.5])) == 0.5
    assert _auroc(np.array([0.3, 0.4]), np.array([0.1])) == 0.0
