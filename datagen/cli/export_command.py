"""The command that writes a finished run for a trainer, and what it says about the rows it left out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from datagen.cli.app import app
from datagen.cli.exit_status import echo, in_sentences, tell_next
from datagen.cli.options import RunArgument

if TYPE_CHECKING:
    from datagen.engines.push_export import HubDataset
    from datagen.export import Exported
    from datagen.review import Reviewer

FORM_HELP = "see docs/exports.md for who reads which."
N_TOLD = 20
"""Rows left out that are named one by one; the manifest names all."""


class _TellsForms(TyperCommand):
    """Looks the forms up in their table when its help is asked for, as that takes longer than the help of all else."""

    def get_help(self, ctx: Any) -> str:
        from datagen.export import FORMS

        option = next(one for one in self.params if one.name == "form")
        option.help = f"{', '.join(FORMS)}; {FORM_HELP}"  # type: ignore[attr-defined]
        return super().get_help(ctx)


@app.command(cls=_TellsForms)
@in_sentences
def export(
    run_path: RunArgument,
    out: Annotated[Path, typer.Option(help="Folder to write; of claims a file.")],
    form: Annotated[str, typer.Option("--format", help=FORM_HELP)] = "llava",
    validation_share: Annotated[
        float, typer.Option(min=0.0, max=0.99, help="Share of images held out as a split of their own.")
    ] = 0.0,
    licence: Annotated[
        list[str] | None, typer.Option(help="Only images under it, such as cc-by; may be given several times.")
    ] = None,
    pictures: Annotated[
        Literal["copy", "link", "leave"] | None, typer.Option(help="Of forms without pixels; leave if not told.")
    ] = None,
    shard_mb: Annotated[int, typer.Option(min=1, help="Size of a file, of forms cut into shards.")] = 512,
    images: Annotated[Path | None, typer.Option(help="Folder of the pictures, if not where the run found it.")] = None,
    coordinates: Annotated[
        str,
        typer.Option(
            help="How boxes in texts are written: shares, llava-1.5, qwen2.5-vl, qwen3-vl, internvl, paligemma or "
            "kosmos-2; see docs/pointing.md."
        ),
    ] = "shares",
    planted_share: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=1.0, help="Of preference: share of the sound answers paired with a planted error; 0.25."
        ),
    ] = None,
    push: Annotated[
        str | None, typer.Option(metavar="REPO", help="Put it on the Hugging Face hub too, as a private dataset.")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="Of --push: let anybody see it.")] = False,
) -> None:
    """Write the accepted samples in the form a trainer reads, each row proven against the loaders' rules."""
    from datagen.api import open_run
    from datagen.engines.presence_questions import QUESTIONS

    run = open_run(run_path)
    dataset = _dataset_for(push, form, is_public=public)
    reviewer = run.reviewer()
    exported = run.export(
        form,
        out,
        validation_share=validation_share,
        licences=licence or (),
        pictures=pictures,
        shard_mb=shard_mb,
        images=images,
        reviewer=reviewer,
        planted_share=planted_share,
        coordinates=coordinates,
    )
    _tell_left_out(exported)
    _tell_decisions(reviewer)
    rows = exported.counts["rows"]
    told = ", ".join(f"{n} {split}" for split, n in rows.items()) if len(rows) > 1 else str(rows["train"])
    by_source = exported.counts.get("by_source")
    row = {"preference": "pair", "claims": "claim"}.get(form, "question" if form in QUESTIONS else "sample")
    echo(f"{told} {row}{'' if sum(rows.values()) == 1 else 's'} written to {out}")
    for split, tally in (by_source or {}).items():
        echo(f"{split}: " + ", ".join(f"{n} {source}" for source, n in tally.items()))
    if dataset is not None:
        seen_by = "private" if dataset.is_private else "public"
        echo(f"pushed to {dataset.put(out)} ({seen_by})")
    if out.is_dir():
        tell_next("train on it; {}/manifest.json names every file", at=out)


def _dataset_for(repo: str | None, form: str, *, is_public: bool) -> HubDataset | None:
    """Look whether the hub takes an export before it is written."""
    from datagen.errors import SettingsError
    from datagen.export import FORMS

    if repo is None:
        if is_public:
            raise SettingsError("--public: says who may see what --push puts on the hub; give --push too.")
        return None
    if not isinstance(FORMS.get(form), type):
        raise SettingsError(f"--push {repo}: {form} writes one file, and a dataset of the hub is a folder.")
    from datagen.engines.push_export import HubDataset  # loads the hub's client

    return HubDataset(repo, is_public=is_public)


def _tell_left_out(exported: Exported) -> None:
    for row in exported.left_out[:N_TOLD]:
        echo(f"left out  {row['sample_id']}: {row['reason']}, {row['detail']}", err=True)
    if len(exported.left_out) > N_TOLD:
        echo(f"left out  {len(exported.left_out) - N_TOLD} more, named in manifest.json", err=True)


def _tell_decisions(reviewer: Reviewer) -> None:
    from datagen.review import told_of

    counts = reviewer.report()
    if counts is not None:
        echo(f"by hand   {told_of(counts)}", err=True)
