"""What the cards of a page are drawn with: annotations by image, pictures, vocabulary."""

from __future__ import annotations

import threading
from functools import cached_property

from datagen.config import Settings
from datagen.corpus import Corpus, ImagesById, PictureChecker, corpus_if_there
from datagen.records import Turn
from datagen.review import claims_from


class Material:
    """What a run's cards are drawn with; the annotations are loaded when the first card needs them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pictures = PictureChecker(settings.corpus)
        self._loading = threading.Lock()

    def load(self) -> None:
        """Read the annotations, once however many ask."""
        with self._loading:
            self.images.prepared()

    @cached_property
    def corpus(self) -> Corpus:
        """The annotations; empty where their files are no longer there, or a program gave them."""
        return corpus_if_there(self.settings.corpus)

    @cached_property
    def images(self) -> ImagesById:
        """Annotated images by id."""
        return self.corpus.by_id

    def read_claims(self, image_id: str, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        """Find the claims of corrected turns."""
        return claims_from(self.images, self.corpus.categories, self.settings.checks)(image_id, turns)
