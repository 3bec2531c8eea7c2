"""Picture files found by listing folders: which pictures an annotation folder goes with, and their names.

Corpora of one annotation file a picture (YOLO, PASCAL VOC) say of no picture where it is: a folder's names decide it. A
folder is listed once, as asking the system for each of 100,000 names takes seconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath

SUFFIXES = frozenset((".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"))
"""Of pictures that are opened in this process; see ``pictures.FORMATS``."""
MAX_DEPTH = 4
"""Folders below the one that is given: ``images/train2017/part_1`` is three."""
_SPLITS = {"train": 0, "trainval": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}


def walked(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Every folder under one, with its path and the names of its files; links to folders are not followed."""
    depth = len(root.parts)
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith("."))
        if len(PurePath(folder).parts) - depth >= MAX_DEPTH:
            below.clear()
        yield folder, names


def pictures_of(names: Iterable[str]) -> dict[str, str]:
    """Names of pictures by their stems; of several of one stem the first."""
    found: dict[str, str] = {}
    for name in sorted(names):
        stem, dot, suffix = name.rpartition(".")
        if stem and f"{dot}{suffix.lower()}" in SUFFIXES:
            found.setdefault(stem, name)
    return found


def pictures_in(folder: str) -> dict[str, str]:
    """Names of the pictures in a folder by their stems; none where there is no such folder."""
    try:
        return pictures_of(os.listdir(folder))  # noqa: PTH208  # of 100,000 names, without a path for each
    except OSError:
        return {}


def rank_of(parts: Sequence[str]) -> int:
    """Where a split's images stand in a corpus: train, val, test, and then what has another name."""
    return min((_SPLITS[part.lower()] for part in parts if part.lower() in _SPLITS), default=3)


def is_text(name: str) -> bool:
    """Whether a file's name is UTF-8: on a disk it may be any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def name_from(base: Path, folder: Path, root: Path) -> str:
    """What stands before the names of a folder's files so that they lead there from the image folder.

    Args:
        base: The image folder.
        folder: In it, or elsewhere: its files are then looked for under the same names as in the corpus, or in the
            image folder itself.
        root: Of the corpus.
    """
    for place in (PurePath(os.path.relpath(folder, base)), PurePath(os.path.relpath(folder, root))):
        if ".." not in place.parts and (base / place).is_dir():
            return "" if place == PurePath() else f"{place.as_posix()}/"
    return ""
