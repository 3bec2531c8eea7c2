"""Holds accepted samples against the pixels: scores are stored as they come, verdicts follow from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from datagen.config import Settings
from datagen.engines.progress import Progress
from datagen.randomness import rng_for
from datagen.records import AnnotatedImage, Drop, Sample
from datagen.store import ScoreStore
from datagen.validator import (
    Calibration,
    Job,
    PictureFault,
    Validator,
    calibrate,
    collect_scores,
    judge_turns,
    score_keys,
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
        """Stage validate: accepted samples get verdicts, doubtful answers are cut off."""
        if sample.status != "accepted":
            return sample
        fault = self.faults.get(sample.sample_id)
        if fault is not None:
            return _reject(sample, Drop("validate", fault.reason, fault.detail))
        found = collect_scores(self.identity, self.job_of(sample), sample.image_id, self.scores.by_key.get)
        judged = judge_turns(sample.turns, found, self.calibration)
        if judged.drop is None:
            return replace(sample, turns=judged.turns)
        if judged.turns:
            return replace(sample, turns=judged.turns, cuts=(*sample.cuts, judged.drop))
        return _reject(replace(sample, turns=judged.seen), judged.drop)

    def as_dict(self) -> dict[str, Any]:
        """The calibration as plain values, for the summary."""
        plain: dict[str, Any] = msgspec.to_builtins(self.calibration)
        return plain


def _reject(sample: Sample, drop: Drop) -> Sample:
    return replace(sample, status="rejected", stage=drop.stage, reason=drop.reason, detail=drop.detail)


def judge_samples(
    derived: Callable[[], Iterator[Sample]],
    validator: Validator,
    scores: ScoreStore,
    load_picture: LoadPicture,
    images: Iterable[AnnotatedImage],
    settings: Settings,
    progress: Progress,
) -> Judge:
    """Score what is not scored yet, then calibrate on everything.

    Args:
        derived: Starts a pass over the samples that reached this stage, in corpus order.
        validator: The model.
        scores: Where scores are kept; nothing stored is computed again.
        load_picture: Opens a picture by file name.
        images: Images whose pictures may serve as the wrong picture of another.
        settings: The run's.
        progress: Hears of every sample.
    """
    pictures = tuple(image.file_name for image in images)

    def job_of(sample: Sample) -> Job:
        other = _other_picture(sample, pictures, settings.rng_seed)
        return Job(sample.sample_id, sample.turns, sample.image, other)

    def accepted() -> Iterator[Sample]:
        return (sample for sample in derived() if sample.status == "accepted")

    faults: dict[str, PictureFault] = {}
    progress.begin("looking at the pictures", None)
    by_image = (tuple(group) for _, group in groupby(accepted(), key=lambda sample: sample.image_id))
    while groups := tuple(islice(by_image, IMAGES_AT_ONCE)):
        jobs = [job_of(sample) for group in groups for sample in group]
        if any(key not in scores.by_key for job in jobs for key in score_keys(validator.identity, job)):
            for result in validator.score(jobs, load_picture, scores.by_key):
                if isinstance(result, PictureFault):
                    faults[result.sample_id] = result
                else:
                    scores.add(result)
        for _ in jobs:
            progress.step()
    scores.log.sync()
    progress.end()
    measured = [
        turn
        for sample in accepted()
        if sample.sample_id not in faults
        for turn in collect_scores(validator.identity, job_of(sample), sample.image_id, scores.by_key.get)
        if turn is not None
    ]
    calibration = calibrate(validator.identity, measured, settings.validator.alpha)
    if calibration.why_not:
        progress.note(f"The validator's scores are stored, but no turn is judged: {calibration.why_not}.")
    return Judge(validator.identity, calibration, scores, faults, job_of)


def _other_picture(sample: Sample, pictures: tuple[str, ...], rng_seed: int) -> str | None:
    """Choose the picture that the answers are held against to see what wrong looks like."""
    if len(set(pictures)) < 2:
        return None
    rng = rng_for(rng_seed, sample.image_id, "other picture")
    while True:
        other = rng.choice(pictures)
        if other != sample.image:
            return other
