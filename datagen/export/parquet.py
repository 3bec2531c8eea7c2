"""Export form ``parquet``: pixels inside the files, in the schema that TRL trains on and the hub's viewer shows."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec

from datagen.export.rows import ExportRow, ExportSettings, chat_messages, suffix_by_content, told_beside

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_ROWS = 100
"""Rows of a group: the hub's viewer reads a group at a time."""


def parquet_schema() -> pa.Schema:
    """Columns of the files; the ``huggingface`` metadata makes ``images`` pictures and not bytes."""
    import pyarrow as pa

    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    part = pa.struct([("type", pa.string()), ("text", pa.string())])
    message = pa.struct([("role", pa.string()), ("content", pa.list_(part))])
    names = ("id", "image_id", "response_type", "licence")
    fields = [
        *((name, pa.string()) for name in names),
        ("verdicts", pa.list_(pa.string())),
        ("images", pa.list_(image)),
        ("messages", pa.list_(message)),
    ]

    text = {"dtype": "string", "_type": "Value"}
    content = {"feature": {"type": text, "text": text}, "_type": "List"}
    features = {
        **dict.fromkeys(names, text),
        "verdicts": {"feature": text, "_type": "List"},
        "images": {"feature": {"_type": "Image"}, "_type": "List"},
        "messages": {"feature": {"role": text, "content": content}, "_type": "List"},
    }
    return schema_with_features(fields, features)


def schema_with_features(fields: list[Any], features: dict[str, Any]) -> pa.Schema:
    """A schema that tells ``datasets`` and the hub's viewer of what kind its columns are."""
    import pyarrow as pa

    return pa.schema(fields, metadata={"huggingface": msgspec.json.encode({"info": {"features": features}})})


def named_by_content(row: ExportRow) -> str:
    """The picture's name, with the suffix of what it is."""
    suffix = suffix_by_content(row)
    name = PurePosixPath(row.image)
    return row.image if name.suffix.lower() == suffix else str(name.with_suffix(suffix))


class ParquetFiles:
    """Writes ``data/SPLIT-00000.parquet`` and further ones, a new file after so many bytes of pixels."""

    has_pixels = True

    def __init__(self, folder: Path, split: str, settings: ExportSettings) -> None:
        self.folder, self.split, self.shard_bytes = folder / "data", split, settings.shard_bytes
        self.schema = parquet_schema()
        self.folder.mkdir(exist_ok=True)
        self.n_shards = self.n_shard_bytes = self.n_group_bytes = 0
        self.rows: list[dict[str, Any]] = []
        self.writer = self._next_file()

    def add(self, row: ExportRow) -> None:
        """Take a row; a full group is written."""
        pixels = row.picture.read_bytes()
        sample = row.sample
        self.rows.append(
            {
                "id": sample.sample_id,
                **told_beside(sample),
                "images": [{"bytes": pixels, "path": named_by_content(row)}],
                "messages": chat_messages(row.record, {"type": "image"}),
            }
        )
        self.n_group_bytes += len(pixels)
        # The pixels of a group, 64 MB at most, are what an export holds in memory.
        if len(self.rows) == GROUP_ROWS or self.n_group_bytes >= min(64_000_000, self.shard_bytes):
            self._write_group()

    def close(self) -> None:
        """Write what is left and complete the file."""
        self._write_group()
        self.writer.close()

    def _write_group(self) -> None:
        import pyarrow as pa

        if not self.rows:
            return
        if self.n_shard_bytes and self.n_shard_bytes + self.n_group_bytes > self.shard_bytes:
            self.writer.close()
            self.writer, self.n_shard_bytes = self._next_file(), 0
        self.writer.write_table(pa.Table.from_pylist(self.rows, schema=self.schema), row_group_size=GROUP_ROWS)
        self.n_shard_bytes += self.n_group_bytes
        self.rows, self.n_group_bytes = [], 0

    def _next_file(self) -> Any:
        import pyarrow.parquet as pq

        path = self.folder / f"{self.split}-{self.n_shards:05}.parquet"
        self.n_shards += 1
        return pq.ParquetWriter(path, self.schema, compression="snappy", use_dictionary=["response_type", "licence"])
