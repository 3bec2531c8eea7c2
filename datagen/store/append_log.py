"""Append-only logs of facts (replies, scores, ...): one JSON line each, durable, with torn last lines mended."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

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
            except (msgspec.MsgspecError, UnicodeDecodeError):
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
        blocks: list[bytes] = []
        while start > 0 and (not blocks or b"\n" not in blocks[0]):
            stop, start = start, max(0, start - 65536)
            blocks.insert(0, self._read(start, stop))
        torn = b"".join(blocks).rpartition(b"\n")[2]
        if not torn:
            return end
        try:
            self._decoder.decode(torn)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            end -= len(torn)
            os.ftruncate(self._file, end)
        else:
            os.lseek(self._file, end, os.SEEK_SET)
            os.write(self._file, b"\n")
            end += 1
        return end

    def _read(self, start: int, end: int) -> bytes:
        os.lseek(self._file, start, os.SEEK_SET)
        pieces = []
        while start < end:
            piece = os.read(self._file, end - start)
            if not piece:
                break
            pieces.append(piece)
            start += len(piece)
        return b"".join(pieces)

    def append(self, fact: Fact) -> tuple[int, int]:
        """Write one fact.

        Returns:
            Where its line starts and ends in the file, in bytes, without the line break.

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
        return start, self._end - 1

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

    def read_at(self, span: tuple[int, int]) -> Fact:
        """Read one fact back by what ``append`` or ``scan`` returned."""
        return self._decoder.decode(self._read(*span))

    @property
    def end(self) -> int:
        """Bytes written so far."""
        return self._end

    def scan(self, start: int = 0) -> Iterator[tuple[tuple[int, int], Fact]]:
        """Read the facts from a line's start on, in the order of writing, passing over damaged lines."""
        for span, fact in read_facts(self.path, self._kind, start):
            if fact is None:
                self.n_damaged += 1
            else:
                yield span, fact

    def close(self) -> None:
        """Force everything to disk and close the file."""
        self.sync()
        os.close(self._file)
