"""From accepted samples in corpus order to the same without repeats; the first one always stays."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from datagen.config import DedupSettings
from datagen.dedup.nearindex import NearIndex, similarity
from datagen.dedup.questions import question_key, words_of
from datagen.records import Drop, Sample

__all__ = ["Deduplicator"]


class _Asked(Struct, frozen=True):
    """A question that a kept sample asks."""

    sample_id: str
    turn: int
    question: str


class Deduplicator:
    """Remembers what was kept, and cuts or rejects what says it again.

    Args:
        settings: Threshold, word floor and which kinds to look for. The threshold is for whole
            texts; two questions are the same only when their content words are equal in order.
        answer_only: Response types whose question is drawn from a list and says nothing.
    """

    def __init__(self, settings: DedupSettings, answer_only: Collection[str] = ("description",)) -> None:
        self._settings = settings
        self._answer_only = frozenset(answer_only)
        self._asked: dict[tuple[str, str], _Asked] = {}
        self._exact: dict[bytes, str] = {}
        self._near: dict[str, NearIndex] = {}

    def admit(self, sample: Sample) -> Sample:
        """Judge one sample against those admitted before it, and remember it when it stays.

        Returns:
            The sample unchanged; cut before the first question asked before, with the cut noted;
            or rejected. Detail names the earlier twin and the Jaccard similarity of the wording.
        """
        if sample.status == "rejected":
            return sample
        keys = [(sample.image_id, question_key(turn.question)) for turn in sample.turns]
        if self._settings.within_image:
            drop, n_kept = self._asked_again(sample, keys)
            if drop is not None and n_kept == 0:
                return _reject(sample, drop)
            if drop is not None:
                sample = replace(sample, turns=sample.turns[:n_kept], cuts=(*sample.cuts, drop))
        if self._settings.over_set:
            drop = self._copied(sample)
            if drop is not None:
                return _reject(sample, drop)
        if self._settings.within_image:
            for n, (key, turn) in enumerate(zip(keys, sample.turns, strict=False), start=1):
                self._asked[key] = _Asked(sample.sample_id, n, turn.question)
        return sample

    def _asked_again(self, sample: Sample, keys: list[tuple[str, str]]) -> tuple[Drop | None, int]:
        """Find the first question that this sample or an earlier one of its image asks already."""
        own: dict[tuple[str, str], _Asked] = {}
        for n, (key, turn) in enumerate(zip(keys, sample.turns, strict=True)):
            twin = self._asked.get(key) or own.get(key)
            if twin is not None:
                alike = similarity(frozenset(words_of(turn.question)), frozenset(words_of(twin.question)))
                detail = f"turn {n + 1} asks what turn {twin.turn} of {twin.sample_id} asks, similarity {alike:.2f}"
                return Drop("dedup", "question_asked_again", detail), n
            own[key] = _Asked(sample.sample_id, n + 1, turn.question)
        return None, len(keys)

    def _copied(self, sample: Sample) -> Drop | None:
        """Find an earlier sample of the same type with the same text; remember this one if there is none."""
        words = self._words(sample)
        digest = hashlib.blake2b("\x1f".join((sample.response_type, *words)).encode(), digest_size=16).digest()
        if digest in self._exact:
            return _copy_drop("exact_copy", self._exact[digest], 1.0)
        if len(words) >= self._settings.min_words:
            index = self._near.setdefault(sample.response_type, NearIndex(self._settings.threshold))
            twin = index.find(words)
            if twin is not None:
                return _copy_drop("near_copy", *twin)
            index.add(sample.sample_id, words)
        self._exact[digest] = sample.sample_id
        return None

    def _words(self, sample: Sample) -> list[str]:
        if sample.response_type in self._answer_only:
            return words_of(" ".join(turn.answer for turn in sample.turns))
        return words_of(" ".join(f"{turn.question} {turn.answer}" for turn in sample.turns))


def _copy_drop(reason: Literal["exact_copy", "near_copy"], twin_id: str, alike: float) -> Drop:
    return Drop("dedup", reason, f"says what {twin_id} says, similarity {alike:.2f}")


def _reject(sample: Sample, drop: Drop) -> Sample:
    return replace(sample, status="rejected", stage=drop.stage, reason=drop.reason, detail=drop.detail)
