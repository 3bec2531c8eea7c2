"""Boxes in texts of other model families, read back to the one form: pixels, thousandths, tags, location tokens.

What numbers mean is told, never guessed: 300 may be a pixel or a thousandth. ``export/coordinates.py`` writes the same
forms; words that they put beside a box stay, but for the name behind boxes that are a whole answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from datagen.box_text import tell_box
from datagen.errors import SettingsError
from datagen.geometry import resized_by_qwen
from datagen.records import BoxUnit

Size = tuple[int, int]
QWEN_PIXELS = 12_845_056
"""Most pixels of a picture, by the preprocessor configuration of the Qwen2.5-VL checkpoints."""
ToUnit = Callable[[Sequence[float], Size], BoxUnit]
SHARES = "shares"
_NUMBER = r"-?\d{1,6}(?:\.\d{1,8})?"
_BRACKETS = re.compile(rf"\[ ?({_NUMBER}(?: ?, ?{_NUMBER}){{3}}) ?\]")
_TAGS = re.compile(r"(?:<ref>(?P<ref>[^<]*)</ref>\s?)?<box>(?P<boxes>\[\[[\d., \[\]]{1,4000}\]\])</box>")
_TOKENS = re.compile(r"<loc(\d{4})>" * 4)
_TOKENS_ALONE = re.compile(r"(?:<loc\d{4}>){4} [^<>;]+(?: ; (?:<loc\d{4}>){4} [^<>;]+)*")
_PATCHES = re.compile(
    r"(?:<phrase>(?P<phrase>[^<]*)</phrase>\s?)?<object>(?P<pairs>(?:(?:<patch_index_\d{4}>){2}"
    r"(?:</delimiter_of_multi_objects/>)?)+)</object>"
)
_PAIR = re.compile(r"<patch_index_(\d{4})><patch_index_(\d{4})>")
_KOSMOS_PATCHES = 32


def _clipped(edges: Sequence[float]) -> BoxUnit:
    left, top, right, bottom = (min(1.0, max(0.0, edge)) if -0.02 <= edge <= 1.02 else edge for edge in edges)
    return left, top, right, bottom


def _thousandths(numbers: Sequence[float], size: Size) -> BoxUnit:
    return _clipped([number / 1000 for number in numbers])


def _padded(numbers: Sequence[float], size: Size) -> BoxUnit:
    """From shares of the square that LLaVA-1.5 pads a picture to."""
    longest = max(size)
    sides = (*size, *size)
    return _clipped(
        [(share * longest - (longest - side) / 2) / side for share, side in zip(numbers, sides, strict=True)]
    )


def _pixels_of_qwen(most: int) -> ToUnit:
    def shares(numbers: Sequence[float], size: Size) -> BoxUnit:
        sides = resized_by_qwen(size, most)
        return _clipped([number / side for number, side in zip(numbers, (*sides, *sides), strict=True)])

    return shares


def _from_brackets(to_unit: ToUnit) -> Callable[[str, Size], str]:
    """Boxes in brackets, and Qwen's JSON that is a whole text."""

    def read(text: str, size: Size) -> str:
        if '"bbox_2d"' in text:
            boxes = _in_json(text)
            if boxes is not None:
                return ", ".join(tell_box(to_unit(box, size)) for box in boxes)
        return _BRACKETS.sub(lambda found: tell_box(to_unit([*map(float, found[1].split(","))], size)), text)

    return read


def _in_json(text: str) -> list[list[float]] | None:
    """The boxes of Qwen's JSON, with or without a fence; None where it is something else."""
    bare = re.sub(r"^```(?:json)?\s*|\s*```$", "", text.strip())
    try:
        rows: Any = json.loads(bare)
        boxes = [[float(number) for number in row["bbox_2d"]] for row in (rows if isinstance(rows, list) else [rows])]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return boxes if boxes and all(len(box) == 4 for box in boxes) else None


def _from_tags(text: str, size: Size) -> str:
    """InternVL: ``<ref>the dog</ref><box>[[x1, y1, x2, y2]]</box>``."""

    def told(found: re.Match[str]) -> str:
        try:
            boxes = [_thousandths([float(n) for n in box], size) for box in json.loads(found["boxes"]) if len(box) == 4]
        except (ValueError, TypeError):
            return found[0]
        return _behind(found["ref"], boxes, is_alone=found[0] == text.strip().removesuffix("."))

    return _TAGS.sub(told, text)


def _from_location_tokens(text: str, size: Size) -> str:
    """PaliGemma: top, left, bottom, right of 1,024 steps; a name behind boxes that are a whole text goes."""
    if _TOKENS_ALONE.fullmatch(text.strip()):
        text = ", ".join(found[0] for found in _TOKENS.finditer(text))

    def told(found: re.Match[str]) -> str:
        top, left, bottom, right = (int(one) / 1023 for one in found.groups())
        return tell_box(_clipped([left, top, right, bottom]))

    return _TOKENS.sub(told, text)


def _from_patches(text: str, size: Size) -> str:
    """Kosmos-2: first and last patch of a box on a grid of 32 x 32."""

    def told(found: re.Match[str]) -> str:
        boxes = []
        for one in _PAIR.finditer(found["pairs"]):
            (top, left), (bottom, right) = (divmod(int(index), _KOSMOS_PATCHES) for index in one.groups())
            boxes.append(_clipped([edge / _KOSMOS_PATCHES for edge in (left, top, right + 1, bottom + 1)]))
        return _behind(found["phrase"], boxes, is_alone=found[0] == text.strip().removesuffix("."))

    return _PATCHES.sub(told, text)


def _behind(words: str | None, boxes: Sequence[BoxUnit], *, is_alone: bool) -> str:
    told = ", ".join(map(tell_box, boxes))
    return f"{words.strip()} {told}" if words and words.strip() and not is_alone else told


READERS: dict[str, Callable[[str, Size], str]] = {
    SHARES: lambda text, size: text,
    "llava-1.5": _from_brackets(_padded),
    "qwen2.5-vl": _from_brackets(_pixels_of_qwen(QWEN_PIXELS)),
    "qwen3-vl": _from_brackets(_thousandths),
    "internvl": _from_tags,
    "paligemma": _from_location_tokens,
    "kosmos-2": _from_patches,
}
"""Name of a family, as ``--coordinates`` takes it, to how its boxes are read."""
NEEDS_SIZE = ("llava-1.5", "qwen2.5-vl")
"""Families whose numbers depend on the size of the picture."""


def reader_of(family: str) -> Callable[[str, Size], str]:
    """Find how a family's boxes are read; ``qwen2.5-vl:1003520`` has pictures of that many pixels at most.

    Raises:
        SettingsError: There is none of this name.
    """
    name, _, pixels = family.partition(":")
    if name == "qwen2.5-vl" and pixels.isdecimal() and 56 * 56 <= int(pixels) < 1 << 40:
        return _from_brackets(_pixels_of_qwen(int(pixels)))
    if name not in READERS or pixels:
        raise SettingsError(f"--coordinates {family}: expected one of {', '.join(READERS)}.")
    return READERS[name]
