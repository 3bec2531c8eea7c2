"""Where cached files are: corpora that were read once, and pictures that were fetched."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "DATAGEN_CACHE"
"""Environment variable: the folder for cached files, or ``off``."""


def cache_folder() -> Path | None:
    """The folder for cached files; None where none is wanted."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted == "off":
        return None
    if wanted:
        return Path(wanted)
    from platformdirs import user_cache_path

    return user_cache_path("datagen", appauthor=False) / "corpus"
