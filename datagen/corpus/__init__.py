"""From COCO annotation files or a finished dataset, and an image folder, to annotated images and their faults."""

from __future__ import annotations

from datagen.config import CorpusSettings
from datagen.corpus.byid import ImagesById
from datagen.corpus.coco import Corpus, load_annotations
from datagen.corpus.dataset import load_dataset
from datagen.corpus.pictures import (
    PictureChecker,
    PictureError,
    check_picture,
    explain_missing,
    picture_path,
    read_picture,
)

__all__ = [
    "Corpus",
    "ImagesById",
    "PictureChecker",
    "PictureError",
    "check_picture",
    "explain_missing",
    "load_corpus",
    "load_dataset",
    "picture_path",
    "read_picture",
]


def load_corpus(settings: CorpusSettings) -> Corpus:
    """Load the images of a run with everything that is said about them.

    Raises:
        CorpusError: A file is not what it should be.
    """
    return load_annotations(settings) if settings.dataset is None else load_dataset(settings).corpus
