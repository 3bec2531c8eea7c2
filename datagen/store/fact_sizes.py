"""How large the facts of a run were: a file that was emptied, cut or overwritten between two starts is noticed.

A fact file that is gone looks like one of a run that has just begun, so everything would be asked and paid for again.
What this says is written while a run works and at its end, beside the heartbeat.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from datagen.errors import RunError
from datagen.store.append_log import read_facts
from datagen.store.folder import RunFolder, fingerprint, load_cache, save_cache

MIN_LEFT = 0.9
"""Of a file's bytes; where fewer can be read the run stops. A power cut costs the last 0.1 s, a sector some lines."""


class _Sizes(Struct):
    """Bytes of each file of facts and a fingerprint of them, by its name."""

    of: dict[str, tuple[int, str]]


class _AnyFact(Struct):
    """A line that is a JSON object, whatever it holds."""


def _facts(folder: RunFolder) -> dict[Path, str]:
    """The files that hold facts, and what a loss means of what no computing brings back."""
    paid = "answers that were paid for are gone, and would be paid for again"
    return {
        folder.replies: "replies that were paid for are gone, and would be asked and paid for again",
        folder.batches: "which batches were paid for is gone, and they would be asked and paid for again",
        folder.judgements: paid,
        folder.vectors: paid,
        folder.costs: "what was paid is gone, and a budget would begin anew",
        folder.decisions: "what was accepted, rejected or corrected by hand is gone",
        folder.scores: "",  # computed again, which is told
    }


def keep_sizes(folder: RunFolder) -> None:
    """Write down how large the facts are now."""
    sizes: dict[str, tuple[int, str]] = {}
    for path in _facts(folder):
        size = path.stat().st_size if path.is_file() else 0
        told = fingerprint(path, size) if size else None
        if told is not None:
            sizes[path.name] = size, told
    if sizes:
        save_cache(folder.sizes, _Sizes(sizes))


def require_facts(folder: RunFolder, note: Callable[[str], None], *, may_lose: bool, are_paid: bool) -> None:
    """See that no file of facts was emptied, cut, overwritten or removed since a run worked here.

    Args:
        folder: The run's, which is locked.
        note: Hears of a loss that is small, or meant.
        may_lose: The run goes on without what is gone.
        are_paid: An endpoint wrote the replies; others are written anew for nothing.

    Raises:
        RunError: A file lost more than a tenth of what it held.
    """
    found = load_cache(folder.sizes, _Sizes)
    sizes = {} if found is None else found[0].of
    for path, meaning in _facts(folder).items():
        before, known = sizes.get(path.name, (0, ""))
        if fingerprint(path, before) == known or not before or (path == folder.replies and not are_paid):
            continue
        lines = read_facts(path, _AnyFact) if path.is_file() else ()
        left = sum(end - start + 1 for (start, end), fact in lines if fact is not None)
        told = f"{path}: of the {before:,} bytes that were stored there, {left:,} can be read"
        if meaning and left < MIN_LEFT * before and not may_lose:
            raise RunError(f"{told}: {meaning}. Put the file back from a copy, or say --change to go on without it.")
        if left < before:
            note(f"{told}; the run goes on without the others.")
