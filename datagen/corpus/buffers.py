"""Numbers and texts in buffers: a text costs its letters and eight bytes, where a Python string takes fifty more."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_CHUNK = 1 << 12
"""Texts moved at once: each of their bytes takes sixteen for a moment."""


class Texts(Struct, frozen=True):
    """Many texts in one buffer.

    Attributes:
        data: Their UTF-8 bytes, one after another.
        offsets: Where each begins, and the end; one more than there are texts.
    """

    data: NDArray[np.uint8]
    offsets: Ints

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def read(self, start: int, stop: int) -> list[str]:
        """Make the texts from ``start`` to before ``stop``."""
        offsets = self.offsets[start : stop + 1].tolist()
        first = offsets[0]
        data = self.data[first : offsets[-1]].tobytes()
        return [data[a - first : b - first].decode() for a, b in pairwise(offsets)]

    def cut(self, start: int, stop: int) -> Texts:
        """Take those from ``start`` to before ``stop`` alone."""
        offsets = self.offsets[start : stop + 1]
        return Texts(self.data[offsets[0] : offsets[-1]], offsets - offsets[0])

    def pick(self, rows: Ints) -> Texts:
        """Copy the texts of these rows, in this order."""
        starts, lengths = self.offsets[:-1][rows], np.diff(self.offsets)[rows]
        offsets = ends_of(lengths)
        picked = np.empty(offsets[-1], np.uint8)
        for at in range(0, len(rows), _CHUNK):
            begins, n_bytes = offsets[at : at + _CHUNK], lengths[at : at + _CHUNK]
            moved = np.repeat(starts[at : at + _CHUNK] - begins[: len(n_bytes)], n_bytes)
            moved += np.arange(begins[0], begins[0] + len(moved))
            picked[begins[0] : begins[0] + len(moved)] = self.data[moved]
        return Texts(picked, offsets)


class Growing:
    """Numbers that come in parts. Their buffer grows in place, as the system moves its pages and copies nothing.

    Args:
        dtype: Of the numbers.
        width: Numbers in a row; 0 for plain numbers.
    """

    def __init__(self, dtype: type[np.generic], width: int = 0) -> None:
        self._dtype = dtype
        self._shape = (-1, width) if width else (-1,)
        self._buffer = bytearray()

    def add(self, part: NDArray[Any]) -> None:
        """Take more numbers."""
        self._buffer += np.ascontiguousarray(part, self._dtype).data

    def array(self) -> NDArray[Any]:
        """All numbers, in the buffer itself: nothing can be added any more."""
        return np.frombuffer(self._buffer, self._dtype).reshape(self._shape)


class GrowingTexts:
    """Texts that come in parts."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._lengths = Growing(np.int64)

    def add(self, texts: Sequence[str]) -> None:
        """Take more texts."""
        joined = "".join(texts)
        self._data += joined.encode()
        encoded = texts if joined.isascii() else [text.encode() for text in texts]
        self._lengths.add(np.fromiter(map(len, encoded), np.int64, len(texts)))

    def texts(self) -> Texts:
        """All texts; nothing can be added any more."""
        return Texts(np.frombuffer(self._data, np.uint8), ends_of(self._lengths.array()))


def texts_of(texts: Sequence[str]) -> Texts:
    """Lay texts out in one buffer."""
    growing = GrowingTexts()
    growing.add(texts)
    return growing.texts()


def joined_texts(parts: Sequence[Texts]) -> Texts:
    """Lay several of them end to end."""
    if len(parts) == 1:
        return parts[0]
    data = np.concatenate([np.empty(0, np.uint8), *(part.data for part in parts)])
    return Texts(data, ends_of(np.concatenate([np.empty(0, np.int64), *(np.diff(part.offsets) for part in parts)])))


def ends_of(lengths: Sequence[int] | Ints) -> Ints:
    """Where things of these lengths end when they stand in a row; a 0 before all."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)))
