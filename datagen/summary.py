"""The summary of a run (summary.json) as typed records, and the tally that fills it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from datagen.hallucination_rate import Coverage, CoverageTally, Hallucinations, HallucinationTally
from datagen.records import Finding, Sample
from datagen.repair_report import RepairReport, RepairTally
from datagen.turn_fates import fated_turns, written_turns

Reasons = dict[str, dict[str, int]]
"""Stage to reason code to how often."""


class TurnCounts(Struct, frozen=True):
    """What became of turns that the teacher wrote; those that people added or took out by hand make a difference.

    Attributes:
        written: That could be read in its replies.
        kept: In accepted samples.
        cut: Off samples which went on.
        rejected: In rejected samples.
        at_fault: Of those cut or rejected, the ones over which it happened; the others went with them.
    """

    written: int
    kept: int
    cut: int
    rejected: int
    at_fault: int


class Fates(Struct, frozen=True):
    """Samples of one response type, and their turns; None in older runs."""

    accepted: int
    rejected: int
    turns: TurnCounts | None = None


class Tokens(Struct, frozen=True):
    """Tokens that the teacher's endpoint billed; ``cached`` are part of ``prompt``."""

    prompt: int
    cached: int
    completion: int


class KindReport(Struct, frozen=True):
    """How well one kind of error is told from clean turns, on images that fitted nothing.

    Attributes:
        n_clean: Clean turns that it was planted in.
        n_planted: Turns with this error.
        auroc: Chance that a planted error is doubted more than a clean turn.
        auroc_grey: The same on a grey picture: what words alone tell.
        gain: By how much, at least (at 99 % confidence, by a bootstrap over images), ``auroc`` lies above both that and
            a coin's 0.5. The kind is judged where this is above 0.05.
        recall_at_5: Share of planted errors found when 5 % of clean turns are flagged.
        calibration_error: Mean distance of the stated probability from the observed share, both classes weighing alike.
        reliability: (mean stated probability, observed share, weight) of up to ten bins.
        recall: Share of planted errors that the run's threshold rejects.
        judged: Whether it takes part in verdicts.
        why_not: The sentence that says why not.
    """

    n_clean: int
    n_planted: int
    auroc: float | None = None
    auroc_grey: float | None = None
    gain: float | None = None
    recall_at_5: float | None = None
    calibration_error: float | None = None
    reliability: tuple[tuple[float, float, float], ...] = ()
    recall: float | None = None
    judged: bool = False
    why_not: str | None = None


class WrongShare(Struct, frozen=True):
    """Share of wrong turns in the run as the teacher wrote it, with the ends of its 95 % interval."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.estimate:.1f} % (95 %: {100 * self.low:.1f} to {100 * self.high:.1f} %)"


class Adds(Struct, frozen=True):
    """What one of several validators adds to the others, on errors planted in images that fitted nothing.

    Attributes:
        name: As the settings have it; of a folder its last part.
        recall: Share of all planted errors that the run's threshold finds with it, as with all of them.
        recall_alone: The share that it finds by itself, calibrated by itself.
        recall_without: The share that the others find, calibrated without it.
        gain: ``recall`` less ``recall_without``, and the ends of its 95 % interval by a bootstrap over images.
        clean_flagged: Share of correct turns that are doubted with it, ...
        clean_flagged_without: ... and without it.
        n_planted: Planted errors behind these shares.
        n_images: Images that they were planted on.
        kinds: By kind of error, AUROC alone and without it; None where too few were planted for it to be told.
        is_heeded: It has a say; one that was not shown to see any kind of error by itself has none.
    """

    name: str
    recall: float
    recall_alone: float
    recall_without: float
    gain: tuple[float, float, float]
    clean_flagged: float
    clean_flagged_without: float
    n_planted: int
    n_images: int
    kinds: dict[str, tuple[float | None, float | None]]
    is_heeded: bool = True

    @property
    def told(self) -> str:
        """Its worth as one sentence."""
        if not self.is_heeded:
            return f"sees no kind of error by itself ({100 * self.recall_alone:.1f} % found), so it has no say"
        gain, low, high = (100 * share for share in self.gain)
        of = f"of {self.n_planted} planted errors on {self.n_images} images"
        return (
            f"{of} {100 * self.recall:.1f} % are found with it and {100 * self.recall_without:.1f} % without it "
            f"(it adds {gain:.1f}; 95 %: {low:.1f} to {high:.1f}), {100 * self.recall_alone:.1f} % by it "
            f"alone; of correct turns {100 * self.clean_flagged:.1f} % are doubted with it and "
            f"{100 * self.clean_flagged_without:.1f} % without"
        )


UNSCORED = {
    "outside_domain": "the validator does not know such pictures or things",
    "unreadable_answer": "its endpoint answered with none of the answers it was to choose from",
    "not_a_number": "it gave no number",
    "too_long": "longer than the model reads",
    "unscorable_text": "nothing in it that the model can read",
    "garbled": "what came from its endpoint could not be read",
    "gave_up": "its endpoint did not answer",
}
"""Why a question has no score, in words, by the code that is stored; endpoints and pictures have further codes."""


class Calibration(Struct, frozen=True):
    """What a validator is worth on a run.

    Attributes:
        validator: Its identity; of several, theirs with commas between them.
        alpha: Share of correct answers that may be lost.
        n_turns: Clean turns measured: turns of the run whose claims the annotations bear out.
        basis: ``"all turns"`` where no picture has captions or boxes: every turn of the run counts as clean then, some
            of them wrongly, and only those are doubted that look like an answer about another picture.
        kinds: By kind of error.
        unscored: Questions from whose answers no score can be read, by reason; their turns are not judged.
        share_wrong: Wrong turns among those that reach the validator; None where nothing is judged.
        recall: Share of all planted errors that the threshold rejects.
        clean_flagged: Share of clean turns that it rejects: the measured price, to hold against ``alpha``.
        adds: Where several validators judge together, what each adds to the others.
        judged: False when no kind can be trusted.
        why_not: The sentence that says why not.
    """

    validator: str
    alpha: float
    n_turns: int
    kinds: dict[str, KindReport]
    unscored: dict[str, int] = {}
    share_wrong: WrongShare | None = None
    recall: float | None = None
    clean_flagged: float | None = None
    judged: bool = False
    why_not: str | None = None
    basis: Literal["annotations", "all turns"] = "annotations"
    adds: tuple[Adds, ...] | UnsetType = UNSET


class Measured95(Struct, frozen=True):
    """A share, the ends of its 95 % interval, and the number of cases behind it."""

    estimate: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{100 * self.estimate:.1f} % (95 %: {100 * self.low:.1f} to {100 * self.high:.1f} %, n = {self.n:,})"


class JudgeReport(Struct, frozen=True):
    """What a judge over text said of a run, and what its word is worth there.

    Attributes:
        model: Its name.
        samples: Whose sentences it was asked about.
        sentences: By verdict; one that did not count is ``unknown``.
        void: Verdicts that did not count, and replies that could not be had, by reason.
        objections: Sentences that it could cut over, if it may.
        recall: Of planted errors, those that it objects to.
        false_alarms: Of sentences that the annotations bear out, those that it objects to.
        silent_alarms: The same of sentences whose evidence was hidden from it.
        precision: Of its objections in this run, those that are right, by the shares above; None where it has none.
        by_kind: Per kind of planted error how many were planted and objected to.
        why_not: Why it may not cut; None where it may.
        beforehand: What was measured before the run, in words, and whether the precision heeds it; missing of a judge
            that nobody measured.
    """

    model: str
    samples: int
    sentences: dict[str, int]
    void: dict[str, int]
    objections: int
    recall: Measured95 | None
    false_alarms: Measured95 | None
    silent_alarms: Measured95 | None
    precision: Measured95 | None
    by_kind: dict[str, tuple[int, int]]
    why_not: str | None
    beforehand: str | UnsetType = UNSET

    @property
    def told(self) -> str:
        """Its worth as one sentence."""
        shares = (
            ("recall on planted errors", self.recall),
            ("false alarms on sentences borne out", self.false_alarms),
            ("on those whose evidence was hidden", self.silent_alarms),
            ("precision in this run", self.precision),
        )
        figures = "; ".join(f"{name} {'not measurable' if share is None else share}" for name, share in shares)
        may = "it may cut" if self.why_not is None else f"it cuts nothing, as {self.why_not}"
        beforehand = f"; {self.beforehand}" if self.beforehand else ""
        return f"{self.objections} objections; {figures}{beforehand}; {may}"


class YesShare(Struct, frozen=True):
    """Yes, as a share of the yes and no answers: asked for (None where it is not), before and after balancing."""

    asked: float | None
    before: float
    after: float


class KindShare(Struct, frozen=True):
    """The commonest kind of question, None without any turn, and its share of the turns."""

    kind: str | None
    share: float


class LargestKind(Struct, frozen=True):
    """The commonest kind of question: the cap on its share (None without one), before and after balancing."""

    asked: float | None
    before: KindShare
    after: KindShare


class Balance(Struct, frozen=True):
    """What was asked of the balance of the set, and what is reached."""

    turns_before: int
    turns_after: int
    yes_share: YesShare
    largest_kind: LargestKind


class YesNo(Struct, frozen=True):
    """Answers to yes/no questions by what they say."""

    yes: int
    no: int
    unclear: int


class AnswerWords(Struct, frozen=True):
    """Words in an answer: percentiles, and answers per class of length such as ``"8-11"``."""

    p5: int
    p25: int
    p50: int
    p75: int
    p95: int
    histogram: dict[str, int]


class CategoryUse(Struct, frozen=True):
    """How often answers say that a category is there and that it is not, and on how many images it has a box."""

    stated: int
    denied: int
    boxed: int


class CategoryCover(Struct, frozen=True):
    """How much of the corpus's categories the answers speak of.

    Attributes:
        in_corpus: Categories that the corpus has.
        stated: Of these, said to be there by any answer.
        denied: Of these, said to be absent by any answer.
        most_stated: The commonest ones.
        never_stated: Names of those that are never said to be there; of very many the first.
    """

    in_corpus: int
    stated: int
    denied: int
    most_stated: dict[str, CategoryUse]
    never_stated: tuple[str, ...]


class DiversityReport(Struct, frozen=True):
    """What accepted samples ask and say; each tally counts turns or claims by name.

    Attributes:
        turns: Turns counted.
        turns_per_sample: Samples by their number of turns.
        question_kinds: Turns by kind of question, zeros included.
        question_openings: The commonest first two words of questions, and of answers.
        counts: Claims of an exact count, by the count.
        places: Claims that put a thing somewhere, by place.
        relations: Claims of a relation, by relation.
        lacks: Sentences on what the set lacks.
    """

    turns: int
    turns_per_sample: dict[str, int]
    question_kinds: dict[str, int]
    yes_no: YesNo
    question_openings: dict[str, int]
    answer_openings: dict[str, int]
    answer_words: AnswerWords
    categories: CategoryCover
    counts: dict[str, int]
    places: dict[str, int]
    relations: dict[str, int]
    lacks: tuple[str, ...]


class ReviewCounts(Struct, frozen=True):
    """What came of the decisions that people made by hand.

    Attributes:
        stale: Decisions that no sample could obey, as its turns are others now.
        digest: Names all decisions together.
    """

    accepted: int
    rejected: int
    corrected: int
    stale: int
    digest: str | None


class PlantedFates(Struct, frozen=True):
    """What became of errors of one kind that were planted into the embedded teacher's replies.

    Attributes:
        planted: All of them; each is one of those below.
        by_annotations: Caught by captions and boxes.
        by_validator: Caught before the pixels.
        beside: Gone for another reason, as with an earlier turn.
        missed: In the dataset.
    """

    planted: int = 0
    by_annotations: int = 0
    by_validator: int = 0
    beside: int = 0
    missed: int = 0


class Omission(Struct, frozen=True):
    """What loading the corpus left out or mended, for one reason: how often, and the first of it as a sentence."""

    number: int
    example: str


def count_omissions(findings: Iterable[Finding]) -> dict[str, Omission]:
    """Count what was left out or mended by its kind, the commonest first.

    Args:
        findings: Of the loaded corpus.
    """
    numbers = Counter(finding.kind for finding in findings if finding.kind not in _KEPT_WHOLE)
    first: dict[str, str] = {}
    for finding in findings:
        first.setdefault(
            finding.kind, finding.detail if finding.image_id is None else f"image {finding.image_id}: {finding.detail}"
        )
    return {kind: Omission(number, first[kind]) for kind, number in numbers.most_common()}


_KEPT_WHOLE = frozenset(("repeated_annotation_id",))
"""Kinds of findings by which nothing was left out."""


class Summary(Struct, frozen=True):
    """The content of ``summary.json``; what may be None is so where there is nothing to tell, and in older runs.

    Attributes:
        samples: Accepted and rejected together.
        by_type: By response type.
        rejected_by_stage: Samples that fell.
        cut_by_stage: Cuts of samples which went on.
        turns: Of accepted samples, as are words, verdicts, claims and licences.
        verdicts: Turns by the validator's verdict.
        licences: Samples by the licence of their image.
        cost_usd: None where no price is known.
        cost_usd_by: The parts of it, where others than the teacher billed; None where no price is known.
        balance: What balancing asked for and reached.
        calibration: What the validator is worth on this run.
        diversity: What the set asks, says and lacks.
        review: What people decided by hand.
        planted: By kind of error what became of those that ``teacher.planted_errors`` asked for.
        judge: What a judge over text said, and what it is worth.
        turn_counts: What became of all turns that the teacher wrote.
        turns_lost_by_stage: Turns cut or rejected, those that were not at fault among them.
        claims: By what captions and boxes say to them: ``supported``, ``contradicted``, ``unknown``.
        hallucinations: How much of what the teacher wrote is wrong, whatever became of it.
        coverage: How much of it captions and boxes could check at all.
        omissions: What loading the corpus left out or mended, by kind; missing where nothing was.
        repair: What came of what went back to the teacher; missing where nothing was to.
    """

    samples: int
    accepted: int
    rejected: int
    share_accepted: float
    by_type: dict[str, Fates]
    rejected_by_stage: Reasons
    cut_by_stage: Reasons
    turns: int
    turns_per_sample: float
    words_per_answer: float
    verdicts: dict[str, int]
    licences: dict[str, int]
    tokens: Tokens
    cost_usd: float | None
    cost_usd_per_accepted: float | None
    cost_usd_by: dict[str, float | None] | UnsetType = UNSET
    balance: Balance | None = None
    calibration: Calibration | None = None
    diversity: DiversityReport | None = None
    review: ReviewCounts | None = None
    planted: dict[str, PlantedFates] | UnsetType = UNSET
    judge: JudgeReport | UnsetType = UNSET
    turn_counts: TurnCounts | None = None
    turns_lost_by_stage: Reasons | None = None
    claims: dict[str, int] | None = None
    hallucinations: Hallucinations | None = None
    coverage: Coverage | None = None
    omissions: dict[str, Omission] | UnsetType = UNSET
    repair: RepairReport | UnsetType = UNSET


class Tally:
    """Counts samples as they pass; memory does not grow with their number."""

    def __init__(self) -> None:
        self.n_accepted = 0
        self._n_requests = 0
        self._n_unasked = 0
        self._n_failed = 0
        self.failure: str | None = None
        self._by_type: dict[str, Counter[str]] = defaultdict(Counter)
        self._rejected: dict[str, Counter[str]] = defaultdict(Counter)
        self._cuts: dict[str, Counter[str]] = defaultdict(Counter)
        self._licences: Counter[str] = Counter()
        self._verdicts: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._n_turns = 0
        self._n_answer_words = 0
        self._turns: dict[str, Counter[str]] = defaultdict(Counter)  # by response type
        self._turns_lost: dict[str, Counter[str]] = defaultdict(Counter)
        self._claims: Counter[str] = Counter()
        self._hallucinations = HallucinationTally()
        self._coverage = CoverageTally()
        self._cost_usd: float | None = None
        self._billed: dict[str, float | None] = {}
        self.repairs = RepairTally()

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
        self._add_turns(sample)
        self.repairs.add(sample)
        spent = sample.provenance
        self._n_requests += bool(spent.request_digest)
        self._tokens["prompt"] += spent.n_prompt_tokens
        self._tokens["cached"] += spent.n_cached_tokens
        self._tokens["completion"] += spent.n_completion_tokens
        if spent.cost_usd is not None:
            self._cost_usd = (self._cost_usd or 0.0) + spent.cost_usd
        if sample.status == "rejected":
            self._rejected[sample.stage or ""][sample.reason or ""] += 1
            if sample.reason in FAILED:
                self._n_failed += 1
                self._n_unasked += not spent.request_digest
                self.failure = self.failure or f"{sample.reason}: {sample.detail}"
            return
        self.n_accepted += 1
        self._licences[sample.provenance.licence or "not stated"] += 1
        self._n_turns += len(sample.turns)
        for turn in sample.turns:
            self._n_answer_words += len(turn.answer.split())
            self._claims.update(claim.verdict.partition("_")[0] for claim in turn.claims)
            if turn.validation is not None:
                self._verdicts[turn.validation.verdict] += 1

    def _add_turns(self, sample: Sample) -> None:
        written, counts = written_turns(sample), self._turns[sample.response_type]
        self._hallucinations.add(sample.image_id, sample.provenance.teacher, sample.response_type, written)
        self._coverage.add(sample.response_type, written)
        counts["written"] += len(written)
        if sample.status == "accepted":
            counts["kept"] += len(sample.turns)
            if not sample.cuts:  # as most are
                return
        for told in fated_turns(sample):
            if told.fate != "kept":
                counts[told.fate] += 1
                counts["at_fault"] += told.cause == "itself"
                self._turns_lost[told.stage or ""][told.reason or ""] += 1

    def bill(self, billed: Mapping[str, float | None]) -> None:
        """Add what others than the teacher cost, in US dollars; None where no price is known."""
        self._billed = dict(billed)

    @property
    def share_failed(self) -> float:
        """Samples that failed in whatever stage, as a share of those that had something to ask."""
        return self._n_failed / max(1, self._n_requests + self._n_unasked)

    @property
    def n_samples(self) -> int:
        """Accepted and rejected together."""
        return sum(counts.total() for counts in self._by_type.values())

    def summary(self) -> Summary:
        """The tallies; what else was measured on the whole set is not known here."""
        n_samples = self.n_samples
        by = {"teacher": self._cost_usd, **self._billed} if self._n_requests else self._billed
        known = [usd for usd in (self._cost_usd, *self._billed.values()) if usd is not None]
        cost = round(sum(known), 6) if known else None
        return Summary(
            samples=n_samples,
            accepted=self.n_accepted,
            rejected=n_samples - self.n_accepted,
            share_accepted=_ratio(self.n_accepted, n_samples),
            by_type={
                name: Fates(counts["accepted"], counts["rejected"], _turn_counts(self._turns[name]))
                for name, counts in self._by_type.items()
            },
            rejected_by_stage=_sorted_counts(self._rejected),
            cut_by_stage=_sorted_counts(self._cuts),
            turns=self._n_turns,
            turns_per_sample=_ratio(self._n_turns, self.n_accepted),
            words_per_answer=_ratio(self._n_answer_words, self._n_turns),
            verdicts=dict(sorted(self._verdicts.items())),
            licences=dict(sorted(self._licences.items())),
            tokens=Tokens(self._tokens["prompt"], self._tokens["cached"], self._tokens["completion"]),
            cost_usd=cost,
            cost_usd_per_accepted=None if cost is None else _ratio(cost, self.n_accepted, digits=6),
            cost_usd_by={name: usd and round(usd, 6) for name, usd in by.items()} if self._billed else UNSET,
            turn_counts=_turn_counts(sum(self._turns.values(), Counter())),
            turns_lost_by_stage=_sorted_counts(self._turns_lost),
            claims=dict(sorted(self._claims.items())),
            hallucinations=self._hallucinations.rates(),
            coverage=self._coverage.coverage(),
        )


FAILED = frozenset(
    "gave_up request_rejected context_too_long empty_reply not_asked teacher_raised "
    "image_missing image_unreadable image_outside_folder".split()
)
"""Reasons that count against ``--max-failed``, whatever the stage: no answer came, or no picture could be looked at. A
refusal is an answer, if a poor one."""


def _turn_counts(counts: Counter[str]) -> TurnCounts:
    return TurnCounts(**{name: counts[name] for name in TurnCounts.__struct_fields__})


def _sorted_counts(table: dict[str, Counter[str]]) -> Reasons:
    return {stage: dict(sorted(table[stage].items(), key=lambda item: (-item[1], item[0]))) for stage in sorted(table)}


def _ratio(part: float, whole: float, digits: int = 3) -> float:
    return round(part / whole, digits) if whole else 0.0
