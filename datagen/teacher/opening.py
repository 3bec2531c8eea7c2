"""Settings come in; the teacher that they name comes out."""

from __future__ import annotations

from datagen.config import PLUGGED, Settings
from datagen.errors import TeacherError
from datagen.teacher.protocol import Teacher


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
    if settings.teacher.name.startswith(PLUGGED):
        raise TeacherError(
            f"The teacher of this run is {settings.teacher.name.removeprefix(PLUGGED)}, in Python; start it again from "
            "the program that gives it to datagen.run(..., teacher=...)."
        )
    from datagen.teacher.endpoint import EndpointTeacher

    if settings.teacher.budget_usd is None:
        return EndpointTeacher(settings.teacher)
    from datagen.teacher.budget import Budget

    return EndpointTeacher(settings.teacher, budget=Budget(settings.teacher, spent_usd))
