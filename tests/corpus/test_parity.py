"""What pycocotools reads of a file we read too, number for number, in every style of file."""

import io
import json
import random
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from datagen.config import CorpusSettings
from datagen.corpus import Corpus, load_corpus
from datagen.corpus.coco import reader
from datagen.corpus.coco.diagnose import decode_whole

N_IMAGES = 400
CAPTIONS = ["A dog.", 'says "}, {" twice', "two  spaces ", "}, {}, {", "\\", "naïve 漢字 🐘", "[{", "]}, "]
NAMES = "ant bee cow deer elk fox goat hen ibis".split()
STYLES: dict[str, dict[str, Any]] = {
    "one line": {},
    "tight": {"separators": (",", ":")},
    "indented": {"indent": 4},
    "unicode": {"ensure_ascii": False},
    "wide": {"indent": 40},
}


def make_trees(seed: int, id_of: type) -> tuple[dict[str, Any], dict[str, Any]]:
    """Instances and captions as COCO has them: annotations in no order, crowds, boxes that end at the frame."""
    rng = random.Random(seed)
    images = [
        {"id": id_of(n), "file_name": f"{n:012}.jpg", "width": rng.randint(50, 640), "height": rng.randint(50, 640)}
        for n in rng.sample(range(1, 10**6), N_IMAGES)
    ]
    boxes, captions = [], []
    for n in range(7 * N_IMAGES):
        image = rng.choice(images)
        left, top = rng.uniform(0, image["width"] - 2), rng.uniform(0, image["height"] - 2)
        box = [left, top, rng.uniform(1, image["width"] - left), rng.uniform(1, image["height"] - top)]
        box = [round(value, 2) for value in box]
        outline = [box[0], box[1], box[0] + box[2], box[1], box[0] + box[2], box[1] + box[3]]
        crowd = {"size": [image["height"], image["width"]], "counts": [image["height"] * image["width"]]}
        is_crowd = n % 50 == 0
        boxes.append(
            {
                "segmentation": crowd if is_crowd else [outline] * rng.randint(1, 9),
                "area": round(box[2] * box[3] * rng.random() + 0.5, 4),
                "iscrowd": int(is_crowd),
                "image_id": image["id"],
                "bbox": box,
                "category_id": rng.randint(1, 9),
                "id": n + 1,
            }
        )
        captions.append({"image_id": image["id"], "id": n + 1, "caption": f"A dog beside {rng.choice(CAPTIONS)} {n}"})
    categories = [{"supercategory": "x", "id": n, "name": name} for n, name in enumerate(NAMES, start=1)]
    return (
        {"info": {"year": 2017}, "images": images, "annotations": boxes, "categories": categories},
        {"annotations": captions, "type": "captions", "images": images[::-1]},
    )


def assert_same_facts(corpus: Corpus, instances: Path, captions: Path) -> None:
    """Hold every field that is used against pycocotools."""
    from pycocotools.coco import COCO

    with redirect_stdout(io.StringIO()):
        boxes, texts = COCO(str(instances)), COCO(str(captions))
    names = {key: category["name"] for key, category in boxes.cats.items()}
    assert corpus.categories == tuple(names.values())
    assert [image.image_id for image in corpus.images] == [str(key) for key in boxes.imgs]
    for image, theirs in zip(corpus.images, boxes.imgs.values(), strict=True):
        assert (image.file_name, image.width, image.height) == (theirs["file_name"], theirs["width"], theirs["height"])
        assert list(image.captions) == [" ".join(row["caption"].split()) for row in texts.imgToAnns[theirs["id"]]]
        rows = boxes.imgToAnns[theirs["id"]]
        assert [(box.category, box.is_crowd) for box in image.boxes] == [
            (names[row["category_id"]], bool(row["iscrowd"])) for row in rows
        ]
        for box, row in zip(image.boxes, rows, strict=True):
            left, top, width, height = row["bbox"]
            right, bottom = min(left + width, image.width), min(top + height, image.height)
            corners = (left / image.width, top / image.height, right / image.width, bottom / image.height)
            assert box.box_unit == corners
            box_area = (corners[2] - corners[0]) * (corners[3] - corners[1])
            assert box.area_unit == min(row["area"] / (image.width * image.height), box_area)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("id_of", [int, lambda n: n + 10**17], ids=["close ids", "far ids"])
def test_same_facts_as_pycocotools(tmp_path: Path, style: str, id_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "decode_whole", None)  # so that nothing but blocks is read
    paths = tmp_path / "instances.json", tmp_path / "captions.json"
    for path, tree in zip(paths, make_trees(1, id_of), strict=True):
        path.write_text(json.dumps(tree, **STYLES[style]), encoding="utf-8")
    assert paths[0].stat().st_size > 1 << 18  # several blocks
    corpus = load_corpus(CorpusSettings(instances=(str(paths[0]),), captions=(str(paths[1]),)))
    assert not corpus.findings
    assert_same_facts(corpus, *paths)


def test_blocks_and_whole_files_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "instances.json"
    tree = make_trees(2, int)[0]
    for row in tree["annotations"][::7]:
        row["bbox"][2] += 30.0  # some reach over the frame
    path.write_text(json.dumps(tree))
    settings = CorpusSettings(instances=(str(path),))
    in_blocks = load_corpus(settings)
    whole: list[Path] = []
    monkeypatch.setattr(reader, "read_object", lambda *_: {})
    monkeypatch.setattr(reader, "decode_whole", lambda path, *how: whole.append(path) or decode_whole(path, *how))
    assert load_corpus(settings) == in_blocks
    assert whole == [path]
    assert {finding.kind for finding in in_blocks.findings} == {"box_out_of_frame"}
