"""Question embeddings: stored vectors from the run folder, missing ones from an embeddings endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from datagen.config import EmbeddingSettings, digest_of
from datagen.dedup import Vector
from datagen.endpoint.budget import Payment
from datagen.endpoint.call import Call, garbled
from datagen.endpoint.chat_completion import read_usage
from datagen.endpoint.error_translation import PassingError, RecordError, StoppedError
from datagen.endpoint.loop_thread import run_to_end
from datagen.endpoint.target import Target
from datagen.endpoint.token_estimate import count_tokens
from datagen.engines.progress import Progress, ended
from datagen.errors import BudgetError, EmbeddingError, RunError
from datagen.records import QuestionVector, Sample
from datagen.store import VectorStore, told_damage
from datagen.store.folder import require_room

_MAX_NUMBERS = 16_384
"""Longest vector taken; the longest in use have 4,096."""


def embedding_target(settings: EmbeddingSettings) -> Target:
    """Whom the settings name."""
    return Target(
        settings=settings,
        model=settings.model,
        base_url=settings.base_url,
        option="dedup.embeddings.base_url",
        error=EmbeddingError,
    )


class QuestionVectors:
    """The vectors of a run's questions.

    Args:
        settings: Which model, and where.
        path: The run's file of vectors; made when missing.
        payment: Pays for those that are asked for.
    """

    def __init__(self, settings: EmbeddingSettings, path: Path, payment: Payment | None = None) -> None:
        self._settings = settings
        self._path = path
        self._payment = payment or Payment()
        self._store = VectorStore(path)
        self.find = lru_cache(4096)(self._find)  # those of one image are asked for many times in a row

    def fetch(self, samples: Iterable[Sample], progress: Progress, *, may_ask: bool) -> None:
        """Ask for the vectors of all questions of accepted samples that are not stored yet.

        Raises:
            EmbeddingError: The endpoint cannot be used; what it gave before is stored.
            BudgetError: The budget is used up; the same holds.
            RunError: A vector is missing and nothing may be asked.
        """
        if self._store.log.n_damaged:
            progress.note(f"{self._path}: {told_damage(self._store.log.n_damaged)}; these vectors are asked for again.")
        questions = dict.fromkeys(turn.question for one in samples if one.status == "accepted" for turn in one.turns)
        missing = [question for question in questions if self._key(question) not in self._store]
        if not missing:
            return
        if not may_ask:
            raise RunError(f"{self._path}: not every question has its vector; finish the run with 'datagen run' first.")
        require_room(self._path.parent)
        progress.begin("asking for the vectors of questions", len(questions), len(questions) - len(missing))
        with ended(progress):
            run_to_end(self._ask_all(missing, progress))

    async def _ask_all(self, missing: Sequence[str], progress: Progress) -> None:
        """Keep many requests in flight; when one fails for good, the others' answers are still stored."""
        from datagen.endpoint.client import EndpointClient  # it loads the openai client

        settings, target = self._settings, embedding_target(self._settings)
        account = self._payment.account(settings.model, EmbeddingError)
        client = EndpointClient(target, "embeddings", account, self._payment.keep)
        waiting = iter(missing)
        failures: list[Exception] = []

        async def work() -> None:
            while not failures and (batch := list(islice(waiting, self._settings.batch_size))):
                try:
                    self._store.log.sync_if_due()
                    vectors = await client.ask(VectorCall(self._settings.model, batch))
                except StoppedError:
                    return
                except (PassingError, RecordError, EmbeddingError, BudgetError, RunError) as error:
                    failures.append(error)
                    client.stop()
                    return
                for question, vector in zip(batch, vectors, strict=True):
                    self._store.add(QuestionVector(self._key(question), vector.astype("<f2").tobytes()))
                    progress.step()

        try:
            await asyncio.gather(*(work() for _ in range(client.n_at_once)))
        finally:
            await client.close()
            self._store.log.sync()
        if failures:
            raise failures[0] if isinstance(failures[0], BudgetError) else _failed(failures[0])

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


class _VectorRow(Struct):
    index: int
    embedding: list[float]


class _Answer(Struct):
    """The parts of an embeddings answer that are read."""

    data: list[_VectorRow]
    usage: Any = None


class VectorCall(Call[list[Vector]]):
    """Questions on their way to their vectors, of length 1, in the order of the questions."""

    def __init__(self, model: str, questions: list[str]) -> None:
        super().__init__()
        self._fields = {"model": model, "input": questions, "encoding_format": "float"}
        self._questions = questions

    def fields(self, refused: Container[str]) -> dict[str, Any]:
        """The request's JSON."""
        return self._fields

    def encode(self, fields: dict[str, Any]) -> tuple[bytes, ...]:
        """JSON in one piece."""
        return (msgspec.json.encode(fields),)

    def read(self, content: bytes, shown: Callable[[str], str]) -> list[Vector]:
        """Take the vectors out of an answer."""
        try:
            answer = msgspec.json.decode(content, type=_Answer)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise garbled(content, "an answer with vectors", shown) from None
        self.bill(read_usage(answer.usage))
        rows = sorted(answer.data, key=lambda row: row.index)
        if [row.index for row in rows] != list(range(len(self._questions))):
            raise RecordError("odd_vectors", f"{len(self._questions)} vectors were asked for, {len(rows)} came")
        vectors = [vector for row in rows if (vector := _unit(np.array(row.embedding))) is not None]
        lengths = {len(vector) for vector in vectors}
        if len(vectors) < len(rows) or len(lengths) != 1 or max(lengths) > _MAX_NUMBERS:
            told = "a vector came that is empty, zero, too long or of another length than the others"
            raise RecordError("odd_vectors", told)
        return vectors

    def reserved_tokens(self, mean_reply_tokens: float | None) -> float:
        """By the length of the questions: four characters of English are a token."""
        return sum(map(len, self._questions)) / 4

    def most_tokens(self) -> tuple[float, int]:
        """The questions; there is no reply."""
        return sum(map(count_tokens, self._questions)), 0


def _failed(error: Exception) -> EmbeddingError:
    return EmbeddingError(
        f"dedup.embeddings: {str(error).rstrip('.')}. Stored replies and vectors are kept: start the same command "
        "again, or leave the setting out to compare words alone."
    )


def _unit(numbers: NDArray[np.floating[Any]]) -> Vector | None:
    """Scale to length 1; None for what has no direction."""
    exact = numbers.astype(np.float64)
    length = float(np.linalg.norm(exact))
    return exact / length if np.isfinite(length) and length > 0 else None
