"""Samples come out of the file as they went in, and a pass that was broken off counts for nothing."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import datagen
from datagen.engines.local import spooled
from datagen.records import Sample


def test_they_are_made_once(finished: Path, tmp_path: Path) -> None:
    samples = list(datagen.open_run(finished).iter_samples())
    assert len(samples) == 18
    n_made = 0

    def make() -> Iterator[Sample]:
        nonlocal n_made
        n_made += 1
        yield from samples

    path = tmp_path / "spool"
    with spooled(make, path) as give:
        assert len(list(islice(give(), 5))) == 5
        assert list(give()) == samples
        assert list(give()) == samples
        assert list(zip(give(), give(), strict=True)) == list(zip(samples, samples, strict=True))
        assert n_made == 2
    assert not path.exists()
