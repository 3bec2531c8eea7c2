"""COCO files found under one path: a file, a folder of them, or the data set with its ``annotations``.

Which of ``--captions`` and ``--instances`` a file belongs to is told by the keys in it, wherever they stand.
"""

from __future__ import annotations

import mmap
from pathlib import Path

from msgspec.structs import replace

from datagen.config import CorpusSettings
from datagen.corpus.coco import find_refs, open_coco
from datagen.corpus.source import FileSource
from datagen.errors import CorpusError

MAX_FILES = 50
"""Of a folder; COCO's own has ten."""
_OTHERS = ("stuff_", "panoptic_", "image_info_")
"""Beginnings of COCO's files that hold no captions and no objects."""


def recognise_coco(path: Path) -> bool:
    """Whether this is a COCO file or holds some, without expressions beside them."""
    return any(_find_files(path)) and not find_refs(path)


def open_found_coco(settings: CorpusSettings) -> FileSource:
    """The COCO files at ``corpus.path``."""
    path = Path(settings.path or "")
    captions, instances = _find_files(path)
    if not captions and not instances:
        raise CorpusError(f"{path}: holds no COCO file with 'images' and 'annotations'.")
    return open_coco(replace(settings, captions=captions, instances=instances))


def _find_files(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Files of captions, and of instances; one may hold both."""
    files = [path] if path.is_file() else []
    if path.is_dir():
        files = sorted(path.glob("*.json")) or sorted((path / "annotations").glob("*.json"))
        files = [one for one in files if not one.name.startswith(_OTHERS)][:MAX_FILES]
    marks = {str(one): _marks_of(one) for one in files if one.suffix.lower() == ".json" and one.is_file()}
    captions, instances = (tuple(name for name, held in marks.items() if held[kind]) for kind in (0, 1))
    return captions, instances


def _marks_of(path: Path) -> tuple[bool, bool]:
    """Whether a file holds COCO captions, and COCO instances."""
    with path.open("rb") as file:
        if not file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
            return False, False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            if text.find(b'"images"') < 0 or text.find(b'"annotations"') < 0:
                return False, False
            return text.find(b'"caption"') >= 0, text.find(b'"category_id"') >= 0
