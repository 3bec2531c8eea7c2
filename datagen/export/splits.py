"""Chooses the rows of an export, by licence, and their split, by image."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from datagen.randomness import rng_for
from datagen.records import Sample

TRAIN, VALIDATION = "train", "validation"
IMAGES = "images"
"""Where pictures are copied or linked to, inside the export."""
NOT_STATED = "not stated"


class RowChoice(Struct, frozen=True, kw_only=True):
    """Which samples are exported, and how they are divided.

    Attributes:
        rng_seed: The run's seed; decides the split together with the image id.
        validation_share: Share of images held out, 0 to 1.
        licences: Licences to keep, see ``has_licence``; empty keeps all.
    """

    rng_seed: int = 0
    validation_share: float = 0.0
    licences: tuple[str, ...] = ()

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are written."""
        return (TRAIN, VALIDATION) if self.validation_share else (TRAIN,)


class ExportSettings(Struct, frozen=True, kw_only=True):
    """What is asked of an export.

    Attributes:
        form: Its name, as the manifest tells it.
        pictures: Of a form without pixels: copied or linked into ``images/``, or left where they are.
        shard_bytes: Size after which Parquet and WebDataset begin another file.
    """

    form: str
    choice: RowChoice = RowChoice()
    pictures: Literal["copy", "link", "leave"] = "leave"
    shard_bytes: int = 512_000_000


def split_of(image_id: str, choice: RowChoice) -> str:
    """Choose an image's split by its id alone, so that all of its samples stand on one side."""
    if not choice.validation_share:
        return TRAIN
    is_held_out = rng_for(choice.rng_seed, image_id, "split").random() < choice.validation_share
    return VALIDATION if is_held_out else TRAIN


def has_licence(licence: str | None, wanted: tuple[str, ...]) -> bool:
    """Whether a licence is among those wanted, case aside.

    A name without version stands for each of its versions, and never for a stricter licence:
    ``cc-by`` takes ``CC-BY-2.0``, not ``CC-BY-NC-2.0``. ``not stated`` takes images without one.
    """
    if not wanted:
        return True
    name = (licence or NOT_STATED).casefold()
    return any(re.fullmatch(rf"{re.escape(each.casefold())}(?:-\d.*)?", name) for each in wanted)


def is_exported(sample: Sample) -> bool:
    """Whether the run let a sample through; the one place that decides it for every form."""
    return sample.status == "accepted"
