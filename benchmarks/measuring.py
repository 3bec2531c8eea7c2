"""What a process has used, and on which corpus it is measured: for the scripts beside this one."""

from __future__ import annotations

import argparse
import gc
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datagen.config import Settings

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


def cpu_seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Median CPU seconds of a piece of work over a few repeats."""
    taken = []
    for _ in range(repeats):
        gc.collect()
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return sorted(taken)[repeats // 2]


def corpus_parser(description: str | None) -> argparse.ArgumentParser:
    """A script's options, those that name a corpus first."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=Path)
    parser.add_argument("--instances", type=Path)
    return parser


def corpus_settings(options: argparse.Namespace, limit: int | None = None) -> Settings:
    """The bundled run's settings, over the corpus that the options name, if any."""
    import datagen  # here, as other ways than ours are measured with this module, too
    from datagen.config import load_settings

    settings = datagen.demo_settings()
    files = {"captions": options.captions, "instances": options.instances}
    named = {key: [str(path)] for key, path in files.items() if path}
    if not named:
        return settings
    return load_settings(None, {"corpus": {**named, "limit": limit}, "types": list(settings.types)})
