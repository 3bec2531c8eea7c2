"""The page over a large run: index, first list, filters and search, against reading the samples with jsonlines.

``python benchmarks/viewing.py [--samples 100000]`` makes up a run of that many samples about the demo's pictures,
with claims and scores as the pipeline writes them, and asks the page's own server, each question in a fresh way.
CPU seconds of this process, median of five for the questions.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jsonlines
import msgspec
from measuring import peak_mb
from msgspec.structs import replace
from starlette.testclient import TestClient

import datagen
from datagen.config import ValidatorSettings
from datagen.records import Sample, Validation
from datagen.view.page.live_run import LiveRun
from datagen.view.page.questions import Asker
from datagen.view.page.server import make_app

N_TIMES = 5
REACHED = ("kite", "bench", "anchor", "lantern", "basket")


def make_samples(folder: Path, n_samples: int) -> None:
    """Repeat the demo's samples under other ids, each with words and a score of its own."""
    rng = random.Random(0)
    path = folder / "samples.jsonl"
    made = [msgspec.json.decode(line, type=Sample) for line in path.read_bytes().splitlines()]
    encoder = msgspec.json.Encoder()
    with (folder / ".made").open("wb") as file:
        for n in range(n_samples):
            sample = made[n % len(made)]
            turns = tuple(
                replace(
                    turn,
                    answer=f"{turn.answer} Beside it lies {rng.choice(REACHED)} {n}.",
                    validation=Validation("supported", round(rng.random(), 4), doubts={"count": 0.1}),
                )
                for turn in sample.turns
            )
            file.write(encoder.encode(replace(sample, sample_id=f"{n}-{sample.response_type}", turns=turns)) + b"\n")
    (folder / ".made").replace(path)


def plainly(path: Path, text: str) -> int:
    """The plain way to filter and search: read every sample."""
    n_found = 0
    with jsonlines.open(path) as lines:
        for sample in lines:
            said = " ".join(turn["question"] + turn["answer"] for turn in sample["turns"])
            n_found += sample["status"] == "accepted" and text in said.lower()
    return n_found


def cpu_of(action: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    action()
    return time.process_time() - start


def main() -> None:
    """Measure both ways and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        run = datagen.run(replace(datagen.demo_settings(), validator=ValidatorSettings()), Path(place) / "run")
        make_samples(run.folder.path, options.samples)
        megabytes = run.folder.samples.stat().st_size / 1e6
        print(f"{options.samples:,} samples, {megabytes:,.0f} MB of samples.jsonl")
        plain = cpu_of(lambda: plainly(run.folder.samples, "lantern 77"))
        print(f"{'read every sample with jsonlines':44}{plain:9.3f} s")
        before = peak_mb()
        live = LiveRun(run.folder, lambda: run.settings)
        indexed = cpu_of(live.refresh)
        grown = peak_mb() - before
        print(f"{'index, once':44}{indexed:9.3f} s {plain / indexed:8.1f} x   peak memory grows by {grown:,.0f} MB")
        with TestClient(make_app(live, Asker(ValidatorSettings())), base_url="http://localhost") as client:
            questions = {
                "first list": "/samples",
                "rejected ones": "/samples?status=rejected",
                "a category, most doubtful first": "/samples?category=dog&sort=doubt",
                "a search with few finds": "/samples?status=accepted&text=lantern 77",
                "a search with many finds": "/samples?text=beside it lies",
                "open a list at a sample": f"/samples?at={options.samples // 2}-description",
                "filters and their counts": "/state",
                "one card": f"/sample?id={options.samples // 2 // 4 * 4}-conversation",
            }
            client.get("/sample?id=0-conversation")  # loads the annotations
            for name, path in questions.items():
                times = [cpu_of(lambda path=path: client.get(path).raise_for_status()) for _ in range(N_TIMES)]  # type: ignore[misc]
                answer = client.get(path)
                told = f"{name} ({len(answer.content):,} bytes)"
                print(f"{told:44}{statistics.median(times):9.4f} s {plain / statistics.median(times):8.0f} x")


if __name__ == "__main__":
    main()
