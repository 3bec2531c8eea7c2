"""The worth of a judge: measured within its interval, and no bad judge passes."""

from __future__ import annotations

import numpy as np
import pytest

from datagen.checks.judge_worth import Trials, why_no_cut
from datagen.config import JudgeSettings

BAR = JudgeSettings(model="any").min_precision
N_SEEDS = 100


def tried(
    recall: float, alarms: float, seed: int, *, wrong: float = 0.1, n_images: int = 300, silent: float | None = None
) -> Trials:
    """A run of images with one planted error, three sentences that are borne out and four others each."""
    silent = alarms if silent is None else silent
    rng, trials = np.random.default_rng(seed), Trials()
    for image in range(n_images):
        if image < 200:
            trials.add("planted", str(image), is_objected=rng.random() < recall)
            trials.add("silent", str(image), is_objected=rng.random() < silent)
        for _ in range(3):
            trials.add("borne out", str(image), is_objected=rng.random() < alarms)
        for _ in range(4):
            chance = recall if rng.random() < wrong else silent
            trials.add("open", str(image), is_objected=rng.random() < chance)
    return trials


@pytest.mark.parametrize(("recall", "alarms"), [(0.8, 0.01), (0.5, 0.05), (0.3, 0.002)])
def test_shares_and_precision_lie_in_their_intervals(recall: float, alarms: float) -> None:
    inside = np.zeros(3)
    true = 0.1 * recall / (0.1 * recall + 0.9 * alarms)
    for seed in range(N_SEEDS):
        trials = tried(recall, alarms, seed)
        found = trials.share("planted"), trials.share("borne out"), trials.precision()
        inside += [
            one is not None and one.low <= real <= one.high
            for one, real in zip(found, (recall, alarms, true), strict=True)
        ]
    assert (inside >= 86).all(), inside  # of intervals that hold 95 %, fewer do so once in 10,000 tries


@pytest.mark.parametrize(
    ("recall", "alarms"),
    [(0.5, 0.5), (0.05, 0.05), (1.0, 1.0), (0.0, 0.0), (0.2, 0.3)],
    ids=["a coin", "a rare guess", "always objects", "never objects", "worse than a coin"],
)
def test_a_bad_judge_is_refused(recall: float, alarms: float) -> None:
    refused = sum(why_no_cut(tried(recall, alarms, seed).precision(), BAR) is not None for seed in range(N_SEEDS))
    assert refused >= 95


def test_a_judge_who_takes_silence_for_a_contradiction_is_refused() -> None:
    refused = sum(
        why_no_cut(tried(0.95, 0.0, seed, silent=0.4).precision(), BAR) is not None for seed in range(N_SEEDS)
    )
    assert refused >= 95


def test_a_good_judge_is_trusted() -> None:
    trusted = sum(why_no_cut(tried(0.8, 0.005, seed).precision(), BAR) is None for seed in range(N_SEEDS))
    assert trusted >= 95


def test_where_nothing_is_wrong_nobody_is_trusted() -> None:
    refused = sum(why_no_cut(tried(0.8, 0.02, seed, wrong=0.0).precision(), BAR) is not None for seed in range(N_SEEDS))
    assert refused >= 95


def test_few_cases_prove_nothing() -> None:
    assert why_no_cut(tried(1.0, 0.0, 0, n_images=5).precision(), BAR) is not None
    empty = Trials()
    assert empty.share("planted") is None
    assert why_no_cut(empty.precision(), BAR) == (
        "it objects to nothing that could be cut, or nothing was there to measure it by"
    )


def test_sentences_of_one_image_count_once() -> None:
    apart, together = Trials(), Trials()
    for n in range(100):
        apart.add("open", str(n), is_objected=n % 10 == 0)
        together.add("open", str(n // 10), is_objected=n % 10 == 0)
    one, other = apart.share("open"), together.share("open")
    assert one is not None and other is not None and one.estimate == other.estimate == 0.1
    assert other.high - other.low > 2 * (one.high - one.low)
