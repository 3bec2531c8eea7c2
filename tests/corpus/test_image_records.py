"""Images from a list of records, or from a file of them: made alike, and refused in one sentence that names the record."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from datagen.config import CorpusSettings
from datagen.corpus import ImageRecords, load_corpus
from datagen.errors import CorpusError
from datagen.records import AnnotatedImage, Box

DOG = {"category": "dog", "bbox": [10, 5, 20, 10]}
SIZE = {"width": 100, "height": 50}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("RGB", (100, 50)).save(tmp_path / "1.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    return tmp_path


def in_a_file(path: Path, records: list[dict[str, Any]], images: Path | None = None) -> CorpusSettings:
    path.write_text("\ufeff" + "\n\n".join(json.dumps(record) for record in records) + "\n", encoding="utf-8")
    return CorpusSettings(path=str(path), images=None if images is None else str(images))


def test_one_image_whole(folder: Path) -> None:
    record = {
        "file_name": "a\\007.jpg",
        "captions": ["A  dog\non a mat."],
        "boxes": [DOG, {"category": "traffic_light", "bbox": [0.0, 0, 10, 10], "area": 25.0, "iscrowd": 1}],
        "licence": "CC-BY-4.0",
        **SIZE,
    }
    area: Any = pytest.approx(0.04)
    boxes = (Box("dog", (0.1, 0.1, 0.3, 0.3), area), Box("traffic light", (0, 0, 0.1, 0.2), 0.005, True))
    expected = AnnotatedImage("7", "a/007.jpg", 100, 50, ("A dog on a mat.",), boxes, "CC-BY-4.0")
    for corpus in (ImageRecords([record]).load(), load_corpus(in_a_file(folder / "i.jsonl", [record]))):
        assert list(corpus.images) == [expected]
        assert corpus.categories == ("dog", "traffic light")
        assert corpus.findings == ()


def test_sizes_are_read_from_the_pictures_where_boxes_need_them(folder: Path) -> None:
    records: list[dict[str, Any]] = [
        {"file_name": "1.jpg", "boxes": [DOG]},
        {"file_name": "2.jpg", "captions": ["Hm."]},
    ]
    for corpus in (
        ImageRecords(records, folder).load(),
        load_corpus(in_a_file(folder / "i.jsonl", records, images=folder)),
    ):
        assert [(image.width, image.height) for image in corpus.images] == [(100, 50), (0, 0)]
        assert corpus.images[0].boxes[0].box_unit == (0.1, 0.1, 0.3, 0.3)


def test_a_picture_that_cannot_be_read_costs_its_own_boxes(folder: Path) -> None:
    corpus = ImageRecords([{"file_name": "broken.jpg", "boxes": [DOG]}], folder).load()
    assert corpus.images[0].boxes == ()
    assert [finding.kind for finding in corpus.findings] == ["box_without_frame"]


def test_what_is_left_out_or_mended_is_found() -> None:
    boxes = [{"category": "dog", "bbox": box} for box in ([0, 0, 0, 9], [200, 0, 9, 9], [90, 0, 20, 10])]
    corpus = ImageRecords([{"file_name": "1.jpg", "captions": [" "], "boxes": boxes, **SIZE}]).load()
    kinds = [finding.kind for finding in corpus.findings]
    assert kinds == ["empty_caption", "box_zero_size", "box_out_of_frame", "box_out_of_frame"]
    assert [box.box_unit for box in corpus.images[0].boxes] == [(0.9, 0, 1, 0.2)]


def test_ids_are_made_of_file_names_and_kept_apart() -> None:
    given = [{"file_name": name} for name in ("a/7.jpg", "b/007.jpg", "c.jpg")]
    corpus = ImageRecords([*given, {"file_name": "c.jpg", "image_id": 12}]).load()
    assert [image.image_id for image in corpus.images] == ["7", "b_007", "c", "12"]


def test_categories_may_be_declared_in_order() -> None:
    source = ImageRecords([{"file_name": "1.jpg", "boxes": [DOG], **SIZE}], categories=["cat", "hot_dog"])
    assert source.load().categories == ("cat", "hot dog", "dog")


def test_numbers_of_numpy_and_paths_are_taken() -> None:
    box = {"category": "dog", "bbox": np.array([10, 5, 20, 10], np.float32)}
    record = {"file_name": Path("1.jpg"), "width": np.int64(100), "height": np.int32(50), "boxes": [box]}
    plain = {"file_name": "1.jpg", "boxes": [DOG], **SIZE}
    assert ImageRecords([record]).load().images == ImageRecords([plain]).load().images


def test_the_digest_is_of_the_content() -> None:
    records: list[dict[str, Any]] = [{"file_name": "1.jpg", "captions": ["A dog."]}, {"file_name": "2.jpg"}]
    source = ImageRecords(records)
    assert ImageRecords(iter(records), "elsewhere").identity() == source.identity()
    for other in (records[::-1], records[:1], [{**records[0], "captions": ["A cat."]}, records[1]]):
        assert ImageRecords(other).digest() != source.digest()
        assert ImageRecords(other).identity() != source.identity()
        assert ImageRecords(other).stamp() != source.stamp()
    assert ImageRecords(records, categories=["dog"]).digest() != source.digest()
    records[0]["captions"] = ["Changed later."]
    assert source.load().images[0].captions == ("A dog.",)


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"captions": ["A dog."]}, r"missing required field `file_name`"),
    "empty name": ({"file_name": ""}, r"at \$\.file_name: expected `str` of length >= 1"),
    "another key": ({"file_name": "1.jpg", "caption": "A dog."}, r"unknown field `caption`"),
    "a text for captions": ({"file_name": "1.jpg", "captions": "A dog."}, r"at \$\.captions: expected `array`"),
    "three numbers": (
        {"file_name": "1.jpg", "boxes": [{"category": "dog", "bbox": [1, 2, 3]}]},
        r"at \$\.boxes\[0\]\.bbox: expected `array` of length 4",
    ),
    "no category": (
        {"file_name": "1.jpg", "boxes": [{"category": "_", "bbox": [0, 0, 1, 1]}], **SIZE},
        "an empty name",
    ),
    "one side": ({"file_name": "1.jpg", "width": 5}, "has a width or a height but not both"),
    "no frame": ({"file_name": "1.jpg", "boxes": [DOG]}, "has boxes but no width and height"),
    "no size": ({"file_name": "1.jpg", "width": 0, "height": 9}, r"at \$\.width: expected `int` >= 1"),
}


@pytest.mark.parametrize(("record", "said"), FAULTS.values(), ids=FAULTS)
def test_a_fault_names_its_record(folder: Path, record: dict[str, Any], said: str) -> None:
    with pytest.raises(CorpusError, match=rf"^records\[1\].*{said}"):
        ImageRecords([{"file_name": "0.jpg"}, record]).load()
    corpus = load_corpus(in_a_file(folder / "i.jsonl", [{"file_name": "0.jpg"}, record]))  # a file loses the record
    (finding,) = corpus.findings
    assert (len(corpus.images), finding.kind, corpus.refusal) == (1, "record_unreadable", None)
    assert re.match(rf"i\.jsonl, line 3.*{said}.* Left out\.$", finding.detail)
    refusal = load_corpus(in_a_file(folder / "i.jsonl", [{"file_name": "0.jpg"}, record, record])).refusal
    assert refusal is not None
    assert re.search(rf"2 of 3 records cannot be read, such as .*i\.jsonl, line 3.*{said}", refusal)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_boxes_are_finite(value: float) -> None:
    box = {"category": "dog", "bbox": [value, 0, 1, 1]}
    with pytest.raises(CorpusError, match=r"records\[0\] \(1\.jpg\): the bbox of a dog is \[(nan|inf)"):
        ImageRecords([{"file_name": "1.jpg", "boxes": [box], **SIZE}]).load()


def test_boxes_in_another_form_are_known(folder: Path) -> None:
    boxes = [{"category": "dog", "bbox": [30 + n, 20, 60 + n, 45]} for n in range(9)]
    refusal = load_corpus(in_a_file(folder / "i.jsonl", [{"file_name": "0.jpg", "boxes": boxes, **SIZE}])).refusal
    assert refusal is not None
    assert "Likely cause: its boxes are corners" in refusal
    shares = [{"category": "dog", "bbox": [0.1, 0.2, 0.3, 0.4]}]
    corpus = ImageRecords([{"file_name": "0.jpg", "boxes": shares, **SIZE}]).load()
    assert "shares of the frame" in (corpus.refusal or "")


def test_an_endless_caption_is_left_out() -> None:
    corpus = ImageRecords([{"file_name": "0.jpg", "captions": ["dog " * 20_000, "A dog."]}]).load()
    assert corpus.images[0].captions == ("A dog.",)
    assert [finding.kind for finding in corpus.findings] == ["caption_too_long"]


def test_other_faults_are_told(folder: Path) -> None:
    with pytest.raises(CorpusError, match=r"records\[1\] \(b\): image 7 is records\[0\] \(a\) already"):
        ImageRecords([{"file_name": "a", "image_id": 7}, {"file_name": "b", "image_id": "007"}]).load()
    with pytest.raises(CorpusError, match="no image record"):
        ImageRecords([]).load()
    with pytest.raises(CorpusError, match=r"records\[0\]: .*object"):
        ImageRecords(["1.jpg"])  # type: ignore[list-item]
    with pytest.raises(CorpusError, match=r"records\[0\] \(1\.jpg\): .*a record may not hold a Python object"):
        ImageRecords([{"file_name": "1.jpg", "captions": object()}])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such annotation file. Did you mean"),
        (b"", "is empty"),
        (b'{"file_name": "\xff"}', "line 1: "),
        (b"[1]", "line 1: expected `object`"),
        (b"\x1f\x8b", "is compressed with gzip"),
    ],
)
def test_a_file_that_is_none_is_told(folder: Path, content: bytes | None, said: str) -> None:
    path = folder / "images.jsonl"
    path.write_bytes(content or b"")
    name = path if content is not None else folder / "image.jsonl"
    with pytest.raises(CorpusError, match=said):
        load_corpus(CorpusSettings(path=str(name)))
    with pytest.raises(CorpusError, match="is a folder; name the file in it"):
        load_corpus(CorpusSettings(path=str(folder), format="records"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("1.jpg"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["file_name", "boxes", "bbox", "category", "width", "captions"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(records=st.lists(VALUES, max_size=3))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_anything_gives_a_corpus_or_one_sentence(records: list[Any]) -> None:
    try:
        corpus = ImageRecords(records).load()
    except CorpusError as error:
        assert "\n" not in str(error)
    else:
        assert len(corpus.images) == len(records)


def test_half_a_surrogate_pair_is_told() -> None:
    with pytest.raises(CorpusError, match=r"records\[0\]: holds half of a surrogate pair"):
        ImageRecords([{"file_name": "1.jpg", "captions": ["A dog \ud800."]}])


def test_boxes_of_a_detector_are_no_ground_truth(folder: Path, tmp_path: Path) -> None:
    boxes = [{"category": "dog", "bbox": [n, 4, 20, 20], "score": score} for n, score in enumerate((0.2, 0.9))]
    record = {"file_name": "a.png", "width": 100, "height": 50, "boxes": boxes}
    for corpus in (ImageRecords([record]).load(), load_corpus(in_a_file(tmp_path / "r.jsonl", [record]))):
        (finding,), (image,) = corpus.findings, corpus.images
        assert finding.kind == "boxes_scored" and "2 of 2 boxes carry a score" in finding.detail
        assert (len(image.boxes), image.absent, image.unfinished, image.by_detector) == (1, (), ("dog",), True)
    drawn = {**record, "boxes": [{**boxes[0], "score": 1}]}
    assert not ImageRecords([drawn]).load().findings


def test_categories_and_captions_that_say_nothing_are_left_out() -> None:
    boxes = [{"category": name, "bbox": [1, 4, 20, 20]} for name in ("dog", "no-helmet", "running")]
    record = {"file_name": "a.png", "width": 100, "height": 50, "boxes": boxes, "captions": ["A dog.", "IMG_1.jpg"]}
    corpus = ImageRecords([record], categories=["dog", "running"]).load()
    assert [finding.kind for finding in corpus.findings] == ["caption_is_name", "category_no_thing"]
    assert corpus.categories == ("dog",) and corpus.images[0].captions == ("A dog.",)
    assert [box.category for box in corpus.images[0].boxes] == ["dog"] and corpus.refusal is None
    nothing = ImageRecords([{**record, "boxes": boxes[1:]}]).load()
    assert nothing.refusal is not None and "'no-helmet', 'running'" in nothing.refusal


def test_a_caption_under_most_of_many_images_is_a_heading() -> None:
    corpus = ImageRecords(
        {"file_name": f"{n}.png", "captions": ["My dogs.", f"Dog {n} runs."]} for n in range(30)
    ).load()
    assert [finding.kind for finding in corpus.findings] == ["captions_alike"]
    assert all(image.captions == (f"Dog {n} runs.",) for n, image in enumerate(corpus.images))


def test_a_box_of_a_record_that_is_left_out_leaves_its_category_open() -> None:
    places = {"0": [900, 1, 20, 20], "1": [5, 5, 20, 20]}
    records = [
        {"file_name": f"{n}.jpg", "width": 100, "height": 100, "boxes": [{"category": "dog", "bbox": box}]}
        for n, box in places.items()
    ]
    images = ImageRecords(records).load().images
    assert [image.unfinished or () for image in images] == [("dog",), ()]
