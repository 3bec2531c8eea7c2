"""The finished mark: digests of all that a finished run follows from, so that a second start with nothing new is over.

Without it a start plans, derives and writes everything again to come to the same bytes, which takes three quarters of
the time of a fresh run. Compared are the version and the code's files, every setting, the recipes, names, sizes and
times of the files of the corpus and of its pictures, and the content of every file of the run itself: a byte that was
changed in the folder shows, and the run is made anew from its facts. Validators, judge and embedding model count by
their settings, and a checkpoint in a folder by the stamps of its files: none of them is opened, and a hub's repository
that has moved on is no reason to look again.
"""

from __future__ import annotations

import contextlib
import hashlib
import platform
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

import datagen
from datagen.checks import entailment
from datagen.config import digest_of, dump_settings, validator_names
from datagen.corpus.picture_places import place_for
from datagen.engines.plugs import NO_PLUGS
from datagen.recipes import judge_prompt, picture_prompt, repair_prompt
from datagen.store import load_cache, save_cache
from datagen.summary import Summary

if TYPE_CHECKING:
    from datagen.engines.finish_run import Outcome
    from datagen.engines.inputs import Inputs


class _FinishedHead(Struct):
    """What the file says.

    Attributes:
        inputs: Digest of all that comes from outside the folder.
        files: Digests of the run's files, by name; those that were not there are left out.
        share_failed: See ``Outcome``.
        failure: See ``Outcome``.
    """

    inputs: str
    files: dict[str, str]
    share_failed: float
    failure: str | None


def finished_before(inputs: Inputs) -> tuple[Summary, float, str | None] | None:
    """How the run ended before, where nothing has changed since; None where it must be worked on.

    Args:
        inputs: Of the run, whose folder is locked.

    Returns:
        The first fields of ``Outcome``.
    """
    asks_for_more = inputs.retry or inputs.n_more is not None
    found = load_cache(inputs.folder.finished, _FinishedHead) if _may_be_kept(inputs) and not asks_for_more else None
    if found is None:
        return None
    try:
        if found[0].files != _digests_of_files(inputs) or found[0].inputs != _digest_of_inputs(inputs):
            return None
        summary = msgspec.json.decode(inputs.folder.summary.read_bytes(), type=Summary)
    except (OSError, msgspec.MsgspecError):  # a file that went away is told by whoever needs it
        return None
    return summary, found[0].share_failed, found[0].failure


def keep_finished(inputs: Inputs, outcome: Outcome) -> None:
    """Write down of what the run was made, where another start would have nothing to do.

    Args:
        inputs: Of the run, whose files are written.
        outcome: How it ended.
    """
    if not outcome.is_settled or not _may_be_kept(inputs):
        return
    with contextlib.suppress(OSError):  # without it the next start only takes longer
        told, files = _digest_of_inputs(inputs), _digests_of_files(inputs)
        save_cache(inputs.folder.finished, _FinishedHead(told, files, outcome.share_failed, outcome.failure))


def _may_be_kept(inputs: Inputs) -> bool:
    """Whether all that decides the run can be compared: no Python object, nothing that was left behind."""
    has_left = any(inputs.folder.asked.glob("*"))  # replies that another start could not move to their place
    return inputs.plugs == NO_PLUGS and inputs.shard is None and not inputs.is_merge and not has_left


def _digest_of_inputs(inputs: Inputs) -> str:
    settings = inputs.settings
    prompts = {recipe.name: recipe.digest for recipe in inputs.recipes}
    if settings.teacher.show_images:
        prompts["shown"] = picture_prompt(settings.recipes_dir)
    if settings.repair:
        prompts["repair"] = repair_prompt(settings.recipes_dir)
    judge = settings.checks.judge
    if judge is not None and not judge.is_bundled:
        prompts["judge"] = judge_prompt(settings.recipes_dir)
    code = sorted((path.name, _stamp(path)) for path in Path(datagen.__file__).parent.rglob("*.py"))  # of a checkout
    told: list[Any] = [version("datagen"), code, platform.python_version(), dump_settings(settings), [*prompts.items()]]
    told += [_stamps_in(name) for name in validator_names(settings.validator.name)]
    told += [_stamps_in(str(entailment.BUNDLED))] if judge is not None and judge.is_bundled else []
    return digest_of([*told, inputs.source.stamp(), _stamp(settings.corpus.dataset), _told_pictures(inputs)])


def _told_pictures(inputs: Inputs) -> str:
    """Digest of names, sizes and times of the pictures."""
    digest = hashlib.blake2b(digest_size=16)
    if inputs.settings.corpus.images is not None:
        folder = inputs.pictures.folder or Path(inputs.settings.corpus.images)
        for image in inputs.images:
            place, name = place_for(folder, image.file_name)
            digest.update(
                repr((image.file_name, _stamp(folder / name) if place is None else place.stamp(name))).encode()
            )
    return digest.hexdigest()


def _stamp(path: str | Path | None) -> tuple[int, int] | None:
    """Size and time of a file; None where it is not there."""
    try:
        found = Path(path).stat() if path else None
    except (OSError, ValueError):
        return None
    return None if found is None else (found.st_size, found.st_mtime_ns)


def _stamps_in(name: str) -> list[tuple[str, tuple[int, int] | None]]:
    """Names, sizes and times of the files of a checkpoint that is a folder; none of what is known by a name."""
    with contextlib.suppress(OSError, ValueError):
        return [(path.name, _stamp(path)) for path in sorted(Path(name).iterdir())]
    return []


def _files(inputs: Inputs) -> Iterator[Path]:
    """The run's own files: facts, what follows from them, and what is chosen beside them."""
    folder = inputs.folder
    for path in sorted(folder.path.iterdir()):
        if path.is_file() and path.suffix in (".jsonl", ".json", ".yaml", ".md") and path != folder.heartbeat:
            yield path


def _digests_of_files(inputs: Inputs) -> dict[str, str]:
    """Digests of the files' bytes by name; two threads, as the digest of one file leaves the other core idle."""
    paths = list(_files(inputs))
    with ThreadPoolExecutor(2) as pool:
        return dict(zip((path.name for path in paths), pool.map(_digest_of_file, paths), strict=True))


def _digest_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
