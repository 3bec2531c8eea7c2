"""Whether a sample costs the same in a large run as in a small one: CPU and memory by task, and the start of a resume.

    python benchmarks/scale.py --samples 10000 100000 1000000 [--resumes N ...] [--captions F --instances F]

Each size is a run of its own over made-up images: those of the given files (the bundled ones without), each copy with
another id, some of its boxes left out and the others moved, boxes and captions of a second image among its own, and
made-up places in its captions, so that neither the vocabulary nor what deduplication compares is a repetition. The
embedded teacher answers; no validator looks. CPU is told in microseconds, and its ratio to the smallest size in units
of a fixed piece of work done beside it every so often, as what else runs on a machine makes all work slower or faster.
Sizes up to 30,000 are also taken through the same stages with everything held in lists, as the alternative.

``--pool N`` makes a run of N samples with one process and with worker processes, in turn, and prints what each process
used by task. From these it reckons for each task what more cores would take, ``max(driver, workers / 8, all / cores)``:
the driver works on what the workers have answered while they work on what comes next.

For the resume a stand-in for an LLM answers at once with 1.2 KB. The run is killed with ``kill -9`` after 99 % of its
replies and started again twice, until it asks: once as it is, once with its caches taken away.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
from measuring import peak_mb

from datagen.api import open_run
from datagen.config import Settings, load_settings
from datagen.corpus import load_corpus
from datagen.engines.gather_facts import gathered
from datagen.engines.inputs import Inputs
from datagen.engines.local import prepare, run_local
from datagen.engines.process_pool import MAX_WORKERS
from datagen.engines.progress import Silence
from datagen.export import write_llava
from datagen.pipeline import derive, drop_repeats, plan_samples
from datagen.recipes import load_recipes
from datagen.records import Reply, Request, Usage
from datagen.store import RunFolder
from datagen.teacher import open_teacher

TEXT = "Question:\nWhat is on the left?\n===\nAnswer:\nA dog sits there, looking at the camera.\n===\n" * 13
TYPES = ("conversation", "description", "reasoning")
ASKING = "asking the teacher"
KILLED_AT = 0.99
HELD_UP_TO = 30_000
REFERENCE_EVERY = 500  # steps
DEMO = Path(__file__).resolve().parent.parent / "datagen" / "data" / "demo" / "annotations"


def make_corpus(folder: Path, captions: Path, instances: Path, n_images: int) -> None:
    """Write COCO files of so many images, as they are made: memory stays small."""
    told, boxed = json.loads(captions.read_bytes()), json.loads(instances.read_bytes())
    rng = random.Random(0)
    texts: dict[int, list[str]] = {}
    for row in told["annotations"]:
        texts.setdefault(row["image_id"], []).append(row["caption"])
    boxes: dict[int, list[dict[str, Any]]] = {}
    for row in boxed["annotations"]:
        boxes.setdefault(row["image_id"], []).append({key: row[key] for key in ("category_id", "bbox", "iscrowd")})
    originals = boxed["images"]

    def mixed(n: int) -> tuple[tuple[dict[str, Any], float], ...]:
        """The image that a copy is of and the one mixed into it, with the share of boxes that each gives."""
        return (originals[n % len(originals)], 0.6), (originals[random.Random(n).randrange(len(originals))], 0.3)

    def images() -> Iterator[dict[str, Any]]:
        for n in range(n_images):
            row = originals[n % len(originals)]
            kept = {key: row[key] for key in ("width", "height", "license")}
            yield {**kept, "id": n + 1, "file_name": f"{n + 1:012}.jpg"}

    def moved() -> Iterator[dict[str, Any]]:
        number = 0
        for n in range(n_images):
            frame, _ = mixed(n)[0]
            for row, share in mixed(n):
                for box in boxes.get(row["id"], ()):
                    if rng.random() >= share:
                        continue
                    bbox = _moved(box["bbox"], row, frame, rng)
                    number += 1
                    area = round(bbox[2] * bbox[3] / 2, 1)
                    yield {**box, "id": number, "image_id": n + 1, "bbox": bbox, "area": area}

    def retold() -> Iterator[dict[str, Any]]:
        number = 0
        for n in range(n_images):
            (first, _), (second, _) = mixed(n)
            for text in (*texts.get(first["id"], ())[:3], *texts.get(second["id"], ())[:2]):
                number += 1
                place = f"{text.strip().rstrip('.')} in {_made_up(rng)}, {_made_up(rng)}."
                yield {"id": number, "image_id": n + 1, "caption": place}

    shared = {"licenses": boxed.get("licenses", [])}
    with (folder / "instances.json").open("w", encoding="utf-8") as file:
        _write_coco(file, {**shared, "categories": boxed["categories"]}, images(), moved())
    with (folder / "captions.json").open("w", encoding="utf-8") as file:
        _write_coco(file, shared, images(), retold())


def _moved(box: list[float], row: dict[str, Any], frame: dict[str, Any], rng: random.Random) -> list[float]:
    """A box of one image in the frame of another, somewhat smaller and elsewhere."""
    found = []
    for before, size, side in ((box[0], box[2], "width"), (box[1], box[3], "height")):
        scale = frame[side] / row[side]
        extent = size * scale * rng.uniform(0.6, 1)
        start = min(max(0.0, before * scale + rng.uniform(-0.1, 0.1) * frame[side]), frame[side] - extent)
        found.append((round(start, 2), round(extent, 2)))
    (left, width), (top, height) = found
    return [left, top, width, height]


def _made_up(rng: random.Random) -> str:
    return "".join(rng.choice("bdfgklmnprst") + rng.choice("aeiou") for _ in range(3)).capitalize()


def _write_coco(file: Any, head: dict[str, Any], images: Iterator[Any], annotations: Iterator[Any]) -> None:
    file.write(json.dumps(head)[:-1])
    for name, rows in (("images", images), ("annotations", annotations)):
        file.write(f', "{name}": [')
        for n, row in enumerate(rows):
            file.write((",\n" if n else "\n") + json.dumps(row))
        file.write("]")
    file.write("}")


class Stopwatch:
    """Hears how far a run is, and notes the CPU time and the memory at the end of each of its tasks.

    Args:
        kill_at: Steps of asking after which the process kills itself; None lets it finish.

    Attributes:
        tasks: CPU seconds, CPU seconds of the reference beside it, and the peak memory in MB at its end.
    """

    def __init__(self, kill_at: int | None = None) -> None:
        self.tasks: dict[str, tuple[float, float, float]] = {}
        self._kill_at = kill_at
        self._n_steps = 0
        self._task = "start"
        self._since = 0.0
        self._references: list[float] = []

    def begin(self, task: str, total: int | None, n_done: int = 0) -> None:
        """Book what came before, and note what begins."""
        self._book()
        self._task = task

    def step(self, cost_usd: float | None = None, accepted: bool | None = None) -> None:
        """Look at the speed of the machine now and then; kill when it is enough."""
        self._n_steps += 1
        if self._n_steps % REFERENCE_EVERY == 0:
            self._refer()
        if self._task == ASKING and self._n_steps == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def end(self) -> None:
        """Book the task."""
        self._book()
        self._task = "between"

    def note(self, sentence: str) -> None:
        """Say it."""
        print(sentence, file=sys.stderr)

    def _refer(self) -> None:
        began = time.process_time()
        sum(hash(str(n)) & 1 for n in range(1000))
        took = time.process_time() - began
        self._since += took
        self._references.append(took)

    def _book(self) -> None:
        seconds = time.process_time() - self._since
        while len(self._references) < 20:
            self._refer()
        before = self.tasks.get(self._task, (0.0, 0.0, 0.0))
        self.tasks[self._task] = before[0] + seconds, statistics.fmean(self._references), peak_mb()
        self._references = []
        self._since = time.process_time()


class Meter(Silence):
    """Hears how far a run is, and notes the CPU time of the driver and of its workers by task.

    Attributes:
        tasks: CPU seconds of the driver and of all workers, by task; what lies between tasks is its own.
    """

    def __init__(self) -> None:
        self.tasks: dict[str, tuple[float, float]] = {}
        self._task, self._before = "start", (0.0, 0.0)

    def begin(self, task: str, total: int | None, n_done: int = 0) -> None:
        """Book what came before, and note what begins."""
        self._book(task)

    def end(self) -> None:
        """Book the task."""
        self._book("between")

    def _book(self, following: str) -> None:
        workers = [one.cpu_times() for one in psutil.Process().children()]
        now = time.process_time(), sum(one.user + one.system for one in workers)
        spent = [max(0.0, one - before) for one, before in zip(now, self._before, strict=True)]
        known = self.tasks.get(self._task, (0.0, 0.0))
        self.tasks[self._task] = known[0] + spent[0], known[1] + spent[1]
        self._task, self._before = following, now


class StandIn:
    """Answers at once with as much as an LLM writes."""

    name, n_at_once = "template", 64

    async def answer(self, request: Request) -> Reply:
        """Answer one request."""
        usage = Usage(1500, 1024, 300)
        return Reply(request.digest, request.image.image_id, request.response_type, self.name, TEXT, "stop", usage)

    def stop(self) -> None:
        """Nothing is in flight."""

    async def close(self) -> None:
        """Nothing is open."""


def settings_of(folder: Path, workers: int = 1) -> Settings:
    """Settings of a run on a made-up corpus."""
    corpus = {"captions": [str(folder / "captions.json")], "instances": [str(folder / "instances.json")]}
    return load_settings(None, {"corpus": corpus, "types": list(TYPES), "workers": workers})


def run_whole(folder: Path) -> None:
    """Make a run, and print what it took."""
    watch = Stopwatch()
    run_local(settings_of(folder), folder / "run", watch)
    watch.begin("report", None)
    open_run(folder / "run").write_report()
    watch.end()
    print(json.dumps(watch.tasks))


def run_metered(folder: Path, workers: int) -> None:
    """Make a run, and print its wall seconds and what it took by task."""
    meter, began = Meter(), time.perf_counter()
    with tempfile.TemporaryDirectory(dir=folder) as out:
        run_local(settings_of(folder, workers), Path(out) / "run", meter)
        meter.end()
        samples = (Path(out) / "run" / "samples.jsonl").read_bytes()
    digest = hashlib.sha256(samples).hexdigest()
    print(json.dumps([time.perf_counter() - began, meter.tasks, digest]))


def measure_pool(folder: Path, n_samples: int, workers: int, n_pairs: int) -> None:
    """Compare one process with a pool, in turn, and reckon what more cores would give."""
    walls: dict[int, list[float]] = {1: [], workers: []}
    tasks: dict[int, list[dict[str, tuple[float, float]]]] = {1: [], workers: []}
    digests = set()
    for _ in range(n_pairs):
        for n in (1, workers):
            _, (wall, told, digest) = start("metered", folder, workers=n)
            walls[n].append(wall)
            tasks[n].append(told)
            digests.add(digest)
    print(f"{n_samples} samples, {n_pairs} pairs, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; medians")
    print(f"  samples.jsonl {'the same bytes in all' if len(digests) == 1 else 'DIFFERS'}")
    medians = {
        n: {name: tuple(statistics.median(one[name][k] for one in told) for k in (0, 1)) for name in told[0]}
        for n, told in tasks.items()
    }
    alone, pooled = medians[1], medians[workers]
    print(f"  {'us of CPU a sample':24} {'alone':>8} {'driver':>8} {'workers':>8}")
    for name, (driver, helped) in pooled.items():
        parts = alone.get(name, (0.0, 0.0))[0], driver, helped
        print(f"  {name:24} " + " ".join(f"{1e6 * seconds / n_samples:8.1f}" for seconds in parts))
    whole = sum(driver for driver, _ in alone.values())
    ratio = statistics.median(one / other for one, other in zip(walls[1], walls[workers], strict=True))
    print(f"  wall seconds, as the load allowed: {ratio:.2f} times as fast with {workers} workers")
    for cores in (2, 4, 8, 16):
        at_once = min(cores, MAX_WORKERS)
        needed = sum(max(driver, helped / at_once, (driver + helped) / cores) for driver, helped in pooled.values())
        gained, us = whole / needed, 1e6 * needed / n_samples
        print(f"  reckoned for {cores:2} cores: {gained:.2f} times as fast, {us:.0f} us a sample")


def ask_until_killed(folder: Path, kill_at: int) -> None:
    """Make or resume a run with the stand-in, and die."""
    run = RunFolder(folder / "resumed")
    inputs = Inputs(settings_of(folder), run, Stopwatch(kill_at))
    with run.locked():
        prepare(inputs, ())
        with gathered(inputs, open_teacher=lambda settings, budget: StandIn()):
            raise SystemExit("it was not killed")


def hold_everything(folder: Path) -> None:
    """Do the same with every intermediate result in a list, and print what it took."""
    settings, watch = settings_of(folder), Stopwatch()
    recipes, corpus, teacher = load_recipes(settings), load_corpus(settings.corpus), open_teacher(settings)
    planned = list(plan_samples(list(corpus.images), recipes, settings, lambda image: None, corpus.categories))

    async def ask() -> list[Reply]:
        return [await teacher.answer(item.request) for item in planned if item.request is not None]

    replies = {reply.request_digest: reply for reply in asyncio.run(ask())}
    candidates = list(derive(planned, replies.get, settings))
    lent: Any = SimpleNamespace(settings=settings, recipes=recipes, find_vector=None)
    samples = list(drop_repeats(lambda: iter(candidates), lent)[0]())
    with (folder / "held.json").open("wb") as file:
        write_llava(samples, file, 0)
    watch.end()
    print(json.dumps(watch.tasks))


def start(way: str, folder: Path, kill_at: int = 0, workers: int = 1) -> tuple[tuple[float, float], Any]:
    """Run one way in a process of its own; gives its wall and CPU seconds, and what it printed."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, __file__, "--way", way, "--folder", str(folder), "--kill-at", str(kill_at)]
    command += ["--workers", str(workers)]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds = time.perf_counter() - began, cpu
    expected = -signal.SIGKILL if kill_at else 0
    if done.returncode != expected:
        raise SystemExit(f"'{way}' ended with {done.returncode}")
    return seconds, json.loads(done.stdout) if done.stdout else None


def measure_whole(folder: Path, n_samples: int, first: dict[str, Any]) -> None:
    """Measure one size, and print it against the smallest."""
    _, tasks = start("whole", folder)
    run = folder / "run"
    accepted = json.loads((run / "summary.json").read_bytes())["accepted"]
    print(f"{n_samples} samples, {accepted} accepted")
    in_units = {task: seconds / unit / n_samples for task, (seconds, unit, _) in tasks.items()}
    in_units["whole"] = sum(in_units.values())
    tasks["whole"] = (sum(one[0] for one in tasks.values()), 0.0, max(one[2] for one in tasks.values()))
    for task, unit in in_units.items():
        first.setdefault(task, unit)
    for task, (seconds, _, peak) in tasks.items():
        ratio = in_units[task] / first[task]
        print(f"  {task:24} {1e6 * seconds / n_samples:8.1f} us/sample {ratio:6.2f} {peak:8.0f} MB at most so far")
    sizes = {path.name: path.stat().st_size / 1e6 for path in sorted(run.iterdir())}
    print(f"  on disk: {', '.join(f'{name} {size:.1f} MB' for name, size in sizes.items() if size >= 0.1)}")
    if n_samples <= HELD_UP_TO:
        _, held = start("held", folder)
        seconds, _, peak = held["start"]
        print(f"  {'everything held':24} {1e6 * seconds / n_samples:8.1f} us/sample {'':6} {peak:8.0f} MB")
    shutil.rmtree(run)


def measure_resume(folder: Path, n_samples: int) -> None:
    """Kill a run, resume it with and without its caches, and print how long each takes to ask."""
    start("asked", folder, int(KILLED_AT * n_samples))
    aided, _ = start("asked", folder, 1)
    for path in (folder / "resumed").glob(".*.cache"):
        path.unlink()
    unaided, _ = start("asked", folder, 1)
    size = (folder / "resumed" / "replies.jsonl").stat().st_size / 1e6
    print(f"  resume of {n_samples} samples, {size:.0f} MB of replies, until the first reply:")
    print(f"  as it is {aided[0]:.2f} s ({aided[1]:.2f} CPU)")
    told = f"{unaided[0]:.2f} s ({unaided[1]:.2f} CPU), {unaided[1] / aided[1]:.1f} times the CPU"
    print(f"  with its caches taken away {told}", flush=True)


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--resumes", type=int, nargs="*", help="by default the same sizes")
    parser.add_argument("--captions", type=Path, default=DEMO / "captions_demo.json")
    parser.add_argument("--instances", type=Path, default=DEMO / "instances_demo.json")
    parser.add_argument("--pool", type=int, metavar="N", help="compare one process with a pool on so many samples")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--way", choices=("whole", "held", "asked", "metered"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--kill-at", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way == "asked":
        ask_until_killed(options.folder, options.kill_at)
    elif options.way == "metered":
        run_metered(options.folder, options.workers)
    elif options.pool:
        with tempfile.TemporaryDirectory() as name:
            n_images = -(-options.pool // len(TYPES))
            make_corpus(Path(name), options.captions, options.instances, n_images)
            measure_pool(Path(name), n_images * len(TYPES), options.workers, options.pairs)
    elif options.way:
        {"whole": run_whole, "held": hold_everything}[options.way](options.folder)
    else:
        first: dict[str, Any] = {}
        resumes = options.samples if options.resumes is None else options.resumes
        for n_samples in sorted({*options.samples, *resumes}):
            n_images = -(-n_samples // len(TYPES))
            with tempfile.TemporaryDirectory() as name:
                make_corpus(Path(name), options.captions, options.instances, n_images)
                if n_samples in options.samples:
                    measure_whole(Path(name), n_images * len(TYPES), first)
                if n_samples in resumes:
                    measure_resume(Path(name), n_images * len(TYPES))


if __name__ == "__main__":
    main()
