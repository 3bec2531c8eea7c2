"""Reading a dataset of the size of LLaVA-Instruct-158K: a block at a time, against decoding the whole file.

``python benchmarks/importing.py [--records 158000] [--file F]``: without a file one is made up, with 158,000 records
over 81,000 images as the published one has. Each way runs in a process of its own; CPU seconds and peak memory.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import peak_mb

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


def measure(way: str, path: Path) -> tuple[float, float]:
    """CPU seconds and peak MB of one way in a fresh process."""
    command = [sys.executable, __file__, "--way", way, "--file", str(path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(told[0]), float(told[1])


def main() -> None:
    """Measure both ways and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=158_000)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--way", choices=("stream", "whole"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        started = time.process_time()
        {"stream": stream, "whole": whole}[options.way](options.file)
        print(time.process_time() - started, peak_mb())
        return
    with tempfile.TemporaryDirectory() as folder:
        path = options.file or Path(folder) / "llava.json"
        if options.file is None:
            make_file(path, options.records)
        print(f"{path.stat().st_size / 1e6:.0f} MB")
        ours = measure("stream", path)
        theirs = measure("whole", path)
    print(f"indexed and stored, a block at a time   {ours[0]:6.1f} CPU s  {ours[1]:7.0f} MB")
    print(f"decoded whole and written as lines      {theirs[0]:6.1f} CPU s  {theirs[1]:7.0f} MB")
    print(f"time {ours[0] / theirs[0]:.2f}, memory {ours[1] / theirs[1]:.2f} of decoding it whole")


if __name__ == "__main__":
    main()
