"""Raw scores come in; a calibration measured on the run itself, and verdicts on turns, come out.

The same answers held against other images are known to be wrong. How well they are told from the
answers held against their own image says how far the validator can be trusted, and where it
cannot, nothing is judged.
"""

from __future__ import annotations

import hashlib
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from datagen.records import Drop, Score, Turn
from datagen.validator.protocol import Job, Pixels, score_key

_MIN_TURNS = 30  # below, no share of 5 % can be measured
_MIN_AUROC = 0.6  # 0.5 is a coin; a validator that hardly beats it would reject at random


class TurnScores(Struct, frozen=True):
    """What the validator measured on one turn.

    Attributes:
        image_id: Decides whether the turn fits the threshold or tests it.
        other: None when no other image was held up.
    """

    image_id: str
    own: Score
    blank: Score
    other: Score | None = None


class Calibration(Struct, frozen=True):
    """How a validator's scores on a run are read, and how far they can be trusted.

    Attributes:
        validator: Identity of the validator.
        alpha: Share of the samples' own answers that may be lost.
        n_turns: Turns with scores.
        spread_mean: Standard deviation of the mean's gain over own answers, nats.
        spread_min: The same of the minimum's gain.
        threshold: Feature below which an answer is doubtful; None when none could be fitted.
        auroc: Own answers against known-wrong ones, on images that fitted nothing.
        recall: Share of known-wrong answers below the threshold, on the same images.
        own_flagged: Share of own answers below it there: the measured price, to hold against alpha.
        judged: False when the scores are no evidence on this run.
        why_not: The sentence that says why not.
    """

    validator: str
    alpha: float
    n_turns: int
    spread_mean: float = 1.0
    spread_min: float = 1.0
    threshold: float | None = None
    auroc: float | None = None
    recall: float | None = None
    own_flagged: float | None = None
    judged: bool = False
    why_not: str | None = None


class Judged(Struct, frozen=True):
    """A conversation with its verdicts.

    Attributes:
        turns: What is kept: all turns before the first doubtful one.
        drop: Why the rest was cut; with no turns kept, why the sample is rejected.
        seen: Every turn with its scores and verdict, for a person to look at.
    """

    turns: tuple[Turn, ...]
    drop: Drop | None
    seen: tuple[Turn, ...]


def collect_scores(
    identity: str, job: Job, image_id: str, find: Callable[[str], Score | None]
) -> tuple[TurnScores | None, ...]:
    """Gather the stored scores of a job's turns.

    Args:
        identity: The validator's.
        job: As it was scored.
        image_id: Image of the sample.
        find: Gives a stored score by its key, or None.

    Returns:
        Per turn its scores, or None where own or blank is not stored.
    """

    def stored(turn: int, pixels: Pixels, picture: str) -> Score | None:
        return find(score_key(identity, job.sample_id, job.turns, turn, pixels, picture))

    found: list[TurnScores | None] = []
    for turn in range(len(job.turns)):
        own, blank = stored(turn, "own", job.picture), stored(turn, "blank", job.picture)
        other = stored(turn, "other", job.other_picture) if job.other_picture else None
        found.append(TurnScores(image_id, own, blank, other) if own and blank else None)
    return tuple(found)


def calibrate(validator: str, turns: Sequence[TurnScores], alpha: float) -> Calibration:
    """Fit the threshold on half of the images and measure on the other half what it is worth.

    Args:
        validator: Identity of the validator.
        turns: Every scored turn of the run, in any order.
        alpha: Share of the samples' own answers that may be lost, 0 to 1.

    Returns:
        The calibration, JSON-able; ``judged`` is False, with the reason, when fewer than 30
        turns are there, when ``alpha`` allows no loss among them, when held-out AUROC is below
        0.6, or when known-wrong answers fall below the threshold no more often than own ones.
    """
    blind = Calibration(validator, alpha, len(turns))
    if len(turns) < _MIN_TURNS:
        return replace(blind, why_not=f"{len(turns)} turns were scored, calibration needs {_MIN_TURNS}")
    fit = [turn for turn in turns if _fits(turn.image_id)]
    test = [turn for turn in turns if not _fits(turn.image_id)]
    spread_mean = _spread([turn.own.logprob_mean - turn.blank.logprob_mean for turn in fit])
    spread_min = _spread([turn.own.logprob_min - turn.blank.logprob_min for turn in fit])
    scaled = replace(blind, spread_mean=spread_mean, spread_min=spread_min)

    # Split conformal: of n + 1 exchangeable answers at most k can be lower than the k-th lowest,
    # so with k = floor(alpha * (n + 1)) a new own answer falls below it with chance alpha at most.
    own_fit = sorted(_feature(turn.own, turn.blank, scaled) for turn in fit)
    rank = int(alpha * (len(own_fit) + 1))
    if rank < 1:
        return replace(scaled, why_not=f"{len(own_fit)} fitted turns are too few to lose a share of {alpha:g}")
    threshold = own_fit[min(rank, len(own_fit)) - 1]

    own_test = sorted(_feature(turn.own, turn.blank, scaled) for turn in test)
    other_test = [_feature(turn.other, turn.blank, scaled) for turn in test if turn.other]
    if not own_test or not other_test:
        return replace(scaled, why_not="no answers were held against other images to show what wrong looks like")
    auroc = _auroc(own_test, other_test)
    recall = round(sum(value < threshold for value in other_test) / len(other_test), 6)
    own_flagged = round(bisect_left(own_test, threshold) / len(own_test), 6)
    measured = replace(scaled, threshold=threshold, auroc=auroc, recall=recall, own_flagged=own_flagged)
    if auroc < _MIN_AUROC:
        why_not = f"known-wrong answers are told apart with AUROC {auroc:.3f}, {_MIN_AUROC} is needed"
    elif recall <= own_flagged:
        why_not = f"the threshold finds {recall:.1%} of known-wrong answers and flags {own_flagged:.1%} of own ones"
    else:
        return replace(measured, judged=True)
    return replace(measured, why_not=why_not)


def judge_turns(turns: Sequence[Turn], scores: Sequence[TurnScores | None], calibration: Calibration) -> Judged:
    """Write each turn's scores and verdict, and cut before the first doubtful answer.

    Args:
        turns: The conversation.
        scores: One entry per turn, None where it was not scored.
        calibration: Of the run.
    """
    seen = tuple(
        replace(turn, validation=_validation(score, calibration)) for turn, score in zip(turns, scores, strict=True)
    )
    for index, (turn, score) in enumerate(zip(seen, scores, strict=True)):
        assert turn.validation is not None
        if score is not None and turn.validation["verdict"] == "doubtful":
            detail = (
                f"answer {index + 1}: the image adds {turn.validation['image_gain']:+.3f} nats a token, lowest token "
                f"{score.own.logprob_min:.2f}; feature {_feature(score.own, score.blank, calibration):.3f}, "
                f"threshold {calibration.threshold:.3f} at alpha {calibration.alpha:g}"
            )
            return Judged(seen[:index], Drop("validate", "doubtful_answer", detail), seen)
    return Judged(seen, None, seen)


def _validation(score: TurnScores | None, calibration: Calibration) -> dict[str, Any]:
    if score is None:
        return {"verdict": "not judged"}
    verdict = "not judged"
    if calibration.judged and calibration.threshold is not None:
        is_doubtful = _feature(score.own, score.blank, calibration) < calibration.threshold
        verdict = "doubtful" if is_doubtful else "supported"
    return {
        "logprob_mean": score.own.logprob_mean,
        "logprob_min": score.own.logprob_min,
        "margin_mean": score.own.margin_mean,
        "image_gain": _gain(score.own.logprob_mean, score.blank.logprob_mean),
        "verdict": verdict,
    }


def _feature(held: Score, blank: Score, calibration: Calibration) -> float:
    """What the image adds to an answer: over all its tokens, and to its least likely one.

    Subtracting the blank takes the wording out: a rare word or a long answer is as unlikely
    without the image. The mean sees an answer that is wrong throughout; one wrong word in a long
    answer drowns in it and shows in the minimum. Each is divided by its spread over own answers,
    because a minimum varies several times as much as a mean and would otherwise decide alone.
    """
    gain_mean = (held.logprob_mean - blank.logprob_mean) / calibration.spread_mean
    gain_min = (held.logprob_min - blank.logprob_min) / calibration.spread_min
    return round(gain_mean + gain_min, 6)


def _gain(own: float, blank: float) -> float:
    return round(own - blank, 6)


def _spread(gains: Sequence[float]) -> float:
    """Standard deviation; 1 where there is none to divide by."""
    return round(statistics.pstdev(gains), 6) or 1.0 if gains else 1.0


def _fits(image_id: str) -> bool:
    """Whether an image serves to fit, decided by its id alone so that no order matters."""
    return hashlib.sha256(image_id.encode()).digest()[0] % 2 == 0


def _auroc(own_sorted: Sequence[float], other: Sequence[float]) -> float:
    """Chance that an own answer scores above a known-wrong one, ties counting half."""
    n_own = len(own_sorted)
    wins = sum(n_own - (bisect_left(own_sorted, value) + bisect_right(own_sorted, value)) / 2 for value in other)
    return round(wins / (n_own * len(other)), 6)
