"""Corpus formats behind one protocol: a ``Source`` gives annotated images, and says what a run is bound to.

Guards, shards, caches, ``run.yaml`` and the dataset card ask the source; nothing else knows which files a format has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any, Protocol

from msgspec import Struct

from datagen.corpus.annotation_files import explain_unreadable
from datagen.corpus.images import ImagesById, ids_of
from datagen.errors import CorpusError
from datagen.records import AnnotatedImage, Finding


class Corpus(Struct, frozen=True, dict=True):
    """Everything that a source says.

    Attributes:
        images: In the source's order, each id once. Of a large corpus their records are made when asked for
            (``AnnotatedImages``), so walk them again rather than keep them.
        categories: Every category name the source declares, in its order.
        findings: What was left out or mended while loading; ``datagen lint`` prints it.
    """

    images: Sequence[AnnotatedImage] = ()
    categories: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @cached_property
    def by_id(self) -> ImagesById:
        """The images by their ids."""
        return ImagesById(self.images)

    def first(self, n: int | None) -> Corpus:
        """The first ``n`` images, with what was found about them; None takes all."""
        if n is None or n >= len(self.images):
            return self
        images, findings = self.images[:n], self.findings
        if findings:
            beyond = set(ids_of(self.images[n:]))
            findings = tuple(finding for finding in findings if finding.image_id not in beyond)
        return Corpus(images, self.categories, findings)


class Source(Protocol):
    """Where annotated images come from: a format of annotation files, or a program."""

    @property
    def name(self) -> str:
        """Of the format, such as ``"coco"``."""

    @property
    def pictures(self) -> str | None:
        """Folder under which the file names stand; None leaves it to ``corpus.images``."""

    @property
    def is_exhaustive(self) -> bool | None:
        """Whether every object of a category is boxed; None leaves it to ``checks.exhaustive``."""

    def identity(self) -> tuple[str, ...]:
        """Names of what a run is on, such as its files': a run folder is refused to a source with other names only."""

    def describe(self) -> Sequence[tuple[str, str]]:
        """What the images come from, for people who read the dataset card: kinds and names, at least one."""

    def digest(self) -> Mapping[str, Any]:
        """Digests of the content by names a person knows; two shards are merged only if theirs are the same."""

    def stamp(self) -> Any:
        """Whatever changes when the content does and is had without reading it; caches of a run are bound to it."""

    def load(self) -> Corpus:
        """Read everything.

        Raises:
            CorpusError: It is not what it should be.
        """


class FileSource(Struct, frozen=True, kw_only=True):
    """A source whose annotations stand in files: what a new format needs is to read them.

        def read() -> Corpus:
            rows = [line.rstrip().split(",", 1) for line in open("captions.csv")]
            return Corpus([AnnotatedImage(str(n), name, 0, 0, (text,)) for n, (name, text) in enumerate(rows)])

        FileSource(name="csv", files={"captions": ("captions.csv",)}, read=read)

    Attributes:
        name: Of the format.
        files: The annotation files by what they are.
        read: Reads them.
        bound_to: Which kinds of ``files`` a run is on, where not all are; the others only add to them.
        pictures: See ``Source``.
        is_exhaustive: See ``Source``.
    """

    name: str
    files: Mapping[str, Sequence[str]]
    read: Callable[[], Corpus]
    bound_to: tuple[str, ...] = ()
    pictures: str | None = None
    is_exhaustive: bool | None = None

    def identity(self) -> tuple[str, ...]:
        """Names of the files, without their folders: files may move."""
        kinds = self.bound_to or tuple(self.files)
        return tuple(name for kind, name in self.describe() if kind in kinds)

    def describe(self) -> list[tuple[str, str]]:
        """Kind and name of each file."""
        return [(kind, PurePath(path).name) for kind, paths in self.files.items() for path in paths]

    def digest(self) -> dict[str, Any]:
        """Digests of the files' bytes, by kind."""
        return {f"annotations ({kind})": [*map(_file_digest, paths)] for kind, paths in self.files.items()}

    def stamp(self) -> list[Any]:
        """Paths, sizes and times of the files."""
        found = [(path, Path(path).stat()) for paths in self.files.values() for path in paths]
        return [(path, one.st_size, one.st_mtime_ns) for path, one in found]

    def load(self) -> Corpus:
        """Read the files; see ``Source``. A file that cannot be read is told here, so that no format needs to."""
        try:
            return self.read()
        except OSError as error:
            raise CorpusError(explain_unreadable(error, ", ".join(self.identity()))) from None
        except UnicodeDecodeError as error:
            raise CorpusError(
                f"{', '.join(self.identity())}: is not UTF-8 ({error.reason}). Save it as UTF-8."
            ) from None


def _file_digest(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
