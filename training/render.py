"""From a scene to pixels: a NumPy array of shape (height, width, 3), the same for the same scene.

Run as ``python -m training.render`` it prints how many scenes a second one core draws.
"""

from __future__ import annotations

import argparse
import time
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datagen.records import BoxUnit
from training.atlas import Atlas, load_atlas
from training.scenes import Backdrop, Colour, Placed, Scene, Shape, draw_scene

Pixels = NDArray[np.uint8]
GRAIN_PX = 512
"""Side of the one grain picture that all scenes cut theirs from."""


def render(scene: Scene, size_px: tuple[int, int], atlas: Atlas) -> Pixels:
    """Draw a scene.

    Args:
        scene: What to draw.
        size_px: Width and height; another shape than ``scene.aspect`` squashes the picture.
        atlas: The sprites.

    Returns:
        uint8 RGB of shape (height, width, 3).
    """
    frame = _backdrop(scene.backdrop, size_px)
    for layer in (*scene.decor, *scene.objects):
        if isinstance(layer, Shape):
            _draw_shape(frame, layer)
        else:
            draw_sprite(frame, layer, atlas)
    if scene.is_blurred:
        frame = _blur(frame)
    if scene.noise:
        frame = _add_grain(frame, scene.noise, scene.noise_seed)
    return frame


def box_in_pixels(box: BoxUnit, size_px: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in whole pixels, at least one wide and high."""
    width, height = size_px
    left, top = min(width - 1, round(box[0] * width)), min(height - 1, round(box[1] * height))
    right = min(width, left + max(1, round((box[2] - box[0]) * width)))
    bottom = min(height, top + max(1, round((box[3] - box[1]) * height)))
    return left, top, right, bottom


def stamp(placed: Placed, size_px: tuple[int, int], atlas: Atlas) -> Pixels:
    """A sprite as it will stand in the frame: RGB multiplied by alpha, and alpha, of the box's size."""
    left, top, right, bottom = box_in_pixels(placed.box_unit, size_px)
    image = atlas.turned(placed.sprite, placed.angle)
    resized = image.resize((right - left, bottom - top), Image.Resampling.BICUBIC)
    pixels = np.asarray(resized)
    return pixels[:, ::-1] if placed.is_flipped else pixels


def draw_sprite(frame: Pixels, placed: Placed, atlas: Atlas) -> None:
    """Lay a sprite over the frame, in place."""
    size_px = (frame.shape[1], frame.shape[0])
    left, top, right, bottom = box_in_pixels(placed.box_unit, size_px)
    pixels = stamp(placed, size_px, atlas).astype(np.uint16)
    if placed.gain != (1.0, 1.0, 1.0):
        pixels[..., :3] = (pixels[..., :3] * np.array([round(256 * factor) for factor in placed.gain], np.uint16)) >> 8
    patch = frame[top:bottom, left:right]
    # x + 128, then (x + x // 256) // 256, is x / 255 rounded, without a division.
    under = patch * (255 - pixels[..., 3:]) + 128
    patch[:] = np.minimum(pixels[..., :3] + ((under + (under >> 8)) >> 8), 255)


def _draw_shape(frame: Pixels, shape: Shape) -> None:
    """Lay a figure over the frame, in place; what reaches beyond the frame is cut off."""
    frame_height, frame_width = frame.shape[:2]
    left, top = round(shape.box_unit[0] * frame_width), round(shape.box_unit[1] * frame_height)
    width = max(1, round(shape.box_unit[2] * frame_width) - left)
    height = max(1, round(shape.box_unit[3] * frame_height) - top)
    rows = slice(max(0, -top), min(height, frame_height - top))
    columns = slice(max(0, -left), min(width, frame_width - left))
    cover = _mask(shape.kind, width, height)[rows, columns, None] * np.float32(shape.opacity)
    colours = _fade(shape.colour, shape.colour_to or shape.colour, height)[rows, None]
    patch = frame[top + rows.start : top + rows.stop, left + columns.start : left + columns.stop]
    patch[:] = patch + (colours - patch) * cover + 0.5


@lru_cache(maxsize=256)
def _mask(kind: str, width: int, height: int) -> NDArray[np.float32]:
    """Cover of each pixel, 0 to 1, softened over one pixel at the rim."""
    if kind == "rectangle":
        return np.ones((height, width), np.float32)
    x = (np.arange(width, dtype=np.float32) + 0.5) / width * 2 - 1
    y = ((np.arange(height, dtype=np.float32) + 0.5) / height * 2 - 1)[:, None]
    inside = 1 - np.hypot(x, y) if kind == "ellipse" else (y + 1) / 2 - np.abs(x)
    return np.clip(inside * min(width, height) / 2 + 0.5, 0, 1)


def _fade(start: Colour, end: Colour, steps: int) -> NDArray[np.float32]:
    """Colours from start to end, shape (steps, 3)."""
    return _between(start, end, np.linspace(0, 1, steps, dtype=np.float32))


def _between(start: Colour, end: Colour, share: NDArray[np.float32]) -> NDArray[np.float32]:
    first, last = np.array(start, np.float32), np.array(end, np.float32)
    return first + (last - first) * share[..., None]


def _backdrop(backdrop: Backdrop, size_px: tuple[int, int]) -> Pixels:
    width, height = size_px
    frame = np.empty((height, width, 3), np.uint8)
    first, second = backdrop.colours[:2]
    if backdrop.kind == "horizon":
        level = round(backdrop.level * height)
        frame[:level] = _fade(first, second, level)[:, None]
        frame[level:] = _fade(backdrop.colours[2], backdrop.colours[3], height - level)[:, None]
    elif backdrop.kind == "down":
        frame[:] = _fade(first, second, height)[:, None]
    elif backdrop.kind == "across":
        frame[:] = _fade(first, second, width)
    elif backdrop.kind == "blotches":
        spots = np.random.default_rng(backdrop.seed).random((5, 5), np.float32)
        coarse = Image.fromarray(_between(first, second, spots).astype(np.uint8))
        frame[:] = np.asarray(coarse.resize(size_px, Image.Resampling.BICUBIC))
    else:
        frame[:] = first
        if backdrop.kind != "plain":
            frame[_pattern(backdrop, width, height)] = second
    return frame


def _pattern(backdrop: Backdrop, width: int, height: int) -> NDArray[np.bool_]:
    """Where stripes or checks show their second colour."""
    step = max(2, round(backdrop.level * height))
    rows, columns = np.arange(height)[:, None] // step, np.arange(width) // step
    stripes = rows if backdrop.seed % 2 else columns
    cells = rows + columns if backdrop.kind == "checks" else stripes
    return np.broadcast_to(cells % 2 == 1, (height, width))


def _blur(frame: Pixels) -> Pixels:
    """Weights 1, 2, 1 down and across; the outermost pixels stay as they are."""
    soft = frame.astype(np.uint16)
    soft[1:-1] = (soft[:-2] + 2 * soft[1:-1] + soft[2:] + 2) >> 2
    soft[:, 1:-1] = (soft[:, :-2] + 2 * soft[:, 1:-1] + soft[:, 2:] + 2) >> 2
    return soft.astype(np.uint8)


@lru_cache(maxsize=1)
def _grain() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((2 * GRAIN_PX, 2 * GRAIN_PX, 3), np.float32)


def _add_grain(frame: Pixels, strength: float, seed: int) -> Pixels:
    """Add noise cut from one large picture of it: fresh normal numbers would cost half a millisecond."""
    height, width = frame.shape[:2]
    top, left = seed % GRAIN_PX, seed // GRAIN_PX % GRAIN_PX
    if height > GRAIN_PX or width > GRAIN_PX:
        grain = np.random.default_rng(seed).standard_normal(frame.shape, np.float32)
    else:
        grain = _grain()[top : top + height, left : left + width]
    return np.clip(frame + grain * np.float32(strength) + 0.5, 0, 255).astype(np.uint8)


def main() -> None:
    """Time the renderer on one core."""
    parser = argparse.ArgumentParser(description="Print scenes a second on one core.")
    parser.add_argument("--size", type=int, default=128, help="side in pixels")
    parser.add_argument("--scenes", type=int, default=4000)
    options = parser.parse_args()
    rng, atlas = np.random.default_rng(0), load_atlas()
    for _ in range(options.scenes // 4):  # turned sprites and masks are kept from then on
        render(draw_scene(rng, atlas), (options.size, options.size), atlas)
    start = time.process_time()
    scenes = [draw_scene(rng, atlas) for _ in range(options.scenes)]
    drawn = time.process_time()
    for scene in scenes:
        render(scene, (options.size, options.size), atlas)
    done = time.process_time()
    print(
        f"{options.scenes / (done - start):.0f} scenes a second at {options.size} px "
        f"(drawing {options.scenes / (drawn - start):.0f}, rendering {options.scenes / (done - drawn):.0f})"
    )


if __name__ == "__main__":
    main()
