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

_MAGIC = b"datagen cache 1\n"
_N_SAMPLED, _SAMPLE_BYTES, _TAIL_BYTES = 16, 4096, 65_536

Head = TypeVar("Head", bound=msgspec.Struct)


def cache_path(path: Path) -> Path:
    """Where the cache about a file of a run stands."""
    return path.with_name(f".{path.stem}.cache")


def save_cache(path: Path, head: msgspec.Struct, arrays: Sequence[NDArray[Any]] = ()) -> None:
    """Write a cache, or leave the old one where that fails."""
    told = msgspec.json.encode([head, [(array.dtype.str, len(array)) for array in arrays]])
    digest = hashlib.blake2b(told, digest_size=16)
    contents = [np.ascontiguousarray(array).data for array in arrays]
    for content in contents:
        digest.update(content)
    beside = path.with_name(f"{path.name}{UNFINISHED}")
    with contextlib.suppress(OSError):
        with beside.open("wb") as file:
            file.write(_MAGIC + digest.hexdigest().encode() + b"\n" + told + b"\n")
            file.writelines(contents)
        beside.replace(path)


def load_cache(path: Path, kind: type[Head]) -> tuple[Head, list[NDArray[Any]]] | None:
    """Read a cache; None when it is missing, damaged, or of another version."""
    try:
        content = path.read_bytes()
        digest, told, rest = content.removeprefix(_MAGIC).split(b"\n", 2)
        if not content.startswith(_MAGIC):
            return None
        found = hashlib.blake2b(told, digest_size=16)
        found.update(rest)
        if found.hexdigest().encode() != digest:
            return None
        head, shapes = msgspec.json.decode(told, type=tuple[kind, list[tuple[str, int]]])  # type: ignore[valid-type]
        arrays, start = [], 0
        for name, length in shapes:
            kind_of = np.dtype(name)
            arrays.append(np.frombuffer(rest, kind_of, length, start))
            start += length * kind_of.itemsize
    except (OSError, ValueError, TypeError, msgspec.MsgspecError):
        return None
    return head, arrays


def fingerprint(path: Path, end: int) -> str | None:
    """Tell a file by its bytes before ``end``: the last of them, and blocks from all over it.

    Lines that were taken out, put in or changed in length move all that follows, so they show in the last bytes.

    Returns:
        None when the file ends before.
    """
    digest = hashlib.blake2b(str(end).encode(), digest_size=16)
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < end:
                return None
            for start in [*range(0, end, max(_SAMPLE_BYTES, end // _N_SAMPLED)), max(0, end - _TAIL_BYTES)]:
                file.seek(start)
                last = start == max(0, end - _TAIL_BYTES)
                digest.update(file.read(min(end - start, _TAIL_BYTES if last else _SAMPLE_BYTES)))
    except OSError:
        return None
    return digest.hexdigest()
