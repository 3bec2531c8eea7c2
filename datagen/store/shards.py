"""A share of a run: which images it takes, where it lies, and what it says of itself when it is done."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from datagen.errors import RunError, SettingsError
from datagen.records import Sample
from datagen.store.folder import RunFolder

SHARDS = "shards"
"""Folder of the shards, inside the run's."""
_SPELLED = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


class Shard(Struct, frozen=True):
    """One of several equal shares of a corpus, each a stretch of it in its order.

    Attributes:
        number: Which one, from 1.
        count: How many there are.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``3/16``.

        Raises:
            SettingsError: It is something else.
        """
        found = _SPELLED.fullmatch(text.strip())
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise SettingsError(f"--shard {text}: expected K/N with K from 1 to N, such as 3/16.")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def cut(self, n: int) -> slice:
        """Which of ``n`` things in a row are its own; the sizes of shards differ by one at most."""
        return slice(n * (self.number - 1) // self.count, n * self.number // self.count)

    def folder_in(self, run: Path) -> RunFolder:
        """Where it lies in a run's folder."""
        width = len(str(self.count))
        return RunFolder(run / SHARDS / f"{self.number:0{width}}-of-{self.count}")


class ShardRecord(Struct, frozen=True):
    """What a finished shard says of itself in ``shard.json``.

    Attributes:
        shard: As it is spelled on the command line.
        digest: Of all that decides samples: recipes, settings, corpus. The same in all shards of a run.
        n_images: Of the whole corpus.
        n_samples: Of this shard.
        n_candidates: Samples that no stage has rejected so far.
    """

    shard: str
    digest: str
    n_images: int
    n_samples: int
    n_candidates: int


def read_record(folder: RunFolder) -> ShardRecord | None:
    """Read what a shard says of itself; None while it is not finished."""
    try:
        return msgspec.json.decode(folder.shard.read_bytes(), type=ShardRecord)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, OSError) as error:
        raise RunError(f"{folder.shard}: cannot be read ({error}); start the shard's command again.") from None


def read_candidates(folder: RunFolder) -> Iterator[Sample]:
    """Read a shard's samples as they stood before they were compared with all others.

    Raises:
        RunError: A line is damaged.
    """
    decoder = msgspec.json.Decoder(Sample)
    with folder.candidates.open("rb") as file:
        for n, line in enumerate(file, start=1):
            try:
                yield decoder.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                told = f"line {n} is damaged ({error}); start the shard's command again to write it anew"
                raise RunError(f"{folder.candidates}: {told}.") from None


def shard_folders(run: Path) -> list[RunFolder]:
    """List the shards that lie in a run's folder, finished or not, in no order that matters."""
    return [RunFolder(path) for path in sorted((run / SHARDS).glob("*-of-*")) if path.is_dir()]
