"""Coordinates by model family: the boxes of a sample's texts as the model that is to be trained writes them.

``COORDINATES`` is the table, a row a family. Inside, a box is four shares of the picture (``box_text``); a family may
have pixels of the picture as it resizes it, thousandths, or tokens of a grid, with words for the thing before or after.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct, json
from msgspec.structs import replace

from datagen.box_text import BOX, BOXES, boxes_in
from datagen.errors import SettingsError
from datagen.export.rows import LeftOut
from datagen.geometry import resized_by_qwen
from datagen.records import BoxUnit, Claim, Sample

Size = tuple[int, int]
"""Width and height of the picture in pixels."""


class Pointed(NamedTuple):
    """Boxes that stand side by side in a text, with the thing that they are of.

    Attributes:
        before: The words for it that stand right before them, or none.
        name: Its category, or none where no claim tells it (in a language whose claims are not read).
        boxes: As shares of the picture.
        text: The boxes as they stand in the text, with what joins them.
        is_alone: They are the whole answer.
        size: Of the picture.
    """

    before: str
    name: str
    boxes: tuple[BoxUnit, ...]
    text: str
    is_alone: bool
    size: Size

    @property
    def label(self) -> str:
        """What to call the thing."""
        return self.before or self.name


class PointForm(Struct, frozen=True):
    """How one family of models writes boxes.

    Attributes:
        says: What the numbers are, for the docs.
        write: Puts words and boxes in place of both.
        tokens: What must not stand in a text before boxes are written, since the model reads it as theirs.
        takes_pixels: A number behind a colon says how many pixels its processor gives a picture at most.
    """

    says: str
    write: Callable[[Pointed], str]
    tokens: re.Pattern[str] | None = None
    takes_pixels: bool = False


Numbers = Callable[[BoxUnit, Size], Sequence[float]]


def _thousandths(box: BoxUnit, size: Size) -> Sequence[int]:
    return [round(1000 * share) for share in box]


def _padded(box: BoxUnit, size: Size) -> Sequence[float]:
    """Shares of the square that LLaVA-1.5 pads a picture to, the picture in its middle."""
    longest = max(size)
    return [
        (share * side + (longest - side) / 2) / longest
        for share, side in zip(box, (*size, *size), strict=True)
    ]  # fmt: skip


def _pixels_of_qwen(most: int) -> Numbers:
    def pixels(box: BoxUnit, size: Size) -> Sequence[int]:
        sides = resized_by_qwen(size, most)
        return [min(side - 1, round(share * side)) for share, side in zip(box, (*sides, *sides), strict=True)]

    return pixels


def _in_brackets(numbers: Numbers, digits: int) -> Callable[[Pointed], str]:
    """Boxes where they stood, each in square brackets."""

    def write(pointed: Pointed) -> str:
        written = (f"[{', '.join(f'{n:.{digits}f}' for n in numbers(box, pointed.size))}]" for box in pointed.boxes)
        return pointed.before + (" " if pointed.before else "") + BOX.sub(lambda _: next(written), pointed.text)

    return write


def _in_json(numbers: Numbers) -> Callable[[Pointed], str]:
    """Qwen's JSON where an answer is boxes alone, else in brackets where they stood."""
    in_brackets = _in_brackets(numbers, 0)

    def write(pointed: Pointed) -> str:
        if not pointed.is_alone:
            return in_brackets(pointed)
        label = {"label": pointed.name} if pointed.name else {}
        rows = [{"bbox_2d": list(numbers(box, pointed.size)), **label} for box in pointed.boxes]
        return json.encode(rows).decode().replace(",", ", ").replace(":", ": ")

    return write


def _in_tags(pointed: Pointed) -> str:
    """InternVL: ``<ref>the dog</ref><box>[[x1, y1, x2, y2]]</box>``, all boxes of a thing in one list."""
    ref = f"<ref>{pointed.label}</ref>" if pointed.label else ""
    return f"{ref}<box>{[[min(1000, int(1000 * share + 1e-6)) for share in box] for box in pointed.boxes]}</box>"


def _in_location_tokens(pointed: Pointed) -> str:
    """PaliGemma: four tokens a box, top, left, bottom, right of 1,024; boxes alone are followed by their name."""
    written = [
        "".join(f"<loc{round(1023 * share):04d}>" for share in (top, left, bottom, right))
        for left, top, right, bottom in pointed.boxes
    ]
    if pointed.is_alone and pointed.name:
        return " ; ".join(f"{tokens} {pointed.name}" for tokens in written)
    each = iter(written)
    return pointed.before + (" " if pointed.before else "") + BOX.sub(lambda _: next(each), pointed.text)


KOSMOS_PATCHES = 32
"""A side of Kosmos-2's grid."""


def _in_patches(pointed: Pointed) -> str:
    """Kosmos-2: first and last patch of a box on a grid of 32 x 32, behind the phrase that they are of."""
    pairs = []
    for left, top, right, bottom in pointed.boxes:
        first = math.floor(top * KOSMOS_PATCHES) * KOSMOS_PATCHES + math.floor(left * KOSMOS_PATCHES)
        x, y = (math.ceil(edge * KOSMOS_PATCHES - 1) for edge in (right, bottom))
        pairs.append(f"<patch_index_{first:04d}><patch_index_{y * KOSMOS_PATCHES + x:04d}>")
    phrase = pointed.label or "this place"
    return f"<phrase>{phrase}</phrase><object>{'</delimiter_of_multi_objects/>'.join(pairs)}</object>"


SHARES = "shares"
"""The form inside, in which boxes stay where nothing else is asked for."""
QWEN_PIXELS = 12_845_056
"""Most pixels of a picture, by the preprocessor configuration of the Qwen2.5-VL checkpoints."""

COORDINATES: dict[str, PointForm] = {
    SHARES: PointForm("shares of the picture, 0 to 1, three digits", _in_brackets(lambda box, size: box, 3)),
    "llava-1.5": PointForm("shares of the picture padded to a square, 0 to 1, two digits", _in_brackets(_padded, 2)),
    "qwen2.5-vl": PointForm(
        "pixels of the picture as its processor resizes it", _in_json(_pixels_of_qwen(QWEN_PIXELS)), takes_pixels=True
    ),
    "qwen3-vl": PointForm("thousandths of the picture", _in_json(_thousandths)),
    "internvl": PointForm("thousandths of the picture, in tags", _in_tags, re.compile("</?(?:ref|box|quad)>")),
    "paligemma": PointForm("tokens of 1,024 steps, top first", _in_location_tokens, re.compile(r"<loc\d")),
    "kosmos-2": PointForm(
        "tokens of a grid of 32 x 32", _in_patches, re.compile("</?(?:phrase|object|delimiter)|<patch_")
    ),
}
"""Name of a family, as ``--coordinates`` takes it, to how it writes boxes."""


def family_of(asked: str) -> PointForm:
    """Find a family; ``qwen2.5-vl:1003520`` has pictures of that many pixels at most.

    Raises:
        SettingsError: There is none of this name, or what is behind its colon is no number of pixels.
    """
    name, _, pixels = asked.partition(":")
    family = COORDINATES.get(name)
    if family is None:
        raise SettingsError(f"--coordinates {asked}: expected one of {', '.join(COORDINATES)}.")
    if not pixels:
        return family
    if not family.takes_pixels or not pixels.isdecimal() or int(pixels) < 56 * 56:
        raise SettingsError(f"--coordinates {asked}: expected {name}, or qwen2.5-vl:PIXELS with at least 3136.")
    return replace(family, write=_in_json(_pixels_of_qwen(int(pixels))))


def in_coordinates(sample: Sample, picture: Path, asked: str) -> Sample | LeftOut:
    """Write a sample's boxes as a family has them; its claims, whose places in the texts move, are left out.

    Args:
        sample: With boxes in the one form, or without any.
        picture: Its file, for the size.
        asked: Of ``--coordinates``.
    """
    family, size = family_of(asked), _size_of(picture)
    worse = getattr(sample, "worse", None)  # of a preference pair, in place of the last answer
    texts = [text for turn in sample.turns for text in (turn.question, turn.answer)] + ([worse] if worse else [])
    found = next((found for text in texts if family.tokens and (found := family.tokens.search(text))), None)
    if found is not None:
        return LeftOut("trainer_token", f"a text holds {found[0]!r}, which {asked} reads as part of a box")
    turns = []
    for turn in sample.turns:
        pointing = [claim for claim in turn.claims if BOX.match(claim.value or "")]
        asks, says = ([claim for claim in pointing if claim.in_question is wanted] for wanted in (True, False))
        question = write_boxes(turn.question, asks, family, size)
        answer = write_boxes(turn.answer, says, family, size, may_be_alone=True)
        turns.append(replace(turn, question=question, answer=answer, claims=()))
    if not worse:
        return replace(sample, turns=tuple(turns))
    worse = write_boxes(worse, says, family, size, may_be_alone=True)  # a moved box stands where the right one did
    return replace(sample, turns=tuple(turns), worse=worse)


def _size_of(picture: Path) -> Size:
    from PIL import Image

    with Image.open(picture) as opened:
        return opened.size  # as stored: trainers turn no picture by EXIF


def write_boxes(
    text: str, claims: Sequence[Claim], family: PointForm, size: Size, *, may_be_alone: bool = False
) -> str:
    """Write the boxes of one text.

    Args:
        text: A question or an answer.
        claims: Of boxes, in this text: they tell what each is of.
        family: Whose form.
        size: Of the picture.
        may_be_alone: The text is an answer, which may be boxes and nothing else.
    """
    pieces: list[str] = []
    at = 0
    for found in BOXES.finditer(text):
        claim = next((one for one in claims if at <= one.start <= found.start() and one.end == found.end()), None)
        start = found.start() if claim is None else claim.start
        before = text[start : found.start()].rstrip()
        if before.endswith("("):
            before, start = "", found.start()
        is_alone = may_be_alone and BOXES.fullmatch(text.strip().removesuffix(".")) is not None
        boxes = tuple(one.box for one in boxes_in(found[0]))
        pointed = Pointed(before, claim.category if claim is not None else "", boxes, found[0], is_alone, size)
        pieces += (text[at:start], family.write(pointed))
        at = found.end()
    return "".join(pieces) + text[at:]
