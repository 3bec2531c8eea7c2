"""From ``demo_scenes.yaml`` to the bundled corpus: JPEGs and the two COCO files, the same bytes each time.

``python -m training.make_demo_corpus`` writes ``datagen/data/demo`` anew; ``--contact-sheet FILE``
also draws all pictures with their boxes, to be looked at.
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import yaml
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from training.atlas import SOLID, Atlas, load_atlas, read_sprite_list
from training.render import box_in_pixels, render, stamp
from training.scenes import Backdrop, Colour, Placed, Scene, Shape

HERE = Path(__file__).parent
DEMO = HERE.parent / "datagen" / "data" / "demo"
OVERSAMPLING = 2
"""Pictures are drawn this much larger and reduced, which smooths the edges of shapes and sprites."""
JPEG_QUALITY = 85
N_OUTLINE_ROWS = 14
"""Rows at which an object's outline is read for its polygon."""
DOUBLED_GROWTH = 1.03
"""A second annotator's box is this much larger: IoU about 0.94 with the first."""
INFO = {
    "description": "Rendered scenes bundled with datagen",
    "version": "1.0",
    "year": 2026,
    "contributor": "The datagen authors; sprites from Noto Emoji",
}
LICENCES = [{"id": 1, "name": "Apache License 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}]


class DemoScene(Struct, frozen=True):
    """One picture of the bundled corpus and what is written about it.

    Attributes:
        crowd: Sprites of one category that share a single crowd annotation.
        doubled: Category and index of an object that is boxed a second time, or None.
    """

    name: str
    size_px: tuple[int, int]
    scene: Scene
    crowd: tuple[Placed, ...]
    doubled: tuple[str, int] | None
    captions: tuple[str, ...]


def read_demo_scenes(atlas: Atlas) -> list[DemoScene]:
    """Read the hand-written scenes, in file order."""
    spec = yaml.safe_load((HERE / "demo_scenes.yaml").read_text(encoding="utf-8"))
    return [_read_scene(entry, spec["sets"][entry["set"]], atlas) for entry in spec["scenes"]]


def _read_scene(entry: dict[str, Any], scenery: dict[str, Any], atlas: Atlas) -> DemoScene:
    width, height = entry["size_px"]
    aspect = width / height
    backdrop = scenery["backdrop"]
    colours = tuple(_colour(text) for text in backdrop["colours"])
    shapes = [_read_shape(line) for line in scenery["shapes"]]
    decor, crowd, objects = (
        [_read_sprite(line, atlas, aspect) for line in entry.get(key, ())] for key in ("decor", "crowd", "objects")
    )
    things = [*decor, *crowd, *objects]
    lines = [line for key in ("decor", "crowd", "objects") for line in entry.get(key, ())]
    shadows = [shadow(thing) for thing, line in zip(things, lines, strict=True) if "air" not in line.split()]
    scene = Scene(
        aspect,
        Backdrop(backdrop["kind"], colours, backdrop.get("level", 0.5)),
        (*shapes, *shadows, *decor, *crowd),
        tuple(objects),
    )
    category, _, index = entry.get("doubled", "").partition(" of ")
    doubled = (category, int(index)) if category else None
    return DemoScene(entry["name"], (width, height), scene, tuple(crowd), doubled, tuple(entry["captions"]))


def _colour(text: str) -> Colour:
    red, green, blue = ImageColor.getrgb(text)[:3]
    return red, green, blue


def _read_shape(line: str) -> Shape:
    kind, left, top, right, bottom, *colours = line.split()
    box = (float(left) / 100, float(top) / 100, float(right) / 100, float(bottom) / 100)
    first, *others = (_colour(f"#{digits}") for digits in colours)
    return msgspec.convert(
        {"kind": kind, "box_unit": box, "colour": first, "colour_to": others[0] if others else None}, Shape
    )


def _read_sprite(line: str, atlas: Atlas, aspect: float) -> Placed:
    """Read ``SPRITE CENTRE_X BOTTOM_Y HEIGHT`` and its options."""
    sprite, *rest = line.split()
    centre, bottom, height = (float(number) / 100 for number in rest[:3])
    options = dict(option.partition("=")[::2] for option in rest[3:])
    angle = int(options.get("turn", 0))
    sprite_width, sprite_height = atlas.turned(sprite, angle).size
    half = height * sprite_width / sprite_height / aspect / 2
    box = (centre - half, bottom - height, centre + half, bottom)
    if not (box[0] >= 0 and box[1] >= 0 and box[2] <= 1 and box[3] <= 1):
        raise ValueError(f"'{line}' leaves the frame: {[round(100 * value, 1) for value in box]}")
    return Placed(sprite, atlas.by_name[sprite].category, box, angle, "flip" in options)


def shadow(placed: Placed) -> Shape:
    """What an object that stands on the ground casts."""
    left, top, right, bottom = placed.box_unit
    depth = 0.012 + 0.03 * (bottom - top)
    inset = 0.04 * (right - left)
    return Shape("ellipse", (left + inset, bottom - depth, right - inset, bottom + depth), (40, 35, 30), opacity=0.22)


def draw_demo_picture(demo: DemoScene, atlas: Atlas) -> Image.Image:
    """Draw one picture of the corpus."""
    large = (demo.size_px[0] * OVERSAMPLING, demo.size_px[1] * OVERSAMPLING)
    return Image.fromarray(render(demo.scene, large, atlas)).reduce(OVERSAMPLING)


def annotate(demo: DemoScene, image_id: int, category_ids: dict[str, int], atlas: Atlas) -> list[dict[str, Any]]:
    """COCO annotations of one picture, without ids: its objects, the doubled box, the crowd region."""
    annotations = [_object_annotation(placed, demo.size_px, atlas) for placed in demo.scene.objects]
    named = [placed.category or "" for placed in demo.scene.objects]
    if demo.doubled is not None:
        category, index = demo.doubled
        annotations.append(_grown(annotations[index], demo.size_px))
        named.append(category)
    if demo.crowd:
        annotations.append(_crowd_annotation(demo, atlas))
        named.append(demo.crowd[0].category or "")
    return [
        {"image_id": image_id, "category_id": category_ids[name], **annotation}
        for name, annotation in zip(named, annotations, strict=True)
    ]


def _object_annotation(placed: Placed, size_px: tuple[int, int], atlas: Atlas) -> dict[str, Any]:
    large = (size_px[0] * OVERSAMPLING, size_px[1] * OVERSAMPLING)
    left, top, right, bottom = box_in_pixels(placed.box_unit, large)
    solid = stamp(placed, large, atlas)[..., 3] >= SOLID
    # The rows with the outermost pixels are kept, so that the polygon fills the box.
    rows = {*np.linspace(0, solid.shape[0] - 1, N_OUTLINE_ROWS).round().astype(int).tolist()}
    rows |= {int(np.argmax(solid[:, column])) for column in (0, -1)}
    spans = [(row, *np.flatnonzero(solid[row])[[0, -1]].tolist()) for row in sorted(rows) if solid[row].any()]
    outline = [(left + first, top + row) for row, first, _ in spans]
    outline += [(left + last + 1, top + row + 1) for row, _, last in reversed(spans)]
    return {
        "bbox": [value / OVERSAMPLING for value in (left, top, right - left, bottom - top)],
        "area": int(solid.sum()) / OVERSAMPLING**2,
        "iscrowd": 0,
        "segmentation": [[float(value) / OVERSAMPLING for point in outline for value in point]],
    }


def _grown(annotation: dict[str, Any], size_px: tuple[int, int]) -> dict[str, Any]:
    """The same object as a second annotator would have drawn it, a little larger."""
    left, top, width, height = annotation["bbox"]
    middle = (left + width / 2, top + height / 2)
    points = annotation["segmentation"][0]
    moved = [
        min(float(size_px[n % 2]), max(0.0, round(middle[n % 2] + (value - middle[n % 2]) * DOUBLED_GROWTH, 2)))
        for n, value in enumerate(points)
    ]
    corner = [round(middle[n] - extent / 2 * DOUBLED_GROWTH, 2) for n, extent in enumerate((width, height))]
    extents = [round(extent * DOUBLED_GROWTH, 2) for extent in (width, height)]
    area = round(annotation["area"] * DOUBLED_GROWTH**2, 2)
    return {"bbox": corner + extents, "area": area, "iscrowd": 0, "segmentation": [moved]}


def _crowd_annotation(demo: DemoScene, atlas: Atlas) -> dict[str, Any]:
    width, height = demo.size_px
    mask = np.zeros((height, width), bool)
    for placed in demo.crowd:
        left, top, right, bottom = box_in_pixels(placed.box_unit, demo.size_px)
        mask[top:bottom, left:right] |= stamp(placed, demo.size_px, atlas)[..., 3] >= SOLID
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return {
        "bbox": [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
        "area": int(mask.sum()),
        "iscrowd": 1,
        "segmentation": {"size": [height, width], "counts": run_lengths(mask)},
    }


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """COCO's uncompressed run lengths: column by column, runs of 0 and 1 in turn, beginning with 0."""
    flat = mask.flatten(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    bounds = [0, *([0] if flat[0] else []), *edges.tolist(), flat.size]
    return [end - start for start, end in pairwise(bounds)]


def build_annotations(scenes: list[DemoScene], atlas: Atlas) -> tuple[dict[str, Any], dict[str, Any]]:
    """Contents of the captions file and of the instances file."""
    listed = read_sprite_list()["categories"]
    category_ids = {name: entry["id"] for name, entry in listed.items()}
    images = [
        {"id": n, "file_name": file_name(n), "width": demo.size_px[0], "height": demo.size_px[1], "license": 1}
        for n, demo in enumerate(scenes, 1)
    ]
    captions = [(n, caption) for n, demo in enumerate(scenes, 1) for caption in demo.captions]
    boxes = [found for n, demo in enumerate(scenes, 1) for found in annotate(demo, n, category_ids, atlas)]
    head = {"info": INFO, "licenses": LICENCES, "images": images}
    return (
        head
        | {
            "annotations": [
                {"id": n, "image_id": image_id, "caption": text} for n, (image_id, text) in enumerate(captions, 1)
            ]
        },
        head
        | {
            "annotations": [{"id": n} | found for n, found in enumerate(boxes, 1)],
            "categories": [
                {"id": entry["id"], "name": name, "supercategory": entry["group"]} for name, entry in listed.items()
            ],
        },
    )


def file_name(image_id: int) -> str:
    """COCO's way: the id in twelve digits."""
    return f"{image_id:012d}.jpg"


def write_demo_corpus(folder: Path) -> list[DemoScene]:
    """Write pictures and annotations.

    Args:
        folder: Gets ``images/`` and ``annotations/``.
    """
    atlas = load_atlas()
    scenes = read_demo_scenes(atlas)
    for name in ("images", "annotations"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for n, demo in enumerate(scenes, 1):
        draw_demo_picture(demo, atlas).save(folder / "images" / file_name(n), quality=JPEG_QUALITY, optimize=True)
    for kind, content in zip(("captions", "instances"), build_annotations(scenes, atlas), strict=True):
        text = json.dumps(content).replace('{"id"', '\n{"id"') + "\n"
        (folder / "annotations" / f"{kind}_demo.json").write_text(text, encoding="utf-8", newline="\n")
    return scenes


def write_contact_sheet(folder: Path, scenes: list[DemoScene], to: Path) -> None:
    """Draw all pictures of a written corpus with their boxes, four in a row."""
    instances = json.loads((folder / "annotations" / "instances_demo.json").read_text(encoding="utf-8"))
    names = {category["id"]: category["name"] for category in instances["categories"]}
    cell = (490, 410)
    sheet = Image.new("RGB", (4 * cell[0], -(-len(scenes) // 4) * cell[1]), "white")
    for n, demo in enumerate(scenes, 1):
        with Image.open(folder / "images" / file_name(n)) as picture:
            draw = ImageDraw.Draw(picture)
            for found in (each for each in instances["annotations"] if each["image_id"] == n):
                left, top, width, height = found["bbox"]
                colour = "magenta" if found["iscrowd"] else "lime"
                draw.rectangle((left, top, left + width - 1, top + height - 1), outline=colour)
                draw.text((left + 2, top + 1), names[found["category_id"]], fill=colour)
            draw.text((4, 4), f"{n} {demo.name}", fill="black")
            sheet.paste(picture, ((n - 1) % 4 * cell[0], (n - 1) // 4 * cell[1]))
    sheet.save(to)


def main() -> None:
    """Write the corpus, and a contact sheet when asked."""
    parser = argparse.ArgumentParser(description="Rebuild the bundled corpus from training/demo_scenes.yaml.")
    parser.add_argument("--out", type=Path, default=DEMO, help="folder to write")
    parser.add_argument("--contact-sheet", type=Path, help="PNG of all pictures with boxes")
    options = parser.parse_args()
    scenes = write_demo_corpus(options.out)
    if options.contact_sheet:
        write_contact_sheet(options.out, scenes, options.contact_sheet)
    size_kb = sum(file.stat().st_size for file in options.out.rglob("*") if file.is_file()) / 1000
    print(f"{len(scenes)} scenes, {size_kb:.0f} KB in {options.out}")


if __name__ == "__main__":
    main()
