"""Decodes pictures ahead in threads, so that a GPU need not wait for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

    ReadPicture = Callable[[str], Image]


MAX_AHEAD_BYTES = 256 << 20
"""What pictures that wait may take: some 280 photographs of COCO's, and few of a camera's."""


@contextmanager
def reading_ahead(
    read: ReadPicture, names: Iterable[str], *, n_threads: int = 4, n_ahead: int = 64
) -> Iterator[ReadPicture]:
    """Read pictures in threads while somebody works with the ones before.

    Pillow decodes without holding the interpreter, so this helps where the work is a GPU's; beside work on
    the processor it would only get in the way, so there 0 threads are right and cost nothing.

    Args:
        read: Opens a picture by name; what it raises is raised when that picture is asked for.
        names: In the order in which they will be asked for, once each; not read further than needed.
        n_threads: Decoders: a JPEG takes 6 to 8 ms, a large GPU a picture every 10. 0 gives ``read`` itself.
        n_ahead: Pictures that may wait, decoded; fewer where they are large.

    Yields:
        A reader for any name: those in ``names`` are there sooner.
    """
    if n_threads < 1:
        yield read
        return
    coming: dict[str, Future[Image]] = {}  # in the order of their names
    with ThreadPoolExecutor(n_threads, thread_name_prefix="pictures") as pool:
        left, largest = iter(names), 0

        def n_wanted() -> int:
            if not largest:  # none was seen yet
                return min(2 * n_threads, n_ahead)
            return max(1, min(n_ahead, MAX_AHEAD_BYTES // largest))

        def send_more() -> None:
            while len(coming) < n_wanted() and (name := next(left, None)) is not None:
                if name not in coming:
                    coming[name] = pool.submit(read, name)

        def take(name: str) -> Image:
            if name not in coming:
                return read(name)
            while (first := next(iter(coming))) != name:  # passed over by the caller, who knew its scores
                coming.pop(first).cancel()
            nonlocal largest
            future = coming.pop(name)
            try:
                picture = future.result()
                largest = max(largest, 3 * picture.width * picture.height)
                return picture
            finally:
                send_more()

        send_more()
        try:
            yield take
        finally:
            for future in coming.values():
                future.cancel()
