"""From annotation files or a program's records, and an image folder, to annotated images and their faults."""

from __future__ import annotations

from datagen.corpus.formats import FORMATS, PLACES, corpus_if_there, identity_in, load_corpus, named_places, open_source
from datagen.corpus.image_records import ImageRecords
from datagen.corpus.images import ImagesById
from datagen.corpus.llava_dataset import load_dataset
from datagen.corpus.pictures import (
    PictureChecker,
    PictureError,
    check_picture,
    explain_missing,
    picture_path,
    read_picture,
)
from datagen.corpus.source import Corpus, FileSource, Source

__all__ = [
    "FORMATS",
    "PLACES",
    "Corpus",
    "FileSource",
    "ImageRecords",
    "ImagesById",
    "PictureChecker",
    "PictureError",
    "Source",
    "check_picture",
    "corpus_if_there",
    "explain_missing",
    "identity_in",
    "load_corpus",
    "load_dataset",
    "named_places",
    "open_source",
    "picture_path",
    "read_picture",
]
