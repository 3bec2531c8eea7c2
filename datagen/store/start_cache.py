"""Caches that only make a start faster: whole or not there at all, and ignored where anything is off.

What stands in them can be made again from the facts; so they are written without waiting for the disk, and a
failure to write one is no failure of the run.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from datagen.store.folder import UNFINISHED

_N_DIGEST = 16  # bytes

Head = TypeVar("Head", bound=msgspec.Struct)


def cache_path(path: Path) -> Path:
    """Where the cache about a file of a run stands."""
    return path.with_name(f".{path.stem}.cache")


def save_cache(path: Path, head: msgspec.Struct, arrays: Sequence[NDArray[Any]] = ()) -> None:
    """Write a cache, or leave the old one where that fails."""
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
