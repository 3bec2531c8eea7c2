"""Response types as text: folders of prompts and few-shots become recipes, recipes become requests.

``prompts/<type>/recipe.yaml`` holds the settings, ``system.txt`` the system message (``{rules}`` stands for
``prompts/rules.txt``, which all types share, ``{pointing}`` for ``pointing.txt``, which those share whose turns carry
boxes, and in either ``{absent}`` for ``absent.txt`` where a type is told of absent things), ``questions.txt`` (for
replies that are one bare text) the questions to draw from;
``seeds/<type>/NN.context.txt`` and ``NN.reply.txt`` are the few-shots. A new type is new text. For a run in another
language than English, ``questions.CODE.txt`` and ``seeds/<type>/CODE/`` come first where they are there, and
``prompts/language.txt`` asks the teacher to write in it.

So that a hundred thousand images do not get a hundred thousand times the same request, each image draws which few-shots
are told in which order, and what is wanted of its reply. Both follow from ``rng_seed``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from datagen.config import IMPORTED as IMPORTED_NAME
from datagen.config import (
    ContextSettings,
    Effort,
    Settings,
    ShareAboveZero,
    TeacherSettings,
    Temperature,
    digest_of,
    fault_of_extra_body,
)
from datagen.context import ContextPart, parse_context, render_context, tells_absent
from datagen.errors import RecipeError
from datagen.geometry import can_be_pointed_at
from datagen.languages import ENGLISH, NAMES
from datagen.randomness import rng_for
from datagen.records import AnnotatedImage, ExtraSample, Message, Request
from datagen.wishes import SEEN, SEEN_FACTS, WANTED, Wish, count_facts, draw_wishes, needs_met_by
from datagen.words import COCO_CATEGORIES
from datagen.yaml_text import decode_yaml

ReplyFormat = Literal["delimited", "json", "text", "llava"]


DECKS = 8
"""Choices of few-shots that the images of a type share: each is one beginning of many requests, as the prompt
caches of endpoints want it. A choice of its own for every image would leave them the system message alone."""
NOTHING_ABSENT: Mapping[str, float] = {}
ABSENT_TOLD = 4
"""Absent things that an image is told of at most: enough to choose from, too few to be a list that is worked off."""


class RecipeFile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What ``recipe.yaml`` may say.

    Attributes:
        reply_format: ``delimited`` (LLaVA's ``===`` form), ``json``, or ``text`` (one bare answer); ``llava`` is
            the record of a finished dataset.
        context_parts: What the default style tells.
        llava_context_parts: What ``--context llava`` tells; None repeats ``context_parts``.
        temperature: None leaves it to the endpoint.
        max_tokens: Longest reply, in tokens.
        top_p: Nucleus sampling; None leaves it to the endpoint, like ``seed`` and ``reasoning_effort``.
        system_role: False puts the system text before the user's first message.
        extra_body: Further fields of the request, as the endpoint calls them.
        shots: How many of the few-shots a request tells; None for all, in the order of their names.
        wanted: What is drawn for every image and told behind its context, in the default style alone.
        template: Which embedded writer can serve the type: conversation, description, reasoning,
            negation, grounding, referring, grounded_description; None when only an LLM can.
        points: Its questions and answers carry boxes, in the form of ``box_text``; left out for the others, so that
            their digests are what they were.
        summary: One line for ``datagen recipes``.
    """

    reply_format: ReplyFormat
    context_parts: tuple[ContextPart, ...] = ("captions", "boxes")
    llava_context_parts: tuple[ContextPart, ...] | None = None
    temperature: Temperature | None = 0.7
    max_tokens: Annotated[int, Meta(ge=1)] = 1024
    top_p: ShareAboveZero | None = None
    seed: int | None = None
    reasoning_effort: Effort | None = None
    system_role: bool = True
    extra_body: dict[str, Any] = {}
    shots: Annotated[int, Meta(ge=1)] | None = None
    wanted: tuple[Wish, ...] = ()
    template: (
        Literal[
            "conversation", "description", "reasoning", "negation", "grounding", "referring", "grounded_description"
        ]
        | None
    ) = None  # fmt: skip
    points: bool | UnsetType = UNSET
    summary: str = ""


class Fewshot(Struct, frozen=True):
    """One worked example.

    Attributes:
        name: Its file stem, such as ``"01"``.
        image: The scene its context describes.
        reply: What a perfect teacher writes, in the recipe's reply format.
        wanted: The line that asked for it, the last one of the context; empty for none.
    """

    name: str
    image: AnnotatedImage
    reply: str
    wanted: str = ""


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

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def n_decks(self) -> int:
        """How many beginnings the requests of this type have."""
        return 1 if self.settings.shots is None else DECKS


IMPORTED = Recipe(IMPORTED_NAME, RecipeFile(reply_format="llava", context_parts=()), "", (), (), "")
"""What stands for a recipe where a dataset was made elsewhere: nothing was told to anybody."""


def imported_as(name: str) -> Recipe:
    """The same for records that say of which response type they are."""
    return replace(IMPORTED, name=name)


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
    return _shared_prompt("judge/system.txt", recipes_dir, "the judge what to look for")


@cache
def picture_prompt(recipes_dir: str | None = None) -> str:
    """What a teacher that is shown the pictures is told beside; the user's own folder wins over the bundled one.

    Raises:
        RecipeError: It is empty or cannot be read.
    """
    return _shared_prompt("shown.txt", recipes_dir, "a teacher what to make of the picture")


def _shared_prompt(name: str, recipes_dir: str | None, tells: str) -> str:
    file = _prompt_file(name, recipes_dir)
    text = _read(file).strip()
    if not text:
        raise RecipeError(f"{file}: is empty; it should tell {tells}.")
    return text


def repair_prompt(recipes_dir: str | None = None) -> str:
    """The message that sends sentences back to the teacher; ``{flaws}`` stands for them and what speaks against them.

    Raises:
        RecipeError: It does not name them, or cannot be read.
    """
    file = _prompt_file("repair.txt", recipes_dir)
    text = _read(file).strip()
    if "{flaws}" not in text:
        raise RecipeError(f"{file}: holds no {{flaws}}; the sentences to write again stand in its place.")
    return text


def _prompt_file(name: str, recipes_dir: str | None) -> Path:
    own = None if recipes_dir is None else Path(recipes_dir) / "prompts" / name
    return own if own is not None and own.is_file() else bundled_folder("prompts") / name


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
    return tuple(load_recipe(folders[name], settings.language) for name in settings.types)


def load_recipe(folder: Path, language: str = ENGLISH) -> Recipe:
    """Read one response type from its prompts folder and the seeds folder beside ``prompts/``.

    Args:
        folder: Such as ``prompts/conversation``.
        language: Code of the language that its replies are asked for in.

    Raises:
        RecipeError: As ``load_recipes``.
    """
    name = folder.name
    if not re.fullmatch(r"\w[\w-]*", name):
        raise RecipeError(f"{folder}: a response type's name has letters, digits, _ and - only; rename the folder.")
    file = folder / "recipe.yaml"
    try:
        settings = decode_yaml(_read(file).encode(), RecipeFile)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise RecipeError(f"{file}: {' '.join(str(error).split())}.") from None
    fault = fault_of_extra_body(settings.extra_body)
    if fault is not None:
        raise RecipeError(f"{file}: extra_body: {fault}")
    questions: tuple[str, ...] = ()
    if settings.reply_format == "text":
        own = folder / f"questions.{language}.txt"
        listed = own if own.is_file() else folder / "questions.txt"
        questions = tuple(line.strip() for line in _read(listed).splitlines() if line.strip())
        if not questions:
            raise RecipeError(f"{listed}: holds no question; a text reply needs at least one.")
        if any("<image>" in question for question in questions):
            raise RecipeError(f"{listed}: holds <image>; the export puts it in, so leave it out.")
    system = _system_text(folder, settings)
    seeds = folder.parent.parent / "seeds" / name
    contexts = seeds
    if language != ENGLISH:
        asked = _read_shared(folder, "language.txt").replace("{language}", NAMES[language])
        system = f"{system}\n\n{asked}"
        seeds = seeds / language if (seeds / language).is_dir() else seeds
    for wish in settings.wanted:
        if wish.draw > len(wish.of):
            raise RecipeError(f"{file}: 'wanted' draws {wish.draw} of {len(wish.of)}; list more, or draw fewer.")
    fewshots = _load_fewshots(seeds, contexts)
    texts = [settings, system, questions, [(shot.image, shot.reply, shot.wanted) for shot in fewshots]]
    return Recipe(name, settings, system, fewshots, questions, digest_of(texts))


def _system_text(folder: Path, settings: RecipeFile) -> str:
    """Read a type's system message, with the texts that types share in their places."""
    system = _read(folder / "system.txt").strip()
    if not system:
        raise RecipeError(f"{folder / 'system.txt'}: is empty; it should tell the teacher what to write.")
    for name in ("rules", "pointing"):
        if f"{{{name}}}" in system:
            system = system.replace(f"{{{name}}}", _read_shared(folder, f"{name}.txt"))
    if "{absent}" in system:
        told = f"{_read_shared(folder, 'absent.txt')}\n" if "absent" in settings.context_parts else ""
        system = system.replace("{absent}\n", told).replace("{absent}", told).strip()
    return system


def _read_shared(folder: Path, name: str) -> str:
    """Read a text that all types share, from beside their folders or from the package."""
    own = folder.parent / name
    return _read(own if own.is_file() else bundled_folder("prompts") / name).strip()


def _load_fewshots(folder: Path, contexts: Path) -> tuple[Fewshot, ...]:
    """Read the replies of a folder with their contexts; those of another language may share the English contexts."""
    fewshots = []
    stems = {file.name.removesuffix(".reply.txt"): contexts for file in folder.glob("*.reply.txt")}
    stems |= {file.name.removesuffix(".context.txt"): folder for file in folder.glob("*.context.txt")}
    for stem in sorted(stems):
        context_file = stems[stem] / f"{stem}.context.txt"
        reply = _read(folder / f"{stem}.reply.txt").strip()
        text, _, wanted = _read(context_file).rstrip().rpartition(f"\n{WANTED}")
        try:
            image = parse_context(text or wanted, image_id=stem)
        except ValueError as error:
            raise RecipeError(f"{context_file}: {error}.") from None
        if not reply or not (image.captions or image.boxes):
            raise RecipeError(f"{context_file}: a few-shot needs both a context and a reply that are not empty.")
        fewshots.append(Fewshot(stem, image, reply, f"{WANTED}{wanted}" if text else ""))
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
def constant_messages(
    recipe: Recipe, context: ContextSettings, rng_seed: int, deck: int, told_of_picture: str = ""
) -> tuple[Message, ...]:
    """Messages that are the same for every image of a deck; they come first, so prompt caches hit.

    Args:
        recipe: The response type.
        context: The run's style.
        rng_seed: The run's.
        deck: Which choice of few-shots, 0 to ``DECKS`` - 1.
        told_of_picture: Stands behind the recipe's own system text where the picture is shown.
    """
    parts = context_parts(recipe, context)
    messages = [Message("system", f"{recipe.system}\n\n{told_of_picture}" if told_of_picture else recipe.system)]
    n_shots = recipe.settings.shots
    shots: Sequence[Fewshot] = recipe.fewshots
    if n_shots is not None:
        shots = rng_for(rng_seed, recipe.name, "few-shots", str(deck)).sample(shots, min(n_shots, len(shots)))
    for shot in shots:
        told = render_context(shot.image, parts, context, shot.image.absent or ())
        if told:  # an example without captions has nothing to say where captions alone are told
            messages += [Message("user", _with_wish(told, shot.wanted, context)), Message("assistant", shot.reply)]
    return tuple(messages)


def _with_wish(told: str, wanted: str, context: ContextSettings) -> str:
    return told if not wanted or context.style == "llava" else f"{told}\n\n{wanted}"


def draw_wish(
    recipe: Recipe, image: AnnotatedImage, settings: Settings, number: int = 1, lacking: Sequence[str] = ()
) -> str:
    """Draw what is wanted of the reply about one image: a line to stand behind its context, or nothing.

    Args:
        recipe: The response type.
        image: What is asked about; wishes that it cannot meet are not drawn.
        settings: Of the run; a teacher who is shown the picture finds there what captions leave out.
        number: Which of several samples of this type about the image it is.
        lacking: Keys of ``Wish.fills`` that are asked for before anything is drawn.
    """
    rng = rng_for(settings.rng_seed, image.image_id, recipe.name, _numbered("wanted", number))
    parts = recipe.settings.context_parts
    needs_met, facts = needs_met_by(image, parts), count_facts(image, parts)
    if settings.teacher.show_images:
        needs_met, facts = (needs_met | SEEN) - {"no captions", "little"}, max(facts, SEEN_FACTS)
    return draw_wishes(recipe.settings.wanted, needs_met, facts, rng, lacking)


def _numbered(purpose: str, number: int) -> str:
    return purpose if number == 1 else f"{purpose} {number}"


_COCO = frozenset(COCO_CATEGORIES)


def build_request(
    recipe: Recipe,
    image: AnnotatedImage,
    settings: Settings,
    deniable: tuple[str, ...] = COCO_CATEGORIES,
    absent: Mapping[str, float] = NOTHING_ABSENT,
    extra: ExtraSample | None = None,
) -> Request | None:
    """Make the request for one image, or None when the context would be empty.

    The digest covers what decides the reply: teacher, image id, messages and sampling. The embedded
    teacher writes from the image itself, by the recipe's ``template`` and ``rng_seed``. Left out is which of the many
    things that are not there a teacher is told of: that depends on the rest of the corpus, and a corpus that grew is
    no reason to pay twice.

    Args:
        recipe: Of the response type.
        image: What to ask about.
        settings: Of the run.
        deniable: Categories that annotators looked for in the image.
        absent: Of these, some that one could expect there and that are surely not, with how strongly.
        extra: What the request is about, where it was chosen to fill what a set lacked.
    """
    number = 1 if extra is None else extra.number
    parts, seed = context_parts(recipe, settings.context), settings.rng_seed
    told_absent: tuple[str, ...] = ()
    if absent:
        rng = rng_for(seed, image.image_id, recipe.name, _numbered("absent", number))
        lots = {name: rng.random() ** (1 / strength) for name, strength in absent.items()}  # a draw by weight
        told_absent = tuple(sorted(lots, key=lambda name: -lots[name])[:ABSENT_TOLD])
    context = digested = render_context(image, parts, settings.context, told_absent)
    if deniable and tells_absent(parts, settings.context):
        digested = render_context(image, parts, settings.context, ("...",))
    if not context or (recipe.settings.points and not any(map(can_be_pointed_at, image.boxes))):
        return None
    deck = rng_for(seed, image.image_id, recipe.name, _numbered("deck", number)).randrange(recipe.n_decks)
    shows = settings.teacher.show_images
    told_of_picture = picture_prompt(settings.recipes_dir) if shows else ""
    constant = constant_messages(recipe, settings.context, seed, deck, told_of_picture)
    wish = draw_wish(recipe, image, settings) if extra is None else extra.wanted
    messages, digested_messages = (
        (*constant, Message("user", _with_wish(text, wish, settings.context))) for text in (context, digested)
    )
    told = embedded_teacher(settings)
    embedded: tuple[object, ...] | None = None
    if told is not None:
        embedded = (*told, recipe.settings.template, image)
        if not _COCO.issubset(deniable):  # else nothing is left out
            embedded += (deniable,)
    request = Request(
        digest="",
        image=image,
        response_type=recipe.name,
        recipe_digest=recipe.digest,
        messages=messages,
        reply_format=recipe.settings.reply_format,
        template=recipe.settings.template,
        deniable=deniable,
        **sampling_for(recipe.settings, settings.teacher),
    )
    decides: list[object] = [
        settings.teacher.name, embedded, image.image_id, recipe.name, digested_messages,
        request.temperature, request.max_tokens, request.reply_format,
    ]  # fmt: skip
    if request.more or not (request.system_role and request.sends_max_tokens):  # else as before these could be set
        decides += [request.more, request.system_role, request.sends_max_tokens]
    if number > 1:
        decides.append(number)
    if shows:
        detail, longest_px = settings.teacher.image_detail, settings.teacher.image_px
        decides += ["shown", image.file_name, detail, longest_px]
        scale = min(1.0, longest_px / max(1, image.width, image.height))
        size = round(image.width * scale), round(image.height * scale)
        request = replace(request, image_detail=detail, picture_px=size)
    return replace(request, digest=digest_of(decides))


def sampling_for(recipe: RecipeFile, teacher: TeacherSettings) -> dict[str, Any]:
    """How a reply is sampled: the fields of ``Request`` that say it, the run's settings before the recipe's."""

    def first(name: str) -> Any:
        own = getattr(teacher, name)
        return getattr(recipe, name) if own is None else own

    optional = {name: first(name) for name in ("top_p", "seed", "reasoning_effort")}
    return {
        "temperature": None if "temperature" in teacher.leave_out else first("temperature"),
        "max_tokens": first("max_tokens"),
        "sends_max_tokens": "max_tokens" not in teacher.leave_out,
        "system_role": first("system_role"),
        "more": {name: value for name, value in optional.items() if value is not None}
        | recipe.extra_body
        | teacher.extra_body,
    }


def recipes_for(recipes: tuple[Recipe, ...], image_id: str, settings: Settings) -> tuple[Recipe, ...]:
    """The response types that ask about an image: all, or as ``mix`` has them.

    Each type is drawn by itself, by ``rng_seed`` and image id alone, so that an image keeps its types when others are
    added or the corpus is cut into shards. The type of the largest share asks about every image.
    """
    if not settings.mix:
        return recipes
    shares = shares_of(settings.mix)
    return tuple(
        recipe
        for recipe in recipes
        if (share := shares.get(recipe.name, 0.0)) >= 1.0
        or rng_for(settings.rng_seed, image_id, recipe.name, "mix").random() < share
    )


def asked_about(
    recipes: tuple[Recipe, ...], image_id: str, settings: Settings, extras: Sequence[ExtraSample] = ()
) -> list[tuple[Recipe, ExtraSample | None]]:
    """All that is asked about an image: by its types, then what was chosen beside them.

    What was chosen keeps its wish, and with it its request and the reply that is paid for, also where its type asks
    about the image by now.
    """
    drawn = recipes_for(recipes, image_id, settings)
    names, by_name = {recipe.name for recipe in drawn}, {recipe.name: recipe for recipe in recipes}
    firsts = {extra.response_type: extra for extra in extras if extra.number == 1}
    others = [extra for extra in extras if extra.number > 1 or extra.response_type not in names]
    return [
        *((recipe, firsts.get(recipe.name)) for recipe in drawn),
        *((by_name[extra.response_type], extra) for extra in others),
    ]


def shares_of(mix: Mapping[str, float]) -> dict[str, float]:
    """Which share of the images each response type of a mix asks about."""
    most = max(mix.values(), default=1.0)
    return {name: share / most for name, share in mix.items()}


def needs_absent(recipes: Sequence[Recipe], settings: Settings) -> bool:
    """Whether a teacher is told of absent things; the embedded one finds its own."""
    is_told = any(tells_absent(context_parts(recipe, settings.context), settings.context) for recipe in recipes)
    return is_told and settings.teacher.name != "template"


def embedded_teacher(settings: Settings) -> tuple[float, ...] | None:
    """What decides the embedded teacher's replies beside image and recipe; None where another one writes."""
    if settings.teacher.name != "template":
        return None
    share = settings.teacher.planted_errors
    return (settings.rng_seed, share) if share else (settings.rng_seed,)


def draw_question(recipe: Recipe, image_id: str, rng_seed: int) -> str:
    """Draw the question for a bare-text reply from the recipe's list."""
    return rng_for(rng_seed, image_id, recipe.name, "question").choice(recipe.questions)
