"""CPU cost of a sample in each stage of the text pipeline, with the embedded teacher, as a share of the whole.

    python benchmarks/stages.py --captions F --instances F [--limit N]

Without files it measures on the bundled corpus. The last line is the ratio that matters: a whole
run against the teacher alone, that is, what everything around the teacher adds.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import io
import time
from collections.abc import Callable
from pathlib import Path

import datagen
from datagen.config import load_settings
from datagen.corpus import load_corpus
from datagen.dedup import Deduplicator
from datagen.diversity import Census, Diversity, question_kind
from datagen.export import write_llava
from datagen.pipeline import make_sample, plan_samples
from datagen.recipes import load_recipes
from datagen.teacher import open_teacher
from datagen.view.report_examples import Examples

REPEATS = 5


def cpu_seconds(work: Callable[[], object]) -> float:
    """Median CPU seconds of a piece of work over a few repeats."""
    taken = []
    for _ in range(REPEATS):
        gc.collect()
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return sorted(taken)[REPEATS // 2]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=Path)
    parser.add_argument("--instances", type=Path)
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    settings = datagen.demo_settings()
    if options.captions or options.instances:
        files = {"captions": options.captions, "instances": options.instances}
        corpus = {key: [str(path)] for key, path in files.items() if path}
        settings = load_settings(None, {"corpus": {**corpus, "limit": options.limit}, "types": list(settings.types)})
    recipes = load_recipes(settings)
    loaded = load_corpus(settings.corpus)
    images, categories = loaded.images, loaded.categories
    teacher = open_teacher(settings)
    planned = list(plan_samples(images, recipes, settings, lambda image: None, categories))
    asked = [item for item in planned if item.request is not None]

    async def answer_all() -> list[datagen.records.Reply]:
        return [await teacher.answer(item.request) for item in asked if item.request is not None]

    replies = asyncio.run(answer_all())
    pairs = list(zip(asked, replies, strict=True))
    samples = [make_sample(item, reply, settings, "") for item, reply in pairs]
    accepted = [sample for sample in samples if sample.status == "accepted"]

    def dedup() -> None:
        for _ in Deduplicator(settings.dedup).admit_all(accepted):
            pass

    def measure() -> None:
        question_kind.cache_clear()
        diversity = Diversity(categories)
        for sample in accepted:
            diversity.add(sample)
        diversity.report()

    def take_census() -> None:
        question_kind.cache_clear()
        Census(0).count(accepted)

    def pick_examples() -> None:
        examples = Examples()
        for sample in accepted:
            examples.add(sample)

    stages: dict[str, Callable[[], object]] = {
        "load": lambda: load_corpus(settings.corpus),
        "context, recipe": lambda: list(plan_samples(images, recipes, settings, lambda image: None, categories)),
        "teacher": lambda: asyncio.run(answer_all()),
        "parse, checks": lambda: [make_sample(item, reply, settings, "") for item, reply in pairs],
        "dedup": dedup,
        "diversity": measure,
        "report": pick_examples,
        "export": lambda: write_llava(accepted, io.BytesIO(), 0),
    }
    seconds = {name: cpu_seconds(work) for name, work in stages.items()}
    total = sum(seconds.values())
    print(f"{len(images)} images, {len(planned)} samples, {len(accepted)} accepted before dedup")
    for name, taken in seconds.items():
        print(f"{name:16} {1e6 * taken / len(planned):8.1f} us/sample  {100 * taken / total:5.1f} %")
    print(f"{'whole':16} {1e6 * total / len(planned):8.1f} us/sample")
    balance = cpu_seconds(take_census)
    print(f"{'balance, if on':16} {1e6 * balance / len(planned):8.1f} us/sample, and every stage before it once more")
    print(f"ratio whole / teacher alone: {total / seconds['teacher']:.2f}")


if __name__ == "__main__":
    main()
