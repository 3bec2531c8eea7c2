"""What a detector's boxes say about short questions: presence, number, side, quarter, relation and size of things.

Nothing is cut at a threshold: every box counts by its score, so a model that is unsure says so by its chances.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from datagen.claims.kind import YES_NO
from datagen.claims.kinds.count import ANSWERS
from datagen.claims.kinds.place import QUARTERS, SIDES
from datagen.records import Probe, ProbeKind

Numbers = NDArray[np.float64]

KINDS_SEEN: frozenset[ProbeKind] = frozenset(("presence", "count", "side", "quadrant", "relation", "size"))
"""The kinds of question that boxes answer."""

_ARTICLE = re.compile(r"^(?:a pair of|an?|some) (?=\S)")
_RELATION = re.compile(r"(?:Is|Are) the (?P<name>.+) (?P<relation>left of|right of|above|below) the (?P<other>.+)\?")
_SIZE = re.compile(r"(?:Is|Are) the (?P<name>.+) (?P<relation>larger|smaller) in the image than the (?P<other>.+)\?")
_PRESENCE = re.compile(r"Is there .+ in the image\?")
_MIN_SCORE = 1e-4  # below, three hundred boxes together make a thirtieth of a thing
_SOFTNESS = 0.05  # share of the frame that two centres must be apart to be told with some trust (a logistic's scale)
_SIZE_SOFTNESS = 0.25  # the same for the logarithm of two areas


class Sightings(Struct, frozen=True):
    """Where a detector sees one thing in one picture.

    Attributes:
        boxes: Corners left, top, right, bottom in shares of the frame, shape (boxes, 4).
        scores: Chance of each box, best first.
    """

    boxes: Numbers
    scores: Numbers

    @property
    def best(self) -> float:
        """Score of the surest box."""
        return float(self.scores[0]) if len(self.scores) else 0.0

    @property
    def centres(self) -> Numbers:
        """Of each box, shape (boxes, 2)."""
        middle: Numbers = (self.boxes[:, :2] + self.boxes[:, 2:]) / 2
        return middle

    @property
    def areas(self) -> Numbers:
        """Of each box, in shares of the frame."""
        area: Numbers = np.prod(np.maximum(self.boxes[:, 2:] - self.boxes[:, :2], 1e-4), axis=1)
        return area


def sort_sightings(boxes: Numbers, scores: Numbers) -> Sightings:
    """Put boxes in order, and take of each what better ones of the same thing already cover.

    A box that is half another's counts half (linear soft suppression, arXiv 1704.04503): no sum counts a thing twice.
    """
    order = [n for n in np.argsort(-scores, kind="stable") if scores[n] >= _MIN_SCORE]
    boxes, kept = np.clip(boxes[order], 0, 1), scores[order].copy()
    for n in range(1, len(kept)):
        kept[n] *= 1 - _overlap(boxes[n], boxes[:n]).max()
    again = np.argsort(-kept, kind="stable")
    return Sightings(boxes[again], kept[again])


def _overlap(box: Numbers, others: Numbers) -> Numbers:
    """Intersection over union of a box with each of several."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.prod(np.maximum(sides, 0), axis=1)
    area = np.prod(box[2:] - box[:2])
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    part: Numbers = shared / np.maximum(area + areas - shared, 1e-9)
    return part


class BoxQuestion(Struct, frozen=True):
    """A probe that boxes can answer, read.

    Attributes:
        names: The thing asked about, and what it is compared with.
        relation: How they lie, or which is larger; empty where one thing is asked about.
    """

    asks: ProbeKind
    names: tuple[str, ...]
    relation: str = ""


def read_question(probe: Probe) -> BoxQuestion | None:
    """Read a probe, as the claim kinds word it; None where it asks for more than boxes say."""
    name = _ARTICLE.sub("", probe.phrase)
    one_thing = {ANSWERS: "count", SIDES: "side", QUARTERS: "quadrant"}.get(probe.answers)
    if not name or (one_thing is None and probe.answers != YES_NO):
        return None
    if one_thing is not None:
        return BoxQuestion(one_thing, (name,))  # type: ignore[arg-type]
    if _PRESENCE.fullmatch(probe.question):
        return BoxQuestion("presence", (name,))
    for kind, form in (("relation", _RELATION), ("size", _SIZE)):
        found = form.fullmatch(probe.question)
        if found is not None and found["name"] == name:
            return BoxQuestion(kind, (name, found["other"]), found["relation"])  # type: ignore[arg-type]
    return None


def answer_question(question: BoxQuestion, seen: Callable[[str], Sightings]) -> tuple[float, ...]:
    """Chances of a question's answers, in their order, together 1."""
    things = [seen(name) for name in question.names]
    if question.asks == "count":
        return _shares(_count_chances(things[0].scores))
    if question.asks == "side":
        left = _left_and_upper(things[0])[0]
        return _shares(np.array([left, 1 - left]))
    if question.asks == "quadrant":
        left, upper = _left_and_upper(things[0])
        return _shares(np.outer([upper, 1 - upper], [left, 1 - left]).ravel())
    yes = min(thing.best for thing in things)
    if question.asks != "presence":
        yes *= _holds(question.relation, *things)
    return _shares(np.array([yes, 1 - yes]))


def _count_chances(scores: Numbers) -> Numbers:
    """Of one thing, two, ..., given that there is any: half by boxes each for itself, half by one cut through all.

    A detector that gives a thing too small a score gives most things of that picture too small ones, so boxes are not
    there or not independently of each other; nor does one cut part them all. Of 653 photographs their mean told planted
    counts with an AUROC of .777, each for itself .757, one cut .769, and so with two other detectors.
    """
    if not len(scores):
        return np.ones(len(ANSWERS))
    return (_shared(_by_themselves(scores)) + _shared(_by_one_cut(scores))) / 2


def _shared(weights: Numbers) -> Numbers:
    found: Numbers = weights / max(weights.sum(), 1e-12)
    return found


def _by_one_cut(scores: Numbers) -> Numbers:
    """How many boxes lie above a cut, any cut being as likely; more than can be said count as the most."""
    most = len(ANSWERS)
    best = np.append(scores, np.zeros(most))[:most]
    falls: Numbers = best - np.append(best[1:], 0.0)
    return falls


def _by_themselves(scores: Numbers) -> Numbers:
    """How many boxes are there, each by its own chance; more than can be said count as the most."""
    most = len(ANSWERS)
    chances = np.zeros(most + 1)
    chances[0] = 1.0
    for score in scores:
        moved = chances * score
        chances = chances - moved
        chances[1:] += moved[:-1]
        chances[most] += moved[most]
    return chances[1:]


def _left_and_upper(thing: Sightings) -> tuple[float, float]:
    """Chances that a thing is on the left, and that it is in the upper half, each box by its score's square."""
    if not len(thing.scores):
        return 0.5, 0.5
    weights = thing.scores**2 / (thing.scores**2).sum()
    left, upper = weights @ _logistic((0.5 - thing.centres) / _SOFTNESS)
    return float(left), float(upper)


def _holds(relation: str, one: Sightings, other: Sightings) -> float:
    """Chance that two things lie so, over all pairs of their boxes."""
    if not len(one.scores) or not len(other.scores):
        return 0.5
    weights = np.outer(one.scores**2, other.scores**2)
    if relation in ("larger", "smaller"):
        apart = (np.log(one.areas)[:, None] - np.log(other.areas)[None, :]) / _SIZE_SOFTNESS
        apart = apart if relation == "larger" else -apart
    else:
        axis = 0 if relation in ("left of", "right of") else 1
        apart = (other.centres[None, :, axis] - one.centres[:, None, axis]) / _SOFTNESS
        apart = apart if relation in ("left of", "above") else -apart
    return float((weights * _logistic(apart)).sum() / weights.sum())


def _logistic(values: Numbers) -> Numbers:
    result: Numbers = 1 / (1 + np.exp(-np.clip(values, -40, 40)))
    return result


def _shares(weights: Numbers) -> tuple[float, ...]:
    """Chances with six digits, none of them nought."""
    total = weights.sum()
    weights = np.maximum(weights / total if total > 0 else np.ones_like(weights), 1e-6)
    return tuple(round(float(weight), 6) for weight in weights / weights.sum())
