"""Tells at a terminal which command comes next, as it can be typed there."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

import typer


def tell_next(*steps: str, at: Path | None = None) -> None:
    """Print steps on standard error, a line each; nothing where a program or a file reads what is printed.

    Args:
        *steps: Such as ``"datagen view {}"``.
        at: What stands for ``{}``.
    """
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        return
    program, place = called_here(), shlex.quote(str(at))
    for label, step in zip(("next", *[""] * len(steps)), steps, strict=False):
        typer.echo(f"{label:9} {step.replace('datagen ', f'{program} ', 1).replace('{}', place)}", err=True)


def called_here() -> str:
    """How this datagen is called: by its name where the shell finds it, else by where it lies."""
    own = Path(sys.executable).parent / ("datagen.exe" if os.name == "nt" else "datagen")
    found = shutil.which("datagen")
    if found is not None and (not own.exists() or Path(found).resolve() == own.resolve()):
        return "datagen"
    if not own.exists():
        return f"{shlex.quote(sys.executable)} -m datagen"
    is_here = own.is_relative_to(Path.cwd())
    return shlex.quote(str(own.relative_to(Path.cwd()) if is_here else own))
