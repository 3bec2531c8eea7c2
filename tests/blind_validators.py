"""Turns as validators would have measured them that see nothing, a little, or well: their scores are made up.

A run has about five turns an image, a claim of two kinds in each, and every error planted. ``noise`` gives random
numbers. ``grey`` knows the words alone, as before grey pictures: planted errors are less likely to it by what it has
read. ``random weights`` adds to that what every picture does to every answer. ``seeing`` is a good validator, ``weak`` one
that sees a little.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from datagen.validator.calibration import Measured
from datagen.validator.planting import ERROR_KINDS, OTHER_IMAGE

MEASURES = {"count": "count", "absent object": "presence", "side": "place", "relation": "relation"}
_GAP = {"weak": 0.7, "seeing": 3.0}
_PRIOR = 1.0  # AUROC .76 by words alone


def turns_of(validator: str, n_images: int, seed: int, n_turns: int = 5) -> list[Measured]:
    """The turns of one run, clean and planted, as a validator would have measured them."""
    draw = random.Random(f"{validator} {n_images} {seed}")
    mood = [draw.gauss(0, 1) for _ in range(n_images + 1)]  # what a picture does to every answer
    return [one for image in range(n_images) for _ in range(n_turns) for one in _turns(validator, image, mood, draw)]


def _turns(validator: str, image: int, mood: list[float], draw: random.Random) -> Iterator[Measured]:
    kinds = draw.sample(sorted(MEASURES), 2)
    suffers = tuple(kind for kind in ERROR_KINDS if kind in (*kinds, OTHER_IMAGE.name))
    words = {kind: draw.gauss(0, 1) for kind in kinds}

    def measured(planted: str | None, picture: int) -> Measured:
        said = {kind: draw.gauss(-_PRIOR, 1) if kind == planted else words[kind] for kind in kinds}
        seen, grey = (_measures(validator, said, planted, at, mood, draw) for at in (picture, -1))
        spoilt = suffers if planted is None else ()
        return Measured(f"image {image}", seen, suffers, planted, grey, planted is None, spoilt)

    yield measured(None, image)
    for kind in kinds:
        yield measured(kind, image)
    yield measured(OTHER_IMAGE.name, (image + 1) % (len(mood) - 1))


def _measures(
    validator: str, said: dict[str, float], planted: str | None, picture: int, mood: list[float], draw: random.Random
) -> dict[str, float]:
    if validator == "noise":
        found = {MEASURES[kind]: draw.gauss(0, 1) for kind in said}
    else:
        blur = 0.0 if validator == "grey" else draw.gauss(0, 0.5) + 0.5 * mood[picture]
        gap = _GAP.get(validator, 0.0) if picture >= 0 else 0.0
        is_wrong = {kind: planted in (kind, OTHER_IMAGE.name) for kind in said}
        found = {MEASURES[kind]: words + blur - gap * is_wrong[kind] for kind, words in said.items()}
    return {**found, "claims": min(found.values())}
