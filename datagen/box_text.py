"""Bounding boxes inside questions and answers: the one form in which samples carry them, and how it is found.

``[0.120, 0.280, 0.340, 0.670]``: left, top, right, bottom as shares of the picture, 0 to 1, y pointing down. It is what
the context tells a teacher and needs no picture to be read; ``export/coordinates.py`` writes it as each model family
has it. A thousandth of a COCO photograph is 0.6 pixels, less than two annotators differ by.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from datagen.records import BoxUnit, Turn

_SHARE = r"-?(?:\d?\.\d{1,8}|[01])"
_BOX = rf"\[ ?{_SHARE}(?: ?, ?{_SHARE}){{3}} ?\]"
BOX = re.compile(_BOX)
"""A box in this form, whether or not it lies inside the picture."""
BOXES = re.compile(rf"{_BOX}(?:(?:, (?:and )?|,? and | ){_BOX})*")
"""Boxes side by side, as in "[…], […], and […]": they belong to one thing named."""
_TALK = re.compile(rf"{BOXES.pattern}|\bbounding[- ]box(?:es)?\b(?: coordinates)?", re.IGNORECASE)
_ASKS_FOR_BOX = re.compile(
    r"\b(?:the|its|their|his|her|an?|one) box(?:es)?(?: (?:alone|around|of|for))?\b", re.IGNORECASE
)
_COORDINATES = re.compile(r"\bcoordinates\b", re.IGNORECASE)
_NUMBER = r"-?\d{0,5}\.?\d{1,8}"
_OTHER_FORM = re.compile(  # looked for where no box of the one form stands
    rf"[\[(]\s?{_NUMBER}%?(?:\s?[,;]?\s{{0,2}}{_NUMBER}%?){{1,7}}\s?[\])]"  # pixels, thousandths, percent, a point
    r"|[\[(]\s?\0"  # brackets inside brackets
    rf"|(?<![\w.])-?\d?\.\d{{1,8}}\s?,\s?-?\d?\.\d"  # shares without brackets
    rf"|(?<![\w.])\d{{1,5}}(?:\s?,\s?\d{{1,5}}){{3}}(?!\w|\.\d)"
    r"|</?(?:\|)?(?:box|ref|quad|object_ref|det|phrase|object)\w*(?:\|)?>|<(?:loc|patch_index|bin|x|y)_?\d"
    r"|[\"']?\bb(?:box|ounding_box)(?:_2d)?\b[\"']?\s?[:=]"
    r"|\b[xy][_ ]?(?:min|max|[12])?\s?[=:≈]\s?-?[\d.]"
    r"|\b(?:left|top|right|bottom|width|height)[\"']?\s?[=:]\s?-?\d?\.\d",
    re.IGNORECASE,
)


class BoxInText(NamedTuple):
    """A box with its place in a text."""

    start: int
    end: int
    box: BoxUnit


def boxes_in(text: str) -> Iterator[BoxInText]:
    """Find the boxes of a text, in order; those that reach out of the picture too."""
    for match in BOX.finditer(text) if "[" in text else ():
        left, top, right, bottom = map(float, match[0].strip("[]").split(","))
        yield BoxInText(match.start(), match.end(), (left, top, right, bottom))


def has_box(turn: Turn) -> bool:
    """Whether a question or an answer holds a box."""
    return any(BOX.search(text) is not None for text in (turn.question, turn.answer) if "[" in text)


def tell_box(box: BoxUnit) -> str:
    """Write a box into a text."""
    return f"[{', '.join(f'{share:.3f}' for share in box)}]"


def is_inside(box: BoxUnit) -> bool:
    """Whether corners are in order and inside the picture."""
    left, top, right, bottom = box
    return 0 <= left < right <= 1 and 0 <= top < bottom <= 1


def with_plain_boxes(text: str) -> str:
    """Write every box of a text alike, three digits each; one that lies outside stays as it is."""
    return _replaced(text, lambda one: tell_box(one.box) if is_inside(one.box) else text[one.start : one.end])


def without_boxes(text: str) -> str:
    """Blank out boxes, those side by side with what joins them, and talk of them: other letters keep their places."""
    return _TALK.sub(lambda found: " " * len(found[0]), text) if "[" in text or "ounding" in text else text


def without_box_talk(question: str) -> str:
    """Blank out the words by which a question asks for a box: "Where is the dog? Answer with the box alone."."""
    return _ASKS_FOR_BOX.sub(lambda found: " " * len(found[0]), question)


def read_as_words(text: str) -> str:
    """Put a numeral in the place of boxes, a word in that of talk of them, for who looks at the wording."""
    return _COORDINATES.sub("place", _TALK.sub(lambda found: "0" if found[0][0] == "[" else "place", text))


def in_another_form(text: str) -> str | None:
    """What in a text looks like coordinates and is no box of the one form."""
    found = _OTHER_FORM.search(BOX.sub("\0", text))
    return None if found is None else found[0].replace("\0", "[…]")


def _replaced(text: str, write: Callable[[BoxInText], str]) -> str:
    pieces: list[str] = []
    at = 0
    for one in boxes_in(text):
        pieces += (text[at : one.start], write(one))
        at = one.end
    return "".join(pieces) + text[at:]
