"""How long the commands take that only look at a run: ``status``, ``show`` and ``report``, as the run grows.

``python benchmarks/starts.py [--samples 1000 10000 100000]`` makes up a finished run of so many samples about the
demo's pictures, with as many replies, and asks each command in a process of its own. CPU seconds, the median of three,
and their ratio to those of ``--help``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
from msgspec.structs import replace
from viewing import make_samples

import datagen
from datagen.config import ValidatorSettings
from datagen.records import Reply
from datagen.store import RunFolder

N_TIMES = 3


def make_replies(folder: RunFolder, n_replies: int) -> None:
    """Write the run's replies over and over, under other digests."""
    replies = [msgspec.json.decode(line, type=Reply) for line in folder.replies.read_bytes().splitlines()]
    encoder = msgspec.json.Encoder()
    with folder.replies.open("wb") as file:
        for n in range(n_replies):
            reply = replies[n % len(replies)]
            file.write(encoder.encode(replace(reply, request_digest=f"{n:016x}{reply.request_digest[16:]}")) + b"\n")


def cpu_of(words: list[str]) -> float:
    """Median CPU seconds of a command, children and all."""
    taken = []
    for _ in range(N_TIMES):
        before = os.times()
        subprocess.run([sys.executable, "-m", "datagen", *words], check=True, capture_output=True)
        after = os.times()
        taken.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return statistics.median(taken)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    options = parser.parse_args()
    bare = cpu_of(["--help"])
    print(f"{'--help':>28} {bare:.2f} s")
    for n_samples in options.samples:
        with tempfile.TemporaryDirectory() as place:
            run = datagen.run(replace(datagen.demo_settings(), validator=ValidatorSettings()), Path(place) / "run")
            make_samples(run.folder.path, n_samples)
            make_replies(run.folder, n_samples)
            path = str(run.folder.path)
            first, last = "0-conversation", f"{n_samples - 4}-conversation"
            for name, words in {
                "status": ["status", path],
                "show, the first": ["show", path, first],
                "show, the last": ["show", path, last],
                "report": ["report", path],
            }.items():
                cpu = cpu_of(words)
                print(f"{n_samples:>10,} {name:>17} {cpu:.2f} s ({cpu / bare:.1f} x)", flush=True)


if __name__ == "__main__":
    main()
