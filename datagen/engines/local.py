"""The local engine: one process takes a corpus to a finished dataset, resuming what is stored."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from datagen.checks import validate_check_names
from datagen.config import Settings, digest_of, dump_settings
from datagen.corpus import Corpus, PictureChecker, load_corpus, load_dataset
from datagen.dedup import FindVector
from datagen.diversity import Diversity, boxed_images
from datagen.engines.asking import ask_all, run_to_end
from datagen.engines.checking import check_pictures
from datagen.engines.embedding import QuestionVectors
from datagen.engines.importing import take_in
from datagen.engines.judging import Examiner, judge_samples, require_common_words
from datagen.engines.progress import Progress, ended
from datagen.engines.watermark import Watermark
from datagen.errors import RunError
from datagen.export import dataset_card, write_llava
from datagen.pipeline import (
    Planned,
    derive_before_dedup,
    derive_samples,
    make_sample,
    plan_balance,
    plan_imported,
    plan_samples,
)
from datagen.recipes import Recipe, load_recipes
from datagen.records import AnnotatedImage, Reply, Request, Sample
from datagen.review import Reviewer, claims_from, corrected_images
from datagen.store import ReplyStore, RunFolder, ScoreStore, read_decisions, write_whole
from datagen.summary import Tally
from datagen.teacher import open_teacher
from datagen.teacher.prices import spent_in_all
from datagen.validator import Validator, open_validator

LOOK_INTERVAL_S = 0.05
"""The bar's share of accepted samples is of a few replies a second: judging one costs more than asking for it."""

MOST_LOOKED_OVER = 1024
"""Names of pictures that a validator may choose from to glance at a few."""


class Outcome(Struct, frozen=True):
    """How a run ended.

    Attributes:
        summary: The content of ``summary.json``.
        share_failed: Requests without any answer, as a share of all.
        failure: What the first of them met, or None.
    """

    summary: dict[str, Any]
    share_failed: float
    failure: str | None = None


class Inputs:
    """One run's inputs, read once, and the passes over them."""

    def __init__(self, settings: Settings, folder: RunFolder, progress: Progress) -> None:
        validate_check_names(settings.checks)
        self.settings = settings
        self.folder = folder
        self.progress = progress
        self.recipes: tuple[Recipe, ...] = load_recipes(settings)
        self.dataset = load_dataset(settings.corpus) if settings.corpus.dataset else None
        self.corpus: Corpus = self.dataset.corpus if self.dataset else load_corpus(settings.corpus)
        self.pictures = PictureChecker(settings.corpus)
        hint = self.pictures.explain_missing(self.corpus.images)
        if hint:
            raise RunError(hint)

    @property
    def n_samples(self) -> int:
        """Images times response types, or the records of a dataset made elsewhere."""
        if self.dataset is not None:
            return len(self.dataset.records)
        return len(self.corpus.images) * len(self.recipes)

    def planned(self, first: int = 0) -> Iterator[Planned]:
        """Every sample of the run, in corpus order, from one of them on."""
        if self.dataset is not None:
            return islice(plan_imported(self.dataset, self.pictures.check), first, None)
        image, n_before = divmod(first, len(self.recipes))
        planned = plan_samples(
            self.corpus.images[image:], self.recipes, self.settings, self.pictures.check, self.corpus.categories
        )
        return islice(planned, n_before, None)

    def planned_at(self, number: int) -> Planned:
        """One sample, by its place in the plan; raises IndexError where there is none."""
        if self.dataset is not None:
            return next(islice(self.planned(), number, None))
        image, recipe = divmod(number, len(self.recipes))
        images, recipes = (self.corpus.images[image],), (self.recipes[recipe],)
        return next(plan_samples(images, recipes, self.settings, self.pictures.check, self.corpus.categories))

    def unsettled(self, watermark: Watermark) -> Iterator[tuple[int, Planned]]:
        """Every sample that is not known to have its reply, with its place in the plan."""
        for number in sorted(watermark.left):
            yield number, self.planned_at(number)
        yield from enumerate(self.planned(watermark.n_passed), watermark.n_passed)

    def open_watermark(self, replies: ReplyStore) -> Watermark:
        """Take up how far the plan is settled."""
        watermark = Watermark(replies, self.folder.watermark, self._plan_digest())
        if self.dataset is None:  # the records of a dataset need no planning
            watermark.load(self.planned_at)
        return watermark

    def is_answered(self, replies: ReplyStore) -> bool:
        """Whether every request has a reply, whatever it says."""
        left = self.unsettled(self.open_watermark(replies))
        return all(item.request is None or item.request.digest in replies for _, item in left)

    def _plan_digest(self) -> str:
        """Digest of what decides the requests, pictures aside."""
        teacher, recipes = self.settings.teacher.name, [(recipe.name, recipe.digest) for recipe in self.recipes]
        rng_seed = self.settings.rng_seed if teacher == "template" else None
        return digest_of([version("datagen"), teacher, rng_seed, self.settings.context, recipes, self._corpus_told()])

    def _corpus_told(self) -> list[Any]:
        """The corpus, told by its files' sizes and times, and by the first and the last of its images."""
        corpus, images = self.settings.corpus, self.corpus.images
        names = (*corpus.captions, *corpus.instances, *((corpus.dataset,) if corpus.dataset else ()))
        files = [(name, Path(name).stat()) for name in names]
        ends = [images[n].image_id for n in (0, -1) if images]
        return [[(name, found.st_size, found.st_mtime_ns) for name, found in files], len(images), ends]

    def usable_images(self) -> Iterator[AnnotatedImage]:
        """Images whose pictures open."""
        return filter(self.is_usable, self.corpus.images)

    def is_usable(self, image: AnnotatedImage) -> bool:
        """Whether an image's picture opens."""
        return self.pictures.check(image) is None

    def check_pictures(self) -> None:
        """Look at every picture once."""
        if self.settings.corpus.images is not None:
            path, progress = self.folder.pictures, self.progress
            check_pictures(self.corpus.images, self.pictures, path, digest_of(self._corpus_told()), progress)

    def write_manifest(self) -> None:
        """Write ``run.yaml``: resolved settings, versions, digests; it holds no secrets.

        When it changes, the old summary goes first: a run is finished only if its summary is of
        these settings.
        """
        manifest = msgspec.yaml.encode(
            {
                "datagen": version("datagen"),
                "python": platform.python_version(),
                "settings": dump_settings(self.settings),
                "recipes": {recipe.name: recipe.digest for recipe in self.recipes},
                "images": len(self.corpus.images),
                "samples": self.n_samples,
            }
        )
        if self.folder.settings.is_file() and self.folder.settings.read_bytes() == manifest:
            return
        self._refuse_another_corpus()
        for outdated in (self.folder.summary, self.folder.report):
            outdated.unlink(missing_ok=True)
        with write_whole(self.folder.settings) as file:
            file.write(manifest)

    def _refuse_another_corpus(self) -> None:
        """Keep one folder for one corpus: its files may move, but not give way to others."""
        if not self.folder.settings.is_file():
            return
        try:
            corpus = msgspec.yaml.decode(self.folder.settings.read_bytes())["settings"]["corpus"]
            before = {Path(name).name for name in _sources(corpus)}
        except (msgspec.MsgspecError, KeyError, TypeError):
            return  # damaged; it is written anew
        now = {Path(name).name for name in _sources(dump_settings(self.settings)["corpus"])}
        if before and now.isdisjoint(before):
            raise RunError(
                f"{self.folder.path}: holds a run on {', '.join(sorted(before))}, not on {', '.join(sorted(now))}; "
                "choose another --out."
            )


def _sources(corpus: dict[str, Any]) -> tuple[str, ...]:
    """The files that a run is about: a dataset made elsewhere, or else its annotations."""
    dataset = corpus.get("dataset")
    return (dataset,) if dataset else (*corpus["captions"], *corpus["instances"])


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
    inputs = Inputs(settings, folder, progress)
    validator = None if settings.validator.name == "none" else open_validator(settings.validator)
    if validator is not None:
        require_common_words(validator, settings.validator.name, inputs.corpus.categories)
    if not may_ask:
        folder.require()
    with folder.locked():
        inputs.check_pictures()
        if validator is not None:
            few = islice(inputs.usable_images(), MOST_LOOKED_OVER)
            validator.look_over([image.file_name for image in few], inputs.pictures.read)
        if may_ask:
            inputs.write_manifest()
        with closing(ReplyStore(folder.replies)) as replies:
            if replies.log.n_damaged:
                told = f"{folder.replies}: {replies.log.n_damaged} damaged lines passed over; they are asked again."
                progress.note(told)
            if may_ask:
                _ask(inputs, replies)
            elif not inputs.is_answered(replies):
                raise RunError(f"{out}: not every reply is stored; finish the run with 'datagen run' first.")
            inputs.write_manifest()
            if settings.dedup.embeddings is None:
                return _finish(inputs, validator, replies)
            with closing(QuestionVectors(settings.dedup.embeddings, folder.vectors)) as vectors:
                vectors.fetch(derive_before_dedup(inputs.planned(), replies.get, settings), progress, may_ask=may_ask)
                return _finish(inputs, validator, replies, vectors.find)


def _ask(inputs: Inputs, replies: ReplyStore) -> None:
    """Ask for every reply that is not stored yet, or take it from the dataset made elsewhere."""
    if inputs.dataset is not None:
        take_in(inputs.dataset, Path(inputs.settings.corpus.dataset or ""), replies, inputs.progress)
        return
    progress, watermark = inputs.progress, inputs.open_watermark(replies)
    in_flight: dict[str, tuple[int, Planned]] = {}
    n_done, is_asking = watermark.n_settled, False
    looked_at = -math.inf

    def unanswered() -> Iterator[Request]:
        nonlocal n_done
        for number, item in inputs.unsettled(watermark):
            if item.request is not None and not replies.is_settled(item.request.digest):
                in_flight[item.request.digest] = number, item
                yield item.request
                continue
            watermark.pass_by(number, is_left=not _is_for_good(item))
            n_done += 1
            if is_asking:
                progress.step()

    def on_reply(request: Request, reply: Reply) -> None:
        nonlocal looked_at
        (number, item), now, accepted = in_flight.pop(request.digest), time.monotonic(), None
        watermark.pass_by(number, is_left=not reply.is_final)
        watermark.keep_if_due()
        if now - looked_at >= LOOK_INTERVAL_S:
            accepted = make_sample(item, reply, inputs.settings, "").status == "accepted"
            looked_at = now
        progress.step(reply.cost_usd, accepted)

    teaching, folder = inputs.settings.teacher, inputs.folder
    requests = unanswered()
    first = next(requests, None)
    if first is None:
        watermark.keep()
        return
    if folder.batches.is_file() and not teaching.batch:
        from datagen.engines.batching import require_collected

        require_collected(folder)
    spent = replies.spent
    spent_usd = 0.0 if teaching.budget_usd is None else spent_in_all(spent.usd, spent.unpriced, teaching)
    if teaching.batch:
        _ask_by_batches(inputs, replies, watermark, spent_usd)
        return
    teacher = open_teacher(inputs.settings, spent_usd)
    progress.begin("asking the teacher", inputs.n_samples, n_done)
    is_asking = True
    with ended(progress):
        try:
            run_to_end(ask_all(chain([first], requests), teacher, replies, on_reply))
        finally:
            watermark.keep()


def _is_for_good(item: Planned) -> bool:
    """Whether an item that has no request, or whose reply is stored, will never be asked; a picture may be mended."""
    return item.drop is None or item.drop.reason == "nothing_annotated"


def _ask_by_batches(inputs: Inputs, replies: ReplyStore, watermark: Watermark, spent_usd: float) -> None:
    from datagen.engines.batching import ask_by_batches  # it loads the openai client

    def move_on() -> int:
        """Count what is settled."""
        n_settled = watermark.n_settled
        for number, item in inputs.unsettled(watermark):
            if item.request is None or replies.is_settled(item.request.digest):
                watermark.pass_by(number, is_left=not _is_for_good(item))
                n_settled += item.request is not None
        watermark.keep()
        return n_settled

    progress = inputs.progress
    progress.begin("waiting for batches", inputs.n_samples, move_on() if replies.n_stored else 0)
    with ended(progress):
        ask_by_batches(
            lambda: (item.request for _, item in inputs.unsettled(watermark) if item.request is not None),
            inputs.settings.teacher, inputs.folder, replies, spent_usd,
            lambda reply: progress.step(reply.cost_usd), progress.note,
        )  # fmt: skip
        move_on()


def _finish(
    inputs: Inputs, validator: Validator | None, replies: ReplyStore, find_vector: FindVector | None = None
) -> Outcome:
    """Derive everything that follows from the stored facts, and write it whole."""

    def unbalanced() -> Iterator[Sample]:
        return derive_samples(inputs.planned(), inputs.recipes, replies.get, inputs.settings, find_vector)

    balance = plan_balance(unbalanced(), inputs.settings)

    def derived() -> Iterator[Sample]:
        return unbalanced() if balance is None else map(balance.apply, unbalanced())

    tally, reviewer = Tally(), _reviewer(inputs)
    diversity = Diversity(inputs.corpus.categories, boxed_images(inputs.corpus.images))
    measured: dict[str, Any] = {"balance": balance and balance.report}
    if validator is None:
        _write(inputs, tally, diversity.watch(reviewer.watch(derived())))
        measured |= {"calibration": None, "diversity": diversity.as_dict(), "review": reviewer.as_dict()}
        return _close(inputs, tally, measured)
    with closing(ScoreStore(inputs.folder.scores)) as scores:
        progress, pictures = inputs.progress, inputs.pictures
        progress.begin("looking at the pictures", inputs.n_samples)
        with ended(progress):
            examiner = Examiner(inputs.corpus, inputs.is_usable, validator, inputs.settings)
            judge = judge_samples(
                derived(), validator, scores, pictures.read, examiner, inputs.settings.validator.alpha, progress
            )
        _write(inputs, tally, diversity.watch(reviewer.watch(map(judge.give_verdict, derived()))))
        measured |= {"calibration": judge.as_dict(), "diversity": diversity.as_dict(), "review": reviewer.as_dict()}
        return _close(inputs, tally, measured)


def _reviewer(inputs: Inputs) -> Reviewer:
    """What people decided, to be laid over the finished samples."""
    decisions, corpus = read_decisions(inputs.folder.decisions), inputs.corpus
    wanted = corrected_images(decisions)
    images = {image.image_id: image for image in corpus.images if image.image_id in wanted} if wanted else {}
    return Reviewer(decisions, claims_from(images, corpus.categories, inputs.settings.checks))


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


def _close(inputs: Inputs, tally: Tally, measured: dict[str, Any]) -> Outcome:
    """Check that nothing disappeared, then write the summary and the card."""
    if tally.n_samples != inputs.n_samples:
        raise RunError(
            f"{inputs.folder.path}: {inputs.n_samples} samples were planned, {tally.n_samples} were written."
        )
    summary = {**tally.as_dict(), **measured}
    if "not_asked" in summary["rejected_by_stage"].get("teacher", {}):
        inputs.folder.watermark.unlink(missing_ok=True)  # it was wrong; the next start looks at every request
    with write_whole(inputs.folder.summary) as file:
        file.write(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
    with write_whole(inputs.folder.card) as file:
        file.write(dataset_card(inputs.settings, summary).encode())
    return Outcome(summary, tally.share_failed, tally.failure)
