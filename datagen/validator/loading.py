"""Loads a vision-language checkpoint: weights, tokenizer and image processor, on a device and in a precision.

The only file that loads transformers models. Weights are safetensors, remote code runs only when
the settings say so, and whatever is wrong with a checkpoint is told in one sentence.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
import transformers
from msgspec import Struct
from transformers.models.auto import processing_auto

from datagen.config import ValidatorSettings
from datagen.errors import ValidatorError
from datagen.validator.files import first_line, read_config

USABLE = (
    "LLaVA, Imp, CLIP, SigLIP, a detector or a chat model with eyes in transformers' layout, such as "
    "llava-hf/llava-1.5-7b-hf; "
    "'datagen models' lists what has a name"
)
"""The end of every sentence about a checkpoint of the wrong kind."""
Precision = Literal["fp32", "bf16", "fp16", "8bit", "4bit"]

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_EYES = ("vision_tower", "vision_model", "visual", "multi_modal_projector", "connector", "embed_vision")
_NOT_QUANTISED = ["lm_head", *_EYES, *(f"model.{part}" for part in _EYES)]  # names count from the top
"""What stays at 16 bits: small beside the language model, and what the answers hang on."""

_FOR_WEIGHTS = 0.85
"""Share of a device's free memory; the rest is for what a batch needs, which is halved where it does not fit."""
_LOADING_ERRORS = (OSError, ValueError, RuntimeError, KeyError, ImportError, AttributeError, TypeError)


class Converted(Protocol):
    """A checkpoint that transformers cannot read by itself, made into one that it can."""

    @property
    def model_class(self) -> Any:
        """The class that takes the weights."""
        ...

    @property
    def config(self) -> Any:
        """Its configuration."""
        ...

    @property
    def weights(self) -> Any:
        """Tensors by the names that the class has in memory."""
        ...


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
        family: Name of the row of ``FAMILIES`` that runs it.
        class_name: Of transformers, that loads it.
        device: Where inputs go.
        identity: A digest over the files, and the precision: the same checkpoint in another folder
            keeps it, other weights in the same folder do not.
        spread: The devices that share one model's layers; empty where it lies on ``device`` alone.
    """

    folder: Path
    family: str
    class_name: str
    device: torch.device
    precision: Precision
    identity: str
    spread: tuple[torch.device, ...] = ()

    @property
    def place(self) -> str:
        """Where the weights lie, for sentences."""
        return "+".join(map(str, self.spread or (self.device,)))


def hush_transformers() -> None:
    """Keep its bars and notices from tearing the run's own progress bar; what matters is raised by us."""
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def devices_of(name: str) -> tuple[str, ...]:
    """Take a device setting apart: a list has commas, and ``auto`` is every CUDA device where there are several."""
    n_cuda = torch.cuda.device_count()
    if name == "auto" and n_cuda > 1:
        return tuple(f"cuda:{n}" for n in range(n_cuda))
    return tuple(one.strip() for one in name.split(","))


def pick_device(name: str) -> torch.device:
    """Find the device that the settings name; of several the first, for what needs only one.

    Raises:
        ValidatorError: It is not known, or not on this machine.
    """
    return _device_named(devices_of(name)[0].split("+")[0])


def pick_spread(name: str) -> tuple[torch.device, ...]:
    """Find the devices that share one model, as in ``cuda:0+cuda:1``; none where the settings name no such thing.

    Raises:
        ValidatorError: One of them is not known, or not on this machine, or accelerate is missing.
    """
    names = devices_of(name)[0].split("+")
    if len(names) == 1:
        return ()
    found = tuple(map(_device_named, names))
    kinds = [device.type for device in found]
    if len(set(found)) < len(found) or set(kinds) - {"cuda", "cpu"} or "cpu" in kinds[:-1]:
        raise ValidatorError(
            f"--device {name}: one model is spread over different GPUs, such as cuda:0+cuda:1, and what they cannot "
            "hold over the memory of this machine, such as cuda:0+cpu."
        )
    if importlib.util.find_spec("accelerate") is None:
        raise ValidatorError(f"--device {name}: one model over several devices needs pip install accelerate.")
    return found


def _device_named(name: str) -> torch.device:
    name = name.strip()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise ValidatorError(
            f"Device '{name}' is not known; give --device auto, cpu, cuda, cuda:N or mps, or several: cuda:0,cuda:1 "
            "for a copy on each, cuda:0+cuda:1 for one model over both."
        )
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


def check_quantising(name: str, precision: str, device: torch.device, *, is_worth_it: bool) -> None:
    """Refuse 8-bit and 4-bit weights where they cannot be had.

    Raises:
        ValidatorError: The model is too small for it, the device no CUDA GPU, or a package is missing.
    """
    if not is_worth_it:
        raise ValidatorError(f"{name}: is small and has no {precision} form; use --precision bf16 or fp32.")
    if device.type != "cuda":
        raise ValidatorError(f"--precision {precision} needs a CUDA GPU; on {device} use --precision bf16 or fp32.")
    missing = [package for package in ("bitsandbytes", "accelerate") if importlib.util.find_spec(package) is None]
    if missing:
        raise ValidatorError(
            f"--precision {precision} needs {' and '.join(missing)}; install it with: pip install 'datagen[quant]'."
        )


def check_spreading(name: str, found: Found, *, is_worth_it: bool) -> None:
    """Refuse to spread a model over several devices where that cannot be had.

    Raises:
        ValidatorError: The model is small, or its weights are quantised.
    """
    if not is_worth_it:
        raise ValidatorError(f"{name}: is small and is not spread over {found.place}; use --device {found.device}.")
    if is_quantised(found.precision):
        raise ValidatorError(
            f"--precision {found.precision} keeps a model on one GPU; use --device {found.device}, or bf16 over "
            "several."
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


def load_model(settings: ValidatorSettings, found: Found, converted: Converted | None = None) -> Any:
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
    elif found.spread:
        options |= {"device_map": "auto", "max_memory": _room_on(found.spread)}
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
    if _stays_on_disk(model):
        raise _no_room(settings, found, MemoryError("some of its layers would stay on disk"))
    try:
        if not is_quantised(found.precision) and not found.spread:
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


def _room_on(devices: Sequence[torch.device]) -> dict[int | str, int]:
    """Bytes of weights that each device may hold."""
    import psutil  # comes with accelerate

    room: dict[int | str, int] = {}
    for device in devices:
        if device.type == "cuda":
            room[device.index or 0] = int(_FOR_WEIGHTS * torch.cuda.mem_get_info(device)[0])
        else:
            room["cpu"] = int(_FOR_WEIGHTS * psutil.virtual_memory().available)
    return room


def _stays_on_disk(model: Any) -> bool:
    """Whether some layers found no room, so that they would be read anew for every batch."""
    return "disk" in getattr(model, "hf_device_map", {}).values()


def _no_room(settings: ValidatorSettings, found: Found, error: Exception) -> ValidatorError:
    ways = "--precision 8bit or 4bit" if found.device.type == "cuda" else "--precision bf16"
    if found.spread:
        ways = "more devices (what GPUs cannot hold lies in this machine's memory, slowly: --device cuda:0+cuda:1+cpu)"
    elif found.device.type == "cuda":
        ways += ", or one model over several GPUs (--device cuda:0+cuda:1)"
    return ValidatorError(
        f"{settings.name}: does not fit on {found.place} in {found.precision} ({first_line(error)}); "
        f"use a smaller checkpoint or {ways}."
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


def find_template(processor: Any) -> str | None:
    """The checkpoint's chat template as Jinja text, or None."""
    template: Any = getattr(processor, "chat_template", None) or processor.tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    return template if isinstance(template, str) else None


PROCESSOR_ERRORS = (RuntimeError, ValueError, TypeError, AttributeError, IndexError, KeyError, ImportError, OSError)
"""What a processor raises that its checkpoint is not fit for."""
_NEEDED = {
    "tokenizer": ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model"),
    "image processor": ("processor_config.json", "preprocessor_config.json"),
}


def load_processor(folder: Path, *, trusts_code: bool = False) -> Any:
    """Load the processor of a checkpoint, with ``tokenizer`` and ``image_processor``.

    Raises:
        ValidatorError: A file is missing or damaged, or a package that it needs.
    """
    for what, names in _NEEDED.items():
        if not any((folder / name).exists() for name in names):
            raise ValidatorError(f"{folder}: holds no {what} ({' or '.join(names)}); download the checkpoint again.")
    options = {"local_files_only": True, "trust_remote_code": trusts_code}
    try:
        stills = _without_videos(_processor_class(folder))
        processor = (stills or transformers.AutoProcessor).from_pretrained(folder, **options)
    except Exception as error:  # the tokenizers library raises bare Exception for a damaged file
        raise ValidatorError(
            f"{folder}: its tokenizer or image processor cannot be loaded ({first_line(error)})."
        ) from None
    if getattr(processor, "tokenizer", None) is None or getattr(processor, "image_processor", None) is None:
        raise ValidatorError(f"{folder}: its processor lacks the tokenizer or the image half; choose another model.")
    return processor


def _processor_class(folder: Path) -> type[Any] | None:
    """The processor's class by the name that the checkpoint gives, or as its model's kind has it."""
    for name in ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json"):
        path = folder / name
        named = json.loads(path.read_bytes()).get("processor_class") if path.exists() else None
        if isinstance(named, str) and named.endswith("Processor") and named.isidentifier():
            return _class_named(named)
    kind = read_config(folder).get("model_type")
    return _class_named(getattr(processing_auto, "PROCESSOR_MAPPING_NAMES", {}).get(str(kind), ""))


def _class_named(name: str) -> type[Any] | None:
    found = getattr(transformers, name, None) if name else None
    return found if isinstance(found, type) else None


def _without_videos(processor: type[Any] | None) -> type[Any] | None:
    """The same processor without its half for videos, which would ask for torchvision; None where it has none."""
    if processor is None or "video_processor" not in processor.get_attributes():
        return None

    class OfParts(processor):  # type: ignore[misc, valid-type]
        @classmethod
        def get_attributes(cls) -> list[str]:
            return [name for name in super().get_attributes() if name != "video_processor"]

    class ForStills(processor):  # type: ignore[misc, valid-type]
        @classmethod
        def _get_arguments_from_pretrained(cls, *args: Any, **options: Any) -> list[Any]:
            parts: list[Any] = OfParts._get_arguments_from_pretrained(*args, **options)
            # Never asked for a video, but some processors read settings off it that both halves have.
            stand_in = parts[OfParts.get_attributes().index("image_processor")]
            parts.insert(cls.get_attributes().index("video_processor"), stand_in)
            return parts

        def check_argument_for_proper_class(self, name: str, argument: Any) -> Any:
            return None if name == "video_processor" else super().check_argument_for_proper_class(name, argument)

    OfParts.__name__ = ForStills.__name__ = processor.__name__  # by which from_pretrained finds the parts
    return ForStills
