"""What a process has used, for the scripts beside this one."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_mb() -> float:
    """Most memory that this process has held, in 2**20 bytes.

    Linux lets a started process begin with its parent's peak in ``ru_maxrss``, so a small one started by a large one
    would seem large; ``VmHWM`` is its own.
    """
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
