"""The families of vision-language models, as a table: a name goes in, a validator or an answerer comes out.

A family is one file with one row here; weights are loaded when the first score is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from transformers import CONFIG_MAPPING

from datagen.config import PLUGGED, ValidatorSettings, digest_of, validator_names
from datagen.errors import ValidatorError
from datagen.validator.files import check_weights, digest_files, find_folder, read_config, twin_of
from datagen.validator.loading import (
    USABLE,
    Checkpoint,
    Found,
    check_quantising,
    check_spreading,
    devices_of,
    is_quantised,
    pick_device,
    pick_precision,
    pick_spread,
)
from datagen.validator.models.any_chat_model import ANY_CHAT_MODEL
from datagen.validator.models.captioner import CAPTIONER
from datagen.validator.models.clip import CLIP
from datagen.validator.models.detector import DETECTOR, OPEN_DETECTOR, Detector, DetectorValidator
from datagen.validator.models.family import Answerer, Family, LazyValidator, Named
from datagen.validator.models.imp import IMP
from datagen.validator.models.llava import CODE_OF_ITS_OWN, LLAVA
from datagen.validator.models.nano import NANO
from datagen.validator.models.served import SERVED
from datagen.validator.protocol import Validator
from datagen.validator.replicas import Replicas

if TYPE_CHECKING:
    from PIL.Image import Image

NAMED: tuple[Named, ...] = (NANO, SERVED)
"""Validators that are known by their name."""
FAMILIES: tuple[Family, ...] = (LLAVA, IMP, CLIP, DETECTOR, OPEN_DETECTOR, CAPTIONER, ANY_CHAT_MODEL, CODE_OF_ITS_OWN)
"""Ways of running a checkpoint; the first that recognises its config.json takes it."""


def open_by_name(settings: ValidatorSettings) -> Validator:
    """Find the validator that the settings name, and check all of it but the weights, which takes a second or two.

    Raises:
        ValidatorError: It cannot be found, or cannot be used on this device.
    """
    if settings.name.startswith(PLUGGED):
        raise ValidatorError(
            f"The validator of this run is {settings.name.removeprefix(PLUGGED)}, in Python; give it to "
            "datagen.run(..., validator=...) or Run.validate, or name another."
        )
    _require_one(settings)
    devices = devices_of(settings.device)
    if len(devices) > 1 and _named(settings) is not SERVED:
        return Replicas(settings, devices, _open_on_one)
    return _open_on_one(settings)


def _require_one(settings: ValidatorSettings) -> None:
    """Several judge a run together; whoever asks something else asks one of them."""
    names = validator_names(settings.name)
    if len(names) > 1:
        raise ValidatorError(f"--validator {settings.name}: one is asked here; name {' or '.join(names)}.")


def _open_on_one(settings: ValidatorSettings) -> Validator:
    """Find a validator on one device."""
    named = _named(settings)
    if named is not None:
        return named.open(settings)
    family, found = find_checkpoint(settings)
    load = family.load
    if load is None:
        raise ValidatorError(
            f"{settings.name}: writes captions and judges nothing; 'datagen annotate --captioner' takes it. As a "
            f"validator use {USABLE}."
        )
    prepared = family.prepare(settings, found)
    abilities = family.abilities if family.abilities_of is None else family.abilities_of(prepared)
    return LazyValidator(found, abilities, lambda: load(settings, found, prepared))


def open_answerer(settings: ValidatorSettings) -> Answerer:
    """Load the model that the settings name, to be asked freely.

    Raises:
        ValidatorError: It cannot be loaded, or only compares and cannot answer.
    """
    _require_one(settings)
    named = _named(settings)
    if named is not None:
        return named.open_answerer(settings)
    family, found = find_checkpoint(settings)
    if family.load_answerer is None:
        raise ValidatorError(
            f"{settings.name}: compares pictures with phrases, detects things or writes captions, and cannot answer; "
            "name a model that chats, such as llava-1.5-7b."
        )
    return family.load_answerer(settings, found, family.prepare(settings, found))


def open_captioner(settings: ValidatorSettings, question: str) -> Callable[[Image], str]:
    """Load the model that the settings name, to describe pictures.

    Args:
        settings: Name a captioning model, or a chat model with eyes.
        question: Asks a chat model for it.

    Raises:
        ValidatorError: It cannot be loaded, or writes nothing.
    """
    if _named(settings) is None:
        family, found = find_checkpoint(settings)
        if family.load_captioner is not None:
            return family.load_captioner(settings, found, family.prepare(settings, found))
    answerer = open_answerer(settings)
    return lambda picture: answerer.answer(picture, question)


def open_detector(settings: ValidatorSettings) -> Detector:
    """Load the detector that the settings name, to be asked for boxes.

    Raises:
        ValidatorError: It cannot be loaded, or is none.
    """
    _require_one(settings)
    found_by = None if _named(settings) is not None else find_checkpoint(settings)
    if found_by is not None:
        family, found = found_by
        load = family.load if family.name == DETECTOR.name else None
        loaded = load(settings, found, family.prepare(settings, found)) if load is not None else None
        if isinstance(loaded, DetectorValidator):
            return loaded.detector
    raise ValidatorError(
        f"{settings.name}: draws no boxes; name a detector that transformers runs, such as "
        "rt-detr-r50 or grounding-dino-tiny."
    )


def _named(settings: ValidatorSettings) -> Named | None:
    return next((row for row in NAMED if row.answers_to(settings.name)), None)


def find_checkpoint(settings: ValidatorSettings) -> tuple[Family, Found]:
    """Find the checkpoint that the settings name and check its files, which takes milliseconds.

    Raises:
        ValidatorError: Device, folder, hub id, configuration or weight files cannot be used; the
            sentence says which and what to do.
    """
    _require_one(settings)
    device, spread = pick_device(settings.device), pick_spread(settings.device)
    precision = pick_precision(settings.precision, device)
    folder = find_folder(settings)
    config = read_config(folder)
    for family in FAMILIES:
        try:
            class_name = family.recognise(config, settings.trust_remote_code)
        except ValidatorError as error:
            raise ValidatorError(f"{folder}: {error}") from None
        if class_name is not None:
            break
    else:
        kind = config.get("model_type")
        if (twin := twin_of(kind)) is not None:
            raise ValidatorError(f"{folder}: is in the original layout of '{kind}', not transformers'; use {twin}.")
        if kind in CONFIG_MAPPING and not _has_eyes(config):
            raise ValidatorError(f"{folder}: '{kind}' is a text-only model and sees no pictures; use {USABLE}.")
        raise ValidatorError(f"{folder}: architecture '{kind}' is not supported; use {USABLE}.")
    if is_quantised(precision):
        check_quantising(settings.name, precision, device, is_worth_it=family.is_quantisable)
    check_weights(folder)
    identity = f"{digest_files(folder)}-{precision}"
    if family.probe_hint:
        identity += f"-{digest_of(family.probe_hint)[:4]}"
    if family.limits_pixels:
        identity += f"-{settings.max_pixels}"
    found = Found(folder, family.name, class_name, device, precision, identity, spread)
    if spread:
        check_spreading(settings.name, found, is_worth_it=family.is_quantisable)
    return family, found


def _has_eyes(config: dict[str, Any]) -> bool:
    return any(key in config for key in ("vision_config", "mm_vision_tower", "visual", "vision_tower", "img_processor"))


def load_checkpoint(settings: ValidatorSettings) -> Checkpoint:
    """Load a model that is built like LLaVA, for whoever wants its parts.

    Raises:
        ValidatorError: As ``find_checkpoint``, and when model, tokenizer or processor are unfit.
    """
    family, found = find_checkpoint(settings)
    if family.checkpoint is None:
        raise ValidatorError(f"{found.folder}: is not built like LLaVA, so it cannot be run in this way.")
    return family.checkpoint(settings, found, family.prepare(settings, found))
