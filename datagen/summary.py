"""From the stream of finished samples to the tallies of ``summary.json``."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from datagen.records import Sample


class Tally:
    """Counts samples as they pass; memory does not grow with their number."""

    def __init__(self) -> None:
        self.n_accepted = 0
        self._n_requests = 0
        self._n_failed = 0
        self.failure: str | None = None
        self._by_type: dict[str, Counter[str]] = defaultdict(Counter)
        self._rejected: dict[str, Counter[str]] = defaultdict(Counter)
        self._cuts: dict[str, Counter[str]] = defaultdict(Counter)
        self._licences: Counter[str] = Counter()
        self._verdicts: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter(prompt=0, cached=0, completion=0)
        self._n_turns = 0
        self._n_answer_words = 0
        self._cost_usd: float | None = None

    def watch(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """Pass samples through while counting them."""
        for sample in samples:
            self.add(sample)
            yield sample

    def add(self, sample: Sample) -> None:
        """Count one sample."""
        self._by_type[sample.response_type][sample.status] += 1
        for cut in sample.cuts:
            self._cuts[cut.stage][cut.reason] += 1
        spent = sample.provenance
        self._n_requests += bool(spent.request_digest)
        self._tokens["prompt"] += spent.n_prompt_tokens
        self._tokens["cached"] += spent.n_cached_tokens
        self._tokens["completion"] += spent.n_completion_tokens
        if spent.cost_usd is not None:
            self._cost_usd = (self._cost_usd or 0.0) + spent.cost_usd
        if sample.status == "rejected":
            self._rejected[sample.stage or ""][sample.reason or ""] += 1
            if sample.reason in FAILED_REQUESTS:
                self._n_failed += 1
                self.failure = self.failure or f"{sample.reason}: {sample.detail}"
            return
        self.n_accepted += 1
        self._licences[sample.provenance.licence or "not stated"] += 1
        self._n_turns += len(sample.turns)
        for turn in sample.turns:
            self._n_answer_words += len(turn.answer.split())
            if turn.validation is not None:
                self._verdicts[turn.validation.verdict] += 1

    @property
    def share_failed(self) -> float:
        """Requests that brought no answer, as a share of all requests."""
        return self._n_failed / self._n_requests if self._n_requests else 0.0

    @property
    def n_samples(self) -> int:
        """Accepted and rejected together."""
        return sum(counts.total() for counts in self._by_type.values())

    def as_dict(self) -> dict[str, Any]:
        """The tallies as plain values, keys in a fixed order."""
        n_samples = self.n_samples
        cost = None if self._cost_usd is None else round(self._cost_usd, 6)
        return {
            "samples": n_samples,
            "accepted": self.n_accepted,
            "rejected": n_samples - self.n_accepted,
            "share_accepted": _ratio(self.n_accepted, n_samples),
            "by_type": {
                name: {status: counts[status] for status in ("accepted", "rejected")}
                for name, counts in self._by_type.items()
            },
            "rejected_by_stage": _sorted_counts(self._rejected),
            "cut_by_stage": _sorted_counts(self._cuts),
            "turns": self._n_turns,
            "turns_per_sample": _ratio(self._n_turns, self.n_accepted),
            "words_per_answer": _ratio(self._n_answer_words, self._n_turns),
            "verdicts": dict(sorted(self._verdicts.items())),
            "licences": dict(sorted(self._licences.items())),
            "tokens": dict(self._tokens),
            "cost_usd": cost,
            "cost_usd_per_accepted": None if cost is None else _ratio(cost, self.n_accepted, digits=6),
        }


FAILED_REQUESTS = frozenset(
    {"gave_up", "request_rejected", "context_too_long", "empty_reply", "not_asked", "teacher_raised"}
)
"""Reasons that count against ``--max-failed``: no answer came. A refusal is an answer, if a poor one."""


def _sorted_counts(table: dict[str, Counter[str]]) -> dict[str, dict[str, int]]:
    return {stage: dict(sorted(table[stage].items(), key=lambda item: (-item[1], item[0]))) for stage in sorted(table)}


def _ratio(part: float, whole: float, digits: int = 3) -> float:
    return round(part / whole, digits) if whole else 0.0
