"""Corpus formats behind one protocol: a ``Source`` gives annotated images, and says what a run is bound to.

Guards, shards, caches, ``run.yaml`` and the dataset card ask the source; nothing else knows which files a format has.
What is asked of any file before its format matters stands below: is it there, is it text, which one was meant.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePath
from typing import Any, Protocol

from msgspec import Struct

from datagen.corpus.file_names import plain_name
from datagen.corpus.images import ImagesById, ids_of
from datagen.errors import CorpusError
from datagen.records import AnnotatedImage, Finding


class Corpus(Struct, frozen=True, dict=True):
    """Everything that a source says.

    Attributes:
        images: In the source's order, each id once. Of a large corpus their records are made when asked for
            (``AnnotatedImages``), so walk them again rather than keep them.
        categories: Every category name the source declares, in its order.
        findings: What was left out or mended while loading; a run counts it, ``datagen lint`` prints it.
        refusal: Why a run should not go on with the rest, as a sentence: most of a file is faulty. None where it may.
        beyond: Where a run takes the first images only, all that the source has.
    """

    images: Sequence[AnnotatedImage] = ()
    categories: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    refusal: str | None = None
    beyond: Sequence[AnnotatedImage] | None = None

    @property
    def whole(self) -> Sequence[AnnotatedImage]:
        """Every image of the source, whatever a run takes of them."""
        return self.images if self.beyond is None else self.beyond

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
        return Corpus(images, self.categories, findings, self.refusal, self.whole)


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
        for path in (Path(path) for paths in self.files.values() for path in paths):
            if path.exists() and not path.is_file() and not path.is_dir():  # some have no end
                raise CorpusError(f"{path}: is a pipe or a device, and is read more than once; write it to a file.")
        return _read_told(self.read, ", ".join(self.identity()))


class FolderSource(Struct, frozen=True, kw_only=True):
    """A source whose annotations stand in a folder of many files, such as one for each picture.

    Attributes:
        name: Of the format.
        kind: What the folder holds, for people.
        folder: Its path.
        files: Gives the annotation files, in an order that depends on their names alone.
        read: Reads them.
        pictures: See ``Source``.
        is_exhaustive: See ``Source``.
    """

    name: str
    kind: str
    folder: str
    files: Callable[[], Iterable[str]]
    read: Callable[[], Corpus]
    pictures: str | None = None
    is_exhaustive: bool | None = None

    def identity(self) -> tuple[str, ...]:
        """Name of the folder, without those above it: it may move."""
        return (PurePath(self.folder).name or self.folder,)

    def describe(self) -> list[tuple[str, str]]:
        """Kind and name of the folder."""
        return [(self.kind, self.identity()[0])]

    def digest(self) -> dict[str, Any]:
        """One digest of the names under the folder and the bytes of all files."""
        whole = hashlib.blake2b(digest_size=16)
        for path in self.files():
            whole.update(f"{os.path.relpath(path, self.folder)} {_file_digest(path)}\n".encode(errors="replace"))
        return {f"annotations ({self.kind})": whole.hexdigest()}

    def stamp(self) -> str:
        """One digest of paths, sizes and times of all files."""
        whole = hashlib.blake2b(digest_size=16)
        for path in self.files():
            found = os.stat(path)  # noqa: PTH116  # 3 times as fast, and there are 100,000
            whole.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode(errors="replace"))
        return whole.hexdigest()

    def load(self) -> Corpus:
        """Read the files; see ``FileSource.load``."""
        return _read_told(self.read, self.folder)


def _read_told(read: Callable[[], Corpus], name: str) -> Corpus:
    try:
        return read()
    except OSError as error:
        raise CorpusError(explain_unreadable(error, name)) from None
    except UnicodeDecodeError as error:
        raise CorpusError(f"{name}: is not UTF-8 ({error.reason}). Save it as UTF-8.") from None


def _file_digest(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def check_start(path: Path, data: bytes, shape: str) -> None:
    """Look at the first bytes of a file that should be JSON.

    Args:
        path: Named in the sentence.
        data: The file, or its beginning.
        shape: What the file should hold, as a sentence without its full stop.

    Raises:
        CorpusError: It is empty, packed, or UTF-16.
    """
    for magic, name in ((b"\x1f\x8b", "compressed with gzip"), (b"PK\x03\x04", "a zip archive")):
        if data.startswith(magic):
            raise CorpusError(f"{path}: is {name}; unpack it and name the .json file.")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise CorpusError(f"{path}: is UTF-16 text; JSON files are UTF-8. Save it as UTF-8.")
    if not data or data.isspace():
        raise CorpusError(f"{path}: is empty. {shape}; copy or download it again.")


_ADDRESS = re.compile(r"(?:^|/)(https?|ftp|s3|gs|az|abfss?|hf):/+(.+)$", re.DOTALL)


def explain_unreadable(error: OSError | ValueError, name: str, kind: str = "annotation") -> str:
    """Say what the system's error means for a file.

    Args:
        error: A ``ValueError`` tells of a NUL in the name.
        name: Told where the error names no file.
        kind: What the file holds.
    """
    path = Path(getattr(error, "filename", None) or name)
    if address := _ADDRESS.search(path.as_posix()):
        told = plain_name(f"{address[1]}://{address[2]}")
        return f"{told}: is an address; {kind} files are read from disk, so download it and name the file."
    if isinstance(error, FileNotFoundError):
        if not path.parent.is_dir():
            return f"{path}: no such {kind} file. There is no folder {path.parent} either."
        near = difflib.get_close_matches(path.name, _file_names(path.parent), n=3, cutoff=0.5)
        meant = f"Did you mean {' or '.join(near)}?" if near else None
        return f"{path}: no such {kind} file. {meant or f'The folder {path.parent} holds no file of a similar name.'}"
    if isinstance(error, OSError) and path.is_dir():
        held = [name for name in _file_names(path) if name.endswith((".json", ".jsonl"))][:5]
        return f"{path}: is a folder; name the file in it. It holds {', '.join(held) or 'no .json file'}."
    return f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})."


def _file_names(folder: Path) -> list[str]:
    """Names of a folder's files in order, from its first 10,000 entries (an image folder is long)."""
    try:
        return sorted(entry.name for entry in islice(folder.iterdir(), 10_000))
    except OSError:  # a folder may be there and not be readable
        return []
