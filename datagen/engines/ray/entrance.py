"""A worker's way to the gate: the limiter and the budget that its teacher sees, and the messages behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Literal

from msgspec import field

from datagen.config import TeacherSettings
from datagen.engines.ray.messages import Ended, Ending, Money, Notes, Word
from datagen.errors import BudgetError, DatagenError, RunError, TeacherError
from datagen.records import Reply, Request
from datagen.teacher.budget import Budget
from datagen.teacher.limits import FOUND_TO, Pass
from datagen.teacher.protocol import StoppedError

HEARTBEAT_S = 1.0
TRY_AGAIN_S = 0.5
GIVE_UP_S = 300.0
"""The gate is started again elsewhere when its machine is lost; this is longer than that takes."""
_TOLD = "x-ratelimit-"

Exchange = Callable[[Notes], Awaitable[Word]]
"""Carries a message to the gate and its word back; raises ``GateLostError``."""


class GateLostError(Exception):
    """The gate did not answer; it may be on its way to another machine."""


_ERRORS: dict[Ending, type[DatagenError]] = {"teacher": TeacherError, "budget": BudgetError, "fenced": RunError}


class Ticket(Pass, kw_only=True):
    """Leave to send one request, under the number that the gate knows it by.

    Attributes:
        number: Unique for this worker.
        outcome: Answered or refused, once it is known.
    """

    number: int
    outcome: Literal["answered", "refused"] | None = None
    retry_after_s: float | None = None
    headers: dict[str, str] = field(default_factory=dict)


class PartOfBudget(Budget):
    """The part of the cluster's budget that this worker has been given; it begins with nothing.

    Args:
        settings: Model and prices.
        spent_usd: What the shard's stored replies cost.
        ask: Called when there is not enough.
    """

    def __init__(self, settings: TeacherSettings, spent_usd: float, ask: Callable[[], None]) -> None:
        super().__init__(settings, spent_usd)
        self.limit_usd = spent_usd
        self.error: DatagenError | None = None
        self._wanted: list[float] = []
        self._ask = ask

    def money(self) -> Money:
        """What the gate has to know."""
        least = min(self._wanted, default=0.0)
        return Money(self.limit_usd, self.spent_usd, self.held_usd, self.lost_usd, sum(self._wanted), least)

    def give_back(self) -> None:
        """Keep what is spent and set aside, no more."""
        self.limit_usd = min(self.limit_usd, self.spent_usd + self.held_usd)

    def take(self, usd: float) -> None:
        """Have more to spend."""
        self.limit_usd += usd
        self._wake()

    def fail(self, error: DatagenError) -> None:
        """Let whoever waits go with an error."""
        self.error = error
        self._wake()

    async def _wait_for_money(self, usd: float) -> None:
        if self.error is not None:
            raise self.error
        self._wanted.append(usd)
        self._ask()
        try:
            await self._wait_for_change()
        finally:
            self._wanted.remove(usd)
        if self.error is not None:
            raise self.error


class Entrance:
    """Implements ``teacher.limits.RateLimiter`` by asking the gate, for many requests at a time.

    Args:
        exchange: Reaches the gate.
        shard: From 1.
        attempt: At this shard.
        settings: The cluster's limits.
        spent_usd: What the shard's stored replies cost.
    """

    def __init__(
        self, exchange: Exchange, shard: int, attempt: int, settings: TeacherSettings, spent_usd: float = 0.0
    ) -> None:
        self.most_in_flight = settings.concurrency or FOUND_TO
        self.budget = None
        if settings.budget_usd is not None:
            self.budget = PartOfBudget(settings, spent_usd, self._speak)
        self._exchange, self._shard, self._attempt = exchange, shard, attempt
        self._unsent: dict[int, tuple[asyncio.Future[Pass], float]] = {}  # the gate has not heard of these
        self._waiting: dict[int, tuple[asyncio.Future[Pass], float]] = {}
        self._in_flight: dict[int, Ticket] = {}
        self._ended: list[Ended] = []
        self._n_tickets = 0
        self._most_at_once = self.most_in_flight
        self._is_new = True
        self._is_stopped = False
        self._error: DatagenError | None = None
        self._something = asyncio.Event()
        self._talk: asyncio.Task[None] | None = None

    async def enter(self, n_tokens: float) -> Pass:
        """Wait until a request of so many tokens may be sent.

        Raises:
            TeacherError: Another worker found that no request can succeed, or that the budget is used up.
            StoppedError: This worker ends.
        """
        if self._error is not None:
            raise self._error
        if self._is_stopped:
            raise StoppedError
        self._n_tickets += 1
        number = self._n_tickets
        place: asyncio.Future[Pass] = asyncio.get_running_loop().create_future()
        self._unsent[number] = place, n_tokens
        self._speak()
        try:
            return await place
        except asyncio.CancelledError:
            self._unsent.pop(number, None)
            if self._waiting.pop(number, None) or (place.done() and not place.cancelled() and not place.exception()):
                self._in_flight.pop(number, None)
                self._ended.append(Ended(number, n_tokens=0))
            raise

    def leave(self, taken: Pass, n_tokens_used: int | None = None) -> None:
        """A request has ended."""
        assert isinstance(taken, Ticket)
        self._in_flight.pop(taken.number)
        self._ended.append(Ended(taken.number, taken.outcome, n_tokens_used, taken.retry_after_s, taken.headers))
        self._something.set()

    def answered(self, taken: Pass) -> None:
        """Hear of an answer."""
        assert isinstance(taken, Ticket)
        taken.outcome = "answered"

    def refused(self, taken: Pass, retry_after_s: float | None) -> None:
        """Hear of a refusal for want of capacity; the gate slows down all workers for it."""
        assert isinstance(taken, Ticket)
        taken.outcome, taken.retry_after_s = "refused", retry_after_s

    def heed(self, headers: Mapping[str, str], taken: Pass) -> None:
        """Remember what the endpoint says of its limits."""
        assert isinstance(taken, Ticket)
        taken.headers = {name.lower(): text for name, text in headers.items() if name.lower().startswith(_TOLD)}

    def stop(self) -> None:
        """Send nothing further."""
        self._is_stopped = True
        self._release(StoppedError())

    async def close(self) -> None:
        """Say goodbye, so that others get this worker's share at once."""
        if self._talk is None:
            return
        self._talk.cancel()
        await asyncio.wait([self._talk])
        if self.budget is not None:
            self.budget.give_back()
        self._is_new = True  # a message may just have been lost with the task
        with suppress(GateLostError):  # a gate to come will notice the silence
            await self._exchange(self._notes(is_leaving=True))

    def _speak(self) -> None:
        """See to it that the gate hears of something soon."""
        self._something.set()
        if self._talk is None:
            self._talk = asyncio.create_task(self._keep_talking())

    async def _keep_talking(self) -> None:
        try:
            while self._error is None:
                await self._exchange_once()
                if not (self._unsent or self._waiting or self._ended or (self.budget and self.budget.money().wanted)):
                    self._something.clear()
                    try:
                        async with asyncio.timeout(HEARTBEAT_S):  # wait_for would swallow a cancellation now and then
                            await self._something.wait()
                    except TimeoutError:
                        continue
        except Exception as error:  # or nobody would hear of it, and all would wait for ever
            if not isinstance(error, DatagenError):
                error = RunError(f"The way to the cluster's limiter broke: {error!r}.")
            self._fail(error)

    async def _exchange_once(self) -> None:
        notes = self._notes()
        clock = asyncio.get_running_loop().time
        since = clock()
        while True:
            try:
                word = await self._exchange(notes)
                break
            except GateLostError:
                if clock() - since > GIVE_UP_S:
                    raise RunError(
                        f"The cluster's limiter could not be reached for {GIVE_UP_S:.0f} s; "
                        "start the same command again."
                    ) from None
                await asyncio.sleep(TRY_AGAIN_S)
                self._is_new = True
                notes = self._notes()
        self._heed_word(word)
        await asyncio.sleep(word.again_in_s)

    def _notes(self, *, is_leaving: bool = False) -> Notes:
        """Gather all that the gate has not heard yet, or everything if it knows nothing."""
        is_whole, self._is_new = self._is_new, False
        if is_whole:
            self._unsent = {**self._waiting, **self._unsent}
            self._waiting = {}
        n_free = max(0, self._most_at_once - len(self._waiting) - len(self._in_flight))
        numbers = () if is_leaving else tuple(self._unsent)[:n_free]
        for number in numbers:
            self._waiting[number] = self._unsent.pop(number)
        ended, self._ended = tuple(self._ended), []
        return Notes(
            shard=self._shard,
            attempt=self._attempt,
            is_whole=is_whole,
            wants=tuple((number, self._waiting[number][1]) for number in numbers),
            in_flight=tuple((number, one.n_tokens) for number, one in self._in_flight.items()) if is_whole else (),
            ended=() if is_whole else ended,
            money=None if self.budget is None else self.budget.money(),
            is_leaving=is_leaving,
        )

    def _heed_word(self, word: Word) -> None:
        if word.ending is not None:
            why, sentence = word.ending
            self._fail(_ERRORS[why](sentence))
            return
        if word.is_unknown:
            self._is_new = True
            return
        self._most_at_once = word.most_at_once
        now = asyncio.get_running_loop().time()
        for number in word.granted:
            place, n_tokens = self._waiting.pop(number, (None, 0.0))
            if place is None or place.done():  # cancelled meanwhile; that it ended is told already
                continue
            ticket = self._in_flight[number] = Ticket(now, n_tokens, number=number)
            place.set_result(ticket)
        if self.budget is not None:
            if word.added_usd:
                self.budget.take(word.added_usd)
            elif word.is_scarce:
                self.budget.give_back()

    def _fail(self, error: DatagenError) -> None:
        self._error = error
        if self.budget is not None:
            self.budget.fail(error)
        self._release(error)

    def _release(self, error: Exception) -> None:
        for place, _ in (*self._unsent.values(), *self._waiting.values()):
            if not place.done():
                place.set_exception(error)
        self._unsent, self._waiting = {}, {}


class GatedTeacher:
    """An endpoint's teacher that asks the cluster's gate for leave.

    Args:
        settings: Whom to ask.
        entrance: This worker's way to the gate.
    """

    def __init__(self, settings: TeacherSettings, entrance: Entrance) -> None:
        from datagen.teacher.endpoint import EndpointTeacher  # it loads the openai client

        self._entrance = entrance
        self._teacher = EndpointTeacher(settings, budget=entrance.budget, limiter=entrance)
        self.name, self.n_at_once = self._teacher.name, self._teacher.n_at_once

    async def answer(self, request: Request) -> Reply:
        """Answer one request; see ``teacher.Teacher``."""
        return await self._teacher.answer(request)

    def stop(self) -> None:
        """Send nothing further; what is in flight may end."""
        self._teacher.stop()

    async def close(self) -> None:
        """Give back connections, and this worker's share of the limits."""
        await self._teacher.close()
        await self._entrance.close()
