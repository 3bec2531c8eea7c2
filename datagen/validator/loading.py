"""A validator's settings come in; a loaded checkpoint with its tokenizer and image processor comes out.

The only file that loads transformers models. Weights are safetensors, remote code runs only when
the settings say so, and whatever is wrong with a checkpoint is told in one sentence.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from msgspec import Struct

from datagen.config import ValidatorSettings
from datagen.errors import ValidatorError
from datagen.validator.catalogue import Family
from datagen.validator.families import USABLE, pick_family
from datagen.validator.files import check_weights, digest_files, find_folder, first_line, read_config
from datagen.validator.imp import IMP_TEMPLATE, ImpParts, open_imp
from datagen.validator.processors import load_processor

Precision = Literal["fp32", "bf16", "fp16", "8bit", "4bit"]

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_EYES = ("vision_tower", "vision_model", "visual", "multi_modal_projector", "connector", "embed_vision")
_NOT_QUANTISED = ["lm_head", *_EYES, *(f"model.{part}" for part in _EYES)]  # names count from the top
"""What stays at 16 bits: small beside the language model, and what the answers hang on."""

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
    family: Family
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
    family, class_name = pick_family(folder, read_config(folder), trusts_code=settings.trust_remote_code)
    if is_quantised(precision):
        _check_quantising(settings.name, family, precision, device)
    check_weights(folder)
    return Found(folder, family, class_name, device, precision, f"{digest_files(folder)}-{precision}")


def load_checkpoint(settings: ValidatorSettings, found: Found | None = None) -> Checkpoint:
    """Load the checkpoint that the settings name.

    Args:
        settings: Name, device, precision and trust.
        found: What ``find_checkpoint`` gave for these settings, if it was asked before.

    Raises:
        ValidatorError: As ``find_checkpoint``, and when model, tokenizer or processor are unfit.
    """
    found = found or find_checkpoint(settings)
    if found.family not in ("llava", "imp"):
        raise ValidatorError(f"{found.folder}: is not built like LLaVA, so it cannot be run in this way.")
    hush_transformers()
    if found.family == "imp":
        parts = open_imp(found.folder)
        model = load_model(settings, found, parts)
        tokenizer, image_processor, image_token = parts.tokenizer, parts.image_processor, "<image>"
        template: str | None = IMP_TEMPLATE
    else:
        processor = load_processor(found.folder, trusts_code=settings.trust_remote_code)
        model = load_model(settings, found)
        tokenizer, image_processor, template = processor.tokenizer, processor.image_processor, find_template(processor)
        image_token = getattr(processor, "image_token", None) or "<image>"
    _check_built_like_llava(found.folder, model)
    _check_image_token(found.folder, tokenizer, image_token, model.config)
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


def hush_transformers() -> None:
    """Keep its bars and notices from tearing the run's own progress bar; what matters is raised by us."""
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]


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


def is_quantised(precision: str) -> bool:
    """Whether the language model's weights are kept in 8 or 4 bits."""
    return precision in ("8bit", "4bit")


def _check_quantising(name: str, family: Family, precision: str, device: torch.device) -> None:
    if family == "similarity":
        raise ValidatorError(f"{name}: is small and has no {precision} form; use --precision bf16 or fp32.")
    if device.type != "cuda":
        raise ValidatorError(f"--precision {precision} needs a CUDA GPU; on {device} use --precision bf16 or fp32.")
    missing = [package for package in ("bitsandbytes", "accelerate") if importlib.util.find_spec(package) is None]
    if missing:
        raise ValidatorError(
            f"--precision {precision} needs {' and '.join(missing)}; install it with: pip install 'datagen[quant]'."
        )


def compute_dtype(found: Found) -> torch.dtype:
    """The number format that activations have; under quantised weights bf16, or fp16 on an older GPU."""
    precision = pick_precision("auto", found.device) if is_quantised(found.precision) else found.precision
    return _DTYPES[precision]


def pick_precision(wanted: Literal["auto"] | Precision, device: torch.device) -> Precision:
    """Choose the number format: bf16 where a GPU has it, fp16 on other GPUs, fp32 on a CPU."""
    if wanted != "auto":
        return wanted
    if device.type == "cpu":
        return "fp32"
    has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if has_bf16 else "fp16"


def load_model(settings: ValidatorSettings, found: Found, converted: ImpParts | None = None) -> Any:
    """Load the weights and put the model on its device, ready to score.

    Args:
        settings: Names the checkpoint, and whether its code may run.
        found: What ``find_checkpoint`` gave.
        converted: Class, configuration and weights of a checkpoint that transformers cannot read by itself.

    Raises:
        ValidatorError: Weights are missing, have no place, do not fit on the device, or overflow.
    """
    folder = found.folder
    options: dict[str, Any] = {"dtype": compute_dtype(found), "output_loading_info": True}
    if is_quantised(found.precision):
        options |= {"quantization_config": _quantisation(found), "device_map": {"": str(found.device)}}
    try:
        if converted is not None:
            model, report = converted.model_class.from_pretrained(
                None, config=converted.config, state_dict=converted.weights, **options
            )
        else:
            model, report = getattr(transformers, found.class_name).from_pretrained(
                folder,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=settings.trust_remote_code,
                **options,
            )
    except torch.OutOfMemoryError as error:
        raise _no_room(settings, found, error) from None
    except _LOADING_ERRORS as error:
        raise ValidatorError(f"{folder}: the model cannot be loaded ({first_line(error)}).") from None
    _check_report(folder, type(model).__name__, report)
    try:
        if not is_quantised(found.precision):
            model = model.to(found.device)
    except (torch.OutOfMemoryError, RuntimeError) as error:
        raise _no_room(settings, found, error) from None
    return model.eval().requires_grad_(False)


def _quantisation(found: Found) -> Any:
    if found.precision == "8bit":
        return transformers.BitsAndBytesConfig(  # type: ignore[no-untyped-call]
            load_in_8bit=True, llm_int8_skip_modules=_NOT_QUANTISED
        )
    return transformers.BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=compute_dtype(found),
        llm_int8_skip_modules=_NOT_QUANTISED,  # bitsandbytes reads it for 4 bits too
    )


def _no_room(settings: ValidatorSettings, found: Found, error: Exception) -> ValidatorError:
    smaller = "8bit or 4bit" if found.device.type == "cuda" else "bf16"
    return ValidatorError(
        f"{settings.name}: does not fit on {found.device} in {found.precision} ({first_line(error)}); "
        f"use a smaller checkpoint or --precision {smaller}."
    )


def _check_report(folder: Path, class_name: str, report: dict[str, Any]) -> None:
    # transformers fills what is missing with random numbers and leaves out what it has no place
    # for, such as a head's bias; either way the scores would be wrong and nothing would tell.
    missing = sorted(report["missing_keys"])
    if missing:
        raise ValidatorError(f"{folder}: {len(missing)} weights are missing ({missing[0]}, …); download it again.")
    unused = sorted(key for key in report["unexpected_keys"] if "vision" not in key and "position_ids" not in key)
    if unused:
        raise ValidatorError(
            f"{folder}: {len(unused)} weights have no place in {class_name} ({unused[0]}, …), "
            "so its scores would be wrong; use another checkpoint."
        )


def _check_built_like_llava(folder: Path, model: Any) -> None:
    inner = getattr(model, "model", None)
    if not (hasattr(model, "get_image_features") and hasattr(inner, "language_model") and hasattr(model, "lm_head")):
        raise ValidatorError(f"{folder}: {type(model).__name__} is not built like LLaVA; use {USABLE}.")


def _check_image_token(folder: Path, tokenizer: Any, image_token: str, config: Any) -> None:
    in_tokenizer = tokenizer.get_vocab().get(image_token)
    in_config = getattr(config, "image_token_id", None)
    if in_tokenizer is None:
        raise ValidatorError(f"{folder}: the tokenizer has no image token '{image_token}'; use {USABLE}.")
    if in_tokenizer != in_config:
        raise ValidatorError(
            f"{folder}: image token '{image_token}' is {in_tokenizer} in the tokenizer and {in_config} in config.json; "
            "the files belong to different checkpoints, download them again."
        )


def find_template(processor: Any) -> str | None:
    """The checkpoint's chat template as Jinja text, or None."""
    template: Any = getattr(processor, "chat_template", None) or processor.tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    return template if isinstance(template, str) else None
