"""What every validator can do: conversations and pictures go in, raw scores or faults come out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec
from msgspec import Struct

from datagen.records import Score, Turn

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = Literal["own", "blank", "other"]
LoadPicture = Callable[[str], "Image"]
"""Opens a picture by file name; a failure carries ``reason`` and ``detail`` as attributes."""


class Job(Struct, frozen=True):
    """One conversation to be held against pictures.

    Attributes:
        picture: File name of the sample's image.
        other_picture: Another image of the run, against which the same answers are known to be
            wrong; None leaves that out.
    """

    sample_id: str
    turns: tuple[Turn, ...]
    picture: str
    other_picture: str | None = None


class PictureFault(Struct, frozen=True):
    """A sample that cannot be scored, while the run goes on.

    Attributes:
        reason: Snake-case code: the picture's own, ``too_long``, or ``unscorable_text``.
        detail: The sentence for a person.
    """

    sample_id: str
    reason: str
    detail: str


class Validator(Protocol):
    """Scores answers by their likelihood, given dialogue and picture."""

    identity: str
    """Name, weights and precision: what decides a score, and so part of every score's key."""

    def score(
        self, jobs: Sequence[Job], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | PictureFault]:
        """Score every turn of every job, in no order that a caller may rely on.

        Args:
            jobs: Grouped by picture, so that each picture is looked at once.
            load_picture: Opens a picture by its file name.
            known: Keys of stored scores. What they cover is not computed again; how work is cut
                into batches does not depend on them, so a resumed run computes what an
                undisturbed one would have.

        Raises:
            ValidatorError: No job can be scored, such as when one does not fit into memory.
        """
        ...


def score_key(
    identity: str, sample_id: str, turns: Sequence[Turn], turn_index: int, pixels: Pixels, picture_name: str
) -> str:
    """Name the score of one turn, stable over runs and machines.

    Args:
        identity: The validator's.
        sample_id: The sample's.
        turns: The conversation at least up to the turn; what follows cannot change the score,
            because a token sees only what stands before it.
        turn_index: Which turn, from 0.
        pixels: Which kind of picture.
        picture_name: File name of the picture held up; for a blank, of the sample's own picture.

    Returns:
        32 hex digits that change with the model, the texts up to the turn, and the picture.
    """
    texts = [(turn.question, turn.answer) for turn in turns[: turn_index + 1]]
    told = msgspec.json.encode((identity, sample_id, texts, turn_index, pixels, picture_name))
    return hashlib.sha256(told).hexdigest()[:32]


def pictures_of(job: Job) -> tuple[tuple[Pixels, str], ...]:
    """What a job's answers are held against: kind of pixels, and the file name that stands for it."""
    own: tuple[tuple[Pixels, str], ...] = (("own", job.picture), ("blank", job.picture))
    return own if job.other_picture is None else (*own, ("other", job.other_picture))


def score_keys(identity: str, job: Job) -> Iterator[str]:
    """List the keys of every score that a job asks for."""
    for pixels, picture_name in pictures_of(job):
        for turn_index in range(len(job.turns)):
            yield score_key(identity, job.sample_id, job.turns, turn_index, pixels, picture_name)
