"""Holds accepted samples against the pixels: scores are stored as they come, verdicts follow from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct

from datagen import claims
from datagen.config import Settings
from datagen.corpus import Corpus
from datagen.corpus.ahead import reading_ahead
from datagen.diversity import boxed_images
from datagen.engines.abreast import abreast
from datagen.engines.progress import Progress
from datagen.errors import ValidatorError
from datagen.lexicon import lexicon_for
from datagen.pipeline import PictureCheck, give_verdict
from datagen.randomness import rng_for
from datagen.records import AnnotatedImage, Sample, Score, Turn
from datagen.store import ScoreStore
from datagen.validator import Fault, Look, Validator, look_keys
from datagen.validator.calibration import Calibrator, Measured
from datagen.validator.evidence import Inquiry, blank_look_for, inquire, look_for, read_findings
from datagen.validator.planting import ErrorKind, plant_errors
from datagen.validator.protocol import Item, LoadPicture, ManyAtOnce

IMAGES_AT_ONCE = 32
"""Images whose samples are handed to the validator together, so that it can sort them by length."""
OUTSIDE = "outside_domain"
"""Reason of a fault that says nothing against the sample: the validator does not know such pictures."""
_TRIES = 8  # pictures drawn to find one that shares little with another


def require_common_words(validator: Validator, name: str, categories: tuple[str, ...]) -> None:
    """Refuse a validator that knows none of a corpus's things, before a token is paid for.

    Raises:
        ValidatorError: The sentence says what it knows.
    """
    known = validator.abilities.categories
    if known is not None and known.isdisjoint(categories):
        told = ", ".join(sorted(known)[:5])
        raise ValidatorError(
            f"{name} knows {len(known)} things ({told}, …), none of which the corpus annotates; "
            "use another validator, such as llava-1.5-7b, or --validator none."
        )


class Judge:
    """Gives verdicts from stored scores.

    Args:
        validator: Names its scores.
        scores: Where they are kept.
    """

    def __init__(self, validator: Validator, scores: ScoreStore) -> None:
        self.validator = validator
        self.scores = scores
        self._faults: dict[tuple[str, Item | None], Fault] = {}
        self.calibrator: Calibrator | None = None

    @property
    def uses_blanks(self) -> bool:
        """Whether texts are held against a blank picture as well."""
        return self.validator.abilities.blanks

    def note(self, fault: Fault) -> None:
        """Remember what could not be scored."""
        self._faults[fault.picture, fault.item] = fault

    def inquire(self, turns: Iterable[Turn]) -> tuple[Inquiry, ...]:
        """What is asked about each turn."""
        return tuple(inquire(turn, self.validator.abilities) for turn in turns)

    def measure(
        self,
        image_id: str,
        inquiries: Iterable[Inquiry],
        picture: str,
        planted: ErrorKind | None = None,
        blank_of: str | None = None,
    ) -> Iterator[Measured]:
        """Read what was found, for calibration."""
        for inquiry in inquiries:
            found = read_findings(inquiry, self.validator.identity, picture, self.scores.by_key.get, blank_of)
            if found is not None:
                yield Measured(image_id, found.measures, inquiry.suffers, planted)

    def give_verdict(self, sample: Sample) -> Sample:
        """Look up what was measured on a sample and judge it by that."""
        if sample.status != "accepted":
            return sample
        assert self.calibrator is not None
        inquiries = self.inquire(sample.turns)
        find = self.scores.by_key.get
        findings = tuple(read_findings(one, self.validator.identity, sample.image, find) for one in inquiries)
        return give_verdict(sample, inquiries, findings, self._fault_of(sample, inquiries), self.calibrator)

    def _fault_of(self, sample: Sample, inquiries: Sequence[Inquiry]) -> Fault | None:
        places = [(sample.image, None), *((sample.image, inquiry.text) for inquiry in inquiries if inquiry.text)]
        found = next((self._faults[place] for place in places if place in self._faults), None)
        return None if found is None or found.reason == OUTSIDE else found

    def as_dict(self) -> dict[str, Any]:
        """The calibration as plain values, for the summary."""
        assert self.calibrator is not None
        plain: dict[str, Any] = msgspec.to_builtins(self.calibrator.calibration)
        return plain


class Trial(Struct, frozen=True):
    """An image on which errors are planted.

    Attributes:
        other: Another picture, against which the same answers are wrong; None when there is none.
        absent: Categories that it does not show.
    """

    image: AnnotatedImage
    other: str | None
    absent: tuple[str, ...]


class Examiner:
    """Decides on which images errors are planted, and plants them.

    Which they are depends on the whole corpus, and on nothing else: a shard tries the same errors on the same images
    as the whole run. Only pictures that come into question are opened.

    Args:
        corpus: The whole of it.
        check_picture: Gives None for a picture that can be used.
        validator: Errors are planted that it could notice.
        settings: The run's.
    """

    def __init__(self, corpus: Corpus, check_picture: PictureCheck, validator: Validator, settings: Settings) -> None:
        self._settings, self._categories = settings, corpus.categories
        self._images, self._check_picture = corpus.images, check_picture
        self._lexicon = lexicon_for(corpus.categories, settings.checks.words)
        annotated = set(boxed_images(corpus.images)) or set(corpus.categories)
        known = validator.abilities.categories
        self._plantable = tuple(
            name for name in corpus.categories if name in annotated and (known is None or name in known)
        )
        chosen = islice(self._usable_by_lot(), settings.validator.calibration_images)
        self._trials = {
            image.image_id: Trial(image, self._choose_other(image), self._absent_from(image)) for image in chosen
        }

    def trial(self, image_id: str) -> Trial | None:
        """What is tried on an image; None for most images of a large run."""
        return self._trials.get(image_id)

    def plant(self, trial: Trial, sample: Sample) -> list[tuple[ErrorKind, Turn]]:
        """Every planted turn of a sample, with its claims read anew."""
        planted: list[tuple[ErrorKind, Turn]] = []
        for n, turn in enumerate(sample.turns):
            rng = rng_for(self._settings.rng_seed, sample.sample_id, f"planted errors {n}")
            planted += plant_errors(turn, self._lexicon, trial.absent, rng).items()
        read = claims.judge_turns(
            tuple(turn for _, turn in planted), trial.image, self._categories, self._settings.checks
        )
        return [(kind, turn) for (kind, _), turn in zip(planted, read, strict=True)]

    def _absent_from(self, image: AnnotatedImage) -> tuple[str, ...]:
        if not image.boxes and not image.captions:
            return ()  # nobody says what it shows
        shown = {box.category for box in image.boxes}.union(*map(self._lexicon.named, image.captions))
        return tuple(name for name in self._plantable if name not in shown)

    def _usable_by_lot(self) -> Iterator[AnnotatedImage]:
        """Images whose pictures open, in an order that their ids decide."""
        lots = np.fromiter((_lot(image.image_id) for image in self._images), np.uint64, len(self._images))
        for n in np.argsort(lots, kind="stable").tolist():
            image = self._images[n]
            if self._check_picture(image) is None:
                yield image

    def _choose_other(self, image: AnnotatedImage) -> str | None:
        """Another picture, of a few drawn the one that shares the fewest categories: most answers are wrong there."""
        rng = rng_for(self._settings.rng_seed, image.image_id, "other picture")
        shown = {box.category for box in image.boxes}
        drawn = [self._images[rng.randrange(len(self._images))] for _ in range(_TRIES)]
        others = [one for one in drawn if one.file_name != image.file_name and self._check_picture(one) is None]
        if not others:
            return None
        return min(others, key=lambda one: len(shown & {box.category for box in one.boxes})).file_name


def _lot(image_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"trial {image_id}".encode()).digest()[:8], "big")


def judge_samples(
    samples: Iterable[Sample],
    validator: Validator,
    scores: ScoreStore,
    load_picture: LoadPicture,
    examiner: Examiner,
    alpha: float,
    progress: Progress,
) -> Judge:
    """Score what is not scored yet, then calibrate on everything.

    Args:
        samples: Every sample up to this stage, in corpus order; the accepted ones are looked at.
        validator: The model.
        scores: Where scores are kept; nothing stored is computed again.
        load_picture: Opens a picture by file name.
        examiner: Plants errors.
        alpha: Share of clean turns that may be lost.
        progress: Hears of every sample.
    """
    judge = Judge(validator, scores)
    measured = list(score_samples(samples, judge, load_picture, examiner, progress))
    judge.calibrator = Calibrator(validator.identity, measured, alpha)
    calibration = judge.calibrator.calibration
    if calibration.why_not:
        progress.note(f"The validator's scores are stored, but no turn is judged: {calibration.why_not}.")
    return judge


def score_samples(
    samples: Iterable[Sample], judge: Judge, load_picture: LoadPicture, examiner: Examiner, progress: Progress
) -> Iterator[Measured]:
    """Score what is not scored yet, and give the numbers of the turns that calibrate; arguments as above."""
    validator, scores = judge.validator, judge.scores
    n_at_once = validator.n_at_once if isinstance(validator, ManyAtOnce) else 1

    def score(chunk: Chunk) -> Iterator[Score | Fault]:
        return _score(chunk, validator, scores, load_picture)

    for chunk, results in abreast(score, _chunks(samples, judge, examiner), n_at_once):
        for result in results:
            if isinstance(result, Fault):
                judge.note(result)
            elif result.key not in scores.by_key:  # a chunk beside this one may have asked the same
                scores.add(result)
        for visit in chunk.visits:
            yield from visit.measured()
        for _ in range(chunk.n_samples):
            progress.step()
    scores.log.sync()


class Chunk(NamedTuple):
    """Images that are handed to the validator together.

    Attributes:
        n_samples: Of these images, those without a visit included.
    """

    visits: list[Visit]
    looks: list[Look]
    n_samples: int


def _chunks(samples: Iterable[Sample], judge: Judge, examiner: Examiner) -> Iterator[Chunk]:
    by_image = (tuple(group) for _, group in groupby(samples, key=lambda sample: sample.image_id))
    while groups := tuple(islice(by_image, IMAGES_AT_ONCE)):
        visits = [Visit(judge, examiner, group) for group in groups if any(one.status == "accepted" for one in group)]
        yield Chunk(visits, [look for visit in visits for look in visit.looks()], sum(map(len, groups)))


def _score(
    chunk: Chunk, validator: Validator, scores: ScoreStore, load_picture: LoadPicture
) -> Iterator[Score | Fault]:
    """Score what is not scored yet, reading the pictures ahead where that helps."""
    wanted = dict.fromkeys(
        look.picture
        for look in chunk.looks
        if any(key not in scores.by_key for key in look_keys(validator.identity, look))
    )
    with reading_ahead(load_picture, wanted, n_threads=validator.n_readers) as read:
        yield from validator.score(chunk.looks, read, scores.by_key)


class Visit:
    """All that is asked about one image: the turns of its samples, and on some images the planted ones."""

    def __init__(self, judge: Judge, examiner: Examiner, samples: Sequence[Sample]) -> None:
        accepted = [sample for sample in samples if sample.status == "accepted"]
        self._judge = judge
        self._image_id, self._picture = accepted[0].image_id, accepted[0].image
        self._own = judge.inquire(turn for sample in accepted for turn in sample.turns)
        self._trial = examiner.trial(self._image_id)
        planted = [pair for sample in accepted for pair in examiner.plant(self._trial, sample)] if self._trial else []
        self._planted = [(kind, judge.inquire([turn])) for kind, turn in planted]

    def looks(self) -> Iterator[Look]:
        """What is asked of its own picture, of a blank one, and of another image's."""
        every = (*self._own, *(inquiry for _, inquiries in self._planted for inquiry in inquiries))
        yield look_for(every, self._picture)
        if self._judge.uses_blanks:
            yield blank_look_for(every, self._picture)
        if self._trial is not None and self._trial.other is not None:
            yield look_for(self._own, self._trial.other)

    def measured(self) -> Iterator[Measured]:
        """The turns' numbers for the calibration; only images with planted errors take part."""
        if self._trial is None:
            return
        measure = self._judge.measure
        yield from measure(self._image_id, self._own, self._picture)
        for kind, inquiries in self._planted:
            yield from measure(self._image_id, inquiries, self._picture, kind)
        if self._trial.other is not None:
            yield from measure(self._image_id, self._own, self._trial.other, "other image", self._picture)
