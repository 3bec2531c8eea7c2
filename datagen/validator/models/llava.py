"""Models built like LLaVA: a vision tower, a projector, and a language model that is reached without its head.

LLaVA-1.5 and LLaVA-NeXT by transformers' own classes, and checkpoints that bring Python code of their own, where the
user trusts it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct
from PIL import Image

from datagen.config import ValidatorSettings
from datagen.errors import ValidatorError
from datagen.validator.checkpoint import CheckpointValidator
from datagen.validator.dialogue import CheckpointAnswerer, Dialogue
from datagen.validator.files import first_line, read_config
from datagen.validator.loading import (
    PROCESSOR_ERRORS,
    USABLE,
    Checkpoint,
    Found,
    compute_dtype,
    find_template,
    hush_transformers,
    load_model,
    load_processor,
)
from datagen.validator.models.family import Family, LoadCheckpoint, Prepare, Recognise
from datagen.validator.models.grid_tower import register

_CLASSES = {"llava": "LlavaForConditionalGeneration", "llava_next": "LlavaNextForConditionalGeneration"}


def _recognise(config: dict[str, Any], trusts_code: bool) -> str | None:
    tower = (config.get("vision_config") or {}).get("model_type")
    # Pixtral's pictures have rows, which only its own class lays out.
    return None if tower == "pixtral" else _CLASSES.get(config.get("model_type") or "")


def _recognise_code(config: dict[str, Any], trusts_code: bool) -> str | None:
    # Only such code is asked for: what a repository registers as a text model is not run, whatever is trusted.
    if "AutoModelForImageTextToText" not in (config.get("auto_map") or {}):
        return None
    if not trusts_code:
        raise ValidatorError(
            "this checkpoint asks to run Python code of its own; read that code, and give --trust-remote-code if you "
            "trust it."
        )
    return "AutoModelForImageTextToText"


class ChatParts(Struct, frozen=True):
    """What lays out a model's inputs, without weights."""

    processor: Any
    template: str | None
    image_token: str


def open_parts(settings: ValidatorSettings, found: Found) -> ChatParts:
    """Load the processor, and lay out one picture and one prompt.

    Raises:
        ValidatorError: Its files are unfit, or belong to different checkpoints.
    """
    hush_transformers()
    register()
    folder = found.folder
    processor = load_processor(folder, trusts_code=settings.trust_remote_code)
    image_token = getattr(processor, "image_token", None) or "<image>"
    config = read_config(folder)
    in_config = config.get("image_token_id", config.get("image_token_index"))
    _check_image_token(folder, processor.tokenizer, image_token, in_config)
    template = find_template(processor)
    Dialogue(processor.tokenizer, template, image_token)
    try:
        processor.image_processor(images=[Image.new("RGB", (64, 48), "gray")], return_tensors="pt")
    except PROCESSOR_ERRORS as error:
        raise ValidatorError(f"{folder}: its image processor fails ({first_line(error)}); use {USABLE}.") from None
    return ChatParts(processor, template, image_token)


def load_llava(settings: ValidatorSettings, found: Found, parts: ChatParts | None = None) -> Checkpoint:
    """Load a checkpoint with the processor that comes with it."""
    parts = parts or open_parts(settings, found)
    model = load_model(settings, found)
    of_processor = parts.processor.tokenizer, parts.processor.image_processor
    return like_llava(found, model, *of_processor, parts.template, parts.image_token)


def like_llava(
    found: Found, model: Any, tokenizer: Any, image_processor: Any, template: str | None, image_token: str
) -> Checkpoint:
    """Join the parts of a model that is built like LLaVA.

    Raises:
        ValidatorError: It is not, or its files belong to different checkpoints.
    """
    _check_built_like_llava(found.folder, model)
    _check_image_token(found.folder, tokenizer, image_token, getattr(model.config, "image_token_id", None))
    return Checkpoint(
        identity=found.identity,
        model=model,
        tokenizer=tokenizer,
        image_processor=image_processor,
        chat_template=template,
        image_token=image_token,
        image_token_id=model.config.image_token_id,
        max_tokens=getattr(model.config.get_text_config(), "max_position_embeddings", None),
        device=found.device,
        dtype=compute_dtype(found),
    )


def _check_built_like_llava(folder: Path, model: Any) -> None:
    inner = getattr(model, "model", None)
    if not (hasattr(model, "get_image_features") and hasattr(inner, "language_model") and hasattr(model, "lm_head")):
        raise ValidatorError(f"{folder}: {type(model).__name__} is not built like LLaVA; use {USABLE}.")


def _check_image_token(folder: Path, tokenizer: Any, image_token: str, in_config: int | None) -> None:
    in_tokenizer = tokenizer.get_vocab().get(image_token)
    if in_tokenizer is None:
        raise ValidatorError(f"{folder}: the tokenizer has no image token '{image_token}'; use {USABLE}.")
    if in_tokenizer != in_config:
        raise ValidatorError(
            f"{folder}: image token '{image_token}' is {in_tokenizer} in the tokenizer and {in_config} in config.json; "
            "the files belong to different checkpoints, download them again."
        )


SHORT_ANSWER = "\nAnswer the question using a single word or phrase."
"""What LLaVA-1.5 was taught to answer shortly by (arXiv 2310.03744, section 3.2), and is asked in POPE; LLaVA-NeXT and
Imp learned from the same prompts. Without it such a model means to begin a sentence, and "Yes" takes little belief."""


def family_like_llava(
    name: str, recognise: Recognise, prepare: Prepare, checkpoint: LoadCheckpoint, hint: str = ""
) -> Family:
    """Make the row of a family that is scored and asked as LLaVA is, once its parts are loaded."""

    def load(settings: ValidatorSettings, found: Found, prepared: Any) -> CheckpointValidator:
        return CheckpointValidator(checkpoint(settings, found, prepared), settings.batch_tokens, hint)

    def load_answerer(settings: ValidatorSettings, found: Found, prepared: Any) -> CheckpointAnswerer:
        return CheckpointAnswerer(checkpoint(settings, found, prepared))

    return Family(
        name=name, recognise=recognise, prepare=prepare, load=load, load_answerer=load_answerer,
        checkpoint=checkpoint, probe_hint=hint,
    )  # fmt: skip


LLAVA = family_like_llava("llava", _recognise, open_parts, load_llava, SHORT_ANSWER)
CODE_OF_ITS_OWN = family_like_llava("llava", _recognise_code, open_parts, load_llava)
