"""Absent objects that are plausible: what usually stands beside an image's boxed categories, and is surely not in it.

A teacher that is not told what is absent denies what comes to its mind, and cannot know whether it is right. So the
categories that share images are counted over the corpus, and of each image some are told that stand beside its own,
were looked for in it, and of which neither box nor caption leaves a doubt.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import islice, permutations

from msgspec import Struct

from datagen.claims.vocabulary import vocabulary_for
from datagen.config import ChecksSettings
from datagen.records import AnnotatedImage

COUNTED = 16_384
"""Images that tell what goes together; more would change no rank that is looked at, and take a second each 50,000."""
KEPT = 24
"""Companions that a category keeps: those of the others fill the rest."""
POOL = 8
"""The likeliest, of which an image's are drawn."""
_WORDS = re.compile(r"[a-z]+")


class Companions(Struct, frozen=True):
    """What goes with what.

    Attributes:
        near: Per category those that share images with it, with the cosine of the two columns of a table of images by
            categories: 1 where one is never seen without the other.
    """

    near: dict[str, dict[str, float]] = {}


NO_COMPANIONS = Companions()


def count_companions(images: Iterable[AnnotatedImage]) -> Companions:
    """Count which categories share images, over the first ``COUNTED`` of them."""
    alone: Counter[str] = Counter()
    together: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for image in islice(images, COUNTED):
        names = {box.category for box in image.boxes}
        alone.update(names)
        for one, other in permutations(names, 2):
            together[one][other] += 1
    near: dict[str, dict[str, float]] = {}
    for one in sorted(together):
        cosines = {other: n / (alone[one] * alone[other]) ** 0.5 for other, n in together[one].items()}
        near[one] = dict(sorted(cosines.items(), key=lambda item: (-item[1], item[0]))[:KEPT])
    return Companions(near)


def plausibly_absent(
    image: AnnotatedImage,
    deniable: tuple[str, ...],
    companions: Companions,
    categories: tuple[str, ...],
    settings: ChecksSettings,
) -> tuple[str, ...]:
    """Categories that one could expect in an image and that are surely not there, the likeliest first.

    Left out is what claims would not accept a denial of: a category that a caption names, leaves open ("food") or that
    may be taken for one that is there; and what annotators are known to overlook, or to box as they like.

    Args:
        image: The annotated image.
        deniable: Categories that annotators looked for in it.
        companions: Of the corpus.
        categories: The corpus's category names.
        settings: Uses ``words``.

    Returns:
        At most ``POOL``; none for an image without boxes, of which nobody knows whether it was looked at.
    """
    boxed = {box.category for box in image.boxes}
    likely: Counter[str] = Counter()
    for name in sorted(boxed):
        likely.update(companions.near.get(name, {}))
    looked_for = set(deniable)
    ranked = [name for name, _ in sorted(likely.items(), key=lambda item: (-item[1], item[0])) if name in looked_for]
    vocabulary = vocabulary_for(categories, settings.words)
    shown = boxed.union(*({mention.category for mention in vocabulary.lexicon.find(text)} for text in image.captions))
    left_open = {
        name
        for text in image.captions
        for word in _WORDS.findall(text.lower())
        if boxed.isdisjoint(members := vocabulary.hints.get(word, ()))
        for name in members
    }
    disputed = vocabulary.overlooked | vocabulary.uncountable
    found = (
        name
        for name in ranked
        if name not in shown
        and name not in left_open
        and name not in disputed
        and shown.isdisjoint(vocabulary.lookalikes.get(name, ()))
    )
    return tuple(islice(found, POOL))
