"""From the questions of kept samples to the one that asks what a new sample asks about the same image."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from datagen.dedup.nearindex import similarity
from datagen.dedup.questions import words_of
from datagen.records import Drop, Sample

_MOST_QUESTIONS = 200_000
"""Some 80 MB. In corpus order an image's samples stand together; this leaves room for imports that do not."""


class _Asked(Struct, frozen=True):
    """A question that a sample asks."""

    sample_id: str
    turn: int
    question: str


class AskedQuestions:
    """Questions asked about each image; those of the image not seen for longest are forgotten first."""

    def __init__(self) -> None:
        self._images: dict[str, dict[str, _Asked]] = {}  # the one seen last stands last
        self._n_questions = 0

    def find(self, sample: Sample, keys: Sequence[str]) -> tuple[Drop | None, int]:
        """Find the first question that this sample or a kept one of its image asks already.

        Returns:
            The drop, or None, and how many turns come before it.
        """
        known = self._images.get(sample.image_id, {})
        own: dict[str, _Asked] = {}
        for n, (key, turn) in enumerate(zip(keys, sample.turns, strict=False)):
            twin = known.get(key) or own.get(key)
            if twin is not None:
                alike = similarity(frozenset(words_of(turn.question)), frozenset(words_of(twin.question)))
                detail = f"turn {n + 1} asks what turn {twin.turn} of {twin.sample_id} asks, similarity {alike:.2f}"
                return Drop("dedup", "question_asked_again", detail), n
            own[key] = _Asked(sample.sample_id, n + 1, turn.question)
        return None, len(keys)

    def add(self, sample: Sample, keys: Sequence[str]) -> None:
        """Remember what a kept sample asks; its keys may go on past its last turn."""
        known = self._images.pop(sample.image_id, {})
        self._images[sample.image_id] = known
        n_before = len(known)
        for n, (key, turn) in enumerate(zip(keys, sample.turns, strict=False), start=1):
            known[key] = _Asked(sample.sample_id, n, turn.question)
        self._n_questions += len(known) - n_before
        while self._n_questions > _MOST_QUESTIONS and len(self._images) > 1:
            oldest = next(iter(self._images))
            self._n_questions -= len(self._images.pop(oldest))
