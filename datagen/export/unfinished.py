"""A folder to write in until an export is whole; what a killed process left of one is cleared away by the next."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

_ENDING = ".unfinished"
_LOCK = "lock"


@contextmanager
def unfinished_folder(out: Path) -> Iterator[Path]:
    """Make an empty folder beside an export, on the same disk, that vanishes with all that was not moved out of it.

    Whoever works in it holds a lock that the system frees after a kill, so that the next export of this name can tell
    what no living process owns.

    Args:
        out: What is to take its name in the end.

    Raises:
        OSError: Disk full or folder not writable.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    _clear_abandoned(out)
    home = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.", suffix=_ENDING))
    lock = filelock.FileLock(home / _LOCK)
    try:
        with contextlib.suppress(OSError, NotImplementedError):  # a disk without locks: nobody will clear this away
            lock.acquire()
        folder = home / "export"
        folder.mkdir()
        yield folder
    finally:
        lock.release()
        shutil.rmtree(home, ignore_errors=True)


def _clear_abandoned(out: Path) -> None:
    for home in out.parent.iterdir():
        if home.name.startswith(f".{out.name}.") and home.name.endswith(_ENDING):
            with contextlib.suppress(OSError, NotImplementedError):  # such as filelock.Timeout: somebody works in it
                if (home / _LOCK).is_file() and not home.is_symlink():
                    filelock.FileLock(home / _LOCK).acquire(timeout=0).lock.release()
                    shutil.rmtree(home, ignore_errors=True)
