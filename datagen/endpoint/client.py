"""The client of an endpoint: asks until there is an answer, under a rate limiter, a budget and retries.

Teacher, served validators and embeddings hand their requests over as a ``Call``, which knows its JSON and how to read
the answer's; everything between the two happens here, the same way for all of them. tenacity says how often to try.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from datagen.endpoint.budget import Account, Hold
from datagen.endpoint.call import Call, Result
from datagen.endpoint.circuit_breaker import CircuitBreaker
from datagen.endpoint.error_translation import (
    ErrorReader,
    HttpAnswer,
    NoAnswerError,
    PassingError,
    RecordError,
    RefusedParameterError,
    is_spoilt,
)
from datagen.endpoint.http import HttpClient, open_client
from datagen.endpoint.rate_limiter import Limiter, Pass
from datagen.endpoint.refusals import MENDABLE
from datagen.endpoint.target import Target, Traffic
from datagen.errors import DatagenError
from datagen.records import Usage

FIRST_CONTACT_ATTEMPTS = 4  # about 4 s; an address where nobody ever made sense is not waited for longer
MAX_BOUGHT = 2  # answers of one call that were billed and no use
FIRST_PAUSE_S = 0.5
TOLD_PAUSE_S = 90.0  # beyond the longest of the own pauses
MAX_REJECTED = 10  # rejected before anything was answered, and the rest will be too
MAX_REJECTED_LATER = 100  # in a row, by an endpoint that answered before: it was restarted as another

MAY_BE_BILLED = frozenset({"timeout", "connection", "garbled"})  # an answer may have been made that never came
WAITING_SHARE = 4  # one request in so many more waits for its turn or another try, so that the endpoint is kept full

_log = logging.getLogger(__name__)


class _BrokenMeanwhileError(Exception):
    """The circuit was opened while a call waited for its turn."""


class EndpointClient:
    """Sends calls to one path of one endpoint; everything about it happens on one event loop.

    Args:
        target: Whom to ask, and how hard.
        path: Under the address, such as ``chat/completions``.
        account: Pays; None where no budget is kept.
        keep_bill: Hears of the tokens of every answer that the endpoint counted.
        sleep: Waits between two tries; tests put a recorder here.

    Attributes:
        n_at_once: How many calls are worth handing over at once; more would only wait.
        traffic: What was met so far.
        has_served: Whether a call ever got its result.
        errors: Makes words fit for a message, and says whether the endpoint ever answered.
        pauses: Of the calls that wait for another try.

    Raises:
        DatagenError: Of the target's kind: the key is missing or unusable, or the address is not one.
    """

    def __init__(
        self,
        target: Target,
        path: str,
        account: Account | None = None,
        keep_bill: Callable[[str, Usage], None] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._target, self._account, self._keep_bill, self._sleep = target, account, keep_bill, sleep
        self.traffic = Traffic()
        self.pauses: set[asyncio.Future[None]] = set()
        self._backoff = wait_exponential(multiplier=FIRST_PAUSE_S, max=target.max_wait_s)
        self._refused_parameters: set[str] = set()
        self._was_heard = self.has_served = self._has_told_pause = False
        self._n_rejected = self._n_garbled = 0
        self._breaker = CircuitBreaker()
        self._reply_tokens: float | None = None  # mean of the replies so far
        self._limiter = Limiter(target.settings.concurrency, target.settings.rpm, target.settings.tpm)
        most = self._limiter.most_in_flight
        self.n_at_once = most + max(1, most // WAITING_SHARE)
        self.openai, key, proxy = open_client(target)
        self._http = HttpClient(self.openai, path, target.settings.timeout_s, most, proxy)
        self.errors = ErrorReader(target, str(self.openai.base_url), key)

    async def ask(self, call: Call[Result]) -> Result:
        """Ask until there is an answer, a final fault, or no try left.

        Raises:
            PassingError: What the last try met.
            RecordError: A fault of this call alone.
            DatagenError: Key, model, address or quota make every call useless, or the budget is used up.
            StoppedError: ``stop`` was called first.
        """
        try:
            try:
                return await self._ask_once(call)
            except PassingError as fault:
                return await self._ask_again(call, fault)
        except PassingError as fault:
            if not (call.made_sense and call.n_billed >= MAX_BOUGHT):  # else the endpoint is there, one answer is odd
                self._breaker.gave_up()
            if fault.code == "unreachable" and not self._was_heard:
                raise self._stopping(self.errors.nobody_answers(str(fault))) from None
            if self._breaker.is_given_up or self._is_nonsense:
                raise self._stopping(self.errors.gives_nothing(self._breaker.n_given_up, str(fault))) from None
            raise
        finally:
            self._breaker.leave(call)

    @property
    def _is_nonsense(self) -> bool:
        """Whether all that came, to two calls, is no answer of this API: the address is another server's."""
        return self._n_garbled >= 2 * FIRST_CONTACT_ATTEMPTS and not self._breaker.has_understood

    def _stopping(self, error: DatagenError) -> DatagenError:
        self.stop()
        return error

    def stop(self) -> None:
        """Send nothing further; calls that wait for another try end at once."""
        self._limiter.stop()
        self._breaker.stop()
        if self._account is not None:
            self._account.stop()
        for pause in self.pauses:
            pause.cancel()

    async def close(self) -> None:
        """Give back connections."""
        await self._http.close()
        await self.openai.close()

    def _is_enough(self, state: RetryCallState, call: Call[Any]) -> bool:
        fault = state.outcome.exception() if state.outcome else None
        is_unmet = isinstance(fault, PassingError) and fault.code == "unreachable" and not self._was_heard
        n_allowed = self._target.settings.max_attempts
        n_odd = FIRST_CONTACT_ATTEMPTS * (self._breaker.n_given_up + 1)
        is_odd = self._n_garbled >= n_odd and not self._breaker.has_understood
        if is_unmet or is_odd or (self._breaker.n_given_up and not self._breaker.is_closed):
            n_allowed = min(n_allowed, FIRST_CONTACT_ATTEMPTS)
        is_too_long = isinstance(fault, PassingError) and fault.is_too_long
        return state.attempt_number >= n_allowed or call.n_billed >= MAX_BOUGHT or self._is_nonsense or is_too_long

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
        self.traffic.n_retries += 1
        self._tell_pause(seconds)
        pause: asyncio.Future[None] = asyncio.ensure_future(self._sleep(seconds))
        self.pauses.add(pause)
        try:
            await asyncio.wait([pause])
        finally:
            self.pauses.discard(pause)
            pause.cancel()

    def _tell_pause(self, seconds: float) -> None:
        """Say once that a long pause is waited for: nothing else moves meanwhile."""
        if seconds >= TOLD_PAUSE_S and not self._has_told_pause:
            self._has_told_pause = True
            _log.warning("%s is asked again after a pause of %.0f s.", self._target.model, seconds)

    async def _ask_again(self, call: Call[Result], first_fault: PassingError) -> Result:
        """Try on as often as the settings allow.

        tenacity hears of the first try only when it failed: its bookkeeping costs as much CPU as the whole
        rest of this module, and nearly all calls do without.
        """
        failed = [first_fault]

        async def ask() -> Result:
            if failed:
                raise failed.pop()
            return await self._ask_once(call)

        retrying = AsyncRetrying(
            sleep=self._pause,
            stop=lambda state: self._is_enough(state, call),
            wait=self._pause_s,
            retry=retry_if_exception_type(PassingError),
            reraise=True,
        )
        return await retrying(ask)

    async def _ask_once(self, call: Call[Result]) -> Result:
        """Send the call and read its answer; a refused parameter is left out and costs no try."""
        await self._breaker.enter(call)
        call.n_attempts += 1
        while True:
            await self._breaker.enter(call)
            try:
                async with self._holding(call) as hold:
                    return await self._exchange(call, hold)
            except _BrokenMeanwhileError:
                continue
            except RefusedParameterError as error:
                if error.name not in self._refused_parameters:
                    self._refused_parameters.add(error.name)
                    _log.warning("%s does not take '%s'; it is not sent from now on.", self._target.model, error.name)

    def _holding(self, call: Call[Any]) -> AbstractAsyncContextManager[Hold]:
        if self._account is None:
            return nullcontext(Hold())
        return self._account.holding(*call.most_tokens())

    async def _exchange(self, call: Call[Result], hold: Hold) -> Result:
        taken = await self._limiter.enter(call.reserved_tokens(self._reply_tokens))
        if not self._breaker.lets(call):
            self._limiter.leave(taken, 0)
            raise _BrokenMeanwhileError
        n_used: int | None = 0
        call.latest, call.made_sense = None, False
        try:
            started = time.perf_counter()
            hold.is_lost = True  # also where the run is interrupted meanwhile
            came, sent = await self._send(call, taken)
            call.latency_s = time.perf_counter() - started
            n_used = None
            try:
                result = call.read(came.content, self.errors.shown)
            except PassingError as fault:
                inside = self.errors.meaning_inside(came, sent) if fault.code == "garbled" else None
                if inside is None:
                    raise
                n_used = 0
                raise self._heard_fault(inside, taken) from None
            finally:
                if call.latest is not None:
                    n_used = self._count(call.latest)
                    hold.is_uncounted = n_used is None
                    hold.usage = call.latest if n_used else None
        except (PassingError, RecordError, RefusedParameterError, DatagenError) as fault:
            hold.is_lost = isinstance(fault, PassingError) and fault.code in MAY_BE_BILLED
            if call.made_sense:
                self._understood()
            elif isinstance(fault, PassingError) and fault.code != "rate_limited":
                if fault.code == "garbled":  # of what costs money, fewer are needed to be sure
                    is_bought = call.latest is not None or is_spoilt(str(fault))
                    self._n_garbled += FIRST_CONTACT_ATTEMPTS // MAX_BOUGHT if is_bought else 1
                self._breaker.failed()
            raise
        else:
            self.has_served = True
            self._understood()
            return result
        finally:
            self._limiter.leave(taken, n_used)

    def _understood(self) -> None:
        self.errors.has_answered = True
        self._n_rejected = 0
        self._breaker.understood()

    def _count(self, usage: Usage) -> int | None:
        """Take note of an answer's tokens; gives how many, None where the server counts nothing."""
        if usage.n_completion_tokens:
            mean = self._reply_tokens or usage.n_completion_tokens
            self._reply_tokens = usage.n_completion_tokens + 0.95 * (mean - usage.n_completion_tokens)
        n_used = usage.n_prompt_tokens + usage.n_completion_tokens
        if n_used and self._keep_bill is not None:
            self._keep_bill(self._target.model, usage)
        return n_used or None

    async def _send(self, call: Call[Any], taken: Pass) -> tuple[HttpAnswer, set[str]]:
        """One HTTP exchange; gives what came and which parts of the request can be refused. The limiter hears of it."""
        fields = call.fields(self._refused_parameters)
        sent: set[str] = {str(name) for name in MENDABLE if name in fields or name == "system"}
        sent -= self._refused_parameters
        came: HttpAnswer | NoAnswerError
        try:
            came = await self._http.post(*call.encode(fields))
        except UnicodeEncodeError:
            raise RecordError("request_rejected", "the messages hold characters that UTF-8 cannot carry") from None
        except NoAnswerError as error:
            came = error
        else:
            self._was_heard = True
            self._limiter.heed(came.headers, taken)
            self._tell_pause(self._limiter.held_s)
            if 200 <= came.status < 300:
                self._limiter.answered(taken)
                return came._replace(content=self.errors.without_key(came.content)), sent
        raise self._heard_fault(self.errors.meaning_of(came, sent), taken) from None

    def _heard_fault(self, meaning: Exception, taken: Pass) -> Exception:
        """Let the limiter hear of a refusal, and see whether it stops the run."""
        if isinstance(meaning, PassingError) and meaning.is_refusal:
            self.traffic.n_refusals += 1
            self._limiter.refused(taken, None if meaning.is_too_long else meaning.retry_after_s)
        elif isinstance(meaning, RecordError):
            self._n_rejected += 1
            if self._n_rejected >= (MAX_REJECTED_LATER if self.errors.has_answered else MAX_REJECTED):
                meaning = self.errors.rejects_all(str(meaning))
        if isinstance(meaning, DatagenError):
            self.stop()
        return meaning
