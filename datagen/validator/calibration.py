"""Calibrates a validator on planted errors: P(wrong) per kind by logistic regression, and a conformal threshold.

Each kind of error gets a logistic regression of its own over all measures of a turn: clean turns against the same
turns with one error planted. Images are dealt into folds; every turn is judged by regressions that were fitted on the
other folds, so nothing is reported, or rejected, on the images it was fitted on.

A turn is doubted as much as the kind of error says that doubts it most. Its rank among the clean turns by that is its
conformal p-value, and the threshold is the conformal quantile that loses at most a chosen share of clean turns.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from datagen.summary import Calibration, KindReport
from datagen.validator.measures import MEASURES, as_row
from datagen.validator.planting import ERROR_KINDS, ErrorKind

N_FOLDS = 5
MIN_CLEAN = 30
"""Clean turns below which no share of 5 % can be measured."""
MIN_PLANTED = 20
"""Planted errors of a kind below which it is not judged."""
MIN_AUROC = 0.6
"""0.5 is a coin; a kind that is hardly told apart would reject at random."""
_RIDGE = 1.0
_STEPS = 25
_LONGEST_STEP = 5.0  # far-off Newton steps of nearly separable turns are cut
_MIN_SPREAD = 1e-9
_BINS = 10

Array = NDArray[np.float64]


class Measured(Struct, frozen=True):
    """One turn with its numbers, for calibration.

    Attributes:
        image_id: Decides the fold.
        measures: See ``measures.MEASURES``.
        suffers: The kinds of error that it could have.
        planted: The error that was planted; None for a turn of the run as it is.
    """

    image_id: str
    measures: dict[str, float]
    suffers: tuple[ErrorKind, ...]
    planted: ErrorKind | None = None


class Tried(Struct, frozen=True):
    """A measured turn with its words: one line of ``calibration.jsonl``.

    Attributes:
        sample_id: The sample that the turn is of, or was made from by planting an error.
        picture: File name of the picture that it was held against.
    """

    sample_id: str
    picture: str
    question: str
    answer: str
    measured: Measured


class Opinion(Struct, frozen=True):
    """What is thought of one turn.

    Attributes:
        doubts: Per kind of error that is judged, the probability that the turn has one (even odds beforehand).
        p_value: Share of clean turns that look as wrong; small for a turn that is likely wrong.
        worst: The kind that decided.
        is_doubtful: The p-value lies below the threshold.
    """

    doubts: dict[str, float]
    p_value: float
    worst: ErrorKind
    is_doubtful: bool


class Calibrator:
    """Fitted on a run's measured turns; gives opinions on all of them.

    Args:
        validator: Its identity.
        measured: Clean and planted turns, in any order.
        alpha: Share of clean turns that may be lost, 0 to 1.

    Attributes:
        calibration: What it is worth, for the summary.
    """

    def __init__(self, validator: str, measured: Iterable[Measured], alpha: float) -> None:
        # Sorted, so that sums and with them the last digits do not depend on the order of the run.
        held = sorted(measured, key=lambda one: (one.image_id, one.planted or "", sorted(one.measures.items())))
        clean = [one for one in held if one.planted is None]
        planted = [one for one in held if one.planted is not None]
        self._kinds: dict[ErrorKind, _Kind] = {}
        self._clean: tuple[Array, ...] = ()
        self._thresholds: tuple[float, ...] = ()
        reports: dict[str, KindReport] = {}
        for kind in ERROR_KINDS:
            kind_fitted, reports[kind] = _fit(
                [one for one in clean if kind in one.suffers], [one for one in planted if one.planted == kind]
            )
            if kind_fitted is not None:
                self._kinds[kind] = kind_fitted
        blind = Calibration(validator, alpha, len(clean), reports)
        rank = int(alpha * (len(clean) * (N_FOLDS - 1) / N_FOLDS + 1))
        if len(clean) < MIN_CLEAN:
            self.calibration = replace(blind, why_not=f"{len(clean)} turns were scored, {MIN_CLEAN} are needed")
        elif not self._kinds:
            self.calibration = replace(blind, why_not="no kind of planted error is told from clean turns")
        elif rank < 1:
            self.calibration = replace(blind, why_not=f"{len(clean)} turns are too few to lose a share of {alpha:g}")
        else:
            self._clean = self._rank(clean)
            self._thresholds = tuple(_threshold(doubts, alpha) for doubts in self._clean)
            self.calibration = self._measured(blind, clean, planted)

    def opinion(self, one: Measured) -> Opinion | None:
        """Judge one turn by regressions that its image fitted nothing of; None where nothing is judged."""
        if not self._thresholds or not any(kind in self._kinds for kind in one.suffers):
            return None
        fold, doubts = fold_of(one.image_id), self._doubts(one)
        worst = max(doubts, key=lambda kind: doubts[kind])
        clean = self._clean[fold]
        n_above = len(clean) - int(np.searchsorted(clean, doubts[worst], side="left"))
        return Opinion(
            {kind: round(doubt, 6) for kind, doubt in doubts.items()},
            round((1 + n_above) / (1 + len(clean)), 6),
            worst,
            doubts[worst] > self._thresholds[fold],
        )

    def _doubts(self, one: Measured) -> dict[ErrorKind, float]:
        fold, row = fold_of(one.image_id), _rows([one])
        kinds = [kind for kind in one.suffers if kind in self._kinds]
        return {kind: float(self._kinds[kind].doubts(row, fold)[0]) for kind in kinds}

    def _doubt(self, one: Measured) -> float:
        return max(self._doubts(one).values(), default=0.0)

    def _rank(self, clean: Sequence[Measured]) -> tuple[Array, ...]:
        """Per fold, the doubts about the clean turns of the other folds, rising."""
        doubts, folds = np.array([self._doubt(one) for one in clean]), _folds(clean)
        return tuple(np.sort(doubts[folds != fold]) for fold in range(N_FOLDS))

    def _measured(self, blind: Calibration, clean: Sequence[Measured], planted: Sequence[Measured]) -> Calibration:
        def fallen(turns: Sequence[Measured]) -> float | None:
            hits = [self._doubt(one) > self._thresholds[fold_of(one.image_id)] for one in turns]
            return round(sum(hits) / len(hits), 6) if hits else None

        kinds = {
            kind: replace(report, recall=fallen([one for one in planted if one.planted == kind]))
            for kind, report in blind.kinds.items()
        }
        return replace(blind, kinds=kinds, recall=fallen(planted), clean_flagged=fallen(clean), judged=True)


class _Kind:
    """The regressions of one kind of error, one per fold left out, and the doubts they give to clean turns."""

    def __init__(self, clean: Sequence[Measured], planted: Sequence[Measured]) -> None:
        rows, folds = _rows([*clean, *planted]), _folds([*clean, *planted])
        is_wrong = np.arange(len(rows)) >= len(clean)
        self._fitted = [_Regression.fit(rows[folds != fold], is_wrong[folds != fold]) for fold in range(N_FOLDS)]
        doubts = np.empty(len(rows))
        for fold, regression in enumerate(self._fitted):
            doubts[folds == fold] = regression.doubt(rows[folds == fold])
        self.clean, self.wrong = doubts[: len(clean)], doubts[len(clean) :]

    def doubts(self, rows: Array, fold: int) -> Array:
        """Probability of this error in turns of a fold, shape (n,)."""
        return self._fitted[fold].doubt(rows)


class _Regression(Struct, frozen=True):
    """A logistic regression over standardised measures; a missing one counts as the mean."""

    centre: Array
    spread: Array
    weights: Array

    @classmethod
    def fit(cls, rows: Array, is_wrong: NDArray[np.bool_]) -> _Regression:
        """Newton's method with a ridge; both classes weigh alike, so that doubts mean even odds beforehand."""
        known = ~np.isnan(rows)
        n_known = np.maximum(known.sum(0), 1)
        centre = np.where(known, rows, 0).sum(0) / n_known
        spread = np.sqrt(np.where(known, (rows - centre) ** 2, 0).sum(0) / n_known)
        spread[spread < _MIN_SPREAD] = np.inf  # what never changes tells nothing
        inputs = _standardised(rows, centre, spread)
        shares = np.where(is_wrong, 0.5 / max(1, is_wrong.sum()), 0.5 / max(1, (~is_wrong).sum()))
        each = shares * len(rows)
        penalty = np.diag([*[_RIDGE] * (inputs.shape[1] - 1), 1e-9])
        weights = np.zeros(inputs.shape[1])
        for _ in range(_STEPS):
            expected = _sigmoid(inputs @ weights)
            slope = inputs.T @ (each * (expected - is_wrong)) + penalty @ weights
            curve = (inputs * (each * expected * (1 - expected))[:, None]).T @ inputs + penalty
            step = np.linalg.solve(curve, slope)
            weights = weights - step * min(1.0, _LONGEST_STEP / max(np.abs(step).max(), 1e-12))
        return cls(centre, spread, weights)

    def doubt(self, rows: Array) -> Array:
        """Probability that each row is wrong, shape (n,)."""
        return _sigmoid(_standardised(rows, self.centre, self.spread) @ self.weights)


def _standardised(rows: Array, centre: Array, spread: Array) -> Array:
    inputs = np.nan_to_num((rows - centre) / spread, nan=0.0)
    bias: Array = np.ones((len(rows), 1))
    return np.hstack([inputs, bias])


def _sigmoid(values: Array) -> Array:
    result: Array = 1 / (1 + np.exp(-np.clip(values, -30, 30)))
    return result


def _threshold(clean: Array, alpha: float) -> float:
    """The doubt above which a turn is doubtful, given those about clean turns, rising.

    Of n + 1 exchangeable turns at most k can lie above the k-th highest, so with k = alpha * (n + 1), rounded down, a
    new clean turn falls with chance alpha at most.
    """
    rank = min(len(clean), int(alpha * (len(clean) + 1)))
    return float(clean[-rank]) if rank >= 1 else math.inf


def _fit(clean: Sequence[Measured], planted: Sequence[Measured]) -> tuple[_Kind | None, KindReport]:
    """Fit one kind of error and say how well it can be told."""
    report = KindReport(len(clean), len(planted))
    if planted and not clean:
        return None, replace(report, why_not="the validator is not asked what would show it")
    if min(len(clean), len(planted)) < MIN_PLANTED:
        told = f"{len(planted)} planted errors in {len(clean)} turns; {MIN_PLANTED} of each are needed"
        return None, replace(report, why_not=told)
    kind = _Kind(clean, planted)
    bins = _reliability(kind.clean, kind.wrong)
    report = replace(
        report,
        auroc=_auroc(kind.clean, kind.wrong),
        recall_at_5=round(float((kind.wrong > np.quantile(kind.clean, 0.95)).mean()), 6),
        calibration_error=round(sum(weight * abs(stated - seen) for stated, seen, weight in bins), 6),
        reliability=bins,
    )
    assert report.auroc is not None
    if report.auroc < MIN_AUROC:
        return None, replace(report, why_not=f"told apart with AUROC {report.auroc:.3f} only, {MIN_AUROC} is needed")
    return kind, replace(report, judged=True)


def _reliability(clean: Array, wrong: Array) -> tuple[tuple[float, float, float], ...]:
    doubts = np.concatenate([clean, wrong])
    is_wrong = np.arange(len(doubts)) >= len(clean)
    weights = np.where(is_wrong, 0.5 / len(wrong), 0.5 / len(clean))
    bins = np.minimum((doubts * _BINS).astype(int), _BINS - 1)
    found = []
    for number in range(_BINS):
        here = bins == number
        weight = float(weights[here].sum())
        if weight > 0:
            stated = float((doubts * weights)[here].sum()) / weight
            found.append((round(stated, 6), round(float(weights[here & is_wrong].sum()) / weight, 6), round(weight, 6)))
    return tuple(found)


def _auroc(clean: Array, wrong: Array) -> float:
    """Chance that a wrong turn is doubted more than a clean one, ties counting half."""
    held = np.sort(clean)
    below, up_to = np.searchsorted(held, wrong, side="left"), np.searchsorted(held, wrong, side="right")
    return round(float((below + up_to).sum()) / (2 * len(clean) * len(wrong)), 6)


def fold_of(image_id: str) -> int:
    """Deal an image into a fold, by its id alone so that no order matters."""
    return hashlib.sha256(image_id.encode()).digest()[0] % N_FOLDS


def _folds(turns: Sequence[Measured]) -> NDArray[np.int64]:
    return np.array([fold_of(one.image_id) for one in turns], dtype=np.int64)


def _rows(turns: Sequence[Measured]) -> Array:
    return np.array([as_row(one.measures) for one in turns], dtype=np.float64).reshape(-1, len(MEASURES))
