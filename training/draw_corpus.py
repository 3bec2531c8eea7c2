"""From a seed to a corpus of drawn scenes: JPEGs and COCO files with captions and boxes, for trials of any size.

``python -m training.draw_corpus OUT --images 1000 --seed 7``
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from training.atlas import load_atlas
from training.captions import write_captions
from training.render import box_in_pixels, render
from training.scenes import SceneStyle, draw_scene

HEIGHT_PX = 300
JPEG_QUALITY = 88
DEMO_LIKE = SceneStyle(n_objects=(3, 7), repeat=(0.35, 0.35), longest=(0.13, 0.4), max_distractors=3)
"""As full of things, and as large, as the hand-made scenes of the bundled corpus."""


def draw_corpus(folder: Path, n_images: int, seed: int, style: SceneStyle = DEMO_LIKE) -> dict[str, str]:
    """Draw a corpus.

    Args:
        folder: Gets ``images/``, ``captions.json`` and ``instances.json``.
        n_images: How many scenes.
        seed: The same seed draws the same corpus.
        style: Of the scenes.

    Returns:
        The corpus settings ``captions``, ``instances`` and ``images``, as paths.
    """
    atlas, rng = load_atlas(), np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    numbers = {name: number for number, name in enumerate(atlas.categories, start=1)}
    images: list[dict[str, Any]] = []
    captions: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for n in range(1, n_images + 1):
        scene = draw_scene(rng, atlas, style=style)
        size = (round(HEIGHT_PX * scene.aspect), HEIGHT_PX)
        name = f"{n:08}.jpg"
        Image.fromarray(render(scene, size, atlas)).save(folder / "images" / name, quality=JPEG_QUALITY)
        images.append({"id": n, "file_name": name, "width": size[0], "height": size[1], "license": 1})
        for text in write_captions(scene, rng):
            captions.append({"id": len(captions) + 1, "image_id": n, "caption": text})
        for placed in scene.objects:
            left, top, right, bottom = box_in_pixels(placed.box_unit, size)
            box = [left, top, right - left, bottom - top]
            told = {"id": len(boxes) + 1, "image_id": n, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            boxes.append({**told, "category_id": numbers[placed.category or ""]})
    licences = [{"id": 1, "name": "Apache License 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}]
    shared = {"info": {"description": "Drawn scenes"}, "licenses": licences, "images": images}
    categories = [{"id": number, "name": name} for name, number in numbers.items()]
    files = {"captions": folder / "captions.json", "instances": folder / "instances.json"}
    files["captions"].write_text(json.dumps({**shared, "annotations": captions}), encoding="utf-8")
    files["instances"].write_text(
        json.dumps({**shared, "annotations": boxes, "categories": categories}), encoding="utf-8"
    )
    return {name: str(path) for name, path in files.items()} | {"images": str(folder / "images")}


def main(arguments: list[str] | None = None) -> None:
    """Draw as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    draw_corpus(options.out, options.images, options.seed)


if __name__ == "__main__":
    main()
