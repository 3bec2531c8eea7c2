"""What came of repairs: how many turns went back to the teacher, why, how many stand in the dataset, at what cost."""

from __future__ import annotations

from collections import Counter, defaultdict

from msgspec import UNSET, Struct

from datagen.hallucination_rate import Rate, rate_of
from datagen.records import Sample
from datagen.turn_fates import fated_turns


class RepairReport(Struct, frozen=True):
    """What came of the turns that went back to the teacher.

    Attributes:
        requests: That were answered, or given up.
        no_answer: Of these, those that brought nothing, by the reason.
        turns: Of the turns that went back those in the dataset; the interval takes the image as cluster.
        by_reason: Per reason why turns went back, how many did and how many of them are in the dataset.
        lost: Turns that went back and are not in the dataset, by why they fell in the end.
        turns_gained: In the dataset, and lost without repair: the repaired ones and those that fell with them.
        samples_gained: Accepted, and rejected without repair.
        prompt: Tokens that the repairs took, part of those of the run; so are the next two.
        cost_usd: None where no price is known; part of the teacher's.
    """

    requests: int
    no_answer: dict[str, int]
    turns: Rate
    by_reason: dict[str, tuple[int, int]]
    lost: dict[str, int]
    turns_gained: int
    samples_gained: int
    prompt: int
    cached: int
    completion: int
    cost_usd: float | None

    @property
    def told(self) -> str:
        """Its worth as one sentence."""
        if not self.turns.judged:
            return "nothing went back to the teacher"
        gained = f"{self.turns_gained} turns and {self.samples_gained} samples are in it that were lost without"
        return f"{self.turns.told('turns that went back are in the dataset')}; {gained}"

    @property
    def price(self) -> str:
        """What it took, as one sentence."""
        cost = "of unknown price" if self.cost_usd is None else f"${self.cost_usd:.4f}"
        per = ""
        if self.cost_usd and self.turns_gained:
            per = f", ${self.cost_usd / self.turns_gained:.6f} per turn gained"
        return f"{self.requests} requests, {self.prompt} tokens in, {self.completion} out, {cost}{per}"


class RepairTally:
    """Counts finished samples as they pass."""

    def __init__(self) -> None:
        self._n_requests = 0
        self._no_answer: Counter[str] = Counter()
        self._by_image: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        self._by_reason: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        self._lost: Counter[str] = Counter()
        self._n_turns = self._n_samples = 0
        self._tokens: Counter[str] = Counter()
        self._cost_usd: float | None = None

    def add(self, sample: Sample) -> None:
        """Count one sample."""
        if sample.repairs is UNSET:
            return
        for one in sample.repairs:
            self._n_requests += 1
            self._no_answer.update([one.error] if one.error else [])
            self._tokens.update(
                prompt=one.n_prompt_tokens, cached=one.n_cached_tokens, completion=one.n_completion_tokens
            )
            if one.cost_usd is not None:
                self._cost_usd = (self._cost_usd or 0.0) + one.cost_usd
        told = fated_turns(sample)
        for turn in told:
            if not turn.earlier:
                continue
            is_kept = turn.fate == "kept"
            for counts in (self._by_image[sample.image_id], self._by_reason[turn.earlier[0].flaws[0].reason]):
                counts[0] += is_kept
                counts[1] += 1
            if not is_kept:
                self._lost[turn.reason or ""] += 1
        if sample.repairs and sample.status == "accepted":
            first = min(flaw.turn for flaw in sample.repairs[0].flaws)
            n_gained = sum(turn.fate == "kept" and turn.number > first for turn in told)
            self._n_turns += n_gained
            self._n_samples += first == 0 and n_gained > 0

    def report(self) -> RepairReport:
        """The tallies."""
        return RepairReport(
            requests=self._n_requests,
            no_answer=dict(sorted(self._no_answer.items())),
            turns=rate_of(self._by_image.values()),
            by_reason={name: (n, kept) for name, (kept, n) in sorted(self._by_reason.items())},
            lost=dict(sorted(self._lost.items())),
            turns_gained=self._n_turns,
            samples_gained=self._n_samples,
            prompt=self._tokens["prompt"],
            cached=self._tokens["cached"],
            completion=self._tokens["completion"],
            cost_usd=None if self._cost_usd is None else round(self._cost_usd, 6),
        )
