"""Loading COCO files of train2017's size: ours cold, ours from the cache, and pycocotools.

    python benchmarks/load.py [--captions F --instances F] [--images 118287] [--repeats 3] [--folder DIR]

The files are made of a small COCO corpus (the bundled one where none is given) by repeating its images under new ids,
with 7.27 boxes and 5 captions an image as train2017 has them, in no order. Every way runs in a process of its own,
from the start of the interpreter to its first image and to its end; the files were just written, so they come from
memory and not from the disk.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measuring import peak_mb

N_IMAGES = 118_287
BOXES_AN_IMAGE = 860_001 / 118_287
OUTLINE_CORNERS = 26
"""Of objects whose file has no mask: with these an annotation is as long as COCO's, 570 bytes."""


def make_files(captions: Path, instances: Path, folder: Path, n_images: int) -> None:
    """Write files of ``n_images`` images, made of those of a small corpus."""
    rng = random.Random(0)
    ids = rng.sample(range(1, 5 * n_images), n_images)
    for name, path, n_rows in (
        ("instances", instances, round(BOXES_AN_IMAGE * n_images)),
        ("captions", captions, 5 * n_images),
    ):
        tree = json.loads(path.read_bytes())
        with (folder / f"{name}.json").open("w", encoding="utf-8") as file:
            for piece in repeated(tree, ids, n_rows, rng):
                file.write(piece)


def repeated(tree: dict[str, Any], ids: list[int], n_rows: int, rng: random.Random) -> Iterator[str]:
    """The text of a file that repeats a small one; the same images and annotations under other ids."""
    images = tree["images"]
    rows: dict[int, list[str]] = {image["id"]: [] for image in images}
    for row in tree["annotations"]:
        if "bbox" in row and not row.get("segmentation"):
            row["segmentation"] = [outline(row["bbox"])]
        rest = {key: value for key, value in row.items() if key not in ("id", "image_id")}
        rows[row["image_id"]].append(json.dumps(rest)[1:-1])
    texts = [rows[image["id"]] or ['"caption": "nothing"'] * ("categories" not in tree) for image in images]
    which = [(n, k) for n in range(len(ids)) for k in range(len(texts[n % len(images)]))]
    rng.shuffle(which)
    others = {key: value for key, value in tree.items() if key not in ("images", "annotations", "categories")}
    yield json.dumps(others)[:-1] + (", " if others else "") + '"images": ['
    for n, image_id in enumerate(ids):
        image = {**images[n % len(images)], "id": image_id, "file_name": f"{image_id:012}.jpg"}
        yield (", " if n else "") + json.dumps(image)
    yield '], "annotations": ['
    for number in range(n_rows):
        n, k = which[number % len(which)]
        row = f'{{{texts[n % len(images)][k]}, "image_id": {ids[n]}, "id": {number + 1}}}'
        yield (", " if number else "") + row
    yield "]"
    if "categories" in tree:
        yield f', "categories": {json.dumps(tree["categories"])}'
    yield "}"


def outline(box: list[float]) -> list[float]:
    """An ellipse in a box, as x, y pairs."""
    left, top, width, height = box
    angles = [2 * math.pi * n / OUTLINE_CORNERS for n in range(OUTLINE_CORNERS)]
    corners = [(left + width * (1 + math.cos(a)) / 2, top + height * (1 + math.sin(a)) / 2) for a in angles]
    return [round(value, 2) for corner in corners for value in corner]


def load_ours(folder: Path) -> tuple[float, tuple[int, int, int]]:
    """Load, and take the first image; count without walking."""
    from datagen.config import CorpusSettings
    from datagen.corpus import load_corpus

    files = [(str(folder / f"{name}.json"),) for name in ("captions", "instances")]
    images = load_corpus(CorpusSettings(captions=files[0], instances=files[1])).images
    assert images[0].boxes or images[0].captions
    first = time.time()
    columns: Any = images.columns  # type: ignore[attr-defined]
    return first, (len(images), len(columns.areas), len(columns.captions))


def load_theirs(folder: Path) -> tuple[float, tuple[int, int, int]]:
    """Load both files as COCO's own code does, and take the first image."""
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(sys.stderr):
        boxes, captions = (COCO(str(folder / f"{name}.json")) for name in ("instances", "captions"))
    image_id = next(iter(boxes.imgs))
    assert boxes.imgToAnns[image_id] or captions.imgToAnns[image_id]
    return time.time(), (len(boxes.imgs), len(boxes.anns), len(captions.anns))


def walk(folder: Path) -> tuple[float, tuple[int, int, int]]:
    """Make every image's record once, from the cache."""
    from datagen.config import CorpusSettings
    from datagen.corpus import load_corpus

    files = [(str(folder / f"{name}.json"),) for name in ("captions", "instances")]
    images = load_corpus(CorpusSettings(captions=files[0], instances=files[1])).images
    first, counts = time.time(), [0, 0, 0]
    for image in images:
        counts = [counts[0] + 1, counts[1] + len(image.boxes), counts[2] + len(image.captions)]
    return first, (counts[0], counts[1], counts[2])


WAYS = {"ours": load_ours, "theirs": load_theirs, "walk": walk}


def measure(way: str, folder: Path, cache: str) -> dict[str, Any]:
    """Run one way in a fresh process."""
    command = [sys.executable, __file__, "--way", way, "--folder", str(folder), "--began", str(time.time())]
    environment = {**os.environ, "DATAGEN_CACHE": cache}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # it would have every start compile the package anew: 0.15 s
    done = subprocess.run(command, check=True, capture_output=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def run_way(way: str, folder: Path, began: float) -> None:
    """Load, and print what it took since the process began."""
    first, counts = WAYS[way](folder)
    wall = time.time() - began
    told = {"cpu": time.process_time(), "wall": wall, "first": first - began, "mb": peak_mb(), "counts": counts}
    print(json.dumps(told))


def median(runs: list[dict[str, Any]], key: str) -> float:
    """The middle one of several runs."""
    return float(sorted(run[key] for run in runs)[len(runs) // 2])


def compare(folder: Path, repeats: int) -> None:
    """Measure every way, in turns, and print the table."""
    cache = folder / "cache"
    runs: dict[str, list[dict[str, Any]]] = {}
    for _ in range(repeats):
        for kept in cache.glob("*"):
            kept.unlink()
        for name, way, where in (
            ("ours, cold", "ours", str(cache)),
            ("ours, from the cache", "ours", str(cache)),
            ("ours, without a cache", "ours", "off"),
            ("ours, from the cache, every record made", "walk", str(cache)),
            ("pycocotools", "theirs", "off"),
        ):
            runs.setdefault(name, []).append(measure(way, folder, where))
    counted = {name: tuple(found[0]["counts"]) for name, found in runs.items()}
    print("{} images, {} boxes, {} captions".format(*(f"{number:,}" for number in counted["pycocotools"])))
    for name, counts in counted.items():  # a box without size is none of ours
        if counts != counted["pycocotools"]:
            print(f"{name} counts {counts}")
    sizes = [(folder / f"{name}.json").stat().st_size / 1e6 for name in ("instances", "captions")]
    print(f"{sizes[0]:.0f} MB + {sizes[1]:.0f} MB; medians of {repeats}")
    print(f"{'':40} {'CPU s':>7} {'wall s':>7} {'first image, s':>15} {'peak MB':>8} {'CPU':>7} {'memory':>7}")
    theirs = runs["pycocotools"]
    for name, found in runs.items():
        cpu, wall, first, mb = (median(found, key) for key in ("cpu", "wall", "first", "mb"))
        ratios = f"{median(theirs, 'cpu') / cpu:6.1f}x {median(theirs, 'mb') / mb:6.1f}x"
        print(f"{name:40} {cpu:7.2f} {wall:7.2f} {first:15.2f} {mb:8.0f} {ratios}")


def main() -> None:
    """Make the files, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=Path)
    parser.add_argument("--instances", type=Path)
    parser.add_argument("--images", type=int, default=N_IMAGES)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="keep the files here")
    parser.add_argument("--way", choices=(*WAYS, "make"), help=argparse.SUPPRESS)
    parser.add_argument("--began", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    demo = Path(__file__).resolve().parent.parent / "datagen" / "data" / "demo" / "annotations"
    captions = options.captions or demo / "captions_demo.json"
    instances = options.instances or demo / "instances_demo.json"
    if options.way == "make":
        make_files(captions, instances, options.folder, options.images)
        return
    if options.way:
        run_way(options.way, options.folder, options.began)
        return
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        # In a process of its own, as a child's peak memory begins at its parent's.
        command = [sys.executable, __file__, "--way", "make", "--folder", str(folder), "--images", str(options.images)]
        subprocess.run([*command, "--captions", str(captions), "--instances", str(instances)], check=True)
        time.sleep(2.5)  # files changed within two seconds are not cached
        compare(folder, options.repeats)


if __name__ == "__main__":
    main()
