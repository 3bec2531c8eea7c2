"""Regressions and thresholds on planted errors: what is promised holds on turns that fitted nothing."""

from __future__ import annotations

import random
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from blind_validators import turns_of as blind_turns
from msgspec.structs import replace

from datagen.summary import Calibration
from datagen.validator.calibration import (
    MIN_CLEAN,
    Calibrator,
    Measured,
    _aurocs,
    _draws,
    _Regression,
    _supported_to,
    _weights,
    fold_of,
)
from datagen.validator.planting import OTHER_IMAGE


def turns_of(
    n_images: int, gap: float, seed: int = 3, n_turns: int = 2, grey_gap: float = 0.0, n_wrong: int = 0
) -> list[Measured]:
    """Clean turns whose count claim is likely; planted ones lie ``gap`` lower. The likelihood of texts says nothing.

    On a grey picture planted counts lie ``grey_gap`` lower. ``n_wrong`` images have a turn of the run with a wrong count.
    """
    draw = random.Random(seed)

    def measured(image: int, shift: float, planted: str | None, is_clean: bool = False) -> Measured:
        claim, grey = min(0.0, draw.gauss(-1.0 - shift, 0.4)), draw.gauss(-grey_gap * (planted == "count"), 0.4)
        measures = {"count": claim, "claims": claim, "logprob_mean": draw.gauss(-2, 1)}
        suffers = ("count", "other image")
        unseen = {**measures, "count": grey, "claims": grey}
        return Measured(f"image {image}", measures, suffers, planted, unseen, is_clean, suffers if is_clean else ())

    return [
        one
        for image in range(n_images)
        for _ in range(n_turns)
        for one in (
            measured(image, 0, None, is_clean=True),
            measured(image, gap, "count"),
            measured(image, gap, OTHER_IMAGE.name),
        )
    ] + [measured(image, gap, None) for image in range(n_wrong)]


def test_a_validator_that_sees_is_trusted() -> None:
    calibrator = Calibrator("m", turns_of(200, gap=3), 0.05)
    found = calibrator.calibration
    assert found.judged and found.why_not is None
    assert found.n_turns == 400
    count = found.kinds["count"]
    assert count.judged and calibrator.trusts("count") and not calibrator.trusts("side")
    assert count.auroc is not None and count.auroc > 0.98
    assert count.auroc_grey is not None and 0.4 < count.auroc_grey < 0.6
    assert count.gain is not None and 0.3 < count.gain < count.auroc - 0.5
    assert count.recall_at_5 is not None and count.recall_at_5 > 0.95
    assert count.calibration_error is not None and count.calibration_error < 0.08
    assert found.recall is not None and found.recall > 0.9
    assert found.clean_flagged is not None and found.clean_flagged <= 0.07
    assert not found.kinds["side"].judged
    assert "0 planted errors in 0 turns" in str(found.kinds["side"].why_not)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Calibration) == found


def test_errors_that_it_cannot_see_hide_none_that_it_sees() -> None:
    """Of five kinds four look like clean turns: a doubt that the fifth deserves is as sure as without them."""
    turns = turns_of(200, gap=3)
    unseen = [
        replace(one, planted=kind, is_clean=False, spoilt=(), suffers=(*one.suffers, kind))
        for kind in ("colour", "person", "scene", "action")
        for one in turns
        if one.is_clean
    ]
    found = Calibrator("m", [*turns, *unseen], 0.05).calibration
    assert not any(found.kinds[kind].judged for kind in ("colour", "person", "scene", "action"))
    recall = found.kinds[OTHER_IMAGE.name].recall
    assert recall is not None and recall > 0.9
    assert found.clean_flagged is not None and found.clean_flagged <= 0.07


def test_what_else_is_said_tells_another_image_and_no_wrong_count() -> None:
    """The conversation's things are as likely as ever beside a wrong count, and unlikely before another picture."""
    draw = random.Random(0)
    turns = [
        replace(
            one,
            measures=one.measures | {"conversation_gain": draw.gauss(-2.0 * (one.planted is not None), 0.4)},
            grey=one.grey | {"conversation_gain": 0.0},
        )
        for one in turns_of(100, gap=0.0)
    ]
    found = Calibrator("m", turns, 0.05).calibration
    assert found.kinds[OTHER_IMAGE.name].judged and not found.kinds["count"].judged


def test_a_kind_that_is_never_asked_about_says_so() -> None:
    turns = [*turns_of(100, gap=3), *(Measured(f"image {n}", {"claims": -1.0}, (), "side") for n in range(50))]
    report = Calibrator("m", turns, 0.05).calibration.kinds["side"]
    assert (report.n_planted, report.judged) == (50, False)
    assert report.why_not == "the validator is not asked what would show it"


def test_a_blind_validator_judges_nothing() -> None:
    calibrator = Calibrator("m", turns_of(200, gap=0), 0.05)
    assert not calibrator.calibration.judged
    assert "does not tell the answers about an image from those about another" in str(calibrator.calibration.why_not)
    assert "seeing does not surely beat guessing" in str(calibrator.calibration.kinds["count"].why_not)
    assert calibrator.opinion(turns_of(1, gap=0)[0]) is None and not calibrator.trusts("count")


def test_what_words_alone_tell_is_not_trusted() -> None:
    """Planted counts are told as well on a grey picture: the kind falls, and others are judged all the same."""
    found = Calibrator("m", turns_of(200, gap=2, grey_gap=2), 0.05).calibration
    count = found.kinds["count"]
    assert count.auroc is not None and count.auroc_grey is not None and min(count.auroc, count.auroc_grey) > 0.9
    assert not count.judged and "on a grey picture" in str(count.why_not)
    assert found.judged and found.kinds[OTHER_IMAGE.name].judged


def test_without_other_images_the_whole_validator_is_refused() -> None:
    """It tells wrong counts, but not an image's answers from another's: what it finds then is no seeing."""
    turns = [one for one in turns_of(200, gap=3) if one.planted != OTHER_IMAGE.name]
    calibrator = Calibrator("m", turns, 0.05)
    assert not calibrator.calibration.judged and not calibrator.calibration.kinds["count"].judged
    assert "0 planted errors" in str(calibrator.calibration.why_not)
    assert calibrator.opinion(turns[0]) is None


@pytest.mark.parametrize("validator", ["noise", "grey", "random weights"])
@pytest.mark.parametrize("n_images", [5, 10, 30])
def test_what_sees_nothing_is_refused(validator: str, n_images: int) -> None:
    """Of eight runs at most one is judged; ``benchmarks/blind.py`` tries hundreds, of up to 400 images."""
    judged = [
        Calibrator(validator, blind_turns(validator, n_images, seed), 0.05).calibration.judged for seed in range(8)
    ]
    assert sum(judged) <= 1


def test_one_that_sees_is_judged_on_twenty_images() -> None:
    judged = [
        Calibrator("seeing", blind_turns("seeing", 20, seed), 0.05).calibration.kinds["count"].judged
        for seed in range(5)
    ]
    assert all(judged)


def test_order_changes_nothing() -> None:
    turns = turns_of(100, gap=1)
    one, other = Calibrator("m", turns, 0.05), Calibrator("m", turns[::-1], 0.05)
    assert one.calibration == other.calibration
    assert [one.opinion(turn) for turn in turns] == [other.opinion(turn) for turn in turns]


@pytest.mark.parametrize("alpha", [0.02, 0.05, 0.2])
def test_new_clean_turns_fall_no_more_often_than_alpha(alpha: float) -> None:
    """Where so many turns are wrong that the odds do not bind, alpha is the false-alarm rate."""
    calibrator = Calibrator("m", turns_of(300, gap=1.5, n_wrong=300), alpha)
    fresh = [one for one in turns_of(2000, gap=2, seed=99) if one.planted is None]
    opinions = [calibrator.opinion(one) for one in fresh]
    fallen = sum(opinion is not None and opinion.verdict == "doubtful" for opinion in opinions) / len(fresh)
    assert fallen <= alpha + 0.015 + 0.15 * alpha
    if alpha == 0.02:
        assert fallen == pytest.approx(alpha, abs=0.015 + 0.15 * alpha)


def test_wrong_turns_of_the_run_do_not_hide_each_other() -> None:
    """However many there are, they are found: what counts as clean is borne out by the annotations."""
    for n_wrong in (10, 60, 180):
        turns = turns_of(200, gap=3, n_wrong=n_wrong)
        calibrator = Calibrator("m", turns, 0.05)
        wrong = [calibrator.opinion(one) for one in turns if one.planted is None and not one.is_clean]
        found = sum(opinion is not None and opinion.verdict == "doubtful" for opinion in wrong)
        assert found >= 0.9 * n_wrong
        share = calibrator.calibration.share_wrong
        assert share is not None and share.low <= n_wrong / (400 + n_wrong) <= share.high
        assert share.high - share.low < 0.12


def test_a_perfect_run_loses_next_to_nothing() -> None:
    calibrator = Calibrator("m", turns_of(300, gap=2), 0.05)
    found = calibrator.calibration
    assert found.clean_flagged is not None and found.clean_flagged < 0.02
    assert found.share_wrong is not None and found.share_wrong.estimate < 0.01
    assert 0 < found.share_wrong.high < 0.03  # 600 turns of which none is wrong do not show that none ever is


def test_what_is_more_likely_right_than_wrong_is_not_flagged() -> None:
    """A validator that sees a little: at alpha 0.2 it would flag a fifth of a run in which next to nothing is wrong."""
    calibrator = Calibrator("m", turns_of(300, gap=0.4), 0.2)
    assert calibrator.calibration.judged
    assert calibrator.calibration.clean_flagged is not None and calibrator.calibration.clean_flagged < 0.01
    wrong_half = Calibrator("m", turns_of(300, gap=0.4, n_wrong=300, n_turns=1), 0.2)
    assert wrong_half.calibration.clean_flagged is not None and wrong_half.calibration.clean_flagged > 0.05


def test_supported_takes_precision() -> None:
    sharp = Calibrator("m", turns_of(200, gap=3), 0.05)
    clean = [one for one in turns_of(200, gap=3, seed=8) if one.is_clean]
    verdicts = [opinion.verdict for one in clean if (opinion := sharp.opinion(one)) is not None]
    assert verdicts.count("supported") > 0.8 * len(clean)
    blunt = Calibrator("m", turns_of(200, gap=0.3), 0.05)
    assert blunt.calibration.judged
    verdicts = [opinion.verdict for one in clean if (opinion := blunt.opinion(one)) is not None]
    assert verdicts.count("not doubted") > 0.9 * len(clean)


def test_what_is_not_judged_in_full_is_not_supported() -> None:
    calibrator = Calibrator("m", turns_of(100, gap=3), 0.05)
    sure = {"count": 0.0, "claims": 0.0, "logprob_mean": -2.0}

    def verdict(*suffers: str) -> str | None:
        opinion = calibrator.opinion(Measured("x", sure, suffers))
        return None if opinion is None else opinion.verdict

    assert verdict("count", "other image") == "supported"
    assert verdict("count", "side", "other image") == "not doubted"  # sides are not judged
    assert verdict("other image") == "not doubted"  # that it is about this picture says nothing of its claims


def test_precision_counts_one_more_error_than_was_seen() -> None:
    clean = np.linspace(0, 0.5, 100)
    assert _supported_to(clean, np.full(19, 0.9), np.ones(19)) == pytest.approx(0.5)
    assert _supported_to(clean, np.full(10, 0.9), np.ones(10)) == -1.0
    assert _supported_to(clean, np.full(100, 0.3), np.ones(100)) < 0.3


def test_no_turn_is_judged_by_a_regression_that_saw_its_image() -> None:
    """One image whose planted errors look sound: its own regression would learn that, the others cannot."""
    turns = turns_of(100, gap=3)
    odd = [Measured("odd", {"count": 5.0, "claims": 5.0}, ("count",), "count") for _ in range(10)]
    with_odd, without = Calibrator("m", turns + odd, 0.05), Calibrator("m", turns, 0.05)
    image = next(one for one in turns if one.planted is None and fold_of(one.image_id) == fold_of("odd"))
    seen, alone = with_odd.opinion(image), without.opinion(image)
    assert seen is not None and alone is not None
    assert seen.doubts == alone.doubts


def test_too_few_turns() -> None:
    found = Calibrator("m", turns_of(10, gap=3), 0.05).calibration
    assert found.why_not == (
        f"captions and boxes bear out 20 of the turns that were scored, and {MIN_CLEAN} such turns are needed to "
        "calibrate it: give captions and boxes of more images"
    )
    found = Calibrator("m", turns_of(20, gap=3), 0.001).calibration
    assert found.why_not == "40 turns are too few to lose a share of 0.001"
    found = Calibrator("m", turns_of(5, gap=3, n_turns=8), 0.05).calibration
    assert "40 planted errors in 40 turns about 5 images" in str(found.why_not)
    assert Calibrator("m", [], 0.05).calibration.n_turns == 0


def test_a_turn_without_judged_kinds_has_no_opinion() -> None:
    calibrator = Calibrator("m", turns_of(100, gap=3), 0.05)
    assert calibrator.opinion(Measured("x", {"place": -3.0}, ("side",))) is None
    opinion = calibrator.opinion(Measured("x", {"count": -9.0, "claims": -9.0}, ("count", "side")))
    assert opinion is not None
    assert opinion.verdict == "doubtful" and opinion.worst == "count" and opinion.doubts.keys() == {"count"}


def test_missing_measures_count_as_the_mean() -> None:
    calibrator = Calibrator("m", turns_of(100, gap=3), 0.05)
    opinion = calibrator.opinion(Measured("x", {}, ("count",)))
    assert opinion is not None
    assert 0.05 < opinion.doubts["count"] < 0.95


def test_the_regression_finds_the_weights_that_made_the_data() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20_000, 14)) * 2 + 5
    chance = 1 / (1 + np.exp(-(1.5 * (rows[:, 3] - 5) - 0.8 * (rows[:, 7] - 5))))
    fitted = _Regression.fit(rows, rng.random(len(rows)) < chance, np.ones(len(rows)))
    assert fitted.weights[3] / 2 == pytest.approx(1.5, rel=0.1)  # measures are divided by their spread, 2
    assert fitted.weights[7] / 2 == pytest.approx(-0.8, rel=0.1)
    assert np.abs(np.delete(fitted.weights[:14], [3, 7])).max() < 0.15


def test_the_regression_survives_perfect_separation_and_constants() -> None:
    rows = np.full((60, 14), np.nan)
    rows[:, 0], rows[:, 1] = 1.0, np.repeat([0.0, 1.0], 30)
    doubts = _Regression.fit(rows, np.repeat([False, True], 30), np.ones(60)).doubt(rows)
    assert doubts[:30].max() < 0.1 and doubts[30:].min() > 0.9


def test_auroc_counts_ties_half() -> None:
    def auroc(clean: list[float], wrong: list[float]) -> float:
        doubts = SimpleNamespace(clean=np.array(clean), wrong=np.array(wrong), weights=np.ones(len(wrong)))
        return float(_aurocs(doubts, np.arange(len(clean)), np.arange(len(wrong)), _draws(2))[0])  # type: ignore[arg-type]

    assert auroc([0.1, 0.2], [0.3, 0.4]) == 1.0
    assert auroc([0.1, 0.3], [0.1, 0.3]) == 0.5
    assert auroc([0.5], [0.5]) == 0.5
    assert auroc([0.3, 0.4], [0.1]) == 0.0


def test_resamples_weigh_whole_images() -> None:
    rng = np.random.default_rng(1)
    clean, wrong, at = rng.random(40), rng.random(40) + 0.2, np.repeat(np.arange(8), 5)
    doubts, draws = SimpleNamespace(clean=clean, wrong=wrong, weights=np.ones(40)), _draws(8)[:4]
    found = _aurocs(doubts, at, at, draws)  # type: ignore[arg-type]
    for drawn, auroc in zip(draws, found, strict=True):
        held = [np.repeat(values, drawn[at].astype(int)) for values in (clean, wrong)]
        assert auroc == pytest.approx((held[1][:, None] > held[0]).mean())


def test_each_word_weighs_as_if_it_were_planted_as_often_as_it_is_replaced() -> None:
    swaps = [("two", "three")] * 6 + [("three", "two")] * 2 + [("three", "four")] * 2 + [("six", "seven")]
    planted = [Measured(f"{n}", {}, (), "count", swap=swap) for n, swap in enumerate(swaps)]
    weights = _weights([*planted, Measured("x", {}, (), OTHER_IMAGE.name)])
    assert weights[:-1].mean() == pytest.approx(1) and weights[-1] == 1
    by_word = {word: sum(w for w, (_, said) in zip(weights, swaps, strict=False) if said == word) for _, word in swaps}
    assert by_word["two"] / by_word["three"] == pytest.approx(6 / 4)  # as they are said truly
    assert by_word["four"] == by_word["seven"] == 0  # nobody says these truly, so they would tell
