"""From the list of emoji and a colour font to one sprite sheet; and from the sheet to sprites.

``python -m training.atlas`` writes ``atlas.png`` and ``atlas.json`` anew. Everything else only
reads these two, so the font is needed on the machine that rebuilds the sheet and nowhere else.
"""

from __future__ import annotations

import argparse
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from msgspec import Struct
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
SPRITE_PX = 72
"""Longest side of a sprite; at 64 colours each the sheet stays below 700 KB."""
N_COLOURS = 64
STRIKE_PX = 109
"""The one size at which the font holds its pictures."""
SOLID = 48
"""Alpha (of 255) from which a pixel belongs to the object; boxes and crops agree on it."""


class Sprite(Struct, frozen=True):
    """One picture of one thing.

    Attributes:
        name: Unique, such as ``"car-red"``.
        category: COCO category, or None for scenery.
        held_out: True for a variant kept out of training scenes.
        rect_px: Left, top, width, height in the sheet.
    """

    name: str
    category: str | None
    held_out: bool
    rect_px: tuple[int, int, int, int]


class Atlas:
    """The sprite sheet, cut and turned on demand.

    Args:
        sheet: RGBA image.
        sprites: Every sprite of the sheet.
    """

    def __init__(self, sheet: Image.Image, sprites: list[Sprite]) -> None:
        self._sheet = sheet
        self._turned: dict[tuple[str, int], Image.Image] = {}
        self.by_name = {sprite.name: sprite for sprite in sprites}
        self.decor = tuple(sprite.name for sprite in sprites if sprite.category is None)
        self.categories = tuple(dict.fromkeys(sprite.category for sprite in sprites if sprite.category))
        self._variants = {
            (category, held_out): tuple(s.name for s in sprites if s.category == category and s.held_out == held_out)
            for category in self.categories
            for held_out in (False, True)
        }

    def variants(self, category: str, *, held_out: bool = False) -> tuple[str, ...]:
        """Names of a category's training sprites, or of its held-out ones (may be none)."""
        return self._variants[category, held_out]

    def turned(self, name: str, angle: int = 0) -> Image.Image:
        """Sprite turned anticlockwise by whole degrees and cropped to its solid pixels.

        Returns:
            Image of mode ``RGBa`` (colours already multiplied by alpha), kept for the next call.
        """
        key = (name, angle)
        if key not in self._turned:
            left, top, width, height = self.by_name[name].rect_px
            image = self._sheet.crop((left, top, left + width, top + height)).convert("RGBa")
            image = image.rotate(angle, Image.Resampling.BICUBIC, expand=True) if angle else image
            self._turned[key] = image.crop(solid_bounds(image))
        return self._turned[key]


@lru_cache(maxsize=1)
def load_atlas() -> Atlas:
    """Read the sheet that stands beside this file."""
    index = json.loads((HERE / "atlas.json").read_text(encoding="utf-8"))
    sprites = [
        Sprite(entry["name"], category or None, entry.get("held_out", False), tuple(entry["rect_px"]))
        for category, entries in (*index["categories"].items(), ("", index["decor"]))
        for entry in entries
    ]
    with Image.open(HERE / "atlas.png") as sheet:
        return Atlas(sheet.convert("RGBA"), sprites)


def read_sprite_list() -> dict[str, Any]:
    """The hand-written list of categories, their emoji, and COCO's ids."""
    listed: dict[str, Any] = yaml.safe_load((HERE / "sprites.yaml").read_text(encoding="utf-8"))
    return listed


def solid_bounds(image: Image.Image) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the pixels whose alpha reaches ``SOLID``."""
    solid = np.asarray(image.getchannel(3)) >= SOLID
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def build_atlas(font_file: Path) -> tuple[Image.Image, dict[str, Any]]:
    """Draw every listed emoji and pack the sprites into rows.

    Returns:
        The sheet, and what ``atlas.json`` holds: category to sprites with their rectangles.
    """
    listed = read_sprite_list()
    font = ImageFont.truetype(str(font_file), STRIKE_PX)
    wanted = [
        (category, name, emoji, group == "held_out")
        for category, entry in (*listed["categories"].items(), ("", {"sprites": listed["decor"]}))
        for group in ("sprites", "held_out")
        for name, emoji in entry.get(group, {}).items()
    ]
    pictures = {name: draw_emoji(font, emoji, listed["pieces"].get(name)) for _, name, emoji, _ in wanted}
    places, size = pack({name: picture.size for name, picture in pictures.items()})
    sheet = Image.new("RGBA", size)
    index: dict[str, Any] = {"sprite_px": SPRITE_PX, "categories": {c: [] for c in listed["categories"]}, "decor": []}
    for category, name, _, held_out in wanted:
        sheet.paste(pictures[name], places[name])
        entry: dict[str, Any] = {"name": name, "rect_px": [*places[name], *pictures[name].size]}
        (index["categories"][category] if category else index["decor"]).append(
            entry | ({"held_out": True} if held_out else {})
        )
    return sheet, index


def draw_emoji(font: ImageFont.FreeTypeFont, emoji: str, piece: str | list[float] | None) -> Image.Image:
    """Draw one emoji, cut it to the wanted piece, bring it to size and to few colours."""
    canvas = Image.new("RGBA", (2 * STRIKE_PX, 2 * STRIKE_PX))
    ImageDraw.Draw(canvas).text((0, 0), emoji, font=font, embedded_color=True)
    image = canvas.crop(solid_bounds(canvas))
    if piece == "largest":
        image = _largest_piece(image)
    elif piece is not None:
        left, top, right, bottom = (float(share) for share in piece)
        width, height = image.size
        image = image.crop((round(left * width), round(top * height), round(right * width), round(bottom * height)))
    image = image.crop(solid_bounds(image))
    scale = SPRITE_PX / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return _few_colours(image.resize(size, Image.Resampling.LANCZOS))


def _largest_piece(image: Image.Image) -> Image.Image:
    """Keep the largest group of touching pixels: each pixel takes its neighbours' highest label until none changes."""
    pixels = np.asarray(image).copy()
    solid = pixels[..., 3] >= SOLID
    labels = np.where(solid, np.arange(1, solid.size + 1).reshape(solid.shape), 0)
    while True:
        padded = np.pad(labels, 1)
        neighbours = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:], labels)
        spread = np.where(solid, np.maximum.reduce(neighbours), 0)
        if np.array_equal(spread, labels):
            break
        labels = spread
    pixels[labels != np.bincount(labels[solid]).argmax()] = 0
    return Image.fromarray(pixels)


def _few_colours(image: Image.Image) -> Image.Image:
    """Reduce to ``N_COLOURS`` colours and 16 levels of alpha: a quarter off the sheet, unseen at this size."""
    colours = image.convert("RGB").quantize(N_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    alpha = (np.asarray(image.getchannel(3)).astype(np.uint16) + 8) // 17 * 17
    pixels = np.dstack([np.asarray(colours.convert("RGB")), alpha.astype(np.uint8)])
    pixels[alpha == 0] = 0
    return Image.fromarray(pixels)


def pack(
    sizes: dict[str, tuple[int, int]], sheet_width: int = 12 * SPRITE_PX
) -> tuple[dict[str, tuple[int, int]], tuple[int, int]]:
    """Place rectangles in rows from left to right, one pixel apart.

    Returns:
        Name to left and top, and the width and height of the sheet.
    """
    places: dict[str, tuple[int, int]] = {}
    left = top = row_height = 0
    for name, (width, height) in sizes.items():
        if left + width > sheet_width:
            left, top, row_height = 0, top + row_height + 1, 0
        places[name] = (left, top)
        left, row_height = left + width + 1, max(row_height, height)
    return places, (sheet_width, top + row_height)


def _one_sprite_per_line(index: dict[str, Any]) -> str:
    return (
        json.dumps(index)
        .replace(' {"name"', '\n  {"name"')
        .replace('[{"name"', '[\n  {"name"')
        .replace(']}], "', ']}],\n "')
        + "\n"
    )


def main() -> None:
    """Write the sheet and its index."""
    parser = argparse.ArgumentParser(description="Rebuild training/atlas.png and atlas.json from the emoji font.")
    parser.add_argument("--font", type=Path, default=FONT, help="NotoColorEmoji.ttf")
    font_file = parser.parse_args().font
    if not font_file.is_file():
        parser.error(f"{font_file} is missing; install the package fonts-noto-color-emoji or name the font with --font")
    sheet, index = build_atlas(font_file)
    sheet.save(HERE / "atlas.png", optimize=True)
    (HERE / "atlas.json").write_text(_one_sprite_per_line(index), encoding="utf-8", newline="\n")
    n_sprites, n_categories = sum(map(len, index["categories"].values())), len(index["categories"])
    size_kb = (HERE / "atlas.png").stat().st_size / 1000
    print(f"{n_sprites} sprites of {n_categories} categories, {len(index['decor'])} of scenery, {size_kb:.0f} KB")


if __name__ == "__main__":
    main()
