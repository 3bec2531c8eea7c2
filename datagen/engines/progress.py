"""The progress protocol: what an engine tells whoever waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


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
