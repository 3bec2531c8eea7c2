"""A teacher that is a Python function: from a request to the text of its reply."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

from datagen.endpoint.error_translation import StoppedError
from datagen.errors import TeacherError, told_raised
from datagen.records import Reply, Request

Answer = str | Reply | Awaitable[str] | Awaitable[Reply]
"""What a teacher's function gives: the reply's text, or a whole ``Reply`` for one that knows its tokens and cost."""


class FunctionTeacher:
    """Asks a function; a coroutine function is awaited, any other runs in a thread, so that it may wait for a network.

    Args:
        function: Gives the text of a reply. What it raises costs its own request, which a resumed run asks again;
            ``datagen.TeacherError`` stops the run.
        name: Told in ``run.yaml`` and in every reply; part of the request digest, so another name asks again.
        n_at_once: Requests handed over at once; None is one, as a function that is not written for threads needs it,
            or sixteen for a coroutine function.
    """

    def __init__(self, function: Callable[[Request], Answer], name: str, n_at_once: int | None = None) -> None:
        self._function = function
        self._is_coroutine = inspect.iscoroutinefunction(function)
        self.name = name
        self.n_at_once = n_at_once or (16 if self._is_coroutine else 1)
        self._is_stopped = False

    async def answer(self, request: Request) -> Reply:
        """Ask the function once.

        Raises:
            TeacherError: The function raised it.
            StoppedError: ``stop`` was called before.
        """
        if self._is_stopped:
            raise StoppedError
        began = time.monotonic()
        try:
            given = self._function(request) if self._is_coroutine else await asyncio.to_thread(self._function, request)
            answer = await given if inspect.isawaitable(given) else given
        except TeacherError:
            raise
        except Exception as error:  # the function is the user's: what it raises is this record's failure
            told = told_raised(self.name, self._function, error)
            return self._reply(request, "", began, error="teacher_raised", detail=told)
        if isinstance(answer, Reply):
            return answer
        if not isinstance(answer, str):
            told = f"{self.name} gave {type(answer).__name__}, expected the reply's text"
            return self._reply(request, "", began, error="teacher_raised", detail=told)
        return self._reply(request, answer, began)

    def _reply(
        self, request: Request, text: str, began: float, error: str | None = None, detail: str | None = None
    ) -> Reply:
        return Reply(
            request_digest=request.digest,
            image_id=request.image.image_id,
            response_type=request.response_type,
            teacher=self.name,
            text=text,
            finish_reason=None if error else "stop",
            latency_s=round(time.monotonic() - began, 3),
            at=time.time(),
            error=error,
            detail=detail,
            is_final=error is None,
        )

    def stop(self) -> None:
        """Ask nothing further."""
        self._is_stopped = True

    async def close(self) -> None:
        """Hold nothing, so there is nothing to give back."""
