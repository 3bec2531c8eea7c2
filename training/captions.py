"""From a scene to sentences about it, worded as different people would, none of them false.

Only what ``datagen.geometry`` lets a careful writer say is said: counts are exact, sides and
relations are stated where the boxes leave no doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from datagen.geometry import count_objects, horizontal_place, relation_between, unique_boxes, vertical_place
from datagen.lexicon import UNCOUNTED, counted, plural, with_article
from datagen.records import AnnotatedImage, Box
from training.scenes import Dice, Scene

LARGE_AREA = 0.12
"""Share of the frame from which an object may be called large."""
_CORNERS = {"top": "upper", "bottom": "lower"}
_RELATION_WORDS = {"left of": "to the left of", "right of": "to the right of", "above": "above", "below": "below"}


def write_captions(scene: Scene, rng: np.random.Generator, n_captions: int = 5) -> tuple[str, ...]:
    """Write captions about a scene's objects.

    Args:
        scene: A scene with at least one object.
        rng: Chooses facts and wording; the same state gives the same captions.
        n_captions: How many; the first always names every category.

    Returns:
        Captions in different voices: lists, places, relations, now and then in sloppy lower case.
    """
    dice, image = Dice(rng), scene.annotated()
    voices: tuple[Callable[[AnnotatedImage, Dice], str | None], ...] = (_listing, _placing, _relating, _largest, _few)
    captions = [_listing(image, dice)]
    while len(captions) < n_captions:
        # A voice with nothing to say (no clear side, no pair) leaves its turn to the list.
        captions.append(dice.one_of(voices)(image, dice) or _listing(image, dice))
    return tuple(_spoken(caption, dice) for caption in captions)


def join_words(parts: list[str]) -> str:
    """Join with commas and a final "and"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _amount(category: str, number: int) -> str:
    return with_article(category) if number == 1 else counted(category, number)


def _listing(image: AnnotatedImage, dice: Dice) -> str:
    amounts = [_amount(count.category, count.at_least) for count in count_objects(image.boxes).values()]
    return _opened(join_words(_shuffled(amounts, dice)), amounts, dice)


def _few(image: AnnotatedImage, dice: Dice) -> str:
    """Name some of what is there, as a hurried annotator would."""
    amounts = [_amount(count.category, count.at_least) for count in count_objects(image.boxes).values()]
    some = _shuffled(amounts, dice)[: dice.whole(1, 2)]
    return join_words(some) + (" and more" if len(some) < len(amounts) else "")


def _placing(image: AnnotatedImage, dice: Dice) -> str | None:
    phrases = _shuffled(list(_place_phrases(image)), dice)
    if not phrases:
        return None
    first = phrases[0]
    if len(phrases) > 1 and dice.unit() < 0.5:
        return f"{first} and {phrases[1]}"
    return dice.one_of((first, f"there is {first}", f"you can see {first}"))


def _place_phrases(image: AnnotatedImage) -> Iterator[str]:
    for category, box in unique_boxes(image).items():
        across, down = horizontal_place(box.box_unit), vertical_place(box.box_unit)
        if across in ("left", "right") and down in _CORNERS:
            yield f"{with_article(category)} in the {_CORNERS[down]} {across}"
        elif across in ("left", "right"):
            yield f"{with_article(category)} on the {across} side"
        elif across == "middle" and down == "middle":
            yield f"{with_article(category)} in the middle"
        elif down in _CORNERS:
            yield f"{with_article(category)} near the {down}"


def _relating(image: AnnotatedImage, dice: Dice) -> str | None:
    single = unique_boxes(image)
    found = [
        (a, _RELATION_WORDS[relation], b)
        for a, box_a in single.items()
        for b, box_b in single.items()
        if a != b
        for relation in relation_between(box_a.box_unit, box_b.box_unit)
    ]
    if not found:
        return None
    a, words, b = dice.one_of(tuple(found))
    verb = "is" if plural(a) != a or a in UNCOUNTED else "are"
    subject = with_article(a)
    return dice.one_of((f"{subject} {words} {with_article(b)}", f"{subject} {verb} {words} {with_article(b)}"))


def _largest(image: AnnotatedImage, dice: Dice) -> str | None:
    by_area: list[Box] = sorted(image.boxes, key=lambda box: -box.area_unit)
    largest = by_area[0]
    if largest.area_unit < LARGE_AREA or largest.category not in unique_boxes(image):
        return None
    if largest.category in UNCOUNTED or plural(largest.category) == largest.category:
        return None
    name = f"a {dice.one_of(('large', 'big'))} {largest.category}"
    rest = len(image.boxes) - 1
    return name if not rest else f"{name} and {'something else' if rest == 1 else 'a few other things'}"


def _opened(text: str, amounts: list[str], dice: Dice) -> str:
    """Put an opening before a list; "there are" only before a list that opens with more than one."""
    is_one = text.startswith(("a ", "an ", "some "))
    there = "there is" if is_one else "there are"
    openings = [f"{there} {text}", f"a picture with {text}", text]
    if len(amounts) > 1:
        openings += [f"{text} together", f"{text} scattered about"]
    return dice.one_of(tuple(openings))


def _spoken(caption: str, dice: Dice) -> str:
    if dice.unit() < 0.2:
        return caption
    return f"{caption[0].upper()}{caption[1:]}{'.' if dice.unit() < 0.85 else ''}"


def _shuffled(items: list[str], dice: Dice) -> list[str]:
    return [item for _, item in sorted((dice.unit(), item) for item in items)]
