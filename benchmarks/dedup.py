"""Near copies found, seconds and memory of ours, datasketch and rensa on the same made texts.

    python benchmarks/dedup.py [--sizes 20000 160000] [--tools datagen datasketch rensa]

The texts have 30 to 110 words of a Zipf vocabulary. A tenth are copies of an earlier text, no text
being copied twice; between none and a sixth of the words are new, so that some copies fall short of
the threshold. Truth is that similarity, counted; of texts that are not copies none come near it.
Each tool runs in a process of its own, and only its own work is timed, not the making of the words.
datasketch and rensa are not needed; a tool that is not installed is left out, and said to be.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
from measuring import peak_mb

from datagen.dedup.near_duplicates import NearDuplicateIndex

THRESHOLD = 0.8
N_WORDS = 60_000
COPY_SHARE = 0.1
BLOCK = 4096
MAX_NEW = 1 / 6
Work = Callable[[list[str], list[list[str]]], list[bool]]
"""From keys and texts to whether each repeats an earlier one."""


class Measured(msgspec.Struct):
    """What one tool took, and what it found."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    own_mb: float  # above what the process held with the texts and before the tool's work
    precision: float
    recall: float


def make_texts(n_texts: int, folder: Path) -> None:
    """Write the word numbers of all texts, their ends, and which are near copies."""
    rng = np.random.default_rng(n_texts)
    chances = 1 / np.arange(1, N_WORDS + 1)
    reach = np.cumsum(chances / chances.sum())
    texts: list[np.ndarray] = []
    near = np.zeros(n_texts, bool)
    copied: set[int] = set()
    for n in range(n_texts):
        source = int(rng.integers(max(n, 1)))
        if n and rng.random() < COPY_SHARE and source not in copied:
            copied |= {source, n}
            text = texts[source].copy()
            new = rng.random(len(text)) < rng.choice([0.0, rng.random() * MAX_NEW])
            text[new] = rng.integers(N_WORDS // 2, N_WORDS, new.sum())
            before, after = set(texts[source].tolist()), set(text.tolist())
            near[n] = len(before & after) / len(before | after) >= THRESHOLD
            texts.append(rng.permutation(text))
        else:
            texts.append(np.searchsorted(reach, rng.random(rng.integers(30, 111))).astype(np.uint16))
    np.save(folder / "words.npy", np.concatenate(texts))
    np.save(folder / "ends.npy", np.cumsum([len(text) for text in texts]))
    np.save(folder / "near.npy", near)


def ours() -> Work:
    """Our own index, texts handed over by the thousand."""
    index = NearDuplicateIndex(THRESHOLD)
    return lambda keys, texts: [twin is not None for twin in index.admit(keys, texts)]


def with_datasketch() -> Work:
    """MinHashLSH with default settings, words added all at once, the faster way."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=THRESHOLD)

    def is_copy(key: str, words: list[str]) -> bool:
        sketch = MinHash()
        sketch.update_batch([word.encode() for word in words])
        if index.query(sketch):
            return True
        index.insert(key, sketch)
        return False

    return lambda keys, texts: [is_copy(key, words) for key, words in zip(keys, texts, strict=True)]


def with_rensa() -> Work:
    """RMinHashDeduplicator over the 128 permutations its own documents use."""
    from rensa import RMinHash, RMinHashDeduplicator

    index = RMinHashDeduplicator(THRESHOLD, 128, True)

    def is_copy(key: str, words: list[str]) -> bool:
        sketch = RMinHash(128, 42)
        sketch.update(words)
        return not index.add(key, sketch)

    return lambda keys, texts: [is_copy(key, words) for key, words in zip(keys, texts, strict=True)]


TOOLS: dict[str, Callable[[], Work]] = {"datagen": ours, "datasketch": with_datasketch, "rensa": with_rensa}


def blocks(file: Path) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Read keys and words of the texts, some at a time."""
    words = np.array([f"word{n}" for n in range(N_WORDS)], dtype=object)
    numbers, ends = np.load(file / "words.npy", mmap_mode="r"), np.load(file / "ends.npy")
    for first in range(0, len(ends), BLOCK):
        last = min(first + BLOCK, len(ends))
        starts = [int(ends[n - 1]) if n else 0 for n in range(first, last)]
        yield (
            [f"{n:012}-text" for n in range(first, last)],
            [words[numbers[start:end]].tolist() for start, end in zip(starts, ends[first:last], strict=True)],
        )


def measure(tool: str, folder: Path) -> Measured:
    """Run one tool over the texts in a folder."""
    work = TOOLS[tool]()
    next(blocks(folder))
    before_mb = peak_mb()
    cpu_s, wall_s, found = 0.0, 0.0, []
    for keys, texts in blocks(folder):
        started, started_at = time.process_time(), time.perf_counter()
        found += work(keys, texts)
        cpu_s += time.process_time() - started
        wall_s += time.perf_counter() - started_at
    near, said = np.load(folder / "near.npy"), np.array(found)
    hits = int((near & said).sum())
    n_said, n_near = max(int(said.sum()), 1), max(int(near.sum()), 1)
    return Measured(cpu_s, wall_s, peak_mb(), peak_mb() - before_mb, hits / n_said, hits / n_near)


def compare(n_texts: int, tools: list[str]) -> None:
    """Make texts, run each tool in its own process and print a table."""
    with tempfile.TemporaryDirectory() as name:
        # Made elsewhere, too: a process starts with the peak of the one that it came from.
        subprocess.run([sys.executable, __file__, "--make", str(n_texts), name], check=True)
        print(f"{n_texts:,} texts")
        print(f"{'':12}{'CPU s':>8}{'wall s':>8}{'MB':>7}{'own MB':>8}{'precision':>11}{'recall':>8}{'ratio':>7}")
        own_s = None
        for tool in tools:
            if importlib.util.find_spec(tool) is None:
                print(f"{tool:12} not installed; pip install {tool}")
                continue
            command = [sys.executable, __file__, "--measure", tool, name]
            said = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
            one = msgspec.json.decode(said, type=Measured)
            own_s = own_s or one.cpu_s
            print(
                f"{tool:12}{one.cpu_s:8.1f}{one.wall_s:8.1f}{one.peak_mb:7.0f}{one.own_mb:8.0f}"
                f"{one.precision:11.4f}{one.recall:8.4f}{one.cpu_s / own_s:7.1f}",
                flush=True,
            )


def main() -> None:
    """Compare, or measure one tool when called by a comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 160_000])
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    parser.add_argument("--make", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        n_made, folder = options.make
        make_texts(int(n_made), Path(folder))
        return
    if options.measure:
        tool, folder = options.measure
        sys.stdout.buffer.write(msgspec.json.encode(measure(tool, Path(folder))))
        return
    for n_texts in options.sizes:
        compare(n_texts, options.tools)


if __name__ == "__main__":
    main()
