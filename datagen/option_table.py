"""The options that stand for settings, and what a sentence calls a setting: by its option, or in Python by its name.

Sentences about a run name options, as most are read at a terminal; ``told_in_python`` puts the dotted names of the
settings in their place for whoever called a function.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple, ParamSpec, TypeVar

from datagen.errors import DatagenError

Params = ParamSpec("Params")
Given = TypeVar("Given")


class OptionRow(NamedTuple):
    """An option that stands for a setting.

    Attributes:
        name: As a parameter, such as ``budget_usd`` for ``--budget-usd``.
        setting: Its dotted name.
        takes: What ``--help`` shows for a text, such as ``FILE``.
        repeats: It is given once for each item of a list; otherwise commas part them.
    """

    name: str
    setting: str
    takes: str | None = None
    repeats: bool = False

    @property
    def flag(self) -> str:
        """As it is typed."""
        return f"--{self.name.replace('_', '-')}"


OPTIONS = (
    OptionRow("captions", "corpus.captions", "FILE", repeats=True),
    OptionRow("instances", "corpus.instances", "FILE", repeats=True),
    OptionRow("corpus", "corpus.path", "FILE"),
    OptionRow("images", "corpus.images", "FOLDER"),
    OptionRow("types", "types", "TYPE,TYPE"),
    OptionRow("recipes_dir", "recipes_dir", "FOLDER"),
    OptionRow("words", "checks.words", "FILE"),
    OptionRow("context", "context.style"),
    OptionRow("limit", "corpus.limit"),
    OptionRow("rng_seed", "rng_seed"),
    OptionRow("teacher", "teacher.name", "NAME"),
    OptionRow("base_url", "teacher.base_url", "URL"),
    OptionRow("concurrency", "teacher.concurrency"),
    OptionRow("rpm", "teacher.rpm"),
    OptionRow("tpm", "teacher.tpm"),
    OptionRow("budget_usd", "teacher.budget_usd"),
    OptionRow("prices", "teacher.prices", "FILE"),
    OptionRow("batch", "teacher.batch"),
    OptionRow("judge", "checks.judge.model", "MODEL"),
    OptionRow("validator", "validator.name", "NAME"),
    OptionRow("device", "validator.device", "DEVICE"),
    OptionRow("precision", "validator.precision"),
    OptionRow("alpha", "validator.alpha"),
    OptionRow("trust_remote_code", "validator.trust_remote_code"),
    OptionRow("max_failed", "max_failed"),
    OptionRow("workers", "workers"),
    OptionRow("engine", "engine"),
    OptionRow("ray_address", "ray.address", "HOST:PORT"),
    OptionRow("ray_workers", "ray.workers"),
    OptionRow("ray_validators", "ray.validators"),
    OptionRow("results", "results", "URI"),
)
"""Every option that stands for a setting, in the order in which ``--help`` shows them."""
ROW_OF = {row.name: row for row in OPTIONS}

BY_SETTING = {row.setting: row for row in OPTIONS}

_ARGUMENTS = {"--change": "change=True", "--shard": "shard", "--out": "out"}
"""Options that stand for no setting, as ``datagen.run`` has them."""
_OPTION = re.compile(r"(?<![\w/-])--[a-z][a-z-]*[a-z](?![\w-])")
_at_terminal: ContextVar[bool] = ContextVar("at_terminal", default=False)


def name_for_user(setting: str) -> str:
    """What one types to give a setting: its option, or ``--set`` with its name."""
    row = BY_SETTING.get(setting)
    return f"--set {setting}" if row is None else row.flag


def in_python(sentence: str) -> str:
    """A sentence with the names of settings and arguments in place of options."""
    names = {row.flag: row.setting for row in OPTIONS} | _ARGUMENTS
    told = _OPTION.sub(lambda found: names.get(found[0], found[0]), sentence)
    return re.sub(r"(?<![\w/-])--set (?=[a-z])", "", told)


@contextmanager
def at_terminal() -> Iterator[None]:
    """Leave the options in sentences: a command is what was called."""
    before = _at_terminal.set(True)
    try:
        yield
    finally:
        _at_terminal.reset(before)


def told_in_python(function: Callable[Params, Given]) -> Callable[Params, Given]:
    """Have a function of the Python interface say settings where its errors say options."""

    @functools.wraps(function)
    def called(*args: Params.args, **kwargs: Params.kwargs) -> Given:
        try:
            return function(*args, **kwargs)
        except DatagenError as error:
            if not _at_terminal.get():
                error.args = tuple(in_python(str(one)) for one in error.args)
            raise
        except KeyboardInterrupt as stopped:  # without the frames in between, so that its sentence is seen
            raise KeyboardInterrupt(*stopped.args) from None

    return called
