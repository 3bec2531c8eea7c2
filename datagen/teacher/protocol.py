"""What every teacher can do: answer one request at a time, many at once."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from datagen.records import Reply, Request


@runtime_checkable
class Teacher(Protocol):
    """Writes the reply to a request.

    A request that fails for good comes back as a ``Reply`` with ``error`` set; only what makes
    every further request useless (bad key, unknown model) raises.

    Attributes:
        n_at_once: How many requests are worth handing over at once; more would only wait.
    """

    name: str
    n_at_once: int

    async def answer(self, request: Request) -> Reply:
        """Answer one request.

        Raises:
            TeacherError: No request can succeed; the run stops with this sentence.
            StoppedError: ``stop`` was called before there was an answer.
        """
        ...

    def stop(self) -> None:
        """Send nothing further; what is in flight may end."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...
