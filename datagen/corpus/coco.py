"""From COCO caption and instance files to one corpus, merged by image id."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from datagen.config import CorpusSettings
from datagen.corpus.cache import find_cache, read_cache, write_cache
from datagen.corpus.images import AnnotatedImages
from datagen.corpus.merging import Merged, merge_files
from datagen.corpus.reading import read_captions, read_instances
from datagen.corpus.tables import Ids
from datagen.records import AnnotatedImage, Finding


class Corpus(Struct, frozen=True):
    """Everything that the annotation files say.

    Attributes:
        images: In order of first appearance, instance files before caption files; their records are made when asked
            for (``AnnotatedImages``), so walk them again rather than keep them.
        categories: Every category name the files declare, in order of first appearance.
        findings: Records that were left out or mended while loading.
    """

    images: Sequence[AnnotatedImage]
    categories: tuple[str, ...]
    findings: tuple[Finding, ...]


def load_annotations(settings: CorpusSettings) -> Corpus:
    """Load annotated images from COCO files (2014, 2017, LVIS, person keypoints).

    Large files are kept as columns in the user's cache folder (see ``datagen.corpus.cache``), so the next start maps
    them. An image without boxes whose size no file states has width and height 0.

    Args:
        settings: Uses ``captions``, ``instances`` and ``limit``.

    Raises:
        CorpusError: A file is not what it should be, or two files contradict each other.
    """
    cache = find_cache(settings)
    merged = read_cache(cache) if cache else None
    if merged is None:
        merged = _read_all(settings)
        if cache and cache == find_cache(settings):  # no file was changed meanwhile
            write_cache(cache, merged)
    images, findings = AnnotatedImages(merged.columns), merged.findings
    if settings.limit is not None and settings.limit < len(images):
        beyond = set(merged.columns.image_ids.read(settings.limit, len(images))) if findings else ()
        findings = tuple(finding for finding in findings if finding.image_id not in beyond)
        images = images[: settings.limit]
    return Corpus(images, merged.columns.category_names, findings)


def _read_all(settings: CorpusSettings) -> Merged:
    """Read and merge the files."""
    with _collector_paused():
        ids = Ids()
        instances = [read_instances(Path(name), ids) for name in settings.instances]
        captions = [read_captions(Path(name), ids) for name in settings.captions]
        return merge_files(instances, captions, ids)


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
