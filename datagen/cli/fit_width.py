"""Printed lines in a narrow terminal: what is too long goes on under its text, not under the label before it."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable

import typer

_LABEL = re.compile(r"(?=.{10}\S)\S{1,9} +|\s*")  # "accepted  77 of 96 samples", or the spaces before a line
_NARROWEST = 40
_KEPT = "\0"


def echo_fitted(lines: Iterable[str]) -> None:
    """Print lines; a file or a program that reads them gets each whole."""
    width = max(_NARROWEST, shutil.get_terminal_size().columns) if sys.stdout.isatty() else None
    for line in lines:
        typer.echo(line if width is None else fitted(line, width))


def fitted(line: str, width: int) -> str:
    """Break a line between words; a path or another long word is left whole.

    Args:
        line: May hold several.
        width: Characters.
    """
    return "\n".join(_broken(one, width) for one in line.split("\n"))


def _broken(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    found = _LABEL.match(line)
    head = found.group() if found else ""
    wrapper = textwrap.TextWrapper(
        width, initial_indent=head, subsequent_indent=" " * len(head), break_long_words=False, break_on_hyphens=False
    )
    text = line[len(head) :].replace(" %", f"{_KEPT}%")  # a number stays with its sign
    return "\n".join(wrapper.wrap(text)).replace(_KEPT, " ") or line
