"""Opens every picture of a corpus once, and keeps in the run folder which are sound."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from datagen.config import digest_of
from datagen.corpus import PictureChecker
from datagen.engines.progress import Progress, ended
from datagen.records import AnnotatedImage
from datagen.store import load_cache, save_cache

KEPT_EVERY = 16_384
"""Pictures opened between two savings: half a minute's work."""
MIN_KEPT = 64
"""Pictures that are not worth a file: opening them takes a tenth of a second."""


class _PicturesHead(Struct):
    """What the file is about.

    Attributes:
        place: Digest of the image folder's path and the limit of size.
        corpus: Digest of the corpus of which every picture was looked at; None until it was.
    """

    place: str
    corpus: str | None


def check_pictures(
    images: Sequence[AnnotatedImage], pictures: PictureChecker, path: Path, corpus: str, progress: Progress
) -> None:
    """Open every picture that no earlier start has opened; on a large corpus this takes minutes, so it has a bar.

    A picture that was found sound or faulty is opened again when its file has another size or time; where all were
    looked at before, that is found out when each is needed.

    Args:
        images: The corpus's.
        pictures: What checks them.
        path: Where it is kept.
        corpus: Digest of the corpus.
        progress: Hears of every picture.
    """
    place = digest_of([str(pictures.folder), pictures.max_pixels])
    found = load_cache(path, _PicturesHead)
    if found is not None and found[0].place == place and len(found[1]) == 2:
        pictures.remember(*found[1])
        if found[0].corpus == corpus:
            return
    n_kept = 0
    progress.begin("checking the pictures", len(images))
    with ended(progress):
        for image in images:
            pictures.check(image)
            progress.step()
            if pictures.n_opened - n_kept >= KEPT_EVERY:
                save_cache(path, _PicturesHead(place, None), pictures.remembered())
                n_kept = pictures.n_opened
    if len(images) >= MIN_KEPT:
        save_cache(path, _PicturesHead(place, corpus), pictures.remembered())
