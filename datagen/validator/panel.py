"""An ensemble of validators: their measures side by side in one calibration, and what each adds to it.

Each is asked what it can be asked, under an identity of its own, so scores serve whoever else judges beside it. Then a
turn's measures stand under the validator's name, ``"owlv2-base: count"``, and one regression per kind of error weighs
them all: nobody has to say whom to believe in what. One that sees no kind of error by itself is left out of that, as
its noise would cost a good one a tenth of what it finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from datagen.summary import Adds
from datagen.validator.calibration import Calibrator, Measured, resampled_images
from datagen.validator.measures import Findings, Inquiry, before_names
from datagen.validator.planting import ERROR_KINDS, ErrorKind
from datagen.validator.recount import Seen


def lay_together(
    labels: Sequence[str], inquiries: Sequence[Inquiry], findings: Sequence[Findings | None]
) -> tuple[Inquiry, Findings | None]:
    """Make one of what several validators were asked about a turn, and of what they found.

    Args:
        labels: Of the validators.
        inquiries: What each was asked.
        findings: What each found; one that found nothing has no say, and its kinds of error are not tried by it.

    Returns:
        No findings where nobody has any.
    """
    probes = tuple(probe for inquiry in inquiries for probe in inquiry.probes)
    asked = tuple(label for label, inquiry in zip(labels, inquiries, strict=True) for _ in inquiry.probes)
    text = next((inquiry.text for inquiry in inquiries if inquiry.text is not None), None)
    suffers = _all_of(one.suffers for one, found in zip(inquiries, findings, strict=True) if found is not None)
    measures: dict[str, float] = {}
    chances: dict[int, float] = {}
    numbers: dict[int, Seen] = {}
    n_before = 0
    for label, inquiry, found in zip(labels, inquiries, findings, strict=True):
        if found is not None:
            measures |= under(label, found.measures)
            chances |= {n_before + n: chance for n, chance in found.chances.items()}
            numbers |= {n_before + n: seen for n, seen in found.numbers.items()}
        n_before += len(inquiry.probes)
    return Inquiry(text, probes, suffers, asked), Findings(measures, chances, numbers=numbers) if measures else None


def under(label: str, measures: Mapping[str, float]) -> dict[str, float]:
    """Measures under the name of the validator that they are of."""
    return {before_names(label) + name: value for name, value in measures.items()}


def left_to(measured: Iterable[Measured], labels: Sequence[str]) -> list[Measured]:
    """What stays of measured turns if only some of the validators had looked."""
    kept = []
    for one in measured:
        by = {label: kinds for label, kinds in (one.noticed_by or {}).items() if label in labels}
        if by:
            measures, grey = (
                {name: value for name, value in these.items() if name.startswith(tuple(map(before_names, by)))}
                for these in (one.measures, one.grey)
            )
            kept.append(replace(one, measures=measures, grey=grey, suffers=_all_of(by.values()), noticed_by=by))
    return kept


class Panel:
    """What each of several validators is worth by itself and to the others.

    Args:
        identity: Of all of them.
        labels: Of the validators, two at least.
        measured: Turns of the run, clean or not, and planted ones, as they all measured them.
        alpha: Share of clean turns that may be lost.

    Attributes:
        heeded: Those that were shown to see some kind of error by themselves; all, where none was.
        together: Fitted on what these measured.
        adds: Per validator what it adds; empty where nothing can be told of the whole.
    """

    def __init__(self, identity: str, labels: Sequence[str], measured: Sequence[Measured], alpha: float) -> None:
        self._labels, self._alpha = tuple(labels), alpha
        self._alone = {label: Calibrator(label, left_to(measured, [label]), alpha) for label in labels}
        seeing = tuple(label for label in labels if any(self.trusts(label, kind) for kind in ERROR_KINDS))
        self.heeded = seeing or self._labels
        is_whole = self.heeded == self._labels
        self.together = Calibrator(identity, measured if is_whole else left_to(measured, self.heeded), alpha)
        self.adds: tuple[Adds, ...] = ()
        if self.together.calibration.judged:
            self.adds = tuple(self._added_by(label, measured) for label in labels)

    def trusts(self, label: str, kind: ErrorKind) -> bool:
        """Whether a validator by itself was shown to see a kind of error, so that its chances are evidence."""
        return self._alone[label].sees(kind)

    def _added_by(self, label: str, measured: Sequence[Measured]) -> Adds:
        others = [one for one in self.heeded if one != label] or [one for one in self._labels if one != label]
        if label not in self.heeded:
            without = self.together
        elif len(others) == 1:
            without = self._alone[others[0]]
        else:
            without = Calibrator("", left_to(measured, others), self._alpha)
        alone = self._alone[label]
        wrong = [one for one in measured if one.planted is not None]
        clean = [one for one in measured if one.planted is None and one.is_clean]
        found, found_alone, found_without = (
            _doubtful(self.together, wrong, self.heeded), _doubtful(alone, wrong, [label]),
            _doubtful(without, wrong, others),
        )  # fmt: skip
        kinds = {
            kind: (alone.calibration.kinds[kind].auroc, without.calibration.kinds[kind].auroc)
            for kind, report in self.together.calibration.kinds.items()
            if report.auroc is not None
        }
        return Adds(
            name=label,
            recall=_share(found),
            recall_alone=_share(found_alone),
            recall_without=_share(found_without),
            gain=_gain(found, found_without, [one.image_id for one in wrong]),
            clean_flagged=_share(_doubtful(self.together, clean, self.heeded)),
            clean_flagged_without=_share(_doubtful(without, clean, others)),
            n_planted=len(wrong),
            n_images=len({one.image_id for one in wrong}),
            kinds=kinds,
            is_heeded=label in self.heeded,
        )


def _doubtful(calibrator: Calibrator, turns: Sequence[Measured], labels: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each turn falls by some of the validators; what these could not measure does not."""
    found = np.zeros(len(turns), dtype=bool)
    at = [n for n, one in enumerate(turns) if not set(labels).isdisjoint(one.noticed_by or {})]
    if at:
        found[at] = calibrator.is_doubtful(left_to([turns[n] for n in at], labels))
    return found


def _gain(found: NDArray[np.bool_], without: NDArray[np.bool_], images: Sequence[str]) -> tuple[float, float, float]:
    """By how much one share of turns exceeds another, with the ends of its 95 % interval over images."""
    draws, at = resampled_images(images)
    more = np.bincount(at, found.astype(float) - without, draws.shape[1])
    with np.errstate(invalid="ignore"):
        gains = (draws @ more) / (draws @ np.bincount(at, minlength=draws.shape[1]))
    low, high = np.nanquantile(gains[1:], (0.025, 0.975))
    return round(float(gains[0]), 6), round(float(low), 6), round(float(high), 6)


def _share(found: NDArray[np.bool_]) -> float:
    return round(float(found.mean()), 6) if len(found) else 0.0


def _all_of(kinds: Iterable[Iterable[ErrorKind]]) -> tuple[ErrorKind, ...]:
    """The kinds that any of them has, in the order of their trials."""
    every = {kind for some in kinds for kind in some}
    return tuple(kind for kind in ERROR_KINDS if kind in every)


def noticed_by(
    labels: Sequence[str], inquiries: Sequence[Inquiry], findings: Sequence[Findings | None]
) -> dict[str, tuple[ErrorKind, ...]]:
    """Which kinds of error each validator could notice in a turn, of those that found anything on it."""
    every = zip(labels, inquiries, findings, strict=True)
    return {label: inquiry.suffers for label, inquiry, found in every if found is not None}
