"""Loads a checkpoint's tokenizer and image processor, for still pictures alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import transformers
from transformers.models.auto import processing_auto

from datagen.errors import ValidatorError
from datagen.validator.files import first_line, read_config

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
