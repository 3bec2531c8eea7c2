"""CLIP and SigLIP: image-text similarity as a score.

A text is compared sentence by sentence and gets the mean: the models read 64 or 77 tokens, and a whole
answer cut there would be judged by its beginning. A probe is compared by its noun phrase. Both ask
"is this picture about that", so they find wrong pictures and absent things, not wrong counts or places.
"""

from __future__ import annotations

import re
import string
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any

import torch
from msgspec import Struct
from PIL import Image

from datagen.config import ValidatorSettings
from datagen.errors import ValidatorError
from datagen.records import Score, SimilarityScore
from datagen.validator.files import first_line
from datagen.validator.loading import (
    PROCESSOR_ERRORS,
    Found,
    compute_dtype,
    hush_transformers,
    load_model,
    load_processor,
)
from datagen.validator.models.family import Family
from datagen.validator.protocol import (
    Abilities,
    Fault,
    Item,
    LoadPicture,
    Look,
    Text,
    Validator,
    look_keys,
    open_picture,
    score_key,
)

ABILITIES = Abilities(texts=True, blanks=False, probes=frozenset({"presence"}))

_PICTURE_INPUTS = ("pixel_values", "pixel_attention_mask", "spatial_shapes")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_PICTURES_AT_ONCE = 32  # few enough that decoded pictures take little memory
_TEXTS_AT_ONCE = 256
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


class SimilarityModel(Struct, frozen=True):
    """CLIP or SigLIP, ready to compare.

    Attributes:
        max_tokens: Texts are cut to so many.
        pads_fully: SigLIP was trained on texts in small letters without punctuation, all filled up to the same length.
    """

    identity: str
    model: Any
    processor: Any
    max_tokens: int
    pads_fully: bool
    device: torch.device
    dtype: torch.dtype

    @property
    def width(self) -> int:
        """Numbers in one feature."""
        return int(self.read(["a"]).shape[1])

    @torch.inference_mode()
    def see(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        """Features of pictures, shape (pictures, width), each of length 1, fp32 on the CPU."""
        inputs = self.processor.image_processor(images=[one.convert("RGB") for one in pictures], return_tensors="pt")
        # naflex keeps a picture's shape, and tells it beside the pixels.
        placed = {name: self._placed(inputs[name]) for name in _PICTURE_INPUTS if name in inputs}
        return _unit(self.model.get_image_features(**placed))

    def _placed(self, value: torch.Tensor) -> torch.Tensor:
        moved = value.to(self.device)
        return moved.to(self.dtype) if moved.is_floating_point() else moved

    @torch.inference_mode()
    def read(self, texts: Sequence[str]) -> torch.Tensor:
        """Features of texts, shape (texts, width), each of length 1, fp32 on the CPU."""
        inputs = self.processor.tokenizer(
            [canonical(text) for text in texts] if self.pads_fully else list(texts),
            padding="max_length" if self.pads_fully else True,
            truncation=True,
            max_length=self.max_tokens,
            return_tensors="pt",
        ).to(self.device)
        known = {name: inputs[name] for name in ("input_ids", "attention_mask") if name in inputs}
        if self.pads_fully:
            known.pop("attention_mask", None)  # it was trained without one
        return _unit(self.model.get_text_features(**known))


def canonical(text: str) -> str:
    """A text as SigLIP's were made ready: small letters, no punctuation, single spaces.

    SigLIP's own tokenizer does it, the one that is published with SigLIP 2 does not (transformers issue 43054).
    """
    return " ".join(text.replace("_", " ").translate(_NO_PUNCTUATION).lower().split())


def _unit(features: Any) -> torch.Tensor:
    # Newer versions of transformers wrap what older ones give plainly.
    plain = features if isinstance(features, torch.Tensor) else features.pooler_output
    return torch.nn.functional.normalize(plain.float(), dim=-1).cpu()


def open_processor(settings: ValidatorSettings, found: Found) -> Any:
    """Load the processor, and lay out one picture and one phrase.

    Raises:
        ValidatorError: A file is missing or damaged, or a package.
    """
    hush_transformers()
    processor = load_processor(found.folder)
    try:
        processor.image_processor(images=[Image.new("RGB", (64, 48), "gray")], return_tensors="pt")
        processor.tokenizer(["a photo of a dog"], return_tensors="pt")
    except PROCESSOR_ERRORS as error:
        raise ValidatorError(f"{found.folder}: its processor fails ({first_line(error)}).") from None
    return processor


def load_model_of_similarity(settings: ValidatorSettings, found: Found, processor: Any = None) -> SimilarityModel:
    """Load CLIP or SigLIP.

    Raises:
        ValidatorError: A file is missing or damaged, or the model does not fit on the device.
    """
    processor = processor or open_processor(settings, found)
    model = load_model(settings, found)
    text = model.config.text_config
    return SimilarityModel(
        identity=found.identity,
        model=model,
        processor=processor,
        max_tokens=text.max_position_embeddings,
        pads_fully=model.config.model_type in ("siglip", "siglip2"),
        device=found.device,
        dtype=compute_dtype(found),
    )


class SimilarityValidator:
    """Compares with one loaded model; see ``protocol.Validator``."""

    def __init__(self, model: SimilarityModel) -> None:
        self.identity = model.identity
        self.abilities = ABILITIES
        self.n_readers = 0
        self._model = model

    def look_over(self, names: Sequence[str], load_picture: LoadPicture) -> None:
        """Any picture will do."""

    def score(
        self, looks: Sequence[Look], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | Fault]:
        """Compare every item of every look; looks at a blank picture say nothing here and are passed over."""
        shown = (look for look in looks if not look.is_blank)
        wanted = (look for look in shown if not all(key in known for key in look_keys(self.identity, look)))
        by_picture = ((name, list(of_it)) for name, of_it in groupby(wanted, key=lambda look: look.picture))
        while window := list(islice(by_picture, _PICTURES_AT_ONCE)):
            yield from (
                one for one in self._compare(window, load_picture) if isinstance(one, Fault) or one.key not in known
            )

    def _compare(self, window: list[tuple[str, list[Look]]], load_picture: LoadPicture) -> Iterator[Score | Fault]:
        pictures: list[Image.Image] = []
        seen: list[list[Look]] = []
        for name, looks in window:
            picture = open_picture(name, load_picture)
            if isinstance(picture, Fault):
                yield picture
            else:
                pictures.append(picture)
                seen.append(looks)
        if not pictures:
            return
        features = self._see(pictures)
        asked = [(n, look, item) for n, looks in enumerate(seen) for look in looks for item in look.items]
        told = self._read(phrase for _, _, item in asked for phrase in phrases_of(item))
        for n, look, item in asked:
            phrases = phrases_of(item)
            if not phrases:
                yield Fault(look.picture, "unscorable_text", "there is no phrase to compare the picture with", item)
                continue
            cosines = torch.stack([told[phrase] for phrase in phrases]) @ features[n]
            similarity = round(float(cosines.mean()), 6) + 0.0
            yield SimilarityScore(score_key(self.identity, look, item), look.picture, similarity)

    def _see(self, pictures: list[Image.Image]) -> torch.Tensor:
        try:
            return self._model.see(pictures)
        except torch.OutOfMemoryError:
            if len(pictures) == 1:
                raise ValidatorError(
                    f"{self.identity}: one picture does not fit into the memory of {self._model.device}; "
                    "use a smaller checkpoint or --device cpu."
                ) from None
        torch.cuda.empty_cache()
        half = len(pictures) // 2
        return torch.cat([self._see(pictures[:half]), self._see(pictures[half:])])

    def _read(self, phrases: Iterable[str]) -> dict[str, torch.Tensor]:
        """Features of every phrase, each read once."""
        texts = list(dict.fromkeys(phrases))
        features = [self._model.read(texts[at : at + _TEXTS_AT_ONCE]) for at in range(0, len(texts), _TEXTS_AT_ONCE)]
        return dict(zip(texts, torch.cat(features), strict=True)) if texts else {}


def phrases_of(item: Item) -> tuple[str, ...]:
    """The texts that an item is compared by: an answer's sentences, or a probe's noun phrase."""
    if isinstance(item, Text):
        sentences = (sentence.strip() for sentence in _SENTENCE_END.split(item.answer))
        return tuple(sentence for sentence in sentences if sentence)
    return (photo_of(item.phrase),) if item.phrase else ()


def photo_of(phrase: str) -> str:
    """A phrase as captions of photographs word it, which these models were trained on."""
    return f"a photo of {phrase}"


def _recognise(config: dict[str, Any], trusts_code: bool) -> str | None:
    return "AutoModel" if config.get("model_type") in ("clip", "siglip", "siglip2") else None


def _load(settings: ValidatorSettings, found: Found, processor: Any) -> Validator:
    return SimilarityValidator(load_model_of_similarity(settings, found, processor))


CLIP = Family(
    name="similarity",
    recognise=_recognise,
    prepare=open_processor,
    load=_load,
    load_answerer=None,
    abilities=ABILITIES,
    is_quantisable=False,
)
