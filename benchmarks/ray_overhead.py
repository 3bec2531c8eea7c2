"""What Ray costs on one machine: the same run in one process, in a process pool, and as Ray tasks.

    python benchmarks/ray_overhead.py [--images 2000] [--workers 2]

The embedded teacher answers, so nothing but work is measured: wall seconds, and CPU seconds of all processes
together, Ray's own included. The corpus is the bundled one, repeated under other ids.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from msgspec.structs import replace

from datagen.api import run_engine
from datagen.config import Settings, load_settings
from datagen.engines.progress import Silence
from datagen.engines.ray.cluster import connected

DEMO = Path(__file__).resolve().parent.parent / "datagen" / "data" / "demo" / "annotations"


def repeat_corpus(folder: Path, n_images: int) -> dict[str, Any]:
    """Write the bundled annotations again and again, each time under other ids."""
    written = {}
    files = {name: json.loads((DEMO / f"{name}_demo.json").read_bytes()) for name in ("captions", "instances")}
    step = 1 + max(row["id"] for told in files.values() for row in (*told["images"], *told["annotations"]))
    for name, told in files.items():
        images, rows = [], []
        for n in range(-(-n_images // len(told["images"]))):
            images += [{**row, "id": row["id"] + n * step} for row in told["images"]]
            moved = (
                {**row, "id": row["id"] + n * step, "image_id": row["image_id"] + n * step}
                for row in told["annotations"]
            )
            rows += list(moved)
        (folder / f"{name}.json").write_text(json.dumps({**told, "images": images, "annotations": rows}))
        written[name] = [str(folder / f"{name}.json")]
    return {**written, "limit": n_images}


def cpu_seconds() -> float:
    """CPU time of this process and of all that it started."""
    taken = 0.0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        taken += times.user + times.system + times.children_user + times.children_system
    return taken


def measure(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    began, cpu = time.perf_counter(), cpu_seconds()
    work()
    return time.perf_counter() - began, cpu_seconds() - cpu


def compare_runs(settings: Settings, folder: Path, workers: int, start_s: float) -> None:
    """One run in each way; the second over Ray finds its workers started."""
    ways = {
        "one process": replace(settings, engine="local", workers=1),
        "process pool": replace(settings, engine="local", workers=workers),
        "Ray, first": settings,
        "Ray, second": settings,
    }
    first: tuple[float, float, bytes] | None = None
    for name, of_way in ways.items():
        out = folder / name
        seconds, cpu = measure(partial(run_engine, of_way, out, Silence()))
        samples = (out / "samples.jsonl").read_bytes()
        first = first or (seconds, cpu, samples)
        told = f"{seconds / first[0]:.2f} of the wall, {cpu / first[1]:.2f} of the CPU"
        print(f"{name:14} {seconds:6.1f} s {cpu:6.1f} CPU s, {told}; {len(samples.splitlines()):,} samples")
        print(f"{'':14} {'the same bytes' if samples == first[2] else 'OTHER BYTES'}", flush=True)
    print(f"starting Ray took {start_s:.1f} CPU s; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = repeat_corpus(folder, options.images)
        settings = load_settings(None, {"corpus": corpus, "engine": "ray", "ray": {"workers": options.workers}})
        cpu = cpu_seconds()
        with connected(settings.ray):
            compare_runs(settings, folder, options.workers, cpu_seconds() - cpu)


if __name__ == "__main__":
    main()
