"""What looking at pictures while the teacher is asked saves, against doing one after the other.

``python benchmarks/overlap.py [--captions F --instances F --images DIR] [--delay 1] [--at-once 2]`` makes one run twice
by turns: its teacher takes so many seconds for a reply, so many at a time, and writes what the embedded one does; the
validator is nano. Seconds by the clock, and whether dataset, samples and summary are the same bytes. By default the
demo's drawn scenes.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import datagen
from datagen.config import dump_settings, load_settings
from datagen.teacher.template import write_reply

FILES = ("samples.jsonl", "dataset.json", "summary.json", "calibration.jsonl")


def made(given: dict[str, Any], out: Path, options: argparse.Namespace, *, overlap: bool) -> float:
    """Make the run; gives the seconds by the clock."""

    async def answer(request: datagen.Request) -> str:
        await asyncio.sleep(options.delay)
        return write_reply(request, 0).text

    settings = load_settings(None, {**given, "validator.overlap": overlap, "teacher.concurrency": options.at_once})
    began = time.perf_counter()
    datagen.run(settings, out, teacher=answer)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("captions", "instances", "images"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--delay", type=float, default=1.0, help="seconds for a reply")
    parser.add_argument("--at-once", type=int, default=2, help="requests in flight")
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    plain = {**dump_settings(datagen.demo_settings()), "teacher.planted_errors": 0.0}
    if options.captions:
        plain["corpus"] = {name: getattr(options, name) for name in ("captions", "instances", "images")}
    for n in range(options.repeats):
        with tempfile.TemporaryDirectory() as place:
            after = made(plain, Path(place) / "after", options, overlap=False)
            beside = made(plain, Path(place) / "beside", options, overlap=True)
            one, other = Path(place) / "after", Path(place) / "beside"
            same = [name for name in FILES if (one / name).read_bytes() == (other / name).read_bytes()]
            print(
                f"{n + 1}: one after the other {after:.1f} s, side by side {beside:.1f} s, {after / beside:.2f} times; "
                f"the same bytes: {', '.join(same)}"
            )


if __name__ == "__main__":
    main()
