"""Answers a second and core that the claims check reads and judges, beside the wording checks.

    python benchmarks/checks.py [--captions F --instances F]

Without files it measures on the bundled corpus, with answers of the embedded teacher. Evidence is
gathered anew for each image, as in a run. The last line is the ratio that matters: the wanted time
(2,000 answers a second) against the time taken.
"""

from __future__ import annotations

import asyncio

from measuring import corpus_parser, corpus_settings, cpu_seconds

from datagen.checks import check_turns
from datagen.claims import judge_turns
from datagen.claims.extract import gather_evidence, read_captions
from datagen.corpus import load_corpus
from datagen.pipeline import make_sample, plan_samples
from datagen.recipes import load_recipes
from datagen.teacher import open_teacher

WANTED_PER_S = 2_000


def main() -> None:
    """Measure and print."""
    settings = corpus_settings(corpus_parser(__doc__).parse_args())
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
    claims_s, wording_s = cpu_seconds(judge_all), cpu_seconds(check_wording)
    print(f"claims   {n_answers / claims_s:8.0f} answers/s and core, {1e6 * claims_s / n_answers:6.1f} us an answer")
    print(f"wording  {n_answers / wording_s:8.0f} answers/s and core, {1e6 * wording_s / n_answers:6.1f} us an answer")
    print(f"ratio claims / wanted speed: {n_answers / claims_s / WANTED_PER_S:.2f}")


if __name__ == "__main__":
    main()
