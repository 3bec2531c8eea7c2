"""Gives questions their vectors: stored ones from the run folder, others from an embeddings endpoint."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from datagen.config import EmbeddingSettings, TeacherSettings, digest_of
from datagen.dedup import Vector
from datagen.engines.progress import Progress, ended
from datagen.errors import EmbeddingError, RunError
from datagen.records import QuestionVector, Sample
from datagen.store import VectorStore

_MOST_NUMBERS = 16_384
"""Longest vector taken; the longest in use have 4,096."""
_AT_HAND = 4096
"""Vectors held in memory; those of one image are asked for many times in a row."""


class _Row(Struct):
    index: int
    embedding: list[float]


class _Answer(Struct):
    """The parts of an embeddings answer that are read."""

    data: list[_Row]


class QuestionVectors:
    """The vectors of a run's questions.

    Args:
        settings: Which model, and where.
        path: The run's file of vectors; made when missing.
    """

    def __init__(self, settings: EmbeddingSettings, path: Path) -> None:
        self._settings = settings
        self._path = path
        self._store = VectorStore(path)
        self.find = lru_cache(_AT_HAND)(self._find)

    def fetch(self, samples: Iterable[Sample], progress: Progress, *, may_ask: bool) -> None:
        """Ask for the vectors of all questions of accepted samples that are not stored yet.

        Raises:
            EmbeddingError: The endpoint cannot be used; what it gave before is stored.
            RunError: A vector is missing and nothing may be asked.
        """
        questions = dict.fromkeys(turn.question for one in samples if one.status == "accepted" for turn in one.turns)
        missing = [question for question in questions if self._key(question) not in self._store]
        if not missing:
            return
        if not may_ask:
            raise RunError(f"{self._path}: not every question has its vector; finish the run with 'datagen run' first.")
        progress.begin("asking for the vectors of questions", len(questions), len(questions) - len(missing))
        with ended(progress):
            waiting = iter(missing)
            ask = _Endpoint(self._settings)
            while batch := list(islice(waiting, self._settings.batch_size)):
                for question, vector in zip(batch, ask.vectors_of(batch), strict=True):
                    self._store.add(QuestionVector(self._key(question), vector.astype("<f2").tobytes()))
                    progress.step()
        self._store.log.sync()

    def _find(self, question: str) -> Vector | None:
        fact = self._store.get(self._key(question))
        if fact is None or len(fact.half_floats) % 2:
            return None
        # Scaled again, as half floats are good to three digits only.
        return _unit(np.frombuffer(fact.half_floats, "<f2"))

    def _key(self, question: str) -> str:
        return digest_of([self._settings.model, question])

    def close(self) -> None:
        """Force everything to disk and close the file."""
        self._store.close()


class _Endpoint:
    """Any endpoint that speaks OpenAI's embeddings; retries are the client's."""

    def __init__(self, settings: EmbeddingSettings) -> None:
        from openai import OpenAI, OpenAIError

        from datagen.teacher.faults import ErrorReader

        self._settings = settings
        key = os.environ.get(settings.api_key_env, "").strip()
        base_url = settings.base_url or os.environ.get("OPENAI_BASE_URL") or None
        if not key and base_url is None:
            raise EmbeddingError(
                f"The environment variable {settings.api_key_env} is not set: it must hold the key for the model of "
                "dedup.embeddings. Set it, or name an endpoint of your own with dedup.embeddings.base_url."
            )
        if not (key.isascii() and key.isprintable()):
            raise EmbeddingError(f"The key in {settings.api_key_env} holds characters that no key has; copy it again.")
        try:
            self._client = OpenAI(
                api_key=key or "none",  # servers of one's own need none, the client wants one
                base_url=base_url,
                max_retries=settings.max_attempts - 1,
                timeout=settings.timeout_s,
            )
        except (ValueError, ImportError, OpenAIError) as error:
            raise EmbeddingError(f"No connection for dedup.embeddings can be set up: {error}.") from None
        as_asked = TeacherSettings(name=settings.model, api_key_env=settings.api_key_env)
        self._errors = ErrorReader(as_asked, str(self._client.base_url), key or None)

    def vectors_of(self, questions: list[str]) -> Iterator[Vector]:
        """Ask for vectors, of length 1, in the order of the questions.

        Raises:
            EmbeddingError: No answer came, or none that can be read.
        """
        from openai import OpenAIError

        body = {"model": self._settings.model, "input": questions, "encoding_format": "float"}
        try:
            content = self._client.post("/embeddings", cast_to=bytes, body=body)
        except UnicodeEncodeError:
            raise self._failed("a question holds characters that UTF-8 cannot carry") from None
        except OpenAIError as error:
            raise self._failed(str(self._errors.meaning_of(error, {}))) from None
        try:
            rows = sorted(msgspec.json.decode(content, type=_Answer).data, key=lambda row: row.index)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            shown = self._errors.shown(content.decode(errors="replace")) or "nothing"
            raise self._failed(f"expected an answer with vectors, got: {shown}") from None
        if [row.index for row in rows] != list(range(len(questions))):
            raise self._failed(f"{len(questions)} vectors were asked for, {len(rows)} came")
        n_numbers = {len(row.embedding) for row in rows}
        vectors = [_unit(np.array(row.embedding)) for row in rows]
        if len(n_numbers) != 1 or max(n_numbers) > _MOST_NUMBERS or any(vector is None for vector in vectors):
            raise self._failed("a vector came that is empty, zero, too long or of another length than the others")
        return (vector for vector in vectors if vector is not None)

    def _failed(self, what: str) -> EmbeddingError:
        return EmbeddingError(
            f"dedup.embeddings: {what.rstrip('.')}. Stored replies and vectors are kept: start the same command again, "
            "or leave the setting out to compare words alone."
        )


def _unit(numbers: NDArray[np.floating[Any]]) -> Vector | None:
    """Scale to length 1; None for what has no direction."""
    exact = numbers.astype(np.float64)
    length = float(np.linalg.norm(exact))
    return exact / length if np.isfinite(length) and length > 0 else None
