"""Plausible absent objects, by co-occurrence: what often stands beside an image's categories, and surely not in it.

A teacher that is not told what is absent denies what comes to its mind, and cannot know whether it is right. So the
categories that share images are counted over the corpus, and of each image some are told that stand beside its own,
were looked for in it, and of which neither box nor caption leaves a doubt.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations, islice
from math import log

from msgspec import Struct

from datagen.claims.vocabulary import vocabulary_for
from datagen.config import ChecksSettings
from datagen.records import AnnotatedImage

COUNTED = 16_384
"""Images that tell what goes together; more would change no rank that is looked at, and take a second each 50,000."""
SUPPORT = 4
"""Images that two categories must share to count as seen together: of 249 images, pairs with one or two had put a kite
into kitchens and a toilet beside a vase."""
LIFT = 2.0
"""How many times as often as by chance two categories share images, for one to be expected where the other is."""
POOL = 8
"""The likeliest, of which an image's are drawn."""
_WORDS = re.compile(r"[a-z]+")


class Companions(Struct, frozen=True):
    """What goes with what.

    Attributes:
        n_images: Images with boxes that were counted.
        alone: Per category how many of them show it.
        together: Per category those that share at least ``SUPPORT`` images with it, and how many these are.
    """

    n_images: int = 0
    alone: dict[str, int] = {}
    together: dict[str, dict[str, int]] = {}

    def lift(self, one: str, other: str, more: float = 0.0) -> float:
        """How many times as often as by chance two categories share images.

        Args:
            one: A category.
            other: Another one.
            more: Is added to both numbers, so that few images say little.
        """
        by_chance = self.alone.get(one, 0) * self.alone.get(other, 0) / max(1, self.n_images)
        return (self.together.get(one, {}).get(other, 0) + more) / ((by_chance + more) or 1.0)

    def strength(self, names: Iterable[str], other: str) -> float:
        """How much likelier the categories of an image make another one: the sum of what each says, for or against.

        A kite goes with people and with none of the things in a kitchen, so people in a kitchen do not suggest one.
        """
        return sum(log(self.lift(name, other, 1.0)) for name in names)


NO_COMPANIONS = Companions()


def count_companions(images: Iterable[AnnotatedImage]) -> Companions:
    """Count which categories share images, over the first ``COUNTED`` of them."""
    n_images = 0
    alone: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for image in islice(images, COUNTED):
        names = sorted({box.category for box in image.boxes})
        n_images += bool(names)
        alone.update(names)
        pairs.update(combinations(names, 2))
    together: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for (one, other), n in sorted(pairs.items()):
        if n >= SUPPORT:
            together[one][other] = together[other][one] = n
    return Companions(n_images, dict(alone), dict(together))


def plausibly_absent(
    image: AnnotatedImage,
    deniable: tuple[str, ...],
    companions: Companions,
    categories: tuple[str, ...],
    settings: ChecksSettings,
) -> dict[str, float]:
    """Categories that one could expect in an image and that are surely not there, the likeliest first.

    One is expected that goes with one of the image's own (``LIFT``) and that all of these together make ``LIFT`` times
    as likely as it is anywhere.

    Left out is what claims would not accept a denial of; see ``surely_absent``.

    Args:
        image: The annotated image.
        deniable: Categories that annotators looked for in it.
        companions: Of the corpus.
        categories: The corpus's category names.
        settings: Uses ``words``.

    Returns:
        At most ``POOL`` with how strongly they go along, above 0; none for an image without boxes, of which nobody
        knows whether it was looked at, and few or none where little goes with what is there.
    """
    boxed = {box.category for box in image.boxes}
    looked_for = set(deniable)
    expected = {
        other
        for name in boxed
        for other in companions.together.get(name, {})
        if other not in boxed and other in looked_for and companions.lift(name, other) >= LIFT
    }
    strengths = {other: companions.strength(sorted(boxed), other) for other in expected}
    ranked = sorted(
        (name for name, value in strengths.items() if value >= log(LIFT)), key=lambda name: (-strengths[name], name)
    )
    found = surely_absent(ranked, image, categories, settings)
    return {name: strengths[name] for name in islice(found, POOL)}


def surely_absent(
    names: Iterable[str], image: AnnotatedImage, categories: tuple[str, ...], settings: ChecksSettings
) -> Iterator[str]:
    """Those of some categories of which neither box nor caption leaves a doubt that they are not there.

    Left out is a category that is boxed, that a caption names, leaves open ("food") or that may be taken for one that
    is there; and what annotators are known to overlook, or to box as they like.

    Args:
        names: Categories that annotators looked for in the image; their order is kept.
        image: The annotated image.
        categories: The corpus's category names.
        settings: Uses ``words``.
    """
    boxed = {box.category for box in image.boxes}
    vocabulary = vocabulary_for(categories, settings.words)
    shown = boxed.union(*({mention.category for mention in vocabulary.lexicon.find(text)} for text in image.texts))
    left_open = {
        name
        for text in image.captions
        for word in _WORDS.findall(text.lower())
        if boxed.isdisjoint(members := vocabulary.hints.get(word, ()))
        for name in members
    }
    disputed = vocabulary.overlooked | vocabulary.uncountable
    return (
        name
        for name in names
        if name not in shown
        and name not in left_open
        and name not in disputed
        and shown.isdisjoint(vocabulary.lookalikes.get(name, ()))
    )
