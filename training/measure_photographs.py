"""From a checkpoint to its worth on photographs with every thing boxed, each figure with a 95 % interval.

``python -m training.measure_photographs CHECKPOINT --instances FILE --images FOLDER``. Probes are put as the validator
puts them, to photographs that the model never saw.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from msgspec import Struct
from numpy.typing import NDArray

from datagen.claims.kind import YES_NO, presence_question
from datagen.claims.kinds.count import ANSWERS, count_question
from datagen.claims.kinds.place import QUARTERS, SIDES, quarter_question, side_question
from datagen.claims.kinds.relation import relation_question, size_question
from datagen.claims.layout import CLEARLY_LARGER, area_of
from datagen.config import ValidatorSettings, load_settings
from datagen.corpus import load_corpus, read_picture
from datagen.geometry import count_objects, horizontal_place, relation_between, unique_boxes, vertical_place
from datagen.records import AnnotatedImage, Probe, ProbeKind, ProbeScore
from datagen.validator.checkpoint import CheckpointValidator
from datagen.validator.models import load_checkpoint
from datagen.validator.protocol import Look, score_key

VOC = frozenset(
    """airplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, dining table, dog, horse, motorcycle, person,
    potted plant, sheep, couch, train, tv""".replace("\n   ", "").split(", ")
)
"""COCO's names of PASCAL VOC's twenty."""
N_HARD = 10
"""Absent things asked of a photograph: those that stand most often beside what it shows."""
MOST = 5
"""Largest number whose count is asked."""
_TURNED = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
_DRAWS = 1000


class Asked(Struct, frozen=True):
    """A probe and what is true.

    Attributes:
        truth: Index of the right answer.
        category: The thing that it is about.
        is_hard: An absent thing that often stands beside what is there, or a thing that is there.
    """

    kind: ProbeKind
    probe: Probe
    truth: int
    category: str
    is_hard: bool = True


class Answered(Struct, frozen=True):
    """What a model said to a probe."""

    asked: Asked
    chances: tuple[float, ...]

    @property
    def is_right(self) -> bool:
        """The likeliest answer is the true one."""
        return int(np.argmax(self.chances)) == self.asked.truth


def questions_about(
    image: AnnotatedImage, categories: Sequence[str], beside: dict[str, dict[str, float]]
) -> list[Asked]:
    """Everything to be asked of a photograph on which every thing is boxed."""
    there = tuple(dict.fromkeys(box.category for box in image.boxes))
    near = {name: max((beside[one].get(name, 0.0) for one in there), default=0.0) for name in categories}
    absent = sorted((name for name in categories if name not in there), key=lambda name: -near[name])
    asked = [Asked("presence", Probe(presence_question(name), YES_NO), 0, name) for name in there]
    asked += [
        Asked("presence", Probe(presence_question(name), YES_NO), 1, name, n < N_HARD) for n, name in enumerate(absent)
    ]
    for name, count in count_objects(image.boxes).items():
        if count.is_exact and 1 <= count.at_least <= MOST:
            asked.append(Asked("count", Probe(count_question(name), ANSWERS), count.at_least - 1, name))
    unique = {name: box.box_unit for name, box in unique_boxes(image).items()}
    for name, box in unique.items():
        across, down = horizontal_place(box), vertical_place(box)
        if across in ("left", "right"):
            asked.append(Asked("side", Probe(side_question(name), SIDES), int(across == "right"), name))
            if down in ("top", "bottom"):
                quarter = 2 * (down == "bottom") + (across == "right")
                asked.append(Asked("quadrant", Probe(quarter_question(name), QUARTERS), quarter, name))
        for other, box_of_other in unique.items():
            if other == name:
                continue
            for relation in relation_between(box, box_of_other):
                for said, truth in ((relation, 0), (_TURNED[relation], 1)):
                    asked.append(Asked("relation", Probe(relation_question(name, said, other), YES_NO), truth, name))
            if area_of(box) > CLEARLY_LARGER * area_of(box_of_other):
                for said, truth in (("larger", 0), ("smaller", 1)):
                    asked.append(Asked("size", Probe(size_question(name, said, other), YES_NO), truth, name))
    return asked


def beside(images: Sequence[AnnotatedImage]) -> dict[str, dict[str, float]]:
    """How often a category is there where another is."""
    together: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    times: dict[str, int] = defaultdict(int)
    for image in images:
        there = {box.category for box in image.boxes}
        for name in there:
            times[name] += 1
            for other in there - {name}:
                together[name][other] += 1
    return {name: {other: n / times[name] for other, n in together[name].items()} for name in times}


def answer(
    validator: CheckpointValidator, images: Sequence[AnnotatedImage], folder: Path, categories: Sequence[str]
) -> Iterator[list[Answered]]:
    """Ask about photographs, one after another."""
    near = beside(images)
    for image in images:
        asked = questions_about(image, categories, near)
        look = Look(image.file_name, tuple(dict.fromkeys(one.probe for one in asked)))
        scores = validator.score([look], lambda name: read_picture(folder, name, 50_000_000))
        found = {score.key: score.chances for score in scores if isinstance(score, ProbeScore)}
        yield [Answered(one, found[score_key(validator.identity, look, one.probe)]) for one in asked]


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """How often a positive lies above a negative; a tie is half."""
    if not len(positive) or not len(negative):
        return float("nan")
    order = np.sort(np.asarray(negative))
    below, upto = (np.searchsorted(order, positive, side=side) for side in ("left", "right"))
    return float((below + upto).mean() / 2 / len(order))


Measure = Callable[[Sequence[Answered]], float]


def presence_measure(is_wanted: Callable[[Asked], bool]) -> Measure:
    """AUROC of presence over some of the questions."""

    def measure(answered: Sequence[Answered]) -> float:
        mine = [one for one in answered if one.asked.kind == "presence" and is_wanted(one.asked)]
        told = ([one.chances[0] for one in mine if one.asked.truth == truth] for truth in (0, 1))
        return auroc(*told)

    return measure


def share_measure(kind: ProbeKind, is_right: Callable[[Answered], bool] = lambda one: one.is_right) -> Measure:
    """Share of a kind's questions that are answered right."""

    def measure(answered: Sequence[Answered]) -> float:
        right = [is_right(one) for one in answered if one.asked.kind == kind]
        return sum(right) / len(right) if right else float("nan")

    return measure


def _is_within_one(one: Answered) -> bool:
    return abs(int(np.argmax(one.chances)) - one.asked.truth) <= 1


def yes_f1(answered: Sequence[Answered]) -> float:
    """F1 of "yes" to questions of presence, what is there and what often stands beside it weighing alike.

    So do POPE's adversarial questions ask (Li et al., 2023), with three absent things a picture instead of ten.
    """
    asked = [one for one in answered if one.asked.kind == "presence" and one.asked.is_hard]
    said = [[one.chances[0] >= 0.5 for one in asked if one.asked.truth == truth] for truth in (0, 1)]
    if not all(said):
        return float("nan")
    hits, false_alarms = (sum(yes) / len(yes) for yes in said)
    return 2 * hits / (1 + hits + false_alarms)


MEASURES: dict[str, tuple[ProbeKind, Measure]] = {
    "presence, against what often stands beside": ("presence", presence_measure(lambda one: one.is_hard)),
    "presence, against all": ("presence", presence_measure(lambda one: True)),
    "presence of VOC's 20, against what often stands beside": (
        "presence", presence_measure(lambda one: one.is_hard and one.category in VOC)
    ),
    "presence, F1 of yes, as many absent as there": ("presence", yes_f1),
    "side": ("side", share_measure("side")),
    "quadrant": ("quadrant", share_measure("quadrant")),
    "count, exact": ("count", share_measure("count")),
    "count, within one": ("count", share_measure("count", _is_within_one)),
    "relation": ("relation", share_measure("relation")),
    "size": ("size", share_measure("size")),
}  # fmt: skip


def intervals(by_photograph: Sequence[Sequence[Answered]], seed: int = 0) -> dict[str, dict[str, float]]:
    """Every measure with its number of questions and its 95 % interval, photographs drawn anew a thousand times."""
    rng = np.random.default_rng(seed)
    draws: NDArray[np.int64] = rng.integers(len(by_photograph), size=(_DRAWS, len(by_photograph)))
    told = {}
    for name, (kind, measure) in MEASURES.items():
        mine = [[one for one in answered if one.asked.kind == kind] for answered in by_photograph]
        every = [one for answered in mine for one in answered]
        if np.isnan(measure(every)):  # nothing of the kind can be asked
            continue
        drawn = [measure([one for n in draw for one in mine[n]]) for draw in draws]
        low, high = np.nanpercentile(drawn, (2.5, 97.5))
        told[name] = {"value": measure(every), "low": float(low), "high": float(high), "n": len(every)}
    return told


def other_image(by_photograph: Sequence[Sequence[Answered]], seed: int = 0) -> float:
    """How well three things named of a photograph tell it from another: AUROC of their mean log-odds."""
    rng = np.random.default_rng(seed)
    odds = [
        {one.asked.category: float(np.log(one.chances[0] + 1e-6) - np.log(one.chances[1] + 1e-6))
         for one in answered if one.asked.kind == "presence"}
        for answered in by_photograph
    ]  # fmt: skip
    there = [
        sorted({one.asked.category for one in answered if one.asked.kind == "presence" and one.asked.truth == 0})
        for answered in by_photograph
    ]
    own, others = [], []
    for n, names in enumerate(there):
        if not names:
            continue
        for _ in range(5):
            named = rng.choice(names, min(3, len(names)), replace=False)
            other = int(rng.choice([m for m in range(len(there)) if m != n]))
            own.append(float(np.mean([odds[n][name] for name in named])))
            others.append(float(np.mean([odds[other][name] for name in named])))
    return auroc(own, others)


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--instances", required=True, help="COCO's, with every thing of every category boxed")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    corpus = load_corpus(
        load_settings(None, {"corpus": {"instances": [options.instances], "images": str(options.images)}}).corpus
    )
    validator = CheckpointValidator(
        load_checkpoint(ValidatorSettings(name=str(options.checkpoint), device="cpu")), 4096
    )
    categories = tuple(dict.fromkeys((*corpus.categories,)))
    images = [image for image in corpus.images if image.boxes]
    answered = list(answer(validator, images, options.images, categories))
    told = intervals(answered)
    print(f"{len(images)} photographs")
    for name, one in told.items():
        print(f"{name:58} {one['value']:.3f}  {one['low']:.3f} to {one['high']:.3f}  of {one['n']:,}")
    print(f"{'another image, by three things named':58} {other_image(answered):.3f}")
    if options.json:
        options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
