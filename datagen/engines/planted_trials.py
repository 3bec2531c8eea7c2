"""Chooses the images on which errors are planted, and the errors: the calibration set of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from datagen import claims
from datagen.config import Settings, digest_of
from datagen.diversity import boxed_images
from datagen.lexicon import lexicon_for
from datagen.randomness import rng_for
from datagen.records import AnnotatedImage, Sample, Turn
from datagen.validator.planting import ErrorKind, plant_errors

if TYPE_CHECKING:
    from datagen.corpus import Corpus
    from datagen.pipeline import PictureCheck
    from datagen.validator import Validator

_TRIES = 8  # pictures drawn to find one that shares little with another


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
        others: What shards have chosen: the images' ids, each with the other picture that its answers are held
            against. No picture is opened then.

    Attributes:
        others: The same, of the images asked for so far.
    """

    def __init__(
        self,
        corpus: Corpus,
        check_picture: PictureCheck,
        validator: Validator,
        settings: Settings,
        others: Mapping[str, str | None] | None = None,
    ) -> None:
        self._settings, self._categories = settings, corpus.categories
        self._images, self._check_picture = corpus.images, check_picture
        self._lexicon = lexicon_for(corpus.categories, settings.checks.words)
        annotated = set(boxed_images(corpus.images)) or set(corpus.categories)
        known = validator.abilities.categories
        self._plantable = tuple(
            name for name in corpus.categories if name in annotated and (known is None or name in known)
        )
        self.others: dict[str, str | None] = {}
        self._given_others, self._trials = others, dict[str, Trial]()
        if others is None:
            chosen = islice(self._usable_by_lot(), settings.validator.calibration_images)
            self._chosen = {self._images[n].image_id: n for n in chosen}
        else:
            self._chosen = {image.image_id: n for n, image in enumerate(self._images) if image.image_id in others}

    @property
    def chosen(self) -> str:
        """Digest over the chosen images."""
        return digest_of(list(self._chosen))

    def trial(self, image_id: str) -> Trial | None:
        """What is tried on an image; None for most images of a large run."""
        if image_id in self._chosen and image_id not in self._trials:
            image, others = self._images[self._chosen[image_id]], self._given_others
            self.others[image_id] = self._choose_other(image) if others is None else others[image_id]
            self._trials[image_id] = Trial(image, self.others[image_id], self._absent_from(image))
        return self._trials.get(image_id)

    def plant(self, trial: Trial, sample: Sample) -> list[tuple[ErrorKind, Turn]]:
        """Every planted turn of a sample, with its claims read anew.

        What is planted in a turn does not depend on the turns beside it: a shard does not know which of them the
        merge will let fall.
        """
        planted: list[tuple[ErrorKind, Turn]] = []
        for turn in sample.turns:
            rng = rng_for(self._settings.rng_seed, sample.sample_id, f"planted errors in {turn.question}")
            for kind, wrong in plant_errors(turn, self._lexicon, trial.absent, rng).items():
                (read,) = claims.judge_turns((wrong,), trial.image, self._categories, self._settings.checks)
                planted.append((kind, read))
        return planted

    def _absent_from(self, image: AnnotatedImage) -> tuple[str, ...]:
        if not image.boxes and not image.captions:
            return ()  # nobody says what it shows
        shown = {box.category for box in image.boxes}.union(*map(self._lexicon.named, image.captions))
        return tuple(name for name in self._plantable if name not in shown)

    def _usable_by_lot(self) -> Iterator[int]:
        """Places of images whose pictures open, in an order that their ids decide."""
        lots = np.fromiter((_lot(image.image_id) for image in self._images), np.uint64, len(self._images))
        for n in np.argsort(lots, kind="stable").tolist():
            if self._check_picture(self._images[n]) is None:
                yield n

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
