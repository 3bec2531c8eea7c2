"""What one or several detectors found on the same photographs, joined, each box with the chance that it is right.

``python -m training.join_findings OUT DETECTOR … --boxed FOLDER`` reads ``DETECTOR/FOLDER.jsonl``, see ``photographs``,
and writes ``OUT/FOLDER.jsonl`` with ``"trusted": true``: there the fifth number is a chance, not a score. Log-odds of
detectors add up; slope and offset are learned on a folder in which everything is boxed.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from datagen.geometry import iou
from datagen.records import BoxUnit
from datagen.words import COCO_CATEGORIES
from training.photographs import LEAST_TRUST, Photograph, read_folders

SAME = 0.5
"""Overlap, as intersection over union, from which on boxes of two detectors are of one thing."""
UNSEEN = 1e-3
"""Score of a detector that found nothing."""
MOST = 40
"""Boxes kept of a photograph, the surest."""
_STEPS, _LONGEST_STEP = 300, 0.3

Box: TypeAlias = tuple[float, float, float, float, float, int]
"""Left, top, right, bottom, score and category, as a detector's line tells it."""


class Trust(Struct, frozen=True):
    """From the sum of log-odds to a chance: ``1 / (1 + exp(-(slope * sum + offset)))``."""

    slope: float
    offset: float

    def chance(self, log_odds: float) -> float:
        """The chance that a box is right."""
        return float(1 / (1 + np.exp(-(self.slope * log_odds + self.offset))))


def log_odds(score: float) -> float:
    """Of a score, kept within ``UNSEEN`` of 0 and 1."""
    kept = min(1 - UNSEEN, max(UNSEEN, score))
    return float(np.log(kept / (1 - kept)))


def fitted(sums: NDArray[np.float64], is_there: NDArray[np.bool_]) -> Trust:
    """Slope and offset of a logistic regression, by Newton's steps of bounded length."""
    at = np.array([0.6, 0.0])
    columns = np.stack([sums, np.ones_like(sums)])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-(at @ columns)))
        gradient = columns @ (chance - is_there)
        curve = (columns * (chance * (1 - chance))) @ columns.T + 1e-6 * np.eye(2)
        at = at - np.clip(np.linalg.solve(curve, gradient), -_LONGEST_STEP, _LONGEST_STEP)
    return Trust(float(at[0]), float(at[1]))


def joined(found: Sequence[Sequence[Box]], trust: Trust) -> list[Box]:
    """One photograph's boxes of all detectors.

    Args:
        found: Of each detector.
        trust: In sums of log-odds.

    Returns:
        Boxes with chances instead of scores. The surest of a category bears the sum of the detectors' best scores,
        wherever they lie: so presence was learned.
    """
    seen: dict[int, list[tuple[Box, dict[int, float]]]] = defaultdict(list)
    best: dict[int, dict[int, float]] = defaultdict(dict)
    for number, boxes in enumerate(found):
        for box in sorted(boxes, key=lambda one: -one[4]):
            score = log_odds(box[4])
            best[box[5]].setdefault(number, score)
            twins = (scores for other, scores in seen[box[5]] if iou(_corners(box), _corners(other)) >= SAME)
            scores = next(twins, None)
            if scores is None:
                seen[box[5]].append((box, {number: score}))
            else:
                scores.setdefault(number, score)

    def total(scores: dict[int, float]) -> float:
        return sum(scores.get(n, log_odds(UNSEEN)) for n in range(len(found)))

    told: list[Box] = []
    for category, things in seen.items():
        sums = [total(scores) for _, scores in things]
        sums[int(np.argmax(sums))] = total(best[category])
        told += [(*box[:4], trust.chance(one), category) for (box, _), one in zip(things, sums, strict=True)]
    return sorted((one for one in told if one[4] >= LEAST_TRUST), key=lambda one: -one[4])[:MOST]


def _corners(box: Box) -> BoxUnit:
    return box[0], box[1], box[2], box[3]


def learn(photographs: Sequence[Photograph], found: Sequence[dict[str, list[Box]]]) -> Trust:
    """Learn trust where everything is boxed: presence of each category that is decided.

    Raises:
        SystemExit: If the detectors looked through none of the photographs.
    """
    sums, is_there = [], []
    for one in photographs:
        name = one.path.name
        if not one.decided or any(name not in by_name for by_name in found):
            continue
        have = {box.category for box in one.boxed}
        for category in sorted(one.decided):
            scores = [max((box[4] for box in by[name] if box[5] == category), default=UNSEEN) for by in found]
            sums.append(sum(map(log_odds, scores)))
            is_there.append(category in have)
    if not any(is_there):
        raise SystemExit("the detectors looked through no photograph of --boxed; label that folder first")
    return fitted(np.array(sums), np.array(is_there))


def read_findings(path: Path) -> dict[str, list[Box]]:
    """A detector's boxes by file name."""
    told = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {one["id"]: [(*box[:5], int(box[5])) for box in one["det"]] for one in told}


def main(arguments: list[str] | None = None) -> None:
    """Join as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path)
    parser.add_argument("detectors", type=Path, nargs="+", help="folders with FOLDER.jsonl, of one detector each")
    parser.add_argument("--boxed", type=Path, required=True, help="folder of photographs in which everything is boxed")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    boxed = [read_findings(one / f"{options.boxed.name}.jsonl") for one in options.detectors]
    trust = learn(read_folders([options.boxed], COCO_CATEGORIES), boxed)
    print(f"chance = 1 / (1 + exp(-({trust.slope:.2f} x + {trust.offset:.2f}))), x the sum of log-odds")
    for first in sorted(options.detectors[0].glob("*.jsonl")):
        found = [read_findings(one / first.name) for one in options.detectors if (one / first.name).exists()]
        if len(found) < len(options.detectors):
            print(f"{first.name}: not every detector looked through it; left out")
            continue
        with (options.out / first.name).open("w", encoding="utf-8") as lines:
            for name in found[0]:
                boxes = joined([by_name.get(name, []) for by_name in found], trust)
                lines.write(json.dumps({"id": name, "trusted": True, "det": boxes}) + "\n")


if __name__ == "__main__":
    main()
