"""Peak memory of a run over pictures of a camera: forty of 24 megapixels, as JPEG and as PNG.

    python benchmarks/camera_pictures.py [--pictures 40] [--width 6000 --height 4000] [--validator nano] [--folder DIR]

The pictures are soft colours under a little noise, made here, with two boxes and two captions each. The same corpus
with pictures of 640 x 480 is run beside them: the difference is what their size costs. Each run is a process apart.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from measuring import peak_mb
from PIL import Image

SMALL = (640, 480)
CATEGORIES = ({"id": 1, "name": "dog"}, {"id": 2, "name": "car"})
CAPTIONS = ("A dog stands beside a car.", "One dog waits next to a parked car.")


def make_corpus(folder: Path, n_pictures: int, size: tuple[int, int], suffix: str) -> list[str]:
    """Write pictures with their annotations; give the options of ``datagen run`` that name them."""
    (folder / "pictures").mkdir(parents=True)
    rng = np.random.default_rng(0)
    width, height = size
    images, captions, boxes = list[object](), list[object](), list[object]()
    for n in range(1, n_pictures + 1):
        soft = Image.fromarray(rng.integers(20, 216, (6, 9, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
        noise = rng.integers(0, 20, (height, width, 1), np.uint8)
        pixels = Image.fromarray(np.asarray(soft) // 8 * 7 + noise)
        pixels.save(folder / "pictures" / f"{n}{suffix}", compress_level=1)
        images.append({"id": n, "file_name": f"{n}{suffix}", "width": width, "height": height})
        captions += [{"id": 2 * n + k, "image_id": n, "caption": text} for k, text in enumerate(CAPTIONS)]
        for k, left in enumerate((0.05 + n / 1000, 0.5)):
            box = [left * width, 0.2 * height, 0.3 * width, 0.5 * height]
            one = {"id": 2 * n + k, "image_id": n, "category_id": k + 1, "bbox": box, "area": box[2] * box[3]}
            boxes.append({**one, "iscrowd": 0})
    for name, rows, more in (("captions", captions, {}), ("instances", boxes, {"categories": CATEGORIES})):
        (folder / f"{name}.json").write_text(json.dumps({"images": images, "annotations": rows, **more}))
    files = [f"--{name}={folder / name}.json" for name in ("captions", "instances")]
    return [*files, f"--images={folder / 'pictures'}"]


def measure(arguments: list[str]) -> None:
    """Be one run, and print what it held at most."""
    from datagen.cli import app

    try:
        app(arguments)
    except SystemExit as ended:
        if ended.code not in (0, 3):  # 3: nothing was accepted, which is no matter here
            raise
    print(f"peak {peak_mb():,.0f} MB")


def main() -> None:
    """Measure, and print a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--width", type=int, default=6000)
    parser.add_argument("--height", type=int, default=4000)
    parser.add_argument("--validator", default="nano")
    parser.add_argument("--folder", type=Path, help="where the pictures go; by default a temporary folder")
    parser.add_argument("--one", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        measure(asked.one)
        return
    with contextlib.ExitStack() as stack:
        folder = asked.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for size in (SMALL, (asked.width, asked.height)):
            for suffix in (".jpg", ".png"):
                place = folder / f"{size[0]}{suffix}"
                options = make_corpus(place, asked.pictures, size, suffix)
                run = ["run", *options, "--validator", asked.validator, "--device", "cpu", "--out", str(place / "run")]
                done = subprocess.run(
                    [sys.executable, __file__, "--one", *run], capture_output=True, text=True, check=True
                )
                print(f"{size[0]} x {size[1]} {suffix}: {done.stdout.splitlines()[-1]}", flush=True)


if __name__ == "__main__":
    main()
