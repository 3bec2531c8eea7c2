"""Object detectors as validators of presence, number, place, relation and size: a small GPU, or none, is enough.

Some know the things that they were taught (DETR, RT-DETR, D-FINE and what else transformers detects with: mostly COCO's
80), others take any name (OWLv2, OWL-ViT, Grounding DINO). Neither reads answers: they are asked probes alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from msgspec import Struct
from PIL import Image
from transformers.models.auto import modeling_auto

from datagen.config import ValidatorSettings
from datagen.errors import ValidatorError
from datagen.lexicon import with_article
from datagen.records import NoScore, Probe, ProbeScore, Score
from datagen.validator.files import first_line, read_config
from datagen.validator.loading import (
    PROCESSOR_ERRORS,
    Found,
    compute_dtype,
    hush_transformers,
    load_model,
    load_processor,
)
from datagen.validator.models.family import Family
from datagen.validator.protocol import OUTSIDE, Abilities, Fault, LoadPicture, Look, look_keys, open_picture, score_key
from datagen.validator.scoring import is_out_of_memory
from datagen.validator.sightings import (
    KINDS_SEEN,
    BoxQuestion,
    Numbers,
    Sightings,
    answer_question,
    read_question,
    sort_sightings,
)

_OTHER_NAMES = {
    "aeroplane": "airplane",
    "diningtable": "dining table",
    "motorbike": "motorcycle",
    "pottedplant": "potted plant",
    "sofa": "couch",
    "tvmonitor": "tv",
}
"""COCO's things, as detectors that were published with VOC's spellings call them."""
_TRIAL = "dog"
_NAMES_AT_ONCE = 32  # of OWLv2, whose names do not see each other


class Parts(Struct, frozen=True):
    """What lays out a detector's inputs, without weights.

    Attributes:
        processor: An image processor, or one with a tokenizer too.
        labels: Number of a class to its name; None for a detector that takes any name.
    """

    processor: Any
    labels: dict[int, str] | None

    @property
    def abilities(self) -> Abilities:
        """What it can be asked."""
        known = None if self.labels is None else frozenset(self.labels.values())
        return Abilities(texts=False, blanks=False, probes=KINDS_SEEN, categories=known, misses_some=True)


class Detector(Struct, frozen=True):
    """A detector, ready to look."""

    identity: str
    model: Any
    parts: Parts
    device: torch.device
    dtype: torch.dtype

    def look(self, picture: Image.Image, names: Sequence[str]) -> dict[str, Sightings]:
        """Find things in a picture.

        Raises:
            ValidatorError: It does not fit into memory.
        """
        picture = picture.convert("RGB")
        try:
            with torch.inference_mode():
                return _LOOKS[self.model.config.model_type](self, picture, names)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise ValidatorError(
                f"{self.identity}: one picture does not fit into the memory of {self.device}; use a smaller detector."
            ) from None

    def run(self, inputs: Any) -> tuple[torch.Tensor, Numbers]:
        """Logits of shape (boxes, classes) and boxes as corners in shares of what the model was shown."""
        placed = {name: value.to(self.device) for name, value in inputs.items()}
        placed["pixel_values"] = placed["pixel_values"].to(self.dtype)
        out = self.model(**placed)
        middle, size = out.pred_boxes[0].double().cpu().numpy().reshape(-1, 2, 2).swapaxes(0, 1)
        return out.logits[0].float().cpu(), np.concatenate([middle - size / 2, middle + size / 2], axis=1)


def _look_closed(detector: Detector, picture: Image.Image, names: Sequence[str]) -> dict[str, Sightings]:
    """All its things at once."""
    logits, boxes = detector.run(_lay_out(detector.parts, picture, ()))
    labels = detector.parts.labels or {}
    # DETR's last class is "nothing"; its scores compete, those of later detectors do not.
    chances = logits.softmax(-1) if logits.shape[1] == max(labels) + 2 else logits.sigmoid()
    by_name = {name: number for number, name in labels.items()}
    found = chances.double().numpy()
    return {name: sort_sightings(boxes, found[:, by_name[name]]) for name in names if name in by_name}


def _look_owl(detector: Detector, picture: Image.Image, names: Sequence[str]) -> dict[str, Sightings]:
    """Any names, each of which is looked for by itself."""
    seen: dict[str, Sightings] = {}
    # OWLv2 pads a picture to a square, OWL-ViT squeezes it into one.
    padded = max(picture.size) if detector.model.config.model_type == "owlv2" else None
    stretch = np.array([(padded or side) / side for side in (*picture.size, *picture.size)])
    for at in range(0, len(names), _NAMES_AT_ONCE):
        some = names[at : at + _NAMES_AT_ONCE]
        logits, boxes = detector.run(_lay_out(detector.parts, picture, some))
        found = logits.sigmoid().double().numpy()
        seen |= {name: sort_sightings(boxes * stretch, found[:, n]) for n, name in enumerate(some)}
    return seen


def _look_grounding(detector: Detector, picture: Image.Image, names: Sequence[str]) -> dict[str, Sightings]:
    """Any names, one pass for each: in one prompt they would change each other's scores."""
    seen: dict[str, Sightings] = {}
    for name in names:
        inputs = _lay_out(detector.parts, picture, (name,))
        logits, boxes = detector.run(inputs)
        special = detector.parts.processor.tokenizer.get_special_tokens_mask(
            inputs["input_ids"][0].tolist(), already_has_special_tokens=True
        )
        words = [n for n, is_special in enumerate(special) if not is_special][:-1]  # without the full stop
        seen[name] = sort_sightings(boxes, logits.sigmoid()[:, words].mean(1).double().numpy())
    return seen


_LOOKS: dict[str, Callable[[Detector, Image.Image, Sequence[str]], dict[str, Sightings]]] = {
    **dict.fromkeys(modeling_auto.MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES, _look_closed),
    "owlv2": _look_owl,
    "owlvit": _look_owl,
    "grounding-dino": _look_grounding,
    "mm-grounding-dino": _look_grounding,
}
"""How a detector is run, by its model_type."""


def _lay_out(parts: Parts, picture: Image.Image, names: Sequence[str]) -> Any:
    if parts.labels is not None:
        return parts.processor(images=[picture], return_tensors="pt")
    if hasattr(parts.processor, "query_processor") or "Owl" in type(parts.processor).__name__:
        texts: Any = [[f"a photo of {with_article(name)}" for name in names]]
    else:
        texts = [f"{with_article(name)}." for name in names]
    return parts.processor(images=[picture], text=texts, return_tensors="pt")


class DetectorValidator:
    """Asks one detector; see ``protocol.Validator``."""

    def __init__(self, detector: Detector) -> None:
        self.identity = detector.identity
        self.abilities = detector.parts.abilities
        self.n_readers = 0
        self.detector = detector

    def look_over(self, names: Sequence[str], load_picture: LoadPicture) -> None:
        """Any picture will do."""

    def score(
        self, looks: Sequence[Look], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | Fault]:
        """Answer every probe by the boxes that it sees; each picture is looked at once."""
        shown = (look for look in looks if not look.is_blank)
        for name, at_picture in groupby(shown, key=lambda look: look.picture):
            unknown = [look for look in at_picture if not all(key in known for key in look_keys(self.identity, look))]
            if not unknown:
                continue
            picture = open_picture(name, load_picture)
            if isinstance(picture, Fault):
                yield picture
                continue
            yield from (one for one in self._answer(unknown, picture) if one.key not in known)

    def _answer(self, looks: Sequence[Look], picture: Image.Image) -> Iterator[ProbeScore | NoScore]:
        asked: dict[Probe, BoxQuestion | None] = {
            item: read_question(item) for look in looks for item in look.items if isinstance(item, Probe)
        }
        names = sorted({name for question in asked.values() if question is not None for name in question.names})
        seen = self.detector.look(picture, names) if names else {}
        for look in looks:
            for item in look.items:
                key = score_key(self.identity, look, item)
                question = asked.get(item) if isinstance(item, Probe) else None
                if question is None or any(name not in seen for name in question.names):
                    told = f"boxes do not answer '{item.question}'"
                    yield NoScore(key, look.picture, OUTSIDE, told)
                else:
                    yield ProbeScore(key, look.picture, answer_question(question, seen.__getitem__))


def open_parts(settings: ValidatorSettings, found: Found) -> Parts:
    """Load a detector's processor, and lay out one picture.

    Raises:
        ValidatorError: A file is missing or damaged, or a package.
    """
    hush_transformers()
    config = read_config(found.folder)
    is_closed = config.get("model_type") in modeling_auto.MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES
    try:
        processor = _image_processor(found.folder) if is_closed else load_processor(found.folder)
        parts = Parts(processor, _labels_of(config) if is_closed else None)
        _lay_out(parts, Image.new("RGB", (64, 48), "gray"), (_TRIAL,))
    except PROCESSOR_ERRORS as error:
        raise ValidatorError(f"{found.folder}: its processor cannot be used ({first_line(error)}).") from None
    return parts


def _image_processor(folder: Path) -> Any:
    """Load what makes pixels of a picture."""
    try:
        return transformers.AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
            folder, local_files_only=True
        )
    except ImportError:  # transformers up to 5.17 looks for torchvision, even where its class for Pillow would do
        settings = json.loads((folder / "preprocessor_config.json").read_bytes())
        name = str(settings.get("image_processor_type", "")).removesuffix("Fast")
        in_pillow = getattr(transformers, f"{name}Pil", None)
        if in_pillow is None:
            raise
        return in_pillow.from_pretrained(folder, local_files_only=True)


def _labels_of(config: dict[str, Any]) -> dict[int, str]:
    labels = {int(number): str(name).lower() for number, name in (config.get("id2label") or {}).items()}
    if not labels or all(name.startswith("label_") for name in labels.values()):
        raise ValueError("config.json names no classes in id2label")
    return {number: _OTHER_NAMES.get(name, name) for number, name in labels.items()}


def _recognise_closed(config: dict[str, Any], trusts_code: bool) -> str | None:
    is_known = config.get("model_type") in modeling_auto.MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES
    return "AutoModelForObjectDetection" if is_known else None


def _recognise_open(config: dict[str, Any], trusts_code: bool) -> str | None:
    return "AutoModelForZeroShotObjectDetection" if config.get("model_type") in _LOOKS else None


def _load(settings: ValidatorSettings, found: Found, parts: Parts) -> DetectorValidator:
    model = load_model(settings, found)
    return DetectorValidator(Detector(found.identity, model, parts, found.device, compute_dtype(found)))


def _family(recognise: Callable[[dict[str, Any], bool], str | None]) -> Family:
    return Family(
        name="detector",
        recognise=recognise,
        prepare=open_parts,
        load=_load,
        load_answerer=None,
        abilities_of=lambda parts: parts.abilities,
        is_quantisable=False,
    )


DETECTOR, OPEN_DETECTOR = _family(_recognise_closed), _family(_recognise_open)
