"""CPU cost of a sample in each stage of the text pipeline, with the embedded teacher, as a share of the whole.

    python benchmarks/stages.py --captions F --instances F [--limit N]

Without files it measures on the bundled corpus. The last line is the ratio that matters: a whole
run against the teacher alone, that is, what everything around the teacher adds.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable

from measuring import corpus_parser, corpus_settings, cpu_seconds

import datagen
from datagen.corpus import load_corpus
from datagen.dedup import Deduplicator
from datagen.diversity import Census, Diversity, question_kind
from datagen.export import write_llava
from datagen.pipeline import make_sample, plan_samples
from datagen.recipes import load_recipes
from datagen.teacher import open_teacher
from datagen.view.sample_card import Examples


def main() -> None:
    """Measure and print."""
    parser = corpus_parser(__doc__)
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    settings = corpus_settings(options, options.limit)
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
