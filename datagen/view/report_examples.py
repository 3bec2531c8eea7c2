"""From the stream of a run's samples to the few that a report shows, each as a card with a small picture."""

from __future__ import annotations

import base64
import hashlib
import io
from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from datagen.corpus import PictureError
from datagen.records import AnnotatedImage, Claim, Sample, Turn, Validation
from datagen.view.sample_card import card_body

if TYPE_CHECKING:
    from PIL import Image

N_EACH = 2
"""Samples shown of each response type and of each reason."""
MAX_GROUPS = {"accepted": 8, "rejected": 24, "cut": 12}
"""Response types, reasons of rejection and reasons of cuts that are shown; the commonest first."""
PICTURE_PX = 448
"""Longer side of a picture in the report."""
_JPEG_QUALITY = 75
_MAX_TURNS = 12
_MAX_CHARACTERS = 1200
_MAX_BOXES = 60

Group = tuple[str, str]
"""``accepted``, ``rejected`` or ``cut``, and the response type or ``stage: reason``."""
ReadPicture = Callable[[str], "Image.Image"]
"""Opens a picture by its file name; raises PictureError."""


class Examples:
    """Picks a few samples of each group by a hash of their ids, so that they come from all over the corpus."""

    def __init__(self) -> None:
        self._numbers: dict[Group, int] = {}
        self._kept: dict[Group, list[tuple[bytes, str, Sample]]] = {}

    def add(self, sample: Sample) -> None:
        """Look at one sample."""
        rank = hashlib.blake2b(sample.sample_id.encode(), digest_size=8).digest()
        for group in _groups(sample):
            self._numbers[group] = self._numbers.get(group, 0) + 1
            kept = self._kept.setdefault(group, [])
            if len(kept) < N_EACH or rank < kept[-1][0]:
                insort(kept, (rank, sample.sample_id, sample), key=lambda one: one[:2])
                del kept[N_EACH:]

    def of(self, fate: str) -> Iterator[tuple[str, int, list[Sample]]]:
        """Name, size and examples of each group with one fate, commonest first."""
        groups = sorted((group for group in self._numbers if group[0] == fate), key=lambda g: (-self._numbers[g], g))
        for group in groups[: MAX_GROUPS[fate]]:
            yield group[1], self._numbers[group], [sample for _, _, sample in self._kept[group]]

    def image_ids(self) -> set[str]:
        """Images of all that may be shown."""
        return {sample.image_id for kept in self._kept.values() for _, _, sample in kept}


class Card(Struct, frozen=True):
    """A sample to look at."""

    sample_id: str
    html: str


class CardGroup(Struct, frozen=True):
    """Samples that share a response type or a reason."""

    name: str
    number: int
    cards: tuple[Card, ...]


def draw_groups(
    examples: Examples, fate: str, images: Mapping[str, AnnotatedImage], read: ReadPicture | None
) -> tuple[CardGroup, ...]:
    """Draw the cards of one fate.

    Args:
        examples: What was picked.
        fate: ``accepted``, ``rejected`` or ``cut``.
        images: Annotations by image id, for the boxes; may lack some.
        read: Opens pictures; None leaves the frames empty.
    """
    return tuple(
        CardGroup(
            name, number, tuple(_draw(sample, images.get(sample.image_id), read, fate == "cut") for sample in samples)
        )
        for name, number, samples in examples.of(fate)
    )


def small_picture(name: str, read: ReadPicture, side_px: int = PICTURE_PX) -> str | None:
    """A picture as a data URI of a JPEG whose longer side is ``side_px`` at most, or None when it cannot be read."""
    try:
        picture = read(name)
    except PictureError:
        return None
    picture.thumbnail((side_px, side_px))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def _groups(sample: Sample) -> Iterable[Group]:
    if sample.status == "rejected":
        return [("rejected", f"{sample.stage}: {sample.reason}")]
    return [
        ("accepted", sample.response_type),
        *{("cut", f"{cut.stage}: {cut.reason}"): None for cut in sample.cuts},
    ]


def _draw(sample: Sample, image: AnnotatedImage | None, read: ReadPicture | None, are_cuts_open: bool) -> Card:
    url = None if read is None else small_picture(sample.image, read)
    return Card(sample.sample_id, card_body(_shortened(sample), image and _with_few_boxes(image), url, are_cuts_open))


def _shortened(sample: Sample) -> Sample:
    """Keep a card from filling the page, whatever a model wrote."""
    cuts = tuple(replace(cut, detail=_clip(cut.detail), turns=_clipped(cut.turns)) for cut in sample.cuts[:_MAX_TURNS])
    return replace(sample, turns=_clipped(sample.turns), cuts=cuts, detail=sample.detail and _clip(sample.detail))


def _clipped(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    return tuple(
        Turn(_clip(turn.question), _clip(turn.answer), _claims_inside(turn), _validation_of(turn), turn.opinions)
        for turn in turns[:_MAX_TURNS]
    )


def _claims_inside(turn: Turn) -> tuple[Claim, ...]:
    return tuple(claim for claim in turn.claims if claim.end <= _MAX_CHARACTERS)


def _validation_of(turn: Turn) -> Validation | None:
    """What the validator said; its probes go by a claim's number, so they go where a claim was taken out."""
    if turn.validation is None or len(_claims_inside(turn)) == len(turn.claims):
        return turn.validation
    return replace(turn.validation, probes=None)


def _clip(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]} …"


def _with_few_boxes(image: AnnotatedImage) -> AnnotatedImage:
    if len(image.boxes) <= _MAX_BOXES:
        return image
    largest = sorted(range(len(image.boxes)), key=lambda n: -image.boxes[n].area_unit)[:_MAX_BOXES]
    return replace(image, boxes=tuple(image.boxes[n] for n in sorted(largest)))
