"""Samples that are gone over several times: made once, and read from a file after that, at a twentieth of the cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from datagen.records import Sample
from datagen.store.folder import translated_errors


@contextmanager
def spooled(make: Callable[[], Iterator[Sample]], path: Path) -> Iterator[Callable[[], Iterator[Sample]]]:
    """Lend what gives the same samples as ``make``, from a file once it has given all of them.

    Args:
        make: Makes them anew at every call.
        path: The file; removed at the end.

    Raises:
        RunError: The disk is full or gone.
    """
    is_whole = False

    def give() -> Iterator[Sample]:
        return read() if is_whole else written()

    def written() -> Iterator[Sample]:
        nonlocal is_whole
        encoder = msgspec.json.Encoder()
        with translated_errors(path):
            file = path.open("wb")
        with file:
            for sample in make():
                with translated_errors(path):
                    file.write(encoder.encode(sample) + b"\n")
                yield sample
            with translated_errors(path):
                file.flush()
        is_whole = True

    def read() -> Iterator[Sample]:
        decoder = msgspec.json.Decoder(Sample)
        with path.open("rb") as file:
            yield from map(decoder.decode, file)

    try:
        yield give
    finally:
        path.unlink(missing_ok=True)
