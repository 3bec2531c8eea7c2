"""What every teacher can do: answer one request at a time, many at once."""

from __future__ import annotations

from typing import Protocol

from datagen.config import Settings
from datagen.records import Reply, Request


class Teacher(Protocol):
    """Writes the reply to a request.

    A request that fails for good comes back as a ``Reply`` with ``error`` set; only what makes
    every further request useless (bad key, unknown model) raises.
    """

    name: str

    async def answer(self, request: Request) -> Reply:
        """Answer one request.

        Raises:
            TeacherError: No request can succeed; the run stops with this sentence.
        """
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


def open_teacher(settings: Settings) -> Teacher:
    """Make the teacher that the settings name.

    Raises:
        TeacherError: The endpoint's key is missing.
    """
    if settings.teacher.name == "template":
        from datagen.teacher.template import TemplateTeacher

        return TemplateTeacher(settings.rng_seed)
    from datagen.teacher.endpoint import EndpointTeacher

    return EndpointTeacher(settings.teacher)
