"""The COCO format: captions and instances files (2014, 2017, LVIS, person keypoints) as a source, merged by image id.

Files are read in blocks (``reader``), into columns (``columns``, ``merging``), each fault one sentence.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datagen.config import CorpusSettings
from datagen.corpus.cache import cached
from datagen.corpus.coco.columns import Ids
from datagen.corpus.coco.merging import merge_files
from datagen.corpus.coco.reader import read_captions, read_instances
from datagen.corpus.images import AnnotatedImages, Annotations
from datagen.corpus.source import Corpus, FileSource
from datagen.words import COCO_CATEGORIES


def open_coco(settings: CorpusSettings) -> FileSource:
    """The files that ``captions`` and ``instances`` name."""
    files = {"captions": settings.captions, "instances": settings.instances}
    return FileSource(name="coco", files=files, read=lambda: load_annotations(settings))


def load_annotations(settings: CorpusSettings) -> Corpus:
    """Load annotated images from COCO files.

    Images stand in order of first appearance, instance files before caption files. Large files are kept as columns in
    the user's cache folder (see ``datagen.corpus.cache``), so the next start maps them. An image without boxes whose
    size no file states has width and height 0.

    Args:
        settings: Uses ``captions``, ``instances`` and ``min_score``.

    Raises:
        CorpusError: A file is not what it should be, or two files contradict each other.
    """
    files = {"instances": settings.instances, "captions": settings.captions}
    kept = cached(files, lambda: _read_all(settings), settings.min_score)
    # Captions alone name no categories: claims are read with COCO's then. No picture has a box, so none is refuted.
    names = kept.columns.category_names or (() if settings.instances else COCO_CATEGORIES)
    return Corpus(AnnotatedImages(kept.columns), names, kept.findings, kept.refusal)


def _read_all(settings: CorpusSettings) -> Annotations:
    """Read and merge the files."""
    with _collector_paused():
        ids = Ids()
        instances = [read_instances(Path(name), ids) for name in settings.instances]
        captions = [read_captions(Path(name), ids) for name in settings.captions]
        return merge_files(instances, captions, ids, settings.min_score)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the garbage collector from walking millions of fresh records that hold no cycles."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def find_refs(path: Path) -> list[Path]:
    """Files of RefCOCO's expressions: the one at a path, or those of a folder."""
    found = sorted(path.glob("refs*")) if path.is_dir() else [path]
    return [
        one for one in found if re.fullmatch(r"refs(?:\(\w+\))?\.(?:json|p|pkl|pickle)", one.name) and one.is_file()
    ]
