"""Image ids: how they are written, how an image without one gets one, and how an image is found by its id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import PurePosixPath

from datagen.corpus.images import ids_of
from datagen.digestmap import DigestMap
from datagen.records import AnnotatedImage


def id_text(value: int | str) -> str:
    """Ids as text: digits lose their leading zeros, so that ``7``, ``"7"`` and ``"007"`` are one."""
    if isinstance(value, int):
        return str(value)
    return (value.lstrip("0") or "0") if value.isascii() and value.isdigit() else value


def id_of_file(name: str, taken: set[str]) -> str:
    """Make an id of a picture's file name: its stem, or for another file of the same stem its whole path.

    Args:
        name: With forward slashes.
        taken: Ids that are given away; the new one is added.
    """
    image_id = id_text(PurePosixPath(name).stem)
    if image_id in taken:
        path = image_id = str(PurePosixPath(name).with_suffix("")).replace("/", "_")
        further = count(2)
        while image_id in taken:
            image_id = f"{path}_{next(further)}"
    taken.add(image_id)
    return image_id


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
        return ids_of(self._images)

    def __getitem__(self, image_id: str) -> AnnotatedImage:
        place_found = self.prepared().get(image_id)
        if place_found is None or self._images[place_found].image_id != image_id:
            raise KeyError(image_id)
        return self._images[place_found]

    def prepared(self) -> DigestMap:
        """Where each image stands; made whole before it is shared, as several threads may look at once."""
        if self._places is None:
            places = DigestMap()
            for place, known_id in enumerate(self):
                places.put(known_id, place)
            self._places = places
        return self._places
