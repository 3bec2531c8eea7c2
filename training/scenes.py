"""From a random generator to a scene: what is drawn where, with exact boxes, before any pixel exists.

A scene is measured in shares of its frame, so one scene can be rendered at any size, and squashed
into a square the way an image processor would. ``training.render`` turns it into pixels.
"""

from __future__ import annotations

import math
from typing import Literal, TypeVar

import numpy as np
from msgspec import Struct

from datagen.records import AnnotatedImage, Box, BoxUnit
from training.atlas import Atlas

T = TypeVar("T")
Colour = tuple[int, int, int]
BackdropKind = Literal["plain", "down", "across", "horizon", "stripes", "checks", "blotches"]

MAX_OVERLAP = 0.12
"""Greatest share of the smaller of two boxes that another object may cover."""
SMALLEST = 0.09
"""Longest side, as a share of the frame's shorter side, below which no object shrinks."""
THINNEST = 0.05
"""A knife is made longer until it is at least this wide, as far as the style's longest side allows."""
TRIES_PER_SIZE = 12


class Backdrop(Struct, frozen=True):
    """What lies behind everything.

    Attributes:
        kind: ``down`` and ``across`` are gradients; ``horizon`` is sky over ground.
        colours: Two, or four for ``horizon`` (sky from, to, ground from, to).
        level: Height of the horizon, or width of a stripe or check, as a share of the frame.
        seed: Chooses the blotches.
    """

    kind: BackdropKind
    colours: tuple[Colour, ...]
    level: float = 0.5
    seed: int = 0


class Shape(Struct, frozen=True):
    """A coloured figure that is no object: scenery or a distractor.

    Attributes:
        colour_to: Colour at the lower edge, or None for one colour.
        opacity: 0 to 1.
    """

    kind: Literal["rectangle", "ellipse", "triangle"]
    box_unit: BoxUnit
    colour: Colour
    colour_to: Colour | None = None
    opacity: float = 1.0


class Placed(Struct, frozen=True):
    """A sprite in the frame; its solid pixels fill ``box_unit`` exactly.

    Attributes:
        category: COCO category, or None for scenery.
        angle: Degrees anticlockwise, turned before flipping.
        gain: Factors for red, green, blue, at most 1.
    """

    sprite: str
    category: str | None
    box_unit: BoxUnit
    angle: int = 0
    is_flipped: bool = False
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)


class Scene(Struct, frozen=True):
    """Everything that decides a picture.

    Attributes:
        aspect: Width over height of the frame.
        decor: Drawn over the backdrop and under the objects, in order.
        objects: Drawn in order; each has a category and a box.
        is_blurred: Smoothed by a 3 by 3 binomial filter.
        noise: Standard deviation of the grain in grey levels (of 255).
        noise_seed: Chooses the grain.
    """

    aspect: float
    backdrop: Backdrop
    decor: tuple[Shape | Placed, ...]
    objects: tuple[Placed, ...]
    is_blurred: bool = False
    noise: float = 0.0
    noise_seed: int = 0

    def annotated(self, image_id: str = "0", captions: tuple[str, ...] = ()) -> AnnotatedImage:
        """The scene as the pipeline's own record, so that teacher, context and checks can read it."""
        boxes = tuple(
            Box(placed.category, placed.box_unit, _area(placed.box_unit)) for placed in self.objects if placed.category
        )
        width = round(480 * self.aspect)
        return AnnotatedImage(image_id, f"{image_id}.jpg", width, 480, captions, boxes)


class SceneStyle(Struct, frozen=True, kw_only=True):
    """What scenes are drawn like; every share is a probability."""

    n_objects: tuple[int, int] = (1, 8)
    aspects: tuple[float, ...] = (1.0, 4 / 3, 3 / 2, 3 / 4)
    repeat: tuple[float, float] = (0.35, 0.35)  # a further object repeats a category that is there; drawn per scene
    longest: tuple[float, float] = (0.16, 0.42)  # longest side, share of the frame's shorter side
    turned: float = 0.4  # turned by up to 15 degrees, in steps of 5
    recoloured: float = 0.5
    max_distractors: int = 4
    blurred: float = 0.15
    grainy: float = 0.3
    held_out: bool = False  # draw the held-out sprites, of categories that have some


class Dice:
    """Cheap choices from one block of uniform numbers; single calls of a Generator cost ten times more."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._numbers: list[float] = []

    def unit(self) -> float:
        """Uniform in [0, 1)."""
        if not self._numbers:
            self._numbers = self._rng.random(256).tolist()
        return self._numbers.pop()

    def between(self, low: float, high: float) -> float:
        """Uniform in [low, high)."""
        return low + (high - low) * self.unit()

    def whole(self, low: int, high: int) -> int:
        """Whole number from ``low`` to ``high``, both included."""
        return low + int((high - low + 1) * self.unit())

    def one_of(self, options: tuple[T, ...]) -> T:
        """One of the options, all equally likely."""
        return options[int(len(options) * self.unit())]

    def colour(self, low: int = 30, high: int = 245) -> Colour:
        """A colour with each channel in the range."""
        return self.whole(low, high), self.whole(low, high), self.whole(low, high)


def draw_scene(
    rng: np.random.Generator, atlas: Atlas, categories: tuple[str, ...] | None = None, style: SceneStyle | None = None
) -> Scene:
    """Draw a scene at random; the same generator state gives the same scene.

    Args:
        rng: Advanced by a whole number of 256-number blocks.
        atlas: The sprites.
        categories: Categories to draw from; None takes all.
        style: How many objects, how large, how disturbed.

    Returns:
        A scene with at least one object. A full frame may end with fewer objects than drawn
        for, when no room is left.
    """
    dice, style = Dice(rng), style or SceneStyle()
    known = categories or atlas.categories
    if style.held_out:
        known = tuple(category for category in known if atlas.variants(category, held_out=True))
    aspect = dice.one_of(style.aspects)
    backdrop = _draw_backdrop(dice)
    decor = tuple(_draw_distractor(dice, atlas, aspect) for _ in range(dice.whole(0, style.max_distractors)))
    objects: list[Placed] = []
    least, most = style.repeat
    repeat = dice.between(least, most) if least < most else most
    for _ in range(dice.whole(*style.n_objects)):
        repeats = objects and dice.unit() < repeat
        category = dice.one_of(tuple(placed.category for placed in objects if placed.category) if repeats else known)
        placed = _place(dice, atlas, category, aspect, style, objects)
        if placed is not None:
            objects.append(placed)
    return Scene(
        aspect,
        backdrop,
        decor,
        tuple(objects),
        is_blurred=dice.unit() < style.blurred,
        noise=dice.between(2, 10) if dice.unit() < style.grainy else 0.0,
        noise_seed=dice.whole(0, 2**31),
    )


def box_for(atlas: Atlas, sprite: str, angle: int, longest: float, aspect: float) -> tuple[float, float]:
    """Width and height, in shares of the frame, of a sprite whose longest side is ``longest`` of the shorter side."""
    width, height = atlas.turned(sprite, angle).size
    scale = longest * min(1.0, aspect) / max(width, height)  # in units of the frame's height
    return scale * width / aspect, scale * height


def overlap(a: BoxUnit, b: BoxUnit) -> float:
    """Shared area as a share of the smaller box."""
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    return shared / min(_area(a), _area(b))


def _area(box: BoxUnit) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _place(
    dice: Dice, atlas: Atlas, category: str, aspect: float, style: SceneStyle, objects: list[Placed]
) -> Placed | None:
    """Find room for one more object, shrinking it when there is none."""
    sprite = dice.one_of(atlas.variants(category, held_out=style.held_out))
    angle = 5 * dice.whole(-3, 3) if dice.unit() < style.turned else 0
    gain = (1.0, 1.0, 1.0)
    if dice.unit() < style.recoloured:
        gain = (dice.between(0.75, 1), dice.between(0.75, 1), dice.between(0.75, 1))
    is_flipped = dice.unit() < 0.5
    sides = atlas.turned(sprite, angle).size
    longest = max(dice.between(*style.longest), min(style.longest[1], THINNEST * max(sides) / min(sides)))
    while longest >= SMALLEST:
        width, height = box_for(atlas, sprite, angle, longest, aspect)
        for _ in range(TRIES_PER_SIZE):
            left, top = dice.unit() * (1 - width), dice.unit() * (1 - height)
            box = (left, top, left + width, top + height)
            if all(overlap(box, other.box_unit) <= MAX_OVERLAP for other in objects):
                return Placed(sprite, category, box, angle, is_flipped, gain)
        longest *= 0.85
    return None


def _draw_backdrop(dice: Dice) -> Backdrop:
    kinds: tuple[BackdropKind, ...] = ("plain", "down", "across", "horizon", "horizon", "stripes", "checks", "blotches")
    kind = dice.one_of(kinds)
    first = dice.colour()
    if kind == "horizon":
        sky, ground = dice.colour(120, 255), dice.colour(40, 200)
        return Backdrop(kind, (sky, _near(dice, sky, 50), ground, _near(dice, ground, 50)), dice.between(0.25, 0.75))
    # Patterns of two loud colours hide small objects, so the second colour stays near the first.
    second = _near(dice, first, 40) if kind in ("stripes", "checks") else dice.colour()
    return Backdrop(kind, (first, second), dice.between(0.06, 0.2), dice.whole(0, 2**31))


def _near(dice: Dice, colour: Colour, reach: int) -> Colour:
    red, green, blue = (min(255, max(0, channel + dice.whole(-reach, reach))) for channel in colour)
    return red, green, blue


def _draw_distractor(dice: Dice, atlas: Atlas, aspect: float) -> Shape | Placed:
    """Something to look past: a plain figure, or a thing outside the categories."""
    if dice.unit() < 0.5:
        sprite = dice.one_of(atlas.decor)
        width, height = box_for(atlas, sprite, 0, dice.between(0.12, 0.4), aspect)
        left, top = dice.unit() * (1 - width), dice.unit() * (1 - height)
        return Placed(sprite, None, (left, top, left + width, top + height), is_flipped=dice.unit() < 0.5)
    kinds: tuple[Literal["rectangle", "ellipse", "triangle"], ...] = ("rectangle", "ellipse", "triangle")
    size = dice.between(0.06, 0.4)
    stretch = math.exp(dice.between(-1, 1))
    width, height = min(0.9, size * stretch), min(0.9, size / stretch)
    left, top = dice.unit() * (1 - width), dice.unit() * (1 - height)
    box = (left, top, left + width, top + height)
    return Shape(dice.one_of(kinds), box, dice.colour(), dice.colour(), dice.between(0.4, 1))
