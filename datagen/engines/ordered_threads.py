"""Runs pieces of work in threads, a bounded number ahead, and gives their results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_order(
    work: Callable[[Item], Iterable[Result]], items: Iterable[Item], n_at_once: int
) -> Iterator[tuple[Item, Iterable[Result]]]:
    """Work on so many items at once, no further ahead than that.

    Args:
        work: For several at once it runs in threads, so it should mostly wait.
        items: Read as they are needed, in the caller's thread.
        n_at_once: 1 does all in the caller's thread, a result at a time.

    Yields:
        Each item with its results, in the order of the items.
    """
    if n_at_once <= 1:
        for item in items:
            yield item, work(item)
        return

    def work_off(item: Item) -> list[Result]:
        return list(work(item))

    ahead: deque[tuple[Item, Future[list[Result]]]] = deque()
    pool = ThreadPoolExecutor(n_at_once)
    try:
        for item in items:
            ahead.append((item, pool.submit(work_off, item)))
            if len(ahead) > n_at_once:
                first, future = ahead.popleft()
                yield first, future.result()
        while ahead:
            first, future = ahead.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)
