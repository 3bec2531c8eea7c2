"""Who writes the replies: one protocol, the embedded template teacher, and any OpenAI-compatible endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datagen.config import PLUGGED, Settings
from datagen.endpoint.error_translation import StoppedError
from datagen.errors import TeacherError
from datagen.teacher.protocol import Teacher

if TYPE_CHECKING:
    from datagen.endpoint.budget import Budget

__all__ = ["StoppedError", "Teacher", "open_teacher"]


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
