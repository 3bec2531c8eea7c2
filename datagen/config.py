"""Settings of a run: from a YAML file and command-line options to one frozen record.

Every setting has its default here and its meaning in the comment beside it. ``Settings`` is what
``run.yaml`` stores; secrets are never part of it (keys come from the environment).
"""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from datagen.errors import SettingsError
from datagen.words import NO_WORDS, Words, read_words, words_of

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Positive = Annotated[float, Meta(gt=0.0)]
Natural = Annotated[int, Meta(ge=1)]
NonNegative = Annotated[int, Meta(ge=0)]
VariableName = Annotated[str, Meta(pattern=r"^[A-Za-z_]\w*$", max_length=64)]


class CorpusSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the annotated images come from."""

    captions: tuple[str, ...] = ()  # COCO caption files; several are merged by image id
    instances: tuple[str, ...] = ()  # COCO instance files
    dataset: str | None = None  # a LLaVA dataset made elsewhere, whose records take the place of a teacher's replies
    path: str | None = None  # a corpus in another format, known by the file's name; .jsonl: one image record a line
    format: str | None = None  # name of the format of ``path``, where its name does not tell it
    images: str | None = None  # image folder; None leaves the pictures unchecked
    source: str | None = None  # "python:NAME" where a program gave the images; filled in by datagen.run
    limit: Natural | None = None  # take only the first so many images
    max_image_pixels: Natural = 50_000_000  # larger pictures are rejected unread


class ContextSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How an annotated image is told to the teacher."""

    style: Literal["default", "llava"] = "default"  # "llava" is byte-exact LLaVA rendering
    max_boxes: NonNegative = 40  # default style: largest boxes kept, the rest counted in one line


class TeacherSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who writes the replies, and how hard it may be asked."""

    name: str = "template"  # "template", or the endpoint's model name
    base_url: str | None = None  # OpenAI-compatible endpoint; None is OpenAI's own
    api_key_env: VariableName = "OPENAI_API_KEY"  # the variable that holds the key, never the key itself
    concurrency: Natural | None = None  # most requests in flight; None finds how many the endpoint bears, up to 1,024
    rpm: Positive | None = None  # requests per minute; None keeps to what the endpoint says and bears
    tpm: Positive | None = None  # tokens per minute, prompt and completion together
    timeout_s: Positive = 300.0  # for one answer
    max_attempts: Natural = 8  # tries per request before it counts as failed
    max_wait_s: Positive = 60.0  # longest pause between two tries, Retry-After aside
    batch: bool = False  # OpenAI's Batch API: half the price, answers within a day
    budget_usd: Positive | None = None  # hard stop: nothing is sent that could cost more, what is in flight included
    prices: str | None = None  # price table of your own, in the form of datagen/data/prices.yaml, laid over it
    price_in_usd_per_mtok: float | None = None  # None looks the model up in the price table
    price_cached_usd_per_mtok: float | None = None  # of prompt tokens that the provider had cached
    price_out_usd_per_mtok: float | None = None  # of the reply


class ChecksSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Limits of the wording checks, and what a contradicted claim costs."""

    min_answer_words: NonNegative = 1  # whitespace-separated words
    max_answer_words: Natural = 600  # a longer answer is a reply that ran away
    min_description_words: NonNegative = 15  # for a reply that is one bare text
    max_question_words: Natural = 80  # a longer one is no question
    contradicted: Literal["cut", "keep"] = "cut"  # turns that the annotations contradict, and samples that disagree
    exhaustive: Literal["auto", "yes", "no"] = "auto"  # every object of a category is boxed; auto: up to 200 categories
    words: Words = NO_WORDS  # how people speak of the categories: a YAML file, or its tables written here
    skip: tuple[str, ...] = ()  # names of checks to leave out ("off" would be a truth value in YAML)


class EmbeddingSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which model tells that two questions mean the same."""

    model: Annotated[str, Meta(min_length=1)]  # the endpoint's name for it
    base_url: str | None = None  # OpenAI-compatible endpoint with /embeddings; None is OpenAI's own
    api_key_env: VariableName = "OPENAI_API_KEY"  # the variable that holds the key, never the key itself
    threshold: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.95  # cosine similarity; models differ, so look at what falls
    batch_size: Annotated[int, Meta(ge=1, le=2048)] = 256  # questions in one request
    timeout_s: Positive = 120.0  # for one answer
    max_attempts: Natural = 8  # tries per request


class DedupSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What counts as saying the same again."""

    threshold: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.8  # Jaccard similarity of word sets
    within_image: bool = True  # questions asked twice about one image
    over_set: bool = True  # samples whose whole text repeats an earlier one's
    min_words: NonNegative = 8  # shorter texts are duplicates only when equal
    embeddings: EmbeddingSettings | None = None  # None compares the words of questions alone


class BalanceSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of the whole set falls so that it stays even; off until a share is given."""

    yes_share: Annotated[float, Meta(gt=0.0, lt=1.0)] | None = None  # of yes among yes and no answers, such as 0.5
    max_share_per_kind: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None  # of the turns that ask for one thing
    max_loss: Share = 0.5  # share of the turns that balance may cost; a cap that costs more is loosened


class ValidatorSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which model looks at the pixels."""

    name: str = "none"  # "none", a name of `datagen models`, a checkpoint folder, a hub id, or "endpoint:URL#MODEL"
    device: str = "auto"  # auto, cpu, cuda, cuda:N, mps
    precision: Literal["auto", "fp32", "bf16", "fp16", "8bit", "4bit"] = "auto"
    alpha: Share = 0.05  # share of true answers that may be lost
    calibration_images: Natural = 400  # errors are planted on so many images to learn what scores are worth
    batch_tokens: Natural = 32_768  # tokens in one forward pass
    trust_remote_code: bool = False  # run code that comes with the checkpoint
    api_key_env: VariableName = "VALIDATOR_API_KEY"  # endpoint: the variable that holds its key, if it wants one
    concurrency: Natural = 16  # endpoint: questions in flight


class RaySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a run is spread over a Ray cluster; with another engine it means nothing."""

    address: str | None = None  # HOST:PORT of the head; None takes RAY_ADDRESS, the one on this machine, or starts one
    workers: Natural | None = None  # most shards at work at once; None is as many as the cluster's CPUs bear
    cpus_per_worker: Positive = 1.0  # CPUs that one of them occupies
    shards: Natural | None = None  # parts of what is to be asked; None is several per worker
    validators: Natural | None = None  # copies of it; None is one per GPU, or per machine where there is no GPU
    cpus_per_validator: Positive = 2.0  # CPUs that one of them occupies


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides a dataset."""

    corpus: CorpusSettings = CorpusSettings()
    types: tuple[str, ...] = ("conversation", "description", "reasoning")  # names of `datagen recipes`
    recipes_dir: str | None = None  # folder with prompts/ and seeds/ of your own, looked in first
    context: ContextSettings = ContextSettings()
    teacher: TeacherSettings = TeacherSettings()
    checks: ChecksSettings = ChecksSettings()
    dedup: DedupSettings = DedupSettings()
    balance: BalanceSettings = BalanceSettings()
    validator: ValidatorSettings = ValidatorSettings()
    python_checks: tuple[str, ...] = ()  # names of checks that a program gave; filled in by datagen.run
    rng_seed: NonNegative = 0  # every random choice follows from it, the image id and the response type
    engine: Literal["local", "ray"] = "local"  # where the work is done; the dataset is the same
    ray: RaySettings = RaySettings()
    results: str | None = None  # URI to which pyarrow copies the finished files, such as s3://bucket/folder
    max_failed: Share = 0.01  # share of failed requests above which the exit status is 3


def load_settings(config_file: Path | None, overrides: dict[str, Any]) -> Settings:
    """Read settings from a YAML file and lay options over them.

    Args:
        config_file: YAML with the keys of ``Settings``, nested as they are; None for defaults.
        overrides: Dotted keys such as ``"teacher.name"``; None values are passed over.

    Raises:
        SettingsError: Unknown key, wrong type, value out of range, or unreadable file.
    """
    tree: dict[str, Any] = {}
    source = "the options"
    if config_file is not None:
        source = str(config_file)
        tree = _read_yaml(config_file)
    for dotted, value in copy.deepcopy(overrides).items():
        if value is None:
            continue
        *parents, leaf = dotted.split(".")
        node = tree
        for parent in parents:
            child = node.setdefault(parent, {})
            if not isinstance(child, dict):
                raise SettingsError(f"{source}: '{parent}' should hold settings of its own, such as '{leaf}'.")
            node = child
        node[leaf] = value
    _take_in_words(tree, source)
    try:
        settings = msgspec.convert(tree, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{source}: {error}. datagen/config.py lists every setting.") from None
    _check_together(settings)
    return _resolved(settings)


def _take_in_words(tree: dict[str, Any], source: str) -> None:
    """Put the tables of a file of words in its place, so that a run does not change when the file does."""
    checks = tree.get("checks")
    if isinstance(checks, dict) and checks.get("words") is not None:
        words = checks["words"]
        read = read_words(Path(words).expanduser()) if isinstance(words, str) else words_of(words, f"{source}: words")
        tree["checks"] = {**checks, "words": msgspec.to_builtins(read)}


def load_validator_settings(overrides: dict[str, Any]) -> ValidatorSettings:
    """Settings of a validator alone, where there is no run.

    Args:
        overrides: Dotted keys such as ``"validator.name"``; None values are passed over.

    Raises:
        SettingsError: Wrong type, value out of range, or an address that cannot be used.
    """
    given = {key.removeprefix("validator."): value for key, value in overrides.items() if value is not None}
    try:
        settings = msgspec.convert(given, ValidatorSettings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"the options: {error}. datagen/config.py lists every setting.") from None
    if settings.name.startswith(ENDPOINT):
        endpoint_of(settings.name)
    return settings


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = msgspec.yaml.decode(path.read_bytes())
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such settings file.") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}).") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid YAML ({' '.join(str(error).split())}).") from None
    if tree is None:
        return {}
    if isinstance(tree, dict) and "annotations" in tree:
        raise SettingsError(f"{path}: looks like a COCO file, not settings; give each file its own --captions.")
    if not isinstance(tree, dict):
        raise SettingsError(f"{path}: expected a mapping of settings, found {type(tree).__name__}.")
    return tree


def _check_together(settings: Settings) -> None:
    if not settings.types:
        raise SettingsError("No response type is chosen; --types needs at least one, such as conversation.")
    twice = {name for name in settings.types if settings.types.count(name) > 1}
    if twice:
        raise SettingsError(f"Response type '{sorted(twice)[0]}' is named twice in --types; name each once.")
    if settings.teacher.base_url is not None:
        _check_address(settings.teacher.base_url, "--base-url")
        if settings.teacher.name == "template":
            raise SettingsError("--base-url is given but no model: name the endpoint's model with --teacher.")
    if settings.teacher.batch and settings.teacher.name == "template":
        raise SettingsError("--batch needs an endpoint: name its model with --teacher, or leave --batch out.")
    if settings.teacher.batch and settings.engine == "ray":
        raise SettingsError(
            "--batch leaves all the work to OpenAI, so it needs no --engine ray; leave one of them out."
        )
    if settings.dedup.embeddings is not None and settings.dedup.embeddings.base_url is not None:
        _check_address(settings.dedup.embeddings.base_url, "dedup.embeddings.base_url")
    if settings.validator.name.startswith(ENDPOINT):
        endpoint_of(settings.validator.name)
    if settings.validator.name != "none" and settings.corpus.images is None and settings.corpus.source is None:
        raise SettingsError("A validator needs the pictures: give --images, or --validator none.")


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


def _check_address(base_url: str, option: str) -> None:
    """Refuse an address that could carry a secret into ``run.yaml``, or that is none."""
    try:
        parts = urlsplit(base_url)
        is_plain = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_plain = False
    if "@" in base_url or "?" in base_url or "#" in base_url:
        raise SettingsError(
            f"{option} holds a login or a query, but settings are written to files; put the key into its variable."
        )
    if not is_plain:
        raise SettingsError(f"{option} {base_url}: expected an address such as http://localhost:8000/v1.")


def _resolved(settings: Settings) -> Settings:
    """Make paths independent of the folder that a later command is started in."""

    def absolute(path: str | None) -> str | None:
        return None if path is None else str(Path(path).expanduser().absolute())

    corpus = msgspec.structs.replace(
        settings.corpus,
        captions=tuple(str(absolute(path)) for path in settings.corpus.captions),
        instances=tuple(str(absolute(path)) for path in settings.corpus.instances),
        dataset=absolute(settings.corpus.dataset),
        path=absolute(settings.corpus.path),
        images=absolute(settings.corpus.images),
    )
    teacher = msgspec.structs.replace(settings.teacher, prices=absolute(settings.teacher.prices))
    if corpus.dataset is not None:  # nobody is asked; the records are all there is
        teacher = msgspec.structs.replace(teacher, name=IMPORTED)
        settings = msgspec.structs.replace(settings, types=(IMPORTED,))
    name = settings.validator.name
    is_folder = name != "none" and Path(name).expanduser().is_dir()
    validator = msgspec.structs.replace(settings.validator, name=str(absolute(name)) if is_folder else name)
    return msgspec.structs.replace(
        settings, corpus=corpus, recipes_dir=absolute(settings.recipes_dir), teacher=teacher, validator=validator
    )


def dump_settings(settings: Settings) -> dict[str, Any]:
    """Settings as plain values, for ``run.yaml``."""
    plain: dict[str, Any] = msgspec.to_builtins(settings)
    return plain


def digest_of(value: object) -> str:
    """SHA-256 in hex, first 16 digits, over the JSON form of a value with sorted keys."""
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()[:16]
