"""Plants errors: from a turn believed true to turns that are known to be false, one error each.

They are what the field's teachers get wrong: another number, a thing that is not there, the wrong side, a relation
turned around; each kind of claim knows how it is spoilt. Another image's answers need no planting. A validator that has
read much and sees nothing must not find them: see ``Frequencies``, and ``calibration`` for the words themselves.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import takewhile

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from datagen.claims.kind import Plant, PlantedError, Spoiling
from datagen.claims.kinds import KINDS, PLANTED_ERRORS
from datagen.claims.kinds.box import WRONG_BOX
from datagen.records import AnnotatedImage, Turn

ErrorKind = str
"""The name of a kind of error, one of ``ERROR_KINDS``."""

OTHER_IMAGE = PlantedError("other image", "an answer about another image")
TOLD = {error.name: error.told for error in (*PLANTED_ERRORS, OTHER_IMAGE)}
"""The kinds of error, in the order of their trials, as verdicts tell them."""
ERROR_KINDS: tuple[ErrorKind, ...] = tuple(TOLD)

MAX_COUNTED = 5_000
"""Images by which frequencies are told: to half a percent, in half a second."""
N_RIVALS = 3
MIN_RIVAL = 0.8  # as likely as the true thing; at 0.5 company alone told 3 points of AUROC more

_PLANTERS: dict[ErrorKind, dict[str, Plant]] = {
    error.name: {kind.name: plant for kind in KINDS for planted, plant in kind.plants if planted == error}
    for error in PLANTED_ERRORS
}


def is_clean(turn: Turn) -> bool:
    """Whether the annotations bear out everything that a turn claims, and it claims something."""
    return bool(turn.claims) and all(claim.verdict.startswith("supported") for claim in turn.claims)


def plant_errors(turn: Turn, spoiling: Spoiling) -> dict[ErrorKind, Turn]:
    """Plant one error of each kind that fits.

    Args:
        turn: With its claims; what is contradicted already, or said in the question, is left alone.
        spoiling: What may be said in place of what is true.

    Returns:
        Kind of error to the turn that has it, without claims: they must be read anew.
    """
    sound = [claim for claim in turn.claims if claim.verdict != "contradicted" and not claim.in_question]
    planted: dict[ErrorKind, Turn] = {}
    for error, plant_of in _PLANTERS.items():
        # Older kinds draw whether or not a claim fits, and what they plant in a run with a seed stays what it was.
        if error == WRONG_BOX.name and not any(claim.kind in plant_of for claim in sound):
            continue
        drawn = spoiling.rng.sample(sound, len(sound))
        answers = (plant_of[claim.kind](turn.answer, claim, spoiling) for claim in drawn if claim.kind in plant_of)
        answer = next((answer for answer in answers if answer is not None and answer != turn.answer), None)
        if answer is not None:
            planted[error] = replace(turn, answer=answer, claims=(), validation=None)
    return planted


def changed_words(before: str, after: str) -> tuple[str, str]:
    """What was said, and what is said in its place: the words between those that two texts begin and end with alike.

    Articles are left out, and capitals: "A dog" and "An elephant" differ in "dog" and "elephant".
    """
    old, new = (re.findall(r"[\w-]+", text.lower()) for text in (before, after))
    n_first = _n_alike(old, new)
    n_last = _n_alike(old[n_first:][::-1], new[n_first:][::-1])
    texts = (" ".join(words[n_first : len(words) - n_last]) for words in (old, new))
    said, instead = (re.sub(r"^(?:an? )?(?:pair of )?", "", text) for text in texts)
    return said, instead


def _n_alike(old: Sequence[str], new: Sequence[str]) -> int:
    """How many words two texts begin with alike."""
    return sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(old, new, strict=False)))


class Frequencies:
    """How often things are boxed side by side: what words alone could tell of an answer.

    Things that are not there are planted so that this tells as little as may be: each is as likely beside the others as
    the one whose place it takes, as in POPE's popular and adversarial questions (arXiv 2305.10355).

    Args:
        images: Of the corpus; of a large one ``MAX_COUNTED`` tell.
        names: Its categories.
    """

    def __init__(self, images: Sequence[AnnotatedImage], names: Sequence[str]) -> None:
        self._place = {name: n for n, name in enumerate(names)}
        self._together = np.zeros((len(names), len(names)))
        step = max(1, -(-len(images) // MAX_COUNTED))
        for n in range(0, len(images), step):
            shown = sorted({self._place[box.category] for box in images[n].boxes if box.category in self._place})
            self._together[np.ix_(shown, shown)] += 1
        self._n_images = max(1, len(range(0, len(images), step)))

    def rivals(self, name: str, shown: Collection[str], absent: Sequence[str]) -> list[str]:
        """Choose what could stand in place of a thing.

        Args:
            name: The thing.
            shown: What the image shows.
            absent: What may be named in its place.

        Returns:
            Of ``absent`` the nearest few, by how often they are boxed beside what else is shown; none where nothing
            is nearly as likely as the thing.
        """
        if name not in self._place:
            return []
        likely = self._likelihoods(shown, name)
        own = likely[self._place[name]]
        ranked = sorted(absent, key=lambda other: (abs(likely[self._place[other]] - own), other))
        return [other for other in ranked[:N_RIVALS] if likely[self._place[other]] >= MIN_RIVAL * own]

    def likelihood(self, name: str, beside: Collection[str]) -> float:
        """How often a thing is boxed beside others: the mean over them of the share of their images that show it."""
        return float(self._likelihoods(beside, name)[self._place[name]])

    def _likelihoods(self, shown: Collection[str], name: str) -> NDArray[np.float64]:
        """Of every category, by the other images: what is shown here, with ``name``, is taken out of the count."""
        # Sorted, as sums differ in their last digit by their order, and that of a set is another in each process.
        beside = sorted(self._place[other] for other in shown if other != name and other in self._place)
        here = np.zeros(len(self._place))
        here[[*beside, self._place[name]]] = 1
        if not beside:
            alone: NDArray[np.float64] = np.maximum(self._together.diagonal() - here, 0) / self._n_images
            return alone
        others = np.maximum(self._together[beside, beside] - 1, 1)
        found: NDArray[np.float64] = (np.maximum(self._together[beside] - here, 0) / others[:, None]).mean(0)
        return found
