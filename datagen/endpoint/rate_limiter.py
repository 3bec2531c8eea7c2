"""The rate limiter: decides when the next request may be sent, by what the endpoint bears.

Four limits stand together: requests in flight, the user's requests and tokens per minute, what the
endpoint says of its limits in ``x-ratelimit-*`` headers, and the pace at which it stopped refusing.

``Pace`` spreads requests evenly, ``LearntPace`` is what an endpoint's refusals teach.
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

SLACK_S = 0.02  # what a late timer may catch up
REFUSED_SHARE = 0.05  # refusals rarer than this concern their own requests, not the pace
SIGMAS = 3.0  # by which refusals must exceed that share before they count as frequent
MIN_REFUSALS = 3
MOSTLY_REFUSED = 0.5  # then all wait for as long as the endpoint asks
MAX_PAUSE_S = 600.0

WINDOW_S = 1.0
MIN_ACCEPTED = 5  # in half a window, before it counts as measured
FIRST_PACE = 8.0  # requests per second, after a refusal before anything is known
BACK_OFF = 0.95  # of the pace at which the endpoint accepted
RECOVERY_S = 3.0  # until the pace is where it was refused; it grows slowly around that point, fast beyond it
RECOVERY_REQUESTS = 40  # or the time that so many take, if that is longer
MAX_IN_VAIN = 3  # lowerings without effect, after which refusals are borne


class Pace:
    """An even flow of units; a large request is let through at once and paid off afterwards.

    Args:
        per_s: Units per second; None lets everything through.
    """

    def __init__(self, per_s: float | None = None) -> None:
        self.per_s = per_s
        self._free_at = -math.inf

    def wait_s(self, now: float) -> float:
        """How long until the next request may go."""
        return 0.0 if self.per_s is None else max(0.0, self._free_at - now)

    def take(self, now: float, n_units: float) -> None:
        """Count units that go now; negative ones give back what was reserved in vain."""
        if self.per_s is not None:
            self._free_at = max(self._free_at, now - SLACK_S) + n_units / self.per_s


class LearntPace:
    """The pace that the endpoint bears, learnt from its refusals.

    A request that was not refused was accepted, however long its answer takes: what was sent less what was refused,
    per second, is what the endpoint bears. After frequent refusals that pace is gone back to, and left
    again along a cubic (RFC 9438's idea: slow near the known limit, fast far from it). Refusals that do not
    become fewer when the pace is lowered do not depend on it, and are borne.
    """

    def __init__(self) -> None:
        self._n_sent = self._n_refused = 0.0
        self._since = -math.inf  # when counting began
        self._cut_at = self.grows_from = -math.inf
        self._pace = Pace()
        self._known: float | None = None  # requests per second that were accepted when it last refused
        self._is_guess = False
        self._tolerated = REFUSED_SHARE
        self._n_in_vain = 0
        self._share_before = self._accepted_before = 0.0

    def count_sent(self, now: float) -> None:
        """One more request goes out; what is long past is forgotten by halves."""
        if self._since == -math.inf:
            self._since = now
        if now - self._since > 2 * WINDOW_S and self._n_sent >= 40:
            self._since = now - (now - self._since) / 2
            self._n_sent, self._n_refused = self._n_sent / 2, self._n_refused / 2
        self._n_sent += 1

    def is_slowed_by(self, sent_at: float, now: float, retry_after_s: float) -> bool:
        """Count a refusal; True when it lowers the pace. Those sent before the last change say nothing of it."""
        if sent_at <= self._cut_at:
            return False
        self._n_refused += 1
        expected = self._tolerated * self._n_sent
        if self._n_refused < MIN_REFUSALS or self._n_refused <= expected + SIGMAS * math.sqrt(expected):
            return False
        share = self._n_refused / self._n_sent
        self._slow_down(now, share, retry_after_s)
        hold_s = min(retry_after_s, MAX_PAUSE_S) if share >= MOSTLY_REFUSED else 0.0
        self._cut_at, self.grows_from = now, now + hold_s
        self._since = self.grows_from
        self._n_sent = self._n_refused = 0.0
        return True

    def _slow_down(self, now: float, share: float, retry_after_s: float) -> None:
        elapsed_s, n_accepted = now - self._since, self._n_sent - self._n_refused
        self._is_guess = elapsed_s < WINDOW_S / 2 or n_accepted < MIN_ACCEPTED  # too early to have measured anything
        if not self._is_guess:
            accepted = n_accepted / elapsed_s
            is_in_vain = share > 0.7 * self._share_before and accepted < 0.93 * self._accepted_before
            self._n_in_vain = self._n_in_vain + 1 if is_in_vain else 0
            self._share_before, self._accepted_before = share, accepted
        if self._n_in_vain == MAX_IN_VAIN:
            self._tolerated, self._known, self._pace.per_s = min(0.5, 2 * share), None, None
            self._n_in_vain = 0
        elif not self._is_guess:
            self._known = accepted
        elif self._known is not None:
            self._known *= max(0.5, 1 - share)
        else:
            asked = 1 / retry_after_s if retry_after_s else 0.0
            self._known = max(FIRST_PACE, asked, n_accepted / max(elapsed_s, WINDOW_S / 2))

    def pace(self, now: float) -> Pace:
        """The pace as it is now."""
        if self._known is not None:
            past_s = max(0.0, now - self.grows_from)
            if self._is_guess:
                growth = 4 ** min(past_s * min(1.0, self._known / FIRST_PACE), 5.0) - 1
            else:
                growth = (1 - BACK_OFF) * (past_s / max(RECOVERY_S, RECOVERY_REQUESTS / self._known) - 1) ** 3
            self._pace.per_s = max(0.1, self._known * (1 + min(growth, 1000.0)))
        return self._pace


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

    @property
    def held_s(self) -> float:
        """Seconds until the next request may go, where the endpoint asked for a pause of all of them."""
        return max(0.0, self._held_until - asyncio.get_running_loop().time())

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
