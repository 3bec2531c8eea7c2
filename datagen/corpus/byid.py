"""A corpus's images by their ids, made into records only when one is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from datagen.digestmap import DigestMap
from datagen.records import AnnotatedImage


class ImagesById(Mapping[str, AnnotatedImage]):
    """A mapping that keeps sixteen bytes an image; the first look walks all of them.

    Args:
        images: The corpus's.
    """

    def __init__(self, images: Sequence[AnnotatedImage]) -> None:
        self._images = images
        self._places: DigestMap | None = None

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[str]:
        return (image.image_id for image in self._images)

    def __getitem__(self, image_id: str) -> AnnotatedImage:
        if self._places is None:
            self._places = DigestMap()
            for place, known_id in enumerate(self):
                self._places.put(known_id, place)
        place_found = self._places.get(image_id)
        if place_found is None or self._images[place_found].image_id != image_id:
            raise KeyError(image_id)
        return self._images[place_found]
