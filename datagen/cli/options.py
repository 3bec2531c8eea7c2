"""What the commands may be given: options that stand for settings, and the arguments that several commands share.

An option for a setting is a row of ``settings_table.OPTIONS``; its type, bounds, choices and help are those of the
setting. Settings without a row are reached by ``--set``. What wins: a settings file, over it the options, over them
``--set``.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from datagen.config import settings_table
from datagen.errors import SettingsError
from datagen.settings_table import ROW_OF, OptionRow
from datagen.yaml_text import decode_yaml

Out = Annotated[Path, typer.Option(help="Run folder; a second start of the same command resumes it.")]
ChangeOption = Annotated[
    bool, typer.Option("--change", help="Let other settings rewrite or shrink what the run folder holds.")
]


def _run_folder(path: Path) -> Path:
    from datagen.store import RunFolder

    return RunFolder.named_by(path)


RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.", callback=_run_folder)]
SampleId = Annotated[str, typer.Argument(metavar="SAMPLE_ID", help="Such as 1234-conversation.")]
Config = Annotated[
    Path | None, typer.Argument(metavar="[CONFIG.yaml]", help="Settings, or a run's run.yaml; options win over them.")
]
ShardOption = Annotated[
    str | None,
    typer.Option("--shard", metavar="K/N", help="Make one of N shards only, to be merged with 'datagen merge'."),
]
Given = dict[str, Any]
"""What a command was given of settings: dotted name to value, as ``load_settings`` takes them."""


RUN = tuple(ROW_OF)
VALIDATOR = ("validator", "device", "precision", "alpha", "trust_remote_code")
LOADING = ("device", "precision", "trust_remote_code")

SET = inspect.Parameter(
    "set_",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any setting of 'datagen settings', such as teacher.timeout_s=60; may be given several times.",
        ),
    ],
)


def takes_settings(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each of some settings, and ``--set`` for all; it is told them as ``given``.

    typer reads a command's options from its signature, so the signature is what is built here.

    Args:
        *names: Of rows of ``OPTIONS``; the options stand in this order after the command's own.
    """
    rows = [ROW_OF[name] for name in names]

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def called(*args: Any, **kwargs: Any) -> None:
            told = {row.setting: _plain(row, kwargs.pop(row.name)) for row in rows}
            given = {setting: value for setting, value in told.items() if value is not None}
            given.update(map(assignment, kwargs.pop("set_") or ()))
            command(*args, **kwargs, given=given)

        signature = inspect.signature(command, eval_str=True)
        own = [parameter for name, parameter in signature.parameters.items() if name != "given"]
        made = [*own, *map(_parameter, rows), SET]
        made.sort(key=lambda parameter: parameter.kind)  # what is given by position comes first
        called.__signature__ = signature.replace(parameters=made)  # type: ignore[attr-defined]
        return called

    return with_options


def _parameter(row: OptionRow) -> inspect.Parameter:
    setting = settings_table().rows[row.setting]
    kind = setting.kind if setting.kind in (bool, int, float) else str
    option = typer.Option(row.flag, metavar=row.takes or "|".join(setting.choices) or None, help=help_of(row.name))
    hint = Annotated[list[str] | None if row.repeats else kind | None, option]  # type: ignore[valid-type]
    return inspect.Parameter(row.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint)


def help_of(name: str) -> str:
    """What the option of a row means: what its setting says, and its range."""
    row = ROW_OF[name]
    setting = settings_table().rows[row.setting]
    parts = [setting.description]
    if row.repeats:
        parts.append("May be given several times.")
    if setting.bounds:
        parts.append(f"{setting.bounds[0].upper()}{setting.bounds[1:]}.")
    return " ".join(parts)


def _plain(row: OptionRow, given: Any) -> Any:
    """What an option says, as a settings file would say it; None where it was not given."""
    if isinstance(given, list):
        return given or None
    if isinstance(given, str):
        return _items(given) if _is_list(row.setting) else given
    return given


def assignment(text: str) -> tuple[str, Any]:
    """Read ``NAME=VALUE``; the value is YAML, or taken as it is typed where the setting takes a text.

    Raises:
        SettingsError: There is no ``=``, or no setting of that name; tells the nearest.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingsError(f"--set {text}: expected NAME=VALUE, such as teacher.timeout_s=60.")
    table = settings_table()
    if name in table.rows:
        row = table.rows[name]
        for reading in _readings(name, value):
            for kind in (row.type, *([list[str]] if row.in_list else [])):
                with contextlib.suppress(msgspec.ValidationError):
                    msgspec.convert(reading, kind, strict=False)
                    return name, reading
        return name, next(_readings(name, value))  # load_settings says what is wrong with it
    if name in table.groups:
        table.check({name: value}, "--set: ")
    raise SettingsError(f"--set {name}: there is no such setting; {table.meant_by(name)}")


def _readings(name: str, value: str) -> Iterator[Any]:
    with contextlib.suppress(msgspec.DecodeError, ValueError, RecursionError):  # ValueError of dates like 2026-13-01
        yield decode_yaml(value.encode())
    yield _items(value) if _is_list(name) else value


def _is_list(name: str) -> bool:
    return settings_table().rows[name].kind is tuple


def _items(value: str) -> Sequence[str]:
    return [part.strip() for part in value.split(",") if part.strip()]
