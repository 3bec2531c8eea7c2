"""The cross-check between the samples of one image: of two claims that exclude each other the less evident falls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from datagen.claims.kinds import kind_of
from datagen.records import Claim, Drop, Sample, Turn, cut_or_reject

WEIGHT = {
    "supported_by_both": 3,
    "supported_by_boxes": 2,
    "supported_by_caption": 1,
    "unknown": 0,
    "contradicted": -1,
}
"""How much stands behind a claim."""


def settle_disagreements(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """Cut the samples of one image so that no two of them contradict each other.

    Of two claims that exclude each other the one with less evidence falls, at equal evidence the later one, and both
    where the annotations decide neither: a conversation is cut before that turn, or rejected when nothing would be
    left.
    """
    kept = list(samples)
    for i in range(len(samples)):
        for j in range(i + 1, len(samples)):
            if kept[i].status == kept[j].status == "accepted":
                kept[i], kept[j] = _settle(kept[i], kept[j])
    return tuple(kept)


def _settle(first: Sample, second: Sample) -> tuple[Sample, Sample]:
    for (n, turn, claim), (m, other_turn, other) in _pairs(first, second):
        if not exclude(claim, other):
            continue
        if WEIGHT[claim.verdict] < WEIGHT[other.verdict]:
            return _settle(_cut(first, n, turn, claim, second.sample_id, other), second)
        if claim.verdict == other.verdict == "unknown":  # nothing tells which one is wrong
            fallen = _cut(second, m, other_turn, other, first.sample_id, claim)
            return _settle(_cut(first, n, turn, claim, second.sample_id, other), fallen)
        return _settle(first, _cut(second, m, other_turn, other, first.sample_id, claim))
    return first, second


Told = tuple[int, Turn, Claim]


def _pairs(first: Sample, second: Sample) -> Iterator[tuple[Told, Told]]:
    if first.status == "rejected" or second.status == "rejected":
        return
    by_category: dict[str, list[Told]] = {}
    for n, turn in enumerate(second.turns):
        for claim in turn.claims:
            by_category.setdefault(claim.category, []).append((n, turn, claim))
    for n, turn in enumerate(first.turns):
        for claim in turn.claims:
            for told in by_category.get(claim.category, ()):
                yield (n, turn, claim), told


def exclude(a: Claim, b: Claim) -> bool:
    """Whether two claims about one image cannot both be true."""
    if a.category != b.category:
        return False
    rules = kind_of(a.kind).excludes, kind_of(b.kind).excludes
    return (rules[0] is not None and rules[0](a, b)) or (rules[1] is not None and rules[1](b, a))


def disagreement(earlier: Sequence[Claim], later: Sequence[Claim]) -> tuple[Claim, Claim] | None:
    """Two claims of one conversation that cannot both be true, numbers, denials and scenes only."""
    for claim in later:
        if kind_of(claim.kind).agrees_within:
            for told in earlier:
                if told is not claim and kind_of(told.kind).agrees_within and exclude(told, claim):
                    return told, claim
    return None


def _cut(sample: Sample, n: int, turn: Turn, claim: Claim, other_id: str, other: Claim) -> Sample:
    text = turn.question if claim.in_question else turn.answer
    detail = f"turn {n + 1}: '{text[claim.start : claim.end]}' ({claim.evidence}) against {other_id} ({other.evidence})"
    drop = Drop("checks", "samples_disagree", detail)
    return cut_or_reject(sample, sample.turns[:n], drop)
