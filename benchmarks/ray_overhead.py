"""What Ray costs: the same run on the local engine and on a Ray cluster of this machine, and the shared limiter alone.

    python benchmarks/ray_overhead.py [--images 2000] [--requests 20000] [--workers 2]

The embedded teacher answers, so nothing but work is measured: wall seconds, and CPU seconds of all processes
together, Ray's own included. The corpus is the bundled one, repeated under other ids. The limiter is asked by one
worker through the gate's actor, with requests that take a fifth of a second, and beside it without Ray.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import ray

from datagen.config import Settings, TeacherSettings, load_settings
from datagen.engines.local import run_local
from datagen.engines.progress import Silence
from datagen.engines.ray.actors import open_gate
from datagen.engines.ray.cluster import connected
from datagen.engines.ray.entrance import Entrance
from datagen.engines.ray.messages import Notes, Word, decode_word, encode
from datagen.engines.starting import run_engine
from datagen.store import RunFolder
from datagen.teacher.limits import Limiter, RateLimiter

DEMO = Path(__file__).resolve().parent.parent / "datagen" / "data" / "demo" / "annotations"
LATENCY_S = 0.2
IN_FLIGHT = 512


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


async def ask_all(limiter: RateLimiter, n_requests: int) -> None:
    """Send nothing, as often as asked."""
    left = iter(range(n_requests))

    async def work() -> None:
        for _ in left:
            taken = await limiter.enter(500.0)
            await asyncio.sleep(LATENCY_S)
            limiter.answered(taken)
            limiter.leave(taken, 480)

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT + IN_FLIGHT // 4)))


def compare_limiters(n_requests: int, folder: Path) -> None:
    """CPU per request with the limiter in this process, and with the gate's actor."""
    settings = TeacherSettings(name="none", concurrency=IN_FLIGHT)
    RunFolder(folder).asked.mkdir(parents=True)
    gate = open_gate(settings, RunFolder(folder), uuid.uuid4().hex[:8])
    n_exchanges = 0

    async def exchange(notes: Notes) -> Word:
        nonlocal n_exchanges
        n_exchanges += 1
        return decode_word(await gate.exchange.remote(encode(notes)))

    async def through_the_gate() -> None:
        entrance = Entrance(exchange, 1, 1, settings)
        await ask_all(entrance, n_requests)
        await entrance.close()

    ray.get(gate.board.remote())
    _, alone = measure(lambda: asyncio.run(ask_all(Limiter(IN_FLIGHT), n_requests)))
    _, shared = measure(lambda: asyncio.run(through_the_gate()))
    added = 1000 * (shared - alone) / n_requests
    print(
        f"limiter, {n_requests:,} requests: {1000 * alone / n_requests:.3f} ms CPU a request in the process, "
        f"{1000 * shared / n_requests:.3f} shared, {added:.3f} more; {n_requests / n_exchanges:.0f} requests a message"
    )


def compare_runs(settings: Settings, folder: Path, start_s: float) -> None:
    """One run on each engine; whole samples per second, CPU per sample."""
    local_s, local_cpu = measure(lambda: run_local(settings, folder / "local", Silence()))
    n_samples = sum(1 for _ in (folder / "local" / "samples.jsonl").open("rb"))
    print(f"{'local':8} {n_samples:,} samples  {local_s:6.1f} s  {local_cpu:6.1f} CPU s")
    for turn in ("first", "second"):  # the second finds Ray's workers started
        ray_s, ray_cpu = measure(lambda name=turn: run_engine(settings, folder / name, Silence()))  # type: ignore[misc]
        added = 1000 * (ray_cpu - local_cpu) / n_samples
        print(
            f"{'Ray':8} {turn:6} run       {ray_s:6.1f} s  {ray_cpu:6.1f} CPU s  "
            f"ratio {ray_cpu / local_cpu:.2f} CPU, {ray_s / local_s:.2f} wall, {added:+.2f} ms CPU a sample"
        )
        same = (folder / "local" / "dataset.json").read_bytes() == (folder / turn / "dataset.json").read_bytes()
        print(f"{'':8} the dataset is {'the same' if same else 'ANOTHER'}")
    print(f"starting Ray took {start_s:.1f} CPU s")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tree = {"corpus": repeat_corpus(folder, options.images), "engine": "ray", "ray": {"workers": options.workers}}
        settings = load_settings(None, tree)
        cpu = cpu_seconds()
        with connected(settings.ray):
            start_s = cpu_seconds() - cpu
            compare_limiters(options.requests, folder / "none")
            compare_runs(settings, folder, start_s)


if __name__ == "__main__":
    main()
