"""How a sample falls or loses turns; every stage decides by these two functions."""

from __future__ import annotations

from msgspec.structs import replace

from datagen.records import Drop, Sample, Turn


def reject(sample: Sample, drop: Drop) -> Sample:
    """Reject a sample; it keeps the turns it came with, so that a person can see what was wrong."""
    return replace(sample, status="rejected", stage=drop.stage, reason=drop.reason, detail=drop.detail)


def cut_or_reject(sample: Sample, turns: tuple[Turn, ...], drop: Drop | None) -> Sample:
    """Go on with the turns that a stage kept: a drop cuts the conversation, or ends it when none is left."""
    if drop is None:
        return replace(sample, turns=turns)
    if turns:
        return replace(sample, turns=turns, cuts=(*sample.cuts, drop))
    return reject(sample, drop)
