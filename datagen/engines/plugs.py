"""Plug arguments: Python objects that take the place of the teacher, validator or corpus that settings name.

``run.yaml`` can hold no Python object, only its name: ``python:NAME`` stands where a setting names what was plugged in.
So a run folder still tells what made it, the same program resumes it, and whoever starts it without the object is told
which one is missing.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

from msgspec import Struct

from datagen.checks import Check
from datagen.config import PLUGGED, Settings
from datagen.corpus import Source
from datagen.errors import DatagenError, RunError, SettingsError, ValidatorError, told_raised
from datagen.export import Form
from datagen.records import Request, Sample
from datagen.teacher import Teacher
from datagen.teacher.function import Answer, FunctionTeacher
from datagen.validator import Validator

_log = logging.getLogger(__name__)


class Plugs(Struct, frozen=True):
    """The Python objects of one run.

    Attributes:
        teacher: Writes the replies: a ``Teacher``, or a function from a request to the text of its reply.
        validator: Looks at the pixels.
        source: Gives the annotated images.
        checks: Look at each turn after datagen's own checks; a check's name is the reason of what it drops.
        writers: Export forms by name, each written into the run folder when the run is finished.
    """

    teacher: Teacher | Callable[[Request], Answer] | None = None
    validator: Validator | None = None
    source: Source | None = None
    checks: tuple[Check, ...] = ()
    writers: Mapping[str, Form] = {}


NO_PLUGS = Plugs()


def listed(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Take checks as they were given.

    Raises:
        SettingsError: One function stands where a list of them should.
    """
    if callable(checks):
        raise SettingsError("checks: expected a list of functions; put the one that was given into brackets.")
    return tuple(checks)


def settings_of(plugs: Plugs) -> dict[str, Any]:
    """What settings say of that which was plugged in, by name, under dotted keys; ``run.yaml`` tells it.

    Raises:
        SettingsError: One is not what it should be, or two checks share a name.
    """
    _require_shapes(plugs)
    told: dict[str, Any] = {}
    names = [check.__name__ for check in plugs.checks]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SettingsError(f"checks: two are called '{twice}', which is the reason of what both drop; rename one.")
    if names:
        told["python_checks"] = names
    if plugs.teacher is not None:
        told["teacher.name"] = PLUGGED + _name_of(plugs.teacher)
    if plugs.validator is not None:
        told["validator.name"] = PLUGGED + plugs.validator.identity
    if plugs.source is not None:
        told["corpus.source"] = PLUGGED + _name_of(plugs.source)
    return told


_VALIDATOR = ("identity", "abilities", "n_readers", "look_over", "score")
_SOURCE = ("name", "pictures", "is_exhaustive", "identity", "describe", "digest", "stamp", "load")


def _require_shapes(plugs: Plugs) -> None:
    """Refuse at once what would otherwise fail deep inside a run, perhaps after it was paid for."""
    for what, given, setting in (
        ("teacher", plugs.teacher, "teacher.name"),
        ("validator", plugs.validator, "validator.name"),
        ("source", plugs.source, "corpus.path"),
    ):
        if isinstance(given, str):
            raise SettingsError(f"{what}: a Python object is meant here; a name stands in the settings, as {setting}.")
    teacher = plugs.teacher
    if teacher is not None and (isinstance(teacher, type) or not (isinstance(teacher, Teacher) or callable(teacher))):
        raise SettingsError("teacher: expected a function from a request to its reply's text, or a datagen.Teacher.")
    for what, given, names in (("validator", plugs.validator, _VALIDATOR), ("source", plugs.source, _SOURCE)):
        missing = [name for name in names if not hasattr(given, name)]
        if given is not None and (missing or isinstance(given, type)):
            lacks = "is a class; make one of it" if isinstance(given, type) else f"lacks {', '.join(missing)}"
            raise SettingsError(f"{what}: {_name_of(given)} {lacks}; see datagen.{what.title()}.")
    for check in plugs.checks:
        if not hasattr(check, "__name__") or inspect.iscoroutinefunction(check):
            raise SettingsError(f"checks: {check!r} is no plain function; write one with 'def' that calls it.")
    if not isinstance(plugs.writers, Mapping):
        raise SettingsError("writers: expected a mapping from names to writers, such as {'table': CsvTable}.")
    require_folder_names(plugs.writers)
    for name, form in plugs.writers.items():
        require_form(name, form)


def require_folder_names(names: Iterable[str]) -> None:
    """Refuse names under which a folder inside another cannot be made.

    Raises:
        SettingsError: Names the first.
    """
    for name in names:
        is_name = isinstance(name, str) and name not in ("", "..") and "\0" not in name
        if not is_name or PurePath(name).name != name:
            raise SettingsError(f"writers: {name!r} is no name for a folder; use letters, digits and dashes.")


def require_form(name: str, form: object) -> None:
    """Refuse what is no export form.

    Raises:
        SettingsError: Tells what is missing.
    """
    if isinstance(form, type):
        missing = [part for part in ("has_pixels", "add", "close") if not hasattr(form, part)]
    else:
        missing = [] if callable(form) else ["__call__"]
    if missing:
        raise SettingsError(f"writers: {name} lacks {', '.join(missing)}; see datagen.Writer.")


def require_plugs(settings: Settings, plugs: Plugs) -> None:
    """Refuse to go on with a run whose Python checks are not at hand; what it accepted would change in silence.

    Raises:
        SettingsError: Names the checks.
    """
    given = {check.__name__ for check in plugs.checks}
    missing = [name for name in settings.python_checks if name not in given]
    if missing:
        raise SettingsError(
            f"This run was made with checks in Python ({', '.join(missing)}); start it again from the program that "
            "gives them to datagen.run(..., checks=[...])."
        )


def plugged_teacher(settings: Settings, plugs: Plugs) -> Teacher | None:
    """The teacher that was plugged in, if one was; a plain function is made one."""
    if plugs.teacher is None or isinstance(plugs.teacher, Teacher):
        return plugs.teacher
    return FunctionTeacher(plugs.teacher, settings.teacher.name, settings.teacher.concurrency)


@contextmanager
def telling_what_it_raised(name: str) -> Iterator[None]:
    """Make one sentence of what a plugged-in validator raises; the traceback stays with it as its cause.

    Args:
        name: Of the validator, as the settings have it; what another validator raises passes as it is.

    Raises:
        ValidatorError: The validator raised something else.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, DatagenError) or not name.startswith(PLUGGED):
            raise
        raise ValidatorError(f"{told_raised(name, None, error)}; mend it and resume.") from error


class Raised:
    """Tells once what a teacher or a check in Python raised, and stops the run where a check does nothing else.

    Teachers are stopped by ``FirstReplies``.

    Args:
        most: Samples of which the first check so many may raise about before one passes; None is any number.
    """

    def __init__(self, most: int | None) -> None:
        self._most, self._n, self._has_passed, self._is_told = most, 0, False, False

    def tell(self, detail: str | None) -> None:
        """Tell of the first; a log reaches also those who hear of no progress."""
        if not self._is_told:
            self._is_told = True
            _log.warning("%s; this costs what it was asked about. It is told once, the summary has the count.", detail)

    def watch(self, samples: Iterator[Sample]) -> Iterator[Sample]:
        """Pass samples on.

        Raises:
            RunError: A check raised about each of the first.
        """
        for sample in samples:
            fallen = [(one.reason, one.detail) for one in sample.cuts] + [(sample.reason, sample.detail or "")]
            details = [
                told.partition(": ")[2] for reason, told in fallen if reason == "check_raised"
            ]  # without its turn
            if details:
                self.tell(details[0])
                self._n += 1
            self._has_passed = self._has_passed or sample.status == "accepted"
            if not self._has_passed and self._most is not None and self._n >= self._most:
                raise RunError(
                    f"{details[0]}, as about each of the first {self._n} samples that were checked, so the run stops. "
                    "Mend it, then start the program again: it goes on where it stopped. "
                    "--set max_unreadable=null goes on all the same."
                )
            yield sample


def _name_of(given: object) -> str:
    return str(getattr(given, "name", None) or getattr(given, "__name__", None) or type(given).__name__)
