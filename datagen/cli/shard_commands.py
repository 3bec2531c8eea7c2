"""The commands about shards: what ``run --shard`` prints, ``merge``, and the status of a run that is shards so far."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datagen.cli.app import app
from datagen.cli.exit_status import echo, exit_if_many_failed, in_sentences, tell_outcome
from datagen.cli.options import Given, takes_settings
from datagen.config import Settings, settings_of_run

if TYPE_CHECKING:
    from datagen.api import Run


def make_shard(settings: Settings, shard: str, out: Path, *, may_change: bool = False) -> None:
    """Make or resume one shard, and tell how it ended."""
    from datagen.engines.run_shards import run_shard
    from datagen.store.shards import Shard
    from datagen.view.progress_bar import BarProgress

    which = Shard.parse(shard)
    tally = run_shard(settings, which, out, BarProgress(), may_change=may_change)
    echo(f"shard     {which}: {tally.n_accepted} of {tally.n_samples} samples are candidates")
    echo(f"folder    {which.folder_in(out).path}")
    echo(f"next      datagen merge {out}   (when all {which.count} are made)")
    exit_if_many_failed(tally.share_failed, tally.failure, settings)


def shard_of(run: Run) -> str | None:
    """Which shard a folder is of, such as ``1/4``; None where it is a whole run's."""
    told = run.manifest.get("shard")
    return None if told is None else str(told)


def resume_shards(run_path: Path, given: dict[str, Any], *, may_change: bool = False) -> None:
    """Go on with every shard of a folder that is not done and not at work, one after another."""
    from datagen.api import open_run
    from datagen.engines.progress import read_heartbeat
    from datagen.errors import RunError
    from datagen.store.shards import read_record, shard_folders

    left = [folder for folder in shard_folders(run_path) if read_record(folder) is None]
    if not left:
        raise RunError(f"{run_path}: every shard here is done; put them together with 'datagen merge {run_path}'.")
    at_work = [folder for folder in left if (beat := read_heartbeat(folder)) and beat.state == "working"]
    left = [folder for folder in left if folder not in at_work]
    if not left:
        raise RunError(f"{run_path}: every shard that is not done is at work; 'datagen status {run_path}' tells.")
    for folder in left:
        stored = open_run(folder.path)
        shard = shard_of(stored)
        if shard is None:
            raise RunError(f"{folder.settings}: says nothing of a shard; start its command again.")
        settings = settings_of_run(stored.settings, given, folder.settings)
        make_shard(settings, shard, run_path, may_change=may_change)


@app.command()
@in_sentences
@takes_settings("results")
def merge(
    run_path: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder that the shards are of.")],
    shards: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[SHARD]...", help="Shards that lie elsewhere: their folders, or runs that hold some."),
    ] = None,
    *,
    given: Given,
) -> None:
    """Make the finished run of its shards: the same bytes as those of a run that was never split."""
    from datagen.api import open_run
    from datagen.engines.run_shards import merge_shards
    from datagen.errors import RunError
    from datagen.store import RunFolder
    from datagen.store.shards import shard_folders
    from datagen.view.progress_bar import BarProgress

    folders = shard_folders(run_path)
    for path in shards or ():
        folders += shard_folders(path) or [RunFolder(path)]
    if not folders:
        raise RunError(f"{run_path}: holds no shards; make them with 'datagen run --shard K/N --out {run_path}'.")
    settings = settings_of_run(open_run(folders[0].path).settings, given, folders[0].settings, is_merge=True)
    tell_outcome(merge_shards(settings, folders, run_path, BarProgress()), settings, run_path)


def is_only_shards(run_path: Path) -> bool:
    """Whether a folder holds shards that were not merged yet."""
    return (run_path / "shards").is_dir() and not (run_path / "run.yaml").exists()


def changed_lines(run_path: Path) -> Iterator[str]:
    """Tell which shards are no longer what the run was merged from."""
    from datagen.store import RunFolder
    from datagen.store.shards import changed_since_merge

    changed = changed_since_merge(RunFolder(run_path))
    if changed:
        yield f"changed   {', '.join(changed)} since the merge: start 'datagen merge {run_path}' again"


def shard_lines(run_path: Path) -> Iterator[str]:
    """Tell how far each shard is."""
    from datagen.api import open_run
    from datagen.cli.printed import work_lines
    from datagen.engines.progress import read_heartbeat
    from datagen.store import stored_replies
    from datagen.store.shards import read_record, shard_folders

    for folder in shard_folders(run_path):
        record = read_record(folder)
        if record is not None:
            yield f"{folder.path.name}  done, {record.n_candidates} of {record.n_samples} samples are candidates"
            continue
        planned = open_run(folder.path).manifest.get("samples") if folder.settings.is_file() else "?"
        n_stored = sum(1 for _ in stored_replies(folder))
        yield f"{folder.path.name}  {n_stored} replies stored for {planned} samples"
        beat = read_heartbeat(folder)
        yield from (f"          {line}" for line in work_lines(beat))
        if folder.settings.is_file() and (beat is None or beat.state in ("stopped", "killed")):
            yield f"          next      datagen resume {folder.path}"
