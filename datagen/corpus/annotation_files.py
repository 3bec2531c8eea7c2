"""What is asked of any annotation file before its format matters: is it there, is it text, which one was meant."""

from __future__ import annotations

import difflib
from itertools import islice
from pathlib import Path

from datagen.errors import CorpusError

_PACKED = {b"\x1f\x8b": "compressed with gzip", b"PK\x03\x04": "a zip archive"}


def check_start(path: Path, data: bytes, shape: str) -> None:
    """Look at the first bytes of a file that should be JSON.

    Args:
        path: Named in the sentence.
        data: The file, or its beginning.
        shape: What the file should hold, as a sentence without its full stop.

    Raises:
        CorpusError: It is empty, packed, or UTF-16.
    """
    for magic, name in _PACKED.items():
        if data.startswith(magic):
            raise CorpusError(f"{path}: is {name}; unpack it and name the .json file.")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise CorpusError(f"{path}: is UTF-16 text; JSON files are UTF-8. Save it as UTF-8.")
    if not data or data.isspace():
        raise CorpusError(f"{path}: is empty. {shape}; copy or download it again.")


def explain_unreadable(error: OSError, name: str) -> str:
    """Say what the system's error means for a file of annotations; ``name`` is told where the error names no file."""
    path = Path(error.filename or name)
    if path.is_dir():
        return f"{path}: is a folder; name the file in it."
    if isinstance(error, FileNotFoundError):
        return f"{path}: no such annotation file. {explain_no_file(path)}"
    return f"{path}: cannot be read ({error.strerror or error})."


def explain_no_file(path: Path) -> str:
    """Name files that may have been meant instead of one that is not there."""
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder {folder} either."
    near = difflib.get_close_matches(path.name, file_names(folder), n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(near)}?" if near else f"The folder {folder} holds no file of a similar name."


def file_names(folder: Path, suffix: str = "") -> list[str]:
    """Names of a folder's files in order, from its first 10,000 entries (an image folder is long)."""
    try:
        return sorted(entry.name for entry in islice(folder.iterdir(), 10_000) if entry.name.endswith(suffix))
    except OSError:  # a folder may be there and not be readable
        return []
