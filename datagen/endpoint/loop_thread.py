"""Coroutines run from plain code, in a notebook too: to their end, or many of them in a thread of their own."""

from __future__ import annotations

import asyncio
import queue
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

FAREWELL_S = 5.0  # for closing connections; nothing is lost where that fails

Result = TypeVar("Result")


class LoopThread:
    """Runs coroutines for whoever is no coroutine; its thread starts with the first and ends with this object."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._at_end: list[Callable[[], Awaitable[None]]] = []

    def at_end(self, close: Callable[[], Awaitable[None]]) -> None:
        """Have something closed on the loop before it ends; it must not refer to this object."""
        self._at_end.append(close)

    def submit(self, coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Start a coroutine."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            thread = threading.Thread(target=self._loop.run_forever, name="endpoint", daemon=True)
            thread.start()
            weakref.finalize(self, _end, self._loop, thread, self._at_end)
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine to its end; an interrupt cancels it."""
        future = self.submit(coroutine)
        try:
            return future.result()
        finally:
            future.cancel()

    def call(self, function: Callable[[], None]) -> None:
        """Have a plain function called on the loop."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(function)

    def ended(
        self, work: Iterable[Coroutine[Any, Any, Result]], n_at_once: int
    ) -> Generator[Future[Result], None, None]:
        """Keep so many coroutines under way, and give each as it ends, whichever is first.

        Args:
            work: Read in the caller's thread, no further ahead than that.
            n_at_once: How many are under way.
        """
        ended: queue.SimpleQueue[Future[Result]] = queue.SimpleQueue()
        under_way: set[Future[Result]] = set()
        try:
            for coroutine in work:
                future = self.submit(coroutine)
                under_way.add(future)
                future.add_done_callback(ended.put)
                while len(under_way) >= n_at_once or not ended.empty():
                    under_way.remove(one := ended.get())
                    yield one
            while under_way:
                under_way.remove(one := ended.get())
                yield one
        finally:
            for future in under_way:
                future.cancel()


def _end(
    loop: asyncio.AbstractEventLoop, thread: threading.Thread, at_end: Iterable[Callable[[], Awaitable[None]]]
) -> None:
    async def close() -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        for one in at_end:
            await one()

    with suppress(Exception):
        asyncio.run_coroutine_threadsafe(close(), loop).result(FAREWELL_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(FAREWELL_S)
    loop.close()


def run_to_end(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine from plain code, also where an event loop runs already, as in a notebook.

    An interrupt cancels it, so that its clean-up still happens.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(coroutine)
        return
    started: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        started.append((asyncio.get_running_loop(), task))
        await coroutine

    with ThreadPoolExecutor(max_workers=1) as beside:
        ended = beside.submit(asyncio.run, main())
        try:
            ended.result()
        except KeyboardInterrupt:
            for loop, task in started:
                loop.call_soon_threadsafe(task.cancel)
            raise
