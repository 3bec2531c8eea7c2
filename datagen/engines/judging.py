"""Holds accepted samples against the pixels: scores are stored as they come, verdicts follow from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby, islice
from typing import Any

import msgspec
from msgspec import Struct

from datagen.config import Settings
from datagen.engines.progress import Progress
from datagen.pipeline import give_verdict
from datagen.randomness import rng_for
from datagen.records import AnnotatedImage, Sample
from datagen.store import ScoreStore
from datagen.validator import (
    Calibration,
    Job,
    PictureFault,
    TurnScores,
    Validator,
    calibrate,
    collect_scores,
)
from datagen.validator.protocol import LoadPicture

IMAGES_AT_ONCE = 32
"""Images whose samples are handed to the validator together, so that it can sort them by length."""


class Judge(Struct, frozen=True):
    """What is needed to give verdicts: stored scores, how to read them, and what could not be scored."""

    identity: str
    calibration: Calibration
    scores: ScoreStore
    faults: dict[str, PictureFault]
    job_of: Callable[[Sample], Job]

    def give_verdict(self, sample: Sample) -> Sample:
        """Look up what was measured on a sample and judge it by that."""
        if sample.status != "accepted":
            return sample
        found = collect_scores(self.identity, self.job_of(sample), sample.image_id, self.scores.by_key.get)
        return give_verdict(sample, found, self.faults.get(sample.sample_id), self.calibration)

    def as_dict(self) -> dict[str, Any]:
        """The calibration as plain values, for the summary."""
        plain: dict[str, Any] = msgspec.to_builtins(self.calibration)
        return plain


def judge_samples(
    samples: Iterable[Sample],
    validator: Validator,
    scores: ScoreStore,
    load_picture: LoadPicture,
    images: Iterable[AnnotatedImage],
    settings: Settings,
    progress: Progress,
) -> Judge:
    """Score what is not scored yet, then calibrate on everything.

    Args:
        samples: Every sample up to this stage, in corpus order; the accepted ones are looked at.
        validator: The model.
        scores: Where scores are kept; nothing stored is computed again.
        load_picture: Opens a picture by file name.
        images: Images whose pictures may serve as the wrong picture of another.
        settings: The run's.
        progress: Hears of every sample.
    """
    pictures = tuple(dict.fromkeys(image.file_name for image in images))

    def job_of(sample: Sample) -> Job:
        other = _other_picture(sample, pictures, settings.rng_seed)
        return Job(sample.sample_id, sample.turns, sample.image, other)

    faults: dict[str, PictureFault] = {}
    measured: list[TurnScores] = []
    by_image = (tuple(group) for _, group in groupby(samples, key=lambda sample: sample.image_id))
    while groups := tuple(islice(by_image, IMAGES_AT_ONCE)):
        accepted = [sample for group in groups for sample in group if sample.status == "accepted"]
        jobs = [job_of(sample) for sample in accepted]
        for result in validator.score(jobs, load_picture, scores.by_key):
            if isinstance(result, PictureFault):
                faults[result.sample_id] = result
            else:
                scores.add(result)
        for sample, job in zip(accepted, jobs, strict=True):
            if sample.sample_id not in faults:
                found = collect_scores(validator.identity, job, sample.image_id, scores.by_key.get)
                measured += [turn for turn in found if turn is not None]
        for group in groups:
            for _ in group:
                progress.step()
    scores.log.sync()
    calibration = calibrate(validator.identity, measured, settings.validator.alpha)
    if calibration.why_not:
        progress.note(f"The validator's scores are stored, but no turn is judged: {calibration.why_not}.")
    return Judge(validator.identity, calibration, scores, faults, job_of)


def _other_picture(sample: Sample, pictures: tuple[str, ...], rng_seed: int) -> str | None:
    """Choose the picture that the answers are held against to see what wrong looks like."""
    if len(pictures) < 2:
        return None
    rng = rng_for(rng_seed, sample.image_id, "other picture")
    while True:
        other = rng.choice(pictures)
        if other != sample.image:
            return other
