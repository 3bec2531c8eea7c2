"""What a judge over text is worth on a run: its recall and precision on sentences, each with a 95 % interval.

Its objections are counted: among planted errors (recall r), among sentences that the annotations bear out, among such
sentences when their evidence is hidden from it, so that it must not take silence for a contradiction (the larger of
these two shares is its false alarms f), and among all other sentences, which it is there for (q). If a share p of those
is wrong, q = p r + (1 - p) f, so p = (q - f) / (r - f) (Rogan and Gladen, 1978), and of its objections p r / q are
right. That is the precision at the run's own rate of errors: where little is wrong, a judge must raise very few false
alarms. A judge that guesses, always objects or never does has r = f, which no p explains, and is not trusted.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from datagen.summary import Measured95

_N_DRAWS = 20_000


GROUPS = ("planted", "borne out", "silent", "open")


class Trials:
    """Counts cases; the sentences of one image count as one case in the intervals, since they err together."""

    def __init__(self) -> None:
        self.n: Counter[str] = Counter()
        self.n_objected: Counter[str] = Counter()
        self._images: dict[str, set[str]] = {}

    def add(self, group: str, image_id: str, *, is_objected: bool) -> None:
        """Count one sentence of a group: one of ``GROUPS``."""
        self.n[group] += 1
        self.n_objected[group] += is_objected
        self._images.setdefault(group, set()).add(image_id)

    def share(self, group: str) -> Measured95 | None:
        """The share that was objected to; None where there is no case."""
        if not self.n[group]:
            return None
        return _measured(self.n_objected[group] / self.n[group], self._draws(group), self.n[group])

    def precision(self) -> Measured95 | None:
        """Of its objections in the run the share that is right; None where it never objects or has no trial."""
        if not (all(self.n[group] for group in GROUPS) and self.n_objected["open"]):
            return None
        drawn = _right(*map(self._draws, GROUPS))
        one = _right(*(np.array([self.n_objected[group] / self.n[group]]) for group in GROUPS))
        return _measured(float(one[0]), drawn, self.n_objected["open"])

    def _draws(self, group: str) -> NDArray[np.float64]:
        """Shares that the cases allow, by Jeffreys' prior."""
        per_image = self.n[group] / len(self._images[group])
        objected = self.n_objected[group] / per_image
        others = (self.n[group] - self.n_objected[group]) / per_image
        seed = GROUPS.index(group)
        return np.random.default_rng(seed).beta(objected + 0.5, others + 0.5, _N_DRAWS)


_Shares = NDArray[np.float64]


def _right(recall: _Shares, borne_out: _Shares, silent: _Shares, rate: _Shares) -> _Shares:
    alarms = np.maximum(borne_out, silent)
    with np.errstate(divide="ignore", invalid="ignore"):
        wrong = np.where(recall > alarms, np.clip((rate - alarms) / (recall - alarms), 0.0, 1.0), 0.0)
        found: _Shares = np.nan_to_num(wrong * recall / (wrong * recall + (1 - wrong) * alarms))
    return found


def _measured(estimate: float, drawn: _Shares, n_cases: int) -> Measured95:
    low, high = np.quantile(drawn, (0.025, 0.975))
    low, high = min(float(low), estimate), max(float(high), estimate)
    return Measured95(round(estimate, 4), round(low, 4), round(high, 4), n_cases)


def why_no_cut(precision: Measured95 | None, min_precision: float) -> str | None:
    """Why a judge may not cut; None where it may."""
    if precision is None:
        return "it objects to nothing that could be cut, or nothing was there to measure it by"
    if precision.low < min_precision:
        told = f"the low end of its precision is {100 * precision.low:.1f} %"
        return f"{told}, under the {100 * min_precision:g} % of checks.judge.min_precision"
    return None
