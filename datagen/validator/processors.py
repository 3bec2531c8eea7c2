"""Loads a checkpoint's tokenizer and image processor, for still pictures alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import transformers

from datagen.errors import ValidatorError
from datagen.validator.files import first_line

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
    """The processor's class by the name that the checkpoint gives."""
    for name in ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json"):
        path = folder / name
        named = json.loads(path.read_bytes()).get("processor_class") if path.exists() else None
        if isinstance(named, str) and named.endswith("Processor") and named.isidentifier():
            found = getattr(transformers, named, None)
            return found if isinstance(found, type) else None
    return None


def _without_videos(processor: type[Any] | None) -> type[Any] | None:
    """The same processor without its half for videos, which would ask for torchvision; None where it has none."""
    if processor is None or "video_processor" not in processor.get_attributes():
        return None

    class ForStills(processor):  # type: ignore[misc, valid-type]
        @classmethod
        def get_attributes(cls) -> list[str]:
            return [name for name in super().get_attributes() if name != "video_processor"]

    ForStills.__name__ = processor.__name__  # by which from_pretrained finds the parts
    return ForStills
