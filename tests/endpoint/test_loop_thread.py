"""Coroutines run beside plain code: as many as are wanted, each given as it ends, none left behind."""

import asyncio
import gc
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from datagen.endpoint.loop_thread import LoopThread, run_to_end


async def give(value: int, gate: asyncio.Event | None = None) -> int:
    if gate is not None:
        await gate.wait()
    await asyncio.sleep(0)
    return value


def test_plain_code_gets_results_and_errors() -> None:
    async def fail() -> None:
        raise KeyError("odd")

    loop = LoopThread()
    assert loop.run(give(3)) == 3
    with pytest.raises(KeyError, match="odd"):
        loop.run(fail())


def test_no_more_are_under_way_than_asked_and_none_is_read_ahead() -> None:
    loop, started, n_read = LoopThread(), [], 0
    under_way = most = 0

    async def work(n: int) -> int:
        nonlocal under_way, most
        started.append(n)
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        return n

    def coroutines() -> Iterator[Coroutine[Any, Any, int]]:
        nonlocal n_read
        for n in range(20):
            n_read += 1
            yield work(n)

    given = []
    for future in loop.ended(coroutines(), 3):
        assert n_read <= len(given) + 4
        given.append(future.result())
    assert sorted(given) == list(range(20)) and most <= 3


def test_whatever_ends_first_is_given_first() -> None:
    loop = LoopThread()
    gate = asyncio.Event()

    async def open_gate() -> int:
        gate.set()
        return 2

    futures = loop.ended([give(1, gate), give(0), open_gate()], 3)
    assert {future.result() for future in futures} == {0, 1, 2}
    gate.clear()
    first = next(loop.ended([give(1, gate), give(0)], 2))
    assert first.result() == 0


def test_who_stops_listening_cancels_the_rest() -> None:
    loop, cancelled = LoopThread(), threading.Event()

    async def wait_for_ever() -> int:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return 0

    results = loop.ended([wait_for_ever(), give(1)], 2)
    assert next(results).result() == 1
    results.close()
    assert cancelled.wait(5)


def test_the_thread_ends_with_its_owner_and_closes_what_it_was_told_to() -> None:
    closed = threading.Event()

    async def close() -> None:
        closed.set()

    before = set(threading.enumerate())
    loop = LoopThread()
    loop.at_end(close)
    loop.run(give(1))
    (thread,) = set(threading.enumerate()) - before
    del loop
    assert closed.wait(5)
    thread.join(5)
    assert not thread.is_alive()


def test_without_work_there_is_no_thread() -> None:
    before = set(threading.enumerate())
    loop = LoopThread()
    assert set(threading.enumerate()) <= before
    del loop


def test_it_also_runs_where_an_event_loop_runs_already() -> None:
    done = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append("work")

    async def notebook() -> None:
        run_to_end(work())

    asyncio.run(notebook())
    run_to_end(work())
    assert done == ["work", "work"]


def test_an_interrupt_in_a_notebook_cancels_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import Future

    ended = []
    is_working, result = threading.Event(), Future.result

    async def work() -> None:
        is_working.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cleaned up")
            raise

    def interrupted(self: Future[None], timeout: float | None = None) -> None:
        if threading.current_thread() is not threading.main_thread():  # a loop of before that ends at some time
            return result(self, timeout)
        is_working.wait()
        raise KeyboardInterrupt

    async def notebook() -> None:
        run_to_end(work())

    gc.collect()  # a loop that an earlier test left in a cycle ends by Future.result in this thread, too
    monkeypatch.setattr(Future, "result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(notebook())
    assert ended == ["cleaned up"]
