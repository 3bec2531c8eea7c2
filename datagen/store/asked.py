"""Replies that workers stored in files of their own, on their way into the run's one file.

Each worker appends to a file that nobody else ever writes, under a new name for every attempt: so a worker that was
taken for lost and still writes can damage nothing, and no lock on a shared disk has to outlive its machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from datagen.records import Reply
from datagen.store.facts import read_facts
from datagen.store.folder import RunFolder, translated_errors
from datagen.store.keyed import ReplyStore


def shard_file(folder: RunFolder, session: str, shard: int, attempt: int) -> Path:
    """Name the file of one attempt at one shard, as one start of the engine numbers them."""
    return folder.asked / f"{session}-{shard:06}-{attempt:03}.jsonl"


def shard_files(folder: RunFolder, session: str = "*", shard: int | None = None) -> list[Path]:
    """List the files of a shard's attempts, or of every shard, in order."""
    return sorted(folder.asked.glob(f"{session}-{'*' if shard is None else f'{shard:06}'}-*.jsonl"))


def read_replies(paths: Iterable[Path]) -> Iterator[Reply]:
    """Read what is stored in some files; a torn line is passed over, and so is a file that is gone by now."""
    for path in paths:
        try:
            yield from (reply for _, reply in read_facts(path, Reply) if reply is not None)
        except FileNotFoundError:
            continue


def stored_replies(folder: RunFolder) -> Iterator[Reply]:
    """Read every stored reply of a run, each once: its own, then what workers hold that is not taken in yet.

    Nothing is touched, so a run at work can be watched.
    """
    paths = shard_files(folder)
    held = set(map(_digest, read_replies(paths)))
    for reply in read_replies([folder.replies]):
        if held:
            held.discard(_digest(reply))  # taken in, by a start that was killed before it removed the file
        yield reply
    for reply in read_replies(paths):
        digest = _digest(reply)
        if digest in held:
            held.discard(digest)
            yield reply


def _digest(reply: Reply) -> bytes:
    return hashlib.blake2b(msgspec.json.encode(reply), digest_size=16).digest()


def take_in_replies(paths: Iterable[Path], replies: ReplyStore) -> int:
    """Move the replies of workers into the run's own file.

    A kill on the way loses nothing and stores nothing twice: a file goes when all it holds is on disk elsewhere.

    Returns:
        How many were taken in.

    Raises:
        RunError: The disk is full or gone.
    """
    n_taken = 0
    for path in paths:
        for reply in read_replies([path]):
            if not replies.is_settled(reply.request_digest) and replies.get(reply.request_digest) != reply:
                replies.add(reply)
                n_taken += 1
        replies.log.sync()
        with translated_errors(path):
            path.unlink(missing_ok=True)
    return n_taken
