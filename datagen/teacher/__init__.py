"""Who writes the replies: one protocol, the embedded template teacher, and any OpenAI-compatible endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from datagen.config import PLUGGED, Settings
from datagen.endpoint.error_translation import StoppedError
from datagen.errors import TeacherError
from datagen.records import Reply, Request
from datagen.teacher.paid import PaidError

if TYPE_CHECKING:
    from datagen.endpoint.budget import Budget

__all__ = ["PaidError", "StoppedError", "Teacher", "open_teacher"]


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
            TeacherError: No request can succeed; the run stops with this sentence. ``PaidError`` brings a bill.
            StoppedError: ``stop`` was called before there was an answer.
        """
        ...

    def stop(self) -> None:
        """Send nothing further; what is in flight may end."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


def open_teacher(settings: Settings, budget: Budget | None = None) -> Teacher:
    """Make the teacher that the settings name.

    Args:
        settings: Of the run.
        budget: Of the run, which counts what was spent already; None sets no bound.

    Raises:
        TeacherError: The endpoint's key is missing.
        SettingsError: There is a budget but no price.
    """
    if settings.teacher.name == "template":
        from datagen.teacher.template import TemplateTeacher

        return TemplateTeacher(settings.rng_seed)
    if settings.teacher.name.startswith(PLUGGED):
        raise TeacherError(
            f"The teacher of this run is {settings.teacher.name.removeprefix(PLUGGED)}, in Python; start it again from "
            "the program that gives it to datagen.run(..., teacher=...)."
        )
    from datagen.teacher.chat import ChatTeacher

    return ChatTeacher(settings.teacher, budget=budget)
