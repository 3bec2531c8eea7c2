"""Sends planned requests to the teacher, many at once, and stores each reply before it counts."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from datagen.errors import RunError
from datagen.records import Reply, Request
from datagen.store import ReplyStore
from datagen.store.append_log import SYNC_INTERVAL_S
from datagen.teacher import StoppedError, Teacher


class Watcher(Protocol):
    """Looks at replies as they come; see ``first_replies.FirstReplies``."""

    async def admit(self, response_type: str) -> None:
        """Wait until a request of a response type may be sent."""

    def hear(self, reply: Reply) -> None:
        """Hear a stored reply; a ``TeacherError`` ends the asking."""

    def stop(self) -> None:
        """Let nobody wait any longer."""


async def ask_all(
    requests: Iterator[Request],
    teacher: Teacher,
    store: ReplyStore,
    on_reply: Callable[[Request, Reply], None],
    first: Watcher | None = None,
) -> None:
    """Keep as many requests in flight as the teacher takes, until none is left, with no barrier between them.

    ``first`` holds back requests of a response type until one of its replies is of use, and hears each reply.

    When the teacher fails for good, no further request is sent, those in flight are waited for
    and stored (they are paid for), and then the error is raised.

    Raises:
        TeacherError: No request can succeed.
        RunError: A reply could not be stored.
    """
    failures: list[Exception] = []

    async def work() -> None:
        try:
            for request in requests:
                if first is not None:
                    await first.admit(request.response_type)
                if failures:
                    return
                reply = await teacher.answer(request)
                store.add(reply)
                on_reply(request, reply)
                if first is not None:
                    first.hear(reply)
                await asyncio.sleep(0)  # the embedded teacher never waits; without this Ctrl-C goes unheard
        except StoppedError:
            pass
        except Exception as error:  # raised at the end; others in flight must not be cancelled for it
            fail(error)

    def fail(error: Exception) -> None:
        failures.append(error)
        teacher.stop()
        if first is not None:
            first.stop()

    async def sync_now_and_then() -> None:
        try:
            while True:
                await asyncio.sleep(SYNC_INTERVAL_S / 2)
                await asyncio.to_thread(store.log.sync)  # a slow disk must not keep the endpoint waiting
        except RunError as error:
            fail(error)

    syncing = asyncio.create_task(sync_now_and_then())
    try:
        with _rare_collections():
            await asyncio.gather(*(work() for _ in range(teacher.n_at_once)))
    finally:
        syncing.cancel()
        await teacher.close()
        store.log.sync()
    if failures:
        raise failures[0]


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for reference cycles more rarely: by default this takes a fifth of the CPU of asking, and finds none."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
