"""A checkpoint's config.json comes in; the way it is run comes out, or one sentence why it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers.models.auto import modeling_auto

from datagen.errors import ValidatorError
from datagen.validator.catalogue import Family

USABLE = (
    "LLaVA, Imp, CLIP, SigLIP or a chat model with eyes in transformers' layout, such as llava-hf/llava-1.5-7b-hf; "
    "'datagen models' lists what has a name"
)
"""The end of every sentence about a checkpoint of the wrong kind."""

# Families whose image features, inner language model and head are reached in the same way.
_LLAVA = {"llava": "LlavaForConditionalGeneration", "llava_next": "LlavaNextForConditionalGeneration"}
_SIMILARITY = frozenset({"clip", "siglip"})
_ANY = "AutoModelForImageTextToText"


def pick_family(folder: Path, config: dict[str, Any], *, trusts_code: bool) -> tuple[Family, str]:
    """Tell how a checkpoint is run.

    Args:
        folder: Named in the sentence when it cannot be run.
        config: Its config.json.
        trusts_code: Whether the user lets it run Python code of its own.

    Returns:
        The family, and the name of the class of transformers that loads it.

    Raises:
        ValidatorError: A text model, an architecture that cannot be used, or one that needs code of its own.
    """
    kind = config.get("model_type")
    tower = (config.get("vision_config") or {}).get("model_type")
    if kind in _LLAVA and tower != "pixtral":  # Pixtral's pictures have rows, which only its own class lays out
        return "llava", _LLAVA[kind]
    if kind == "imp" or "ImpForCausalLM" in (config.get("architectures") or ()):
        return "imp", "LlavaForConditionalGeneration"
    if kind in _SIMILARITY:
        return "similarity", "AutoModel"
    if kind in modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        return "image-text", _ANY
    if "auto_map" in config:
        if not trusts_code:
            raise ValidatorError(
                f"{folder}: this checkpoint asks to run Python code of its own; "
                "read that code, and give --trust-remote-code if you trust it."
            )
        return "llava", _ANY
    if "vision_config" not in config and "mm_vision_tower" not in config:
        raise ValidatorError(f"{folder}: '{kind}' is a text-only model and sees no pictures; use {USABLE}.")
    raise ValidatorError(f"{folder}: architecture '{kind}' is not supported; use {USABLE}.")
