"""The command line: options in, results on standard output, progress and errors on standard error."""

from __future__ import annotations

from datagen.cli.commands import app


def main() -> None:
    """Run ``datagen``."""
    app()


__all__ = ["app", "main"]
