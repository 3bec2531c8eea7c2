"""What is asked of any annotation file before its format matters: is it there, is it text, which one was meant."""

from __future__ import annotations

import difflib
from itertools import islice
from pathlib import Path

from datagen.errors import CorpusError


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


def explain_unreadable(error: OSError | ValueError, name: str, kind: str = "annotation") -> str:
    """Say what the system's error means for a file.

    Args:
        error: A ``ValueError`` tells of a NUL in the name.
        name: Told where the error names no file.
        kind: What the file holds.
    """
    path = Path(getattr(error, "filename", None) or name)
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
