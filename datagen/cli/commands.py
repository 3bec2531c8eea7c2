"""The commands of a run; what one needs is imported when it runs, so ``--help`` is instant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from datagen.cli import options
from datagen.cli.app import app
from datagen.cli.exit_status import echo, echo_fitted, in_sentences, tell_next, tell_outcome
from datagen.config import Settings, load_settings, settings_of_run


@app.command()
@in_sentences
def demo(out: options.Out = Path("runs/demo")) -> None:
    """Run the whole pipeline on the bundled corpus and teacher: no network, no key, no GPU."""
    from datagen.api import demo_settings

    _run_and_tell(demo_settings(), out, may_change=True)  # the bundled corpus alone: another one is refused


@app.command()
@in_sentences
@options.takes_settings(*options.RUN)
def run(
    config: options.Config = None,
    *,
    out: options.Out,
    shard: options.ShardOption = None,
    change: options.ChangeOption = False,
    given: options.Given,
) -> None:
    """Make a dataset from captions and boxes, or resume making it."""
    settings = load_settings(config, given)
    if shard is None:
        _run_and_tell(settings, out, may_change=change)
        return
    from datagen.cli.shard_commands import make_shard

    make_shard(settings, shard, out, may_change=change)


@app.command()
@in_sentences
@options.takes_settings(*options.RUN)
def resume(run_path: options.RunArgument, *, change: options.ChangeOption = False, given: options.Given) -> None:
    """Go on with a run, or with the shards that lie in its folder, by its own settings; options win over them."""
    from datagen.cli.shard_commands import is_only_shards, resume_shards, shard_of

    if is_only_shards(run_path):
        resume_shards(run_path, given, may_change=change)
        return
    from datagen.api import open_run
    from datagen.errors import RunError

    stored = open_run(run_path)
    if stored.folder.merged.exists() and not stored.folder.summary.is_file():
        raise RunError(f"{run_path}: its shards were not put together to the end; start 'datagen merge {run_path}'.")
    settings = settings_of_run(stored.settings, given, stored.folder.settings)
    shard = shard_of(stored)
    if shard is not None:
        from datagen.cli.shard_commands import make_shard

        make_shard(settings, shard, run_path.absolute().parents[1], may_change=change)
        return
    _run_and_tell(settings, run_path, may_change=change)


@app.command("import")
@in_sentences
@options.takes_settings("captions", "instances", "corpus", "limit", *options.VALIDATOR)
def import_dataset(
    dataset: Annotated[
        Path, typer.Argument(metavar="PATH", help="A dataset in LLaVA's form or of chat messages, or its folder.")
    ],
    *,
    out: options.Out,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the pictures, where they are neither beside the dataset nor told by --corpus; those inside "
            "its files are put there, by default into the run folder."
        ),
    ] = None,
    coordinates: Annotated[
        str | None,
        typer.Option(
            metavar="FAMILY",
            help="How its boxes are written, such as qwen3-vl; by default as its manifest tells, else shares.",
        ),
    ] = None,
    change: options.ChangeOption = False,
    given: options.Given,
) -> None:
    """Check, deduplicate and judge a dataset made elsewhere; it becomes a run like any other."""
    from datagen.corpus import open_source
    from datagen.corpus.llava_dataset import coordinates_told, find_pictures
    from datagen.errors import SettingsError

    folder = images or find_pictures(dataset, out / "pictures")
    named = {"corpus.dataset": str(dataset), "corpus.images": None if folder is None else str(folder)}
    if (family := coordinates or coordinates_told(dataset)) is not None:
        named["corpus.coordinates"] = family
    settings = load_settings(None, {**named, **given})
    if folder is None and open_source(settings.corpus).pictures is None:
        told = f"the pictures are neither in 'images' beside {dataset} nor told by --corpus"
        raise SettingsError(f"--images: name the folder of the pictures; {told}.")
    _run_and_tell(settings, out, may_change=change)


@app.command()
@in_sentences
@options.takes_settings(*options.VALIDATOR)
def validate(run_path: options.RunArgument, *, given: options.Given) -> None:
    """Judge a run again with another validator or threshold; nothing is asked of the teacher."""
    from datagen.api import open_run
    from datagen.errors import SettingsError

    stored = open_run(run_path)
    if "validator.name" not in given and stored.settings.validator.name == "none":
        raise SettingsError(f"{run_path}: this run has no validator yet; name one with --validator.")
    settings = settings_of_run(stored.settings, given, stored.folder.settings, asks=False)
    _run_and_tell(settings, run_path, may_ask=False)


@app.command()
@in_sentences
def status(run_path: options.RunArgument) -> None:
    """Tell how far a run is, how much it spent, how fast it goes, what fell and why."""
    from datagen.api import open_run
    from datagen.cli.printed import status_lines, work_lines
    from datagen.cli.shard_commands import changed_lines, is_only_shards, shard_lines
    from datagen.engines.progress import read_heartbeat
    from datagen.store import RunFolder

    beat = read_heartbeat(RunFolder(run_path))
    if beat is not None and not (run_path / "run.yaml").exists():  # its corpus is still being looked at
        echo_fitted(work_lines(beat))
        return
    if is_only_shards(run_path):
        echo_fitted(shard_lines(run_path))
        return
    echo_fitted((*status_lines(open_run(run_path)), *changed_lines(run_path)))


@app.command()
@in_sentences
def show(run_path: options.RunArgument, sample_id: options.SampleId) -> None:
    """Tell one sample's whole story: context, reply, turns, verdict, fate."""
    from datagen.api import open_run
    from datagen.cli.printed import sample_story

    echo_fitted(sample_story(open_run(run_path), sample_id))


@app.command()
@in_sentences
def report(
    run_path: options.RunArgument,
    out: Annotated[Path | None, typer.Option(help="File to write; by default report.html in the run folder.")] = None,
) -> None:
    """Write a finished run as one HTML page: what fell and why, diversity, examples; it opens without network."""
    from datagen.api import open_run

    path = open_run(run_path).write_report(out)
    echo(f"report    {path}")
    tell_next("open {} in a browser", at=path)


@app.command()
@in_sentences
def recipes(
    recipes_dir: Annotated[str | None, typer.Option(metavar="FOLDER", help=options.help_of("recipes_dir"))] = None,
) -> None:
    """List the response types there are."""
    from datagen.recipes import available_types, load_recipe

    types = available_types(recipes_dir)
    width = max(map(len, types))
    for name, folder in sorted(types.items()):
        recipe = load_recipe(folder)
        echo(f"{name:{width}} {len(recipe.fewshots)} few-shots  {recipe.digest}  {recipe.settings.summary}")


@app.command("words")
@in_sentences
@options.takes_settings("captions", "instances", "corpus", "limit", "words")
def show_words(*, given: options.Given) -> None:
    """Tell which words stand for each category of a corpus, and how often its captions use them."""
    from datagen.cli.printed import words_lines

    for line in words_lines(load_settings(None, given)):
        echo(line)


def _run_and_tell(settings: Settings, out: Path, *, may_ask: bool = True, may_change: bool = False) -> None:
    from datagen.api import run_engine
    from datagen.view.progress_bar import BarProgress

    outcome = run_engine(settings, out, BarProgress(), may_ask=may_ask, may_change=may_change)
    tell_outcome(outcome, settings, out)
