"""Every command and its options; what a command needs is imported when it runs, so ``--help`` is instant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datagen.cli.sentences import TOO_MANY_FAILED, in_sentences

if TYPE_CHECKING:
    from datagen.config import Settings
    from datagen.engines.finishing import Outcome

app = typer.Typer(
    name="datagen",
    help="Turn captions and boxes into a visual-instruction dataset, checked against annotations and pixels.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Captions = Annotated[
    list[Path] | None, typer.Option(metavar="FILE", help="COCO captions file; may be given several times.")
]
Instances = Annotated[
    list[Path] | None, typer.Option(metavar="FILE", help="COCO instances file; may be given several times.")
]
Images = Annotated[Path | None, typer.Option(help="Folder of the pictures.")]
Limit = Annotated[int | None, typer.Option(help="Take only the first N images.")]
Out = Annotated[Path, typer.Option(help="Run folder; a second start of the same command resumes it.")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]
SampleId = Annotated[str, typer.Argument(metavar="SAMPLE_ID", help="Such as 1234-conversation.")]
Validator = Annotated[
    str | None, typer.Option(help="none, nano, a name of 'datagen models', a folder, a hub id or endpoint:URL#MODEL.")
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Precision = Annotated[str | None, typer.Option(help="auto, fp32, bf16, fp16, 8bit or 4bit.")]
Alpha = Annotated[float | None, typer.Option(help="Share of true answers the validator may lose.")]
TrustRemoteCode = Annotated[bool | None, typer.Option("--trust-remote-code", help="Run code of the checkpoint.")]
Types = Annotated[str | None, typer.Option(help="Response types, separated by commas.")]
WordsFile = Annotated[
    Path | None,
    typer.Option("--words", metavar="FILE", help="YAML file: synonyms, look-alikes, ... of the categories."),
]
RecipesDir = Annotated[Path | None, typer.Option(help="Folder with prompts/ and seeds/ of your own.")]
Config = Annotated[Path | None, typer.Argument(metavar="[CONFIG.yaml]", help="Settings; options win over them.")]
Context = Annotated[str | None, typer.Option(help="default or llava (byte-exact).")]
RngSeed = Annotated[int | None, typer.Option(help="Seed of every random choice.")]
Teacher = Annotated[str | None, typer.Option(help="template, or the endpoint's model name.")]
BaseUrl = Annotated[str | None, typer.Option(help="OpenAI-compatible endpoint.")]
Concurrency = Annotated[int | None, typer.Option(help="Most requests in flight; found if left out.")]
Rpm = Annotated[float | None, typer.Option(help="Requests per minute.")]
Tpm = Annotated[float | None, typer.Option(help="Tokens per minute.")]
BudgetUsd = Annotated[float | None, typer.Option(help="Hard stop for the teacher's cost; a later start may raise it.")]
Prices = Annotated[Path | None, typer.Option(metavar="FILE", help="Price table laid over the bundled one.")]
Batch = Annotated[bool | None, typer.Option("--batch", help="Ask by OpenAI's Batch API: half price, within a day.")]
MaxFailed = Annotated[float | None, typer.Option(help="Share of failed requests for exit status 3.")]
Results = Annotated[
    str | None, typer.Option(metavar="URI", help="Where finished files are copied: s3://..., file://...")
]
Engine = Annotated[str | None, typer.Option(help="local or ray.")]
RayAddress = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Head of the Ray cluster.")]
RayWorkers = Annotated[int | None, typer.Option(help="Most shards at work at once; as many as CPUs if left out.")]
RayShards = Annotated[int | None, typer.Option(help="Parts of what is to be asked; several per worker if left out.")]
RayValidators = Annotated[int | None, typer.Option(help="Copies of the validator; one per GPU if left out.")]
ShardOption = Annotated[
    str | None,
    typer.Option("--shard", metavar="K/N", help="Make one of N shards only, to be merged with 'datagen merge'."),
]


def _version(wanted: bool) -> None:
    if wanted:
        from datagen import __version__

        typer.echo(f"datagen {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    del version


@app.command()
@in_sentences
def demo(out: Out = Path("runs/demo")) -> None:
    """Run the whole pipeline on the bundled corpus and teacher: no network, no key, no GPU."""
    from datagen.api import demo_settings

    _run_and_tell(demo_settings(), out)


@app.command()
@in_sentences
def run(
    config: Config = None,
    *,
    out: Out,
    captions: Captions = None,
    instances: Instances = None,
    images: Images = None,
    types: Types = None,
    recipes_dir: RecipesDir = None,
    words: WordsFile = None,
    context: Context = None,
    limit: Limit = None,
    rng_seed: RngSeed = None,
    teacher: Teacher = None,
    base_url: BaseUrl = None,
    concurrency: Concurrency = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    budget_usd: BudgetUsd = None,
    prices: Prices = None,
    batch: Batch = None,
    validator: Validator = None,
    device: Device = None,
    precision: Precision = None,
    alpha: Alpha = None,
    trust_remote_code: TrustRemoteCode = None,
    max_failed: MaxFailed = None,
    engine: Engine = None,
    shard: ShardOption = None,
    ray_address: RayAddress = None,
    ray_workers: RayWorkers = None,
    ray_shards: RayShards = None,
    ray_validators: RayValidators = None,
    results: Results = None,
) -> None:
    """Make a dataset from COCO captions and boxes, or resume making it."""
    settings = run_settings(locals())
    if shard is None:
        _run_and_tell(settings, out)
        return
    from datagen.cli.sharing import make_shard

    make_shard(settings, shard, out)


@app.command("import")
@in_sentences
def import_dataset(
    dataset: Annotated[Path, typer.Argument(metavar="FILE", help="A dataset in LLaVA's JSON, or JSON Lines.")],
    *,
    out: Out,
    images: Annotated[Path, typer.Option(help="Folder of the pictures.")],
    captions: Captions = None,
    instances: Instances = None,
    limit: Limit = None,
    validator: Validator = None,
    device: Device = None,
    precision: Precision = None,
    alpha: Alpha = None,
    trust_remote_code: TrustRemoteCode = None,
) -> None:
    """Check, deduplicate and judge a dataset made elsewhere; it becomes a run like any other."""
    from datagen.config import load_settings

    settings = load_settings(
        None,
        {
            "corpus.dataset": str(dataset),
            **_corpus_overrides(captions, instances, images, limit),
            **validator_overrides(validator, device, precision, alpha, trust_remote_code),
        },
    )
    _run_and_tell(settings, out)


@app.command()
@in_sentences
def validate(
    run_path: RunArgument,
    validator: Validator = None,
    device: Device = None,
    precision: Precision = None,
    alpha: Alpha = None,
    trust_remote_code: TrustRemoteCode = None,
) -> None:
    """Judge a run again with another validator or threshold; nothing is asked of the teacher."""
    from datagen.api import open_run
    from datagen.config import dump_settings, load_settings
    from datagen.errors import SettingsError

    overrides = validator_overrides(validator, device, precision, alpha, trust_remote_code)
    stored = open_run(run_path).settings
    if validator is None and stored.validator.name == "none":
        raise SettingsError(f"{run_path}: this run has no validator yet; name one with --validator.")
    settings = load_settings(None, {**dump_settings(stored), **overrides})
    _run_and_tell(settings, run_path, may_ask=False)


@app.command()
@in_sentences
def status(run_path: RunArgument) -> None:
    """Tell how far a run is, how much it spent, how fast it goes, what fell and why."""
    from datagen.api import open_run
    from datagen.cli.sharing import changed_lines, is_only_shards, shard_lines
    from datagen.cli.story import status_lines

    if is_only_shards(run_path):
        for line in shard_lines(run_path):
            typer.echo(line)
        return
    for line in (*status_lines(open_run(run_path)), *changed_lines(run_path)):
        typer.echo(line)


@app.command()
@in_sentences
def show(run_path: RunArgument, sample_id: SampleId) -> None:
    """Tell one sample's whole story: context, reply, turns, verdict, fate."""
    from datagen.api import open_run
    from datagen.cli.story import sample_story

    for line in sample_story(open_run(run_path), sample_id):
        typer.echo(line)


@app.command()
@in_sentences
def report(
    run_path: RunArgument,
    out: Annotated[Path | None, typer.Option(help="File to write; by default report.html in the run folder.")] = None,
) -> None:
    """Write a finished run as one HTML page: what fell and why, diversity, examples; it opens without network."""
    from datagen.api import open_run

    typer.echo(f"report    {open_run(run_path).write_report(out)}")


@app.command()
@in_sentences
def recipes(recipes_dir: RecipesDir = None) -> None:
    """List the response types there are."""
    from datagen.recipes import available_types, load_recipe

    for name, folder in sorted(available_types(_text(recipes_dir)).items()):
        recipe = load_recipe(folder)
        typer.echo(f"{name:14} {len(recipe.fewshots)} few-shots  {recipe.digest}  {recipe.settings.summary}")


@app.command()
@in_sentences
def lint(
    captions: Captions = None,
    instances: Instances = None,
    images: Images = None,
    limit: Limit = None,
    words: WordsFile = None,
) -> None:
    """Report what is wrong with the annotations, before a token is paid for."""
    from datagen.cli.story import lint_lines
    from datagen.config import load_settings

    overrides = {**_corpus_overrides(captions, instances, images, limit), "checks.words": _text(words)}
    for line in lint_lines(load_settings(None, overrides)):
        typer.echo(line)


@app.command("words")
@in_sentences
def show_words(
    captions: Captions = None, instances: Instances = None, limit: Limit = None, words: WordsFile = None
) -> None:
    """Tell which words stand for each category of a corpus, and how often its captions use them."""
    from datagen.cli.story import words_lines
    from datagen.config import load_settings

    overrides = {**_corpus_overrides(captions, instances, None, limit), "checks.words": _text(words)}
    for line in words_lines(load_settings(None, overrides)):
        typer.echo(line)


def run_settings(options: Mapping[str, Any]) -> Settings:
    """Settings from the options of ``run``, by their names as parameters."""
    from datagen.config import load_settings

    overrides = {key: _plain(name, options.get(name)) for name, key in SETTING_OF.items()}
    return load_settings(options.get("config"), overrides)


SETTING_OF = {
    "captions": "corpus.captions",
    "instances": "corpus.instances",
    "images": "corpus.images",
    "limit": "corpus.limit",
    "types": "types",
    "recipes_dir": "recipes_dir",
    "words": "checks.words",
    "context": "context.style",
    "rng_seed": "rng_seed",
    "teacher": "teacher.name",
    "base_url": "teacher.base_url",
    "concurrency": "teacher.concurrency",
    "rpm": "teacher.rpm",
    "tpm": "teacher.tpm",
    "budget_usd": "teacher.budget_usd",
    "prices": "teacher.prices",
    "batch": "teacher.batch",
    "validator": "validator.name",
    "device": "validator.device",
    "precision": "validator.precision",
    "alpha": "validator.alpha",
    "trust_remote_code": "validator.trust_remote_code",
    "max_failed": "max_failed",
    "engine": "engine",
    "ray_address": "ray.address",
    "ray_workers": "ray.workers",
    "ray_shards": "ray.shards",
    "ray_validators": "ray.validators",
    "results": "results",
}
"""Parameter of ``run`` to the setting it stands for."""


def _plain(name: str, given: Any) -> Any:
    """What an option says, as a settings file would say it."""
    if name == "types":
        return _split(given)
    if isinstance(given, list):
        return _texts(given)
    return _text(given) if isinstance(given, Path) else given


def _run_and_tell(settings: Settings, out: Path, *, may_ask: bool = True) -> None:
    from datagen.cli.progress import BarProgress
    from datagen.engines.starting import run_engine

    tell_outcome(run_engine(settings, out, BarProgress(), may_ask=may_ask), settings, out)


def tell_outcome(outcome: Outcome, settings: Settings, out: Path) -> None:
    """Write the report of a finished run and tell how it ended."""
    from datagen.api import open_run
    from datagen.cli.story import outcome_lines

    made = open_run(out)
    made.write_report()
    sent_to = made.send_results()
    for line in outcome_lines(outcome.summary, out):
        typer.echo(line)
    if sent_to is not None:
        typer.echo(f"results   {sent_to}")
    exit_if_many_failed(outcome.share_failed, outcome.failure, settings)


def exit_if_many_failed(share_failed: float, failure: str | None, settings: Settings) -> None:
    """End with a status of its own where more requests failed than the settings bear."""
    if share_failed > settings.max_failed:
        typer.echo(f"datagen: {100 * share_failed:.1f} % of the requests failed, the first by {failure}", err=True)
        raise typer.Exit(TOO_MANY_FAILED)


def _corpus_overrides(
    captions: list[Path] | None, instances: list[Path] | None, images: Path | None, limit: int | None
) -> dict[str, Any]:
    return {
        "corpus.captions": _texts(captions),
        "corpus.instances": _texts(instances),
        "corpus.images": _text(images),
        "corpus.limit": limit,
    }


def validator_overrides(
    validator: str | None, device: str | None, precision: str | None, alpha: float | None, trust: bool | None
) -> dict[str, Any]:
    """The options about a validator, under the names that they have as settings."""
    return {
        "validator.name": validator,
        "validator.device": device,
        "validator.precision": precision,
        "validator.alpha": alpha,
        "validator.trust_remote_code": trust,
    }


def _split(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _texts(paths: list[Path] | None) -> list[str] | None:
    return [str(path) for path in paths] if paths else None
