"""The rate limiter: decides when the next request may be sent, by what the endpoint bears.

Four limits stand together: requests in flight, the user's requests and tokens per minute, what the
endpoint says of its limits in ``x-ratelimit-*`` headers, and the pace at which it stopped refusing.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import deque
from collections.abc import Mapping

from msgspec import Struct

from datagen.endpoint.error_translation import StoppedError
from datagen.endpoint.pacing import LearntPace, Pace

FIRST_IN_FLIGHT = 8
RAMP_S = 0.05  # requests in flight may double this often at the start: 1,000 after 0.35 s, if nothing is refused
FOUND_FROM, FOUND_TO = 64, 1024  # where the search for a concurrency starts and ends when none is set
MIN_IN_FLIGHT = 8
HEADROOM = 2.0  # requests in flight after a refusal, over what the pace needs
LATENCY_HOLDS = 1.5  # twice the requests in flight must not cost more than this in latency, or they gain nothing
TRIED_AGAIN_AFTER = 50  # rounds; the endpoint may bear more by then

MAX_HOLD_S = 600.0

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Pass(Struct):
    """Leave to send one request.

    Attributes:
        sent_at: On the event loop's clock, seconds.
        n_tokens: Reserved for it.
    """

    sent_at: float
    n_tokens: float


class Limiter:
    """The gate. Requests go through in the order in which they came.

    Args:
        concurrency: Most requests in flight; None finds how many the endpoint bears.
        rpm: Requests per minute.
        tpm: Tokens per minute, prompt and completion together.
    """

    def __init__(self, concurrency: int | None, rpm: float | None = None, tpm: float | None = None) -> None:
        self.most_in_flight = concurrency or FOUND_TO
        self._limit = float(concurrency or min(FOUND_FROM, FOUND_TO))
        self._n_in_flight = 0
        self._waiting: deque[tuple[asyncio.Future[Pass], float]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._is_stopped = False
        self._opened_at: float | None = None
        self._held_until = -math.inf
        self._requests, self._tokens = Pace(rpm and rpm / 60), Pace(tpm and tpm / 60)
        self._told_requests, self._told_tokens = Pace(), Pace()
        self._learnt = LearntPace()
        self._latency = LatencyWatch()
        self._latency_s: float | None = None

    async def enter(self, n_tokens: float) -> Pass:
        """Wait until a request of so many tokens may be sent.

        Raises:
            StoppedError: The run ends.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self._waiting and not self._is_stopped and self._wait_s(now) <= 0:
            return self._let_through(now, n_tokens)
        place: asyncio.Future[Pass] = loop.create_future()
        self._waiting.append((place, n_tokens))
        self._open(loop)
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self.leave(place.result(), 0)
            raise

    def leave(self, taken: Pass, n_tokens_used: int | None = None) -> None:
        """A request has ended; reserved tokens that it did not use are given back.

        Args:
            taken: What ``enter`` gave.
            n_tokens_used: By the endpoint's own count; None where it says nothing.
        """
        loop = asyncio.get_running_loop()
        self._n_in_flight -= 1
        if n_tokens_used is not None:
            for pace in (self._tokens, self._told_tokens):
                pace.take(loop.time(), n_tokens_used - taken.n_tokens)
        if self._waiting:
            self._open(loop)

    def answered(self, taken: Pass) -> None:
        """Hear of an answer: while latency holds, more may be in flight."""
        now = asyncio.get_running_loop().time()
        latency_s = now - taken.sent_at
        self._latency_s = latency_s + 0.95 * ((self._latency_s or latency_s) - latency_s)
        if self._limit >= self.most_in_flight:
            return
        is_full = self._n_in_flight >= int(self._limit)
        limit = self._latency.limit_after(latency_s, taken.sent_at, now, self._limit, is_full)
        self._limit = min(limit, self.most_in_flight)

    def refused(self, taken: Pass, retry_after_s: float | None) -> None:
        """Hear of a refusal for want of capacity: a rare one is its own request's, frequent ones slow down all."""
        now = asyncio.get_running_loop().time()
        if not self._learnt.is_slowed_by(taken.sent_at, now, retry_after_s or 0.0):
            return
        self._held_until = max(self._held_until, self._learnt.grows_from)
        if self._latency_s is not None:
            needed = HEADROOM * (self._learnt.pace(now).per_s or math.inf) * self._latency_s  # Little's law
            self._limit = max(min(MIN_IN_FLIGHT, self.most_in_flight), min(self._limit, needed))
            self._latency.begin(now)

    def heed(self, headers: Mapping[str, str], taken: Pass) -> None:
        """Read what the endpoint says of its limits, as it stood when the request was sent.

        ``x-ratelimit-{limit,remaining,reset}-{requests,tokens}``, as OpenAI documents them: a bucket of
        ``limit`` units, full again after ``reset``. Below a tenth the bucket is drawn on no faster than it
        fills; at nothing, requests wait for the reset, which is right for fixed windows too.
        """
        if "x-ratelimit-remaining-requests" not in headers and "x-ratelimit-remaining-tokens" not in headers:
            return
        for kind, pace, least in (
            ("requests", self._told_requests, 1.0),
            ("tokens", self._told_tokens, taken.n_tokens),
        ):
            limit = _number(headers.get(f"x-ratelimit-limit-{kind}"))
            remaining = _number(headers.get(f"x-ratelimit-remaining-{kind}"))
            reset_s = _duration_s(headers.get(f"x-ratelimit-reset-{kind}"))
            if remaining is None or reset_s is None:
                continue
            if remaining < least:
                self._held_until = max(self._held_until, taken.sent_at + min(reset_s, MAX_HOLD_S))
            is_low = limit is not None and remaining < limit / 10 and reset_s > 0
            pace.per_s = (limit - remaining) / reset_s if is_low and limit is not None else None

    def stop(self) -> None:
        """Let nobody through any more."""
        self._is_stopped = True
        while self._waiting:
            place, _ = self._waiting.popleft()
            if not place.done():
                place.set_exception(StoppedError())

    def _wait_s(self, now: float) -> float:
        """Seconds until the next request may go; infinite when one in flight has to end first."""
        if self._opened_at is None:
            self._opened_at = now
        limit = min(self._limit, FIRST_IN_FLIGHT * 2 ** min(10.0, (now - self._opened_at) / RAMP_S))
        if self._n_in_flight >= int(limit):
            return math.inf if limit >= self._limit else RAMP_S / 8
        paces = (self._requests, self._tokens, self._told_requests, self._told_tokens, self._learnt.pace(now))
        return max(self._held_until - now, *(pace.wait_s(now) for pace in paces))

    def _let_through(self, now: float, n_tokens: float) -> Pass:
        self._n_in_flight += 1
        self._learnt.count_sent(now)
        for pace in (self._requests, self._told_requests, self._learnt.pace(now)):
            pace.take(now, 1)
        for pace in (self._tokens, self._told_tokens):
            pace.take(now, n_tokens)
        return Pass(now, n_tokens)

    def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let through whoever may go, and come back when the next one may."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._is_stopped:
            self.stop()
        while self._waiting:
            place, n_tokens = self._waiting[0]
            if place.done():  # cancelled
                self._waiting.popleft()
                continue
            now = loop.time()
            wait_s = self._wait_s(now)
            if wait_s > 0:
                if wait_s < math.inf:
                    self._timer = loop.call_later(wait_s, self._open, loop)
                return
            self._waiting.popleft()
            place.set_result(self._let_through(now, n_tokens))


class LatencyWatch:
    """Finds how many requests in flight the endpoint bears: doubles them while latency holds.

    By Little's law throughput is requests in flight over latency, so a doubling that costs twice the
    latency gains nothing.
    """

    def __init__(self) -> None:
        self._begun_at = -math.inf
        self._n = 0
        self._sum_s = 0.0
        self._before_s: float | None = None
        self._most = math.inf
        self._n_quiet = 0

    def begin(self, now: float) -> None:
        """Measure afresh, after the number in flight has changed."""
        self._begun_at, self._n, self._sum_s = now, 0, 0.0

    def limit_after(self, latency_s: float, sent_at: float, now: float, limit: float, is_full: bool) -> float:
        """Give the next number in flight after an answer that was sent at ``sent_at``."""
        if sent_at < self._begun_at or not is_full:
            return limit
        self._n += 1
        self._sum_s += latency_s
        if self._n < limit:
            return limit
        mean_s = self._sum_s / self._n
        self.begin(now)
        if self._before_s is not None and mean_s > LATENCY_HOLDS * self._before_s:
            self._most, self._n_quiet = limit / 2, 0
            return self._most
        self._before_s = mean_s
        self._n_quiet += 1
        if self._n_quiet >= TRIED_AGAIN_AFTER:
            self._most = math.inf
        return min(2 * limit, self._most)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _duration_s(text: str | None) -> float | None:
    """Seconds of ``6m0s``, ``120ms``, ``1.5`` or of a time since the epoch."""
    value = _number(text)
    if value is not None:
        return max(0.0, value - time.time() if value > 1e9 else value)
    parts = _DURATION.findall(text or "")
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
