"""From a photograph's boxes to questions: absent things that often stand beside what is there, nothing doubtful."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from datagen.claims.layout import area_of
from datagen.records import AnnotatedImage, BoxUnit
from datagen.records import Box as NamedBox
from training.photographs import Found, Photograph, Presence
from training.questions import Facts, Question, QuestionMix, draw_questions

SURE = 0.7
"""A detector's box counts as a thing from this trust on."""
ABSENT = 0.06
"""A category is asked as absent up to this chance that it is there."""
HARD_SHARE, N_HARD = 0.6, 8
"""Share of pictures whose absent things are drawn by how often they stand beside what is there, and how many."""
FLOOR = 0.02
"""Added to how often two things stand together, so that any may be drawn."""


class Names(Struct, frozen=True):
    """What categories are called in one question sheet.

    The language model shall read a word's evidence off the tokens whichever word it is. So in half the sheets the names
    are dealt anew, and the tokens' numbers with them: a zebra of which there are four photographs is then as well
    practised as a dog.

    Attributes:
        names: By number of the category in the photograph.
        place: Where each number's evidence stands in the tokens.
    """

    names: tuple[str, ...]
    place: tuple[int, ...]

    @classmethod
    def own(cls, categories: Sequence[str]) -> Names:
        """As they are."""
        return cls(tuple(categories), tuple(range(len(categories))))

    @classmethod
    def dealt(cls, categories: Sequence[str], rng: random.Random) -> Names:
        """Dealt anew."""
        place = rng.sample(range(len(categories)), len(categories))
        return cls(tuple(categories[n] for n in place), tuple(place))


class Album(Struct, frozen=True):
    """Photographs to ask about.

    Attributes:
        photographs: As read.
        presence: What is known of each.
        together: How often a category is there where another is, (categories, categories).
    """

    photographs: Sequence[Photograph]
    presence: Presence
    together: NDArray[np.float64]


def make_album(photographs: Sequence[Photograph], presence: Presence) -> Album:
    """Count what stands together."""
    there = (presence.chance > 0.5).astype(np.float64)
    return Album(photographs, presence, there.T @ there / there.sum(0).clip(1)[:, None])


def things_of(photograph: Photograph) -> tuple[Found, ...]:
    """Boxes that are sure enough to be asked about."""
    return tuple(found for found in photograph.found if found.trust >= SURE)


class Sheet(Struct, frozen=True):
    """What stands in a photograph, by the names that a question sheet gives; see ``batches.Holding``."""

    objects: tuple[NamedBox, ...]


def lay_out(photograph: Photograph, names: Names, *, mirror: bool) -> Sheet:
    """Name the things of a photograph."""
    return Sheet(
        tuple(
            NamedBox(names.names[one.category], box := placed(one.box, mirror), area_of(box), one.is_crowd)
            for one in things_of(photograph)
        )
    )


def ask_about(
    album: Album, number: int, names: Names, rng: random.Random, mix: QuestionMix, *, mirror: bool
) -> list[Question]:
    """Draw questions about a photograph.

    Args:
        album: Holds it.
        number: Its place there.
        names: What categories are called.
        rng: The same state gives the same questions.
        mix: Which kinds, and how many at most.
        mirror: It is shown mirrored.
    """
    photograph = album.photographs[number]
    things = things_of(photograph)
    sheet = lay_out(photograph, names, mirror=mirror)
    absent = [names.names[n] for n in _absent(album, number, things, rng)]
    facts = Facts(AnnotatedImage("", "", 0, 0, (), sheet.objects), absent, rng)
    decided = {names.names[n] for n in photograph.decided}
    doubtful = {names.names[one.category] for one in photograph.found if one.trust < SURE}
    facts.counts = {name: n for name, n in facts.counts.items() if name in decided}
    facts.unique = {name: box for name, box in facts.unique.items() if name not in doubtful}
    return draw_questions(facts, mix)


def placed(box: BoxUnit, mirror: bool) -> BoxUnit:
    """A box as it is shown."""
    return (1 - box[2], box[1], 1 - box[0], box[3]) if mirror else box


def _absent(album: Album, number: int, things: Sequence[Found], rng: random.Random) -> list[int]:
    chance, weight = album.presence.chance[number], album.presence.weight[number]
    absent = [int(n) for n in np.flatnonzero((weight > 0) & (chance <= ABSENT))]
    there = sorted({one.category for one in things})
    if not there or len(absent) <= N_HARD or rng.random() >= HARD_SHARE:
        return absent
    share = album.together[there].max(0)[absent] + FLOOR
    drawn = np.random.default_rng(rng.getrandbits(32)).choice(absent, N_HARD, replace=False, p=share / share.sum())
    return [int(n) for n in drawn]
