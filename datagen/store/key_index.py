"""A key index over an append-only log: the facts stay on disk, sixteen bytes each in memory."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Generic

import msgspec
from msgspec import Struct

from datagen.compact_map import DigestMap
from datagen.records import Judgement, QuestionVector, Reply, Score, Usage
from datagen.store.append_log import Fact, FactLog, read_facts
from datagen.store.folder import RunFolder, cache_path, fingerprint, load_cache, save_cache, translated_errors

MIN_SAVED = 8192
"""Facts whose places are not worth a file: a start reads them again in some 20 ms."""


class Spent(Struct):
    """What stored replies cost.

    Attributes:
        usd: Of those that were priced.
        unpriced: Tokens of the others, by the teacher's name.
    """

    usd: float = 0.0
    unpriced: dict[str, Usage] = {}

    def add(self, reply: Reply) -> None:
        """Count one reply."""
        if reply.cost_usd is not None:
            self.usd += reply.cost_usd
            return
        usage, before = reply.usage, self.unpriced.get(reply.teacher, Usage())
        self.unpriced[reply.teacher] = Usage(
            before.n_prompt_tokens + usage.n_prompt_tokens,
            before.n_cached_tokens + min(usage.n_cached_tokens, usage.n_prompt_tokens),
            before.n_completion_tokens + usage.n_completion_tokens,
        )


class _IndexHead(Struct):
    """Of which part of a fact file an index is, and what was counted there."""

    end: int
    fingerprint: str
    n_damaged: int
    spent: Spent


class KeyedFacts(Generic[Fact]):
    """A fact log and the place of each key's latest line; several threads may add and look up.

    The index is kept in a file beside the log, so that opening reads only what was written since. It is taken only
    where the log is as it was up to there, and read anew when a fact is not where it says.

    Args:
        path: The log; made when missing.
        kind: The record type of its lines.
        key_of: What a fact is found by.
        is_marked: A mark that is known of each without reading it.
    """

    def __init__(
        self,
        path: Path,
        kind: type[Fact],
        key_of: Callable[[Fact], str],
        is_marked: Callable[[Fact], bool] = lambda fact: False,
    ) -> None:
        self.log: FactLog[Fact] = FactLog(path, kind)
        self.spent = Spent()
        self._key_of, self._is_marked = key_of, is_marked
        self._lock = threading.RLock()  # scores and samples are made in a thread beside the asking
        self._places = DigestMap()  # where a key's line starts, in bytes, times two; one more for its mark
        self._n_saved = self._n_unsaved = 0
        start = self._load()
        self._is_loaded = start > 0
        self._scan(start)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.mark(key) is not None

    def mark(self, key: str) -> bool | None:
        """The mark of a key's latest fact; None when there is none."""
        with self._lock:
            place = self._places.get(key)
        return None if place is None else bool(place & 1)

    def get(self, key: str) -> Fact | None:
        """The latest fact under a key, or None."""
        with self._lock:
            place = self._places.get(key)
            fact = None if place is None else self._read(key, place >> 1)
            if place is None or fact is not None or not self._is_loaded:
                return fact
            self._is_loaded = False
            self._places, self.spent, self.log.n_damaged = DigestMap(), Spent(), 0
            self._scan(0)
            return self.get(key)

    def _read(self, key: str, start: int) -> Fact | None:
        try:
            fact = self.log.read_at(start)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        return fact if self._key_of(fact) == key else None

    def add(self, fact: Fact) -> None:
        """Store a fact; it counts once this returns. Syncing is left to the caller, who stores many at once."""
        with self._lock:
            self._remember(fact, self.log.append(fact))
            # Saved again when it has grown by an eighth, so that saving costs little; len() would merge the index.
            if self._n_unsaved >= max(MIN_SAVED, self._n_saved // 8):
                self._save()

    def _scan(self, start: int) -> None:
        for at, fact in self.log.scan(start):
            self._remember(fact, at)

    def _remember(self, fact: Fact, start: int) -> None:
        self._places.put(self._key_of(fact), start << 1 | self._is_marked(fact))
        self._n_unsaved += 1
        if isinstance(fact, Reply):
            self.spent.add(fact)

    def _load(self) -> int:
        """Take up the saved index; gives where in the log it ends."""
        found = load_cache(cache_path(self.log.path), _IndexHead)
        if found is None or found[0].end > self.log.end:
            return 0
        head, arrays = found
        if fingerprint(self.log.path, head.end) != head.fingerprint or [a.dtype.str for a in arrays] != ["<u8"] * 2:
            return 0
        self._places, self.spent, self.log.n_damaged = DigestMap(*arrays), head.spent, head.n_damaged
        self._n_saved = len(arrays[0])
        return head.end

    def _save(self) -> None:
        self._n_saved, self._n_unsaved = len(self._places), 0
        told = fingerprint(self.log.path, self.log.end)
        if told is not None:
            head = _IndexHead(self.log.end, told, self.log.n_damaged, self.spent)
            save_cache(cache_path(self.log.path), head, self._places.arrays())

    def close(self) -> None:
        """Force everything to disk and close the file."""
        if self._n_unsaved >= MIN_SAVED:
            self._save()
        self.log.close()


class ReplyStore(KeyedFacts[Reply]):
    """Replies by request digest.

    A later line about the same request wins, so an answer replaces an earlier failure.
    """

    def __init__(self, path: Path) -> None:
        # Marked where asking again may help.
        super().__init__(path, Reply, lambda reply: reply.request_digest, lambda reply: not reply.is_final)

    @property
    def n_stored(self) -> int:
        """Requests with a stored reply, whatever it says."""
        return len(self)

    def is_settled(self, request_digest: str) -> bool:
        """Whether asking again would be waste: an answer or a final refusal is stored."""
        return self.mark(request_digest) is False


class ScoreStore(KeyedFacts[Score]):
    """Validator scores by their key."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, Score, lambda score: score.key)  # type: ignore[arg-type]  # a union reads as one record

    def add(self, score: Score) -> None:
        """Store a score; it counts once this returns."""
        super().add(score)
        self.log.sync_if_due()


class VectorStore(KeyedFacts[QuestionVector]):
    """Vectors of questions by their key."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, QuestionVector, lambda vector: vector.key)


class JudgementStore(KeyedFacts[Judgement]):
    """Replies of the judge over text by their key."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, Judgement, lambda judgement: judgement.key)


def _left_files(folder: RunFolder) -> list[Path]:
    """Of a killed run of an earlier version, which asked over Ray with a file for each worker; they were paid for."""
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
