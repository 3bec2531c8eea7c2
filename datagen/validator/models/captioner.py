"""Image captioning models that write one sentence about a picture and answer no question: BLIP, Florence-2.

They describe bare pictures, and judge nothing. Florence-2 is told its task by a token
(huggingface.co/docs/transformers/model_doc/florence2), BLIP by nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from datagen.config import ValidatorSettings
from datagen.errors import ValidatorError
from datagen.validator.files import first_line, twin_of
from datagen.validator.loading import (
    PROCESSOR_ERRORS,
    Found,
    compute_dtype,
    hush_transformers,
    load_model,
    load_processor,
)
from datagen.validator.models.family import Family
from datagen.validator.scoring import is_out_of_memory

if TYPE_CHECKING:
    from PIL.Image import Image

_TASKS: dict[str, str | None] = {"blip": None, "florence2": "<CAPTION>"}
"""By model_type: the token that asks for one sentence, where one does."""
MAX_TOKENS, N_BEAMS = 60, 3
"""Of a caption; three beams as in both models' own examples."""


def _recognise(config: dict[str, Any], trusts_code: bool) -> str | None:
    kind = config.get("model_type")
    if kind == "florence2" and "auto_map" in config:  # code of its own under the name that transformers has
        raise ValidatorError(f"is in the original layout of '{kind}', not transformers'; use {twin_of(kind)}.")
    return "AutoModelForImageTextToText" if kind in _TASKS else None


def _prepare(settings: ValidatorSettings, found: Found) -> Any:
    hush_transformers()
    return load_processor(found.folder)


def _load_captioner(settings: ValidatorSettings, found: Found, processor: Any) -> Callable[[Image], str]:
    model, dtype = load_model(settings, found), compute_dtype(found)
    task = _TASKS[model.config.model_type]

    def describe(picture: Image) -> str:
        picture = picture.convert("RGB")
        try:
            told = {} if task is None else {"text": task}
            inputs = processor(images=picture, return_tensors="pt", **told)
            placed = {name: value.to(found.device) for name, value in inputs.items()}
            placed["pixel_values"] = placed["pixel_values"].to(dtype)
            with torch.inference_mode():
                written = model.generate(**placed, max_new_tokens=MAX_TOKENS, num_beams=N_BEAMS, do_sample=False)
            return str(processor.decode(written[0], skip_special_tokens=True))
        except (*PROCESSOR_ERRORS, MemoryError) as error:
            if isinstance(error, RuntimeError | MemoryError) and is_out_of_memory(error):
                told_of = f"one picture does not fit into the memory of {found.place}; use a smaller captioner"
            else:
                told_of = f"its processor or model takes no picture ({first_line(error)}); choose another captioner"
            raise ValidatorError(f"{found.folder}: {told_of}.") from None

    return describe


CAPTIONER = Family(
    name="captioner",
    recognise=_recognise,
    prepare=_prepare,
    load=None,
    load_answerer=None,
    load_captioner=_load_captioner,
    is_quantisable=False,
)
