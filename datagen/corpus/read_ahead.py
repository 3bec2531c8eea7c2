"""Decodes pictures ahead in threads, so that a GPU need not wait for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

    ReadPicture = Callable[[str], Image]

N_THREADS = 4
"""Decoders: a JPEG takes 6 to 8 ms, a large GPU a picture every 10."""
N_AHEAD = 64
"""Pictures held decoded, at most; about 60 MB of photographs."""


@contextmanager
def reading_ahead(
    read: ReadPicture, names: Iterable[str], *, n_threads: int = N_THREADS, n_ahead: int = N_AHEAD
) -> Iterator[ReadPicture]:
    """Read pictures in threads while somebody works with the ones before.

    Pillow decodes without holding the interpreter, so this helps where the work is a GPU's; beside work on
    the processor it would only get in the way, so there 0 threads are right and cost nothing.

    Args:
        read: Opens a picture by name; what it raises is raised when that picture is asked for.
        names: In the order in which they will be asked for, once each; not read further than needed.
        n_threads: 0 gives ``read`` itself.
        n_ahead: Pictures that may wait, decoded.

    Yields:
        A reader for any name: those in ``names`` are there sooner.
    """
    if n_threads < 1:
        yield read
        return
    with ThreadPoolExecutor(n_threads, thread_name_prefix="pictures") as pool:
        ahead = _Ahead(read, iter(names), pool, n_ahead)
        try:
            yield ahead.read
        finally:
            ahead.forget()


class _Ahead:
    """Pictures on their way, in the order of their names."""

    def __init__(self, read: ReadPicture, names: Iterator[str], pool: ThreadPoolExecutor, n_ahead: int) -> None:
        self._read = read
        self._names = names
        self._pool = pool
        self._n_ahead = n_ahead
        self._coming: dict[str, Future[Image]] = {}
        self._order: deque[str] = deque()
        self._send_more()

    def read(self, name: str) -> Image:
        """Take a picture out, and send for more."""
        if name not in self._coming:
            return self._read(name)
        while self._order[0] != name:  # passed over by the caller, who knew its scores
            self._drop(self._order[0])
        future = self._coming[name]
        self._drop(name, is_wanted=True)
        self._send_more()
        return future.result()

    def forget(self) -> None:
        """Stop what has not begun."""
        while self._order:
            self._drop(self._order[0])

    def _drop(self, name: str, *, is_wanted: bool = False) -> None:
        self._order.popleft()
        future = self._coming.pop(name)
        if not is_wanted:
            future.cancel()

    def _send_more(self) -> None:
        while len(self._order) < self._n_ahead:
            name = next(self._names, None)
            if name is None:
                return
            if name not in self._coming:
                self._coming[name] = self._pool.submit(self._read, name)
                self._order.append(name)
