"""Hands a run to the engine that its settings name, this machine or a Ray cluster."""

from __future__ import annotations

from pathlib import Path

from datagen.config import Settings
from datagen.engines.local import Outcome, run_local
from datagen.engines.plugs import NO_PLUGS, Plugs
from datagen.engines.progress import Progress


def run_engine(
    settings: Settings, out: Path, progress: Progress, *, may_ask: bool = True, plugs: Plugs = NO_PLUGS
) -> Outcome:
    """Make or finish a run where the settings say; see ``local.make_run``.

    Raises:
        DatagenError: Any failure that is not one record's, as one sentence.
    """
    if settings.results is not None:
        from datagen.export.copy_results import require_writable

        require_writable(settings.results)
    if settings.engine == "ray":
        from datagen.engines.ray.cluster import require_ray

        require_ray()
        from datagen.engines.ray.engine import run_ray

        return run_ray(settings, out, progress, may_ask=may_ask, plugs=plugs)
    return run_local(settings, out, progress, may_ask=may_ask, plugs=plugs)
