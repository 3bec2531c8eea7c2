"""A validator's name comes in; what answers to it comes out, its weights not loaded before they are needed."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from typing import TYPE_CHECKING

from datagen.config import ENDPOINT, ValidatorSettings
from datagen.records import Score
from datagen.validator.protocol import Abilities, Fault, LoadPicture, Look, Validator, look_keys

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_ASPECT = 50
"""Processors scale the shorter side to 336 pixels; a strip of 1 x 3,000 would become a gigabyte."""


def open_by_name(settings: ValidatorSettings) -> Validator:
    """Find the validator that the settings name, and check it as far as that takes milliseconds.

    Raises:
        ValidatorError: It cannot be found, or cannot be used on this device.
    """
    if settings.name == "nano":
        from datagen.validator.nano import NanoValidator

        return NanoValidator(settings)
    if settings.name.startswith(ENDPOINT):
        from datagen.validator.endpoint import EndpointValidator

        return EndpointValidator(settings)
    from datagen.validator.loading import find_checkpoint

    found = find_checkpoint(settings)
    if found.family == "similarity":
        from datagen.validator.similarity import ABILITIES, load_similarity

        return LazyValidator(found.identity, ABILITIES, lambda: load_similarity(settings, found))
    if found.family == "image-text":
        from datagen.validator.image_text import load_image_text

        return LazyValidator(found.identity, Abilities(), lambda: load_image_text(settings, found))
    from datagen.validator.checkpoint import CheckpointValidator
    from datagen.validator.loading import load_checkpoint

    return LazyValidator(
        found.identity,
        Abilities(),
        lambda: CheckpointValidator(load_checkpoint(settings, found), settings.batch_tokens),
    )


class LazyValidator:
    """A validator that was found and checked, and is loaded when the first unknown score is asked for.

    So a wrong name stops a run before anything is paid for, no memory is held while the teacher
    writes, and a run whose scores are all stored never loads the model.
    """

    def __init__(self, identity: str, abilities: Abilities, load: Callable[[], Validator]) -> None:
        self.identity = identity
        self.abilities = abilities
        self._load = load
        self._loaded: Validator | None = None

    def look_over(self, names: Sequence[str], load_picture: LoadPicture) -> None:
        """Any picture will do."""

    def score(
        self, looks: Sequence[Look], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | Fault]:
        """Score every item that is not known; see ``protocol.Validator``."""
        if all(key in known for look in looks for key in look_keys(self.identity, look)):
            return
        self._loaded = self._loaded or self._load()
        yield from self._loaded.score(looks, load_picture, known)


def open_picture(name: str, load_picture: LoadPicture) -> Image | Fault:
    """Open a picture, or say why it cannot be looked at."""
    try:
        picture = load_picture(name)
    except Exception as error:
        # A picture that cannot be read is a record's failure; anything else is ours.
        if not hasattr(error, "reason") or not hasattr(error, "detail"):
            raise
        return Fault(name, str(error.reason), str(error.detail))
    if max(picture.size) > MAX_ASPECT * min(picture.size):
        told = f"{name} is {picture.width} x {picture.height} pixels, longer than {MAX_ASPECT} times its width"
        return Fault(name, "image_too_narrow", told)
    return picture
