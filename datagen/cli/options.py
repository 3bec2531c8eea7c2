"""What the commands may be given: every option that more than one takes, and the setting that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from datagen.config import Settings

Captions = Annotated[
    list[Path] | None, typer.Option(metavar="FILE", help="COCO captions file; may be given several times.")
]
Instances = Annotated[
    list[Path] | None, typer.Option(metavar="FILE", help="COCO instances file; may be given several times.")
]
Corpus = Annotated[Path | None, typer.Option(metavar="FILE", help="A corpus in another format, such as images.jsonl.")]
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

SETTING_OF = {
    "captions": "corpus.captions",
    "instances": "corpus.instances",
    "corpus": "corpus.path",
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
"""Parameter of a command to the setting it stands for."""


def overrides(options: Mapping[str, Any]) -> dict[str, Any]:
    """A command's parameters by their names, as settings; None where one was not given, and others passed over."""
    return {key: _plain(name, options[name]) for name, key in SETTING_OF.items() if name in options}


def settings_of(options: Mapping[str, Any]) -> Settings:
    """Settings from a command's parameters alone, its settings file among them."""
    from datagen.config import load_settings

    return load_settings(options.get("config"), overrides(options))


def _plain(name: str, given: Any) -> Any:
    """What an option says, as a settings file would say it."""
    if name == "types":
        return None if given is None else [part.strip() for part in given.split(",") if part.strip()]
    if isinstance(given, list):
        return [str(path) for path in given] or None
    return str(given) if isinstance(given, Path) else given
