"""Plants errors into the embedded teacher's replies, and tells which of them were caught: a teacher that lies at times.

So one can see what the checks and a validator are worth on a corpus: what is wrong is known, as a stored reply's
``detail`` says what was planted where.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from datagen import claims
from datagen.claims.kind import Spoiling
from datagen.config import Settings
from datagen.lexicon import lexicon_for
from datagen.parsing import parse_reply
from datagen.randomness import rng_for
from datagen.records import Reply, Request, Sample
from datagen.summary import PlantedFates
from datagen.teacher import Teacher
from datagen.validator.planting import plant_errors

_TOLD = re.compile(r"planted (?P<error>.+) in answer (?P<number>\d+)")
_ANY_QUESTION = "What does the picture show?"
"""A bare text is an answer to a question that is drawn later."""


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
    turns = parse_reply(reply.text, request.reply_format, reply.finish_reason, _ANY_QUESTION).turns
    lexicon = lexicon_for(categories, settings.checks.words)
    shown = {box.category for box in request.image.boxes}.union(*map(lexicon.named, request.image.captions))
    absent = tuple(name for name in categories if name not in shown)
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
