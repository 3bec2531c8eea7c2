"""Reading 100,000 images in each corpus format, beside the same images in COCO's files: time and memory.

    python benchmarks/sources.py [--images 100000] [--folder DIR] [--formats yolo,voc,...]

An image has ten boxes (five captions, where a format has captions); the tables of Open Images have a million rows.
Every format is read in a process of its own, without the cache; the files were just written, so they come from memory
and not from the disk. There are no pictures.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from measuring import peak_mb

BOXES = 10
CAPTIONS = 5
CATEGORIES = ("person", "dog", "cat", "cup", "chair", "kite", "car", "bus", "bird", "boat")
SIZE = (640, 480)
WORDS = "a brown dog sits near two small cups on the wooden table by an open window of some old house".split()


def boxes_of(rng: random.Random) -> Iterator[tuple[int, int, int, int, int]]:
    """Category, left, top, width and height in pixels."""
    for _ in range(BOXES):
        left, top = rng.randrange(500), rng.randrange(400)
        yield (
            rng.randrange(len(CATEGORIES)),
            left,
            top,
            rng.randrange(5, SIZE[0] - left),
            rng.randrange(5, SIZE[1] - top),
        )


def captions_of(rng: random.Random) -> list[str]:
    """Captions of eleven words, as COCO's have."""
    return [" ".join(rng.choices(WORDS, k=11)) + "." for _ in range(CAPTIONS)]


def make_coco(folder: Path, n_images: int, *, is_of_boxes: bool = True) -> None:
    """One instances file, or one captions file."""
    rng = random.Random(0)
    images = [{"id": n, "file_name": f"{n:012}.jpg", "width": SIZE[0], "height": SIZE[1]} for n in range(n_images)]
    rows: list[dict[str, object]] = []
    for n in range(n_images):
        if is_of_boxes:
            for which, *box in boxes_of(rng):
                row = {"image_id": n, "category_id": which + 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
                rows.append({"id": len(rows), **row})
        else:
            rows += [{"id": len(rows), "image_id": n, "caption": text} for text in captions_of(rng)]
    categories = [{"id": n, "name": name} for n, name in enumerate(CATEGORIES, start=1)]
    with (folder / "coco.json").open("w") as file:
        json.dump({"images": images, "annotations": rows, "categories": categories}, file)


def make_yolo(folder: Path, n_images: int) -> None:
    """``data.yaml`` and a file of labels an image."""
    rng = random.Random(0)
    (folder / "labels" / "train").mkdir(parents=True)
    (folder / "data.yaml").write_text(f"names: [{', '.join(CATEGORIES)}]\n")
    for n in range(n_images):
        lines = [
            f"{which} {(x + w / 2) / SIZE[0]:.6f} {(y + h / 2) / SIZE[1]:.6f} {w / SIZE[0]:.6f} {h / SIZE[1]:.6f}\n"
            for which, x, y, w, h in boxes_of(rng)
        ]
        (folder / "labels" / "train" / f"{n:012}.txt").write_text("".join(lines))


def make_voc(folder: Path, n_images: int) -> None:
    """An XML file an image."""
    rng = random.Random(0)
    (folder / "Annotations").mkdir(parents=True)
    size = f"<size><width>{SIZE[0]}</width><height>{SIZE[1]}</height><depth>3</depth></size>"
    for n in range(n_images):
        objects = "".join(
            f"<object>\n<name>{CATEGORIES[which]}</name>\n<pose>Left</pose>\n<truncated>0</truncated>\n<difficult>0"
            f"</difficult>\n<bndbox>\n<xmin>{x + 1}</xmin>\n<ymin>{y + 1}</ymin>\n<xmax>{x + w}</xmax>\n<ymax>{y + h}"
            "</ymax>\n</bndbox>\n</object>\n"
            for which, x, y, w, h in boxes_of(rng)
        )
        text = f"<annotation>\n<filename>{n:012}.jpg</filename>\n{size}\n{objects}</annotation>\n"
        (folder / "Annotations" / f"{n:012}.xml").write_text(text)


def make_open_images(folder: Path, n_images: int) -> None:
    """A table of boxes, and the names."""
    rng = random.Random(0)
    names = "".join(f"/m/0{n},{name}\n" for n, name in enumerate(CATEGORIES))
    (folder / "class-descriptions-boxable.csv").write_text(names)
    with (folder / "train-annotations-bbox.csv").open("w") as file:
        file.write("ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,")
        file.write("IsDepiction,IsInside\n")
        for n in range(n_images):
            for which, x, y, w, h in boxes_of(rng):
                corners = f"{x / SIZE[0]:.6f},{(x + w) / SIZE[0]:.6f},{y / SIZE[1]:.6f},{(y + h) / SIZE[1]:.6f}"
                file.write(f"{n:016x},xclick,/m/0{which},1,{corners},0,0,0,0,0\n")


def make_captions(folder: Path, n_images: int) -> None:
    """A CSV file, a caption a line."""
    rng = random.Random(0)
    with (folder / "captions.csv").open("w") as file:
        file.write("image,caption\n")
        file.writelines(f"{n:012}.jpg,{text}\n" for n in range(n_images) for text in captions_of(rng))


def make_records(folder: Path, n_images: int) -> None:
    """JSON Lines, a record an image."""
    rng = random.Random(0)
    with (folder / "images.jsonl").open("w") as file:
        for n in range(n_images):
            boxes = [{"category": CATEGORIES[which], "bbox": box} for which, *box in boxes_of(rng)]
            record = {"file_name": f"{n:012}.jpg", "width": SIZE[0], "height": SIZE[1], "boxes": boxes}
            file.write(json.dumps(record) + "\n")


def make_visual_genome(folder: Path, n_images: int) -> None:
    """As dense as the real one: an attribute, two relations and five phrases for each box."""
    rng = random.Random(0)
    phrases = [" ".join(rng.choices(WORDS, k=5)) for _ in range(2_000)]
    names = ("image_data", "objects", "attributes", "relationships", "region_descriptions")
    files = {name: (folder / f"{name}.json").open("w") for name in names}
    for n in range(n_images):
        things = [
            {"object_id": k, "names": [CATEGORIES[which]], "synsets": [], "x": x, "y": y, "w": w, "h": h}
            for k, (which, x, y, w, h) in enumerate(boxes_of(rng))
        ]
        pairs = [(a, b) for a in things for b in rng.choices(things, k=2)]
        rows = {
            "image_data": {"image_id": n, "width": SIZE[0], "height": SIZE[1], "url": f"https://x/VG_100K/{n}.jpg"},
            "objects": {"image_id": n, "objects": things},
            "attributes": {"image_id": n, "attributes": [{**one, "attributes": ["brown"]} for one in things]},
            "relationships": {
                "image_id": n,
                "relationships": [{"predicate": "next to", "subject": a, "object": b} for a, b in pairs],
            },
            "region_descriptions": {
                "id": n,
                "regions": [
                    {
                        "region_id": k,
                        "x": one["x"],
                        "y": one["y"],
                        "width": one["w"],
                        "height": one["h"],
                        "phrase": text,
                    }
                    for k, (one, text) in enumerate(zip(things * 5, rng.choices(phrases, k=5 * BOXES), strict=True))
                ],
            },
        }
        for name, row in rows.items():
            files[name].write(("[" if n == 0 else ", ") + json.dumps(row))
    for file in files.values():
        file.write("]")
        file.close()


def make_webdataset(folder: Path, n_images: int) -> None:
    """Shards of 10,000 pictures of two bytes, each with boxes and a caption in JSON."""
    rng = random.Random(0)
    for start in range(0, n_images, 10_000):
        with tarfile.open(folder / f"{start // 10_000:05}.tar", "w") as tar:
            for n in range(start, min(start + 10_000, n_images)):
                boxes = [{"category": CATEGORIES[which], "bbox": box} for which, *box in boxes_of(rng)]
                record = {"width": SIZE[0], "height": SIZE[1], "boxes": boxes, "captions": captions_of(rng)}
                for suffix, data in (("jpg", b"\xff\xd8"), ("json", json.dumps(record).encode())):
                    info = tarfile.TarInfo(f"{n:09}.{suffix}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))


def make_hub_tables(folder: Path, n_images: int) -> None:
    """Parquet of 10,000 rows, with pictures of two bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = random.Random(0)
    features = {"objects": {"category": {"feature": {"names": CATEGORIES, "_type": "ClassLabel"}}}}
    told = {"huggingface": json.dumps({"info": {"features": features}})}
    for start in range(0, n_images, 10_000):
        rows = []
        for n in range(start, min(start + 10_000, n_images)):
            which, boxes = zip(*((one, box) for one, *box in boxes_of(rng)), strict=True)
            image = {"bytes": b"\xff\xd8", "path": f"{n:012}.jpg"}
            row = {"image": image, "captions": captions_of(rng), "width": SIZE[0], "height": SIZE[1]}
            rows.append({**row, "objects": {"bbox": [*boxes], "category": [*which]}})
        table = pa.Table.from_pylist(rows).replace_schema_metadata(told)
        pq.write_table(table, folder / f"train-{start // 10_000:05}.parquet", row_group_size=100)


MAKERS: dict[str, Callable[[Path, int], None]] = {
    "coco boxes": make_coco,
    "yolo": make_yolo,
    "voc": make_voc,
    "open_images": make_open_images,
    "records": make_records,
    "visual_genome": make_visual_genome,
    "webdataset": make_webdataset,
    "datasets": make_hub_tables,
    "coco captions": lambda folder, n_images: make_coco(folder, n_images, is_of_boxes=False),
    "captions": make_captions,
}


def read(name: str, folder: Path) -> None:
    """Read a corpus and print what it took, from when the modules were there."""
    from datagen.config import CorpusSettings
    from datagen.corpus import load_corpus, open_source

    file = (str(folder / "coco.json"),)
    settings = {"coco boxes": CorpusSettings(instances=file), "coco captions": CorpusSettings(captions=file)}
    path = folder / "images.jsonl" if name == "records" else folder
    before, started, cpu = peak_mb(), time.perf_counter(), time.process_time()
    corpus_settings = settings.get(name) or CorpusSettings(path=str(path))
    images = load_corpus(corpus_settings).images
    told = {"wall": time.perf_counter() - started, "cpu": time.process_time() - cpu, "mb": peak_mb() - before}
    started = time.process_time()
    open_source(corpus_settings).stamp()
    told["stamp"] = time.process_time() - started
    columns = images.columns  # type: ignore[attr-defined]
    print(json.dumps({**told, "counts": [len(images), len(columns.areas), len(columns.captions)]}))


def main() -> None:
    """Make each corpus, read it, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="keep the files here")
    parser.add_argument("--formats", default=",".join(MAKERS))
    parser.add_argument("--read", choices=MAKERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read(options.read, options.folder)
        return
    with tempfile.TemporaryDirectory() as scratch:
        heads = ("images", "boxes", "captions", "CPU s", "wall s", "MB more", "stamp s")
        print(f"{'':14}", *(f"{head:>{width}}" for head, width in zip(heads, (8, 10, 9, 7, 7, 8, 8), strict=True)))
        for name in options.formats.split(","):
            folder = (options.folder or Path(scratch)) / name.replace(" ", "_")
            if not folder.exists():
                folder.mkdir(parents=True)
                MAKERS[name](folder, options.images)
            command = [sys.executable, __file__, "--read", name, "--folder", str(folder)]
            environment = {**os.environ, "DATAGEN_CACHE": "off"}
            found = json.loads(subprocess.run(command, check=True, capture_output=True, env=environment).stdout)
            counts = " ".join(f"{n:>{width},}" for n, width in zip(found["counts"], (8, 10, 9), strict=True))
            spent = f"{found['cpu']:7.2f} {found['wall']:7.2f} {found['mb']:8.0f} {found['stamp']:8.2f}"
            print(f"{name:14} {counts} {spent}", flush=True)


if __name__ == "__main__":
    main()
