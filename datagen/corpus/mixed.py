"""Several corpora in one run: images under ids of their own, pictures in a folder of each, and what each looked for.

An image is called ``LABEL_ID``, its picture ``FOLDER/NAME`` under the folder that holds all of them, as in LLaVA's own
mixture (``coco/train2017/9.jpg``, ``vg/VG_100K/2.jpg``). The categories of one corpus say nothing of the pictures of
another: what was looked for is kept with each image, by the rule of its own corpus.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from datagen.config import MAX_EXHAUSTIVE, CorpusSettings
from datagen.corpus.file_names import is_absolute_name, is_inside_name
from datagen.corpus.hub_parquet import is_hub_id
from datagen.corpus.images import (
    LAST_MARK,
    ONLY_LABELLED,
    AnnotatedImages,
    Columns,
    RegionColumns,
    columns_of,
    ends_of,
    joined_texts,
    placed_in,
    texts_of,
)
from datagen.corpus.picture_places import is_elsewhere
from datagen.corpus.source import Corpus, Source
from datagen.errors import CorpusError, SettingsError
from datagen.records import AnnotatedImage, Finding
from datagen.said_again import HUB_ID

N_LOOKED_FOR = 20
"""Pictures that are looked for to find their folder."""
MAX_FOLDERS = 200
"""Folders of a corpus that are looked into for them."""


class Part(Struct, frozen=True):
    """One corpus of several.

    Attributes:
        label: Short name, of its folder or file; no two have the same.
        root: Its folder.
        source: Gives its images.
    """

    label: str
    root: Path
    source: Source


def open_mixed(settings: CorpusSettings, open_source: Callable[[CorpusSettings], Source]) -> MixedSource:
    """Open the corpora at ``corpus.path`` and ``corpus.also``.

    Args:
        settings: Uses those, and ``images``.
        open_source: Opens one.

    Raises:
        SettingsError: One is unknown, or their pictures have no folder in common.
    """
    files = [f"corpus.{name}" for name in ("captions", "instances", "dataset") if getattr(settings, name)]
    if files:
        raise SettingsError(f"{', '.join(files)}: several corpora are named by --corpus alone; COCO's by their folder.")
    if settings.format is not None:
        raise SettingsError(
            f"corpus.format {settings.format} names the format of one corpus; of several each is known by looking into "
            "it. Name the very file where a folder holds two kinds."
        )
    if settings.images is not None and is_elsewhere(settings.images):
        raise SettingsError(f"--images {settings.images}: the pictures of several corpora stand in a folder.")
    parts: list[Part] = []
    for path in filter(None, (settings.path, *settings.also)):
        if is_hub_id(path):
            raise SettingsError(
                f"--corpus {path}: a mix is of folders; fetch it with 'hf download --repo-type dataset "
                f"{path.removeprefix(HUB_ID).partition(':')[0].partition('@')[0]} --local-dir mine', and name that."
            )
        root = _root_of(Path(path))
        one = replace(settings, path=path, also=(), images=None)
        source = open_source(one)
        if source.pictures is None:  # where sizes are read of pictures, they are looked for beside the annotations
            source = open_source(replace(one, images=str(root)))
        if "://" in (source.pictures or "") or (source.pictures or "").endswith(".txt"):
            raise SettingsError(f"--corpus {path}: its pictures are at addresses, and a mix needs them on a disk.")
        parts.append(Part(_free_label(root, path, {part.label for part in parts}), root, source))
    return MixedSource(tuple(parts), settings.images or _common_folder(parts))


def _root_of(path: Path) -> Path:
    folder = path if path.is_dir() else path.parent
    return folder.parent if folder.name.lower() == "annotations" else folder


def _free_label(root: Path, path: str, taken: set[str]) -> str:
    name = re.sub(r"[^\w.-]+", "-", root.name).strip("-.") or "corpus"
    if name in taken:
        name = re.sub(r"[^\w.-]+", "-", Path(path).stem).strip("-.") or name
    numbered = (f"{name}-{n}" for n in range(2, len(taken) + 3))
    return name if name not in taken else next(one for one in numbered if one not in taken)


def _folder_told(source: Source) -> Path | None:
    """The folder under which a corpus's pictures have their names: of tar files and tables the one that holds these."""
    if source.pictures is None:
        return None
    path = Path(source.pictures).absolute()
    return path.parent if is_elsewhere(source.pictures) else path


def _common_folder(parts: Sequence[Part]) -> str:
    folders = [str((_folder_told(part.source) or part.root).absolute()) for part in parts]
    try:
        common = Path(os.path.commonpath(folders))
    except ValueError:  # on several drives
        common = Path("/")
    if common == Path(common.anchor):
        raise SettingsError(
            f"The pictures of these corpora lie in {' and '.join(folders)}, which stand in no folder together. Put the "
            "corpora, or their pictures by hard links or a mount, below one folder."
        )
    return str(common)


class MixedSource(Struct, frozen=True):
    """Several corpora as one source; see ``Source``.

    Attributes:
        parts: In the order in which they were named, which is that of the images.
        pictures: The folder that holds all pictures.
    """

    parts: tuple[Part, ...]
    pictures: str

    @property
    def name(self) -> str:
        """Formats by labels."""
        return f"a mix of {', '.join(f'{part.label} ({part.source.name})' for part in self.parts)}"

    @property
    def is_exhaustive(self) -> None:
        """Left open, as each image says it."""
        return

    def identity(self) -> tuple[str, ...]:
        """Names of all corpora's files."""
        return tuple(f"{part.label}: {name}" for part in self.parts for name in part.source.identity())

    def describe(self) -> list[tuple[str, str]]:
        """Kinds and names of all corpora's files, each with its label."""
        return [(f"{part.label}, {kind}", name) for part in self.parts for kind, name in part.source.describe()]

    def digest(self) -> Mapping[str, Any]:
        """Digests of all corpora."""
        return {f"{part.label}: {key}": one for part in self.parts for key, one in part.source.digest().items()}

    def stamp(self) -> list[Any]:
        """Stamps of all corpora."""
        return [part.source.stamp() for part in self.parts]

    def load(self) -> Corpus:
        """Read all of them, and lay them end to end."""
        corpora = [self._load(part) for part in self.parts]
        names = tuple(dict.fromkeys(name for corpus in corpora for name in corpus.categories))
        columns = joined_columns([_columns(corpus.images) for corpus in corpora], names)
        findings = tuple(finding for corpus in corpora for finding in corpus.findings)
        refusal = next((corpus.refusal for corpus in corpora if corpus.refusal), None)
        return Corpus(AnnotatedImages(columns), names, findings, refusal)

    def _load(self, part: Part) -> Corpus:
        """Read one, and call its images and pictures by its label and folder.

        Raises:
            CorpusError: It cannot be read, or its pictures lie elsewhere.
        """
        corpus = part.source.load()
        base = Path(self.pictures)
        folder = self._folder_of(part, corpus.images)
        if not folder.is_relative_to(base):
            raise CorpusError(
                f"The pictures of {part.label} lie in {folder}, which is not in {base}. Give --images a folder that "
                "holds the pictures of all corpora, or leave it out."
            )
        before = folder.relative_to(base).as_posix()
        columns = _columns(placed_in(folder, corpus.images))
        names = [
            f"{before}/{name}" if before != "." and not is_absolute_name(name) and "://" not in name else name
            for name in columns.file_names.read(0, len(columns))
        ]
        ids = [f"{part.label}_{image_id}" for image_id in columns.image_ids.read(0, len(columns))]
        columns = replace(columns, image_ids=texts_of(ids), file_names=texts_of(names))
        declared = len(corpus.categories)
        is_exhaustive = declared <= MAX_EXHAUSTIVE if part.source.is_exhaustive is None else part.source.is_exhaustive
        columns = with_looked_for(columns, corpus.categories if is_exhaustive else ())
        findings = tuple(
            Finding(
                one.kind,
                None if one.image_id is None else f"{part.label}_{one.image_id}",
                one.detail if one.image_id is not None else f"{part.label}: {one.detail}",
            )
            for one in corpus.findings
        )
        return Corpus(AnnotatedImages(columns), corpus.categories, findings, corpus.refusal)

    def _folder_of(self, part: Part, images: Sequence[AnnotatedImage]) -> Path:
        """Where the pictures of a corpus are: as it says, or where the first of them stand."""
        if (told := _folder_told(part.source)) is not None:
            return told
        names = [image.file_name for image in islice(images, N_LOOKED_FOR) if is_inside_name(image.file_name)]
        for folder in islice(_folders(part, Path(self.pictures)), MAX_FOLDERS):
            if any((folder / name).is_file() for name in names):
                return folder.absolute()
        return part.root.absolute() if part.root.absolute().is_relative_to(self.pictures) else Path(self.pictures)


def _folders(part: Part, base: Path) -> Iterator[Path]:
    """Folders of a corpus, and of its name under the common one."""
    for root in dict.fromkeys((part.root, base / part.label, base)):
        if root.is_dir():
            yield root
            below = sorted(one for one in root.iterdir() if one.is_dir()) if root != base else []
            yield from below
            for folder in below:
                yield from sorted(one for one in folder.iterdir() if one.is_dir())


def _columns(images: Sequence[AnnotatedImage]) -> Columns:
    if isinstance(images, AnnotatedImages) and len(images) == len(images.columns):
        return images.columns
    return columns_of([*images])


def with_looked_for(columns: Columns, declared: Sequence[str]) -> Columns:
    """Say of each image what of its corpus's categories is not there; of an image that says so itself nothing more.

    Args:
        columns: Of one corpus.
        declared: Categories of which everything is boxed, as far as an image has any box.
    """
    marked = np.zeros(len(columns), np.bool_)
    owners = np.repeat(np.arange(len(columns), dtype=np.int32), np.diff(columns.labels_end))
    marked[owners[columns.labels == ONLY_LABELLED]] = True
    if marked.all():
        return columns
    names = tuple(dict.fromkeys((*columns.category_names, *declared)))
    rows = {name: row for row, name in enumerate(names)}
    is_declared = np.zeros(len(names), np.bool_)
    is_declared[[rows[name] for name in declared]] = True
    n_boxes = np.diff(columns.boxes_end)
    is_there = np.zeros((len(columns), len(names)), np.bool_)
    is_there[np.repeat(np.arange(len(columns)), n_boxes), columns.categories] = True
    told = ~is_there & is_declared & (n_boxes > 0)[:, None] & ~marked[:, None]
    images, absent = (axis.astype(np.int32) for axis in np.nonzero(told))
    unmarked = np.flatnonzero(~marked).astype(np.int32)
    all_owners = np.concatenate((owners, images, unmarked))
    labels = np.concatenate((columns.labels, -1 - absent, np.full(len(unmarked), ONLY_LABELLED, np.int32)))
    order = np.argsort(all_owners, kind="stable")
    ends = ends_of(np.bincount(all_owners, minlength=len(columns)))
    return replace(columns, labels_end=ends, labels=labels[order].astype(np.int32), category_names=names)


def joined_columns(parts: Sequence[Columns], names: tuple[str, ...]) -> Columns:
    """Lay the columns of several corpora end to end.

    Args:
        parts: At least one.
        names: Categories of all of them, each once.
    """
    names = tuple(dict.fromkeys((*names, *(name for part in parts for name in part.category_names))))
    licences = tuple(dict.fromkeys(name for part in parts for name in part.licence_names))
    row_of = {name: row for row, name in enumerate(names)}
    rows = [np.array([*map(row_of.__getitem__, part.category_names)] or [0], np.int32) for part in parts]
    owned = [np.array([*map(licences.index, part.licence_names), -1], np.int32) for part in parts]
    labels = [_renamed(part.labels, row) for part, row in zip(parts, rows, strict=True)]
    return Columns(
        joined_texts([part.image_ids for part in parts]),
        joined_texts([part.file_names for part in parts]),
        np.concatenate([part.sizes for part in parts]),
        np.concatenate([licence[part.licences] for part, licence in zip(parts, owned, strict=True)]),
        _joined_ends([part.captions_end for part in parts]),
        _joined_ends([part.boxes_end for part in parts]),
        joined_texts([part.captions for part in parts]),
        np.concatenate([part.corners for part in parts]),
        np.concatenate([part.areas for part in parts]),
        np.concatenate([row[part.categories] for part, row in zip(parts, rows, strict=True)]),
        np.concatenate([part.crowds for part in parts]),
        _joined_ends([part.labels_end for part in parts]),
        np.concatenate(labels),
        names,
        licences,
        _joined_regions(parts),
    )


def _renamed(labels: NDArray[np.int32], rows: NDArray[np.int32]) -> NDArray[np.int32]:
    """Labels of ``Columns`` with other rows of categories."""
    is_mark = labels <= LAST_MARK
    named = rows[np.where(is_mark, 0, np.where(labels < 0, -1 - labels, labels))]
    return np.where(is_mark, labels, np.where(labels < 0, -1 - named, named)).astype(np.int32)


def _joined_ends(ends: Sequence[Any]) -> Any:
    before = accumulate((int(one[-1]) for one in ends), initial=0)
    return np.concatenate([np.zeros(1, np.int64), *(one[1:] + n for one, n in zip(ends, before, strict=False))])


def _joined_regions(parts: Sequence[Columns]) -> RegionColumns | None:
    told = [part.regions for part in parts]
    if not any(told):
        return None
    none = RegionColumns(np.zeros(1, np.int64), texts_of(()), np.empty((0, 4), np.float32), np.empty(0, np.int8))
    filled = [
        one or replace(none, ends=np.zeros(len(part) + 1, np.int64)) for one, part in zip(told, parts, strict=True)
    ]
    return RegionColumns(
        _joined_ends([one.ends for one in filled]),
        joined_texts([one.texts for one in filled]),
        np.concatenate([one.corners for one in filled]),
        np.concatenate([one.kinds for one in filled]),
    )
