"""Response types as text: folders of prompts and few-shots become recipes, recipes become requests.

``prompts/<type>/recipe.yaml`` holds the settings, ``system.txt`` the system message,
``questions.txt`` (for replies that are one bare text) the questions to draw from;
``seeds/<type>/NN.context.txt`` and ``NN.reply.txt`` are the few-shots. A new type is new text.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from datagen.config import IMPORTED as IMPORTED_NAME
from datagen.config import ContextSettings, Settings, digest_of
from datagen.context import ContextPart, parse_context, render_context
from datagen.errors import RecipeError
from datagen.randomness import rng_for
from datagen.records import AnnotatedImage, Message, Request
from datagen.yaml_text import decode_yaml

ReplyFormat = Literal["delimited", "json", "text", "llava"]


class RecipeFile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What ``recipe.yaml`` may say.

    Attributes:
        reply_format: ``delimited`` (LLaVA's ``===`` form), ``json``, or ``text`` (one bare answer); ``llava`` is
            the record of a finished dataset.
        context_parts: What the default style tells.
        llava_context_parts: What ``--context llava`` tells; None repeats ``context_parts``.
        max_tokens: Longest reply, in tokens.
        template: Which embedded writer can serve the type: conversation, description, reasoning,
            negation; None when only an LLM can.
        summary: One line for ``datagen recipes``.
    """

    reply_format: ReplyFormat
    context_parts: tuple[ContextPart, ...] = ("captions", "boxes")
    llava_context_parts: tuple[ContextPart, ...] | None = None
    temperature: Annotated[float, Meta(ge=0.0, le=2.0)] = 0.7
    max_tokens: Annotated[int, Meta(ge=1)] = 1024
    template: Literal["conversation", "description", "reasoning", "negation"] | None = None
    summary: str = ""


class Fewshot(Struct, frozen=True):
    """One worked example.

    Attributes:
        name: Its file stem, such as ``"01"``.
        image: The scene its context describes.
        reply: What a perfect teacher writes, in the recipe's reply format.
    """

    name: str
    image: AnnotatedImage
    reply: str


class Recipe(Struct, frozen=True):
    """One response type, read and checked.

    Attributes:
        digest: Over every text of the recipe; changes when any of them does.
    """

    name: str
    settings: RecipeFile
    system: str
    fewshots: tuple[Fewshot, ...]
    questions: tuple[str, ...]
    digest: str


IMPORTED = Recipe(IMPORTED_NAME, RecipeFile(reply_format="llava", context_parts=()), "", (), (), "")
"""What stands for a recipe where a dataset was made elsewhere: nothing was told to anybody."""


def bundled_folder(name: str) -> Path:
    """Find ``prompts`` or ``seeds``: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def available_types(recipes_dir: str | None = None) -> dict[str, Path]:
    """Map each response type to its prompts folder; the user's own folder wins over the bundled one."""
    found: dict[str, Path] = {}
    for prompts in (bundled_folder("prompts"), *([Path(recipes_dir) / "prompts"] if recipes_dir else [])):
        if not prompts.is_dir():
            raise RecipeError(f"{prompts}: no such folder; a recipes folder holds prompts/<type>/ and seeds/<type>/.")
        found.update({path.parent.name: path.parent for path in sorted(prompts.glob("*/recipe.yaml"))})
    return found


def judge_prompt(recipes_dir: str | None = None) -> str:
    """The system message of the judge over text; the user's own folder wins over the bundled one.

    Raises:
        RecipeError: It is empty or cannot be read.
    """
    file = bundled_folder("prompts") / "judge" / "system.txt"
    own = None if recipes_dir is None else Path(recipes_dir) / "prompts" / "judge" / "system.txt"
    file = own if own is not None and own.is_file() else file
    text = _read(file).strip()
    if not text:
        raise RecipeError(f"{file}: is empty; it should tell the judge what to look for.")
    return text


def load_recipes(settings: Settings) -> tuple[Recipe, ...]:
    """Read the recipes that a run asks for, in the order of ``settings.types``.

    Raises:
        RecipeError: Unknown type, missing or empty file, broken YAML, unreadable few-shot.
    """
    if settings.types == (IMPORTED.name,):
        return (IMPORTED,)
    folders = available_types(settings.recipes_dir)
    unknown = [name for name in settings.types if name not in folders]
    if unknown:
        raise RecipeError(f"No response type '{unknown[0]}'; there are {', '.join(sorted(folders))}.")
    return tuple(load_recipe(folders[name]) for name in settings.types)


def load_recipe(folder: Path) -> Recipe:
    """Read one response type from its prompts folder and the seeds folder beside ``prompts/``."""
    name = folder.name
    if not re.fullmatch(r"\w[\w-]*", name):
        raise RecipeError(f"{folder}: a response type's name has letters, digits, _ and - only; rename the folder.")
    file = folder / "recipe.yaml"
    try:
        settings = decode_yaml(_read(file).encode(), RecipeFile)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise RecipeError(f"{file}: {' '.join(str(error).split())}.") from None
    questions: tuple[str, ...] = ()
    if settings.reply_format == "text":
        questions = tuple(line.strip() for line in _read(folder / "questions.txt").splitlines() if line.strip())
        if not questions:
            raise RecipeError(f"{folder / 'questions.txt'}: holds no question; a text reply needs at least one.")
        if any("<image>" in question for question in questions):
            raise RecipeError(f"{folder / 'questions.txt'}: holds <image>; the export puts it in, so leave it out.")
    system = _read(folder / "system.txt").strip()
    if not system:
        raise RecipeError(f"{folder / 'system.txt'}: is empty; it should tell the teacher what to write.")
    fewshots = _load_fewshots(folder.parent.parent / "seeds" / name)
    texts = [settings, system, questions, [(shot.image, shot.reply) for shot in fewshots]]
    return Recipe(name, settings, system, fewshots, questions, digest_of(texts))


def _load_fewshots(folder: Path) -> tuple[Fewshot, ...]:
    fewshots = []
    for reply_file in sorted(folder.glob("*.reply.txt")):
        _read(reply_file.with_name(reply_file.name.replace(".reply.txt", ".context.txt")))  # raises when missing
    for context_file in sorted(folder.glob("*.context.txt")):
        stem = context_file.name.removesuffix(".context.txt")
        reply = _read(folder / f"{stem}.reply.txt").strip()
        try:
            image = parse_context(_read(context_file), image_id=stem)
        except ValueError as error:
            raise RecipeError(f"{context_file}: {error}.") from None
        if not reply or not (image.captions or image.boxes):
            raise RecipeError(f"{context_file}: a few-shot needs both a context and a reply that are not empty.")
        fewshots.append(Fewshot(stem, image, reply))
    return tuple(fewshots)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise RecipeError(f"{path}: is missing.") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: is not UTF-8 text (byte {error.start}).") from None
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}).") from None


def context_parts(recipe: Recipe, context: ContextSettings) -> tuple[ContextPart, ...]:
    """What this recipe tells of an image in the run's context style."""
    if context.style == "llava" and recipe.settings.llava_context_parts is not None:
        return recipe.settings.llava_context_parts
    return recipe.settings.context_parts


@cache
def constant_messages(recipe: Recipe, context: ContextSettings) -> tuple[Message, ...]:
    """Messages that are the same for every image of the type; they come first, so prompt caches hit."""
    parts = context_parts(recipe, context)
    messages = [Message("system", recipe.system)]
    for shot in recipe.fewshots:
        told = render_context(shot.image, parts, context)
        if told:  # an example without captions has nothing to say where captions alone are told
            messages += [Message("user", told), Message("assistant", shot.reply)]
    return tuple(messages)


def build_request(recipe: Recipe, image: AnnotatedImage, settings: Settings) -> Request | None:
    """Make the request for one image, or None when the context would be empty.

    The digest covers what decides the reply: teacher, image id, messages and sampling. The embedded
    teacher writes from the image itself, by the recipe's ``template`` and ``rng_seed``.
    """
    context = render_context(image, context_parts(recipe, settings.context), settings.context)
    if not context:
        return None
    messages = (*constant_messages(recipe, settings.context), Message("user", context))
    sampling = recipe.settings
    told = embedded_teacher(settings)
    embedded = None if told is None else (*told, sampling.template, image)
    digest = digest_of(
        [
            settings.teacher.name, embedded, image.image_id, recipe.name, messages,
            sampling.temperature, sampling.max_tokens, sampling.reply_format,
        ]
    )  # fmt: skip
    return Request(
        digest, image, recipe.name, recipe.digest, messages,
        sampling.temperature, sampling.max_tokens, sampling.reply_format, sampling.template,
    )  # fmt: skip


def embedded_teacher(settings: Settings) -> tuple[float, ...] | None:
    """What decides the embedded teacher's replies beside image and recipe; None where another one writes."""
    if settings.teacher.name != "template":
        return None
    share = settings.teacher.planted_errors
    return (settings.rng_seed, share) if share else (settings.rng_seed,)


def draw_question(recipe: Recipe, image_id: str, rng_seed: int) -> str:
    """Draw the question for a bare-text reply from the recipe's list."""
    return rng_for(rng_seed, image_id, recipe.name, "question").choice(recipe.questions)
