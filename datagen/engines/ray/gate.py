"""One gate for the requests of all workers: it owns the limiter and the budget, and gives leave many at a time.

It knows nothing of Ray: ``actors`` makes it an actor. What it holds can be lost at any time. Workers whose message
it does not understand tell all there is, so a gate that was started again is soon where the one before it was.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

from msgspec import Struct

from datagen.config import TeacherSettings
from datagen.engines.ray.messages import Ended, Ending, Money, Notes, Word
from datagen.engines.ray.purse import Purse
from datagen.teacher.limits import Limiter, Pass

TICK_S = 0.02
"""A worker with something to tell asks this often; an exchange costs about 0.4 ms, whatever it carries."""
TICK_PER_WORKER_S = 0.0005  # more workers ask more rarely, so that the gate keeps up
SILENT_S = 10.0
"""After so long without a word a worker is taken for lost. It speaks every second as long as it can."""
SHARES = 2  # a worker may have so many times its even share at hand, so that none idles while another is slow


class Member(Struct):
    """A worker at work.

    Attributes:
        heard_at: On the event loop's clock, seconds.
        waiting: Places in the limiter's queue, by ticket.
        granted: Tickets let through since its last message.
        passes: Of tickets let through and not ended.
    """

    attempt: int
    heard_at: float
    waiting: dict[int, Waiting]
    granted: list[int]
    passes: dict[int, Pass]


class Waiting(Struct, eq=False):
    """A ticket in the limiter's queue: no task and no future, which would cost twice as much as the limiter itself."""

    member: Member
    ticket: int
    is_over: bool = False

    def done(self) -> bool:
        """Whether the worker does not want it any more."""
        return self.is_over

    def set_result(self, taken: Pass) -> None:
        """Let it through."""
        del self.member.waiting[self.ticket]
        self.member.passes[self.ticket] = taken
        self.member.granted.append(self.ticket)

    def set_exception(self, error: BaseException) -> None:
        """The run ends, which the worker hears with its next message."""
        del error, self.member.waiting[self.ticket]


class Gate:
    """The cluster's gate; everything about it happens on one event loop.

    Args:
        settings: Limits and budget.
        spent_usd: What the stored replies of each shard cost; only for a budget.
        is_restored: A gate before this one was lost while workers were at work.
    """

    def __init__(
        self, settings: TeacherSettings, spent_usd: Mapping[int, float] | None = None, *, is_restored: bool = False
    ) -> None:
        self._limiter = Limiter(settings.concurrency, settings.rpm, settings.tpm)
        self._members: dict[int, Member] = {}
        self._latest: dict[int, int] = {}  # attempt by shard
        self._ending: tuple[Ending, str] | None = None
        self._purse = None
        self._is_restored = is_restored
        self._opens_at: float | None = None
        if settings.budget_usd is not None:
            self._purse = Purse(settings.budget_usd, spent_usd or {}, is_restored=is_restored)

    @property
    def n_workers(self) -> int:
        """Workers that the gate knows."""
        return len(self._members)

    def end(self, why: Ending, sentence: str) -> None:
        """Let nobody through any more; what is in flight may end."""
        self._ending = self._ending or (why, sentence)
        self._limiter.stop()

    async def exchange(self, notes: Notes) -> Word:
        """Take a worker's message, and answer with what it may do."""
        now = asyncio.get_running_loop().time()
        self._open_purse(now)
        if notes.attempt < self._latest.get(notes.shard, 0):
            return Word(ending=("fenced", "another worker has taken over this shard"))
        is_same = self._latest.get(notes.shard) == notes.attempt
        self._latest[notes.shard] = notes.attempt
        self._forget_silent(now)
        member = self._members.get(notes.shard)
        if notes.is_whole:
            member = self._admit(notes, now, is_same=is_same)
        elif member is None or member.attempt != notes.attempt:
            return Word(is_unknown=True)
        member.heard_at = now
        for ended in notes.ended:
            self._leave(member, ended)
        for ticket, n_tokens in notes.wants:
            member.waiting[ticket] = Waiting(member, ticket)
            self._limiter.queue(member.waiting[ticket], n_tokens)
        added_usd, is_scarce = self._share(notes)
        if notes.is_leaving:
            self._dismiss(notes.shard)
        granted, member.granted = tuple(member.granted), []
        n_workers = max(1, len(self._members))
        return Word(
            granted=granted,
            most_at_once=math.ceil(SHARES * self._limiter.most_in_flight / n_workers),
            again_in_s=max(TICK_S, TICK_PER_WORKER_S * n_workers),
            added_usd=added_usd,
            is_scarce=is_scarce,
            ending=self._ending,
        )

    def _open_purse(self, now: float) -> None:
        if self._opens_at is None:
            self._opens_at = now + SILENT_S
        if self._purse is not None and now >= self._opens_at:
            self._purse.open()

    def _forget_silent(self, now: float) -> None:
        for shard, member in tuple(self._members.items()):
            if now - member.heard_at > SILENT_S:
                self._dismiss(shard)
                if self._purse is not None:
                    self._purse.forget(shard)

    def _admit(self, notes: Notes, now: float, *, is_same: bool) -> Member:
        """Begin anew with a worker: what it tells is all there is."""
        if notes.shard in self._members:
            self._dismiss(notes.shard)
        member = self._members[notes.shard] = Member(notes.attempt, now, {}, [], {})
        for ticket, n_tokens in notes.in_flight:
            member.passes[ticket] = self._limiter.adopt(n_tokens)
        if self._purse is not None and notes.money is not None:
            self._purse.begin(notes.shard, notes.money, is_same=is_same)
        return member

    def _dismiss(self, shard: int) -> None:
        """Give back the places of a worker that has left or is lost."""
        member = self._members.pop(shard)
        for place in member.waiting.values():
            place.is_over = True
        member.waiting.clear()
        for taken in member.passes.values():
            self._limiter.leave(taken, None)
        member.passes.clear()

    def _leave(self, member: Member, ended: Ended) -> None:
        waiting, taken = member.waiting.pop(ended.ticket, None), member.passes.pop(ended.ticket, None)
        if waiting is not None:
            waiting.is_over = True
        if taken is None:
            return
        if ended.headers:
            self._limiter.heed(ended.headers, taken)
        if ended.outcome == "refused":
            self._limiter.refused(taken, ended.retry_after_s)
        elif ended.outcome == "answered":
            self._limiter.answered(taken)
        self._limiter.leave(taken, ended.n_tokens)

    def _share(self, notes: Notes) -> tuple[float, bool]:
        money: Money | None = notes.money
        if self._purse is None or money is None:
            return 0.0, False
        added_usd, is_scarce = self._purse.share(notes.shard, money, len(self._members))
        if self._purse.is_used_up(notes.shard):
            self.end("budget", self._purse.sentence(notes.shard))
        return added_usd, is_scarce
