"""Answers a second and core that the claims check reads and judges, beside the wording checks.

    python benchmarks/checks.py [--captions F --instances F]

Without files it measures on the bundled corpus, with answers of the embedded teacher. Evidence is
gathered anew for each image, as in a run. The last line is the ratio that matters: the wanted time
(2,000 answers a second) against the time taken.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import datagen
from datagen.checks import check_turns
from datagen.claims import judge_turns
from datagen.claims.extract import read_captions
from datagen.claims.verify import gather_evidence
from datagen.config import load_settings
from datagen.corpus import load_corpus
from datagen.pipeline import make_sample, plan_samples
from datagen.recipes import load_recipes
from datagen.teacher import open_teacher

REPEATS = 5
WANTED_PER_S = 2_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=Path)
    parser.add_argument("--instances", type=Path)
    options = parser.parse_args()
    settings = datagen.demo_settings()
    if options.captions or options.instances:
        files = {"captions": options.captions, "instances": options.instances}
        corpus_files = {key: [str(path)] for key, path in files.items() if path}
        settings = load_settings(None, {"corpus": corpus_files, "types": list(settings.types)})
    corpus, teacher = load_corpus(settings.corpus), open_teacher(settings)
    samples = []
    for planned in plan_samples(corpus.images, load_recipes(settings), settings, lambda image: None):
        if planned.request is not None:
            reply = asyncio.run(teacher.answer(planned.request))
            samples.append((planned.image, make_sample(planned, reply, settings, "").turns))
    n_answers = sum(len(turns) for _, turns in samples)
    n_words = sum(len(turn.answer.split()) for _, turns in samples for turn in turns)

    def judge_all() -> None:
        gather_evidence.cache_clear()
        read_captions.cache_clear()
        for image, turns in samples:
            judge_turns(turns, image, corpus.categories, settings.checks)

    def check_wording() -> None:
        for _, turns in samples:
            check_turns(turns, False, settings.checks)

    judge_all()
    print(f"{len(corpus.images)} images, {n_answers} answers, {n_words / n_answers:.1f} words an answer")
    claims_s, wording_s = _cpu_seconds(judge_all), _cpu_seconds(check_wording)
    print(f"claims   {n_answers / claims_s:8.0f} answers/s and core, {1e6 * claims_s / n_answers:6.1f} us an answer")
    print(f"wording  {n_answers / wording_s:8.0f} answers/s and core, {1e6 * wording_s / n_answers:6.1f} us an answer")
    print(f"ratio claims / wanted speed: {n_answers / claims_s / WANTED_PER_S:.2f}")


def _cpu_seconds(work: Callable[[], object]) -> float:
    """Median CPU seconds over a few repeats."""
    taken = []
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return sorted(taken)[REPEATS // 2]


if __name__ == "__main__":
    main()
