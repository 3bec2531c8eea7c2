"""Export form ``webdataset``: shards that are tar files, in which a picture and its record share a key."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import msgspec

from datagen.export.rows import ExportRow, ExportSettings, suffix_by_content, told_beside


class WebDatasetShards:
    """Writes ``SPLIT-000000.tar`` and further ones; the names in a shard are sorted, its times and owners zero."""

    has_pixels = True

    def __init__(self, folder: Path, split: str, settings: ExportSettings) -> None:
        self.folder, self.split, self.shard_bytes = folder, split, settings.shard_bytes
        self.n_shards = self.n_rows = self.n_shard_bytes = 0
        self.tar = self._next_file()

    def add(self, row: ExportRow) -> None:
        """Write a row; ``.json`` holds the LLaVA record with what ``told_beside`` tells."""
        about = {**row.record, **told_beside(row.sample)}
        suffix = suffix_by_content(row)
        members = {suffix: row.picture.read_bytes(), ".json": msgspec.json.encode(about)}
        n_bytes = sum(len(content) + 1024 for content in members.values())  # a header, and padding to a block
        if self.n_shard_bytes and self.n_shard_bytes + n_bytes > self.shard_bytes:
            self.tar.close()
            self.tar, self.n_shard_bytes = self._next_file(), 0
        for suffix, content in sorted(members.items()):
            member = tarfile.TarInfo(f"{self.n_rows:09}{suffix}")
            member.size, member.mode = len(content), 0o644
            self.tar.addfile(member, io.BytesIO(content))
        self.n_rows += 1
        self.n_shard_bytes += n_bytes

    def close(self) -> None:
        """Complete the shard."""
        self.tar.close()

    def _next_file(self) -> tarfile.TarFile:
        path = self.folder / f"{self.split}-{self.n_shards:06}.tar"
        self.n_shards += 1
        return tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)
