"""Append-only logs of facts (replies, scores, ...): one JSON line each, durable, with torn last lines mended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Generic, TypeVar

import filelock
import msgspec

from datagen.errors import RunError
from datagen.records import Decision
from datagen.store.folder import sync_folder, translated_errors

Fact = TypeVar("Fact", bound=msgspec.Struct)

SYNC_INTERVAL_S = 0.1
"""Longest time that a written line may be exposed to a power cut; a killed process loses nothing."""


def read_facts(
    path: Path, kind: type[Fact], start: int = 0, holding: bytes = b""
) -> Iterator[tuple[tuple[int, int], Fact | None]]:
    """Read a fact file without touching it, so that a run at work can be watched.

    Args:
        path: The file.
        kind: The record type of its lines.
        start: Where the first line to be read begins, in bytes.
        holding: Lines without these bytes are passed over unread, ten times as fast.

    Yields:
        Where each line stands in the file, in bytes, and its record; None for a line that cannot
        be read (torn, or damaged from outside).
    """
    decoder = msgspec.json.Decoder(kind)
    position = start
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            span = position, position + len(line.rstrip(b"\n"))
            position += len(line)
            if holding not in line:
                continue
            try:
                yield span, decoder.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                yield span, None


class FactLog(Generic[Fact]):
    """An append-only JSON Lines file of one record type.

    A line is handed to the system in one write, so that a killed process leaves at most a torn
    last line; opening the log mends it. ``sync`` forces lines to the disk, many at once, since one flush
    costs as much as many lines; whoever appends sees to it that it happens every ``SYNC_INTERVAL_S``.

    Args:
        path: The file; made when missing.
        kind: The record type of its lines.

    Attributes:
        n_damaged: Lines that could not be read; their requests are simply asked again.
        n_synced: Bytes that are on the disk for certain, of those written since it was opened or before.
    """

    def __init__(self, path: Path, kind: type[Fact]) -> None:
        self.path = path
        self.n_damaged = 0
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind)
        self._encoder = msgspec.json.Encoder()
        self._last_sync = time.monotonic()
        self._is_dirty = False
        self.n_synced = 0
        with translated_errors(path):
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
            self._end = self._mend_torn_line()
            sync_folder(path.parent)

    def _mend_torn_line(self) -> int:
        end = start = os.lseek(self._file, 0, os.SEEK_END)
        last = b""
        with self.path.open("rb") as file:
            while start > 0 and b"\n" not in last:
                stop, start = start, max(0, start - 65536)
                file.seek(start)
                last = file.read(stop - start) + last
        torn = last.rpartition(b"\n")[2]
        if not torn:
            return end
        try:
            self._decoder.decode(torn)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            end -= len(torn)
            os.ftruncate(self._file, end)
        else:
            os.lseek(self._file, end, os.SEEK_SET)
            os.write(self._file, b"\n")
            end += 1
        return end

    def append(self, fact: Fact) -> int:
        """Write one fact.

        Returns:
            Where its line starts in the file, in bytes.

        Raises:
            RunError: The disk is full or gone.
        """
        line = self._encoder.encode(fact) + b"\n"
        start = self._end
        with translated_errors(self.path):
            os.lseek(self._file, start, os.SEEK_SET)
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        self._end = start + len(line)
        self._is_dirty = True
        return start

    def sync(self) -> None:
        """Force what was written onto the disk; safe to call from another thread."""
        self._last_sync = time.monotonic()
        if self._is_dirty:
            self._is_dirty = False  # first, so that a line written meanwhile is not taken for synced
            end = self._end
            with translated_errors(self.path):
                os.fsync(self._file)
            self.n_synced = end

    def sync_if_due(self) -> None:
        """Force what was written onto the disk when the last time is long enough ago."""
        if time.monotonic() - self._last_sync >= SYNC_INTERVAL_S:
            self.sync()

    def read_at(self, start: int) -> Fact:
        """Read one fact back by what ``append`` or ``scan`` returned."""
        os.lseek(self._file, start, os.SEEK_SET)
        line = b""
        while b"\n" not in line and (piece := os.read(self._file, 4096)):  # most lines are shorter
            line += piece
        return self._decoder.decode(line.partition(b"\n")[0])

    @property
    def end(self) -> int:
        """Bytes written so far."""
        return self._end

    def scan(self, start: int = 0) -> Iterator[tuple[int, Fact]]:
        """Read the facts from a line's start on, with their starts, passing over damaged lines."""
        for (at, _), fact in read_facts(self.path, self._kind, start):
            if fact is None:
                self.n_damaged += 1
            else:
                yield at, fact

    def close(self) -> None:
        """Force everything to disk and close the file."""
        self.sync()
        os.close(self._file)


def read_decisions(path: Path, note: Callable[[str], None] | None = None) -> dict[str, Decision]:
    """The latest decision about each sample, by its id; damaged lines are passed over.

    Args:
        path: The log.
        note: Hears of damaged lines.

    Raises:
        RunError: The file is there and cannot be read.
    """
    if not path.is_file():
        return {}
    try:
        facts = [fact for _, fact in read_facts(path, Decision)]
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error}).") from None
    n_damaged = facts.count(None)
    if n_damaged and note is not None:
        note(f"{path}: {told_damage(n_damaged)}; what was decided there is lost, and can be decided again.")
    return {fact.sample_id: fact for fact in facts if fact is not None}


def told_damage(n_lines: int) -> str:
    """Say how many lines of a log could not be read."""
    return f"{n_lines} damaged line{'s' * (n_lines > 1)} passed over"


def add_decision(path: Path, decision: Decision) -> None:
    """Store a decision; it is on disk when this returns.

    The log is opened for one line, so that two pages on one run do not write over each other's lines.

    Raises:
        RunError: The disk is full, or the folder cannot be written.
    """
    try:
        lock = filelock.FileLock(path.with_name(f".{path.name}.lock"), timeout=10)
        with lock, closing(FactLog(path, Decision)) as log:
            log.append(decision)
    except filelock.Timeout:
        raise RunError(f"{path}: another process has held its lock for 10 s.") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror or error}).") from None
