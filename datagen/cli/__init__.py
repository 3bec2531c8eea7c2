"""The command line: options in, results on standard output, progress and errors on standard error."""

from __future__ import annotations

import io
import sys

from datagen.cli import (  # noqa: F401 (their commands join it)
    commands,
    estimate_command,
    export_command,
    lint_command,
    picture_commands,
    preview_command,
    settings_command,
    shard_commands,
    view_command,
)
from datagen.cli.app import app


def main() -> None:
    """Run ``datagen``."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a redirected stream has the system's code page on Windows
            stream.reconfigure(encoding="utf-8", errors="replace")
    app()


__all__ = ["app", "main"]
