"""From the questions of kept samples to the one that asks what a new sample asks about the same image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from datagen.dedup.meanings import Meanings
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
    """Questions asked about each image; those of the image not seen for longest are forgotten first.

    Args:
        meanings: Tells which questions with different keys mean the same; None looks at keys alone.
    """

    def __init__(self, meanings: Meanings | None = None) -> None:
        self._meanings = meanings
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
                told = f"similarity {alike:.2f}"
            else:
                twin, alike = self._nearest(turn.question, (*known.values(), *own.values()))
                told = f"similarity of meaning {alike:.2f}"
            if twin is not None:
                detail = f"turn {n + 1} asks what turn {twin.turn} of {twin.sample_id} asks, {told}"
                return Drop("dedup", "question_asked_again", detail), n
            own[key] = _Asked(sample.sample_id, n + 1, turn.question)
        return None, len(keys)

    def mean_the_same(self, sample: Sample, other: Sample) -> bool:
        """Whether any question of one sample means what one of the other means."""
        if self._meanings is None:
            return False
        pairs = ((mine.question, its.question) for mine in sample.turns for its in other.turns)
        return any(self._meanings.similarity(*pair) is not None for pair in pairs)

    def _nearest(self, question: str, others: Iterable[_Asked]) -> tuple[_Asked | None, float]:
        """Find the first of the questions that are nearest in meaning, if any means the same."""
        nearest: tuple[_Asked | None, float] = None, 0.0
        if self._meanings is not None:
            for other in others:
                alike = self._meanings.similarity(question, other.question)
                if alike is not None and (nearest[0] is None or alike > nearest[1]):
                    nearest = other, alike
        return nearest

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
