"""The run folder: file names, the lock, files written whole and then renamed, and caches that make a start faster."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import filelock
import msgspec
import numpy as np
from numpy.typing import NDArray

from datagen.errors import RunError

UNFINISHED = ".unfinished"
_LOCK = ".lock"
_N_DIGEST = 16  # bytes

Head = TypeVar("Head", bound=msgspec.Struct)


class RunFolder:
    """One job's folder.

    Args:
        path: The folder; need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.replies = path / "replies.jsonl"
        self.asked = path / "asked"
        self.more = path / "more.jsonl"
        self.more_copy = path / ".more.jsonl.copy"
        self.batches = path / "batches.jsonl"
        self.batch_file = path / f".batch.jsonl{UNFINISHED}"
        self.pictures = path / ".pictures.cache"
        self.watermark = path / ".watermark.cache"
        self.finished = path / ".finished.cache"
        self.scores = path / "scores.jsonl"
        self.vectors = path / "vectors.jsonl"
        self.judgements = path / "judgements.jsonl"
        self.costs = path / "costs.jsonl"
        self.at_risk = path / ".at_risk.jsonl"
        self.decisions = path / "decisions.jsonl"
        self.features = path / "features"
        self.exports = path / "exports"
        self.heartbeat = path / ".working.json"
        self.sizes = path / ".sizes.cache"
        self.settings = path / "run.yaml"
        self.shard = path / "shard.json"
        self.merged = path / "shards" / "merged.json"
        self.candidates = path / "candidates.jsonl"
        self.spool = path / f".candidates.jsonl{UNFINISHED}"
        self.samples = path / "samples.jsonl"
        self.dataset = path / "dataset.json"
        self.calibration = path / "calibration.jsonl"
        self.summary = path / "summary.json"
        self.report = path / "report.html"
        self.card = path / "README.md"

    def require(self) -> None:
        """Check that the folder holds a run.

        Raises:
            RunError: It does not exist or holds no ``run.yaml``, or a file in it is a link or a folder.
        """
        self._refuse_links()
        self._refuse_folders()
        if self.settings.is_file():
            return
        if (self.path / "shards").is_dir():
            told = f"holds shards of a run; put them together with 'datagen merge {self.path}'"
            raise RunError(f"{self.path}: {told}.")
        raise RunError(f"{self.path}: is not a run folder (it has no run.yaml); make one with 'datagen run'.")

    def _refuse_links(self) -> None:
        """A run folder may be a stranger's: what is written to a link in it would change a file elsewhere."""
        with translated_errors(self.path):
            links = sorted(entry.name for entry in self.path.glob("*") if entry.is_symlink())
        if links:
            raise RunError(
                f"{self.path}: '{links[0]}' is a link, and what is written to it would change a file elsewhere; put "
                "the file itself in its place."
            )

    def _refuse_folders(self) -> None:
        """Refuse a folder in a file's place before an answer is paid for that could not be kept."""
        for path in vars(self).values():
            if path.suffix in (".jsonl", ".json", ".yaml", ".html", ".md") and path.is_dir():
                raise RunError(f"{path}: is a folder, where this run keeps a file; move it away and start again.")

    @staticmethod
    def named_by(path: Path) -> Path:
        """The folder of a run that is named by its ``run.yaml``; any other path as it is."""
        return path.parent if path.name == "run.yaml" and path.is_file() else path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Create the folder and hold it for this process alone; the system frees it after a kill.

        A folder that was made for this and got nothing, as its start was refused, is taken away again.

        Raises:
            RunError: Another process holds it, it holds something else, or it cannot be written.
        """
        is_new = not self.path.exists()
        with translated_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            # run.yaml is the first file that takes its name; before it stand only shards and names with a dot.
            others = (entry.name for entry in self.path.iterdir() if entry.name[0] != "." and entry.name != "shards")
            if not self.settings.exists() and any(others):
                raise RunError(f"{self.path}: holds files but no run.yaml, so it is not a run; choose an empty --out.")
            self._refuse_links()
            self._refuse_folders()
            lock = self._acquired()
        try:
            for unfinished in self.path.glob(f".*{UNFINISHED}"):  # of a process that was killed while writing
                unfinished.unlink(missing_ok=True)
            yield
        finally:
            lock.release()
            with contextlib.suppress(OSError):  # somebody may have removed it meanwhile
                if is_new and {entry.name for entry in self.path.iterdir()} <= {_LOCK}:
                    (self.path / _LOCK).unlink(missing_ok=True)
                    self.path.rmdir()

    @contextmanager
    def held_for_reading(self) -> Iterator[None]:
        """Keep others from working on it while it is read; where its disk takes no lock, nobody writes there either.

        Raises:
            RunError: Another process holds it, or its disk fails.
        """
        lock = None
        try:
            lock = self._acquired()
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise RunError(f"{self.path}: cannot be read ({error.strerror or error}).") from None
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    def _acquired(self) -> filelock.BaseFileLock:
        lock = filelock.FileLock(self.path / _LOCK)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            told = f"another datagen process is working on this run; 'datagen status {self.path}' tells how far it is"
            raise RunError(f"{self.path}: {told}.") from None
        return lock


@contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """Turn the system's write errors into a sentence about the run folder."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunError(
                f"{path}: the disk is full; what is stored is safe, so free some space and start again."
            ) from None
        told = f"{path}: cannot be written ({error.strerror or error})"
        if error.errno in (errno.EFBIG, errno.EIO, errno.EROFS, errno.ESTALE):  # the folder may hold what was paid for
            raise RunError(
                f"{told}; what is stored is safe, so mend the disk or its limits and start again, "
                "or copy the folder to another disk and go on there."
            ) from None
        raise RunError(f"{told}; choose another --out.") from None


def sync_folder(path: Path) -> None:
    """Force a folder's list of names onto the disk: without it, a power cut may take a new file as a whole."""
    if os.name != "posix":  # Windows cannot open a folder, and writes its names through
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def write_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes its name only when it is complete and on disk; its folder must be there.

    Raises:
        RunError: Disk full, or folder not writable or gone; the old file, if any, is untouched.
    """
    with translated_errors(path):
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if os.name == "posix":
                Path(beside).chmod(0o644)  # mkstemp makes files that only their owner can read
            Path(beside).replace(path)
            sync_folder(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(beside).unlink()
            raise


_ROOM_BYTES = 1 << 16
"""Some dozen replies."""


def require_room(folder: Path) -> None:
    """Try a folder's disk before an answer is paid for that could not be kept there.

    What is written is random: zeros take no room on a disk that compresses.

    Raises:
        RunError: It is full, or takes nothing.
    """
    with translated_errors(folder), contextlib.suppress(FileNotFoundError):  # of a folder that is gone others tell
        handle, tried = tempfile.mkstemp(dir=folder, prefix=".room.", suffix=UNFINISHED)
        try:
            rest = memoryview(os.urandom(_ROOM_BYTES))
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        finally:
            os.close(handle)
            Path(tried).unlink(missing_ok=True)


def cache_path(path: Path) -> Path:
    """Where the cache about a file of a run stands."""
    return path.with_name(f".{path.stem}.cache")


def save_cache(path: Path, head: msgspec.Struct, arrays: Sequence[NDArray[Any]] = ()) -> None:
    """Write a cache, or leave the old one where that fails.

    What stands in it only makes a start faster and can be made again from the facts, so nobody waits for the disk.
    """
    content = msgspec.msgpack.encode([head, [(array.dtype.str, array.tobytes()) for array in arrays]])
    beside = path.with_name(f"{path.name}{UNFINISHED}")
    with contextlib.suppress(OSError):
        beside.write_bytes(_digest_of(content) + content)
        beside.replace(path)


def load_cache(path: Path, kind: type[Head]) -> tuple[Head, list[NDArray[Any]]] | None:
    """Read a cache; None when it is missing, damaged, or of another version."""
    try:
        file = path.read_bytes()
        content = memoryview(file)[_N_DIGEST:]
        if _digest_of(content) != file[:_N_DIGEST]:
            return None
        head, arrays = msgspec.msgpack.decode(content, type=tuple[kind, list[tuple[str, bytes]]])  # type: ignore[valid-type]
        return head, [np.frombuffer(numbers, np.dtype(name)) for name, numbers in arrays]
    except (OSError, ValueError, TypeError, msgspec.MsgspecError):
        return None


def _digest_of(content: bytes | memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=_N_DIGEST).digest()


def fingerprint(path: Path, end: int) -> str | None:
    """Tell a file by its bytes before ``end``: the last of them, and blocks from all over it.

    Lines that were taken out, put in or changed in length move all that follows, so they show in the last bytes.

    Returns:
        None when the file ends before.
    """
    digest = hashlib.blake2b(str(end).encode(), digest_size=16)
    tail = max(0, end - 65_536)
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < end:
                return None
            for start in [*range(0, end, max(4096, end // 16)), tail]:
                file.seek(start)
                digest.update(file.read(min(end - start, 65_536 if start == tail else 4096)))
    except OSError:
        return None
    return digest.hexdigest()
