"""Coverage: of how many sentences the claims say something, and of how many the annotations decide it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from datagen.records import Turn

_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")


class Coverage(Struct, frozen=True):
    """Sentences of answers by what stands in them.

    Attributes:
        sentences: All of them.
        with_claim: In which a claim was read.
        decided: In which captions or boxes decide at least one claim.
        decided_by_kind: The same per kind of claim.
    """

    sentences: int
    with_claim: int
    decided: int
    decided_by_kind: dict[str, int]

    @property
    def unchecked(self) -> int:
        """Sentences that nothing could be held against: no claim, or none decided."""
        return self.sentences - self.decided


def measure_coverage(turns: Iterable[Turn]) -> Coverage:
    """Count the sentences of answers, whose claims carry their verdicts."""
    n_sentences = n_claimed = n_decided = 0
    by_kind: Counter[str] = Counter()
    for turn in turns:
        for sentence in _SENTENCE.finditer(turn.answer):
            if not sentence[0].strip():
                continue
            inside = [
                claim for claim in turn.claims
                if not claim.in_question and sentence.start() <= claim.start < sentence.end()
            ]  # fmt: skip
            kinds = {claim.kind for claim in inside if claim.verdict != "unknown"}
            n_sentences += 1
            n_claimed += bool(inside)
            n_decided += bool(kinds)
            by_kind.update(kinds)
    return Coverage(n_sentences, n_claimed, n_decided, dict(by_kind.most_common()))
