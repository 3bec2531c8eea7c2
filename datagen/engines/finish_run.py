"""Finishes a run: the stages that see the whole set, one after another, then its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from datagen.diversity import Diversity, boxed_images
from datagen.engines.ask_judge import LlmJudge
from datagen.engines.entail_sentences import BundledJudge, why_unread
from datagen.engines.planted_errors import Examiner, PlantedTally
from datagen.engines.progress import LOOKING, Silence, ended
from datagen.engines.score_run import Judge, judge_samples
from datagen.engines.weigh_judge import MeasuredJudge
from datagen.errors import RunError
from datagen.export import dataset_card, write_llava
from datagen.pipeline import STAGES, Report, Samples
from datagen.review import Reviewer, claims_from
from datagen.store import FactLog, JudgementStore, ScoreStore, read_decisions, stored_replies, told_damage, write_whole
from datagen.summary import Summary, Tally, count_omissions

if TYPE_CHECKING:
    from datagen.config import Settings
    from datagen.dedup import FindVector
    from datagen.engines.inputs import Inputs
    from datagen.recipes import Recipe
    from datagen.records import Sample
    from datagen.validator import Validator


class Outcome(Struct, frozen=True):
    """How a run ended.

    Attributes:
        summary: The content of ``summary.json``.
        share_failed: Samples without an answer or a picture, as a share of all.
        failure: What the first of them met, or None.
        is_unchanged: It had ended so before, and there was nothing to do.
        is_settled: Another start would ask nothing: all is answered and looked at, refused for good, or asks nothing.
    """

    summary: Summary
    share_failed: float
    failure: str | None = None
    is_unchanged: bool = False
    is_settled: bool = False


class Workbench:
    """What the stages that see the whole set are lent: see ``pipeline.Lent``.

    Args:
        inputs: Of the whole run.
        validators: Without any the pixels are left out.
        find_vector: Vectors of questions.
        others: What shards have chosen to plant errors on; see ``Examiner``.
        lent: Closes what is opened here.
        may_ask: False sends nothing.
        task: What the validator's look is called; None, where it has seen all of it before, tells of none.

    Attributes:
        has_gaps: A validator or judge owes a word that another start would ask for again.
    """

    def __init__(
        self,
        inputs: Inputs,
        validators: Sequence[Validator],
        find_vector: FindVector | None,
        others: Mapping[str, str | None] | None,
        lent: ExitStack,
        may_ask: bool = True,
        task: str | None = LOOKING,
    ) -> None:
        self.settings: Settings = inputs.settings
        self.recipes: tuple[Recipe, ...] = inputs.recipes
        self.find_vector = find_vector
        self._inputs, self._validators, self._others, self._lent = inputs, validators, others, lent
        self._may_ask, self._task = may_ask, task
        self.has_gaps = False

    def text_judge(self, samples: Samples) -> MeasuredJudge | None:
        """Ask what is not stored yet, and measure the judge on everything."""
        inputs, asked = self._inputs, self.settings.checks.judge
        if asked is None or (asked.is_bundled and why_unread(self.settings, inputs.images) is not None):
            return None
        store = self._lent.enter_context(closing(JudgementStore(inputs.folder.judgements)))
        self._tell_damage(store.log)
        judge = (BundledJudge if asked.is_bundled else LlmJudge)(self.settings, inputs.corpus, store)
        judge.weigh(samples, inputs.n_samples, inputs.ledger.payment("judge"), inputs.progress, may_ask=self._may_ask)
        inputs.progress.note(f"Judge {asked.model}: {judge.report().told}.")
        self.has_gaps |= judge.has_gaps
        return judge

    def judge(self, samples: Samples) -> Judge | None:
        """Score what is not scored yet, calibrate on everything, and write down on what."""
        inputs, validators = self._inputs, self._validators
        if not validators:
            return None
        scores = self._lent.enter_context(closing(ScoreStore(inputs.folder.scores)))
        self._tell_damage(scores.log)
        progress = Silence() if self._task is None else inputs.progress
        progress.begin(self._task or "", inputs.n_samples)
        with ended(progress):
            examiner = Examiner(inputs.corpus, inputs.pictures.check, validators, self.settings, self._others)
            judge = judge_samples(
                samples(), validators, scores, inputs.pictures.read, examiner,
                self.settings.validator, progress,
            )  # fmt: skip
        with write_whole(inputs.folder.calibration) as file:
            file.writelines(msgspec.json.encode(one) + b"\n" for one in judge.tried)
        self.has_gaps |= judge.has_gaps
        return judge

    def _tell_damage(self, log: FactLog[Any]) -> None:
        if log.n_damaged:
            told = f"{log.path}: {told_damage(log.n_damaged)}; what stood there is asked for again."
            self._inputs.progress.note(told)

    def reviewer(self) -> Reviewer:
        """What people decided, to be laid over the finished samples."""
        inputs = self._inputs
        decisions, corpus = read_decisions(inputs.folder.decisions, inputs.progress.note), inputs.corpus
        return Reviewer(decisions, claims_from(corpus.by_id, corpus.categories, self.settings))


def looked_at(
    inputs: Inputs,
    validators: Sequence[Validator],
    candidates: Samples,
    find_vector: FindVector | None = None,
    *,
    may_ask: bool = True,
    task: str | None = LOOKING,
) -> Iterator[Sample]:
    """Every sample as the stages of the whole set leave it, and nothing written; see ``finish``."""
    with ExitStack() as lent:
        samples, _ = _through(Workbench(inputs, validators, find_vector, None, lent, may_ask, task), candidates)
        yield from samples()


def _through(bench: Workbench, samples: Samples) -> tuple[Samples, dict[str, Report]]:
    """Put samples through the stages that see the whole set, one after another."""
    reports: dict[str, Report] = {}
    for stage in STAGES:
        if stage.of_set is None:
            continue
        samples, report = stage.of_set(samples, bench)
        if stage.report is not None and report is not None:
            reports[stage.report] = report
    return samples, reports


def finish(
    inputs: Inputs,
    validators: Sequence[Validator],
    candidates: Samples,
    find_vector: FindVector | None = None,
    others: Mapping[str, str | None] | None = None,
    *,
    may_ask: bool = True,
    task: str | None = LOOKING,
) -> Outcome:
    """Derive everything that follows from the candidates and the stored scores, and write it whole.

    Args:
        inputs: Of the whole run.
        validators: Without any the pixels are left out.
        candidates: Gives every sample as it stands before it is compared with all others.
        find_vector: Vectors of questions.
        others: What shards have chosen to plant errors on; see ``Examiner``.
        may_ask: False sends nothing.
        task: See ``Workbench``.

    Raises:
        DatagenError: As one sentence.
    """
    tally = Tally()
    shares = inputs.settings.mix or {recipe.name: 1.0 for recipe in inputs.recipes}
    if inputs.dataset is not None:
        shares = {}  # nobody asked for its types
    diversity = Diversity(inputs.corpus.categories, boxed_images(inputs.corpus.images), shares)
    with ExitStack() as lent:
        bench = Workbench(inputs, validators, find_vector, others, lent, may_ask, task)
        samples, reports = _through(bench, candidates)
        finished = diversity.watch(samples())
        planted = None
        if inputs.settings.teacher.planted_errors:
            planted = PlantedTally(stored_replies(inputs.folder))
            finished = planted.watch(finished)
        _write(inputs, tally, finished)
        measured = {name: report() for name, report in reports.items()}
        has_gaps = bench.has_gaps
        if planted is not None:
            measured["planted"] = planted.fates
    tally.bill(inputs.ledger.billed())
    omissions = count_omissions(inputs.corpus.findings) or UNSET
    if inputs.settings.repair:
        measured["repair"] = tally.repairs.report()
    summary = replace(tally.summary(), diversity=diversity.report(), omissions=omissions, **measured)
    return replace(_close(inputs, tally, summary), is_settled=not has_gaps)


def _write(inputs: Inputs, tally: Tally, samples: Iterator[Sample]) -> None:
    """Write every sample, and the accepted ones as the dataset, in one pass."""
    encoder = msgspec.json.Encoder()
    inputs.progress.begin("writing the dataset", inputs.n_samples)
    with (
        ended(inputs.progress),
        write_whole(inputs.folder.samples) as samples_file,
        write_whole(inputs.folder.dataset) as dataset_file,
    ):

        def written() -> Iterator[Sample]:
            for sample in tally.watch(samples):
                samples_file.write(encoder.encode(sample) + b"\n")
                inputs.progress.step(accepted=sample.status == "accepted")
                yield sample

        write_llava(written(), dataset_file, inputs.settings.rng_seed)


def _close(inputs: Inputs, tally: Tally, summary: Summary) -> Outcome:
    """Check that nothing disappeared, then write the summary and the card."""
    if tally.n_samples != inputs.n_samples:
        raise RunError(
            f"{inputs.folder.path}: {inputs.n_samples} samples were planned, {tally.n_samples} were written."
        )
    if "not_asked" in summary.rejected_by_stage.get("teacher", {}):
        inputs.folder.watermark.unlink(missing_ok=True)  # it was wrong; the next start looks at every request
    with write_whole(inputs.folder.summary) as file:
        file.write(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
    with write_whole(inputs.folder.card) as file:
        file.write(dataset_card(inputs.settings, summary, inputs.described()).encode())
    return Outcome(summary, tally.share_failed, tally.failure)
