"""Pictures inside tables: rows of Parquet files, here or on the hub, and of Arrow files of ``datasets.save_to_disk``.

As huggingface.co/docs/datasets has it, a picture is a struct of ``bytes`` and ``path``. A row of Parquet is read with
the others of its row group, which stay in memory until another is asked for; Arrow files are mapped, so that a row
costs its own bytes.
"""

from __future__ import annotations

import os
import re
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from datagen.corpus.picture_folders import rank_of

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".parquet", ".arrow")
MAX_FILES = 20_000
N_OPEN = 4
"""Tables that are open at once, each with its last row group: of a hundred pictures some 10 MB."""
_BATCH_ROWS, _BUFFER_BYTES = 16, 4 << 20
"""Of a row group that is fetched: a thousand photographs in one are 200 MB."""


def find_tables(path: Path) -> list[Path]:
    """The tables at a path: that file, or those of a folder and of the folders in it, train first."""
    if path.is_file():
        return [path] if path.suffix.lower() in SUFFIXES else []
    if not path.is_dir():
        return []
    below = (one for depth in ("*", "*/*", "*/*/*") for one in path.glob(depth))
    found = [one for one in islice(below, 10 * MAX_FILES) if one.suffix.lower() in SUFFIXES and one.is_file()]
    found = [one for one in found if not one.name.startswith(("cache-", "."))]  # what ``datasets`` computed meanwhile

    def rank(one: Path) -> tuple[int, str]:
        return rank_of(re.split(r"[^A-Za-z]+", one.relative_to(path).as_posix())), str(one)

    return sorted(found, key=rank)[:MAX_FILES]


class Table:
    """One file of rows.

    Args:
        path: Of a Parquet or an Arrow file.
        remote: A Parquet file that lies elsewhere, of which only what is needed is fetched.

    Attributes:
        schema: Of its columns.

    Raises:
        OSError, pyarrow.ArrowException: It is none.
    """

    def __init__(self, path: Path, remote: BinaryIO | None = None) -> None:
        self._remote = remote
        self._is_parquet = path.suffix.lower() == ".parquet"
        if self._is_parquet:
            import pyarrow.parquet as pq

            # Columns that stand beside each other come in one answer.
            self._file = pq.ParquetFile(path) if remote is None else pq.ParquetFile(remote, pre_buffer=True)
            self.schema: pa.Schema = self._file.schema_arrow
            meta = self._file.metadata
            lengths = [meta.row_group(n).num_rows for n in range(meta.num_row_groups)]
        else:
            self._batches = _mapped(path)
            self.schema = self._batches[0].schema if self._batches else _no_columns()
            lengths = [batch.num_rows for batch in self._batches]
        self._ends = [*accumulate(lengths)]

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """All rows, by these columns; ``image.path`` is a field of a struct."""
        if self._is_parquet:
            groups = [None] if self._remote is None else [[n] for n in range(self._file.num_row_groups)]
            for group in groups:  # of a remote file no more is fetched than is walked through
                for batch in self._file.iter_batches(batch_size=256, row_groups=group, columns=[*columns]):
                    yield from batch.to_pylist()
            return
        for batch in self._batches:
            for start in range(0, batch.num_rows, 256):
                part = batch.slice(start, 256)
                picked = {name: _field(part, name).to_pylist() for name in columns}
                for values in zip(*picked.values(), strict=True):
                    yield _nested(dict(zip(picked, values, strict=True)))

    def picture(self, row: int, column: str) -> bytes | None:
        """The picture's bytes in a row; None where there are none."""
        which = bisect_right(self._ends, row)
        if row < 0 or which >= len(self._ends):
            return None
        at = row - (self._ends[which - 1] if which else 0)
        batch = self._group(which, column) if self._is_parquet else self._batches[which]
        value = batch.column(column)[at].as_py()
        data = value.get("bytes") if isinstance(value, dict) else value
        return data if isinstance(data, bytes) else None

    def pictures_beside(self, row: int, column: str) -> Iterator[tuple[int, bytes]]:
        """The pictures of a row's group with the numbers of their rows; a few are in memory at once.

        What is fetched for one picture of a remote file is all of its group, as the hub's servers give ranges of bytes.
        """
        import pyarrow.parquet as pq

        which = bisect_right(self._ends, row)
        if which >= len(self._ends):
            return
        number = self._ends[which - 1] if which else 0
        file = pq.ParquetFile(self._remote, metadata=self._file.metadata, buffer_size=_BUFFER_BYTES)
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, row_groups=[which], columns=[column], use_threads=False):
            for number, value in enumerate(batch.column(0).to_pylist(), start=number):  # noqa: B020
                data = value.get("bytes") if isinstance(value, dict) else value
                if isinstance(data, bytes):
                    yield number, data
            number += 1

    def may_hold(self, column: str) -> bool:
        """Whether the first row group of a Parquet file may hold pictures, by what its footer says."""
        if not self._file.num_row_groups:
            return False
        group = self._file.metadata.row_group(0)
        for n in range(group.num_columns):
            chunk = group.column(n)
            if chunk.path_in_schema in (column, f"{column}.bytes"):
                told = chunk.statistics
                return told is None or not told.has_null_count or told.null_count < chunk.num_values
        return False

    def _group(self, which: int, column: str) -> Any:
        return self._file.read_row_group(which, columns=[column])


def _mapped(path: Path) -> list[Any]:
    """The batches of an Arrow file, of either form."""
    import pyarrow as pa

    source = pa.memory_map(str(path))
    try:
        return [*pa.ipc.open_stream(source)]
    except pa.ArrowInvalid:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        return [reader.get_batch(n) for n in range(reader.num_record_batches)]


def _no_columns() -> Any:
    import pyarrow as pa

    return pa.schema([])


def _field(batch: Any, name: str) -> Any:
    column, _, field = name.partition(".")
    return batch.column(column).field(field) if field else batch.column(column)


def _nested(row: dict[str, Any]) -> dict[str, Any]:
    """A row as Parquet gives it: ``image.path`` as a field of ``image``."""
    made: dict[str, Any] = {}
    for name, value in row.items():
        column, _, field = name.partition(".")
        if field:
            made.setdefault(column, {})[field] = value
        else:
            made[column] = value
    return made


def picture_column(schema: Any) -> str | None:
    """The first column that holds pictures; None where there is none."""
    import pyarrow as pa

    for field in schema:
        kind = field.type
        if pa.types.is_struct(kind) and {"bytes", "path"} <= {kind.field(n).name for n in range(kind.num_fields)}:
            return str(field.name)
    named = [field.name for field in schema if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type)]
    return next((name for name in named if name in ("image", "img", "jpg", "png", "picture")), None)


class TablePictures:
    """Pictures by the names ``FILE/ROW.jpg``.

    Args:
        path: Of a table, or of the folder that holds them.
    """

    def __init__(self, path: Path) -> None:
        self.files = find_tables(path)
        root = path if path.is_dir() else path.parent
        self._paths = {Path(os.path.relpath(one, root)).as_posix(): one for one in self.files}
        self._lock = threading.Lock()
        self._open: OrderedDict[str, tuple[Table, str | None]] = OrderedDict()

    def read(self, name: str) -> bytes | None:
        """A picture's bytes; None for one that is not there.

        Raises:
            OSError, pyarrow.ArrowException: Its file cannot be read.
        """
        file, _, last = name.rpartition("/")
        stem = PurePosixPath(last).stem
        if file not in self._paths or not stem.isdecimal():
            return None
        with self._lock:
            table, column = self._table(file)
            return None if column is None else table.picture(int(stem), column)

    def _table(self, file: str) -> tuple[Table, str | None]:
        if file not in self._open:
            table = _Grouped(self._paths[file])
            self._open[file] = table, picture_column(table.schema)
            if len(self._open) > N_OPEN:
                self._open.popitem(last=False)
        return self._open[file]


class _Grouped(Table):
    """A table that keeps the row group it read last, as pictures are asked for in order."""

    _last: tuple[int, Any] | None = None

    def _group(self, which: int, column: str) -> Any:
        if self._last is None or self._last[0] != which:
            self._last = which, super()._group(which, column)
        return self._last[1]
