"""Turns failures into one sentence on standard error and the exit status that belongs to them."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from datagen.errors import DatagenError

Params = ParamSpec("Params")


def _forget_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


INTERRUPTED = 130
TOO_MANY_FAILED = 3
EXIT_STATUS = {
    0: "Done.",
    1: "Failed, with one sentence that says why and what to do.",
    2: "Wrong usage or settings.",
    TOO_MANY_FAILED: "Finished, but a larger share of the requests failed than `max_failed` allows.",
    INTERRUPTED: "Interrupted, or the budget is used up; the same command goes on where it stopped.",
}
"""What each exit status means."""


def in_sentences(command: Callable[Params, None]) -> Callable[Params, None]:
    """Wrap a command so that no user meets a traceback for something that is not our fault."""

    @functools.wraps(command)
    def wrapped(*args: Params.args, **kwargs: Params.kwargs) -> None:
        try:
            command(*args, **kwargs)
            if sys.stdout is not None:  # None when it was closed before the start
                sys.stdout.flush()
        except DatagenError as error:
            typer.echo(f"datagen: {error}", err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            typer.echo("datagen: interrupted; start the same command again to go on where it stopped.", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The reader went away (as in "| head"); point stdout elsewhere so that closing it stays quiet.
            _forget_stdout()
            raise typer.Exit(0) from None
        except OSError as error:
            _forget_stdout()
            with contextlib.suppress(OSError):
                typer.echo(f"datagen: {error.strerror or error}.", err=True)
            raise typer.Exit(1) from None

    return wrapped
