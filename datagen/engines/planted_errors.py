"""Planted errors: the calibration set of a validator, and a teacher that lies at times.

``Examiner`` chooses the images on which errors are planted to try a validator, and plants them. ``LyingTeacher`` plants
them into the embedded teacher's replies, so that one can see what the checks and a validator are worth on a corpus:
what is wrong is known, as a stored reply's ``detail`` says what was planted where.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from datagen import claims
from datagen.claims.kind import Spoiling
from datagen.config import Settings, digest_of
from datagen.diversity import boxed_images
from datagen.lexicon import lexicon_for
from datagen.parsing import parse_reply
from datagen.randomness import rng_for
from datagen.records import AnnotatedImage, Reply, Request, Sample, Turn
from datagen.summary import PlantedFates
from datagen.teacher import Teacher
from datagen.validator.planting import ErrorKind, Frequencies, is_clean, plant_errors

if TYPE_CHECKING:
    from datagen.corpus import Corpus
    from datagen.pipeline import PictureCheck
    from datagen.validator import Validator


_TOLD = re.compile(r"planted (?P<error>.+) in answer (?P<number>\d+)")


class LyingTeacher:
    """A teacher into whose replies errors are planted.

    Args:
        teacher: Writes the replies.
        settings: The run's.
        categories: The corpus's.
    """

    def __init__(self, teacher: Teacher, settings: Settings, categories: tuple[str, ...]) -> None:
        self.name, self.n_at_once = teacher.name, teacher.n_at_once
        self.stop, self.close = teacher.stop, teacher.close
        self._teacher, self._settings, self._categories = teacher, settings, categories

    async def answer(self, request: Request) -> Reply:
        """Answer one request; see ``Teacher``."""
        return with_error(await self._teacher.answer(request), request, self._settings, self._categories)


def with_error(reply: Reply, request: Request, settings: Settings, categories: tuple[str, ...]) -> Reply:
    """Plant one error into a reply, where the lot falls on it and one fits.

    Args:
        reply: What is true.
        request: That it answers.
        settings: Of ``teacher.planted_errors`` the share of replies, beside the seed and what reads claims.
        categories: The corpus's.
    """
    rng = rng_for(settings.rng_seed, request.image.image_id, request.response_type, "planted in the reply")
    if rng.random() >= settings.teacher.planted_errors or not reply.text:
        return reply
    # A bare text answers a question that is drawn later.
    turns = parse_reply(reply.text, request.reply_format, reply.finish_reason, "What does the picture show?").turns
    lexicon = lexicon_for(categories, settings.checks.words)
    shown = {box.category for box in request.image.boxes}.union(*map(lexicon.named, request.image.texts))
    looked_for = claims.deniable(request.image, categories, settings.checks)
    absent = tuple(name for name in looked_for if name not in shown)
    found = [
        (error, number, turn.answer, wrong.answer)
        for number, turn in enumerate(claims.judge_turns(turns, request.image, categories, settings.checks), start=1)
        for error, wrong in plant_errors(turn, Spoiling(lexicon, lambda _: absent, rng)).items()
        if reply.text.count(turn.answer) == 1
    ]
    if not found:
        return reply
    kinds = sorted({error for error, *_ in found})
    drawn = rng.choice(kinds)  # kinds before places: of what is said most is a presence
    error, number, right, wrong = rng.choice([one for one in found if one[0] == drawn])
    return replace(reply, text=reply.text.replace(right, wrong), detail=f"planted {error} in answer {number}")


class PlantedTally:
    """Counts what became of planted errors.

    Args:
        replies: All that are stored; those of earlier settings are passed over, as no sample has their digests.
    """

    def __init__(self, replies: Iterable[Reply]) -> None:
        found = ((reply.request_digest, _TOLD.fullmatch(reply.detail or "")) for reply in replies)
        self._planted = {digest: (told["error"], int(told["number"])) for digest, told in found if told is not None}
        self.fates: dict[str, PlantedFates] = {}

    def watch(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """Count samples as they pass; they must be finished."""
        for sample in samples:
            planted = self._planted.get(sample.provenance.request_digest)
            if planted is not None:
                error, number = planted
                before, fate = self.fates.get(error, PlantedFates()), _fate(sample, number)
                self.fates[error] = replace(before, **{"planted": before.planted + 1, fate: getattr(before, fate) + 1})
            yield sample


def _fate(sample: Sample, number: int) -> str:
    """Who caught the error in an answer; where one before it fell, it went for that one's sake."""
    n_kept = len(sample.turns) if sample.status == "accepted" else 0
    if n_kept >= number:
        return "missed"
    stage = sample.stage or sample.cuts[-1].stage
    if n_kept == number - 1 and stage in ("checks", "validate"):
        return "by_annotations" if stage == "checks" else "by_validator"
    return "beside"


class Trial(Struct, frozen=True):
    """An image on which errors are planted.

    Attributes:
        other: Another picture, against which the same answers are wrong; None when there is none.
        shown: Categories that it shows, boxed or named in a caption.
        absent: Categories that it does not show.
    """

    image: AnnotatedImage
    other: str | None
    shown: frozenset[str]
    absent: tuple[str, ...]


class Examiner:
    """Decides on which images errors are planted, and plants them in turns that the annotations bear out.

    Which they are depends on the whole corpus, and on nothing else: a shard tries the same errors on the same images
    as the whole run. Only pictures that come into question are opened.

    Args:
        corpus: The whole of it.
        check_picture: Gives None for a picture that can be used.
        validators: Errors are planted that one of them could notice.
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
        validators: Sequence[Validator],
        settings: Settings,
        others: Mapping[str, str | None] | None = None,
    ) -> None:
        self._settings, self._categories = settings, corpus.categories
        self._images, self._check_picture = corpus.images, check_picture
        self._lexicon = lexicon_for(corpus.categories, settings.checks.words)
        annotated = set(boxed_images(corpus.images)) or set(corpus.categories)
        known = [validator.abilities.categories for validator in validators]
        self._plantable = tuple(
            name for name in corpus.categories
            if name in annotated and any(names is None or name in names for names in known)
        )  # fmt: skip
        self._frequencies = Frequencies(corpus.images, corpus.categories)
        self.others: dict[str, str | None] = {}
        self._trials = dict[str, Trial]()
        if others is None:
            chosen = list(islice(self._usable_by_lot(), settings.validator.calibration_images))
            self._chosen = {self._images[n].image_id: n for n in chosen}
            self._other_of: Mapping[str, str | None] = self._swap_pictures([self._images[n] for n in chosen])
        else:
            self._chosen = {image.image_id: n for n, image in enumerate(self._images) if image.image_id in others}
            self._other_of = others

    @cached_property
    def knows_nothing(self) -> bool:
        """Whether no image has captions or boxes: nothing says which turns are right, or would be wrong.

        Asked of the whole corpus and not of the chosen images: a merge knows only those that a shard had turns of.
        """
        return not any(image.captions or image.boxes for image in self._images)

    @property
    def chosen(self) -> str:
        """Digest over the chosen images."""
        return digest_of(list(self._chosen))

    def trial(self, image_id: str) -> Trial | None:
        """What is tried on an image; None for most images of a large run."""
        if image_id in self._chosen and image_id not in self._trials:
            image, other = self._images[self._chosen[image_id]], self._other_of[image_id]
            shown = {box.category for box in image.boxes}.union(*map(self._lexicon.named, image.texts))
            # Where nobody says what it shows, nothing is known to be absent; nor is what nobody looked for (LVIS).
            looked_for = {*claims.deniable(image, self._categories, self._settings.checks)} if shown else ()
            absent = tuple(name for name in self._plantable if name in looked_for and name not in shown)
            self.others[image_id] = other
            self._trials[image_id] = Trial(image, other, frozenset(shown), absent)
        return self._trials.get(image_id)

    def plant(self, trial: Trial, sample_id: str, turn: Turn) -> list[tuple[ErrorKind, Turn]]:
        """Every error that fits a turn, with its claims read anew; none that the annotations would bear out as well.

        What is planted in a turn does not depend on the turns beside it: a shard does not know which of them the
        merge will let fall.
        """
        if self.knows_nothing:
            return []

        def rivals(name: str) -> list[str]:
            return self._frequencies.rivals(name, trial.shown, trial.absent)

        rng = rng_for(self._settings.rng_seed, sample_id, f"planted errors in {turn.question}")
        planted: list[tuple[ErrorKind, Turn]] = []
        for kind, wrong in plant_errors(turn, Spoiling(self._lexicon, rivals, rng)).items():
            (read,) = claims.judge_turns(
                (wrong,), trial.image, self._categories, self._settings.checks, self._settings.language
            )
            if not is_clean(read):
                planted.append((kind, read))
        return planted

    def _usable_by_lot(self) -> Iterator[int]:
        """Places of images whose pictures open, in an order that their ids decide."""
        lots = np.fromiter((_lot(image.image_id) for image in self._images), np.uint64, len(self._images))
        for n in np.argsort(lots, kind="stable").tolist():
            if self._check_picture(self._images[n]) is None:
                yield n

    def _swap_pictures(self, images: Sequence[AnnotatedImage]) -> dict[str, str | None]:
        """Give every image another's picture, each picture once: so the pictures by themselves tell nothing.

        Of a few swaps tried for each image those are made that leave fewer shared categories: most answers are wrong
        before the other picture.
        """
        shown = [{box.category for box in image.boxes} for image in images]
        at = [*range(1, len(images)), 0][: len(images)]

        def shared(n: int, other: int) -> float:
            return math.inf if images[n].file_name == images[other].file_name else len(shown[n] & shown[other])

        for n, image in enumerate(images):
            rng = rng_for(self._settings.rng_seed, image.image_id, "other picture")
            for m in (rng.randrange(len(images)) for _ in range(8)):  # one of 8 that shares little
                if shared(n, at[m]) + shared(m, at[n]) < shared(n, at[n]) + shared(m, at[m]):
                    at[n], at[m] = at[m], at[n]
        return {
            image.image_id: None if shared(n, at[n]) == math.inf else images[at[n]].file_name
            for n, image in enumerate(images)
        }


def _lot(image_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"trial {image_id}".encode()).digest()[:8], "big")
