"""Settings of a run: from a YAML file and command-line options to one frozen record.

Every setting stands here once, with its type, bounds, default and meaning. The help of the options, the page
``docs/commands.md``, the sentences about wrong values and the JSON schema are made of these lines; see
``settings_table.py``. ``Settings`` is what ``run.yaml`` stores; secrets are never part of it (keys come from the
environment).
"""

import copy
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from datagen.errors import SettingsError
from datagen.languages import ENGLISH, NAMES
from datagen.masking import masked, without_path_keys
from datagen.said_again import ENTAILMENT, HUB_ID, dangers_in, require_said
from datagen.settings_table import ABSURD, SettingsTable, name_for_user, told_in_python
from datagen.words import NO_WORDS, Words, read_words, words_of
from datagen.yaml_text import decode_yaml

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
ShareAboveZero = Annotated[float, Meta(gt=0.0, le=1.0)]
Positive = Annotated[float, Meta(gt=0.0, le=ABSURD)]
Dollars = Annotated[float, Meta(ge=0.0, le=1e6)]
Natural = Annotated[int, Meta(ge=1, le=ABSURD)]
NonNegative = Annotated[int, Meta(ge=0)]
Temperature = Annotated[float, Meta(ge=0.0, le=2.0)]
Effort = Annotated[str, Meta(pattern=r"^[a-z]\w*$", max_length=32)]
VariableName = Annotated[str, Meta(pattern=r"^[A-Za-z_]\w*$", max_length=64)]


class CorpusSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the annotated images come from."""

    captions: Annotated[tuple[str, ...], Meta(description="COCO captions files, merged by image id.")] = ()
    instances: Annotated[
        tuple[str, ...], Meta(description="COCO instances files, which hold the bounding boxes; merged by image id.")
    ] = ()
    dataset: Annotated[
        str | None, Meta(description="LLaVA dataset made elsewhere, whose records take the place of replies.")
    ] = None
    path: Annotated[
        str | None,
        Meta(
            description="Corpus of any format, a file or a folder, known by looking into it, or a data set of the hub, "
            "hf:OWNER/NAME:SPLIT: docs/sources.md."
        ),
    ] = None
    format: Annotated[
        str | None, Meta(description="Name of the format of `corpus.path`, where looking into it does not tell it.")
    ] = None
    also: Annotated[
        tuple[str, ...], Meta(description="Further corpora of any format, mixed with the one at `corpus.path`.")
    ] = ()
    images: Annotated[
        str | None,
        Meta(
            description="Folder of the pictures, tar shards (a-{000..127}.tar), an address that their names are put "
            "behind (http, s3, gs, az, hf), or a .txt file of addresses; without it they stay unchecked."
        ),
    ] = None
    coordinates: Annotated[
        str,
        Meta(
            description="How a dataset made elsewhere writes boxes, a model family of docs/pointing.md; they are read "
            "back to shares of the picture."
        ),
    ] = "shares"
    source: Annotated[
        str | None, Meta(description='"python:NAME" where a program gave the images; filled in by `datagen.run`.')
    ] = None
    limit: Annotated[Natural | None, Meta(description="Take only the first N images.")] = None
    max_image_pixels: Annotated[Natural, Meta(description="Larger pictures are rejected unread.")] = 50_000_000
    min_score: Annotated[
        Share, Meta(description="Boxes that carry a lower `score` are left out, as a detector drew them.")
    ] = 0.5


class ContextSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the captions and bounding boxes of an image are written for the teacher."""

    style: Annotated[
        Literal["default", "llava"],
        Meta(description="How captions and boxes are written for the teacher; llava is LLaVA's way to the byte."),
    ] = "default"
    max_boxes: Annotated[
        NonNegative, Meta(description="Default style: so many of the largest boxes, the rest counted in one line.")
    ] = 40


class TeacherSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who writes the replies, and how hard it may be asked."""

    name: Annotated[
        str, Meta(min_length=1, description='"template", or the name that the endpoint gives its model.')
    ] = "template"
    base_url: Annotated[
        str | None,
        Meta(description="OpenAI-compatible endpoint, such as http://localhost:8000/v1; by default OpenAI's."),
    ] = None
    api_key_env: Annotated[
        VariableName, Meta(description="The environment variable that holds the key, never the key itself.")
    ] = "OPENAI_API_KEY"
    concurrency: Annotated[
        Natural | None,
        Meta(description="Most requests in flight; by default as many as the endpoint bears, up to 1,024."),
    ] = None
    rpm: Annotated[
        Positive | None,
        Meta(description="Rate limit, requests per minute; by default what the endpoint says and bears."),
    ] = None
    tpm: Annotated[
        Positive | None, Meta(description="Rate limit, tokens per minute, prompt and completion together.")
    ] = None
    timeout_s: Annotated[Positive, Meta(description="Seconds to wait for one reply.")] = 300.0
    max_attempts: Annotated[Natural, Meta(description="Tries per request before it counts as failed.")] = 8
    max_wait_s: Annotated[
        Positive, Meta(description="Longest pause in seconds between two tries, Retry-After aside.")
    ] = 60.0
    batch: Annotated[bool, Meta(description="Ask by OpenAI's Batch API: half the price, replies within a day.")] = False
    budget_usd: Annotated[
        Positive | None,
        Meta(description="Hard stop in dollars: nothing is sent that could cost more; a later start may raise it."),
    ] = None
    prices: Annotated[
        str | None, Meta(description="YAML file of prices, laid over the bundled datagen/data/prices.yaml.")
    ] = None
    price_in_usd_per_mtok: Annotated[
        Dollars | None, Meta(description="Dollars for a million prompt tokens; by default as the prices have it.")
    ] = None
    price_cached_usd_per_mtok: Annotated[
        Dollars | None, Meta(description="Dollars for a million prompt tokens that the provider had cached.")
    ] = None
    price_out_usd_per_mtok: Annotated[Dollars | None, Meta(description="Dollars for a million tokens of replies.")] = (
        None
    )
    temperature: Annotated[
        Temperature | None, Meta(description="Sampling temperature of every reply; by default the recipe's.")
    ] = None
    top_p: Annotated[
        ShareAboveZero | None, Meta(description="Nucleus sampling; by default the recipe's, or left to the endpoint.")
    ] = None
    max_tokens: Annotated[
        Natural | None, Meta(description="Longest reply, in tokens, of every type; by default the recipe's.")
    ] = None
    seed: Annotated[
        int | None, Meta(description="Sampling seed that goes with every request; by default the recipe's, or none.")
    ] = None
    reasoning_effort: Annotated[
        Effort | None,
        Meta(description="How long a reasoning model thinks, such as low; by default the recipe's, or left out."),
    ] = None
    leave_out: Annotated[
        tuple[str, ...],
        Meta(description="Of temperature and max_tokens, what is not sent, so that the endpoint's own default holds."),
    ] = ()
    system_role: Annotated[
        bool | None,
        Meta(description="False puts the system text before the user's first, for models that know no such role."),
    ] = None
    extra_body: Annotated[
        dict[str, Any],
        Meta(description="Further fields of every request, such as {top_k: 20}; over the recipe's. No secrets."),
    ] = {}
    show_images: Annotated[
        bool, Meta(description="Show the teacher each picture beside the text, for LLMs that see.")
    ] = False
    image_detail: Annotated[
        Literal["auto", "low", "high"],
        Meta(description="How closely it looks, where the endpoint knows that: low is cheaper, auto leaves it open."),
    ] = "auto"
    image_px: Annotated[
        int, Meta(ge=64, le=8192, description="Pixels of the longer side at most; larger pictures are sent smaller.")
    ] = 1024
    planted_errors: Annotated[
        Share,
        Meta(
            description="Embedded teacher: share of its replies into which an error is planted, to see what is caught."
        ),
    ] = 0.0


class JudgeSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which model holds an answer's sentences against captions and boxes, where the claims' grammar cannot."""

    model: Annotated[
        str,
        Meta(
            min_length=1,
            description="Judge over text: entailment, which comes along, or the name that the endpoint gives its LLM.",
        ),
    ]
    base_url: Annotated[
        str | None, Meta(description="OpenAI-compatible endpoint of the judge; by default the teacher's.")
    ] = None
    api_key_env: Annotated[
        VariableName | None, Meta(description="The environment variable that holds its key; by default the teacher's.")
    ] = None
    min_precision: Annotated[
        Share,
        Meta(description="It may cut where at least this share of what it objects to is surely wrong, as measured."),
    ] = 0.5
    planted: Annotated[
        Natural,
        Meta(
            description="Samples that measure it: for each up to two requests more, with an error and without evidence."
        ),
    ] = 200
    max_tokens: Annotated[Natural, Meta(description="Longest reply, in tokens; some 25 are needed a sentence.")] = 2048
    concurrency: Annotated[Natural, Meta(description="Most requests in flight.")] = 16
    rpm: Annotated[Positive | None, Meta(description="Rate limit, requests per minute.")] = None
    tpm: Annotated[Positive | None, Meta(description="Rate limit, tokens per minute.")] = None
    timeout_s: Annotated[Positive, Meta(description="Seconds to wait for one reply.")] = 300.0
    max_attempts: Annotated[Natural, Meta(description="Tries per request.")] = 8
    price_in_usd_per_mtok: Annotated[
        Dollars | None, Meta(description="Dollars per million tokens in; by default what the price table says.")
    ] = None
    price_out_usd_per_mtok: Annotated[
        Dollars | None, Meta(description="Dollars per million tokens of its replies.")
    ] = None

    @property
    def is_bundled(self) -> bool:
        """Whether nobody is asked: the model that comes along. An endpoint's of that name has its address beside it."""
        return self.model == ENTAILMENT and self.base_url is None


MAX_EXHAUSTIVE = 200
"""Corpora with more categories (LVIS has 1,203, Open Images 600) box only some of them on each image."""


class ChecksSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Limits of the wording checks, and what a contradicted claim costs."""

    min_answer_words: Annotated[NonNegative, Meta(description="Shortest answer, in words between white space.")] = 1
    max_answer_words: Annotated[
        Natural, Meta(description="Longest answer in words; a longer one is a reply that ran away.")
    ] = 600
    min_description_words: Annotated[
        NonNegative, Meta(description="Shortest reply in words where the reply is one bare text.")
    ] = 15
    max_question_words: Annotated[
        Natural, Meta(description="Longest question in words; a longer one is no question.")
    ] = 80
    contradicted: Annotated[
        Literal["cut", "keep"],
        Meta(description="What becomes of turns that the annotations contradict, and of samples that disagree."),
    ] = "cut"
    exhaustive: Annotated[
        Literal["auto", "yes", "no"],
        Meta(description="Whether every object of a category has its box; auto says yes up to 200 categories."),
    ] = "auto"
    words: Annotated[
        Words,
        Meta(
            description="Synonyms, look-alikes and more of the categories: tables, or the YAML file that holds them.",
            extra={"in_file": True},
        ),
    ] = NO_WORDS
    skip: Annotated[  # "off" would be a truth value in YAML
        tuple[str, ...], Meta(description="Names of checks to leave out.")
    ] = ()
    judge: Annotated[
        JudgeSettings | None,
        Meta(
            description="Hold answers against captions and boxes, sentence by sentence: entailment, an LLM's name, "
            "or a mapping."
        ),
    ] = None


class EmbeddingSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which embedding model tells that two questions mean the same."""

    model: Annotated[str, Meta(min_length=1, description="The name that the endpoint gives its embedding model.")]
    base_url: Annotated[
        str | None, Meta(description="OpenAI-compatible endpoint that has /embeddings; by default OpenAI's.")
    ] = None
    api_key_env: Annotated[
        VariableName, Meta(description="The environment variable that holds the key, never the key itself.")
    ] = "OPENAI_API_KEY"
    threshold: Annotated[
        ShareAboveZero, Meta(description="Cosine similarity of a repetition; models differ, so look at what falls.")
    ] = 0.95
    batch_size: Annotated[int, Meta(ge=1, le=2048, description="Questions in one request.")] = 256
    concurrency: Annotated[Natural, Meta(description="Most requests in flight.")] = 8
    rpm: Annotated[Positive | None, Meta(description="Rate limit, requests per minute.")] = None
    tpm: Annotated[Positive | None, Meta(description="Rate limit, tokens per minute.")] = None
    timeout_s: Annotated[Positive, Meta(description="Seconds to wait for one answer.")] = 120.0
    max_attempts: Annotated[Natural, Meta(description="Tries per request.")] = 8
    price_in_usd_per_mtok: Annotated[
        Dollars | None, Meta(description="Dollars per million tokens; by default what the price table says.")
    ] = None


class DedupSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What counts as a near-duplicate."""

    threshold: Annotated[ShareAboveZero, Meta(description="Jaccard similarity of the word sets of two texts.")] = 0.8
    within_image: Annotated[bool, Meta(description="Drop questions that are asked twice about one image.")] = True
    over_set: Annotated[bool, Meta(description="Drop samples whose whole text repeats an earlier one's.")] = True
    min_words: Annotated[NonNegative, Meta(description="Shorter texts are duplicates only when they are equal.")] = 8
    embeddings: Annotated[
        EmbeddingSettings | None,
        Meta(description="Compare what questions mean by an embedding model, too; by default their words alone."),
    ] = None


class BalanceSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of the whole set is dropped so that it stays even; off until a share is given."""

    yes_share: Annotated[
        Annotated[float, Meta(gt=0.0, lt=1.0)] | None,
        Meta(description="Share of yes among the yes and no answers, such as 0.5."),
    ] = None
    max_share_per_kind: Annotated[
        ShareAboveZero | None, Meta(description="Largest share of the turns that ask for one thing.")
    ] = None
    max_loss: Annotated[
        Share, Meta(description="Share of the turns that balance may cost; a cap that costs more is loosened.")
    ] = 0.5


class ValidatorSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which model looks at the pixels."""

    name: Annotated[
        str,
        Meta(
            description="none, nano, a name of `datagen models`, a checkpoint folder, a hub id or endpoint:URL#MODEL; "
            "several, with commas between them or as a list, judge together.",
            extra={"in_list": True},
        ),
    ] = "none"
    device: Annotated[
        str,
        Meta(
            description="auto (every GPU), cpu, cuda, cuda:N, mps, several (cuda:0,cuda:1: a copy on each), or one "
            "model over several (cuda:0+cuda:1)."
        ),
    ] = "auto"
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16", "8bit", "4bit"],
        Meta(description="How the validator's weights are held in memory."),
    ] = "auto"
    alpha: Annotated[Share, Meta(description="Share of correct answers that the validator may lose.")] = 0.05
    calibration_images: Annotated[
        Natural, Meta(description="Errors are planted on so many images to learn what its scores are worth.")
    ] = 400
    batch_tokens: Annotated[Natural, Meta(description="Tokens in one forward pass.")] = 32_768
    overlap: Annotated[
        bool | None,
        Meta(
            description="Look at what is answered while the teacher is still asked; by default where the teacher is "
            "served by another machine."
        ),
    ] = None
    max_pixels: Annotated[
        Natural, Meta(description="Chat models that read as many tokens as a picture is large see it no larger.")
    ] = 1_048_576
    probes: Annotated[
        dict[str, str],
        Meta(
            description="Yes/no questions of your own by kind of claim, with {sentence}, {claim}, {thing} or {value}; "
            "'statement' asks \"Does this picture show ...?\".",
            extra={"in_file": True},
        ),
    ] = {}
    trust_remote_code: Annotated[bool, Meta(description="Run code that comes with the checkpoint.")] = False
    api_key_env: Annotated[
        VariableName, Meta(description="Endpoint: the environment variable that holds its key, if it wants one.")
    ] = "VALIDATOR_API_KEY"
    concurrency: Annotated[Natural, Meta(description="Endpoint: most questions in flight.")] = 16
    rpm: Annotated[Positive | None, Meta(description="Endpoint: rate limit, questions per minute.")] = None
    tpm: Annotated[Positive | None, Meta(description="Endpoint: rate limit, tokens per minute.")] = None
    timeout_s: Annotated[Positive, Meta(description="Endpoint: seconds to wait for one answer.")] = 300.0
    max_attempts: Annotated[Natural, Meta(description="Endpoint: tries per question.")] = 7
    price_in_usd_per_mtok: Annotated[
        Dollars | None,
        Meta(description="Endpoint: dollars per million tokens in; by default what the price table says."),
    ] = None
    price_out_usd_per_mtok: Annotated[
        Dollars | None, Meta(description="Endpoint: dollars per million tokens of the answers.")
    ] = None


class RaySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a run is spread over a Ray cluster; with another engine it means nothing."""

    address: Annotated[
        str | None,
        Meta(description="Head of the cluster; by default RAY_ADDRESS, the cluster of this machine, or a new one."),
    ] = None
    workers: Annotated[
        Natural | None, Meta(description="Most tasks at work at once; by default as many as the CPUs bear.")
    ] = None
    cpus_per_worker: Annotated[Positive, Meta(description="CPUs that one of them occupies.")] = 1.0
    validators: Annotated[
        Natural | None,
        Meta(description="Copies of the validator; by default one per GPU, or per machine where there is no GPU."),
    ] = None
    cpus_per_validator: Annotated[Positive, Meta(description="CPUs that one of them occupies.")] = 2.0


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides a dataset."""

    corpus: CorpusSettings = CorpusSettings()
    types: Annotated[tuple[str, ...], Meta(description="Response types, names of `datagen recipes`.")] = (
        "conversation",
        "description",
        "reasoning",
    )
    mix: Annotated[
        dict[str, Positive],
        Meta(
            description="Shares of the response types, such as conversation=58,description=23,reasoning=77: the "
            "largest asks about every image, the others about as many as keep the shares."
        ),
    ] = {}
    recipes_dir: Annotated[
        str | None, Meta(description="Folder with prompts/ and seeds/ of your own, looked in first.")
    ] = None
    language: Annotated[
        str, Meta(description="Language of questions and answers, a code such as ko, zh, ja, de or es.")
    ] = ENGLISH
    context: ContextSettings = ContextSettings()
    teacher: TeacherSettings = TeacherSettings()
    checks: ChecksSettings = ChecksSettings()
    dedup: DedupSettings = DedupSettings()
    balance: BalanceSettings = BalanceSettings()
    validator: ValidatorSettings = ValidatorSettings()
    python_checks: Annotated[
        tuple[str, ...], Meta(description="Names of checks that a program gave; filled in by `datagen.run`.")
    ] = ()
    rng_seed: Annotated[
        NonNegative,
        Meta(
            description="Every random choice follows from it, the image id and the response type; few-shots are drawn "
            "by it too, so another seed asks anew."
        ),
    ] = 0
    workers: Annotated[
        Natural | None,
        Meta(description="Processes for parse, checks and claims; by default one per core, up to 8; 1 starts none."),
    ] = None
    engine: Annotated[Literal["local", "ray"], Meta(description="Where the work is done; the dataset is the same.")] = (
        "local"
    )
    ray: RaySettings = RaySettings()
    results: Annotated[
        str | None, Meta(description="URI to which the finished files are copied, such as s3://bucket/folder.")
    ] = None
    repair: Annotated[
        NonNegative,
        Meta(
            description="What annotations, judge or validator speak against goes back to the teacher so often, with "
            "what does; 0 drops it at once."
        ),
    ] = 0
    retry: Annotated[
        tuple[str, ...],
        Meta(description="Reasons, such as empty_reply: stored replies of no use for them are asked again, this once."),
    ] = ()
    more: Annotated[
        NonNegative | None,
        Meta(
            description="Add so many samples to a finished run, of types and kinds that it lacks, this once; 0 takes "
            "back what was chosen and is not answered."
        ),
    ] = None
    max_unreadable: Annotated[
        Natural | None,
        Meta(description="The run stops when so many replies of a response type came and none is of use; or never."),
    ] = 20
    max_failed: Annotated[
        Share, Meta(description="Share of samples without an answer or a picture above which the exit status is 3.")
    ] = 0.01


@cache
def settings_table() -> SettingsTable:
    """Every setting by its dotted name."""
    return SettingsTable(Settings)


@told_in_python
def load_settings(config_file: Path | None, overrides: Mapping[str, Any]) -> Settings:
    """Read settings from a YAML file and lay others over them.

    Args:
        config_file: YAML with the keys of ``Settings``, nested as they are, or a run's ``run.yaml``; None for defaults.
        overrides: Nested in the same way, or dotted keys such as ``"teacher.name"``; the later over the earlier. What
            is dangerous in a ``run.yaml`` must stand here, too.

    Raises:
        SettingsError: Unknown name, wrong type, value out of range, or unreadable file; names the setting.
    """
    tree: dict[str, Any] = {}
    table = settings_table()
    is_of_run = False
    if config_file is not None:
        tree = _read_yaml(config_file)
        is_of_run = "datagen" in tree and isinstance(tree.get("settings"), dict)
        tree = dict(tree["settings"]) if is_of_run else tree
        _forget_outdated(tree)
        _take_in_words(tree, f"{config_file}: ")
        _take_in_mix(tree, f"{config_file}: ")
        table.take_in_lists(tree)
        _take_in_judge(tree)
        _take_in_names(tree)
        _take_in_corpora(tree)
        _take_in_probes(tree)
        table.check(tree, f"{config_file}: ")
    if is_of_run and "mix" in overrides:
        tree.pop("types", None)
    table.lay_over(tree, copy.deepcopy(dict(overrides)))
    _forget_outdated(tree)
    _take_in_words(tree, "")
    _take_in_mix(tree, "")
    table.take_in_lists(tree)
    _take_in_judge(tree, overrides)
    _take_in_names(tree)
    _take_in_corpora(tree)
    _take_in_probes(tree)
    table.check(tree)
    settings = table.convert(tree, Settings)
    _check_together(settings)
    if is_of_run:
        require_said(dangers_in(dump_settings(settings)), _names(overrides), str(config_file), name_for_user)
    return _resolved(settings)


@told_in_python
def settings_of_run(
    stored: Settings, given: Mapping[str, Any], run_yaml: Path, *, asks: bool = True, is_merge: bool = False
) -> Settings:
    """Settings to go on with a run: its own, and over them what was given; see ``said_again``.

    Args:
        stored: The run's own.
        given: As the overrides of ``load_settings``.
        run_yaml: Where the run's own stand.
        asks: Others than the validator are asked, too.
        is_merge: Shards are put together; see ``dangers_in``.

    Raises:
        SettingsError: As of ``load_settings``, or what is dangerous in the run's own was not given again.
    """
    own = dump_settings(stored)
    if "mix" in given:
        del own["types"]
    settings = load_settings(None, {**own, **given})
    dangers = dangers_in(dump_settings(settings), asks=asks, is_merge=is_merge)
    require_said(dangers, _names(given), str(run_yaml), name_for_user)
    return settings


def _names(given: Mapping[str, Any], above: str = "") -> set[str]:
    """The dotted names of settings that are given, nested or not."""
    found: set[str] = set()
    for name, value in given.items():
        found |= _names(value, f"{above}{name}.") if isinstance(value, Mapping) else {f"{above}{name}"}
    return found


def _forget_outdated(tree: dict[str, Any]) -> None:
    """Pass over ``ray.shards``, which stands in settings of the time when asking was spread over Ray."""
    if isinstance(tree.get("ray"), dict):
        tree["ray"].pop("shards", None)


def _take_in_words(tree: dict[str, Any], where: str) -> None:
    """Put the tables of a file of words in its place, so that a run does not change when the file does."""
    checks = tree.get("checks")
    if isinstance(checks, dict) and checks.get("words") is not None:
        words = checks["words"]
        read = read_words(expanded(words)) if isinstance(words, str) else words_of(words, f"{where}checks.words")
        tree["checks"] = {**checks, "words": msgspec.to_builtins(read)}


def _take_in_names(tree: dict[str, Any]) -> None:
    """Let a list of validators stand for their names with commas between them."""
    validator = tree.get("validator")
    if isinstance(validator, dict) and isinstance(validator.get("name"), list | tuple):
        names = validator["name"]
        if names and all(isinstance(one, str) for one in names):
            tree["validator"] = {**validator, "name": ",".join(names)}


def _take_in_corpora(tree: dict[str, Any]) -> None:
    """Let a list of corpora stand for the first and those that are mixed with it."""
    corpus = tree.get("corpus")
    if isinstance(corpus, dict) and isinstance(corpus.get("path"), list | tuple) and corpus["path"]:
        first, *others = corpus["path"]
        tree["corpus"] = {**corpus, "path": first, "also": others}


def _take_in_probes(tree: dict[str, Any]) -> None:
    """Put a file of questions in its place, so that a run does not change when the file does."""
    validator = tree.get("validator")
    if isinstance(validator, dict) and isinstance(validator.get("probes"), str):
        tree["validator"] = {**validator, "probes": _read_yaml(expanded(validator["probes"]))}


def _take_in_mix(tree: dict[str, Any], where: str) -> None:
    """Read ``conversation=58,description=23``, and take the types from it where none are named."""
    mix = tree.get("mix")
    if isinstance(mix, str):
        tree["mix"] = mix = _mix_of(mix, where)
    if not isinstance(mix, dict) or not mix:
        return
    for name, share in mix.items():
        is_number = isinstance(share, int | float) and not isinstance(share, bool)
        if not isinstance(name, str) or not is_number or not 0 < share < float("inf"):
            told = "expected names of response types with numbers above 0, such as conversation: 58"
            raise SettingsError(f"{where}mix: {name} is given {share!r:.40}; {told}.")
    types = tree.get("types")
    if types is None:
        tree["types"] = list(mix)
    elif isinstance(types, list | tuple) and set(types) != set(mix):
        others = ", ".join(sorted({*map(str, types)} ^ {*map(str, mix)}))
        raise SettingsError(f"{where}--mix and --types name other response types ({others}); leave --types out.")


def _mix_of(text: str, where: str) -> dict[str, float]:
    mix: dict[str, float] = {}
    for part in filter(str.strip, text.split(",")):
        name, _, number = (piece.strip() for piece in part.partition("="))
        try:
            share = float(number)
        except ValueError:
            share = 0.0
        if not name or not 0 < share < float("inf"):
            raise SettingsError(
                f"{where}--mix {part.strip()}: expected a response type and a number above 0, such as conversation=58."
            )
        if name in mix:
            raise SettingsError(f"{where}--mix names '{name}' twice; give each response type one share.")
        mix[name] = share
    return mix


def _take_in_judge(tree: dict[str, Any], overrides: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Let the name of a model stand for a judge that is at its defaults otherwise.

    ``--judge entailment`` means the bundled one also where the settings below name an endpoint for another judge.
    """
    checks = tree.get("checks")
    if not isinstance(checks, dict):
        return
    if isinstance(checks.get("judge"), str):
        tree["checks"] = checks = {**checks, "judge": {"model": checks["judge"]}}
    if overrides.get("checks.judge.model") == ENTAILMENT and "checks.judge.base_url" not in overrides:
        tree["checks"] = {**checks, "judge": {**checks["judge"], "base_url": None}}


def load_validator_settings(overrides: Mapping[str, Any]) -> ValidatorSettings:
    """Settings of a validator alone, where there is no run.

    Args:
        overrides: As of ``load_settings``.

    Raises:
        SettingsError: A setting of something else, wrong type, value out of range, or an address that cannot be used.
    """
    tree: dict[str, Any] = {}
    settings_table().lay_over(tree, overrides)
    _take_in_names(tree)
    _take_in_probes(tree)
    settings_table().check(tree)
    others = [name for name in tree if name != "validator"]
    if others:
        raise SettingsError(f"'{others[0]}' means nothing here; only settings of the validator do.")
    settings = msgspec.convert(tree.get("validator", {}), ValidatorSettings, strict=False)
    _refuse_keys({"validator": settings})
    _check_names(settings.name)
    return settings


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = decode_yaml(path.read_bytes())
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such settings file.") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}).") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{path}: not valid YAML ({' '.join(str(error).split())}).") from None
    if tree is None:
        return {}
    if isinstance(tree, dict) and "annotations" in tree:
        raise SettingsError(f"{path}: looks like a COCO file, not settings; give each file its own --captions.")
    if not isinstance(tree, dict):
        raise SettingsError(f"{path}: expected a mapping of settings, found {type(tree).__name__}.")
    return tree


def _refuse_keys(groups: Mapping[str, Any]) -> None:
    """Refuse a key where the name of a variable, or of a model, is expected: both are written into files and shown.

    Args:
        groups: Settings with ``api_key_env``, ``name`` or ``model`` by their dotted names; None for one left out.
    """
    for group, settings in groups.items():
        name = getattr(settings, "api_key_env", None)
        if name is not None and _seems_key(name):
            raise SettingsError(
                f"{group}.api_key_env takes the name of an environment variable, and what was given looks like the key "
                "itself (it is shown and stored nowhere). Say 'export OPENAI_API_KEY=...' and leave the setting out."
            )
        for field in ("name", "model"):
            if _holds_key(str(getattr(settings, field, None) or "")):
                raise SettingsError(f"{group}.{field} takes the name of a model, and what was given looks like a key.")


def _holds_key(text: str) -> bool:
    from datagen.masking import MASK, masked

    return text.partition("://")[1] == "" and MASK in masked(text) and MASK not in text


def _seems_key(name: str) -> bool:
    """Whether what should name an environment variable looks like a key: long, with digits among small letters."""
    if name in os.environ:
        return False
    is_random = sum(sign.isdigit() for sign in name) >= 3 and (name != name.upper() or "_" not in name)
    return _holds_key(name) or (len(name) >= 20 and is_random)


def _check_together(settings: Settings) -> None:
    _refuse_keys(
        {
            "teacher": settings.teacher,
            "checks.judge": settings.checks.judge,
            "dedup.embeddings": settings.dedup.embeddings,
            "validator": settings.validator,
        }
    )
    if not settings.types:
        raise SettingsError("No response type is chosen; --types needs at least one, such as conversation.")
    twice = {name for name in settings.types if settings.types.count(name) > 1}
    if twice:
        raise SettingsError(f"Response type '{sorted(twice)[0]}' is named twice in --types; name each once.")
    _check_language(settings)
    _check_teacher(settings)
    if settings.repair and settings.corpus.dataset is not None:
        raise SettingsError("--repair: a dataset made elsewhere has no teacher to ask again; leave it out.")
    if settings.repair and settings.teacher.name == "template":
        raise SettingsError(
            "--repair: the embedded teacher writes the same again whatever it is told; name a model with --teacher, or "
            "leave --repair out."
        )
    if settings.dedup.embeddings is not None and settings.dedup.embeddings.base_url is not None:
        _check_address(settings.dedup.embeddings.base_url, "dedup.embeddings.base_url")
    if settings.checks.judge is not None and settings.checks.judge.base_url is not None:
        _check_address(settings.checks.judge.base_url, "checks.judge.base_url")
    _check_names(settings.validator.name)
    if settings.validator.name != "none" and not _may_have_pictures(settings.corpus):
        raise SettingsError("A validator needs the pictures: give --images, or --validator none.")


def _may_have_pictures(corpus: CorpusSettings) -> bool:
    """Whether the settings name pictures or a corpus that may know its own, which is asked once it is opened."""
    return not (corpus.images is None and corpus.path is None and corpus.source is None)


def _check_language(settings: Settings) -> None:
    if settings.language not in NAMES:
        known = ", ".join(NAMES)
        raise SettingsError(f"--language {settings.language[:40]}: no language is called so here; there are {known}.")
    if settings.language != ENGLISH and settings.teacher.name == "template" and not settings.corpus.dataset:
        raise SettingsError(
            f"--language {settings.language}: the embedded teacher writes English; name an LLM that writes "
            f"{NAMES[settings.language]} with --teacher."
        )


def _check_teacher(settings: Settings) -> None:
    teacher = settings.teacher
    if teacher.base_url is not None:
        _check_address(teacher.base_url, "--base-url")
        if teacher.name == "template":
            raise SettingsError("--base-url is given but no model: name the endpoint's model with --teacher.")
    fault = fault_of_extra_body(teacher.extra_body)
    if fault is not None:
        raise SettingsError(f"--set teacher.extra_body: {fault}")
    unknown = set(teacher.leave_out) - {"temperature", "max_tokens"}
    if unknown:
        raise SettingsError(
            f"--set teacher.leave_out: '{min(unknown)}' cannot be left out; temperature and max_tokens can, and "
            "what is not set is not sent."
        )
    if teacher.show_images and teacher.name == "template":
        raise SettingsError("--show-images needs an LLM that sees: name it with --teacher, or leave --show-images out.")
    if teacher.show_images and not _may_have_pictures(settings.corpus):
        raise SettingsError("--show-images needs the pictures: give their folder with --images.")
    if "max_tokens" in teacher.leave_out and teacher.budget_usd is not None:
        raise SettingsError(
            "--budget-usd needs a longest reply to keep; do not leave max_tokens out, or leave out --budget-usd."
        )
    if teacher.batch and teacher.name == "template":
        raise SettingsError("--batch needs an endpoint: name its model with --teacher, or leave --batch out.")


_OWN_FIELDS = frozenset("temperature top_p max_tokens seed reasoning_effort".split())
_MADE_FIELDS = frozenset(
    "model messages n stream stream_options max_completion_tokens response_format logprobs top_logprobs tools".split()
)


def fault_of_extra_body(extra: Mapping[str, Any]) -> str | None:
    """What is wrong with further fields of a request, as a sentence; None where they can be sent and stored."""
    for name in extra:
        if name in _OWN_FIELDS:
            return f"'{name}' has a setting of its own; give it there."
        if name in _MADE_FIELDS:
            return f"'{name}' is a part of the request that datagen makes itself; leave it out."
    text = msgspec.json.encode(extra).decode()
    if masked(text) != text:
        return "it holds what looks like a secret, and is written to files; put keys into the variable of api_key_env."
    return None


IMPORTED = "imported"
"""Response type and teacher of a dataset that was made elsewhere."""
PLUGGED = "python:"
"""How the name of a teacher, validator or source begins that is a Python object, given to ``datagen.run``."""
ENDPOINT = "endpoint:"
"""How the name of a validator begins that is asked over the network."""


def endpoint_of(name: str) -> tuple[str, str | None]:
    """Take the name of an endpoint validator apart, such as ``endpoint:http://localhost:8000/v1#qwen-vl``.

    Returns:
        Address and model; None for the only model that the endpoint serves.

    Raises:
        SettingsError: It holds no address, or one that could carry a secret into ``run.yaml``.
    """
    base_url, _, model = name.removeprefix(ENDPOINT).partition("#")
    _check_address(base_url, f"--validator {ENDPOINT}URL#MODEL")
    return base_url, model or None


def validator_names(name: str) -> tuple[str, ...]:
    """The validators that a setting names, in its order; commas stand between several.

    A folder whose own name holds a comma is one validator, and so is a Python object.
    """
    if "," not in name or name.startswith(PLUGGED) or expanded(name).is_dir():
        return (name,)
    return tuple(part.strip() for part in name.split(","))


def validator_labels(name: str) -> tuple[str, ...]:
    """Short names of the validators that a setting names, each once: of a folder its last part."""
    labels: list[str] = []
    for one in validator_names(name):
        short = PurePath(without_path_keys(one)).name
        labels.append(short if short not in labels else f"{short} ({len(labels) + 1})")
    return tuple(labels)


def _check_names(name: str) -> None:
    """Refuse a list of validators that cannot be meant, and addresses that cannot be used."""
    names = validator_names(name)
    for one in names:
        if len(names) > 1 and (one in ("", "none") or one.startswith(PLUGGED) or names.count(one) > 1):
            told = "is empty" if not one else f"'{one}' stands twice" if names.count(one) > 1 else f"is '{one}'"
            raise SettingsError(
                f"--validator {name}: names {len(names)} validators, of which one {told}; name each once, "
                "such as llava-1.5-7b,owlv2-base."
            )
        if one.startswith(ENDPOINT):
            endpoint_of(one)


def _check_address(base_url: str, option: str) -> None:
    """Refuse an address that could carry a secret into ``run.yaml``, or that is none."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(base_url)
        is_plain = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_plain = False
    if "@" in base_url or "?" in base_url or "#" in base_url:
        raise SettingsError(
            f"{option} holds a login or a query, but settings are written to files; put the key into its variable."
        )
    if not is_plain or any(sign.isspace() or not sign.isprintable() for sign in base_url):
        raise SettingsError(
            f"{option} {base_url!r}: expected an address such as http://localhost:8000/v1, without blanks."
        )


def _resolved(settings: Settings) -> Settings:
    """Make paths independent of the folder that a later command is started in."""

    def absolute(path: str | None) -> str | None:
        return None if path is None else str(expanded(path).absolute())

    def placed(path: str | None) -> str | None:
        return path if "://" in (path or "") or (path or "").startswith(HUB_ID) else absolute(path)

    corpus = msgspec.structs.replace(
        settings.corpus,
        captions=tuple(str(absolute(path)) for path in settings.corpus.captions),
        instances=tuple(str(absolute(path)) for path in settings.corpus.instances),
        dataset=absolute(settings.corpus.dataset),
        path=placed(settings.corpus.path),
        also=tuple(str(placed(path)) for path in settings.corpus.also),
        images=placed(settings.corpus.images),
    )
    teacher = msgspec.structs.replace(settings.teacher, prices=absolute(settings.teacher.prices))
    if corpus.dataset is not None:  # nobody is asked; the records are all there is
        teacher = msgspec.structs.replace(teacher, name=IMPORTED)
        settings = msgspec.structs.replace(settings, types=(IMPORTED,))
    if teacher.name != "template":  # others bring errors of their own
        teacher = msgspec.structs.replace(teacher, planted_errors=0.0)
    names = validator_names(settings.validator.name)
    found = [str(absolute(one)) if one != "none" and expanded(one).is_dir() else one for one in names]
    validator = msgspec.structs.replace(settings.validator, name=",".join(found))
    return msgspec.structs.replace(
        settings, corpus=corpus, recipes_dir=absolute(settings.recipes_dir), teacher=teacher, validator=validator
    )


def expanded(path: str) -> Path:
    """A path with the home folder in place of ``~``."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # of nobody here, or a file that is called so
        return Path(path)


def dump_settings(settings: Settings) -> dict[str, Any]:
    """Settings as plain values, for ``run.yaml``."""
    plain: dict[str, Any] = msgspec.to_builtins(settings)
    return plain


def digest_of(value: object) -> str:
    """SHA-256 in hex, first 16 digits, over the JSON form of a value with sorted keys."""
    import hashlib

    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()[:16]
