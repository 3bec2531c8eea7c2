"""A validator's name comes in; what answers to it comes out, its weights not loaded before they are needed."""

from __future__ import annotations

from datagen.config import ENDPOINT, PLUGGED, ValidatorSettings
from datagen.errors import ValidatorError
from datagen.validator.lazy import LazyValidator, open_checkpoint
from datagen.validator.protocol import Abilities, Validator


def open_by_name(settings: ValidatorSettings) -> Validator:
    """Find the validator that the settings name, and check it as far as that takes milliseconds.

    Raises:
        ValidatorError: It cannot be found, or cannot be used on this device.
    """
    if settings.name == "nano":
        from datagen.validator.nano import NanoValidator

        return NanoValidator(settings)
    if settings.name.startswith(PLUGGED):
        raise ValidatorError(
            f"The validator of this run is {settings.name.removeprefix(PLUGGED)}, in Python; give it to "
            "datagen.run(..., validator=...) or Run.validate, or name another."
        )
    if settings.name.startswith(ENDPOINT):
        from datagen.validator.endpoint import EndpointValidator

        return EndpointValidator(settings)
    from datagen.validator.loading import find_checkpoint

    found = find_checkpoint(settings)
    if found.family == "similarity":
        from datagen.validator.similarity import ABILITIES, load_similarity

        return LazyValidator(found, ABILITIES, lambda: load_similarity(settings, found))
    if found.family == "image-text":
        from datagen.validator.image_text import load_image_text

        return LazyValidator(found, Abilities(), lambda: load_image_text(settings, found))
    return open_checkpoint(settings, found, Abilities())
