"""The command to try a prompt with: the first images are asked about, and replies stand beside what becomes of them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from datagen.cli import options
from datagen.cli.app import app
from datagen.cli.exit_status import TOO_MANY_FAILED, echo, in_sentences, tell_next
from datagen.config import IMPORTED, load_settings

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from datagen.api import Run
    from datagen.records import Reply, Sample

N_IMAGES = 3
MAX_REPLY_CHARS = 3000
BESIDE = 100
"""Columns from which a reply and its verdict stand side by side."""


@app.command()
@in_sentences
@options.takes_settings(*options.RUN)
def preview(
    config: options.Config = None,
    *,
    keep: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Keep it as a run in this folder; by default nothing stays.")
    ] = None,
    messages: Annotated[
        bool, typer.Option("--messages", help="Only print what the teacher would be told of the first image.")
    ] = False,
    given: options.Given,
) -> None:
    """Try a prompt: ask about the first 3 images (or --limit), and show each reply beside what becomes of it."""
    n_images = given.get("corpus.limit") or N_IMAGES
    named = {**given, "corpus.limit": n_images, "max_unreadable": None, "results": None, "teacher.batch": False}
    settings = load_settings(config, named)
    if messages:
        from datagen.api import preview as told_about

        for name in settings.types:
            for message in told_about(settings, name):
                echo(f"## {name}: {message.role}\n{message.content}\n")
        return
    from datagen.api import open_run, run_engine
    from datagen.view.progress_bar import BarProgress

    with ExitStack() as lent:
        folder = keep
        if folder is None:
            place = lent.enter_context(tempfile.TemporaryDirectory(prefix="datagen-preview-"))
            folder = Path(place) / "run"
        outcome = run_engine(settings, folder, BarProgress())
        _print(open_run(folder))
    summary = outcome.summary
    about = "the first image" if n_images == 1 else f"the first {n_images} images"
    echo(f"accepted  {summary.accepted} of {summary.samples} samples about {about}")
    if settings.teacher.name not in ("template", IMPORTED):
        tokens = summary.tokens
        echo(f"tokens    {tokens.prompt} in ({tokens.cached} cached), {tokens.completion} out")
        known = summary.cost_usd is not None
        echo(f"cost      ${summary.cost_usd:.4f}" if known else "cost      unknown (no price for this model)")
    echo(f"kept      {keep or 'nothing; --keep RUN keeps it'}")
    tell_next(f"datagen run with the same options, without --limit, and --out {keep or 'FOLDER'}")
    if not summary.accepted:
        raise typer.Exit(TOO_MANY_FAILED)


def _print(run: Run) -> None:
    from rich.console import Console

    console = Console(width=shutil.get_terminal_size((100, 24)).columns, highlight=False, markup=False, emoji=False)
    for sample in run.iter_samples():
        console.rule(_fate(sample), align="left", style="dim")
        _print_beside(console, _reply_text(run.reply_to(sample)), "\n".join(_verdict_lines(sample)))


def _print_beside(console: Console, reply: str, verdict: str) -> None:
    from rich.table import Table
    from rich.text import Text

    if console.width < BESIDE:
        console.print(Text("reply", style="dim"), Text(reply), Text("\nverdict", style="dim"), Text(verdict), sep="\n")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), expand=True, header_style="dim")
    parts: list[RenderableType] = [Text(reply), Text(verdict)]
    for name in ("reply", "verdict"):
        table.add_column(name, ratio=1, overflow="fold")
    table.add_row(*parts)
    console.print(table)


def _fate(sample: Sample) -> str:
    from datagen.errors import visible

    fell = "" if sample.stage is None else f" in {sample.stage}: {sample.reason}"
    return visible(f"{sample.sample_id}  {sample.image}  {sample.status}{fell}")


def _reply_text(reply: Reply | None) -> str:
    from datagen.errors import visible

    if reply is None:
        return "(nothing was asked)"
    if reply.error is not None:
        return visible(f"({reply.error}: {reply.detail})")
    return visible(reply.text[:MAX_REPLY_CHARS]) + "…" * (len(reply.text) > MAX_REPLY_CHARS)


def _verdict_lines(sample: Sample) -> Iterator[str]:
    from datagen.cli.printed import turn_lines
    from datagen.errors import visible

    yield from turn_lines(sample)
    if sample.stage is not None:
        yield visible(f"rejected in {sample.stage}: {sample.reason} ({sample.detail})")
