"""Annotated images written in every corpus format, as its public specification has it: what tests read back."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from datagen.lexicon import plural
from datagen.records import AnnotatedImage, Box


def write_yolo(images: Sequence[AnnotatedImage], categories: Sequence[str], folder: Path) -> Path:
    """Ultralytics' layout, ``images/train`` and ``labels/train``."""
    labels = folder / "labels" / "train"
    labels.mkdir(parents=True)
    names = "".join(f"  {n}: {name}\n" for n, name in enumerate(categories))
    (folder / "data.yaml").write_text(f"path: ../datasets/mine\ntrain: images/train\nval: images/val\nnames:\n{names}")
    for image in images:
        lines = [
            f"{categories.index(box.category)} {(left + right) / 2:.6f} {(top + bottom) / 2:.6f} {right - left:.6f} "
            f"{bottom - top:.6f}\n"
            for box in image.boxes
            for left, top, right, bottom in [box.box_unit]
        ]
        (labels / f"{PurePosixPath(image.file_name).stem}.txt").write_text("".join(lines))
    return folder


def write_voc(images: Sequence[AnnotatedImage], categories: Sequence[str], folder: Path) -> Path:
    """``Annotations`` beside ``JPEGImages``, corners from 1."""
    del categories
    (folder / "Annotations").mkdir(parents=True)
    for image in images:
        objects = "".join(
            f"<object><name>{box.category}</name><pose>Unspecified</pose><truncated>1</truncated>"
            f"<difficult>0</difficult><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax>"
            f"<ymax>{bottom}</ymax></bndbox></object>"
            for box in image.boxes
            for left, top, right, bottom in [_in_pixels(box, image)]
        )
        size = f"<size><width>{image.width}</width><height>{image.height}</height><depth>3</depth></size>"
        name = PurePosixPath(image.file_name)
        (folder / "Annotations" / f"{name.stem}.xml").write_text(
            f"<annotation>\n<folder>VOC2012</folder><filename>{name.name}</filename>{size}<segmented>0</segmented>\n"
            f"{objects}\n</annotation>\n"
        )
    return folder


def _in_pixels(box: Box, image: AnnotatedImage) -> tuple[int, int, int, int]:
    left, top, right, bottom = box.box_unit
    return (
        round(left * image.width),
        round(top * image.height),
        round(right * image.width),
        round(bottom * image.height),
    )


def write_lines(images: Sequence[AnnotatedImage], categories: Sequence[str], folder: Path) -> Path:
    """Flickr8k's ``name#number<tab>caption``."""
    del categories
    folder.mkdir(parents=True)
    path = folder / "Flickr8k.token.txt"
    lines = [f"{image.file_name}#{n}\t{caption}\n" for image in images for n, caption in enumerate(image.captions)]
    path.write_text("".join(lines))
    return path


def write_table(images: Sequence[AnnotatedImage], categories: Sequence[str], folder: Path) -> Path:
    """A CSV file with a header."""
    del categories
    folder.mkdir(parents=True)
    with (folder / "captions.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("image", "caption", "license"))
        table.writerows((image.file_name, text, image.licence) for image in images for text in image.captions)
    return folder


def write_hub(images: Sequence[AnnotatedImage], categories: Sequence[str], folder: Path) -> Path:
    """The ``metadata.jsonl`` of an image folder on the hub, each caption a line."""
    del categories
    folder.mkdir(parents=True)
    rows = [{"file_name": image.file_name, "text": text} for image in images for text in image.captions]
    (folder / "metadata.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return folder


def write_karpathy(images: Sequence[AnnotatedImage], categories: Sequence[str], folder: Path) -> Path:
    """Karpathy's splits of COCO."""
    del categories
    folder.mkdir(parents=True)
    rows = [
        {
            "filename": image.file_name,
            "imgid": n,
            "split": "train",
            "sentences": [{"tokens": text.split(), "raw": text, "imgid": n} for text in image.captions],
        }
        for n, image in enumerate(images)
    ]
    path = folder / "dataset.json"
    path.write_text(json.dumps({"images": rows, "dataset": "mine"}))
    return path


def write_open_images(images: Sequence[AnnotatedImage], categories: Sequence[str], folder: Path) -> Path:
    """Boxes, names of categories, and images with their licences."""
    folder.mkdir(parents=True)
    codes = {name: f"/m/0{n}" for n, name in enumerate(categories)}
    names = "".join(f"{code},{name.capitalize()}\n" for name, code in codes.items())
    (folder / "class-descriptions-boxable.csv").write_text(names)
    with (folder / "oidv6-train-annotations-bbox.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow("ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside".split(","))  # fmt: skip
        for image in images:
            for box in image.boxes:
                left, top, right, bottom = box.box_unit
                marks = (0, 0, int(box.is_crowd), 0, 0)
                image_id = PurePosixPath(image.file_name).stem
                table.writerow((image_id, "xclick", codes[box.category], 1, left, right, top, bottom, *marks))
    with (folder / "train-images-boxable-with-rotation.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("ImageID", "Subset", "License"))
        for image in images:
            url = "https://creativecommons.org/licenses/by/2.0/" if image.licence else ""
            table.writerow((PurePosixPath(image.file_name).stem, "train", url))
    return folder


def write_coco(images: Sequence[AnnotatedImage], categories: Sequence[str], folder: Path) -> Path:
    """``annotations`` with a file of captions and one of instances."""
    (folder / "annotations").mkdir(parents=True)
    listed = [
        {"id": n, "file_name": f"images/{image.file_name}", "width": image.width, "height": image.height}
        for n, image in enumerate(images, start=1)
    ]
    captions = [{"image_id": n, "caption": text} for n, image in enumerate(images, start=1) for text in image.captions]
    boxes = [
        {
            "image_id": n,
            "category_id": categories.index(box.category),
            "bbox": [left, top, right - left, bottom - top],
            "iscrowd": int(box.is_crowd),
        }
        for n, image in enumerate(images, start=1)
        for box in image.boxes
        for left, top, right, bottom in [_in_pixels(box, image)]
    ]
    named = [{"id": n, "name": name} for n, name in enumerate(categories)]
    for kind, rows in (("captions", captions), ("instances", boxes)):
        tree = {"images": listed, "annotations": rows, "categories": named}
        (folder / "annotations" / f"{kind}_train2017.json").write_text(json.dumps(tree))
    return folder


def write_visual_genome(images: Sequence[AnnotatedImage], categories: Sequence[str], folder: Path) -> Path:
    """``image_data.json`` and ``objects.json``, and an attribute of every object."""
    del categories
    folder.mkdir(parents=True)
    listed, objects, attributes = [], [], []
    for n, image in enumerate(images, start=1):
        url = f"https://cs.stanford.edu/people/rak248/VG_100K/{image.file_name}"
        listed.append({"image_id": n, "url": url, "width": image.width, "height": image.height, "coco_id": None})
        things = [
            {
                "object_id": k,
                "names": [plural(box.category) if box.is_crowd else box.category],
                "synsets": [],
                "x": left * image.width,
                "y": top * image.height,
                "w": (right - left) * image.width,
                "h": (bottom - top) * image.height,
            }
            for k, box in enumerate(image.boxes)
            for left, top, right, bottom in [box.box_unit]
        ]
        objects.append({"image_id": n, "objects": things, "image_url": url})
        attributes.append({"image_id": n, "attributes": [{**one, "attributes": ["green"]} for one in things]})
    for name, content in (("image_data", listed), ("objects", objects), ("attributes", attributes)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def write_refcoco(images: Sequence[AnnotatedImage], categories: Sequence[str], folder: Path) -> Path:
    """``instances.json`` and an expression for every box, as ``refs(unc).json``."""
    write_coco(images, categories, folder / "coco")
    tree = json.loads((folder / "coco" / "annotations" / "instances_train2017.json").read_text())
    rows = [{"id": n, **row} for n, row in enumerate(tree["annotations"], start=1)]
    for listed, image in zip(tree["images"], images, strict=True):
        listed["file_name"] = image.file_name
    (folder / "instances.json").write_text(json.dumps({**tree, "annotations": rows}))
    refs = [
        {"ref_id": row["id"], "ann_id": row["id"], "image_id": row["image_id"], "category_id": row["category_id"]}
        | {"file_name": "x", "split": "train", "sent_ids": [1], "sentences": [_said(categories[row["category_id"]])]}
        for row in rows
    ]
    (folder / "refs(unc).json").write_text(json.dumps(refs))
    return folder


def write_webdataset(images: Sequence[AnnotatedImage], categories: Sequence[str], folder: Path) -> Path:
    """Two shards of three images, as img2dataset's; pictures are plain colours, as the real ones are not at hand."""
    del categories
    folder.mkdir(parents=True)
    for number in range(2):
        with tarfile.open(folder / f"{number:05}.tar", "w") as tar:
            for image in images[number * 3 : number * 3 + 3]:
                stem, picture = PurePosixPath(image.file_name).stem, io.BytesIO()
                Image.new("RGB", (image.width, image.height), "grey").save(picture, "JPEG")
                boxes = [
                    {"category": box.category, "bbox": [left, top, right - left, bottom - top], "iscrowd": box.is_crowd}
                    for box in image.boxes
                    for left, top, right, bottom in [_in_pixels(box, image)]
                ]
                record = {"captions": image.captions, "boxes": boxes, "width": image.width, "height": image.height}
                text = json.dumps({**record, "license": image.licence, "key": stem, "status": "success"}).encode()
                for suffix, data in (("jpg", picture.getvalue()), ("json", text)):
                    info = tarfile.TarInfo(f"{stem}.{suffix}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
    return folder


def write_hub_tables(images: Sequence[AnnotatedImage], categories: Sequence[str], folder: Path) -> Path:
    """Parquet as a push to the hub makes it; pictures are plain colours, as the real ones are not at hand."""
    (folder / "data").mkdir(parents=True)
    rows = []
    for image in images:
        picture = io.BytesIO()
        Image.new("RGB", (image.width, image.height), "grey").save(picture, "JPEG")
        pixels = [_in_pixels(box, image) for box in image.boxes]
        boxes = [[left, top, right - left, bottom - top] for left, top, right, bottom in pixels]
        named = [categories.index(box.category) for box in image.boxes]
        rows.append({
            "image": {"bytes": picture.getvalue(), "path": image.file_name}, "captions": [*image.captions],
            "width": image.width, "height": image.height, "license": image.licence,
            "objects": {"bbox": boxes, "category": named},
        })  # fmt: skip
    features = {"objects": {"category": {"feature": {"names": [*categories], "_type": "ClassLabel"}}}}
    table = pa.Table.from_pylist(rows).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    pq.write_table(table, folder / "data" / "train-00000-of-00001.parquet")
    return folder


def _said(category: str) -> dict[str, object]:
    words = ["left", category]
    return {"sent_id": 1, "tokens": words, "raw": f"Left {category}.", "sent": " ".join(words)}


@dataclass(frozen=True)
class Format:
    """How a corpus is written, and what comes back.

    Attributes:
        write: Gives the path for ``corpus.path``.
        pictures: Where the pictures stand in its folder.
        off_by: How far its boxes are rounded, as a share of the frame.
        ids: Images keep the ids that COCO gives them.
        crowds: Which boxes are crowds is told.
    """

    write: Callable[[Sequence[AnnotatedImage], Sequence[str], Path], Path]
    pictures: str
    captions: bool = False
    boxes: bool = True
    licences: bool = False
    off_by: float = 1e-5
    ids: bool = True
    crowds: bool = True


WRITERS = {
    "coco in a folder": Format(write_coco, "images", captions=True),
    "yolo": Format(write_yolo, "images/train"),
    "voc": Format(write_voc, "JPEGImages"),
    "open_images": Format(write_open_images, "train", licences=True),
    "visual_genome": Format(write_visual_genome, "VG_100K"),
    "refcoco": Format(write_refcoco, "."),
    "webdataset": Format(write_webdataset, ".", captions=True, licences=True),
    "datasets": Format(write_hub_tables, ".", captions=True, licences=True, ids=False, crowds=False),
    "captions in lines": Format(write_lines, "images", captions=True, boxes=False),
    "captions in a table": Format(write_table, ".", captions=True, boxes=False, licences=True),
    "captions of the hub": Format(write_hub, ".", captions=True, boxes=False),
    "captions of Karpathy": Format(write_karpathy, "images", captions=True, boxes=False),
}
"""By the names of the formats that ``corpus.path`` finds."""
