"""A shard of a run: which images it takes, its folder, and its record once it is done."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from datagen.config import Settings
from datagen.errors import RunError, SettingsError
from datagen.records import Sample
from datagen.store.folder import RunFolder, translated_errors, write_whole

SHARDS = "shards"
"""Folder of the shards, inside the run's."""


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
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text.strip())
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise SettingsError(f"--shard {text}: expected K/N with K from 1 to N, such as 3/16.")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def cut(self, n: int) -> slice:
        """Which of ``n`` things in a row are its own; the sizes of shards differ by one at most."""
        return slice(n * (self.number - 1) // self.count, n * self.number // self.count)

    def require_one_machine(self, settings: Settings) -> None:
        """Refuse to make it on a cluster.

        Raises:
            SettingsError: The settings ask for that.
        """
        if settings.engine != "local":
            told = f"--shard {self}: a shard is made on one machine, so it cannot be spread by --engine"
            raise SettingsError(f"{told} {settings.engine}; leave one of them out.")

    def folder_in(self, run: Path) -> RunFolder:
        """Where it lies in a run's folder."""
        width = len(str(self.count))
        return RunFolder(run / SHARDS / f"{self.number:0{width}}-of-{self.count}")


class ShardRecord(Struct, frozen=True):
    """What a finished shard says of itself in ``shard.json``.

    Attributes:
        shard: As it is spelled on the command line.
        common: All that decides samples (recipes, settings, corpus), by a name that a person knows. The same in all
            shards of a run.
        n_images: Of the whole corpus.
        n_samples: Of this shard.
        n_candidates: Samples that no stage has rejected so far.
        candidates: Digest of their file.
        examined: What the validator did beside its scores, or a list of that where several judge; None without any.
    """

    shard: str
    common: dict[str, Any]
    n_images: int
    n_samples: int
    n_candidates: int
    candidates: str
    examined: dict[str, Any] | list[dict[str, Any]] | None = None


def read_record(folder: RunFolder) -> ShardRecord | None:
    """Read what a shard says of itself; None while it is not finished."""
    try:
        return msgspec.json.decode(folder.shard.read_bytes(), type=ShardRecord)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, OSError) as error:
        raise RunError(f"{folder.shard}: cannot be read ({error}); start the shard's command again.") from None


def read_candidates(folder: RunFolder, digest: str | None = None) -> Iterator[Sample]:
    """Read a shard's samples as they stood before they were compared with all others.

    Args:
        folder: The shard's.
        digest: Of the file; where it is given, another file is refused.

    Raises:
        RunError: The file is not as it was written.
    """
    decoder, found, n_read = msgspec.json.Decoder(Sample), hashlib.blake2b(digest_size=16), 0
    anew = "start the shard's command again to write it anew"
    try:
        with folder.candidates.open("rb") as file:
            for line in file:
                found.update(line)
                yield decoder.decode(line)
                n_read += 1
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RunError(f"{folder.candidates}: line {n_read + 1} is damaged ({error}); {anew}.") from None
    except FileNotFoundError:
        raise RunError(f"{folder.candidates}: is missing; {anew}.") from None
    if digest is not None and found.hexdigest() != digest:
        raise RunError(f"{folder.candidates}: was changed since the shard was finished; {anew}.")


def told_differences(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Name what two shards do not agree in, with both values; nothing where they agree."""
    names = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    told = [f"{name} ({_shown(one.get(name))} and {_shown(other.get(name))})" for name in names[:3]]
    return ", ".join(told) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."


class Merged(Struct, frozen=True):
    """What a merge was made of: digests of the shards' records, by their folders."""

    shards: dict[str, str]


def note_merged(run: RunFolder, shards: Iterable[RunFolder]) -> None:
    """Write down what a run is made of."""
    told = Merged({str(shard.path.resolve()): _digest_of(shard) for shard in shards})
    with translated_errors(run.merged):
        run.merged.parent.mkdir(exist_ok=True)
    with write_whole(run.merged) as file:
        file.write(msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n")


def changed_since_merge(run: RunFolder) -> list[str]:
    """Name the shards that are no longer as they were merged; those that were taken away do not count."""
    try:
        merged = msgspec.json.decode(run.merged.read_bytes(), type=Merged)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    places = {Path(name): digest for name, digest in merged.shards.items()}
    return [path.name for path, digest in places.items() if path.is_dir() and _digest_of(RunFolder(path)) != digest]


def _digest_of(shard: RunFolder) -> str:
    try:
        return hashlib.blake2b(shard.shard.read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return ""


def shard_folders(run: Path) -> list[RunFolder]:
    """List the shards that lie in a run's folder, finished or not, in no order that matters."""
    return [RunFolder(path) for path in sorted((run / SHARDS).glob("*-of-*")) if path.is_dir()]
