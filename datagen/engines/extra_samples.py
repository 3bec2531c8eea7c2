"""Samples that were chosen beside a finished run: facts in two files, since without its line a paid reply is lost.

Nobody can choose the same again: a choice follows from the set as it was. So a line of ``more.jsonl`` that is damaged,
cut off or gone is put back from a hidden copy, and ``run.yaml`` says how many lines there must be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import closing, suppress
from typing import Any

import msgspec

from datagen.errors import RunError
from datagen.recipes import Recipe
from datagen.records import ExtraSample
from datagen.store import FactLog, RunFolder, read_facts, write_whole

HOW_MANY = "more"
"""Key of ``run.yaml`` for the number of them."""


def read_extras(folder: RunFolder, recipes: Sequence[Recipe]) -> dict[str, tuple[ExtraSample, ...]]:
    """Samples that were chosen beside a finished run, by image; those of types that it has no longer left out."""
    names, found = {recipe.name for recipe in recipes}, dict[str, tuple[ExtraSample, ...]]()
    for extra in _readable(folder)[0]:
        if extra.response_type in names:
            found[extra.image_id] = (*found.get(extra.image_id, ()), extra)
    return found


def count_extras(folder: RunFolder) -> int:
    """How many samples were chosen, whatever their types."""
    return len(_readable(folder)[0])


def add_extras(folder: RunFolder, chosen: Sequence[ExtraSample]) -> None:
    """Write down what was chosen.

    Raises:
        RunError: The disk is full or gone.
    """
    for path in (folder.more_copy, folder.more):
        with closing(FactLog(path, ExtraSample)) as log:
            for extra in chosen:
                log.append(extra)
            log.sync()


def take_back_extras(folder: RunFolder, keys: Set[tuple[str, str, int]]) -> int:
    """Forget samples by image, response type and number, and say how many.

    Raises:
        RunError: The disk is full or gone.
    """
    chosen = _readable(folder)[0]
    kept = [one for one in chosen if (one.image_id, one.response_type, one.number) not in keys]
    if len(kept) < len(chosen):
        for path in (folder.more_copy, folder.more):
            with write_whole(path) as file:
                file.writelines(msgspec.json.encode(extra) + b"\n" for extra in kept)
    return len(chosen) - len(kept)


def mend_extras(
    folder: RunFolder, manifest: Mapping[str, Any], note: Callable[[str], None], *, may_lose: bool = False
) -> None:
    """Put lines back that one of the two files lacks; the folder is locked.

    Args:
        folder: The run's.
        manifest: The content of its ``run.yaml``.
        note: Hears what was put back, and what is lost.
        may_lose: Go on without those that stand in neither file.

    Raises:
        RunError: Some stand in neither, and may not be lost; or the disk fails.
    """
    chosen, n_lines = _readable(folder)
    told = manifest.get(HOW_MANY)
    n_lost = max(n_lines, told if isinstance(told, int) else 0) - len(chosen)
    if n_lost > 0:
        lost = f"{folder.more}: {n_lost} of the samples that --more chose cannot be read, nor from the copy beside it"
        if not may_lose:
            raise RunError(
                f"{lost}, and the dataset would lose them with their replies, which are paid for. Put the file back "
                "from a copy of your own, or say --change to go on without them."
            )
        note(f"{lost}; the run goes on without them, their replies stay stored.")
    whole = b"".join(msgspec.json.encode(extra) + b"\n" for extra in chosen)
    for path in (folder.more, folder.more_copy):
        before = None
        with suppress(OSError):
            before = path.read_bytes()
        if (before or b"") == whole:
            continue
        if path == folder.more and n_lost <= 0:
            what = "is gone" if before is None else "is damaged"
            note(f"{path}: {what}; what --more chose is put back from the copy beside it.")
        with write_whole(path) as file:
            file.write(whole)


def _readable(folder: RunFolder) -> tuple[list[ExtraSample], int]:
    """All that can be read of either file, in the order of the one that has more; and how many lines there were."""
    files = [[*_lines(folder, of_copy=of_copy)] for of_copy in (False, True)]
    n_lines = max(map(len, files))
    files.sort(key=lambda lines: lines.count(None) - len(lines))  # stable: the file itself where both have as many
    by_key = {
        (extra.image_id, extra.response_type, extra.number): extra
        for lines in files
        for extra in lines
        if extra is not None
    }
    return [*by_key.values()], n_lines


def _lines(folder: RunFolder, *, of_copy: bool) -> Iterator[ExtraSample | None]:
    """The lines of a file, None for a damaged one; one that a kill cut short was never acted on, and is none."""
    path = folder.more_copy if of_copy else folder.more
    if not path.is_file():
        return
    size = path.stat().st_size
    for (_, end), extra in read_facts(path, ExtraSample):
        if extra is not None or end < size:
            yield extra
