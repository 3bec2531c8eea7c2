"""A corpus as an Arrow file that the next start maps instead of reading the annotations again.

The file holds one row an image, in a form that any Arrow reader understands. It is written beside and renamed, and
used only if it is whole and made of the very same annotation files by this version; otherwise it is made anew. Where it
cannot be written nothing is lost but time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from datagen.corpus.cache_folder import cache_folder
from datagen.corpus.images import Annotations, Columns, RegionColumns, Texts, texts_of
from datagen.records import Finding
from datagen.version import __version__

FORMAT = 9
"""To be raised whenever a change of the code makes other columns of the same files."""
MIN_SOURCE_BYTES = 16 << 20
"""Smaller annotation files are read in a tenth of a second."""
MAX_FINDINGS = 100_000
KEPT_FILES = 8
"""Older files go when a new one is written: train2017 takes 90 MB."""


class _About(Struct, frozen=True):
    """What stands beside the columns.

    Attributes:
        sources: What the columns were made of: ``Cache.sources``.
        content: Digest over all columns and the rest of this.
    """

    sources: str
    category_names: tuple[str, ...]
    licence_names: tuple[str, ...]
    findings: tuple[Finding, ...]
    refusal: str | None = None
    content: str = ""


class Cache(Struct, frozen=True):
    """Where a corpus is kept, and what it must be made of.

    Attributes:
        path: Of the Arrow file; the same annotation files always have the same one.
        sources: Digest over format, version, and the annotation files' paths, sizes and times.
    """

    path: Path
    sources: str


def cached(files: Mapping[str, Sequence[str]], read: Callable[[], Annotations], how: object = None) -> Annotations:
    """Map what an earlier start read of annotation files, or read them and keep it for the next.

    Args:
        files: Annotation files by what they are, in the order in which they are kept.
        read: Reads them.
        how: What else decides what is read, as plain values.

    Raises:
        CorpusError: They cannot be read.
    """
    cache = find_cache(files, how)
    found = read_cache(cache) if cache else None
    if found is None:
        found = read()
        if cache and cache == find_cache(files, how):  # no file was changed meanwhile
            write_cache(cache, found)
    return found


def find_cache(files: Mapping[str, Sequence[str]], how: object = None) -> Cache | None:
    """Say where the content of these files is kept; None where it is not worth it, or not wanted."""
    folder = cache_folder()
    if folder is None:
        return None
    try:
        found = [Path(path).stat() for paths in files.values() for path in paths]
        which = [(kind, [str(Path(path).resolve()) for path in paths]) for kind, paths in files.items()]
    except (OSError, ValueError):
        return None  # told when it is read
    # A file changed within two seconds may change again without its time telling.
    is_settled = time.time() - max((one.st_mtime for one in found), default=0) > 2
    if not is_settled or sum(one.st_size for one in found) < MIN_SOURCE_BYTES:
        return None
    state = [FORMAT, __version__, how, which, [(one.st_size, one.st_mtime_ns) for one in found]]
    return Cache(folder / f"{_digest(which)[:32]}.arrow", _digest(state))


def read_cache(cache: Cache) -> Annotations | None:
    """Map what is kept; None where there is nothing, or nothing that can be trusted."""
    import pyarrow as pa

    if not cache.path.is_file():
        return None
    try:
        return _mapped(cache)
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException):
        return None


def write_cache(cache: Cache, kept: Annotations) -> bool:
    """Keep a corpus for the next start.

    Returns:
        Whether that was possible: the folder may be read-only, the disk full.
    """
    if len(kept.findings) > MAX_FINDINGS:
        return False
    import pyarrow as pa

    try:
        cache.path.parent.mkdir(parents=True, exist_ok=True)
        with _written_beside(cache.path) as path:
            columns = kept.columns
            about = _About(cache.sources, columns.category_names, columns.licence_names, kept.findings, kept.refusal)
            about = replace(about, content=_content(columns, about))
            schema = _schema().with_metadata({"datagen": msgspec.json.encode(about)})
            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
                writer.write_batch(_batch(columns, schema))
        _tidy(cache.path.parent)
    except (OSError, pa.ArrowException):
        return False
    return True


def _digest(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()


def _content(columns: Columns, about: _About) -> str:
    """Digest over everything that is kept: bits that turn on a disk give other boxes, and look as sound as these."""
    digest = hashlib.blake2b(msgspec.json.encode(replace(about, content="")), digest_size=16)
    parts = [(name, getattr(columns, name)) for name in columns.__struct_fields__ if name != "regions"]
    if columns.regions is not None:
        parts += [(f"region {name}", getattr(columns.regions, name)) for name in RegionColumns.__struct_fields__]
    for name, part in parts:
        if isinstance(part, tuple):
            continue  # told by ``about``
        arrays = (part.offsets, part.data[: part.offsets[-1]]) if isinstance(part, Texts) else (part,)
        for array in arrays:
            digest.update(f"{name} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    return digest.hexdigest()


@contextlib.contextmanager
def _written_beside(path: Path) -> Iterator[Path]:
    """Give a file that takes its name when it is whole."""
    handle, name = tempfile.mkstemp(".unfinished", f".{path.stem}.", path.parent)
    os.close(handle)
    try:
        yield Path(name)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _tidy(folder: Path) -> None:
    """Remove the oldest files, and those of processes that were killed while writing."""
    kept = sorted(folder.glob("*.arrow"), key=lambda path: path.stat().st_mtime, reverse=True)
    dead = [path for path in folder.glob(".*.unfinished") if time.time() - path.stat().st_mtime > 86_400]
    for path in (*kept[KEPT_FILES:], *dead):
        path.unlink(missing_ok=True)


def _schema() -> Any:
    import pyarrow as pa

    corners = pa.list_(pa.float64(), 4)
    box = pa.struct([("corners", corners), ("area", pa.float64()), ("category", pa.int32()), ("is_crowd", pa.uint8())])
    part = pa.list_(pa.float32(), 4)
    region = pa.struct([("text", pa.large_string()), ("corners", part), ("kind", pa.int8())])
    return pa.schema(
        [
            ("image_id", pa.large_string()),
            ("file_name", pa.large_string()),
            ("size", pa.list_(pa.int32(), 2)),
            ("licence", pa.int32()),
            ("captions", pa.large_list(pa.large_string())),
            ("boxes", pa.large_list(box)),
            ("labels", pa.large_list(pa.int32())),
            ("regions", pa.large_list(region)),
        ]
    )


def _no_regions(n_images: int) -> RegionColumns:
    ends, corners = np.zeros(n_images + 1, np.int64), np.empty((0, 4), np.float32)
    return RegionColumns(ends, texts_of(()), corners, np.empty(0, np.int8))


def _batch(columns: Columns, schema: Any) -> Any:
    """The columns as Arrow arrays over the same memory."""
    import pyarrow as pa

    def numbers(values: NDArray[Any]) -> Any:
        values = np.ascontiguousarray(values)  # pyarrow.array would import pandas to look at it
        return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), values.size, [None, pa.py_buffer(values)])

    def texts(values: Texts) -> Any:
        data = pa.py_buffer(np.ascontiguousarray(values.data))
        return pa.LargeStringArray.from_buffers(len(values), pa.py_buffer(values.offsets), data)

    parts = [
        pa.FixedSizeListArray.from_arrays(numbers(columns.corners), 4),
        numbers(columns.areas),
        numbers(columns.categories),
        numbers(columns.crowds.view(np.uint8)),
    ]
    boxes = pa.StructArray.from_arrays(parts, fields=[*schema.field("boxes").type.value_type])
    regions = columns.regions or _no_regions(len(columns))
    said = [
        texts(regions.texts),
        pa.FixedSizeListArray.from_arrays(numbers(regions.corners), 4),
        numbers(regions.kinds),
    ]
    region = pa.StructArray.from_arrays(said, fields=[*schema.field("regions").type.value_type])
    arrays = [
        texts(columns.image_ids),
        texts(columns.file_names),
        pa.FixedSizeListArray.from_arrays(numbers(columns.sizes), 2),
        numbers(columns.licences),
        pa.LargeListArray.from_arrays(numbers(columns.captions_end), texts(columns.captions)),
        pa.LargeListArray.from_arrays(numbers(columns.boxes_end), boxes),
        pa.LargeListArray.from_arrays(numbers(columns.labels_end), numbers(columns.labels)),
        pa.LargeListArray.from_arrays(numbers(regions.ends), region),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _mapped(cache: Cache) -> Annotations | None:
    """Map the file and prove that it holds what was written.

    Raises:
        OSError, ValueError, LookupError, TypeError, pyarrow.ArrowException: It is damaged, or something else.
    """
    import pyarrow as pa

    reader = pa.ipc.open_file(pa.memory_map(str(cache.path)))
    if not reader.schema.equals(_schema()) or reader.num_record_batches != 1:
        return None
    about = msgspec.json.decode(reader.schema.metadata[b"datagen"], type=_About)
    if about.sources != cache.sources:
        return None
    batch = reader.get_batch(0)
    batch.validate(full=True)  # lengths, offsets, UTF-8
    columns = _columns(batch, about)
    if _content(columns, about) != about.content:
        return None
    return Annotations(columns, about.findings, about.refusal)


def _columns(batch: Any, about: _About) -> Columns:
    """The columns of a batch over its own memory; see ``_batch``."""

    def numbers(array: Any) -> NDArray[Any]:  # array.to_numpy() would import pandas
        values = np.frombuffer(array.buffers()[1] or b"", array.type.to_pandas_dtype())
        return values[array.offset : array.offset + len(array)]

    def texts(array: Any) -> Texts:
        if not len(array):
            return texts_of(())
        _, ends, data = array.buffers()
        ends = np.frombuffer(ends, np.int64)[array.offset : array.offset + len(array) + 1]
        return Texts(np.frombuffer(data or b"", np.uint8), ends)

    image_ids, file_names, sizes, licences, captions, boxes, labels, regions = batch.columns
    said, parts, kinds = (regions.values.field(n) for n in range(3))
    part_corners = numbers(parts.values).reshape(-1, 4)[: len(parts)]
    corners, areas, categories, crowds = (boxes.values.field(n) for n in range(4))
    return Columns(
        texts(image_ids),
        texts(file_names),
        numbers(sizes.values).reshape(-1, 2)[: len(sizes)],
        numbers(licences),
        numbers(captions.offsets),
        numbers(boxes.offsets),
        texts(captions.values),
        numbers(corners.values).reshape(-1, 4)[: len(corners)],
        numbers(areas),
        numbers(categories),
        numbers(crowds).view(np.bool_),
        numbers(labels.offsets),
        numbers(labels.values),
        about.category_names,
        about.licence_names,
        RegionColumns(numbers(regions.offsets), texts(said), part_corners, numbers(kinds)) if len(said) else None,
    )
