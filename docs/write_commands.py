"""Writes ``docs/commands.md`` from the commands and settings themselves: ``python docs/write_commands.py``.

Signatures, defaults and help texts are read from the code, so the page cannot say anything else than ``--help``;
``--check`` only tells whether the page is what the code would write.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
from typer.models import ArgumentInfo, OptionInfo

from datagen.cli import app
from datagen.cli.exit_status import EXIT_STATUS
from datagen.config import settings_table
from datagen.pipeline import STAGES, Stage
from datagen.settings_table import ROW_OF, Setting
from datagen.store import write_whole

PAGE = Path(__file__).resolve().parent / "commands.md"
_INTRODUCTION = """# Commands and settings

Made from the code by `python docs/write_commands.py`; `make check` fails when it is out of date. The same is told by
`--help` after any command.
"""
_WORDS = {int: "N", float: "X", str: "TEXT", Path: "PATH"}
_SETTINGS = """`datagen run FILE.yaml --out RUN` and `datagen.run(...)` take them, nested as the dots say:

```yaml
corpus: {captions: [captions.json], instances: [instances.json], images: pictures}
types: [conversation, description]
teacher: {name: gpt-4o-mini, budget_usd: 20}
validator: {name: llava-1.5-7b, alpha: 0.02}
```

Many have an option of their own; `--set` reaches all: `--set teacher.timeout_s=60 --set checks.skip=refusal`. What
stands behind `=` is YAML; a list may be given with commas, and `null` takes back what a file says. The file counts
least, the options count more, `--set` counts most, and what none of them names has the default. `RUN/run.yaml` keeps
the settings of a run under `settings`. `datagen settings --schema` prints their JSON schema, by which editors check and
complete a file.

Keys are never settings: they stand in the environment, under the names that `teacher.api_key_env` and the other
`api_key_env` give.
"""


def render_page() -> str:
    """The whole page, as Markdown."""
    commands = [(command.name or _name_of(command.callback), command.callback) for command in app.registered_commands]
    listed = "\n".join(f"| [`{name}`](#datagen-{name}) | {_summary(function)} |" for name, function in commands)
    statuses = "\n".join(f"| {status} | {meaning} |" for status, meaning in EXIT_STATUS.items())
    return "\n".join(
        (
            _INTRODUCTION,
            f"| command | what it does |\n|---|---|\n{listed}\n",
            f"| exit status | meaning |\n|---|---|\n{statuses}\n",
            "Results go to standard output, progress and errors to standard error.\n",
            *(_section(name, function) for name, function in commands),
            "## Stages\n",
            "Where a sample can fall or lose turns, in this order; `datagen show RUN SAMPLE_ID` tells why one did.\n",
            "| stage | what falls | looks at | settings |\n|---|---|---|---|",
            *map(_stage, STAGES),
            "",
            "## Settings\n",
            _SETTINGS,
            "| setting | default | takes | meaning |\n|---|---|---|---|",
            *(
                f"| `{row.name}` | {_setting_default(row)} | {_cell(row.takes)} | {_cell(row.description)} |"
                for row in settings_table().rows.values()
            ),
            "",
        )
    )


def _stage(stage: Stage) -> str:
    looks_at = {"sample": "one sample", "image": "the samples of one image", "set": "all samples"}[stage.scope]
    return f"| {stage.name} | {stage.what} | {looks_at} | {', '.join(f'`{name}`' for name in stage.settings)} |"


def _name_of(function: Callable[..., Any] | None) -> str:
    assert function is not None  # every command has one
    return function.__name__


def _summary(function: Callable[..., Any] | None) -> str:
    return _cell((inspect.getdoc(function) or "").partition("\n")[0])


def _section(name: str, function: Callable[..., Any] | None) -> str:
    """A command: what it does, how it is called, what it takes."""
    assert function is not None
    signature = inspect.signature(function, eval_str=True)
    told = [_Parameter(key, one.annotation, one.default) for key, one in signature.parameters.items()]
    arguments = [one for one in told if isinstance(one.info, ArgumentInfo)]
    options = [one for one in told if isinstance(one.info, OptionInfo)]
    needed = [one for one in options if one.is_required]
    usage = " ".join(
        ["datagen", name, *(one.shown for one in arguments), *(one.shown for one in needed)]
        + ["[OPTIONS]"] * (len(options) > len(needed))
    )
    lines = [f"## `datagen {name}`", "", inspect.getdoc(function) or "", "", f"```\n{usage}\n```", ""]
    if arguments:
        lines += ["| argument | meaning |", "|---|---|"]
        lines += [f"| `{one.shown}` | {one.meaning} |" for one in arguments]
        lines.append("")
    if options:
        lines += ["| option | default | meaning |", "|---|---|---|"]
        lines += [f"| `{_cell(one.shown)}` | {one.default_told(name)} | {one.meaning} |" for one in options]
        lines.append("")
    return "\n".join(lines)


class _Parameter:
    """A parameter of a command, as typer reads it."""

    def __init__(self, name: str, hint: Any, default: Any) -> None:
        taken, *about = get_args(hint)
        self.name, self.default = name, default
        self.info: OptionInfo | ArgumentInfo = next(one for one in about if isinstance(one, OptionInfo | ArgumentInfo))
        kinds = [kind for kind in get_args(taken) if kind is not type(None)] if type(None) in get_args(taken) else []
        self.kind = kinds[0] if kinds else taken
        self.is_required = default is inspect.Parameter.empty

    @property
    def shown(self) -> str:
        """Its name and what it takes, such as ``--limit N``."""
        if isinstance(self.info, ArgumentInfo):
            return self.info.metavar or self.name.upper()
        declared = (self.info.default, *(self.info.param_decls or ()))  # typer takes the first for a default
        flags = [text for text in declared if isinstance(text, str) and text.startswith("--")]
        flag = flags[0] if flags else f"--{self.name.replace('_', '-')}"
        return flag if self.kind is bool else f"{flag} {self._taken()}"

    def _taken(self) -> str:
        if self.info.metavar:
            return self.info.metavar
        if get_origin(self.kind) is Literal:
            return "|".join(get_args(self.kind))
        kind = get_args(self.kind)[0] if get_origin(self.kind) is list else self.kind
        return _WORDS[kind]

    @property
    def meaning(self) -> str:
        """Its help, and the bounds that it must keep."""
        low, high = self.info.min, self.info.max
        bounds = ""
        if low is not None:
            bounds = f" At least {low:g}." if high is None else f" From {low:g} to {high:g}."
        return _cell(self.info.help or "") + bounds

    def default_told(self, command: str) -> str:
        """Its default; that of the setting where the option has none of its own."""
        if self.is_required:
            return "needed"
        default = self.default
        if default is None and self.name in ROW_OF:
            if command in ("validate", "view"):
                return "the run's"
            default = settings_table().rows[ROW_OF[self.name].setting].default
        return "" if default in (None, msgspec.NODEFAULT) else value_told(default)  # an option may be left out


def _setting_default(row: Setting) -> str:
    """The default of a setting; what has none must be given with its group."""
    group = row.name.rpartition(".")[0]
    return f"needed with `{group}`" if row.default is msgspec.NODEFAULT else value_told(row.default)


def value_told(value: object) -> str:
    """A default as a reader would write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ((), {}) or isinstance(value, msgspec.Struct):
        return ""
    if isinstance(value, tuple):
        return f"`{','.join(map(str, value))}`"
    return f"`{value:_}`" if type(value) is int and value >= 10_000 else f"`{value}`"


def _cell(text: str) -> str:
    """Text that may stand in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def main(check: bool = False) -> None:
    """Write the page, or with ``check`` tell whether it is what would be written.

    Raises:
        SystemExit: With status 1 when it is not.
    """
    page = render_page()
    if not check:
        with write_whole(PAGE) as file:
            file.write(page.encode())
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page:
        raise SystemExit(f"docs/{PAGE.name} is out of date; write it anew with: python docs/write_commands.py")


if __name__ == "__main__":
    main("--check" in sys.argv[1:])
