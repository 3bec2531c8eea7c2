"""What every teacher can do: answer one request at a time, many at once."""

from __future__ import annotations

from typing import Protocol

from datagen.config import Settings
from datagen.records import Reply, Request


class StoppedError(Exception):
    """The request was not sent, or not sent again, because the run ends."""


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


def open_teacher(settings: Settings, spent_usd: float = 0.0) -> Teacher:
    """Make the teacher that the settings name.

    Args:
        settings: Of the run.
        spent_usd: What its replies cost so far; counts against the budget.

    Raises:
        TeacherError: The endpoint's key is missing.
        SettingsError: There is a budget but no price.
    """
    if settings.teacher.name == "template":
        from datagen.teacher.template import TemplateTeacher

        return TemplateTeacher(settings.rng_seed)
    from datagen.teacher.endpoint import EndpointTeacher

    if settings.teacher.budget_usd is None:
        return EndpointTeacher(settings.teacher)
    from datagen.teacher.budget import Budget

    return EndpointTeacher(settings.teacher, budget=Budget(settings.teacher, spent_usd))
