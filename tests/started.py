"""Commands of datagen in processes of their own, forked from one that has loaded the package.

They can be killed, interrupted and waited for like any other, but start in a tenth of a second, where a new Python
reads modules and compiles patterns for two. Windows cannot fork, so there each loads everything itself.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

_WAYS = multiprocessing.get_all_start_methods()
_CONTEXT = multiprocessing.get_context("forkserver" if "forkserver" in _WAYS else "spawn")
if "forkserver" in _WAYS:
    # The openai client, which the second line loads, is 0.8 s of CPU in each process that asks an endpoint.
    loaded = ["datagen.cli", "datagen.cli.printed", "datagen.api", "datagen.view.report", "datagen.view.progress_bar"]
    _CONTEXT.set_forkserver_preload([*loaded, "datagen.teacher.chat", "datagen.endpoint.first_contact"])


COMMAND = "from datagen.cli import main; main()"


class Started:
    """A command that was started.

    Args:
        arguments: What stands behind ``datagen``.
        told: Where its output and its errors go.
        code: What is run in the command's place, in Python.
    """

    def __init__(self, arguments: list[str], told: Path, code: str = COMMAND) -> None:
        self._told = told
        told.parent.mkdir(parents=True, exist_ok=True)
        told.touch()
        self._process = _CONTEXT.Process(target=_serve, args=(arguments, str(told), code))  # type: ignore[attr-defined]
        self._process.start()
        self.pid: int = self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.exitcode is None

    def wait_until(self, happened: Callable[[], object]) -> None:
        """Wait until something holds, the command has ended, or two minutes are over."""
        give_up = time.monotonic() + 120
        while not happened() and self.is_running and time.monotonic() < give_up:
            time.sleep(0.002)

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> int:
        """Kill it, unless it has ended; its exit status, of which one thread alone may ask."""
        self._process.kill()
        return self.wait()

    def wait(self, seconds: float = 120) -> int:
        """Its exit status; what it told is in its file then."""
        self._process.join(seconds)
        assert not self.is_running, "it goes on for too long"
        return self._process.exitcode  # type: ignore[no-any-return]

    @property
    def told(self) -> str:
        return self._told.read_text(encoding="utf-8")


def end_well(arguments: list[str], told: Path, code: str = COMMAND) -> str:
    """Run a command to its end, which has to be a good one; what it told."""
    started = Started(arguments, told, code)
    assert started.wait() == 0, started.told
    return started.told


def hear_interrupts() -> None:
    """For ``preexec_fn``: what a shell starts in the background ignores SIGINT, and so would a program that a test starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _serve(arguments: list[str], told: str, code: str) -> None:
    with Path(told).open("ab") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    sys.argv = ["datagen", *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    exec(code, {"__name__": "__main__"})
