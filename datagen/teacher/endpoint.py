"""Asks an OpenAI-compatible endpoint: a request goes in, the model's reply or the reason for none comes out.

The openai client says where and with which key, ``transport`` carries the bytes, ``limits`` says when,
tenacity says how often, ``faults`` says what an error means.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from openai import APIStatusError, OpenAIError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from datagen.config import TeacherSettings
from datagen.errors import BudgetError, TeacherError
from datagen.records import Reply, Request, Usage
from datagen.teacher.budget import Budget, Hold
from datagen.teacher.client import open_client
from datagen.teacher.completion import (
    decode_completion,
    encode_request,
    read_usage,
    request_fields,
    sum_usage,
    text_or_fault,
)
from datagen.teacher.faults import ErrorReader, PassingError, RecordError, RefusedParameterError
from datagen.teacher.limits import Limiter, Pass, RateLimiter
from datagen.teacher.prices import cost_of
from datagen.teacher.protocol import StoppedError
from datagen.teacher.transport import Transport

FIRST_CONTACT_ATTEMPTS = 4  # about 4 s; an address where nobody ever answered is not waited for longer
FIRST_PAUSE_S = 0.5
MOST_REJECTED = 10  # rejected before anything was answered, and the rest will be too
CHARS_PER_TOKEN = 4  # of English; only reserves tokens, the endpoint's own count replaces it

MAY_BE_BILLED = frozenset({"timeout", "connection", "garbled"})  # an answer may have been made that never came
WAITING_SHARE = 4  # one request in so many more waits for its turn or another try, so that the endpoint is kept full
MAX_SHOWN_BYTES = 2000

_log = logging.getLogger(__name__)


class _Asking:
    """What has happened to one request so far; tokens of every billed try are added up."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.n_attempts = 0
        self.n_billed = 0
        self.usage = Usage()
        self.latest: Usage | None = None  # of the latest answer
        self.finish_reason: str | None = None
        self.latency_s = 0.0


class EndpointTeacher:
    """Any endpoint that speaks OpenAI's chat completions.

    Args:
        settings: Whom to ask, how hard, and at what price.
        sleep: Waits between two tries; tests put a recorder here.
        budget: What it may cost; None sets no bound.
        limiter: Says when a request may be sent; None makes one for this teacher alone.

    Raises:
        TeacherError: The key is missing or unusable, or the address is not one.
    """

    def __init__(
        self,
        settings: TeacherSettings,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        budget: Budget | None = None,
        limiter: RateLimiter | None = None,
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._sleep = sleep
        self._budget = budget
        self._pauses: set[asyncio.Future[None]] = set()
        self._backoff = wait_exponential(multiplier=FIRST_PAUSE_S, max=settings.max_wait_s)
        self._refused_parameters: set[str] = set()
        self._was_heard = False
        self._n_rejected = 0
        self._reply_tokens: float | None = None  # mean of the replies so far
        self._limiter = limiter or Limiter(settings.concurrency, settings.rpm, settings.tpm)
        most = self._limiter.most_in_flight
        self.n_at_once = most + max(1, most // WAITING_SHARE)
        self._client, key, proxy = open_client(settings)
        self._transport = Transport(self._client, settings.timeout_s, most, proxy)
        self._errors = ErrorReader(settings, str(self._client.base_url), key)

    async def answer(self, request: Request) -> Reply:
        """Ask until there is a reply, a final fault, or no try left.

        Raises:
            TeacherError: Key, model, address or quota make every request useless, or the budget is used up.
            StoppedError: ``stop`` was called first.
        """
        asking = _Asking(request)
        try:
            try:
                text = await self._ask_once(asking)
            except PassingError as fault:
                text = await self._ask_again(asking, fault)
        except RecordError as error:
            # A request that the server did not take cost nothing, and the server may be mended: ask again next time.
            return self._reply(asking, error=error.code, detail=str(error), is_final=error.code != "request_rejected")
        except PassingError as error:
            if error.code == "unreachable" and not self._was_heard:
                raise self._errors.nobody_answers(str(error)) from None
            detail = f"{asking.n_attempts} tries, the last: {error}"
            return self._reply(asking, error="gave_up", detail=detail, is_final=False)
        except (BudgetError, StoppedError):
            if not asking.n_billed:
                raise
            detail = f"{asking.n_attempts} tries, then the run ended"  # stored, as it was paid for
            return self._reply(asking, error="gave_up", detail=detail, is_final=False)
        return self._reply(asking, text=text)

    def stop(self) -> None:
        """Send nothing further; requests that wait for another try end at once."""
        self._limiter.stop()
        if self._budget is not None:
            self._budget.stop()
        for pause in self._pauses:
            pause.cancel()

    async def close(self) -> None:
        """Give back connections."""
        await self._transport.close()
        await self._client.close()

    def _reply(self, asking: _Asking, **outcome: Any) -> Reply:
        request = asking.request
        is_billed = asking.usage != Usage()
        return Reply(
            request_digest=request.digest,
            image_id=request.image.image_id,
            response_type=request.response_type,
            teacher=self.name,
            finish_reason=asking.finish_reason,
            usage=asking.usage,
            cost_usd=cost_of(asking.usage, self.name, self._settings) if is_billed else None,
            latency_s=round(asking.latency_s, 4),
            n_attempts=asking.n_attempts,
            at=round(time.time(), 3),
            **{"text": "", **outcome},
        )

    def _is_enough(self, state: RetryCallState) -> bool:
        fault = state.outcome.exception() if state.outcome else None
        is_unmet = isinstance(fault, PassingError) and fault.code == "unreachable" and not self._was_heard
        n_allowed = (
            min(self._settings.max_attempts, FIRST_CONTACT_ATTEMPTS) if is_unmet else self._settings.max_attempts
        )
        return state.attempt_number >= n_allowed

    def _pause_s(self, state: RetryCallState) -> float:
        """Never sooner than the server asks; later when it keeps refusing.

        Both pauses are spread, so that all requests that failed together do not come back together.
        """
        backoff_s = self._backoff(state) * random.uniform(0.5, 1.0)
        fault = state.outcome.exception() if state.outcome else None
        if not isinstance(fault, PassingError) or fault.retry_after_s is None:
            return backoff_s
        return max(backoff_s, fault.retry_after_s * random.uniform(1.0, 1.1))

    async def _pause(self, seconds: float) -> None:
        """Sleep, unless the run ends meanwhile."""
        pause: asyncio.Future[None] = asyncio.ensure_future(self._sleep(seconds))
        self._pauses.add(pause)
        try:
            await asyncio.wait([pause])
        finally:
            self._pauses.discard(pause)
            pause.cancel()

    async def _ask_again(self, asking: _Asking, first_fault: PassingError) -> str:
        """Try on as often as the settings allow.

        tenacity hears of the first try only when it failed: its bookkeeping costs as much CPU as the whole
        rest of this module, and nearly all requests do without.
        """
        failed = [first_fault]

        async def ask() -> str:
            if failed:
                raise failed.pop()
            return await self._ask_once(asking)

        retrying = AsyncRetrying(
            sleep=self._pause,
            stop=self._is_enough,
            wait=self._pause_s,
            retry=retry_if_exception_type(PassingError),
            reraise=True,
        )
        return await retrying(ask)

    async def _ask_once(self, asking: _Asking) -> str:
        """Send the request and read its answer; a refused parameter is left out and costs no try."""
        asking.n_attempts += 1
        while True:
            try:
                async with self._holding(asking.request) as hold:
                    return await self._exchange(asking, hold)
            except RefusedParameterError as error:
                if error.name not in self._refused_parameters:
                    self._refused_parameters.add(error.name)
                    _log.warning("%s does not take '%s'; it is not sent from now on.", self.name, error.name)

    def _holding(self, request: Request) -> AbstractAsyncContextManager[Hold]:
        return nullcontext(Hold()) if self._budget is None else self._budget.holding(request)

    async def _exchange(self, asking: _Asking, hold: Hold) -> str:
        taken = await self._limiter.enter(self._reserved_tokens(asking.request))
        fields = request_fields(self.name, asking.request, self._refused_parameters)
        n_used: int | None = 0
        try:
            started = time.perf_counter()
            hold.is_lost = True  # also where the run is interrupted meanwhile
            content = await self._send(fields, taken)
            asking.latency_s = time.perf_counter() - started
            asking.latest, n_used = None, None
            try:
                return self._read(content, asking)
            finally:
                if asking.latest is not None:
                    n_used = _total(asking.latest) or None  # None: the server counts nothing
                    hold.is_uncounted = n_used is None
                    hold.usage = asking.latest if n_used else None
        except (PassingError, RecordError, RefusedParameterError, TeacherError) as fault:
            hold.is_lost = isinstance(fault, PassingError) and fault.code in MAY_BE_BILLED
            raise
        finally:
            self._limiter.leave(taken, n_used)

    def _reserved_tokens(self, request: Request) -> float:
        """What a request may use up: its prompt by its length, its reply like those before it."""
        n_prompt = sum([len(message.content) for message in request.messages]) / CHARS_PER_TOKEN
        return n_prompt + (request.max_tokens if self._reply_tokens is None else self._reply_tokens)

    async def _send(self, fields: dict[str, Any], taken: Pass) -> bytes:
        """One HTTP exchange; the limiter hears how it went."""
        try:
            content, headers = await self._transport.post(*encode_request(fields))
        except UnicodeEncodeError:
            raise RecordError("request_rejected", "the messages hold characters that UTF-8 cannot carry") from None
        except OpenAIError as error:
            if isinstance(error, APIStatusError):
                self._was_heard = True
                self._limiter.heed(error.response.headers, taken)
            meaning = self._errors.meaning_of(error, fields)
            if isinstance(meaning, PassingError) and meaning.is_refusal:
                self._limiter.refused(taken, meaning.retry_after_s)
            elif isinstance(meaning, RecordError) and meaning.code == "request_rejected":
                self._n_rejected += 1
                if self._n_rejected >= MOST_REJECTED and not self._errors.has_answered:
                    meaning = self._errors.rejects_all(str(meaning))
            if isinstance(meaning, TeacherError):
                self.stop()
            raise meaning from None
        self._was_heard = self._errors.has_answered = True
        self._limiter.heed(headers, taken)
        self._limiter.answered(taken)
        return content

    def _read(self, content: bytes, asking: _Asking) -> str:
        """Take the text out of a completion, or raise what it says instead."""
        try:
            completion = decode_completion(content)
            choice = completion.choices[0]
        except (ValueError, IndexError, RecursionError):
            start = self._errors.shown(content[:MAX_SHOWN_BYTES].decode(errors="replace"))
            raise PassingError("garbled", f"expected a chat completion, got: {start or 'nothing'}") from None
        usage = asking.latest = read_usage(completion.usage)
        asking.n_billed += 1
        asking.usage = sum_usage(asking.usage, usage) if asking.n_billed > 1 else usage
        asking.finish_reason = choice.finish_reason
        if usage.n_completion_tokens:
            mean = self._reply_tokens
            self._reply_tokens = usage.n_completion_tokens + 0.95 * (
                (mean or usage.n_completion_tokens) - usage.n_completion_tokens
            )
        try:
            return text_or_fault(choice, asking.request.max_tokens, self._errors.shown)
        except RecordError as fault:
            if fault.code == "empty_reply" and asking.n_billed == 1:  # once more only: it is billed
                raise PassingError(fault.code, str(fault)) from None
            raise


def _total(usage: Usage) -> int:
    return usage.n_prompt_tokens + usage.n_completion_tokens
