"""Draws progress on standard error: a live bar at a terminal, a line now and then in a log."""

from __future__ import annotations

import contextlib
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from datagen.errors import visible

DRAW_INTERVAL_S = 0.1


class _LastingConsole(Console):
    """Falls silent when nobody reads any longer, as in ``2>&1 | head``; rich would end the program."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class BarProgress:
    """Implements ``datagen.engines.progress.Progress`` with rich."""

    def __init__(self) -> None:
        self._console = _LastingConsole(stderr=True)
        self._bar: Progress | None = None

    def begin(self, task: str, total: int | None, n_done: int = 0) -> None:
        """Start a bar, or a log line."""
        self._task, self._total, self._n_before, self._n_done = task, total, n_done, n_done
        self._n_judged = self._n_accepted = 0
        self._cost_usd: float | None = None
        self._started = self._drawn = time.monotonic()
        if not self._console.is_terminal:
            # Not all that needs nothing was stored before: a sample whose picture is missing is settled, too.
            left = f", {total - n_done} to do" if n_done and total is not None else ""
            self._print(f"{task}: {total if total is not None else '?'} in all{left}")
            return
        bar = () if self._is_narrow else (BarColumn(),)
        self._bar = Progress(
            TextColumn("{task.description}"), *bar, MofNCompleteColumn(), TextColumn("{task.fields[facts]}"),
            TimeRemainingColumn(), console=self._console, transient=self._is_narrow,
        )  # fmt: skip
        self._bar.start()
        self._handle = self._bar.add_task(task, total=total, completed=n_done, facts="")

    @property
    def _is_narrow(self) -> bool:
        """Whether a bar would leave its words too little room, so that they were cut."""
        return self._console.width < 110

    def _print(self, line: str) -> None:
        """Print a line; a log that is gone or full must not stop the work it tells of."""
        with contextlib.suppress(OSError):
            self._console.print(visible(line), highlight=False, markup=False)

    def step(self, cost_usd: float | None = None, accepted: bool | None = None) -> None:
        """Count one unit; redraw when the eye could see it."""
        self._n_done += 1
        if accepted is not None:
            self._n_judged += 1
            self._n_accepted += accepted
        if cost_usd is not None:
            self._cost_usd = (self._cost_usd or 0.0) + cost_usd
        now = time.monotonic()
        if now - self._drawn < (DRAW_INTERVAL_S if self._bar else 30.0):  # seconds
            return
        self._drawn = now
        self._draw()

    def _draw(self) -> None:
        if self._bar is not None:
            self._bar.update(self._handle, completed=self._n_done, facts=self._facts())
        else:
            self._print(f"{self._task}: {self._n_done}/{self._total} {self._facts()}")

    def _facts(self) -> str:
        seconds = max(1e-6, time.monotonic() - self._started)
        facts = [f"{(self._n_done - self._n_before) / seconds:.1f}/s"]
        if self._cost_usd:
            facts.append(f"${self._cost_usd:.{2 if self._cost_usd >= 0.1 else 4}f}")
        if self._n_judged:
            facts.append(f"{100 * self._n_accepted / self._n_judged:.1f} % accepted")
        return " · ".join(facts)

    def end(self) -> None:
        """Draw the last state and leave it standing."""
        self._draw()
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            if self._is_narrow:
                self._draw()  # as a line that may be broken

    def note(self, sentence: str) -> None:
        """Print a sentence above the bar."""
        self._print(sentence)
