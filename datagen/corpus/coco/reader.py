"""From the path of a COCO file to its content as columns; the file is read a block at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from datagen.corpus.coco.blocks import NotPlain, Take, read_object
from datagen.corpus.coco.columns import (
    CaptionRows,
    CaptionTable,
    Ids,
    ImageRows,
    ImageTable,
    InstanceRows,
    InstanceTable,
)
from datagen.corpus.coco.diagnose import decode_whole
from datagen.corpus.coco.schema import (
    CaptionRow,
    CaptionsFile,
    CategoryRow,
    ImageRow,
    InstanceRow,
    InstancesFile,
    LicenceRow,
)
from datagen.errors import CorpusError

FileT = TypeVar("FileT", CaptionsFile, InstancesFile)
RowsT = TypeVar("RowsT", CaptionRows, InstanceRows)


class Captions(Struct, frozen=True):
    """A captions file."""

    path: Path
    images: ImageTable
    licences: list[LicenceRow]
    annotations: CaptionTable


class Instances(Struct, frozen=True):
    """An instances file."""

    path: Path
    images: ImageTable
    licences: list[LicenceRow]
    annotations: InstanceTable
    categories: list[CategoryRow]


def read_captions(path: Path, ids: Ids) -> Captions:
    """Read a captions file.

    Args:
        path: Of the file.
        ids: Numbers the ids of all files.

    Raises:
        CorpusError: The file is missing, unreadable, or no COCO captions file.
    """
    file, images, rows = _read(path, CaptionsFile, ids, CaptionRow, CaptionRows)
    return Captions(path, images.table(), file.licenses or [], rows.table())


def read_instances(path: Path, ids: Ids) -> Instances:
    """Read an instances file.

    Args:
        path: Of the file.
        ids: Numbers the ids of all files.

    Raises:
        CorpusError: The file is missing, unreadable, or no COCO instances file.
    """
    file, images, rows = _read(path, InstancesFile, ids, InstanceRow, InstanceRows)
    annotations, categories = rows.table(), file.categories or []
    if len(annotations.ids) and not categories:
        raise CorpusError(
            f"{path}: has {len(annotations.ids)} annotations but no 'categories', so boxes have no names. "
            'Add the list, as [{"id": 1, "name": "person"}, ...].'
        )
    if {(92, "banner"), (183, "other")} <= {(row.id, row.name) for row in categories}:
        raise CorpusError(f"{path}: is a COCO stuff file (regions such as sky, not objects). Give an instances file.")
    return Instances(path, images.table(), file.licenses or [], annotations, categories)


def _read(
    path: Path, shape: type[FileT], ids: Ids, row_type: type[Struct], rows_type: type[RowsT]
) -> tuple[FileT, ImageRows, RowsT]:
    """Read a file in blocks, or whole where that cannot be done.

    Returns:
        The file without its long lists; its images; its annotations.
    """
    images, rows = ImageRows(ids), rows_type(ids)
    lists = {"images": _taker(ImageRow, images), "annotations": _taker(row_type, rows)}
    try:
        with path.open("rb", buffering=0) as blocks:
            values = read_object(blocks, lists)
        if lists.keys() <= values.keys():
            rest: dict[str, Any] = {**values, "images": [], "annotations": []}
            return msgspec.json.decode(msgspec.json.encode(rest), type=shape), images, rows
    except (NotPlain, OSError, ValueError):
        pass  # what is wrong, if anything, is told of the whole file
    file: Any = decode_whole(path, shape)
    images, rows = ImageRows(ids), rows_type(ids)
    images.add(file.images)
    rows.add(file.annotations)
    return msgspec.structs.replace(file, images=[], annotations=[]), images, rows


def _taker(row_type: type[Struct], rows: ImageRows | CaptionRows | InstanceRows) -> Take:
    """What decodes a piece of a list and lays it to its rows."""
    decoder: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[row_type])  # type: ignore[valid-type]
    return lambda piece: rows.add(decoder.decode(piece))
