"""The circuit breaker: an endpoint that was never understood, or fails again and again, is asked one thing at a time.

A wrong address or a broken server answers a thousand requests as badly as one, and an endpoint whose first bill is not
known may bill a thousand times what was thought. So one call goes first, and the others follow once its answer was
understood; where a few calls in turn are given up, the rest is never sent.
"""

from __future__ import annotations

import asyncio

from datagen.endpoint.error_translation import StoppedError

FAILED_IN_A_ROW = 20  # tries, of a server that was well before
GIVEN_UP_ALONE = 3  # calls one after the other, each tried several times
GIVEN_UP_IN_A_ROW = 20  # calls, where the circuit stayed closed: the endpoint asks for a pace that nothing satisfies


class CircuitBreaker:
    """Decides which call may be tried now, and when the endpoint is given up; all on one event loop.

    Attributes:
        is_closed: All may ask; while it is open, one call may.
        has_understood: Whether any answer ever was.
        n_given_up: Calls in a row.
    """

    def __init__(self) -> None:
        self.is_closed = self.has_understood = False
        self.n_given_up = 0
        self._n_failed = 0
        self._alone: object | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._is_stopped = False

    @property
    def is_given_up(self) -> bool:
        """Whether the endpoint is not worth another request."""
        return self.n_given_up >= (GIVEN_UP_IN_A_ROW if self.is_closed else GIVEN_UP_ALONE)

    def lets(self, call: object) -> bool:
        """Whether a call may be tried now; where only one may, it keeps its turn until it leaves."""
        if not self.is_closed and self._alone is None:
            self._alone = call
        return self.is_closed or self._alone is call

    async def enter(self, call: object) -> None:
        """Wait until a call may be tried.

        Raises:
            StoppedError: The run ends.
        """
        while not self._is_stopped and not self.lets(call):
            place = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            await place
        if self._is_stopped:
            raise StoppedError

    def leave(self, call: object) -> None:
        """A call has ended, whatever became of it."""
        if self._alone is call:
            self._alone = None
            self._wake()

    def understood(self) -> None:
        """Hear of an answer that makes sense: everybody may ask."""
        self._n_failed = self.n_given_up = 0
        if not self.is_closed:
            self.is_closed = self.has_understood = True
            self._alone = None
            self._wake()

    def failed(self) -> None:
        """Hear of a try that brought nothing, and not for want of capacity."""
        self._n_failed += 1
        if self._n_failed >= FAILED_IN_A_ROW:
            self.is_closed = False

    def gave_up(self) -> None:
        """Hear of a call that used up its tries."""
        self.n_given_up += 1

    def stop(self) -> None:
        """Let nobody wait any longer."""
        self._is_stopped = True
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for place in waiting:
            if not place.done():
                place.set_result(None)
