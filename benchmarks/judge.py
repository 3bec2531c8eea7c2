"""Tries judges over text of known worth on the demo corpus: is it measured, and who may cut?

The embedded teacher's sentences are true; in a copy of its run a third of the replies hold a planted error. Each judge
knows which is which and errs by lot, so its recall and false alarms are known, and hence how often they lie in the
intervals of a run's report. Nothing is sent. ``python benchmarks/judge.py --seeds 100``

``--small`` tells instead how often a judge may cut in a run of 100 images, by what it is worth and how much is wrong,
with what was measured of it beforehand and without.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from datagen.api import demo_settings
from datagen.checks.judge import (
    Beforehand,
    Cases,
    Trials,
    evidence_for,
    judge_messages,
    sentences_of,
    why_no_cut,
)
from datagen.config import Settings, dump_settings, load_settings
from datagen.corpus import Corpus, load_corpus
from datagen.endpoint.budget import Payment
from datagen.endpoint.token_estimate import count_messages, count_tokens
from datagen.engines.ask_judge import LlmJudge
from datagen.engines.local import run_local
from datagen.engines.progress import Progress, Silence
from datagen.engines.weigh_judge import Asked, PlantedTurn, SilentTurn
from datagen.records import AnnotatedImage, Judgement, Sample, Turn
from datagen.store import JudgementStore


class Policy(NamedTuple):
    """A judge by the chances with which it objects."""

    name: str
    wrong: float
    true: float
    silent: float | None = None  # to a true sentence whose evidence is hidden


POLICIES = (
    Policy("good", 0.8, 0.0),
    Policy("fair", 0.6, 0.02),
    Policy("coin", 0.5, 0.5),
    Policy("rare guess", 0.05, 0.05),
    Policy("always objects", 1.0, 1.0),
    Policy("never objects", 0.0, 0.0),
    Policy("takes silence for no", 0.9, 0.0, 0.5),
)


_MADE: dict[object, Any] = {}


class Rehearsal(LlmJudge):
    """A judge that is not asked over the network: its policy replies.

    Attributes:
        n_asked: Requests, with the tokens of prompts and replies.
    """

    def play(self, policy: Policy, true: set[str], whole: dict[str, str], seed: int) -> Rehearsal:
        """Say how it replies; ``whole`` has the evidence of each image by its first line."""
        self._policy, self._true, self._whole, self._seed = policy, true, whole, seed
        self.n_asked: Counter[str] = Counter()
        return self

    def _asked_about(self, image: AnnotatedImage | None, turns: tuple[Turn, ...]) -> Asked | None:
        found: Asked | None = self._once(
            ("asked", image, turns), lambda: super(Rehearsal, self)._asked_about(image, turns)
        )
        return found

    def _plant(self, samples: list[Sample]) -> Iterator[PlantedTurn]:
        yield from self._once("planted", lambda: list(super(Rehearsal, self)._plant(samples)))

    def _hide(self, sample: Sample) -> SilentTurn | None:
        found: SilentTurn | None = self._once(
            ("hidden", sample.sample_id), lambda: super(Rehearsal, self)._hide(sample)
        )
        return found

    def _once(self, key: object, make: Callable[[], Any]) -> Any:
        """What no policy and no seed changes is made once."""
        if key not in _MADE:
            _MADE[key] = make()
        return _MADE[key]

    def _ask(
        self, wanted: Iterator[Asked | None], total: int, payment: Payment, progress: Progress, *, may_ask: bool
    ) -> None:
        for one in filter(None, wanted):
            text = self._reply(one)
            self._store.add(Judgement(one.key, text))
            n_prompt = round(count_messages(judge_messages(self._system, one.evidence, one.turns)))
            self.n_asked.update(requests=1, prompt=n_prompt, reply=round(count_tokens(text)))

    def _reply(self, asked: Asked) -> str:
        quote = asked.evidence.splitlines()[0]
        is_whole = asked.evidence in self._whole
        verdicts: list[dict[str, Any]] = []
        for n, one in enumerate(sentences_of(asked.turns), start=1):
            text = asked.turns[one.turn].answer[one.start : one.end]
            chance = self._policy.wrong
            if text in self._true:
                silent = self._policy.silent
                chance = self._policy.true if is_whole or silent is None else silent
            objects = random.Random(f"{self._seed} {asked.evidence} {text}").random() < chance
            told = {"verdict": "contradicted", "words": text} if objects else {"verdict": "supported"}
            verdicts.append({"n": n, **told, "quote": quote})
        return json.dumps({"verdicts": verdicts})


def samples_of(settings: Settings, out: Path) -> list[Sample]:
    """Make a run and give its samples."""
    run_local(settings, out, Silence())
    return [msgspec.json.decode(line, type=Sample) for line in (out / "samples.jsonl").read_bytes().splitlines()]


def settings_with(**others: Any) -> Settings:
    """The demo's, without a validator."""
    plain = dump_settings(demo_settings())
    return load_settings(None, {**plain, "validator.name": "none", "workers": 1, **others})


def main() -> int:
    """Print a line a judge; 1 where a bad one may cut in more than 5 % of the seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--small", action="store_true")
    n_seeds, is_small = parser.parse_args().seeds, parser.parse_args().small
    if is_small:
        return try_small_runs(n_seeds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sound = samples_of(settings_with(**{"teacher.planted_errors": 0.0}), folder / "sound")
        true = {t.answer[s.start : s.end] for one in sound for t in one.turns for s in sentences_of((t,))}
        lying = settings_with(
            **{"teacher.planted_errors": 0.33, "checks.contradicted": "keep", "checks.judge": {"model": "rehearsal"}}
        )
        samples, corpus = samples_of_lying(lying, folder / "lying"), load_corpus(lying.corpus)
        worst = 0
        for policy in POLICIES:
            worst = max(worst, try_policy(policy, n_seeds, lying, corpus, samples, true, folder))
    return int(worst > n_seeds // 20)


MEASURED = Beforehand("", Cases(360, 90, 120), Cases(1000, 3, 120))
"""Recall .25, false alarms .003."""


def try_small_runs(n_seeds: int) -> int:
    """Print a line for each worth and share of wrong sentences.

    Returns:
        1 where a judge that is wrong two times in three may cut in more than 5 % of the seeds.
    """
    worst = 0
    for recall, alarms in ((0.25, 0.003), (0.25, 0.01), (0.25, 0.03), (0.5, 0.5)):
        for wrong in (0.05, 0.1, 0.2):
            right = wrong * recall / (wrong * recall + (1 - wrong) * alarms)
            n_without, n_with = (n_that_may(recall, alarms, wrong, n_seeds, one) for one in (None, MEASURED))
            worst = max(worst, n_with) if right < 1 / 3 else worst
            print(
                f"recall {recall:.2f}, false alarms {alarms:.3f}, wrong {wrong:4.0%}: {right:4.0%} of its objections "
                f"are right; may cut in {n_without} of {n_seeds}, with what was measured beforehand in {n_with}",
                flush=True,
            )
    return int(worst > n_seeds // 20)


def n_that_may(recall: float, alarms: float, wrong: float, n_seeds: int, beforehand: Beforehand | None) -> int:
    """In how many small runs it may cut."""
    runs = (small_run(recall, alarms, wrong, seed, beforehand) for seed in range(n_seeds))
    return sum(why_no_cut(trials.precision(), 0.5) is None for trials in runs)


def small_run(recall: float, alarms: float, wrong: float, seed: int, beforehand: Beforehand | None) -> Trials:
    """Of 100 images: one planted error, one sentence without its evidence, three borne out and four others each."""
    lots, trials = np.random.default_rng(seed), Trials(beforehand)
    for image in map(str, range(100)):
        trials.add("planted", image, is_objected=lots.random() < recall)
        trials.add("silent", image, is_objected=lots.random() < alarms)
        for _ in range(3):
            trials.add("borne out", image, is_objected=lots.random() < alarms)
        for _ in range(4):
            trials.add("open", image, is_objected=lots.random() < (recall if lots.random() < wrong else alarms))
    return trials


def samples_of_lying(settings: Settings, out: Path) -> list[Sample]:
    """As ``samples_of``, without asking the judge."""
    plain = dump_settings(settings)
    plain["checks"]["judge"] = None
    return samples_of(load_settings(None, plain), out)


def try_policy(
    policy: Policy,
    n_seeds: int,
    settings: Settings,
    corpus: Corpus,
    samples: list[Sample],
    true: set[str],
    folder: Path,
) -> int:
    """Try one judge; gives in how many seeds it may cut though it is bad."""
    whole = {evidence_for(image, settings.context): image.image_id for image in corpus.images}
    tally: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for seed in range(n_seeds):
        path = folder / f"{re.sub(' ', '-', policy.name)}-{seed}.jsonl"
        with closing(JudgementStore(path)) as store:
            judge = Rehearsal(settings, corpus, store).play(policy, true, whole, seed)
            judge.weigh(lambda: iter(samples), len(samples), Payment(), Silence(), may_ask=True)
            report, asked = judge.report(), judge.n_asked
            n_judged = report.samples
        path.unlink()
        for name, share, real in (
            ("recall", report.recall, policy.wrong),
            ("alarms", report.false_alarms, policy.true),
        ):
            tally[name] += share is not None and share.low <= real <= share.high
        tally["may cut"] += report.why_not is None
    n, tokens_in, tokens_out = asked["requests"], asked["prompt"], asked["reply"]
    print(
        f"{policy.name:20}  may cut in {tally['may cut']:3} of {n_seeds}; in the interval: recall {tally['recall']}, "
        f"false alarms {tally['alarms']}; {n} requests about {n_judged} samples, {tokens_in / n:.0f} tokens in and "
        f"{tokens_out / n:.0f} out each",
        flush=True,
    )
    return 0 if policy.name in ("good", "fair") else tally["may cut"]


if __name__ == "__main__":
    sys.exit(main())
