"""How a command ends: what it prints, what comes next, failures as one sentence on standard error, the exit status.

At a narrow terminal what is too long goes on under its text, not under the label before it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shlex
import shutil
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, ParamSpec

import typer

from datagen.errors import DatagenError, visible
from datagen.settings_table import at_terminal

if TYPE_CHECKING:
    from datagen.config import Settings
    from datagen.engines.finish_run import Outcome


Params = ParamSpec("Params")


def _forget_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


INTERRUPTED = 130
TOO_MANY_FAILED = 3
EXIT_STATUS = {
    0: "Done.",
    1: "Failed, with one sentence that says why and what to do.",
    2: "Wrong usage or settings.",
    TOO_MANY_FAILED: (
        "Finished, but more of the samples failed, for want of an answer or a picture, than `max_failed` allows, or "
        "nothing was accepted; of `lint`, some images are lost."
    ),
    INTERRUPTED: "Interrupted, or the budget is used up; `datagen resume RUN` goes on where it stopped.",
}
"""What each exit status means."""


def in_sentences(command: Callable[Params, None]) -> Callable[Params, None]:
    """Wrap a command so that no user meets a traceback for something that is not our fault."""

    @functools.wraps(command)
    def wrapped(*args: Params.args, **kwargs: Params.kwargs) -> None:
        try:
            with at_terminal(), _ended_as_by_ctrl_c():
                command(*args, **kwargs)
            if sys.stdout is not None:  # None when it was closed before the start
                sys.stdout.flush()
        except DatagenError as error:
            echo(f"datagen: {error}", err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt as stopped:
            how = str(stopped) or "interrupted; start the same command again to go on where it stopped."
            echo(f"datagen: {how}", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The reader went away (as in "| head"); point stdout elsewhere so that closing it stays quiet.
            _forget_stdout()
            raise typer.Exit(0) from None
        except OSError as error:
            _forget_stdout()
            with contextlib.suppress(OSError):
                echo(f"datagen: {_told_of(error)}.", err=True)
            raise typer.Exit(1) from None

    return wrapped


_MAX_PATH_CHARS = 100


def _told_of(error: OSError) -> str:
    """What the system says, with the path that it says it of; of a long one its beginning."""
    told = error.strerror or str(error)
    if error.filename is None or not error.strerror:
        return told
    path = visible(os.fsdecode(error.filename)) if not isinstance(error.filename, int) else str(error.filename)
    return f"{path if len(path) <= _MAX_PATH_CHARS else f'{path[:_MAX_PATH_CHARS]}…'}: {told[:1].lower()}{told[1:]}"


@contextlib.contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """Take a polite end (SIGTERM of a scheduler, SIGHUP of a closed terminal) as Ctrl-C: what is paid for is stored.

    In the background of a script (``datagen run ... &``) Ctrl-C is ignored. It stays so, but gets a handler, as without
    one asyncio has none either, and cancels what is in flight where it is to be waited for.
    """

    def end(number: int, frame: FrameType | None) -> None:
        on_ctrl_c = signal.getsignal(signal.SIGINT)
        if not callable(on_ctrl_c):
            raise KeyboardInterrupt
        on_ctrl_c(signal.SIGINT, frame)

    ours = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    is_main = threading.current_thread() is threading.main_thread()
    ours = [one for one in ours if is_main and signal.getsignal(one) is signal.SIG_DFL]  # nohup ignores SIGHUP
    is_deaf = is_main and signal.getsignal(signal.SIGINT) is signal.SIG_IGN and hasattr(signal, "pthread_sigmask")
    if is_deaf:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for one in ours:
        signal.signal(one, end)
    try:
        yield
    finally:
        if is_deaf:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        for one in ours:
            signal.signal(one, signal.SIG_DFL)


def tell_outcome(outcome: Outcome, settings: Settings, out: Path) -> None:
    """Write the report of a finished run and tell how it ended."""
    from datagen.api import open_run
    from datagen.cli.printed import outcome_lines

    made = open_run(out)
    if not outcome.is_unchanged or not made.has_report:
        made.write_report()
    sent_to = made.send_results()
    echo_fitted(outcome_lines(outcome.summary, out))
    if sent_to is not None:
        echo(f"results   {sent_to}")
    tell_next("datagen view {}", "datagen export {} --out FOLDER", at=out)
    exit_if_many_failed(outcome.share_failed, outcome.failure, settings)
    if not outcome.summary.accepted:
        told = "no sample was accepted; 'datagen show' tells of each, such as"
        echo(f"datagen: {told} 'datagen show {out} {next(made.iter_samples()).sample_id}'.", err=True)
        raise typer.Exit(TOO_MANY_FAILED)


def exit_if_many_failed(share_failed: float, failure: str | None, settings: Settings) -> None:
    """End with a status of its own where more samples failed than the settings bear."""
    if share_failed > settings.max_failed:
        echo(f"datagen: {100 * share_failed:.1f} % of the samples failed, the first by {failure}", err=True)
        raise typer.Exit(TOO_MANY_FAILED)


_LABEL = re.compile(r"(?=.{10}\S)\S{1,9} +|\s*")  # "accepted  77 of 96 samples", or the spaces before a line
_KEPT = "\0"


def echo(text: object, *, err: bool = False) -> None:
    """Print text of whatever origin, on standard output or standard error, without signs that steer a terminal."""
    typer.echo(visible(str(text)), err=err)


def echo_fitted(lines: Iterable[str]) -> None:
    """Print lines; a file or a program that reads them gets each whole."""
    width = max(40, shutil.get_terminal_size().columns) if sys.stdout.isatty() else None
    for line in lines:
        echo(line if width is None else fitted(line, width))


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
        echo(f"{label:9} {step.replace('datagen ', f'{program} ', 1).replace('{}', place)}", err=True)


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
