"""How long a piece of work takes in this checkout against another one, by turns on the same machine.

    python benchmarks/before_after.py OTHER [--work claims,plan,...] --captions F --instances F [--replies F.jsonl]

Two processes, one with each checkout's code, do the same work by turns, so that whatever else the machine does falls on
both. Printed are the best CPU seconds of each, and of the pairs the median ratio with the middle half of all: ratios
count, seconds are this machine's. OTHER is another checkout, such as one made with ``git worktree add``.
"""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import corpus_parser, corpus_settings

if TYPE_CHECKING:
    import argparse

Work = Callable[[], object]


def claims_of_template(options: argparse.Namespace) -> Iterator[Work]:
    """Claims read and judged: what the embedded teacher writes, one sample of each type an image."""
    from datagen.claims import judge_turns
    from datagen.corpus import load_corpus
    from datagen.pipeline import make_sample, plan_samples
    from datagen.recipes import load_recipes
    from datagen.teacher import open_teacher

    settings = corpus_settings(options)
    corpus = load_corpus(settings.corpus)
    teacher = open_teacher(settings)
    written = [
        (planned.image, make_sample(planned, asyncio.run(teacher.answer(planned.request)), settings, "").turns)
        for planned in plan_samples(corpus.images, load_recipes(settings), settings, lambda image: None)
        if planned.request is not None
    ]
    print(f"{sum(len(turns) for _, turns in written)} answers", file=sys.stderr)

    def judge() -> None:
        _forget()
        for image, turns in written:
            judge_turns(turns, image, corpus.categories, settings.checks)

    yield judge


def claims_of_prose(options: argparse.Namespace) -> Iterator[Work]:
    """Claims read and judged: an LLM's replies (``--replies``, as ``prose.py`` takes them)."""
    from prose import read_marked

    from datagen.claims import judge_turns
    from datagen.corpus import load_corpus

    settings = corpus_settings(options)
    corpus = load_corpus(settings.corpus)
    images = {image.image_id: image for image in corpus.images}
    with redirect_stdout(sys.stderr):  # it tells what it passes over
        replies = [one for path in options.replies for one in read_marked(path, images)]
    print(f"{sum(len(one.turns) for one in replies)} answers", file=sys.stderr)

    def judge() -> None:
        _forget()
        for one in replies:
            judge_turns(one.turns, one.image, corpus.categories, settings.checks)

    yield judge


def planning(options: argparse.Namespace) -> Iterator[Work]:
    """Requests for an LLM, each type about each image."""
    from msgspec.structs import replace

    from datagen.companions import count_companions
    from datagen.corpus import load_corpus
    from datagen.pipeline import plan_samples
    from datagen.recipes import load_recipes

    settings = corpus_settings(options)
    settings = replace(settings, teacher=replace(settings.teacher, name="a model"))
    corpus, recipes = load_corpus(settings.corpus), load_recipes(settings)
    companions = count_companions(corpus.whole)
    print(f"{len(corpus.images) * len(recipes)} requests", file=sys.stderr)

    def plan() -> None:
        for _ in range(3):
            for _ in plan_samples(corpus.images, recipes, settings, lambda image: None, corpus.categories, companions):
                pass

    yield plan


def start_again(options: argparse.Namespace) -> Iterator[Work]:
    """A second start of a finished run of the embedded teacher, with its report."""
    import datagen

    settings = corpus_settings(options)
    with folder() as out:
        made = datagen.run(settings, out / "run", progress=False)
        print(f"{made.summary.samples} samples", file=sys.stderr)
        yield lambda: datagen.run(settings, out / "run", progress=False)


def estimating(options: argparse.Namespace) -> Iterator[Work]:
    """What a run with an LLM would cost, on the first 6,000 images."""
    from msgspec.structs import replace

    from datagen.engines.estimate import estimate_run

    settings = corpus_settings(options, limit=6000)
    settings = replace(settings, teacher=replace(settings.teacher, name="gpt-4o"))
    print(f"tokens in: {estimate_run(settings).total.n_prompt:,.0f}", file=sys.stderr)
    yield lambda: estimate_run(settings)


def linting(options: argparse.Namespace) -> Iterator[Work]:
    """All that lint finds in the annotations of the first 2,000 images."""
    from datagen.corpus import load_corpus
    from datagen.corpus.lint import lint_corpus

    corpus = load_corpus(corpus_settings(options, limit=2000).corpus)
    print(f"{len([*lint_corpus(corpus.images, corpus.categories)])} findings", file=sys.stderr)
    yield lambda: [*lint_corpus(corpus.images, corpus.categories)]


def _forget() -> None:
    """Let go of captions that were read, which a run reads once too."""
    from datagen.claims import extract

    for kept in (extract.gather_evidence, extract.read_captions):
        kept.cache_clear()


WORKS = {
    "claims of template text": claims_of_template,
    "claims of an LLM's prose": claims_of_prose,
    "planning": planning,
    "estimate": estimating,
    "lint": linting,
    "a second start": start_again,
}


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="before-after-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def work_here(name: str, options: argparse.Namespace) -> None:
    """Do one piece of work each time that a line comes in, and answer with its CPU seconds."""
    works = WORKS[name](options)
    work = next(works)
    work()
    print("ready", flush=True)
    for _ in sys.stdin:
        gc.collect()
        started = time.process_time()
        work()
        print(time.process_time() - started, flush=True)
    next(works, None)  # cleans up


class Worker:
    """A process that does a piece of work in a checkout whenever it is asked to."""

    def __init__(self, tree: Path, name: str, words: list[str]) -> None:
        command = [sys.executable, str(Path(__file__).resolve()), str(tree), "--here", name, *words]
        self.process = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": str(tree)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        self.answer()

    def answer(self) -> str:
        """The next line that it says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the work failed, see above")
        return line

    def seconds(self) -> float:
        """CPU seconds of the work, done once more."""
        assert self.process.stdin is not None
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        return float(self.answer())

    def end(self) -> None:
        """Let it go."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def main() -> None:
    """Measure and print."""
    parser = corpus_parser(__doc__)
    parser.add_argument("other", type=Path, help="another checkout")
    parser.add_argument("--replies", type=Path, nargs="*", default=[])
    parser.add_argument("--work", nargs="*", help=f"of: {', '.join(WORKS)}")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--here", help="a piece of work that is done in this process alone")
    options = parser.parse_args()
    if options.here:
        work_here(options.here, options)
        return
    own = Path(__file__).resolve().parents[1]
    words = [
        word
        for key in ("captions", "instances")
        if getattr(options, key)
        for word in (f"--{key}", str(getattr(options, key)))
    ]
    if options.replies:
        words += ["--replies", *map(str, options.replies)]
    for name in options.work or WORKS:
        if name == "claims of an LLM's prose" and not options.replies:
            continue
        workers = Worker(options.other, name, words), Worker(own, name, words)
        taken = [(workers[0].seconds(), workers[1].seconds()) for _ in range(options.rounds)]
        for worker in workers:
            worker.end()
        ratios = sorted(now / before for before, now in taken)
        before, now = (min(column) for column in zip(*taken, strict=True))
        print(
            f"{name}: {before:.3f} s there, {now:.3f} s here at best, {now / before:.2f}; here / there in pairs "
            f"{ratios[len(ratios) // 2]:.2f} ({ratios[len(ratios) // 4]:.2f} to {ratios[-1 - len(ratios) // 4]:.2f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
