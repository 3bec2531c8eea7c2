"""Asks the judge over text, an LLM behind an endpoint, about every sample that reaches it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from datagen.checks.judge import VERDICTS_SCHEMA, evidence_for, judge_messages, read_verdicts
from datagen.config import JudgeSettings, Settings, digest_of
from datagen.corpus import Corpus
from datagen.endpoint.budget import Payment
from datagen.endpoint.call import Call, billed_choice
from datagen.endpoint.chat_completion import text_or_fault, without_system
from datagen.endpoint.error_translation import PassingError, RecordError, StoppedError
from datagen.endpoint.loop_thread import run_to_end
from datagen.endpoint.target import Target
from datagen.endpoint.token_estimate import count_messages
from datagen.engines.progress import Progress
from datagen.engines.weigh_judge import Asked, MeasuredJudge
from datagen.errors import BudgetError, DatagenError, JudgeError
from datagen.recipes import judge_prompt
from datagen.records import AnnotatedImage, Judgement, Message, Turn
from datagen.store import JudgementStore

_BAD_TRIES = 2  # a reply that is no JSON is asked for once more, and then costs its sample its verdicts


def judge_target(settings: Settings, judge: JudgeSettings) -> Target:
    """Whom to ask: an LLM as the teacher is one, at the teacher's address and by its key where nothing else is said."""
    asked = replace(
        settings.teacher,
        api_key_env=judge.api_key_env or settings.teacher.api_key_env,
        concurrency=judge.concurrency,
        rpm=judge.rpm,
        tpm=judge.tpm,
        timeout_s=judge.timeout_s,
        max_attempts=judge.max_attempts,
    )
    return Target(
        settings=asked,
        model=judge.model,
        base_url=judge.base_url or settings.teacher.base_url,
        option="checks.judge.base_url",
        error=JudgeError,
    )


class JudgeCall(Call[str]):
    """Numbered sentences on their way to their verdicts, which come back as the raw text of the reply."""

    def __init__(self, model: str, messages: tuple[Message, ...], max_tokens: int) -> None:
        super().__init__()
        self._model, self._messages, self._max_tokens = model, messages, max_tokens
        self._n_bad = 0

    def fields(self, refused: Container[str]) -> dict[str, Any]:
        """The request's JSON."""
        fields: dict[str, Any] = {
            "model": self._model,
            "messages": without_system(self._messages) if "system" in refused else self._messages,
            "max_completion_tokens" if "max_tokens" in refused else "max_tokens": self._max_tokens,
            "temperature": 0.0,
            "response_format": VERDICTS_SCHEMA,
        }
        return {name: value for name, value in fields.items() if name not in refused}

    def encode(self, fields: dict[str, Any]) -> tuple[bytes, ...]:
        """JSON in one piece."""
        return (msgspec.json.encode(fields),)

    def read(self, content: bytes, shown: Callable[[str], str]) -> str:
        """Take the reply out of a completion; the first that holds no verdicts is asked for again."""
        text = text_or_fault(billed_choice(self, content, shown), self._max_tokens, shown)
        self._n_bad += read_verdicts(text) is None
        if self._n_bad and self._n_bad < _BAD_TRIES and read_verdicts(text) is None:
            raise PassingError("garbled", f"expected verdicts in JSON, got: {shown(text)}")
        return text

    def reserved_tokens(self, mean_reply_tokens: float | None) -> float:
        """By the length of the messages: four characters of English are a token."""
        n_reply = mean_reply_tokens or self._max_tokens / 8
        return sum(len(message.content) for message in self._messages) / 4 + n_reply

    def most_tokens(self) -> tuple[float, int]:
        """The prompt, and the longest reply."""
        return count_messages(self._messages), self._max_tokens


class LlmJudge(MeasuredJudge):
    """An LLM behind an endpoint; see ``MeasuredJudge``."""

    def __init__(self, settings: Settings, corpus: Corpus, store: JudgementStore) -> None:
        super().__init__(settings, corpus, store)
        self._system = judge_prompt(settings.recipes_dir)

    def _evidence_for(self, image: AnnotatedImage) -> str:
        return evidence_for(image, self._settings.context)

    def _key(self, evidence: str, turns: tuple[Turn, ...]) -> str:
        return digest_of([self._judge.model, judge_messages(self._system, evidence, turns)])

    def _reply_to(self, wanted: Iterator[Asked], payment: Payment, progress: Progress) -> None:
        run_to_end(self._ask_all(wanted, payment, progress))

    async def _ask_all(self, wanted: Iterator[Asked], payment: Payment, progress: Progress) -> None:
        """Keep many requests in flight; when one fails for good, the others' answers are still stored."""
        from datagen.endpoint.client import EndpointClient  # it loads the openai client

        judge = self._judge
        account = payment.account(judge.model, JudgeError)
        client = EndpointClient(judge_target(self._settings, judge), "chat/completions", account, payment.keep)
        failures: list[DatagenError] = []

        async def work() -> None:
            while not failures and (one := next(wanted, None)) is not None:
                await ask(one)

        async def ask(one: Asked) -> None:
            messages = judge_messages(self._system, one.evidence, one.turns)
            try:
                text = await client.ask(JudgeCall(judge.model, messages, judge.max_tokens))
                self._store.add(Judgement(one.key, text))
                self._store.log.sync_if_due()
            except RecordError as error:
                self._store.add(Judgement(one.key, error=error.code))
            except PassingError as error:  # not stored, so that the next start asks again
                self._gave_up[error.code] += 1
            except StoppedError:
                return
            except DatagenError as error:
                failures.append(error)
                client.stop()
                return
            progress.step()

        try:
            await asyncio.gather(*(work() for _ in range(client.n_at_once)))
        finally:
            await client.close()
        if failures:
            raise failures[0] if isinstance(failures[0], BudgetError) else _failed(failures[0])


def _failed(error: DatagenError) -> JudgeError:
    return JudgeError(
        f"checks.judge: {str(error).rstrip('.')}. Replies and what the judge said are kept: start the same command "
        "again, or leave --judge out."
    )
