"""Deduplication over the whole set: exact copies, near-duplicates and questions asked twice; the first always stays.

``near_duplicates`` finds samples that say nearly the same, by an inverted index over ``word_sets``;
``repeated_questions`` finds what was asked about an image before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from typing import Literal

from datagen.compact_map import DigestMap
from datagen.config import DedupSettings
from datagen.dedup.near_duplicates import NearDuplicateIndex, Twin
from datagen.dedup.repeated_questions import (
    AskedQuestions,
    FindVector,
    QuestionEmbeddings,
    Vector,
    question_key,
    words_of,
)
from datagen.dedup.word_sets import PackedStrings
from datagen.languages import pairs_apart
from datagen.records import Drop, Sample, cut_or_reject, reject

__all__ = ["Deduplicator", "FindVector", "Vector"]


_Waiting = tuple[Sample, list[str]]
"""A sample and the keys of its questions."""


class Deduplicator:
    """Remembers what was kept, and cuts or rejects what says it again.

    Args:
        settings: Threshold, word floor and which kinds to look for. The threshold is for whole
            texts; two questions are the same when their content words are equal in order, or when
            vectors are at hand and say so.
        answer_only: Response types whose question is drawn from a list and says nothing.
        find_vector: Vectors of questions, for ``settings.embeddings``.
    """

    def __init__(
        self,
        settings: DedupSettings,
        answer_only: Collection[str] = ("description",),
        find_vector: FindVector | None = None,
    ) -> None:
        self._settings = settings
        self._answer_only = frozenset(answer_only)
        embed = settings.embeddings
        vectors = QuestionEmbeddings(find_vector, embed.threshold) if embed and find_vector else None
        self._asked = AskedQuestions(vectors)
        self._exact = ExactTexts()
        self._near: dict[str, NearDuplicateIndex] = {}

    def admit_all(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """Judge samples in order against those admitted before, and remember those that stay.

        Samples wait until some thousand texts can be compared at once, or until one asks what a
        waiting one asks about the same image: what is left of its text depends on that one's fate.

        Yields:
            Each sample unchanged; cut before the first question asked before, with the cut noted; or rejected. Detail
            names the earlier twin and the Jaccard similarity of the wording.
        """
        waiting: list[_Waiting] = []
        of_image: dict[str, list[_Waiting]] = {}
        for sample in samples:
            keys = self._question_keys(sample)
            beside = of_image.get(sample.image_id, ()) if keys else ()
            # As many as the index compares at once; one by one, each would cost twenty times as much.
            if len(waiting) >= 2048 or any(self._may_repeat(sample, keys, *other) for other in beside):
                yield from self._decided(waiting)
                waiting, of_image = [], {}
            waiting.append((self._asking_anew(sample, keys), keys))
            if keys:
                of_image.setdefault(sample.image_id, []).append((sample, keys))
        yield from self._decided(waiting)

    def _may_repeat(self, sample: Sample, keys: list[str], other: Sample, other_keys: list[str]) -> bool:
        return not set(keys).isdisjoint(other_keys) or self._asked.mean_the_same(sample, other)

    def _question_keys(self, sample: Sample) -> list[str]:
        if sample.status == "rejected" or not self._settings.within_image:
            return []
        return [question_key(turn.question) for turn in sample.turns]

    def _asking_anew(self, sample: Sample, keys: list[str]) -> Sample:
        """Cut or reject a sample that asks what it or a kept one asks already."""
        drop, n_kept = self._asked.find(sample, keys)
        return sample if drop is None else cut_or_reject(sample, sample.turns[:n_kept], drop)

    def _decided(self, waiting: list[_Waiting]) -> Iterator[Sample]:
        """Reject copies among samples that wait, and remember what the others ask."""
        drops = self._copied([sample for sample, _ in waiting]) if self._settings.over_set else {}
        for n, (sample, keys) in enumerate(waiting):
            if n in drops:
                yield reject(sample, drops[n])
                continue
            if sample.status != "rejected" and keys:
                self._asked.add(sample, keys)
            yield sample

    def _copied(self, samples: list[Sample]) -> dict[int, Drop]:
        """Find samples that say what an earlier one of the same type says; remember the others."""
        words = {n: self._words(sample) for n, sample in enumerate(samples) if sample.status != "rejected"}
        digests = {n: _digest(samples[n], said) for n, said in words.items()}
        by_type: dict[str, list[int]] = {}
        for n, said in words.items():
            if len(said) >= self._settings.min_words and self._exact.get(digests[n]) is None:
                by_type.setdefault(samples[n].response_type, []).append(n)
        twins: dict[int, Twin | None] = {}
        for kind, places in by_type.items():
            index = self._near.setdefault(kind, NearDuplicateIndex(self._settings.threshold))
            found = index.admit([samples[n].sample_id for n in places], [words[n] for n in places])
            twins.update(zip(places, found, strict=True))
        drops: dict[int, Drop] = {}
        for n, digest in digests.items():
            known, twin = self._exact.get(digest), twins.get(n)
            if known is not None:
                drops[n] = _copy_drop("exact_copy", known, 1.0)
            elif twin is not None:
                drops[n] = _copy_drop("near_copy", *twin)
            else:
                self._exact.add(digest, samples[n].sample_id)
        return drops

    def _words(self, sample: Sample) -> list[str]:
        if sample.response_type in self._answer_only:
            return pairs_apart(words_of(" ".join(turn.answer for turn in sample.turns)))
        return pairs_apart(words_of(" ".join(f"{turn.question} {turn.answer}" for turn in sample.turns)))


class ExactTexts:
    """Names of texts by their digests of 128 bits, at 32 bytes and the name each."""

    def __init__(self) -> None:
        self._places = DigestMap()
        self._digests = bytearray()
        self._names = PackedStrings()

    def get(self, digest: bytes) -> str | None:
        """Find the name of a text."""
        place = self._places.get(digest.hex())
        if place is None or self._digests[16 * place : 16 * place + 16] != digest:  # the map tells by 64 bits of it
            return None
        return self._names[place]

    def add(self, digest: bytes, name: str) -> None:
        """Remember a text that is not known yet."""
        self._places.put(digest.hex(), len(self._names))
        self._digests += digest
        self._names.append(name)


def _digest(sample: Sample, words: list[str]) -> bytes:
    return hashlib.blake2b("\x1f".join((sample.response_type, *words)).encode(), digest_size=16).digest()


def _copy_drop(reason: Literal["exact_copy", "near_copy"], twin_id: str, alike: float) -> Drop:
    return Drop("dedup", reason, f"says what {twin_id} says, similarity {alike:.2f}")
