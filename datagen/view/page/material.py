"""What the cards of a run are drawn with: its annotations by image, its pictures, its vocabulary."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from datagen.config import Settings
from datagen.corpus import Corpus, PictureChecker, load_corpus
from datagen.errors import CorpusError
from datagen.records import AnnotatedImage, Turn
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
            _ = self.images

    @cached_property
    def corpus(self) -> Corpus:
        """The annotations; empty where their files are no longer there."""
        try:
            return load_corpus(self.settings.corpus)
        except CorpusError:
            return Corpus((), (), ())

    @cached_property
    def images(self) -> ImagesById:
        """Annotated images by id."""
        return ImagesById(self.corpus.images)

    def read_claims(self, image_id: str, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        """Find the claims of corrected turns."""
        return claims_from(self.images, self.corpus.categories, self.settings.checks)(image_id, turns)


class ImagesById(Mapping[str, AnnotatedImage]):
    """A corpus's images by id; each is made when it is asked for, as the sequence does.

    Args:
        images: In corpus order.
    """

    def __init__(self, images: Sequence[AnnotatedImage]) -> None:
        self._images = images
        self._places = {image.image_id: place for place, image in enumerate(images)}

    def __getitem__(self, image_id: str) -> AnnotatedImage:
        return self._images[self._places[image_id]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
