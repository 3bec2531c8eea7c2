"""Photographs decoded once to the tower's square, and the frozen tower's features of them, computed when first wanted.

``python -m training.photo_cache CACHE FOLDER …`` decodes: 250 kB a photograph, 3 ms each. Features take 190 kB more.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from datagen.validator.models.grid_tower import Backbone, GridTowerConfig
from datagen.words import COCO_CATEGORIES
from training.photographs import Photograph, read_folders

SIDE_PX = 288
MEAN, SPREAD = 127.0, 128.0
"""Of a channel, as EfficientNet-Lite was taught."""
_AT_ONCE = 16


def decode(photographs: Sequence[Photograph], cache: Path) -> None:
    """Write ``pixels.npy``, uint8 (photographs, SIDE_PX, SIDE_PX, 3); squeezed to the square, as the processor does."""
    cache.mkdir(parents=True, exist_ok=True)
    shape = (len(photographs), SIDE_PX, SIDE_PX, 3)
    part = cache / "pixels.part"
    pixels = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
    for n, one in enumerate(photographs):
        pixels[n] = square(Image.open(one.path))
    pixels.flush()
    part.replace(cache / "pixels.npy")


def square(picture: Image.Image) -> NDArray[np.uint8]:
    """One picture at the tower's size."""
    return np.asarray(picture.convert("RGB").resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC))


def to_pixels(frames: NDArray[np.uint8]) -> Tensor:
    """uint8 (batch, height, width, 3) to what the processor would hand over: (batch, 3, height, width), about -1..1."""
    held = torch.from_numpy(frames).permute(0, 3, 1, 2).float().sub(MEAN).div(SPREAD)
    return held.to(memory_format=torch.channels_last)


class PhotoCache:
    """What ``decode`` wrote, and features beside it.

    Args:
        folder: With ``pixels.npy``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.pixels: NDArray[np.uint8] = np.load(folder / "pixels.npy", mmap_mode="r")
        self._backbone: Backbone | None = None

    def open_features(self, backbone: Backbone, config: GridTowerConfig) -> None:
        """Keep features of a frozen backbone from here on; those that lie there must be of the same."""
        self._backbone = backbone.eval().to(torch.bfloat16).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        n = len(self.pixels)
        self._fine = self._array("fine.npy", (n, 4 * config.cells**2, backbone.fine_width), np.float16)
        self._coarse = self._array("coarse.npy", (n, config.cells**2, backbone.coarse_width), np.float16)
        self._has = self._array("has.npy", (n,), np.bool_)

    def _array(self, name: str, shape: tuple[int, ...], kind: type[np.generic]) -> NDArray[np.generic]:
        path = self._folder / name
        if path.exists():
            return np.load(path, mmap_mode="r+")  # type: ignore[no-any-return]
        return np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape)

    def has_features(self, number: int) -> bool:
        """Whether a photograph's features are there already."""
        return bool(self._has[number])

    def features(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Fine and coarse features, (batch, cells, channels) in bf16."""
        missing = [n for n in numbers if not self._has[n]]
        for first in range(0, len(missing), _AT_ONCE):
            some = missing[first : first + _AT_ONCE]
            assert self._backbone is not None
            with torch.inference_mode():
                grids = self._backbone(to_pixels(self.pixels[some]).to(torch.bfloat16))
            for held, grid in zip((self._fine, self._coarse), grids, strict=True):
                held[some] = grid.flatten(2).transpose(1, 2).float().numpy()
            self._has[some] = True
        fine, coarse = (torch.from_numpy(held[list(numbers)]).bfloat16() for held in (self._fine, self._coarse))
        return fine, coarse


def mirrored(features: Tensor) -> Tensor:
    """Features of the mirror image, nearly: those of the picture, left and right exchanged; (cells, channels)."""
    side = round(len(features) ** 0.5)
    return features.unflatten(0, (side, side)).flip(1).flatten(0, 1)


def main(arguments: list[str] | None = None) -> None:
    """Decode as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("cache", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    options = parser.parse_args(arguments)
    decode(read_folders(options.folders, COCO_CATEGORIES), options.cache)


if __name__ == "__main__":
    main()
