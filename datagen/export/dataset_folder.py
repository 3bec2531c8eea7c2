"""An export written whole or not at all: rows proven one by one, a card, and the SHA-256 of every file."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import starmap
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import msgspec
from msgspec import UNSET

from datagen.errors import ExportError
from datagen.export.coordinates import in_coordinates
from datagen.export.llava_json import llava_record
from datagen.export.rows import (
    IMAGES,
    NOT_STATED,
    ExportRow,
    ExportSettings,
    LeftOut,
    Writer,
    has_licence,
    record_fault,
    split_of,
)
from datagen.records import Sample

_ENDING = ".unfinished"
_LOCK = "lock"


@contextmanager
def unfinished_folder(out: Path) -> Iterator[Path]:
    """Make an empty folder beside an export, on the same disk, that vanishes with all that was not moved out of it.

    Whoever works in it holds a lock that the system frees after a kill, so that the next export of this name can tell
    what no living process owns.

    Args:
        out: What is to take its name in the end.

    Raises:
        OSError: Disk full or folder not writable.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    _clear_abandoned(out)
    home = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.", suffix=_ENDING))
    lock = filelock.FileLock(home / _LOCK)
    try:
        with contextlib.suppress(OSError, NotImplementedError):  # a disk without locks: nobody will clear this away
            lock.acquire()
        folder = home / "export"
        folder.mkdir()
        yield folder
    finally:
        lock.release()
        shutil.rmtree(home, ignore_errors=True)


def _clear_abandoned(out: Path) -> None:
    for home in out.parent.iterdir():
        if home.name.startswith(f".{out.name}.") and home.name.endswith(_ENDING):
            with contextlib.suppress(OSError, NotImplementedError):  # such as filelock.Timeout: somebody works in it
                if (home / _LOCK).is_file() and not home.is_symlink():
                    filelock.FileLock(home / _LOCK).acquire(timeout=0).lock.release()
                    shutil.rmtree(home, ignore_errors=True)


MANIFEST = "manifest.json"
CARD = "README.md"
CHECKSUMS = "SHA256SUMS"
"""What ``sha256sum -c`` takes: every other file, the manifest too."""

WriteCard = Callable[[ExportSettings, dict[str, Any], Sequence[str]], str]
"""Makes the card of the settings, of what came of the export, and of the names of its files."""

FindPicture = Callable[[str], Path | LeftOut]
"""Takes a file name under the image folder to a file that opens, or to the reason why there is none."""


class Exported(NamedTuple):
    """What came of an export.

    Attributes:
        counts: ``accepted``, ``other_licence``, ``left_out``, ``rows`` per split, rows by ``licences``, and of a form
            that tells rows apart ``by_source`` per split.
        left_out: Sample id, reason and detail of every row that would train to nothing.
    """

    counts: dict[str, Any]
    left_out: list[dict[str, str]]


def export_folder(
    samples: Iterable[Sample],
    out: Path,
    writer: type[Writer],
    settings: ExportSettings,
    find_picture: FindPicture,
    about: dict[str, Any],
    card: WriteCard | None = None,
) -> Exported:
    """Write an export whole, or nothing; the same samples, pictures and settings give the same bytes.

    One row is in memory at a time; of Parquet a row group.

    Args:
        samples: In corpus order, accepted and rejected.
        out: The folder; may exist when it is empty or holds this very export.
        writer: Of the form.
        settings: Its name, choice and pictures.
        find_picture: Opens pictures; a row whose picture does not open is left out.
        about: What else the manifest tells, such as version and digest of the run's settings.
        card: Writes its ``README.md``; None leaves it without.

    Raises:
        ExportError: The folder holds something else, or no row is left to write.
        OSError: Disk full or folder not writable; nothing is left behind.
    """
    _require_free(out)
    with unfinished_folder(out) as folder:
        exported = _write_rows(samples, folder, writer, settings, find_picture)
        asked: dict[str, Any] = msgspec.to_builtins(settings)
        form = {"format": asked.pop("form"), "export": asked}
        if card is not None and not (folder / CARD).exists():  # a form of the user's own may write one
            names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
            (folder / CARD).write_text(card(settings, exported.counts, names), encoding="utf-8")
        files = dict(_files(folder))
        manifest = msgspec.json.encode({**about, **form, **exported._asdict(), "files": files})
        manifest = msgspec.json.format(manifest, indent=2) + b"\n"
        (folder / MANIFEST).write_bytes(manifest)
        digests = {name: one["sha256"] for name, one in files.items()}
        digests[MANIFEST] = hashlib.sha256(manifest).hexdigest()
        (folder / CHECKSUMS).write_bytes("".join(starmap(_checksum_line, sorted(digests.items()))).encode())
        _take_name(folder, out)
    return exported


def _write_rows(
    samples: Iterable[Sample], folder: Path, writer: type[Writer], settings: ExportSettings, find_picture: FindPicture
) -> Exported:
    counts: Counter[str] = Counter()
    n_rows = dict.fromkeys(settings.choice.splits, 0)
    licences: set[str] = set()
    written_under: Counter[str] = Counter()
    left_out: list[dict[str, str]] = []
    with ExitStack() as stack:
        writers: dict[str, Writer] = {}
        for split in settings.choice.splits:
            writers[split] = writer(folder, split, settings)
            stack.callback(writers[split].close)

        def take(row: ExportRow) -> LeftOut | None:
            fault = writers[row.split].add(row)
            if fault is None:
                n_rows[row.split] += 1
                written_under[row.sample.provenance.licence or NOT_STATED] += 1
                if not writer.has_pixels:
                    _place(row, folder / IMAGES, settings.pictures)
            return fault

        for sample in samples:
            if sample.status != "accepted":
                continue
            counts["accepted"] += 1
            licences.add(sample.provenance.licence or NOT_STATED)
            if not has_licence(sample.provenance.licence, settings.choice.licences):
                counts["other_licence"] += 1
                continue
            row = prove(sample, settings, find_picture)
            fault = row if isinstance(row, LeftOut) else take(row)
            if fault is not None:
                left_out.append({"sample_id": sample.sample_id, **fault._asdict()})
    if not any(n_rows.values()):
        raise ExportError(_nothing_left(counts, licences, left_out))
    told: dict[str, Any] = {"accepted": counts["accepted"], "other_licence": counts["other_licence"]}
    told |= {"left_out": len(left_out), "rows": n_rows, "licences": dict(sorted(written_under.items()))}
    tallies = {split: dict(sorted(tally.items())) for split, one in writers.items() if (tally := _tally_of(one))}
    return Exported({**told, **({"by_source": tallies} if tallies else {})}, left_out)


def _tally_of(writer: Writer) -> Mapping[str, int]:
    """Rows by where they come from, of a form that tells them apart."""
    return getattr(writer, "tally", {})


def prove(sample: Sample, settings: ExportSettings, find_picture: FindPicture) -> ExportRow | LeftOut:
    """Make the row of a sample, or say why trainers would get nothing from it."""
    if not sample.turns:
        return LeftOut("no_answer", "it has no turns")
    if settings.coordinates is not UNSET:
        picture = find_picture(sample.image)
        written = picture if isinstance(picture, LeftOut) else in_coordinates(sample, picture, settings.coordinates)
        if isinstance(written, LeftOut):
            return written
        sample = written
    record = llava_record(sample, settings.choice.rng_seed)
    record["image"] = record["image"].replace("\\", "/")
    fault = record_fault(record)
    if fault is not None:
        return fault
    picture = find_picture(sample.image)
    if isinstance(picture, LeftOut):
        return picture
    return ExportRow(sample, record, split_of(sample.image_id, settings.choice), picture)


def _place(row: ExportRow, folder: Path, how: str) -> None:
    """Copy or link a picture, once however many rows show it."""
    target = folder / row.image
    if how == "leave" or target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if how == "link":
        target.symlink_to(row.picture.resolve())
    else:
        shutil.copyfile(row.picture, target)


def _nothing_left(counts: Counter[str], licences: set[str], left_out: list[dict[str, str]]) -> str:
    if not counts["accepted"]:
        return "No sample of this run was accepted, so there is nothing to export."
    if counts["other_licence"] == counts["accepted"]:
        return f"No accepted sample has the licence asked for; there is {', '.join(sorted(licences))}."
    first = left_out[0]
    return f"Every sample was left out, the first ({first['sample_id']}) because {first['detail']}."


def _require_free(out: Path) -> None:
    if out.is_dir() and ((out / MANIFEST).is_file() or not any(out.iterdir())):
        return
    if out.exists() or out.is_symlink():
        raise ExportError(f"{out}: exists and is no export of datagen's; choose another --out.")


def _take_name(folder: Path, out: Path) -> None:
    if (out / MANIFEST).is_file():
        is_same = (out / MANIFEST).read_bytes() == (folder / MANIFEST).read_bytes()
        if is_same and dict(_files(out)) == dict(_files(folder)):
            return
        raise ExportError(f"{out}: holds another export, or one that was changed; choose another --out or remove it.")
    if out.is_dir():
        out.rmdir()
    folder.rename(out)


def _checksum_line(name: str, digest: str) -> str:
    """A line of ``sha256sum``, which begins with a backslash where the name holds signs that are written as two."""
    escaped = name.replace("\\", r"\\").replace("\n", r"\n").replace("\r", r"\r")
    return f"{chr(92) if escaped != name else ''}{digest}  {escaped}\n"


def _files(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every file but the manifest and the checksums, by name, with its size and SHA-256."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path not in (folder / MANIFEST, folder / CHECKSUMS):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            yield path.relative_to(folder).as_posix(), {"bytes": path.stat().st_size, "sha256": digest}
