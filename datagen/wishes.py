"""Varied prompts: what may be wanted of a reply, drawn per image of what its captions and boxes can answer.

A wish that an image cannot meet is passed over by a good teacher and made up for by a bad one. So each may say what it
needs: a colour can be asked for where a caption names one, a side where a box has one, seven questions where seven
things are told.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence, Set
from functools import cache, lru_cache
from typing import Annotated, Literal

from msgspec import Meta, Struct

from datagen.claims.acts import act_of
from datagen.claims.kinds.attribute import VALUES as LOOKS
from datagen.claims.kinds.scene import VALUES as SCENES
from datagen.context import ContextPart
from datagen.geometry import boxes_alone, count_objects, horizontal_place, relation_between, vertical_place
from datagen.lexicon import Lexicon
from datagen.records import AnnotatedImage, Box

WANTED = "Wanted: "
Need = Literal[
    "captions", "no captions", "looks", "scene", "people", "belongings", "deeds", "example",
    "count", "several", "kinds", "place", "relation", "little",
]  # fmt: skip
LITTLE = 6
"""Facts up to which an image counts as one of which little is told."""

SEEN = frozenset({"captions", "looks", "scene", "count", "several", "kinds", "place", "relation"})
"""What a teacher who is shown a picture can find in any; people and deeds are in it or not, as the captions tell."""
SEEN_FACTS = 8
"""How much a teacher who is shown a picture knows at least."""


class AskedFor(Struct, frozen=True, forbid_unknown_fields=True):
    """A wish that not every image can meet.

    Attributes:
        ask: In words that stand in a list.
        needs: All of which an image must have: ``captions`` or ``no captions``; captions that tell ``looks`` (a color,
            a material, a pattern), a ``scene`` (place, weather, time), ``deeds``, or of ``people``, of what they have
            on or with them (``belongings``), or of something they do that one might do as well (``example``);
            boxes with a sure ``count``, one of ``several``, two ``kinds`` of things, a thing with a ``place`` in the
            frame, two with a ``relation``; ``little`` that is told in all.
        facts: How much must be told: a box's category, a count above one and two captions are a fact each.
    """

    ask: str
    needs: tuple[Need, ...] = ()
    facts: Annotated[int, Meta(ge=0)] = 0


class Wish(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be wanted of a reply.

    Attributes:
        of: The wishes to draw from, in words that stand in a list; those that need something with what they need.
        draw: How many of them an image gets, or as many as it can meet.
        fills: Per kind of question of ``diversity.coverage.KINDS``, and for ``yes`` and ``no``, the wish that asks for
            it where a set lacks it.
    """

    of: tuple[str | AskedFor, ...]
    draw: Annotated[int, Meta(ge=1)] = 1
    fills: dict[str, str] = {}

    def open_to(self, needs_met: frozenset[str], facts: int) -> list[str]:
        """The wishes that an image can meet."""
        asked = (one if isinstance(one, AskedFor) else AskedFor(one) for one in self.of)
        return [one.ask for one in asked if needs_met.issuperset(one.needs) and facts >= one.facts]


def draw_wishes(
    wishes: Sequence[Wish], needs_met: frozenset[str], facts: int, rng: random.Random, lacking: Sequence[str] = ()
) -> str:
    """Draw a line of wishes to stand behind a context, or nothing where none can be met.

    Args:
        wishes: Lists to draw from.
        needs_met: By ``needs_met_by``.
        facts: By ``count_facts``.
        rng: What decides.
        lacking: Keys of ``Wish.fills`` that are asked for before anything is drawn.
    """
    drawn: list[str] = []
    for wish in wishes:
        asked = [wish.fills[key] for key in lacking if key in wish.fills][: wish.draw]
        open_to = wish.open_to(needs_met, facts)
        others = rng.sample(open_to, min(wish.draw, len(open_to)))
        drawn += [*asked, *(text for text in others if text not in asked)][: wish.draw]
    return f"{WANTED}{'; '.join(drawn)}." if drawn else ""


def count_facts(image: AnnotatedImage, parts: Sequence[ContextPart]) -> int:
    """How much is told of an image, for how many questions or words it bears.

    Two captions are one fact: people tell the same in other words. On ten photographs whose descriptions an LLM wrote,
    those with up to 4 facts got 40 to 75 words, those with 9 to 11 around 100.
    """
    told = (len(image.captions) + 1) // 2 if "captions" in parts else 0
    if "boxes" in parts:
        told += _shown_by(image.boxes, tuple(image.unfinished or ()))[1]
    return told


def needs_met_by(image: AnnotatedImage, parts: Sequence[ContextPart]) -> frozenset[str]:
    """All that wishes may need and that an image has, of the parts that are told."""
    captions = image.captions if "captions" in parts else ()
    met = set(_told_by(captions))
    if "boxes" in parts and image.boxes:
        met |= _shown_by(image.boxes, tuple(image.unfinished or ()))[0]
    if count_facts(image, parts) <= LITTLE:
        met.add("little")
    return frozenset(met)


@lru_cache(maxsize=64)  # several types ask about an image
def _shown_by(boxes: tuple[Box, ...], unfinished: tuple[str, ...]) -> tuple[frozenset[str], int]:
    """Needs that boxes meet, and the facts that they tell."""
    counts = count_objects(boxes, unfinished)
    sure = [count.at_least for count in counts.values() if count.is_exact]
    corners = [box.box_unit for box in boxes_alone(boxes, counts).values()]
    has = (
        ("count", bool(sure)),
        ("several", any(number > 1 for number in sure)),
        ("kinds", len(counts) > 1),
        ("place", any(horizontal_place(one) or vertical_place(one) for one in corners)),
        ("relation", any(relation_between(one, other) for n, one in enumerate(corners) for other in corners[:n])),
    )
    return frozenset(name for name, is_met in has if is_met), len(counts) + sum(number > 1 for number in sure)


_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")
_RELATED = re.compile(
    r"\b(next to|beside|near|behind|between|under|above|below|in front of|on top of|on|onto|against|around)\b", re.I
)
_CARRIED = re.compile(
    r"\b(wear|worn|hold|carr|dress|clad|cloth|uniform|outfit|suit|shirt|jacket|coat|sweater|hat\b|cap\b|helmet|jeans|"
    r"shorts|skirt|glasses|backpack|umbrella|bag\b|purse)",
    re.I,
)
_LOOKS = frozenset(word for word, (sort, _) in LOOKS.items() if sort in ("colour", "material", "pattern"))
_POSTURES = frozenset("sitting standing lying looking parked smiling sleeping crying awake".split())
_OF_THINGS = frozenset("sitting standing lying looking parked".split())
_ALSO_THINGS = frozenset("building painting drawing writing parking".split())
_BE = frozenset("is are was were".split())
_BEFORE_THING = re.compile(r" (?:an?|the|his|her|its|their) ")


@cache
def _people() -> Lexicon:
    return Lexicon(("person",))


@lru_cache(maxsize=256)  # several types ask about an image
def _told_by(captions: tuple[str, ...]) -> frozenset[str]:
    if not captions:
        return frozenset({"no captions"})
    met = {"captions"}
    for text in captions:
        words = _WORD.findall(text.lower())
        people = {mention.end for mention in _people().find(text)}
        deeds = _deeds_in(text.lower(), people)
        has = {
            "looks": not _LOOKS.isdisjoint(words),
            "people": bool(people),
            "belongings": bool(people) and _CARRIED.search(text) is not None,
            "scene": not SCENES.keys().isdisjoint(words),
            "deeds": bool(deeds - _OF_THINGS) or bool(people and deeds),
            "example": bool(people) and not deeds <= _POSTURES,
            "relation": _RELATED.search(text) is not None,
        }
        met.update(name for name, is_met in has.items() if is_met)
    return frozenset(met)


def _deeds_in(text: str, people: Set[int]) -> set[str]:
    """What is done in a caption: "flying a kite", behind a person or "is" also "rides", before an article "painting".

    Elsewhere these are things as often ("skis", "a painting").

    Args:
        text: In lower case.
        people: Where mentions of people end.
    """
    deeds, before = set(), ""
    for match in _WORD.finditer(text):
        word = match[0]
        if not before:  # "Looking down at a desk" tells of nobody
            before = word
            continue
        is_sure = before in _BE or match.start() - 1 in people or _BEFORE_THING.match(text, match.end()) is not None
        if (word.endswith("ing") and word not in _ALSO_THINGS) or (is_sure and word.endswith(("ing", "s"))):
            deeds.add(act_of(word))
        before = word
    return {deed for deed in deeds if deed is not None}
