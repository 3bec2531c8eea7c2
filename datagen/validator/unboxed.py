"""Missing bounding boxes: things that a validator sees and nobody boxed, pixels held against annotations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from msgspec import Struct

from datagen.claims.kind import YES_NO, presence_question
from datagen.claims.kinds.absence import ABSENCE
from datagen.claims.kinds.presence import PRESENCE
from datagen.claims.vocabulary import vocabulary_for
from datagen.lexicon import with_article
from datagen.records import AnnotatedImage, Finding, Probe, ProbeScore, Turn
from datagen.validator.protocol import OUTSIDE, Fault, LoadPicture, Look, Validator, score_key
from datagen.words import NO_WORDS, Words

SURE, CAPTIONED = 0.95, 0.5
"""Chance from which on a thing without a box is told, and one that captions name.

Of 427 photographs of PASCAL VOC 2007 that nano never saw one boxed thing in ten was hidden (67). At .95 it listed 44 of
them and 21 others, of which at least 4 are there by eye; at .9 51 and some 40. Of 80 of COCO 28 things were hidden: of
what captions name it listed 6 of these at .5, and 2 others, one of which is there.
"""
MOST = 3
"""More things without a box on one picture are no oversight: the picture is not of a kind that the validator knows."""
IMAGES_AT_ONCE = 32


class Unboxed(Struct, frozen=True):
    """A thing that is probably there and has no box.

    Attributes:
        chance: That it is there, as the validator says.
        is_captioned: A caption names it.
    """

    category: str
    chance: float
    is_captioned: bool

    @property
    def told(self) -> str:
        """As one sentence."""
        captioned = "captions name one too" if self.is_captioned else "no caption names one"
        return f"{self.category}: {self.chance:.0%} likely to be there by the pixels, no box shows one; {captioned}"


class Looked(Struct, frozen=True):
    """What a validator made of a corpus.

    Attributes:
        found: Image id and a thing without a box, of any chance.
        of_boxed: The chances of what is boxed.
        faults: Pictures that it does not know.
    """

    found: tuple[tuple[str, Unboxed], ...]
    of_boxed: tuple[float, ...]
    faults: tuple[Finding, ...]


def look_for_unboxed(
    images: Iterable[AnnotatedImage],
    categories: Sequence[str],
    validator: Validator,
    load_picture: LoadPicture,
    words: Words = NO_WORDS,
    least: float = CAPTIONED,
) -> Looked:
    """Ask of every image whether each thing that the validator knows is there.

    Args:
        images: Of a corpus with boxes.
        categories: Its category names.
        validator: Takes questions of presence.
        load_picture: Opens a picture by file name.
        words: Laid over the built-in words.
        least: What is less likely is not kept.
    """
    vocabulary, known = vocabulary_for(tuple(categories), words), validator.abilities.categories
    asked = {
        name: Probe(presence_question(name), YES_NO, with_article(name))
        for name in categories
        if known is None or name in known
    }
    found: list[tuple[str, Unboxed]] = []
    of_boxed: list[float] = []
    faults: list[Finding] = []
    coming = iter(images)
    while some := tuple(islice(coming, IMAGES_AT_ONCE)):
        looks = {image.image_id: Look(image.file_name, tuple(asked.values())) for image in some}
        id_of = {image.file_name: image.image_id for image in some}
        chances: dict[str, float] = {}
        for score in validator.score(list(looks.values()), load_picture):
            if isinstance(score, ProbeScore):
                chances[score.key] = score.chances[0]
            elif isinstance(score, Fault) and score.reason == OUTSIDE:
                faults.append(Finding("image_not_looked_at", id_of[score.picture], score.detail))
        for image in some:
            boxed = {box.category for box in image.boxes}
            named = {name for caption in image.texts for name in vocabulary.lexicon.named(caption)}
            for name, probe in asked.items():
                chance = chances.get(score_key(validator.identity, looks[image.image_id], probe), 0.0)
                if name in boxed:
                    of_boxed.append(chance)
                elif chance >= least and boxed.isdisjoint(vocabulary.lookalikes.get(name, ())):
                    found.append((image.image_id, Unboxed(name, chance, name in named)))
    return Looked(tuple(found), tuple(of_boxed), tuple(faults))


def find_unboxed(looked: Looked) -> Iterator[Finding]:
    """List what probably has no box: what captions name and the pixels bear out, and what they are very sure of.

    Yields:
        ``image_not_looked_at``, then ``probably_unboxed``, what captions name first and the surest of each before.
    """
    yield from looked.faults
    listed = [pair for pair in looked.found if pair[1].chance >= (CAPTIONED if pair[1].is_captioned else SURE)]
    number = Counter(image_id for image_id, _ in listed)
    for image_id, n in number.items():
        if n > MOST:
            told = f"the validator is sure of {n} things without a box: it does not know such pictures"
            yield Finding("image_not_looked_at", image_id, told)
    for image_id, one in sorted(listed, key=lambda pair: (not pair[1].is_captioned, -pair[1].chance)):
        if number[image_id] <= MOST:
            yield Finding("probably_unboxed", image_id, one.told)


def unboxed_in(turn: Turn) -> Iterator[Unboxed]:
    """Things that a turn speaks of, that no box shows, and that the validator is sure of.

    Args:
        turn: With the chances of its claims; they are there only for kinds of error that the run's calibration trusts.
    """
    for probe in (turn.validation and turn.validation.probes) or ():
        claim = turn.claims[probe.claim]
        is_captioned = claim.verdict == "supported_by_caption"
        is_open = claim.kind == PRESENCE.name and (is_captioned or claim.verdict == "unknown")
        if is_open and probe.chance >= (CAPTIONED if is_captioned else SURE):
            yield Unboxed(claim.category, probe.chance, is_captioned)
        if claim.kind == ABSENCE.name and claim.verdict.startswith("supported") and probe.chance <= 1 - SURE:
            yield Unboxed(claim.category, round(1 - probe.chance, 6), is_captioned=False)
