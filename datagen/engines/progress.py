"""What a working run tells: its progress to whoever waits, and a heartbeat to whoever looks.

The heartbeat is a small file that says which process works on the run, at what, and how far it is. It is written by a
thread every two seconds, whatever the work waits for, and goes when the run is finished. What a killed run leaves names
a process that is no more; what a run that failed leaves says why it stopped.
"""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

import msgspec
from msgspec import Struct

from datagen.endpoint.target import Traffic
from datagen.errors import DatagenError
from datagen.store import RunFolder
from datagen.store.fact_sizes import keep_sizes


class Progress(Protocol):
    """Hears how far a run is."""

    def begin(self, task: str, total: int | None, n_done: int = 0) -> None:
        """A task starts: its name, how much there is, how much of it was stored before."""

    def step(self, cost_usd: float | None = None, accepted: bool | None = None) -> None:
        """One unit is done; what it cost and whether it passed, where that is known."""

    def end(self) -> None:
        """The task is over."""

    def note(self, sentence: str) -> None:
        """Something worth reading once."""


class Silence:
    """Tells nobody anything."""

    def begin(self, task: str, total: int | None, n_done: int = 0) -> None:
        """Say nothing."""

    def step(self, cost_usd: float | None = None, accepted: bool | None = None) -> None:
        """Say nothing."""

    def end(self) -> None:
        """Say nothing."""

    def note(self, sentence: str) -> None:
        """Say nothing."""


@contextmanager
def ended(progress: Progress) -> Iterator[None]:
    """End the task that was begun, also when it fails, so that no bar is left running."""
    try:
        yield
    finally:
        progress.end()


BEAT_S = 2.0
ASKING = "asking the teacher"
"""The task whose steps are stored replies."""
REPAIRING = "asking the teacher again"
LOOKING = "looking at the pictures"
LOOKING_AGAIN = "looking at what came back"
SILENT_S = 60.0
"""After so long without a beat a process is not at work; of another machine, whose clock may differ, too."""


class Heartbeat(Struct):
    """The content of the file.

    Attributes:
        pid: Of the process, on ``host``.
        born: When that process began, as the system tells it, since a pid is given again; empty where it does not.
        since: When the run was started, seconds since the epoch.
        at: When this was written.
        task: What it is at.
        n_done: Units of the task that are done; ``n_before`` of them by an earlier start.
        total: Of the task; None where it is not known.
        task_since: When the task was begun.
        n_retries: See ``Traffic``.
        n_refusals: See ``Traffic``.
        ended: Why the run stopped; None while it works.
    """

    pid: int
    host: str
    born: str
    since: float
    at: float = 0.0
    task: str = "starting"
    n_done: int = 0
    n_before: int = 0
    total: int | None = None
    task_since: float = 0.0
    n_retries: int = 0
    n_refusals: int = 0
    ended: str | None = None

    @property
    def left_s(self) -> float | None:
        """Seconds that the task will still take at the pace it had so far; None where that cannot be told yet."""
        n_new, seconds = self.n_done - self.n_before, self.at - self.task_since
        if self.total is None or n_new <= 0 or seconds < BEAT_S:
            return None
        return max(0, self.total - self.n_done) * seconds / n_new

    def count_since(self, times: Iterable[float]) -> None:
        """Count what was stored after this was written, so that it does not lag behind what lies beside it.

        Args:
            times: When replies were stored, seconds since the epoch.
        """
        late = [at for at in times if at > self.at]
        if late and self.task == ASKING and self.total is not None:
            self.n_done, self.at = min(self.total, self.n_done + len(late)), max(late)

    @property
    def state(self) -> Literal["working", "silent", "stopped", "killed"]:
        """Whether the process still works on it; ``silent`` is one of another machine that was not heard of lately."""
        if self.ended is not None:
            return "stopped"
        if self.host == platform.node() and os.name == "posix":  # on Windows a signal of 0 would end the process
            return "working" if _is_alive(self.pid, self.born) else "killed"
        return "working" if time.time() - self.at < SILENT_S else "silent"


def _is_alive(pid: int, born: str) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        pass  # of another user
    except OSError:
        return False
    return born == _born(pid)


def _born(pid: int) -> str:
    """When a process began, in ticks since the start of the system (proc(5), field 22); empty where nobody tells."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    state, *fields = told.rpartition(")")[2].split()
    return "" if state == "Z" else fields[18]


def read_heartbeat(folder: RunFolder) -> Heartbeat | None:
    """What the process that works on a run, or worked on it last, said of itself; None where it said nothing."""
    try:
        return msgspec.json.decode(folder.heartbeat.read_bytes(), type=Heartbeat)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


class Pulse:
    """Implements ``Progress``: passes everything on, and keeps count for the heartbeat.

    Args:
        progress: Hears everything.
    """

    def __init__(self, progress: Progress) -> None:
        now = time.time()
        self._traffic: list[Traffic] = []
        self._noted: set[str] = set()
        self._progress = progress
        self._beat = Heartbeat(os.getpid(), platform.node(), _born(os.getpid()), now, now, task_since=now)

    def watch(self, teacher: object) -> None:
        """Tell of the retries of a teacher that counts them, too."""
        traffic = getattr(teacher, "traffic", None)
        if isinstance(traffic, Traffic):
            self._traffic.append(traffic)

    def begin(self, task: str, total: int | None, n_done: int = 0) -> None:
        """A task starts."""
        beat = self._beat
        beat.task, beat.total, beat.n_done, beat.n_before, beat.task_since = task, total, n_done, n_done, time.time()
        self._progress.begin(task, total, n_done)

    def step(self, cost_usd: float | None = None, accepted: bool | None = None) -> None:
        """One unit is done."""
        self._beat.n_done += 1
        self._progress.step(cost_usd, accepted)

    def end(self) -> None:
        """The task is over."""
        self._progress.end()

    def note(self, sentence: str) -> None:
        """Pass a sentence on, the first time: rounds of repair go through the same stages again."""
        if sentence not in self._noted:
            self._noted.add(sentence)
            self._progress.note(sentence)

    def encode(self, ended: str | None = None) -> bytes:
        """What the file is to hold now."""
        beat = self._beat
        beat.at, beat.ended = time.time(), ended
        beat.n_retries = sum(traffic.n_retries for traffic in self._traffic)
        beat.n_refusals = sum(traffic.n_refusals for traffic in self._traffic)
        return msgspec.json.encode(beat)


@contextmanager
def beating(folder: RunFolder, progress: Progress, *, has_plugs: bool = False) -> Iterator[Pulse]:
    """Keep the heartbeat of a run while it is worked on; the folder is locked.

    Args:
        folder: The run's or the shard's.
        progress: Hears everything.
        has_plugs: It needs Python objects, without which no command goes on.

    Raises:
        KeyboardInterrupt: With a sentence that says how to go on.
    """
    pulse, is_over = Pulse(progress), threading.Event()

    def beat() -> None:
        while True:
            _write(folder.heartbeat, pulse.encode)
            with contextlib.suppress(OSError):  # files may go meanwhile
                keep_sizes(folder)
            if is_over.wait(BEAT_S):
                return

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    ended: str | None = None
    try:
        yield pulse
    except DatagenError as error:
        ended = " ".join(str(error).split())[:500]
        raise
    except KeyboardInterrupt:
        ended = "interrupted"
        raise KeyboardInterrupt(_how_to_go_on(folder, has_plugs=has_plugs)) from None
    except BaseException as error:
        ended = f"failed: {type(error).__name__}"
        raise
    finally:
        is_over.set()
        thread.join()
        with contextlib.suppress(OSError):
            keep_sizes(folder)
        if ended is None or not folder.settings.is_file():  # there is nothing to go on with
            folder.heartbeat.unlink(missing_ok=True)
        else:
            _write(folder.heartbeat, lambda: pulse.encode(ended))


def _how_to_go_on(folder: RunFolder, *, has_plugs: bool) -> str:
    if not folder.settings.is_file():
        return "interrupted before anything was stored; start again as before."
    if has_plugs:
        return "interrupted; what is stored is safe, so start the program again to go on where it stopped."
    return f"interrupted; what is stored is safe, and 'datagen resume {folder.path}' goes on where it stopped."


def _write(path: Path, encode: Callable[[], bytes]) -> None:
    """Write it beside and rename; a full disk is told by what matters more."""
    with contextlib.suppress(OSError):
        beside = path.with_name(f"{path.name}.unfinished")
        beside.write_bytes(encode())
        beside.replace(path)
