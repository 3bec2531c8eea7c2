"""The hallucination check's verdict: turns get their scores, and are cut before the first one that is doubtful."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import UNSET, Struct
from msgspec.structs import replace

from datagen.records import Drop, ProbeResult, Sample, Turn, Validation, cut_or_reject, reject
from datagen.validator.calibration import Calibrator, Measured, Opinion
from datagen.validator.measures import Findings, Inquiry, before_names
from datagen.validator.planting import TOLD
from datagen.validator.protocol import Fault

if TYPE_CHECKING:
    from datagen.validator.panel import Panel


_LIKELY = 0.5


def give_verdict(
    sample: Sample,
    inquiries: tuple[Inquiry, ...],
    findings: tuple[Findings | None, ...],
    fault: Fault | None,
    calibrator: Calibrator,
    panel: Panel | None = None,
) -> Sample:
    """Give turns their verdicts; the conversation is cut before the first doubtful one.

    Args:
        sample: Accepted by every earlier stage.
        inquiries: What was asked about each turn.
        findings: What was found on each; None where nothing was.
        fault: Why the sample could not be scored at all, or None.
        calibrator: Of the run.
        panel: What each validator sees by itself, where several judge together.
    """
    if fault is not None:
        return reject(sample, Drop("validate", fault.reason, fault.detail))
    judged = judge_turns(sample.turns, inquiries, findings, sample.image_id, calibrator, panel)
    return cut_or_reject(replace(sample, turns=judged.seen), judged.turns, judged.drop)


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


def judge_turns(
    turns: Sequence[Turn],
    inquiries: Sequence[Inquiry],
    findings: Sequence[Findings | None],
    image_id: str,
    calibrator: Calibrator,
    panel: Panel | None = None,
) -> Judged:
    """Write each turn's scores and verdict, and cut before the first doubtful answer.

    Args:
        turns: The conversation.
        inquiries: What was asked about each turn.
        findings: What was found on each; None where nothing could be asked or scored.
        image_id: Decides which regressions may judge.
        calibrator: Of the run.
        panel: See ``give_verdict``.
    """
    seen: list[Turn] = []
    drop: Drop | None = None
    n_kept = len(turns)
    for n, (turn, inquiry, measured) in enumerate(zip(turns, inquiries, findings, strict=True)):
        found = None
        if measured is not None:
            recounted = _recounted(inquiry, measured, image_id, calibrator)
            found = replace(measured, chances=_trusted(inquiry, recounted, calibrator, panel))
        opinion = None
        if found is not None:
            opinion = calibrator.opinion(Measured(image_id, found.measures, inquiry.suffers))
        validation = _validation(inquiry, found, opinion)
        seen.append(replace(turn, validation=validation))
        if found is not None and opinion is not None and opinion.verdict == "doubtful" and drop is None:
            told = f"answer {n + 1}: {_why(turn, inquiry, found, opinion)}; {validation.standing}"
            n_kept, drop = n, Drop("validate", "doubtful_answer", told)
    return Judged(tuple(seen[:n_kept]), drop, tuple(seen))


def _recounted(inquiry: Inquiry, found: Findings, image_id: str, calibrator: Calibrator) -> Findings:
    """Findings with the chances of numbers as the run's own turns teach to read them."""
    anew = {
        n: calibrator.recounted(
            image_id, before_names(inquiry.asked[n]) if inquiry.asked else "", seen, inquiry.probes[n][1].agrees
        )
        for n, seen in found.numbers.items()
    }
    return replace(found, chances=found.chances | {n: chance for n, chance in anew.items() if chance is not None})


def _trusted(inquiry: Inquiry, found: Findings, calibrator: Calibrator, panel: Panel | None) -> dict[int, float]:
    """The chances that are evidence: of kinds of error that the validator was shown to see, each by itself."""
    return {
        n: found.chances[n]
        for n, (_, probed) in enumerate(inquiry.probes)
        if n in found.chances
        and probed.error is not None
        and calibrator.trusts(probed.error.name)
        and (panel is None or panel.trusts(inquiry.asked[n], probed.error.name))
    }


def _validation(inquiry: Inquiry, found: Findings | None, opinion: Opinion | None) -> Validation:
    if found is None:
        return Validation("not judged")
    probes = tuple(
        ProbeResult(claim, probed.probe.question, found.chances[n], inquiry.asked[n] if inquiry.asked else UNSET)
        for n, (claim, probed) in enumerate(inquiry.probes)
        if n in found.chances
    )
    scored = Validation("not judged", measures=found.measures, probes=probes)
    if opinion is None:
        return scored
    return replace(scored, verdict=opinion.verdict, p_value=opinion.p_value, worst=opinion.worst, doubts=opinion.doubts)


def _why(turn: Turn, inquiry: Inquiry, found: Findings, opinion: Opinion) -> str:
    least = min(found.chances, key=lambda index: found.chances[index], default=None)
    if least is None or found.chances[least] >= _LIKELY:  # it was not this claim, but all that the conversation names
        return f"likely {TOLD[opinion.worst]}"
    index, probed = inquiry.probes[least]
    claim = turn.claims[index]
    said = (turn.question if claim.in_question else turn.answer)[claim.start : claim.end]
    error = opinion.worst if probed.error is None else probed.error.name
    by = inquiry.asked[least] if inquiry.asked else "the validator"
    return f"likely {TOLD[error]}; asked '{probed.probe.question}', {by} gives '{said}' {found.chances[least]:.0%}"
