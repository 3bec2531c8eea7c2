"""One sample as a notebook shows it: the card, with a picture small enough for a saved notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from datagen.config import CorpusSettings
from datagen.corpus import PictureChecker
from datagen.records import AnnotatedImage, Sample
from datagen.view.report_examples import small_picture
from datagen.view.sample_card import sample_card

PICTURE_PX = 640
"""Longer side of a picture; COCO's are as large, others are made smaller."""

DrawCard = Callable[[Sample], str]
"""Makes the card of a sample, as HTML."""


class Cards:
    """Draws the cards of one corpus.

    Args:
        corpus: Where the pictures are.
        images: Gives the annotations by image id, for the boxes; asked when the first card is drawn.
    """

    def __init__(self, corpus: CorpusSettings, images: Callable[[], Mapping[str, AnnotatedImage]]) -> None:
        self._pictures = PictureChecker(corpus)
        self._images = images

    def draw(self, sample: Sample) -> str:
        """Draw one sample; a picture that cannot be read leaves its frame empty."""
        picture = small_picture(sample.image, self._pictures.read, PICTURE_PX)
        return sample_card(sample, self._images().get(sample.image_id), picture)


class SampleView:
    """One sample to look at.

    Attributes:
        sample: The record itself.
    """

    def __init__(self, sample: Sample, draw: DrawCard) -> None:
        self.sample = sample
        self._draw = draw

    def __repr__(self) -> str:
        turns = "".join(f"\nQ: {turn.question}\nA: {turn.answer}" for turn in self.sample.turns)
        return f"{self.sample.sample_id}: {self.sample.status} {self.sample.reason or ''}".rstrip() + turns

    def _repr_html_(self) -> str:
        return self._draw(self.sample)
