"""Importing a dataset of the size of LLaVA-Instruct-158K: its storing by itself, and all of it from end to end.

    python benchmarks/importing.py [--records 158000] [--file F]
    python benchmarks/importing.py --whole [--records 16000] [--captions F --instances F] [--repeats 3]

The first form reads the file a block at a time and stores it, against decoding it whole; without a file one is made up,
with 158,000 records over 81,000 images as the published one has.

The second makes a set that claims can be found in: answers of the embedded teacher about made-up images (``scale.py``
says how), three an image, which stand in ``dataset.json`` as any set does. ``datagen import`` then takes it in beside
the annotations of those images, with one process and with two workers by turns: stored, parsed, checked, its claims
read and judged, near copies found, files written. No pictures are opened: that takes 1.6 ms each, once.

Each way runs in a process of its own; CPU seconds, those of workers included, and peak memory.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import peak_mb

DEMO = Path(__file__).resolve().parent.parent / "datagen" / "data" / "demo" / "annotations"
SAME = "samples.jsonl", "dataset.json"
"""Files of a run that must be the same however many workers there were."""
_TURNS = (1, 1, 1, 3, 4, 5, 6)


def make_file(path: Path, n_records: int) -> None:
    """Write made-up conversations, indented as the published file is."""
    rng = random.Random(0)
    words = ["".join(rng.choice("bdfgklmnprst") + rng.choice("aeiou") for _ in range(3)) for _ in range(5000)]

    def sentence(n_words: int) -> str:
        return " ".join(rng.choices(words, k=n_words)).capitalize() + "."

    def record(number: int) -> dict[str, object]:
        name = f"{number % max(1, n_records * 81 // 158):012}"
        n_turns = rng.choice(_TURNS)
        values = [text for _ in range(n_turns) for text in (sentence(10), sentence(20 if n_turns > 1 else 120))]
        values[0] = f"<image>\n{values[0]}"
        turns = [{"from": "gpt" if at % 2 else "human", "value": value} for at, value in enumerate(values)]
        return {"id": name, "image": f"{name}.jpg", "conversations": turns}

    # Written as it is made: a child process's peak memory begins at its parent's.
    with path.open("w", encoding="utf-8") as file:
        for number in range(n_records):
            file.write((",\n" if number else "[\n") + json.dumps(record(number), indent=2))
        file.write("\n]\n")


def stream(path: Path) -> int:
    """Our way: index the file, then pass over its texts once more and store them."""
    from datagen.config import CorpusSettings
    from datagen.corpus import load_dataset
    from datagen.engines.gather_facts import take_in_dataset
    from datagen.engines.progress import Silence
    from datagen.store import ReplyStore

    dataset = load_dataset(CorpusSettings(dataset=str(path)))
    with tempfile.TemporaryDirectory() as folder:
        store = ReplyStore(Path(folder) / "replies.jsonl")
        take_in_dataset(dataset, path, store, Silence())
        store.close()
    return len(dataset.records)


def whole(path: Path) -> int:
    """The plain way: decode everything, and write every record to a file of its own line."""
    records = json.loads(path.read_bytes())
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "lines.jsonl").open("w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record) + "\n")
    return len(records)


def make_set(folder: Path, captions: Path, instances: Path, n_records: int) -> None:
    """Write annotations of made-up images, and a run of the embedded teacher about them."""
    from scale import make_corpus, settings_of

    from datagen.engines.local import run_local
    from datagen.engines.progress import Silence

    make_corpus(folder, captions, instances, -(-n_records // 3))
    run_local(settings_of(folder, min(2, os.cpu_count() or 1)), folder / "run", Silence())


def import_set(folder: Path, workers: int) -> dict[str, Any]:
    """Import it, and say what that took by task: CPU seconds of this process and of its workers."""
    from scale import Meter

    from datagen.config import load_settings
    from datagen.engines.local import run_local

    files = {key: [str(folder / f"{key}.json")] for key in ("captions", "instances")}
    corpus = {"dataset": str(folder / "run" / "dataset.json"), **files}
    settings = load_settings(None, {"corpus": corpus, "workers": workers})
    meter, began = Meter(), time.perf_counter()
    with tempfile.TemporaryDirectory(dir=folder) as out:
        outcome = run_local(settings, Path(out) / "run", meter)
        meter.end()
        digests = [hashlib.sha256((Path(out) / "run" / name).read_bytes()).hexdigest() for name in SAME]
    wall = time.perf_counter() - began
    helped = resource.getrusage(resource.RUSAGE_CHILDREN)
    n = outcome.summary.samples, outcome.summary.accepted
    mb = [peak_mb(), helped.ru_maxrss / 2**10]
    cpu = time.process_time() + helped.ru_utime + helped.ru_stime
    return {"wall": wall, "cpu": cpu, "mb": mb, "tasks": meter.tasks, "digests": digests, "n": n}


def compare_imports(folder: Path, repeats: int) -> None:
    """Import with one process and with two workers, by turns, and print both."""
    runs: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
    for _ in range(repeats):
        for workers, found in runs.items():
            command = [sys.executable, __file__, "--way", "import", "--file", str(folder), "--workers", str(workers)]
            found.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
    n_records, n_accepted = runs[1][0]["n"]
    size = (folder / "run" / "dataset.json").stat().st_size / 1e6
    print(f"{n_records} records, {size:.1f} MB, {n_accepted} accepted")
    print(f"medians of {repeats}, load {os.getloadavg()[0]:.1f}")
    is_same = len({tuple(run["digests"]) for found in runs.values() for run in found}) == 1
    print(f"{' and '.join(SAME)}: {'the same bytes in all' if is_same else 'DIFFER'}")
    for workers, found in runs.items():
        cpu, wall = (statistics.median(run[key] for run in found) for key in ("cpu", "wall"))
        own, helpers = (statistics.median(run["mb"][n] for run in found) for n in (0, 1))
        share = 158_000 / n_records
        reckoned = f"158,000 would take {share * cpu:.0f} CPU s, {share * wall:.0f} s by the clock"
        beside = f" + {workers} x {helpers:.0f}" if workers > 1 else ""
        print(f"workers {workers}: {cpu:.1f} CPU s, {wall:.1f} s by the clock, {own:.0f}{beside} MB; {reckoned}")
        for task in found[0]["tasks"]:
            driver, helped = (statistics.median(run["tasks"][task][n] for run in found) for n in (0, 1))
            print(f"  {task:36} {1e6 * driver / n_records:7.0f} us a record {1e6 * helped / n_records:7.0f} in workers")


def measure(way: str, path: Path) -> tuple[float, float]:
    """CPU seconds and peak MB of one way in a fresh process."""
    command = [sys.executable, __file__, "--way", way, "--file", str(path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(told[0]), float(told[1])


def main() -> None:
    """Measure what is asked for, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--whole", action="store_true", help="from end to end")
    parser.add_argument("--records", type=int, help="158000; with --whole 16000")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--captions", type=Path, default=DEMO / "captions_demo.json")
    parser.add_argument("--instances", type=Path, default=DEMO / "instances_demo.json")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--way", choices=("stream", "whole", "make", "import"), help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way == "make":
        make_set(options.file, options.captions, options.instances, options.records)
        return
    if options.way == "import":
        print(json.dumps(import_set(options.file, options.workers)))
        return
    if options.way:
        started = time.process_time()
        {"stream": stream, "whole": whole}[options.way](options.file)
        print(time.process_time() - started, peak_mb())
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.whole:
            command = [sys.executable, __file__, "--way", "make", "--file", str(folder)]
            command += ["--records", str(options.records or 16_000), "--captions", str(options.captions)]
            subprocess.run([*command, "--instances", str(options.instances)], check=True)
            compare_imports(folder, options.repeats)
            return
        path = options.file or folder / "llava.json"
        if options.file is None:
            make_file(path, options.records or 158_000)
        print(f"{path.stat().st_size / 1e6:.0f} MB")
        ours = measure("stream", path)
        theirs = measure("whole", path)
    print(f"indexed and stored, a block at a time   {ours[0]:6.1f} CPU s  {ours[1]:7.0f} MB")
    print(f"decoded whole and written as lines      {theirs[0]:6.1f} CPU s  {theirs[1]:7.0f} MB")
    print(f"time {ours[0] / theirs[0]:.2f}, memory {ours[1] / theirs[1]:.2f} of decoding it whole")


if __name__ == "__main__":
    main()
