"""Progress for whoever calls Python: a bar at a terminal, a line below the cell of a notebook, nothing in a log."""

from __future__ import annotations

import sys
import time
from typing import Any

from datagen.engines.progress import Progress, Silence
from datagen.errors import visible

DRAW_INTERVAL_S = 0.25


def progress_here() -> Progress:
    """What suits the place that a program runs in."""
    if _in_notebook():
        return NotebookLine()
    if sys.stderr is not None and sys.stderr.isatty():
        from datagen.view.progress_bar import BarProgress

        return BarProgress()
    return Silence()


def _in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


class NotebookLine:
    """Implements ``Progress`` by one line below the cell, which goes when the work is done."""

    def __init__(self) -> None:
        self._shown: Any = None
        self._drawn = 0.0

    def begin(self, task: str, total: int | None, n_done: int = 0) -> None:
        """Start the line of a task."""
        self._task, self._total, self._n_done, self._n_before = task, total, n_done, n_done
        self._cost_usd, self._started = 0.0, time.monotonic()
        self._draw(self._told())

    def step(self, cost_usd: float | None = None, accepted: bool | None = None) -> None:
        """Count one unit."""
        del accepted
        self._n_done += 1
        self._cost_usd += cost_usd or 0.0
        if time.monotonic() - self._drawn >= DRAW_INTERVAL_S:
            self._draw(self._told())

    def end(self) -> None:
        """Take the line away."""
        self._draw("")

    def note(self, sentence: str) -> None:
        """Print a sentence."""
        print(visible(sentence))

    def _told(self) -> str:
        of = "" if self._total is None else f" of {self._total:,}"
        rate = (self._n_done - self._n_before) / max(1e-6, time.monotonic() - self._started)
        cost = f", ${self._cost_usd:.2f}" if self._cost_usd else ""
        return f"{self._task}: {self._n_done:,}{of}, {rate:.1f}/s{cost}"

    def _draw(self, text: str) -> None:
        from IPython.display import display

        self._drawn = time.monotonic()
        content = {"text/plain": text}
        if self._shown is None:
            show: Any = display  # it has no types
            self._shown = show(content, raw=True, display_id=True)
        else:
            self._shown.update(content, raw=True)
