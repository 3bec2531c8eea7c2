"""COCO files found under one path: a file, a folder of them, or the data set with its ``annotations``.

Which of ``--captions`` and ``--instances`` a file belongs to is told by the keys in it, wherever they stand. Where the
pictures are, no file says: they are looked for around it, by the first names of each file.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from msgspec.structs import replace

from datagen.config import CorpusSettings
from datagen.corpus.coco import find_refs, open_coco
from datagen.corpus.file_names import is_inside_name
from datagen.corpus.source import FileSource
from datagen.errors import CorpusError

MAX_FILES = 50
"""Of a folder; COCO's own has ten."""
N_LOOKED_FOR, MAX_FOLDERS = 5, 200
"""Pictures of each file that are looked for, and folders that are looked into."""
_NAME = re.compile(rb'"file_name"\s*:\s*("(?:[^"\\]|\\.)*")')
_NAMES_WITHIN = 100_000
"""Bytes from the first name on; LVIS has 1,500 an image."""
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
    source = open_coco(replace(settings, captions=captions, instances=instances))
    found = None if settings.images else _find_pictures(path, dict.fromkeys((*captions, *instances)))
    return replace(source, pictures=None if found is None else str(found))


def _find_pictures(path: Path, files: Iterable[str]) -> Path | None:
    """The folder around COCO files that holds the first pictures of each; None where no single one does."""
    names = [name for file in files for name in _first_names(Path(file))]
    root = path if path.is_dir() else path.parent
    around = (root, root.parent) if root.name.lower() == "annotations" else (root,)
    below = (one for folder in around for depth in ("*", "*/*") for one in folder.glob(depth) if one.is_dir())
    for folder in islice(dict.fromkeys((*around, *islice(below, MAX_FOLDERS))), MAX_FOLDERS):
        if names and all(is_inside_name(name) and (folder / name).is_file() for name in names):
            return Path(folder).absolute()
    return None


def _first_names(path: Path) -> list[str]:
    """The first pictures that a COCO file names."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        start = max(text.find(b'"file_name"'), 0)
        found = _NAME.findall(text[start : start + _NAMES_WITHIN])[:N_LOOKED_FOR]
    with contextlib.suppress(ValueError):
        return [json.loads(name) for name in found]
    return []


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
