"""Out-of-domain guard of the bundled ``nano``: tells drawn scenes, photographs and others by texture, in 3 ms."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image

GUARD = Path(__file__).resolve().parent.parent / "data" / "nano_guard.json"
"""The guard's weights, made by ``training.teach_guard``. Beside the checkpoint's folder, not in it: every file there
counts for the validator's identity, and no score depends on the guard."""
_SIDE_PX = 128
_STEPS = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64])  # grey levels; fine where grain and shading lie
_EDGES = slice(4, 13)  # of the first histogram: steps of 4 grey levels and more
_BIN_OF = np.searchsorted(_STEPS, np.arange(2 * 255 + 1), side="right")
_N_COMMONEST = 2 ** np.arange(9) - 1  # the 1, 2, 4, ... 256 commonest colours


NEARLY_BLANK = 0.004
"""Share of pixels beside an edge of 4 grey levels below which there is too little to be seen."""
Shows = Literal["drawn scene", "photograph", "screen", "nothing"]
"""What a picture is: one of a kind that ``nano`` knows, a window, page or chart, or one without anything in it."""


class Network(Struct, frozen=True, kw_only=True):
    """A small network over ``texture`` that tells one kind of picture from the others.

    Eight hidden units let through half the photographs that a logistic regression does (0.4 and 0.8 %) at the same
    share of drawn scenes refused; sixteen are no better.

    Attributes:
        hidden: For each hidden unit a weight of each number of ``texture``.
        hidden_bias: One for each hidden unit.
        out: Weights of the hidden units.
        bias: Makes 0 the border.
    """

    hidden: tuple[tuple[float, ...], ...]
    hidden_bias: tuple[float, ...]
    out: tuple[float, ...]
    bias: float

    def log_odds(self, found: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of being of its kind, less the border's; for one texture or several, shape (..., 148)."""
        units = np.tanh(found @ np.array(self.hidden).T + np.array(self.hidden_bias))
        told: NDArray[np.float64] = units @ np.array(self.out) + self.bias
        return told


class Guard(Struct, frozen=True, kw_only=True):
    """What ``nano_guard.json`` holds.

    Attributes:
        drawn: Tells drawn scenes; 0.05 % of those that it was fitted on lie below its border.
        screen: Tells windows, pages of text, charts and diagrams; 0.05 % of the photographs and scenes that it was
            fitted on lie above its border.
    """

    drawn: Network
    screen: Network

    def shows(self, found: NDArray[np.float64]) -> Shows:
        """Tell what a picture of this texture is."""
        if shows_nothing(found):
            return "nothing"
        if self.screen.log_odds(found) >= 0:
            return "screen"
        return "drawn scene" if self.drawn.log_odds(found) >= 0 else "photograph"


def shows_nothing(found: NDArray[np.float64]) -> bool:
    """Whether a texture has next to no edge of 4 grey levels, so that nothing can be seen."""
    return bool(np.square(found[_EDGES]).sum() < NEARLY_BLANK)


@cache
def load_guard() -> Guard:
    """Read the guard's weights."""
    return msgspec.json.decode(GUARD.read_bytes(), type=Guard)


def texture(picture: Image.Image) -> NDArray[np.float64]:
    """What tells a drawing: flat and evenly shaded areas, sharp edges, few colours.

    The picture is scaled to 128 x 128, so that its size does not matter, and halved twice, which averages grain and
    JPEG blocks away. All numbers are shares of pixels, and their square roots, so that rare values count.

    Args:
        picture: Any mode and size.

    Returns:
        148 numbers from 0 to 1: at three sizes, histograms of the gradient and of the larger and smaller second
        difference of a pixel (13 bins each); cover of the commonest of 4,096 colours (9); histograms of the spread
        between channels (6), of the brightest (8) and of the darkest channel (8).
    """
    small = picture.convert("RGB").resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BILINEAR, reducing_gap=2.0)
    planes = np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1)).astype(np.int16)
    shares = []
    for _ in range(3):
        shares += _differences(planes)
        planes = (planes[:, ::2, ::2] + planes[:, 1::2, ::2] + planes[:, ::2, 1::2] + planes[:, 1::2, 1::2] + 2) >> 2
        if planes.shape[1] == _SIDE_PX // 2:
            shares += _colours(planes)
    return np.sqrt(np.concatenate(shares))


def _differences(planes: NDArray[np.int16]) -> list[NDArray[np.float64]]:
    """Histograms of first and second differences, the largest over the channels."""
    middle = planes[:, 1:-1, 1:-1]
    right, below = planes[:, 1:-1, 2:], planes[:, 2:, 1:-1]
    step = np.maximum(np.abs(right - middle), np.abs(below - middle)).max(axis=0)
    across = np.abs(2 * middle - right - planes[:, 1:-1, :-2]).max(axis=0)
    down = np.abs(2 * middle - below - planes[:, :-2, 1:-1]).max(axis=0)
    found = (step, np.maximum(across, down), np.minimum(across, down))
    return [_shares(_BIN_OF[values], len(_STEPS) + 1) for values in found]


def _colours(planes: NDArray[np.int16]) -> list[NDArray[np.float64]]:
    red, green, blue = planes >> 4
    covers = np.sort(_shares(red << 8 | green << 4 | blue, 4096))[::-1].cumsum()
    brightest, darkest = planes.max(axis=0), planes.min(axis=0)
    spread = np.minimum((brightest - darkest) >> 5, 5)
    return [covers[_N_COMMONEST], _shares(spread, 6), _shares(brightest >> 5, 8), _shares(darkest >> 5, 8)]


def _shares(numbers: NDArray[np.integer], n: int) -> NDArray[np.float64]:
    return np.bincount(numbers.ravel(), minlength=n) / numbers.size
