"""Replies that a killed run of an earlier version left in files of its Ray workers, before the run's own file has them.

Asking was once spread over Ray: each worker appended to a file of its own under ``RUN/asked``. It now stays in one
process, but what lies there was paid for, so it is counted, and the next start takes it in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from datagen.records import Reply
from datagen.store.append_log import read_facts
from datagen.store.folder import RunFolder, translated_errors
from datagen.store.key_index import ReplyStore


def _left_files(folder: RunFolder) -> list[Path]:
    return sorted(folder.asked.glob("*.jsonl"))


def _read(paths: Iterable[Path]) -> Iterator[Reply]:
    """Read the replies of some files; a torn line is passed over, and so is a file that is gone by now."""
    for path in paths:
        with suppress(FileNotFoundError):
            yield from (reply for _, reply in read_facts(path, Reply) if reply is not None)


def stored_replies(folder: RunFolder) -> Iterator[Reply]:
    """Read every stored reply of a run, each once: its own, then those that are not taken in yet.

    Nothing is touched, so a run at work can be watched.
    """
    paths = _left_files(folder)
    left = set(map(_digest, _read(paths)))
    for reply in _read([folder.replies]):
        if left:
            left.discard(_digest(reply))  # taken in, by a start that was killed before it removed the file
        yield reply
    for reply in _read(paths):
        digest = _digest(reply)
        if digest in left:
            left.discard(digest)
            yield reply


def _digest(reply: Reply) -> bytes:
    return hashlib.blake2b(msgspec.json.encode(reply), digest_size=16).digest()


def take_in_replies(folder: RunFolder, replies: ReplyStore) -> int:
    """Move the replies that are left into the run's own file.

    A kill on the way loses nothing and stores nothing twice: a file goes when all it holds is on disk elsewhere.

    Returns:
        How many were taken in.

    Raises:
        RunError: The disk is full or gone.
    """
    n_taken = 0
    for path in _left_files(folder):
        for reply in _read([path]):
            if not replies.is_settled(reply.request_digest) and replies.get(reply.request_digest) != reply:
                replies.add(reply)
                n_taken += 1
        replies.log.sync()
        with translated_errors(path):
            path.unlink(missing_ok=True)
    with suppress(OSError):  # it is no harm when the empty folder stays
        for mark in folder.asked.glob("*.here"):
            mark.unlink()
        folder.asked.rmdir()
    return n_taken
