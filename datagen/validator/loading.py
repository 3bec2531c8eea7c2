"""A validator's settings come in; a loaded checkpoint with its tokenizer and image processor comes out.

The only file that loads transformers models. Weights are safetensors, remote code runs only when
the settings say so, and whatever is wrong with a checkpoint is told in one sentence.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from msgspec import Struct

from datagen.config import ValidatorSettings
from datagen.errors import ValidatorError
from datagen.validator.files import check_weights, digest_files, find_folder, first_line, read_config

Precision = Literal["fp32", "bf16", "fp16"]

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

# Families whose image features, inner language model and head are reached in the same way.
_CLASSES = {"llava": "LlavaForConditionalGeneration", "llava_next": "LlavaNextForConditionalGeneration"}

_FAMILIES = "LLaVA-1.5 or LLaVA-NeXT in transformers' layout, such as llava-hf/llava-1.5-7b-hf"

_LOADING_ERRORS = (OSError, ValueError, RuntimeError, KeyError, ImportError, AttributeError, TypeError)


class Checkpoint(Struct, frozen=True):
    """A model ready to score, and what belongs to it.

    Attributes:
        identity: As in ``Found``.
        model: In evaluation mode on ``device``.
        image_token: The text that stands for the picture.
        max_tokens: Longest conversation the model has positions for; None for no limit.
    """

    identity: str
    model: Any
    tokenizer: Any
    image_processor: Any
    chat_template: str | None
    image_token: str
    image_token_id: int
    max_tokens: int | None
    device: torch.device
    dtype: torch.dtype


class Found(Struct, frozen=True):
    """A checkpoint that was looked at and not loaded yet.

    Attributes:
        identity: A digest over the files, and the precision: the same checkpoint in another folder
            keeps it, other weights in the same folder do not.
    """

    folder: Path
    class_name: str
    device: torch.device
    precision: Precision
    identity: str


def find_checkpoint(settings: ValidatorSettings) -> Found:
    """Find the checkpoint that the settings name and check its files, which takes milliseconds.

    Raises:
        ValidatorError: Device, folder, hub id, configuration or weight files cannot be used; the
            sentence says which and what to do.
    """
    device = _pick_device(settings.device)
    precision = pick_precision(settings.precision, device)
    folder = find_folder(settings)
    class_name = _pick_class(folder, read_config(folder), settings)
    check_weights(folder)
    return Found(folder, class_name, device, precision, f"{digest_files(folder)}-{precision}")


def load_checkpoint(settings: ValidatorSettings, found: Found | None = None) -> Checkpoint:
    """Load the checkpoint that the settings name.

    Args:
        settings: Name, device, precision and trust.
        found: What ``find_checkpoint`` gave for these settings, if it was asked before.

    Raises:
        ValidatorError: As ``find_checkpoint``, and when model, tokenizer or processor are unfit.
    """
    found = found or find_checkpoint(settings)
    folder, device, precision = found.folder, found.device, found.precision
    # Its bars and notices would tear the run's own progress bar; what matters is raised below.
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    processor = _load_processor(folder, settings)
    tokenizer = processor.tokenizer
    model = _load_model(folder, found.class_name, settings, _DTYPES[precision])
    image_token = getattr(processor, "image_token", None) or "<image>"
    _check_image_token(folder, tokenizer, image_token, model.config)
    try:
        model = model.to(device).eval().requires_grad_(False)
    except (torch.OutOfMemoryError, RuntimeError) as error:
        raise ValidatorError(
            f"{settings.name}: does not fit on {device} in {precision} ({first_line(error)}); "
            "use a smaller checkpoint or --precision bf16."
        ) from None
    return Checkpoint(
        identity=found.identity,
        model=model,
        tokenizer=tokenizer,
        image_processor=processor.image_processor,
        chat_template=_find_template(processor),
        image_token=image_token,
        image_token_id=model.config.image_token_id,
        max_tokens=getattr(model.config.get_text_config(), "max_position_embeddings", None),
        device=device,
        dtype=_DTYPES[precision],
    )


def _pick_device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise ValidatorError(f"Device '{name}' is not known; give --device auto, cpu, cuda, cuda:N or mps.")
    device = torch.device(name)
    n_cuda = torch.cuda.device_count()
    if device.type == "cuda" and n_cuda <= (device.index or 0):
        raise ValidatorError(f"Device '{name}' is not available: torch sees {n_cuda} CUDA devices; try --device auto.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ValidatorError("Device 'mps' is not available on this machine; try --device auto.")
    return device


def pick_precision(wanted: Literal["auto"] | Precision, device: torch.device) -> Precision:
    """Choose the number format: bf16 where a GPU has it, fp16 on other GPUs, fp32 on a CPU."""
    if wanted != "auto":
        return wanted
    if device.type == "cpu":
        return "fp32"
    has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if has_bf16 else "fp16"


def _pick_class(folder: Path, config: dict[str, Any], settings: ValidatorSettings) -> str:
    kind = config.get("model_type")
    if kind in _CLASSES:
        tower = (config.get("vision_config") or {}).get("model_type")
        if tower == "pixtral":
            raise ValidatorError(f"{folder}: vision tower 'pixtral' is not supported; use {_FAMILIES}.")
        return _CLASSES[kind]
    if "auto_map" in config:
        if not settings.trust_remote_code:
            raise ValidatorError(
                f"{folder}: this checkpoint asks to run Python code of its own; "
                "read that code, and give --trust-remote-code if you trust it."
            )
        return "AutoModelForImageTextToText"
    if "vision_config" not in config and "mm_vision_tower" not in config:
        raise ValidatorError(f"{folder}: '{kind}' is a text-only model and sees no pictures; use {_FAMILIES}.")
    raise ValidatorError(f"{folder}: architecture '{kind}' is not supported; use {_FAMILIES}.")


def _load_processor(folder: Path, settings: ValidatorSettings) -> Any:
    for what, names in {
        "tokenizer": ("tokenizer.json", "tokenizer.model", "vocab.json"),
        "image processor": ("processor_config.json", "preprocessor_config.json"),
    }.items():
        if not any((folder / name).exists() for name in names):
            raise ValidatorError(f"{folder}: holds no {what} ({' or '.join(names)}); download the checkpoint again.")
    try:
        processor = transformers.AutoProcessor.from_pretrained(  # type: ignore[no-untyped-call]
            folder, local_files_only=True, trust_remote_code=settings.trust_remote_code
        )
    except Exception as error:  # the tokenizers library raises bare Exception for a damaged file
        raise ValidatorError(
            f"{folder}: its tokenizer or image processor cannot be loaded ({first_line(error)})."
        ) from None
    if getattr(processor, "tokenizer", None) is None or getattr(processor, "image_processor", None) is None:
        raise ValidatorError(f"{folder}: its processor lacks the tokenizer or the image half; use {_FAMILIES}.")
    return processor


def _load_model(folder: Path, class_name: str, settings: ValidatorSettings, dtype: torch.dtype) -> Any:
    try:
        model, report = getattr(transformers, class_name).from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=settings.trust_remote_code,
            output_loading_info=True,
        )
    except _LOADING_ERRORS as error:
        raise ValidatorError(f"{folder}: the model cannot be loaded ({first_line(error)}).") from None
    # transformers fills what is missing with random numbers and leaves out what it has no place
    # for, such as a head's bias; either way the scores would be wrong and nothing would tell.
    missing = sorted(report["missing_keys"])
    if missing:
        raise ValidatorError(f"{folder}: {len(missing)} weights are missing ({missing[0]}, …); download it again.")
    unused = sorted(key for key in report["unexpected_keys"] if "vision" not in key)
    if unused:
        raise ValidatorError(
            f"{folder}: {len(unused)} weights have no place in {type(model).__name__} ({unused[0]}, …), "
            "so its scores would be wrong; use another checkpoint."
        )
    inner = getattr(model, "model", None)
    if not (hasattr(model, "get_image_features") and hasattr(inner, "language_model") and hasattr(model, "lm_head")):
        raise ValidatorError(f"{folder}: {type(model).__name__} is not built like LLaVA; use {_FAMILIES}.")
    return model


def _check_image_token(folder: Path, tokenizer: Any, image_token: str, config: Any) -> None:
    in_tokenizer = tokenizer.get_vocab().get(image_token)
    in_config = getattr(config, "image_token_id", None)
    if in_tokenizer is None:
        raise ValidatorError(f"{folder}: the tokenizer has no image token '{image_token}'; use {_FAMILIES}.")
    if in_tokenizer != in_config:
        raise ValidatorError(
            f"{folder}: image token '{image_token}' is {in_tokenizer} in the tokenizer and {in_config} in config.json; "
            "the files belong to different checkpoints, download them again."
        )


def _find_template(processor: Any) -> str | None:
    template: Any = getattr(processor, "chat_template", None) or processor.tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    return template if isinstance(template, str) else None
