"""From COCO annotation files and an image folder to annotated images, with what is wrong in them."""

from __future__ import annotations

from datagen.corpus.coco import Corpus, load_corpus
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
    "PictureChecker",
    "PictureError",
    "check_picture",
    "explain_missing",
    "load_corpus",
    "picture_path",
    "read_picture",
]
