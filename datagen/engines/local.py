"""The local engine: one process takes a corpus to a finished dataset, resuming what is stored."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from datagen import __version__
from datagen.checks import validate_check_names
from datagen.config import Settings, dump_settings
from datagen.corpus import Corpus, PictureChecker, load_corpus
from datagen.engines.asking import ask_all, run_to_end
from datagen.engines.judging import judge_samples
from datagen.engines.progress import Progress
from datagen.errors import RunError
from datagen.export import dataset_card, write_llava
from datagen.pipeline import Planned, derive_samples, make_sample, plan_samples
from datagen.recipes import Recipe, load_recipes
from datagen.records import AnnotatedImage, Reply, Request, Sample
from datagen.store import ReplyStore, RunFolder, ScoreStore, write_whole
from datagen.summary import Tally
from datagen.teacher import open_teacher
from datagen.validator import open_validator


class Outcome(Struct, frozen=True):
    """How a run ended.

    Attributes:
        summary: The content of ``summary.json``.
        share_failed: Requests without any answer, as a share of all.
    """

    summary: dict[str, Any]
    share_failed: float


class Job:
    """One run's inputs, read once, and the passes over them."""

    def __init__(self, settings: Settings, folder: RunFolder, progress: Progress) -> None:
        validate_check_names(settings.checks)
        self.settings = settings
        self.folder = folder
        self.progress = progress
        self.recipes: tuple[Recipe, ...] = load_recipes(settings)
        self.corpus: Corpus = load_corpus(settings.corpus)
        self.pictures = PictureChecker(settings.corpus)
        hint = self.pictures.explain_missing(self.corpus.images)
        if hint:
            raise RunError(hint)

    @property
    def n_samples(self) -> int:
        """Images times response types."""
        return len(self.corpus.images) * len(self.recipes)

    def planned(self) -> Iterator[Planned]:
        """Every sample of the run, in corpus order."""
        return plan_samples(
            self.corpus.images, self.recipes, self.settings, self.pictures.check, self.corpus.categories
        )

    def usable_images(self) -> Iterator[AnnotatedImage]:
        """Images whose pictures open."""
        return (image for image in self.corpus.images if self.pictures.check(image) is None)

    def write_manifest(self) -> None:
        """Write ``run.yaml``: resolved settings, versions, digests; it holds no secrets."""
        manifest = {
            "datagen": __version__,
            "python": platform.python_version(),
            "settings": dump_settings(self.settings),
            "recipes": {recipe.name: recipe.digest for recipe in self.recipes},
            "images": len(self.corpus.images),
            "samples": self.n_samples,
        }
        with write_whole(self.folder.settings) as file:
            file.write(msgspec.yaml.encode(manifest))


def run_local(settings: Settings, out: Path, progress: Progress, *, may_ask: bool = True) -> Outcome:
    """Make or finish a run.

    Args:
        settings: Resolved settings.
        out: The run folder; a second start with the same settings resumes it.
        progress: Hears how far it is.
        may_ask: False judges what is stored and sends nothing.

    Raises:
        DatagenError: Any failure that is not one record's, as one sentence.
    """
    folder = RunFolder(out)
    job = Job(settings, folder, progress)
    with folder.locked(), closing(ReplyStore(folder.replies)) as replies:
        job.write_manifest()
        if replies.log.n_damaged:
            progress.note(f"{folder.replies}: {replies.log.n_damaged} damaged lines passed over; they are asked again.")
        if may_ask:
            _ask(job, replies)
        elif any(item.request and not replies.get(item.request.digest) for item in job.planned()):
            raise RunError(f"{out}: not every reply is stored; finish the run with 'datagen run' first.")
        return _finish(job, replies)


def _ask(job: Job, replies: ReplyStore) -> None:
    """Ask for every reply that is not stored yet."""
    n_stored = sum(1 for item in job.planned() if item.request is None or replies.is_settled(item.request.digest))
    if n_stored == job.n_samples:
        return
    by_digest: dict[str, Planned] = {}

    def unanswered() -> Iterator[Request]:
        for item in job.planned():
            if item.request is not None and not replies.is_settled(item.request.digest):
                by_digest[item.request.digest] = item
                yield item.request

    def on_reply(request: Request, reply: Reply) -> None:
        sample = make_sample(by_digest.pop(request.digest), reply, job.settings, "")
        job.progress.step(reply.cost_usd, sample.status == "accepted")

    teacher = open_teacher(job.settings)
    job.progress.begin("asking the teacher", job.n_samples, n_stored)
    try:
        run_to_end(ask_all(unanswered(), teacher, replies, job.settings.teacher.concurrency, on_reply))
    finally:
        job.progress.end()


def _finish(job: Job, replies: ReplyStore) -> Outcome:
    """Derive everything that follows from the stored facts, and write it whole."""

    def derived() -> Iterator[Sample]:
        return derive_samples(job.planned(), job.recipes, replies.get, job.settings)

    tally = Tally()
    if job.settings.validator.name == "none":
        _write(job, tally, derived())
        return _close(job, tally, None)
    validator = open_validator(job.settings.validator)
    with closing(ScoreStore(job.folder.scores)) as scores:
        judge = judge_samples(
            derived, validator, scores, job.pictures.read, job.usable_images(), job.settings, job.progress
        )
        _write(job, tally, map(judge.give_verdict, derived()))
        return _close(job, tally, judge.as_dict())


def _write(job: Job, tally: Tally, samples: Iterator[Sample]) -> None:
    """Write every sample, and the accepted ones as the dataset, in one pass."""
    encoder = msgspec.json.Encoder()
    job.progress.begin("writing the dataset", job.n_samples)
    with write_whole(job.folder.samples) as samples_file, write_whole(job.folder.dataset) as dataset_file:

        def written() -> Iterator[Sample]:
            for sample in tally.watch(samples):
                samples_file.write(encoder.encode(sample) + b"\n")
                job.progress.step(accepted=sample.status == "accepted")
                yield sample

        write_llava(written(), dataset_file, job.settings.rng_seed)
    job.progress.end()


def _close(job: Job, tally: Tally, calibration: dict[str, Any] | None) -> Outcome:
    """Check that nothing disappeared, then write the summary and the card."""
    if tally.n_samples != job.n_samples:
        raise RunError(f"{job.folder.path}: {job.n_samples} samples were planned, {tally.n_samples} were written.")
    summary = {**tally.as_dict(), "calibration": calibration}
    with write_whole(job.folder.summary) as file:
        file.write(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
    with write_whole(job.folder.card) as file:
        file.write(dataset_card(job.settings, summary).encode())
    return Outcome(summary, tally.n_failed / job.n_samples if job.n_samples else 0.0)
