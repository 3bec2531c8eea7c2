"""Data sets of the hub as Parquet and Arrow files: what their columns are read as, and what is faulty."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import datagen
from datagen.config import CorpusSettings
from datagen.corpus import Corpus, find_format, load_corpus, open_source, read_picture
from datagen.corpus.picture_places import folder_of
from datagen.errors import CorpusError, SettingsError

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
OBJECTS = pa.struct([("bbox", pa.list_(pa.list_(pa.float32()))), ("category", pa.list_(pa.int64()))])
NAMES = ["dog", "traffic_light"]


def picture(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(file, "PNG")
    return file.getvalue()


def row(colour: str = "red", **others: Any) -> dict[str, Any]:
    objects = {"bbox": [[16, 12, 32, 24]], "category": [1]}
    image = {"bytes": picture(colour), "path": f"{colour}.png"}
    return {"image": image, "caption": "A dog.", "width": 64, "height": 48, "objects": objects, **others}


def write(path: Path, rows: list[dict[str, Any]], **types: Any) -> Path:
    """As ``push_to_hub`` or ``save_to_disk`` writes them, by the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = {
        "image": IMAGE,
        "caption": pa.string(),
        "width": pa.int32(),
        "height": pa.int32(),
        "objects": OBJECTS,
    } | types
    features = {
        "objects": {"bbox": {}, "category": {"feature": {"names": NAMES, "_type": "ClassLabel"}, "_type": "List"}}
    }
    told = {"huggingface": json.dumps({"info": {"features": features}})}
    schema = pa.schema([(name, kind) for name, kind in known.items() if name in rows[0]], metadata=told)
    table = pa.Table.from_pylist(rows, schema=schema)
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=2)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
            writer.write_table(table, max_chunksize=2)
    return path


def load(path: Path) -> Corpus:
    assert find_format(CorpusSettings(path=str(path))).name == "datasets"
    return load_corpus(CorpusSettings(path=str(path)))


def colours(path: Path, corpus: Corpus) -> list[object]:
    folder = folder_of(open_source(CorpusSettings(path=str(path))).pictures)
    assert folder is not None
    return [read_picture(folder, image.file_name, 9999).getpixel((0, 0)) for image in corpus.images]


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_rows_are_images_with_their_pictures(tmp_path: Path, suffix: str) -> None:
    rows = [row("red"), row("blue", caption=None), row("lime", objects={"bbox": [], "category": []})]
    write(tmp_path / "d" / "train" / f"data-00000.{suffix}", rows)
    write(tmp_path / "d" / "test" / f"data-00000.{suffix}", [row("white")])
    write(tmp_path / "d" / "train" / f"cache-1.{suffix}", [row("black")])
    corpus = load(tmp_path / "d")
    first = f"train/data-00000.{suffix}"
    assert [(image.file_name, image.captions) for image in corpus.images] == [
        (f"{first}/0.png", ("A dog.",)),
        (f"{first}/1.png", ()),
        (f"{first}/2.png", ("A dog.",)),
        (f"test/data-00000.{suffix}/0.png", ("A dog.",)),
    ]
    assert len({image.image_id for image in corpus.images}) == 4
    (box,) = corpus.images[1].boxes
    assert (box.category, box.box_unit, corpus.images[2].boxes) == ("traffic light", (0.25, 0.25, 0.75, 0.75), ())
    assert (corpus.categories, corpus.findings, corpus.refusal) == (("dog", "traffic light"), (), None)
    assert colours(tmp_path / "d", corpus) == [(255, 0, 0), (0, 0, 255), (0, 255, 0), (255, 255, 255)]
    one = tmp_path / "d" / "train" / f"data-00000.{suffix}"
    assert colours(one, load(one)) == [(255, 0, 0), (0, 0, 255), (0, 255, 0)]


def test_columns_of_other_names_and_forms(tmp_path: Path) -> None:
    kind = pa.list_(pa.struct([("bbox", pa.list_(pa.float64())), ("category", pa.string())]))
    objects = [{"bbox": [0, 0, 32, 48], "category": "hot_dog"}]
    rows = [{"picture": row()["image"], "sentences": ["A bun.", "Bread."], "objects": objects, "license": "CC0-1.0"}]
    types = {"picture": IMAGE, "sentences": pa.list_(pa.string()), "objects": kind, "license": pa.string()}
    corpus = load(write(tmp_path / "a.parquet", rows, **types))
    (image,) = corpus.images
    assert (image.captions, image.licence, image.width, image.height) == (("A bun.", "Bread."), "CC0-1.0", 64, 48)
    assert [(box.category, box.box_unit) for box in image.boxes] == [("hot dog", (0, 0, 0.5, 1))]


def test_paths_alone_name_pictures_in_a_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [row(image={"bytes": None, "path": "x/1.png"})])
    assert open_source(CorpusSettings(path=str(path))).pictures is None
    assert load(path).images[0].file_name == "x/1.png"


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"objects": {"bbox": [[1, 2, 3]], "category": [0]}}, "row 1: a box has not four numbers"),
        (
            {"objects": {"bbox": [[1, 2, 3, 4]], "category": [7]}},
            "row 1: the category of a box is 7, and nothing names it",
        ),
        ({"objects": {"bbox": [[1, 2, 3, float("nan")]], "category": [0]}}, "row 1: a number of a box is not finite"),
        ({"objects": {"bbox": [[1, 2, 3, 4]], "category": []}}, "row 1: has not one box for each category"),
        ({"width": None}, "row 1: has boxes, and nothing tells the picture's size"),
    ],
)
def test_a_faulty_row_costs_itself(tmp_path: Path, odd: dict[str, Any], said: str) -> None:
    corpus = load(write(tmp_path / "a.parquet", [row(), row(**odd), row()]))
    (finding,) = corpus.findings
    assert finding.kind == "record_unreadable" and said in finding.detail
    assert [len(image.boxes) for image in corpus.images] == [1, 0, 1]


def test_a_damaged_table_costs_itself(tmp_path: Path) -> None:
    for n in range(2):
        write(tmp_path / f"train-{n}.parquet", [row(), row()])
    path = tmp_path / "train-1.parquet"
    path.write_bytes(path.read_bytes()[:-40])
    corpus = load(tmp_path)
    assert [finding.detail.partition(":")[0] for finding in corpus.findings] == ["train-1.parquet"]
    assert len(corpus.images) == 2


def test_a_table_that_is_cut_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [row(caption="A dog.")])
    for data in (path.read_bytes()[:-20], path.read_bytes()[:100], b""):
        path.write_bytes(data)
        with pytest.raises(CorpusError, match=r"a\.parquet: cannot be read \(.*Copy or download it again"):
            open_source(CorpusSettings(path=str(path)))


def test_boxes_of_another_form_stop_a_run(tmp_path: Path) -> None:
    shares = {"bbox": [[0.1, 0.1, 0.5, 0.5]], "category": [0]}
    assert "its boxes are shares of the frame" in (
        load(write(tmp_path / "a.parquet", [row(objects=shares)])).refusal or ""
    )
    corners = {"bbox": [[30, 20, 60, 40]], "category": [0]}
    assert "its boxes are corners" in (load(write(tmp_path / "b" / "b.parquet", [row(objects=corners)])).refusal or "")


@pytest.mark.parametrize("rows", [[{"caption": "A dog."}], [{"image": {"bytes": b"", "path": ""}}]])
def test_a_table_of_other_things_is_none(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = write(tmp_path / "a.parquet", rows)
    with pytest.raises(SettingsError, match=rf"has no column of pictures .* it holds {next(iter(rows[0]))} \("):
        open_source(CorpusSettings(path=str(path)))
    with pytest.raises(CorpusError, match="has no column of pictures"):
        load_corpus(CorpusSettings(path=str(path), format="datasets"))


def test_a_run_looks_into_the_tables(tmp_path: Path) -> None:
    rows = [row(caption=f"A dog on {n} mats."[:30]) for n in range(3)]
    rows[0]["image"] = {"bytes": b"no", "path": "a.jpg"}
    path = write(tmp_path / "a.parquet", rows)
    run = datagen.run({"corpus.path": str(path), "types": ["conversation"]}, tmp_path / "run")
    fates = {sample.image: sample.reason for sample in run.iter_samples()}
    assert fates == {"a.parquet/0.jpg": "image_unreadable", "a.parquet/1.png": None, "a.parquet/2.png": None}
    (kept,) = {one["image"] for one in json.loads((tmp_path / "run" / "dataset.json").read_text())} - {
        "a.parquet/2.png"
    }
    assert kept == "a.parquet/1.png"


def test_of_two_columns_of_one_name_none_is_read(tmp_path: Path) -> None:
    pictures = pa.array([row()["image"]], IMAGE)
    twice = pa.Table.from_arrays(
        [pictures, pa.array(["A dog."]), pa.array(["A cat."]), pa.array(["A cup."])],
        names=["image", "caption", "caption", "text"],
    )
    path = tmp_path / "train-00000.parquet"
    pq.write_table(twice, path)
    (image,) = load_corpus(CorpusSettings(path=str(path))).images
    assert image.captions == ("A cup.",)
