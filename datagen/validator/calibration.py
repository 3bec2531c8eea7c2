"""Calibrates a validator on planted errors: whether it sees, P(wrong) per kind of error, and a conformal threshold.

Each kind of error gets a logistic regression of its own over all measures of a turn: clean turns, which the
annotations bear out, against the same turns with one error planted. Images are dealt into folds; every turn is judged
by regressions that were fitted on the other folds, so nothing is reported, or rejected, on the images it was fitted on.

A kind is judged only if the validator sees: by a bootstrap over images its AUROC lies surely above that of a coin, and
above that of the same regression on a grey picture, by ``MIN_GAIN`` at least. A validator that does not tell another
image's answers judges nothing.

A turn is doubted as much as the kind of error says that doubts it most. Its rank among the clean turns by that is its
conformal p-value, which bounds false alarms; and it is doubtful only if it is more likely wrong than right, given the
share of wrong turns in the run.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace
from numpy.typing import NDArray

from datagen.claims.kinds.count import WRONG_COUNT
from datagen.records import TurnVerdict
from datagen.summary import Calibration, KindReport, WrongShare
from datagen.validator.measures import CONVERSATION, as_row, columns_of
from datagen.validator.planting import ERROR_KINDS, OTHER_IMAGE, ErrorKind
from datagen.validator.recount import Recount, Seen

N_FOLDS = 5
MIN_CLEAN = 30
"""Clean turns below which no share of 5 % can be measured."""
MIN_PLANTED = 20
"""Planted errors of a kind below which it is not judged."""
MIN_IMAGES = 8
"""Images with such errors below which a bootstrap over them says nothing: seven coins fall alike once in 64 times."""
CONFIDENCE = 0.99
"""Of seeing. Five kinds are tried: at 95 % each, one validator in five that sees nothing would judge something."""
MIN_GAIN = 0.05
"""AUROC that seeing must surely bring. Less may come of the arithmetic: the last digits of a score depend on what else
is in its batch, and on grey pictures they alone told other images' answers, surely, at .5001."""
MIN_PRECISION = 0.95
"""Share of right turns among the supported ones, if half of all turns were wrong."""
MIN_SHARE_WRONG = 0.1
"""No run is taken for better than this when the odds of a turn are told: a wrong answer that stays costs more than a
right one that goes. Of spoilt conversations 0.02 found 84 % and this 92 %; of sound ones both flagged 1 %."""
_N_RESAMPLES = 1000
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
        grey: The measures that it would have if the picture were grey.
        is_clean: A turn of the run that the annotations bear out.
        spoilt: The kinds of error that were planted in copies of it.
        swap: The words that were said, and those that were planted in their place.
        noticed_by: Where several validators judge together, which kinds of error each of them could notice.
    """

    image_id: str
    measures: dict[str, float]
    suffers: tuple[ErrorKind, ...]
    planted: ErrorKind | None = None
    grey: dict[str, float] = {}
    is_clean: bool = False
    spoilt: tuple[ErrorKind, ...] = ()
    swap: tuple[str, str] | None = None
    noticed_by: dict[str, tuple[ErrorKind, ...]] | UnsetType = UNSET


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
        verdict: ``doubtful`` below the threshold and more likely wrong than right; ``supported`` where every error that
            it could have is judged, and so little doubted that ``MIN_PRECISION`` of such turns are right.
    """

    doubts: dict[str, float]
    p_value: float
    worst: ErrorKind
    verdict: TurnVerdict


class Calibrator:
    """Fitted on a run's measured turns; gives opinions on all of them.

    Args:
        validator: Its identity.
        measured: Turns of the run, clean or not, and planted ones, in any order.
        alpha: Share of clean turns that may be lost, 0 to 1.

    Attributes:
        calibration: What it is worth, for the summary.
    """

    def __init__(self, validator: str, measured: Iterable[Measured], alpha: float) -> None:
        # Sorted, so that sums and with them the last digits do not depend on the order of the run.
        held = sorted(measured, key=lambda one: (one.image_id, one.planted or "", sorted(one.measures.items())))
        self._columns = columns_of(one.measures for one in held)
        own = [one for one in held if one.planted is None]
        clean = [one for one in own if one.is_clean]
        planted = [one for one in held if one.planted is not None]
        self._kinds: dict[ErrorKind, _Kind] = {}
        self._thresholds: tuple[float, ...] = ()
        reports: dict[str, KindReport] = {}
        for kind in ERROR_KINDS:
            kind_fitted, reports[kind] = _fit(
                [one for one in clean if kind in one.spoilt and kind in one.suffers],
                [one for one in planted if one.planted == kind],
                self._columns,
            )
            if kind_fitted is not None:
                self._kinds[kind] = kind_fitted
        self._seen = frozenset(self._kinds)
        blind = Calibration(validator, alpha, len(clean), reports)
        clean = [one for one in clean if self._is_judged(one)]
        why_not = self._why_not(blind, len(clean))
        if why_not is not None:
            self._kinds = {}
            reports = {kind: replace(report, judged=False) for kind, report in reports.items()}
            self.calibration = replace(blind, kinds=reports, why_not=why_not)
            return
        self._clean = self._rank(clean)
        self._thresholds = tuple(_threshold(doubts, alpha) for doubts in self._clean)
        own = [one for one in own if self._is_judged(one)]
        planted = [one for one in planted if self._is_judged(one)]
        of_own, of_clean, of_planted = (self._worst_of(turns) for turns in (own, clean, planted))
        many = Counter(one.planted for one in planted)  # all kinds weigh alike
        of_wrong = _weights(planted) / [many[one.planted] for one in planted]
        # An error that nobody here can see says nothing of what a doubt means: with it, no turn was ever doubtful by a
        # validator that sees two kinds of nine.
        is_seen = np.array([one.planted in self._kinds for one in planted], dtype=bool)
        self._odds = _Odds(of_own, of_clean, of_planted, of_wrong, is_seen)
        self.calibration = self._measured(blind, clean, planted)

    def trusts(self, kind: ErrorKind) -> bool:
        """Whether the validator judges a kind of error."""
        return kind in self._kinds

    def sees(self, kind: ErrorKind) -> bool:
        """Whether the validator was shown to see a kind of error, though it may judge nothing for another reason."""
        return kind in self._seen

    def opinion(self, one: Measured) -> Opinion | None:
        """Judge one turn by regressions that its image fitted nothing of; None where nothing is judged."""
        if not self._is_judged(one):
            return None
        doubts = {kind: float(doubt) for kind, doubt in zip(self._kinds, self._doubts([one])[0], strict=True)}
        doubts = {kind: doubt for kind, doubt in doubts.items() if kind in one.suffers}
        worst = max(doubts, key=lambda kind: doubts[kind])
        clean = self._clean[fold_of(one.image_id)]
        n_above = len(clean) - int(np.searchsorted(clean, doubts[worst], side="left"))
        return Opinion(
            # A score's sixth digit depends on what else stood in its batch, in a shard on other things than in one run.
            {kind: round(doubt, 4) for kind, doubt in doubts.items()},
            round((1 + n_above) / (1 + len(clean)), 6),
            worst,
            self._verdict(one, doubts),
        )

    def recounted(self, image_id: str, before: str, seen: Seen, agrees: Sequence[int]) -> float | None:
        """Chance of a number where a detector sees so many; None where it is not to be read anew.

        Args:
            image_id: Nothing that its own turns told is used.
            before: What the names of the validator's measures begin with, see ``Recount``.
            seen: What it sees.
            agrees: The answers of ``claims.kinds.count.ANSWERS`` that agree with what is said.
        """
        of_count = self._kinds.get(WRONG_COUNT.name)
        line = None if of_count is None else of_count.recount(fold_of(image_id)).lines.get(before)
        return None if line is None else _rounded(line.chances(np.array([seen]))[0, list(agrees)].sum())

    def is_doubtful(self, turns: Sequence[Measured]) -> NDArray[np.bool_]:
        """Whether each turn falls, by regressions that its image fitted nothing of; none where nothing is judged."""
        if not self._kinds:
            return np.zeros(len(turns), dtype=bool)
        judged = np.array([self._is_judged(one) for one in turns], dtype=bool)
        found: NDArray[np.bool_] = judged & self._is_doubtful(self._worst(turns), turns)
        return found

    def _verdict(self, one: Measured, doubts: dict[ErrorKind, float]) -> TurnVerdict:
        worst = max(doubts.values())
        if self._is_doubtful(np.array([worst]), [one])[0]:
            return "doubtful"
        is_all = doubts.keys() == set(one.suffers) and doubts.keys() != {OTHER_IMAGE.name}
        is_sure = all(doubt <= self._kinds[kind].supported_to for kind, doubt in doubts.items())
        return "supported" if is_all and is_sure else "not doubted"

    def _why_not(self, blind: Calibration, n_clean: int) -> str | None:
        """Why the whole validator judges nothing, or None."""
        rank = int(blind.alpha * (n_clean * (N_FOLDS - 1) / N_FOLDS + 1))
        if blind.n_turns < MIN_CLEAN:
            return (
                f"captions and boxes bear out {blind.n_turns} of the turns that were scored, and {MIN_CLEAN} such "
                "turns are needed to calibrate it: give captions and boxes of more images"
            )
        if OTHER_IMAGE.name not in self._kinds:
            return (
                "it does not tell the answers about an image from those about another "
                f"({blind.kinds[OTHER_IMAGE.name].why_not})"
            )
        if rank < 1:
            return f"{n_clean} turns are too few to lose a share of {blind.alpha:g}"
        return None

    def _is_judged(self, one: Measured) -> bool:
        return any(kind in self._kinds for kind in one.suffers)

    def _doubts(self, turns: Sequence[Measured]) -> Array:
        """Shape (turns, kinds judged); NaN where a turn cannot have the error."""
        rows, folds = _rows([one.measures for one in turns], self._columns), _folds(turns)
        found = np.full((len(turns), len(self._kinds)), np.nan)
        for n, (name, kind) in enumerate(self._kinds.items()):
            suffers = np.array([name in one.suffers for one in turns], dtype=bool)
            for fold in range(N_FOLDS):
                here = suffers & (folds == fold)
                if here.any():
                    found[here, n] = kind.doubts(rows[here], fold)
        return found

    def _worst(self, turns: Sequence[Measured]) -> Array:
        """Per turn the greatest of its doubts, 0 where nothing is judged."""
        found: Array = np.nan_to_num(self._doubts(turns), nan=0.0).max(axis=1, initial=0.0)
        return found

    def _worst_of(self, turns: Sequence[Measured]) -> _Worst:
        return _Worst(self._worst(turns), [one.image_id for one in turns])

    def _rank(self, clean: Sequence[Measured]) -> tuple[Array, ...]:
        """Per fold, the doubts about the clean turns of the other folds, rising."""
        doubts, folds = self._worst(clean), _folds(clean)
        return tuple(np.sort(doubts[folds != fold]) for fold in range(N_FOLDS))

    def _is_doubtful(self, worst: Array, turns: Sequence[Measured]) -> NDArray[np.bool_]:
        thresholds = np.array(self._thresholds)[_folds(turns)]
        found: NDArray[np.bool_] = (worst > thresholds) & (self._odds.chance(worst) > 0.5)
        return found

    def _measured(self, blind: Calibration, clean: Sequence[Measured], planted: Sequence[Measured]) -> Calibration:
        def fallen(turns: Sequence[Measured]) -> float | None:
            return round(float(self._is_doubtful(self._worst(turns), turns).mean()), 6) if turns else None

        kinds = {
            kind: replace(report, recall=fallen([one for one in planted if one.planted == kind]))
            for kind, report in blind.kinds.items()
        }
        return replace(
            blind, kinds=kinds, recall=fallen(planted), clean_flagged=fallen(clean),
            share_wrong=self._odds.share_wrong, judged=True,
        )  # fmt: skip


class _Kind:
    """The regressions of one kind of error, one per fold left out, and the doubts they give.

    Attributes:
        clean: Doubts about the clean turns.
        wrong: Doubts about the planted ones.
        weights: Of the planted ones.
        supported_to: Up to this doubt turns are right, at ``MIN_PRECISION``.
    """

    def __init__(
        self, clean: Sequence[Measured], planted: Sequence[Measured], columns: Sequence[str], is_grey: bool = False
    ) -> None:
        turns = [*clean, *planted]
        kinds, self._columns = {one.planted for one in planted}, columns
        rows = _rows([one.grey if is_grey else one.measures for one in turns], columns)
        if OTHER_IMAGE.name not in kinds:
            # What else is said tells nothing of a turn's own claims: relations fell by it from .856 to .799.
            rows[:, [name.endswith(CONVERSATION) for name in columns]] = np.nan
        folds, is_wrong = _folds(turns), np.arange(len(turns)) >= len(clean)
        self.weights = _weights(planted)
        weights = np.concatenate([np.ones(len(clean)), self.weights])
        self._fitted: list[tuple[Recount, _Regression]] = []
        doubts = np.empty(len(rows))
        for fold in range(N_FOLDS):
            here = folds != fold
            recount = Recount.fit(rows[here & ~is_wrong], columns) if WRONG_COUNT.name in kinds else Recount({})
            seen = recount.applied(rows, columns)
            self._fitted.append((recount, _Regression.fit(seen[here], is_wrong[here], weights[here])))
            doubts[~here] = self._fitted[fold][1].doubt(seen[~here])
        self.clean, self.wrong = doubts[: len(clean)], doubts[len(clean) :]
        self.supported_to = _supported_to(self.clean, self.wrong, self.weights)

    def doubts(self, rows: Array, fold: int) -> Array:
        """Probability of this error in turns of a fold, shape (n,)."""
        recount, regression = self._fitted[fold]
        return regression.doubt(recount.applied(rows, self._columns))

    def recount(self, fold: int) -> Recount:
        """How numbers are read in turns of a fold."""
        return self._fitted[fold][0]


class _Odds:
    """The share of wrong turns in a run, and the chance that a turn is one of them, from its greatest doubt.

    Args:
        own: Greatest doubts about the run's turns, and the image of each.
        clean: Those about clean turns.
        wrong: Those about planted ones.
        of_wrong: Weights of these.
        is_seen: Which of these have an error of a kind that is judged: by them a doubt is weighed.

    Attributes:
        share_wrong: The estimate with its interval.
    """

    def __init__(self, own: _Worst, clean: _Worst, wrong: _Worst, of_wrong: Array, is_seen: NDArray[np.bool_]) -> None:
        weights = np.concatenate([np.ones(len(clean.doubts)), of_wrong[is_seen]])
        rows = _log_odds(np.concatenate([clean.doubts, wrong.doubts[is_seen]]))[:, None]
        self._regression = _Regression.fit(rows, np.arange(len(rows)) >= len(clean.doubts), weights)
        self.share_wrong = _share_wrong(own, clean, wrong, of_wrong)

    def chance(self, worst: Array) -> Array:
        """Chance that turns are wrong that are doubted so much."""
        even, share = self._regression.doubt(_log_odds(worst)[:, None]), max(MIN_SHARE_WRONG, self.share_wrong.estimate)
        found: Array = even * share / (even * share + (1 - even) * (1 - share))
        return found


class _Worst(NamedTuple):
    """Greatest doubts about turns, and the image of each turn."""

    doubts: Array
    images: list[str]


def _share_wrong(own: _Worst, clean: _Worst, wrong: _Worst, of_wrong: Array) -> WrongShare:
    """Estimate the share of wrong turns after Rogan and Gladen (Am. J. Epidemiol. 107, 1978).

    Of a run's turns as many are held more likely wrong than right as come of the wrong ones, found at the rate of
    planted errors, and of the right ones, at the rate of clean turns: (found - false) / (true - false). The interval
    comes of a bootstrap over images.
    """
    images = sorted({image for one in (own, clean, wrong) for image in one.images})
    place, draws = {image: n for n, image in enumerate(images)}, _draws(len(images))

    def found(turns: _Worst, weights: Array | float = 1.0) -> Array:
        at = np.array([place[image] for image in turns.images])
        each = np.broadcast_to(weights, len(at))
        hits, every = (np.bincount(at, each * here, len(images)) for here in (turns.doubts > 0.5, 1.0))
        rate: Array = (draws @ hits) / (draws @ every)
        return rate

    with np.errstate(invalid="ignore", divide="ignore"):  # a resample may hold no planted error at all
        false = found(clean)
        shares = np.clip((found(own) - false) / (found(wrong, of_wrong) - false), 0, 1)
    low, high = np.nanquantile(shares[1:], (0.025, 0.975))
    # Of n turns none may be seen to be wrong, and 3 / n be so all the same: the rule of three.
    return WrongShare(_rounded(shares[0]), _rounded(low), _rounded(max(high, min(1.0, 3 / len(own.doubts)))))


class _Regression(Struct, frozen=True):
    """A logistic regression over standardised measures; a missing one counts as the mean."""

    centre: Array
    spread: Array
    weights: Array

    @classmethod
    def fit(cls, rows: Array, is_wrong: NDArray[np.bool_], shares: Array) -> _Regression:
        """Newton's method with a ridge; both classes weigh alike, so that doubts mean even odds beforehand.

        Args:
            rows: Shape (n, measures).
            is_wrong: Shape (n,).
            shares: Weights of the rows within their class.
        """
        known = ~np.isnan(rows)
        n_known = np.maximum(known.sum(0), 1)
        centre = np.where(known, rows, 0).sum(0) / n_known
        spread = np.sqrt(np.where(known, (rows - centre) ** 2, 0).sum(0) / n_known)
        spread[spread < _MIN_SPREAD] = np.inf  # what never changes tells nothing
        inputs = _standardised(rows, centre, spread)
        whole = np.where(is_wrong, shares[is_wrong].sum(), shares[~is_wrong].sum())
        each = shares / np.maximum(whole, 1e-9) * len(rows) / 2
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


def _fit(
    clean: Sequence[Measured], planted: Sequence[Measured], columns: Sequence[str]
) -> tuple[_Kind | None, KindReport]:
    """Fit one kind of error and say how well it can be told, and whether by seeing."""
    report = KindReport(len(clean), len(planted))
    images = sorted({one.image_id for one in (*clean, *planted)})
    if planted and not clean:
        return None, replace(report, why_not="the validator is not asked what would show it")
    if min(len(clean), len(planted)) < MIN_PLANTED or len(images) < MIN_IMAGES or not _weights(planted).any():
        told = f"{len(planted)} planted errors in {len(clean)} turns about {len(images)} images"
        return None, replace(report, why_not=f"{told}; {MIN_PLANTED} of each about {MIN_IMAGES} images are needed")
    kind, grey = _Kind(clean, planted, columns), _Kind(clean, planted, columns, is_grey=True)
    draws = _draws(len(images))
    place = {image: n for n, image in enumerate(images)}
    at = [np.array([place[one.image_id] for one in turns]) for turns in (clean, planted)]
    seen, unseen = (_aurocs(one, at[0], at[1], draws) for one in (kind, grey))
    gains, bins = seen - np.maximum(unseen, 0.5), _reliability(kind)
    # Resamples of few images lie too close together: of 120 validators that give noise about ten images 9 would judge
    # without the last factor, and 2 do with it.
    margin = (gains[0] - np.nanquantile(gains[1:], 1 - CONFIDENCE)) * (1 + 3 / len(images))
    report = replace(
        report,
        auroc=_rounded(seen[0]),
        auroc_grey=_rounded(unseen[0]),
        gain=_rounded(gains[0] - margin),
        recall_at_5=_rounded(np.average(kind.wrong > np.quantile(kind.clean, 0.95), weights=kind.weights)),
        calibration_error=_rounded(sum(weight * abs(stated - found) for stated, found, weight in bins)),
        reliability=bins,
    )
    assert report.gain is not None
    if report.gain <= MIN_GAIN:
        told = f"AUROC {report.auroc:.3f}, {report.auroc_grey:.3f} on a grey picture"
        return None, replace(report, why_not=f"seeing does not surely beat guessing: {told}")
    return kind, replace(report, judged=True)


def _weights(planted: Sequence[Measured]) -> Array:
    """Weights of planted turns, 1 in the mean of each kind: each word is planted as often as it is replaced.

    Else words would tell by themselves: numbers grow when "two" only ever becomes "three", and whoever speaks of the
    left side first makes "right" suspicious. What is never said truly weighs nothing.
    """
    said, instead = (Counter((one.planted, one.swap[n]) for one in planted if one.swap) for n in (0, 1))
    each = np.array(
        [said[one.planted, one.swap[1]] / instead[one.planted, one.swap[1]] if one.swap else 1.0 for one in planted]
    )
    kinds = np.array([one.planted for one in planted])
    for kind in set(kinds):
        each[kinds == kind] /= max(each[kinds == kind].mean(), 1e-9)
    return each


def _draws(n_images: int) -> Array:
    """How often each image stands in each resample, the images as they are first; shape (resamples + 1, images)."""
    drawn = np.random.default_rng(0).multinomial(n_images, np.full(n_images, 1 / n_images), _N_RESAMPLES)
    found: Array = np.vstack([np.ones(n_images), drawn])
    return found


def resampled_images(images: Sequence[str]) -> tuple[Array, NDArray[np.int64]]:
    """How often each image stands in each resample, and which of them each turn is about.

    Args:
        images: Per turn its image.

    Returns:
        Shape (resamples + 1, images), the images as they are first; and shape (turns,).
    """
    names = sorted(set(images))
    place = {image: n for n, image in enumerate(names)}
    return _draws(len(names)), np.array([place[image] for image in images], dtype=np.int64)


def _aurocs(kind: _Kind, clean_at: NDArray[np.int64], wrong_at: NDArray[np.int64], draws: Array) -> Array:
    """AUROC in each resample of images.

    Args:
        kind: The doubts.
        clean_at: Image of each clean turn.
        wrong_at: Image of each planted one.
        draws: Shape (resamples, images).
    """
    n_images = draws.shape[1]
    wins = np.zeros((n_images, n_images))
    for image in np.unique(clean_at):
        held = np.sort(kind.clean[clean_at == image])
        won = np.searchsorted(held, kind.wrong, side="left") + np.searchsorted(held, kind.wrong, side="right")
        wins[:, image] = np.bincount(wrong_at, kind.weights * won / 2, n_images)
    n_clean, n_wrong = np.bincount(clean_at, minlength=n_images), np.bincount(wrong_at, kind.weights, n_images)
    pairs = (draws @ n_wrong) * (draws @ n_clean)
    with np.errstate(invalid="ignore"):  # a resample may hold no planted error at all
        found: Array = ((draws @ wins) * draws).sum(1) / pairs
    return found


def _supported_to(clean: Array, wrong: Array, weights: Array) -> float:
    """The greatest doubt up to which ``MIN_PRECISION`` of turns are right, if half of all are wrong; -1 for none.

    One more planted error is taken to lie there than does, so that a few of them prove nothing.
    """
    held, order = np.sort(clean), np.argsort(wrong)
    missed = np.concatenate([[0], np.cumsum(weights[order])])
    right = np.arange(1, len(held) + 1) / len(held)
    wrongly = (1 + missed[np.searchsorted(wrong[order], held, side="right")]) / (1 + missed[-1])
    good = np.flatnonzero(right >= MIN_PRECISION * (right + wrongly))
    return float(held[good[-1]]) if len(good) else -1.0


def _rounded(value: float) -> float:
    return round(float(value), 6)


def _log_odds(chances: Array) -> Array:
    held = np.clip(chances, 1e-6, 1 - 1e-6)
    found: Array = np.log(held / (1 - held))
    return found


def _reliability(kind: _Kind) -> tuple[tuple[float, float, float], ...]:
    doubts = np.concatenate([kind.clean, kind.wrong])
    is_wrong = np.arange(len(doubts)) >= len(kind.clean)
    weights = np.concatenate([np.ones(len(kind.clean)) / len(kind.clean), kind.weights / kind.weights.sum()]) / 2
    bins = np.minimum((doubts * _BINS).astype(int), _BINS - 1)
    found = []
    for number in range(_BINS):
        here = bins == number
        weight = float(weights[here].sum())
        if weight > 0:
            stated = float((doubts * weights)[here].sum()) / weight
            found.append((round(stated, 6), round(float(weights[here & is_wrong].sum()) / weight, 6), round(weight, 6)))
    return tuple(found)


def fold_of(image_id: str) -> int:
    """Deal an image into a fold, by its id alone so that no order matters."""
    return hashlib.sha256(image_id.encode()).digest()[0] % N_FOLDS


def _folds(turns: Sequence[Measured]) -> NDArray[np.int64]:
    return np.array([fold_of(one.image_id) for one in turns], dtype=np.int64)


def _rows(measures: Sequence[dict[str, float]], columns: Sequence[str]) -> Array:
    return np.array([as_row(one, columns) for one in measures], dtype=np.float64).reshape(-1, len(columns))
