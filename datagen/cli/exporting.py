"""The command that writes a finished run for a trainer, and what it says about the rows it left out."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from datagen.cli.commands import RunArgument, app
from datagen.cli.sentences import in_sentences

if TYPE_CHECKING:
    from datagen.api import Run
    from datagen.export import Exported, ExportSettings, FindPicture
    from datagen.review import Reviewer

N_TOLD = 20
"""Rows left out that are named one by one; the manifest names all."""


@app.command()
@in_sentences
def export(
    run_path: RunArgument,
    out: Annotated[Path, typer.Option(help="Folder to write; of claims a file.")],
    form: Annotated[
        str, typer.Option("--format", help="llava, messages (TRL), openai, parquet, webdataset, or claims.")
    ] = "llava",
    validation_share: Annotated[
        float, typer.Option(min=0.0, max=0.99, help="Share of images held out as a split of their own.")
    ] = 0.0,
    licence: Annotated[
        list[str] | None, typer.Option(help="Only images under it, such as cc-by; may be given several times.")
    ] = None,
    pictures: Annotated[
        Literal["copy", "link", "leave"] | None, typer.Option(help="Of llava and messages; leave if not told.")
    ] = None,
    shard_mb: Annotated[int, typer.Option(min=1, help="Size of a file of parquet and webdataset.")] = 512,
    images: Annotated[Path | None, typer.Option(help="Folder of the pictures, if not where the run found it.")] = None,
) -> None:
    """Write the accepted samples in the form a trainer reads, each row proven against the loaders' rules."""
    from datagen.api import open_run
    from datagen.config import digest_of, dump_settings
    from datagen.errors import SettingsError
    from datagen.export import FORMS, Choice, ExportSettings

    if form not in FORMS and form != "claims":
        raise SettingsError(f"No export format '{form}'; there is {', '.join((*FORMS, 'claims'))}.")
    run = open_run(run_path)
    if form == "claims":
        if validation_share or licence or pictures or images:
            raise SettingsError("--format claims writes all claims of a run into one file; it takes --out alone.")
        _export_claims(run, out)
        return
    if pictures and FORMS[form].has_pixels:
        raise SettingsError(f"--pictures {pictures}: the files of {form} hold the pictures themselves; leave it out.")
    _ = run.summary  # a run without one is not finished
    choice = Choice(
        rng_seed=run.settings.rng_seed, validation_share=validation_share, licences=tuple(sorted(set(licence or ())))
    )
    settings = ExportSettings(form=form, choice=choice, pictures=pictures or "leave", shard_bytes=shard_mb * 1_000_000)
    about = {"datagen": version("datagen"), "settings_digest": digest_of(dump_settings(run.settings))}
    _export_folder(run, out, settings, images, about)


def _export_folder(run: Run, out: Path, settings: ExportSettings, images: Path | None, about: dict[str, str]) -> None:
    from datagen.export import export_folder
    from datagen.store.folder import translated_errors

    reviewer = run.reviewer()
    if reviewer.digest is not None:
        about = {**about, "decisions_digest": reviewer.digest}
    with translated_errors(out):
        exported = export_folder(run.iter_samples(reviewer), out, settings, _finder(run, images), about)
    _tell_left_out(exported)
    _tell_decisions(reviewer)
    rows = exported.counts["rows"]
    told = ", ".join(f"{n} {split}" for split, n in rows.items()) if len(rows) > 1 else str(rows["train"])
    typer.echo(f"{told} samples written to {out}")


def _finder(run: Run, images: Path | None) -> FindPicture:
    """Look for pictures where the run found them, or in another folder; each is decoded to its end."""
    from datagen.corpus import check_picture, picture_path
    from datagen.errors import ExportError
    from datagen.export import Fault

    corpus = run.settings.corpus
    folder = images or (None if corpus.images is None else Path(corpus.images))
    if folder is None or not folder.is_dir():
        told = "the run had no image folder" if folder is None else f"{folder} is no folder"
        raise ExportError(f"No picture can be opened ({told}); give the folder with --images.")

    @lru_cache(maxsize=1024)  # the samples of an image stand together
    def find(file_name: str) -> Path | Fault:
        fault = check_picture(folder, file_name, corpus.max_image_pixels)
        if fault is not None:
            return Fault(fault[0], fault[1].replace(f"{folder}/", ""))  # no folder of this machine in a manifest
        path = picture_path(folder, file_name)
        assert path is not None  # it has just been opened
        return path

    return find


def _tell_left_out(exported: Exported) -> None:
    for row in exported.left_out[:N_TOLD]:
        typer.echo(f"left out  {row['sample_id']}: {row['reason']}, {row['detail']}", err=True)
    if len(exported.left_out) > N_TOLD:
        typer.echo(f"left out  {len(exported.left_out) - N_TOLD} more, named in manifest.json", err=True)


def _tell_decisions(reviewer: Reviewer) -> None:
    from datagen.review import told_of

    counts = reviewer.as_dict()
    if counts is not None:
        typer.echo(f"by hand   {told_of(counts)}", err=True)


def _export_claims(run: Run, out: Path) -> None:
    from datagen.export import write_claims
    from datagen.store import write_whole

    reviewer = run.reviewer()
    with write_whole(out) as file:
        n_written = write_claims(run.iter_samples(reviewer), file, run.settings.rng_seed)
    _tell_decisions(reviewer)
    typer.echo(f"{n_written} samples written to {out}")
