"""datagen: from captions and boxes to a visual-instruction dataset that can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datagen.version import __version__

if TYPE_CHECKING:
    from datagen.api import Run, demo_settings, open_run, preview, run

__all__ = ["Run", "__version__", "demo_settings", "open_run", "preview", "run"]


def __getattr__(name: str) -> Any:
    """Import the Python interface on first use, so that ``datagen --help`` stays light."""
    if name in {"Run", "demo_settings", "open_run", "preview", "run"}:
        from datagen import api

        return getattr(api, name)
    raise AttributeError(f"module 'datagen' has no attribute {name!r}")
