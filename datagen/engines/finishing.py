"""From stored facts to the finished files of a run: everything that sees the set as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

import msgspec
from msgspec import Struct

from datagen.dedup import FindVector
from datagen.diversity import Diversity, boxed_images
from datagen.engines.inputs import Inputs
from datagen.engines.judging import judge_samples
from datagen.engines.progress import ended
from datagen.engines.trials import Examiner
from datagen.errors import RunError
from datagen.export import dataset_card, write_llava
from datagen.pipeline import drop_repeats, plan_balance
from datagen.records import Sample
from datagen.review import Reviewer, claims_from, corrected_images
from datagen.store import ScoreStore, read_decisions, write_whole
from datagen.summary import Tally
from datagen.validator import Validator


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


def finish(
    inputs: Inputs,
    validator: Validator | None,
    candidates: Callable[[], Iterator[Sample]],
    find_vector: FindVector | None = None,
    others: Mapping[str, str | None] | None = None,
) -> Outcome:
    """Derive everything that follows from the candidates and the stored scores, and write it whole.

    Args:
        inputs: Of the whole run.
        validator: None leaves the pixels out.
        candidates: Gives every sample as it stands before it is compared with all others, in corpus order; called
            once for each pass.
        find_vector: Vectors of questions.
        others: What shards have chosen to plant errors on; see ``Examiner``.

    Raises:
        DatagenError: As one sentence.
    """

    def unbalanced() -> Iterator[Sample]:
        return drop_repeats(candidates(), inputs.recipes, inputs.settings, find_vector)

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
            examiner = Examiner(inputs.corpus, pictures.check, validator, inputs.settings, others)
            judge = judge_samples(
                derived(), validator, scores, pictures.read, examiner, inputs.settings.validator.alpha, progress
            )
        with write_whole(inputs.folder.calibration) as file:
            file.writelines(msgspec.json.encode(one) + b"\n" for one in judge.tried)
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
