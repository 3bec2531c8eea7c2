"""The log of decisions made by hand, a line each, safe for several processes."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import filelock

from datagen.errors import RunError
from datagen.records import Decision
from datagen.store.append_log import FactLog, read_facts

_WAIT_S = 10.0


def read_decisions(path: Path) -> dict[str, Decision]:
    """The latest decision about each sample, by its id; damaged lines are passed over.

    Raises:
        RunError: The file is there and cannot be read.
    """
    if not path.is_file():
        return {}
    try:
        return {fact.sample_id: fact for _, fact in read_facts(path, Decision) if fact is not None}
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error}).") from None


def add_decision(path: Path, decision: Decision) -> None:
    """Store a decision; it is on disk when this returns.

    The log is opened for one line, so that two pages on one run do not write over each other's lines.

    Raises:
        RunError: The disk is full, or the folder cannot be written.
    """
    try:
        lock = filelock.FileLock(path.with_name(f".{path.name}.lock"), timeout=_WAIT_S)
        with lock, closing(FactLog(path, Decision)) as log:
            log.append(decision)
    except filelock.Timeout:
        raise RunError(f"{path}: another process has held its lock for {_WAIT_S:.0f} s.") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror or error}).") from None
