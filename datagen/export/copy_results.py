"""Copies the results of a finished run to a folder or object store, by any URI that pyarrow writes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from pyarrow import ArrowException
from pyarrow.fs import FileSystem, FileType

from datagen.errors import ExportError, SettingsError

LAST = "summary.json"
"""Copied after everything else: where it stands, the rest is whole."""


def require_writable(uri: str) -> None:
    """Try to write there, before anything is paid for.

    Raises:
        SettingsError: The URI could carry a secret into ``run.yaml``, or is none.
        ExportError: Nothing can be written there.
    """
    parts = urlsplit(uri)
    named = [name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    secrets = ("key", "secret", "token", "password", "credential", "sas", "sig", "auth")
    if parts.password or any(word in name for name in named for word in secrets):
        raise SettingsError(
            "--results holds a password or key, but settings are written to files; "
            "give it by the environment, as the store's own tools take it."
        )
    if not parts.scheme or len(parts.scheme) < 2:  # a drive of Windows is no scheme
        raise SettingsError(f"--results {uri}: expected a URI such as s3://bucket/folder or file:///shared/folder.")
    with _told(uri):
        store, folder = FileSystem.from_uri(uri)
        store.create_dir(folder, recursive=True)
        path = f"{folder}/.datagen-can-write-here"
        with store.open_output_stream(path) as probe:
            probe.write(b"")
        with suppress(OSError):  # a store may let us write and not delete
            store.delete_file(path)


def send_results(files: list[Path], uri: str) -> None:
    """Copy finished files, under their own names; those that stand there are replaced.

    Args:
        files: ``summary.json`` among them is copied last, and taken away first.
        uri: Of a folder.

    Raises:
        ExportError: Not all could be written; the local files are whole.
    """
    with _told(uri):
        store, folder = FileSystem.from_uri(uri)
        store.create_dir(folder, recursive=True)
        if store.get_file_info(f"{folder}/{LAST}").type != FileType.NotFound:
            store.delete_file(f"{folder}/{LAST}")
        for path in sorted(files, key=lambda path: (path.name == LAST, path.name)):
            with path.open("rb") as source, store.open_output_stream(f"{folder}/{path.name}") as target:
                shutil.copyfileobj(source, target, 8 << 20)


@contextmanager
def _told(uri: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ArrowException, ValueError) as error:  # ValueError: a scheme that pyarrow does not know
        told = " ".join(str(error).split())[:300].rstrip(".")
        raise ExportError(
            f"{uri}: cannot be written ({told}); the run itself is whole. Give another --results."
        ) from None
