"""Append-only logs of facts (replies, scores, ...): one JSON line each, durable, with torn last lines mended."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, Generic, NamedTuple, TypeVar

import filelock
import msgspec

from datagen.errors import RunError
from datagen.records import Decision
from datagen.store.folder import sync_folder, translated_errors, write_whole

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
    costs as much as many lines; whoever appends sees to it that it happens every ``SYNC_INTERVAL_S``. It also tells
    whether the file still stands at its path: facts that go to a file which nobody will find are paid for twice.

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
        self._loss: _Loss | None = None
        self.n_synced = 0
        with translated_errors(path):
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
            self._end = self._mend_torn_line()
            sync_folder(path.parent)
            self._folder = path.parent.stat()

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
        with translated_errors(self.path):
            start = self._end
            if (size := os.fstat(self._file).st_size) < start:  # written there, it would stand behind zeros
                self._loss, start = self._loss or _cut_short(self.path), size
            os.lseek(self._file, start, os.SEEK_SET)
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        self._end = start + len(line)
        self._is_dirty = True
        return start

    def sync(self) -> None:
        """Force what was written onto the disk; safe to call from another thread.

        Raises:
            RunError: The disk is full or gone, or somebody removed, moved, replaced or cut the file.
        """
        self._last_sync = time.monotonic()
        end = self._end
        if self._is_dirty:
            self._is_dirty = False  # first, so that a line written meanwhile is not taken for synced
            with translated_errors(self.path):
                os.fsync(self._file)
            self.n_synced = end
        self._loss = self._loss or _find_loss(self.path, self._file, end, self._folder)
        if self._loss is not None:
            raise RunError(self._loss.told)

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
        """Force everything to disk and close the file; what would be lost with a file that was removed is kept.

        Raises:
            RunError: See ``sync``; none where that told of a loss before.
        """
        was_told = self._loss is not None
        try:
            self.sync()
        except RunError:
            if self._loss is None or not was_told:
                raise
        finally:
            if self._loss is not None and self._loss.refuge is not None:
                self._copy_to(self._loss.refuge)
            os.close(self._file)

    def _copy_to(self, refuge: Path) -> None:
        with translated_errors(refuge):
            refuge.parent.mkdir(parents=True, exist_ok=True)
        with self._reader() as file, write_whole(refuge) as kept:
            shutil.copyfileobj(file, kept)

    def _reader(self) -> BinaryIO:
        """The file itself from its beginning, whatever stands at its path now."""
        os.lseek(self._file, 0, os.SEEK_SET)
        return os.fdopen(os.dup(self._file), "rb")


class _Loss(NamedTuple):
    """How a file was taken away from under a run.

    Attributes:
        told: What happened and what to do, as a sentence.
        refuge: Where to keep what the file held; None where it stands somewhere already.
    """

    told: str
    refuge: Path | None = None


_MEANWHILE = "while the run went on, so it stopped before more is paid for"


def _cut_short(path: Path) -> _Loss:
    return _Loss(f"{path}: was cut short {_MEANWHILE}; the same command asks again for what was cut off.")


def _find_loss(path: Path, file: int, end: int, folder: os.stat_result) -> _Loss | None:
    """See whether an open file still stands at its path with all that was written.

    Args:
        path: Of the file.
        file: Its descriptor.
        end: Bytes that it must hold.
        folder: The one that it was opened in.
    """
    here = os.fstat(file)
    try:
        there = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        there = None
    except OSError:
        return None  # a network disk that is not heard of for a moment; writing tells whether it is gone
    if there is not None and (os.path.samestat(here, there) or _ends_alike(path, file, end)):
        return None if there.st_size >= end else _cut_short(path)
    if here.st_nlink:
        now_at = _path_of(file)
        what, where = (path.parent, now_at.parent) if now_at and now_at.name == path.name else (path, now_at)
        moved = f"{what}: was moved{f' to {where}' if where else ''} {_MEANWHILE}; nothing is lost"
        return _Loss(f"{moved}. Move it back, then start the same command again.")
    if there is None:
        is_same = path.parent.is_dir() and os.path.samestat(folder, path.parent.stat())
        told = f"{path if is_same else path.parent}: was removed {_MEANWHILE}; what it held is written there anew"
        return _Loss(f"{told}. The same command goes on with it; remove it again where that was meant.", path)
    refuge = path.with_name(f"{path.stem}.{os.getpid()}.kept{path.suffix}")
    told = f"{path}: was replaced by another file {_MEANWHILE}; what it held is in {refuge.name} beside it"
    return _Loss(f"{told}. Put that in its place, or append it, then start the same command again.", refuge)


def _ends_alike(path: Path, file: int, end: int) -> bool:
    """Whether the file at a path ends as an open one does: some network disks number a file anew now and then."""
    start = max(0, end - 4096)
    try:
        with path.open("rb") as other:
            other.seek(start)
            return other.read(end - start) == os.pread(file, end - start, start) and end > 0
    except (OSError, AttributeError):  # Windows has no pread, and lets nobody remove an open file
        return False


def _path_of(file: int) -> Path | None:
    """Where an open file stands now, where the system tells it: Linux does."""
    try:
        path = Path(f"/proc/self/fd/{file}").readlink()
    except OSError:
        return None
    return path if path.exists() else None


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
