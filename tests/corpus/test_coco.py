"""COCO files become one corpus; what only looks like COCO gets one sentence."""

import gzip
import io
import json
import os
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from datagen.claims import deniable
from datagen.config import ChecksSettings, CorpusSettings
from datagen.corpus import Corpus, load_corpus
from datagen.corpus.coco.boxes import MaskError, measure_mask
from datagen.corpus.coco.listing import licence_name
from datagen.errors import CorpusError
from datagen.geometry import count_objects
from datagen.words import COCO_CATEGORIES

CATEGORIES = [{"id": 1, "name": "person", "supercategory": "person"}, {"id": 18, "name": "dog"}]
IMAGE = {"id": 7, "file_name": "000000000007.jpg", "width": 100, "height": 50, "license": 3}
LICENCES = [{"id": 3, "name": "By", "url": "http://creativecommons.org/licenses/by-nc-nd/2.0/"}]
BOX = {"id": 1, "image_id": 7, "category_id": 18, "bbox": [10, 5, 20, 10], "area": 120.5, "iscrowd": 0}
CAPTION = {"id": 1, "image_id": 7, "caption": "A dog."}

# A 4x3 mask (height 3) with pixels 2 to 4 and 7 set, column by column.
RUNS = {"size": [3, 4], "counts": [2, 3, 2, 1, 4]}


def instances(*boxes: dict[str, Any], images: Any = (IMAGE,), **more: Any) -> dict[str, Any]:
    tree = {"images": list(images), "annotations": list(boxes), "categories": CATEGORIES, "licenses": LICENCES}
    return tree | more


def captions(*rows: dict[str, Any], images: Any = (IMAGE,), **more: Any) -> dict[str, Any]:
    return {"images": list(images), "annotations": list(rows), **more}


class Loader:
    """Writes trees, texts or bytes as files and loads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, content: Any) -> str:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return str(path)

    def __call__(self, boxes: Any = (), texts: Any = (), limit: int | None = None) -> Corpus:
        boxes, texts = ([item] if isinstance(item, dict | bytes) else item for item in (boxes, texts))
        box_files = [self.write(f"instances{n}.json", content) for n, content in enumerate(boxes)]
        text_files = [self.write(f"captions{n}.json", content) for n, content in enumerate(texts)]
        return load_corpus(CorpusSettings(instances=tuple(box_files), captions=tuple(text_files), limit=limit))


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    return Loader(tmp_path)


def kinds(corpus: Corpus) -> list[str]:
    return [finding.kind for finding in corpus.findings]


def test_one_image_whole(load: Loader) -> None:
    corpus = load(instances(BOX), captions(CAPTION, {**CAPTION, "id": 2, "caption": " Two\n lines\t here. "}))
    (image,) = corpus.images
    assert (image.image_id, image.file_name, image.width, image.height) == ("7", "000000000007.jpg", 100, 50)
    assert image.captions == ("A dog.", "Two lines here.")
    assert image.licence == "CC-BY-NC-ND-2.0"
    (box,) = image.boxes
    assert box.category == "dog"
    assert box.box_unit == (10 / 100, 5 / 50, 30 / 100, 15 / 50)
    assert box.area_unit == 120.5 / 5000
    assert not box.is_crowd
    assert corpus.categories == ("person", "dog")
    assert corpus.findings == ()


def test_ids_as_text_and_numbers_meet(load: Loader) -> None:
    texts = captions({**CAPTION, "image_id": "0007"}, images=[{**IMAGE, "id": "007"}])
    corpus = load(instances({**BOX, "image_id": "7", "category_id": "18"}), texts)
    assert [image.image_id for image in corpus.images] == ["7"]
    assert corpus.images[0].captions == ("A dog.",)
    assert len(corpus.images[0].boxes) == 1


@pytest.mark.parametrize(
    ("given_id", "expected"), [("000", "0"), ("a07", "a07"), ("²", "²"), (-4, "-4"), ("0x7", "0x7")]
)
def test_odd_ids(load: Loader, given_id: int | str, expected: str) -> None:
    assert load((), captions(images=[{**IMAGE, "id": given_id}])).images[0].image_id == expected


def test_order_is_first_appearance(load: Loader) -> None:
    images = [{**IMAGE, "id": n, "file_name": f"COCO_train2014_{n:012}.jpg"} for n in (5, 2, 9, 1)]
    texts = captions({**CAPTION, "image_id": 1}, {**CAPTION, "image_id": 1, "caption": "B."}, images=images)
    corpus = load(instances(images=images[1:3]), texts)
    assert [image.image_id for image in corpus.images] == ["2", "9", "5", "1"]
    assert corpus.images[3].captions == ("A dog.", "B.")
    assert corpus.images[3].file_name == "COCO_train2014_000000000001.jpg"


def test_limit_takes_the_first_and_what_was_found_of_them(load: Loader) -> None:
    images = [{**IMAGE, "id": n} for n in (1, 2)]
    empty = [{**CAPTION, "image_id": n, "id": n, "caption": " "} for n in (1, 2, 3)]
    corpus = load((), captions(*empty, images=images), limit=1)
    assert [image.image_id for image in corpus.images] == ["1"]
    assert [(finding.kind, finding.image_id) for finding in corpus.findings] == [
        ("empty_caption", "1"),
        ("unknown_image", "3"),
    ]


def test_annotations_may_belong_to_images_of_another_file(load: Loader) -> None:
    other = {**IMAGE, "id": 8, "file_name": "8.jpg"}
    corpus = load(instances({**BOX, "image_id": 8}), captions(CAPTION, images=[other]))
    assert [len(image.boxes) for image in corpus.images] == [0, 1]


def test_second_files_double_nothing(load: Loader) -> None:
    keypoints = instances(
        {**BOX, "area": 120.4999999}, {**BOX, "id": 9}, categories=[{"id": 18, "name": "dog", "keypoints": ["nose"]}]
    )
    more_texts = captions(CAPTION, {**CAPTION, "id": 2}, {**CAPTION, "caption": "Other."})
    corpus = load([instances(BOX), keypoints], [captions(CAPTION), more_texts])
    assert len(corpus.images[0].boxes) == 2
    assert corpus.images[0].captions == ("A dog.", "A dog.", "Other.")
    assert kinds(corpus) == ["repeated_annotation_id"]  # two captions of the second file are number 1


def test_repeated_ids_within_a_file_are_kept(load: Loader) -> None:
    corpus = load(instances(BOX, BOX, BOX))
    assert len(corpus.images[0].boxes) == 3
    assert kinds(corpus) == ["repeated_annotation_id"]
    assert "2 of 3" in corpus.findings[0].detail


def test_lvis_names_come_from_the_address(load: Loader) -> None:
    image = {"id": 7, "coco_url": "http://images.cocodataset.org/train2017/7.jpg?x=/y", "width": 100, "height": 50}
    box = {key: value for key, value in BOX.items() if key != "iscrowd"}
    assert load(instances(box, images=[image])).images[0].file_name == "7.jpg"


@pytest.mark.parametrize(
    "name",
    [
        "https://bucket.s3.amazonaws.com/pics/7.jpg?X-Amz-Signature=abc&X-Amz-Expires=60",
        "https://acct.blob.core.windows.net/c/7.jpg?sv=1&sig=abc",
        "https://user:abc@host/pics/7.jpg",
        "s3://abc:abc@bucket/7.jpg#abc",
        "7.jpg",
    ],
)
def test_a_picture_named_by_its_address_keeps_no_secret(load: Loader, name: str) -> None:
    for key in ("file_name", "coco_url"):
        image = {"id": 7, key: name, "width": 100, "height": 50}
        found = load(instances(BOX, images=[image])).images[0].file_name
        assert found.endswith("7.jpg") and "abc" not in found
        assert key == "file_name" or found == "7.jpg"


def test_lvis_categories_are_named_as_people_say_them(load: Loader) -> None:
    names = ["traffic_light", "mouse_(computer_equipment)", "bat_(animal)", "bat (sports equipment)", "hot dog"]
    categories = [{"id": n, "name": name} for n, name in enumerate(names, start=18)]
    named = load(instances(BOX, categories=categories))
    assert named.categories == ("traffic light", "mouse", "bat (animal)", "bat (sports equipment)", "hot dog")
    assert named.images[0].boxes[0].category == "traffic light"


def test_names_leading_out_are_kept_for_the_picture_check(load: Loader) -> None:
    names = ["../../etc/passwd", "/etc/passwd", "C:\\pictures\\1.jpg", "a\0b.jpg"]
    corpus = load((), captions(images=[{**IMAGE, "id": n, "file_name": name} for n, name in enumerate(names)]))
    assert [image.file_name for image in corpus.images] == [*names[:2], "C:/pictures/1.jpg", "a\0b.jpg"]


def test_captions_alone_need_no_sizes(load: Loader) -> None:
    bare = {"id": 7, "file_name": "7.jpg"}
    corpus = load((), captions(CAPTION, images=[bare]))
    assert (corpus.images[0].width, corpus.images[0].height) == (0, 0)
    sized = load(instances(BOX, images=[bare]), captions(images=[{**IMAGE, "file_name": "7.jpg"}]))
    assert sized.images[0].boxes[0].box_unit[2] == 0.3


@pytest.mark.parametrize(
    ("box_px", "expected", "found"),
    [
        ([90, 40, 10.4, 10], (0.9, 0.8, 1, 1), []),  # COCO's rounding
        ([-5, 40, 30, 30], (0, 0.8, 0.25, 1), ["box_out_of_frame"]),
        ([100, 0, 5, 5], None, ["box_out_of_frame"]),
        ([-9, 0, 9, 5], None, ["box_out_of_frame"]),
        ([1e308, 0, 1e308, 5], None, ["box_out_of_frame"]),
        ([10, 10, 0, 5], None, ["box_zero_size"]),
        ([10, 10, 5, -5], None, ["box_zero_size"]),
        ([10, 10, 1e-300, 5], None, ["box_zero_size"]),
    ],
)
def test_frames(load: Loader, box_px: list[float], expected: tuple[float, ...] | None, found: list[str]) -> None:
    corpus = load(instances({**BOX, "bbox": box_px}))
    assert [box.box_unit for box in corpus.images[0].boxes] == ([expected] if expected else [])
    assert kinds(corpus) == found
    if found:
        assert corpus.findings[0].detail.startswith("annotation 1: dog, box [")


def test_records_left_out_are_told(load: Loader) -> None:
    stray = {**BOX, "id": 2, "image_id": 99}
    unnamed = {key: value for key, value in BOX.items() if key != "id"}
    corpus = load(instances({**BOX, "category_id": 5}, stray, {**unnamed, "category_id": 6}))
    assert corpus.images[0].boxes == ()
    assert [(finding.kind, finding.image_id) for finding in corpus.findings] == [
        ("unknown_category", "7"),
        ("unknown_image", "99"),
        ("unknown_category", "7"),
    ]
    assert corpus.findings[2].detail == "an annotation: category 6 is not declared; left out"


@pytest.mark.parametrize("area", [None, 0, -3, 1e9])
def test_area_is_the_boxes_where_it_cannot_be(load: Loader, area: float | None) -> None:
    (box,) = load(instances({**BOX, "area": area})).images[0].boxes
    assert box.area_unit == pytest.approx(200 / 5000)


SMALL = {"id": 7, "file_name": "7.jpg", "width": 4, "height": 3}


def crowd(**changes: Any) -> dict[str, Any]:
    whole = {**BOX, "bbox": [0, 0, 3, 3], "iscrowd": 1, "segmentation": RUNS, **changes}
    return {key: value for key, value in whole.items() if value != "absent"}


def test_crowds_take_box_and_area_from_the_mask(load: Loader) -> None:
    (box,) = load(instances(crowd(bbox="absent", area="absent"), images=[SMALL])).images[0].boxes
    assert box.is_crowd
    assert box.box_unit == (0, 0, 3 / 4, 1)
    assert box.area_unit == pytest.approx(4 / 12)


@pytest.mark.parametrize(
    ("segmentation", "kind"),
    [
        ({"size": [4, 3], "counts": [12]}, "rle_size_mismatch"),
        ({"size": [3], "counts": [12]}, "mask_unreadable"),
        ({"size": "3x4"}, "mask_unreadable"),
        ("absent", None),
        (None, None),
        ([[0, 0, 3, 0, 3, 3]], None),
    ],
)
def test_crowds_fall_back_to_their_box(load: Loader, segmentation: Any, kind: str | None) -> None:
    corpus = load(instances(crowd(segmentation=segmentation, area=3), images=[SMALL]))
    (box,) = corpus.images[0].boxes
    assert (box.is_crowd, box.box_unit, box.area_unit) == (True, (0, 0, 0.75, 1), 0.25)
    assert kinds(corpus) == ([kind] if kind else [])


def test_unusable_mask_without_box_is_left_out(load: Loader) -> None:
    corpus = load(instances(crowd(bbox="absent", segmentation=[[1, 2]]), images=[SMALL]))
    assert corpus.images[0].boxes == ()
    assert kinds(corpus) == ["mask_unreadable"]


@pytest.mark.parametrize(
    "segmentation",
    [
        7,
        "52203",
        {"counts": [12]},
        {"size": [3, 4], "counts": [2, 3]},
        {"size": [3, 4], "counts": [14, -2]},
        {"size": [3, 4], "counts": [0, 0, 12]},
        {"size": [3, 4], "counts": [12]},
        {"size": [3, 4], "counts": []},
        {"size": [3, 4], "counts": [10**30]},
        {"size": [3, 4], "counts": [2.5, 9.5]},
        {"size": [3, 4], "counts": "P"},
        {"size": [3, 4], "counts": "é!"},
        {"size": [3, 4], "counts": "o" * 1000},
        {"size": [3, 4], "counts": ""},
        [[0, 0, 3, 3]],
        [[0, 0, 3, 0, 3, 3, 1]],
        [[0, 0, 1e300, 0, 3, 3]],
        [[0, 0, 3, 3, 0, 0, 3, 3] * 50_000],
        [[-9, -9, -8, -9, -8, -8]],
        [["a"] * 6],
        {"size": [3, 4], "counts": [[1]]},
    ],
)
def test_malformed_masks_are_faults(segmentation: Any) -> None:
    with pytest.raises(MaskError) as caught:
        measure_mask(msgspec.Raw(json.dumps(segmentation).encode()), 4, 3)
    assert caught.value.kind == "mask_unreadable"


def test_frames_beyond_32_bits_are_faults() -> None:
    with pytest.raises(MaskError, match="too large"):
        measure_mask(msgspec.Raw(b"[[0,0,9,0,9,9]]"), 100_000, 100_000)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.sampled_from(["size", "counts", "a"]), inner),
    max_leaves=12,
)
RUN_STRINGS = st.builds(
    lambda text: {"size": [3, 4], "counts": text}, st.text("0123456789:;PQRSTUVWXYZ`abcno", max_size=9)
)


@settings(max_examples=150, deadline=None)
@given(JSON | RUN_STRINGS | st.lists(st.lists(st.floats(-1e7, 1e7), max_size=9), max_size=3))
def test_masks_survive_anything(segmentation: Any) -> None:
    try:
        mask = measure_mask(msgspec.Raw(json.dumps(segmentation).encode()), 4, 3)
    except MaskError:
        return
    assert 0 < mask.area_px <= 12
    assert all(0 <= value <= 4 for value in mask.box_px)


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # pycocotools' decode under NumPy 2
def test_agrees_with_pycocotools(load: Loader, tmp_path: Path) -> None:
    import numpy as np
    from pycocotools import mask as coco_mask
    from pycocotools.coco import COCO

    blob = np.asfortranarray(np.random.default_rng(4).random((50, 100)) < 0.3, dtype=np.uint8)
    packed = coco_mask.encode(blob)
    shapes = [
        [[10, 10, 40, 12, 35, 40]],
        [[10, 10, 40, 12, 35, 40], [30, 5, 60, 5, 60, 45.5, 22.25, 30]],
        [[-20, 10, 140, 12, 35, 70]],
        {"size": [50, 100], "counts": packed["counts"].decode()},
        {"size": [50, 100], "counts": [1200, 300, 20, 80, 3400]},
    ]
    rows = [
        {"id": n, "image_id": 7, "category_id": 18, "iscrowd": int(isinstance(shape, dict)), "segmentation": shape}
        for n, shape in enumerate(shapes, start=1)
    ]
    corpus = load(instances(*rows))
    with redirect_stdout(io.StringIO()):
        theirs = COCO(str(tmp_path / "instances0.json"))
    annotations = theirs.loadAnns(theirs.getAnnIds(imgIds=7))
    assert len(annotations) == len(corpus.images[0].boxes) == len(shapes)
    for box, annotation in zip(corpus.images[0].boxes, annotations, strict=True):
        left, top, width, height = coco_mask.toBbox(theirs.annToRLE(annotation))
        assert box.box_unit == pytest.approx((left / 100, top / 50, (left + width) / 100, (top + height) / 50))
        assert box.area_unit == pytest.approx(theirs.annToMask(annotation).sum() / 5000)
        assert box.is_crowd == annotation["iscrowd"]


@pytest.mark.parametrize(
    ("name", "url", "expected"),
    [
        ("x", "http://creativecommons.org/licenses/by-nc-sa/2.0/", "CC-BY-NC-SA-2.0"),
        ("x", "https://creativecommons.org/licenses/by/4.0", "CC-BY-4.0"),
        ("x", "https://creativecommons.org/licenses/by/2.0/uk/", "CC-BY-2.0-UK"),
        ("x", "https://creativecommons.org/licenses/by-sa/3.0/deed.en", "CC-BY-SA-3.0"),
        ("x", "https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        (" United States\nGovernment Work", "http://www.usa.gov/copyright.shtml", "United States Government Work"),
        ("", "http://example.org/terms", "http://example.org/terms"),
        ("", "", None),
        (None, None, None),
    ],
)
def test_licence_names(name: str | None, url: str | None, expected: str | None) -> None:
    assert licence_name(name, url) == expected


def test_licences_nobody_lists_are_none(load: Loader) -> None:
    assert load(instances(licenses=None)).images[0].licence is None
    assert load(instances(licenses=[{"name": "no id"}])).images[0].licence is None
    assert load(instances(licenses=[]), captions(licenses=LICENCES)).images[0].licence == "CC-BY-NC-ND-2.0"


def test_byte_order_mark_is_accepted(load: Loader) -> None:
    assert load(b"\xef\xbb\xbf" + json.dumps(instances(BOX)).encode()).images[0].boxes


def as_text(tree: Any) -> bytes:
    return json.dumps(tree).encode()


SOUND_BOXES = [json.dumps({**BOX, "id": n}) for n in range(1, 6)]


def with_rows(rows: str) -> bytes:
    """An instances file with this text in its list of annotations."""
    return as_text(instances(annotations=["HERE"])).replace(b'"HERE"', rows.encode())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda row: row.replace('"image_id": ', '"image_id": @'),
        lambda row: row.replace('"bbox": [', '"bbox": ', 1),
        lambda row: row.replace('"category_id"', '"category_id', 1),
        lambda row: row[:-1] + ", }",
        lambda row: row[:-1] + ', "segments_info": [{"id": 1}, {"id": x}]}',
        lambda row: "<<<<<<< HEAD " + row,
    ],
)
@pytest.mark.parametrize("at", [0, 2, 4])
@pytest.mark.parametrize("between", [", ", ",\n", " ,\r\n  "])
def test_a_record_that_is_no_json_costs_itself(
    load: Loader, spoil: Callable[[str], str], at: int, between: str
) -> None:
    rows = [*SOUND_BOXES[:at], spoil(SOUND_BOXES[at]), *SOUND_BOXES[at + 1 :]]
    found = load(with_rows(between.join(rows)))
    assert len(found.images[0].boxes) == 4
    (finding,) = [one for one in found.findings if one.kind == "record_unreadable"]
    assert f"at $.annotations[{at}]: is not JSON at line " in finding.detail and finding.detail.endswith("left out")
    assert found.refusal is None


def test_a_box_that_is_no_json_leaves_its_category_open(load: Loader) -> None:
    broken = SOUND_BOXES[1].replace('"bbox": [', '"bbox": ')
    text = with_rows(f"{SOUND_BOXES[0]}, {broken}, {SOUND_BOXES[2]}")
    (image,) = load(text).images
    assert len(image.boxes) == 2 and image.unfinished == ("dog",)
    (finding,) = [one for one in load(text).findings if one.kind == "record_unreadable"]
    assert finding.image_id == image.image_id


def test_most_records_that_are_no_json_stop_a_run(load: Loader) -> None:
    rows = [SOUND_BOXES[0], *(row.replace('"image_id"', '"image_id') for row in SOUND_BOXES[1:])]
    refusal = load(with_rows(f"{rows[1]}, {rows[0]}, {rows[2]}")).refusal
    assert refusal is not None and "2 of 3 records in 'annotations' cannot be read" in refusal


@pytest.mark.parametrize("n_bytes", range(40, 200, 20))
def test_a_file_that_is_cut_is_none_with_a_broken_record(load: Loader, n_bytes: int) -> None:
    text = with_rows(", ".join(SOUND_BOXES))
    with pytest.raises(CorpusError, match="ends in the middle"):
        load(text[:-n_bytes])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have no names there")
def test_a_pipe_or_device_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), "/dev/zero"):
        with pytest.raises(CorpusError, match="is a pipe or a device"):
            load_corpus(CorpusSettings(captions=(path,)))


BROKEN_INSTANCES: dict[str, tuple[Any, str]] = {
    "empty": (b" \n", "is empty"),
    "html": (b"<html>404</html>", "is not JSON at line 1, byte 0"),
    "truncated": (as_text(instances(BOX))[:-30], "ends in the middle, after 3"),
    "trailing comma": (b'{"images": [],\n "annotations": [],}', "is not JSON at line 2, byte 34"),
    "trailing text": (as_text(instances(BOX)) + b"\nand more", "is not JSON at line 2"),
    "nan": (as_text(instances({**BOX, "bbox": [float("nan"), 1, 2, 3]})), "NaN is no JSON number"),
    "out of range": (
        b'{"images": [], "annotations": [{"image_id": 1, "category_id": 1, "area": 1e999}]}',
        "out of range",
    ),
    "list": (as_text([BOX]), "holds a JSON array"),
    "Label Studio": (as_text([{"id": 1, "annotations": [{"completed_by": 1}], "data": {}}]), "export it as COCO there"),
    "Label Studio, short": (
        as_text([{"image": "a", "label": [{"rectanglelabels": ["a"]}]}]),
        "export it as COCO there",
    ),
    "number": (b"3", "holds a JSON int"),
    "json lines": (b'{"image": "a.jpg"}\n{"image": "b.jpg"}\n', "looks like JSON Lines"),
    "json lines of corpora": (as_text(instances(BOX)) + b"\n" + as_text(instances(BOX)), "looks like JSON Lines"),
    "gzip": (gzip.compress(b"{}"), "compressed with gzip; unpack"),
    "zip": (b"PK\x03\x04....", "a zip archive; unpack"),
    "utf-16": (json.dumps(instances()).encode("utf-16"), "UTF-16"),
    "latin-1": (b'{"images": [{"id": 1, "file_name": "caf\xe9.jpg"}]}', "is not UTF-8 at line 1, byte 39"),
    "nested": (b'{"images": ' + b"[" * 100_000, "nested|array"),
    "deep": (b'{"more": ' + b"[" * 100_000, "nested hundreds deep"),
    "boxes twice": (
        json.dumps(instances())[:-1].encode() + b', "annotations": []}',
        "'annotations' stands in it twice",
    ),
    "names twice": (
        json.dumps(instances())[:-1].encode() + b', "categories": [{"id": 18, "name": "cat"}]}',
        "'categories' stands in it twice",
    ),
    "images twice": (b'{"images": [], "images": [{"id": 1, "file_name": "1.jpg"}]}', "'images' stands in it twice"),
    "captions": (captions(CAPTION), "looks like a captions file; give it to --captions"),
    "panoptic": (instances({"image_id": 7, "file_name": "7.png", "segments_info": []}), "looks like a panoptic file"),
    "stuff": (instances(categories=[{"id": 92, "name": "banner"}, {"id": 183, "name": "other"}]), "a COCO stuff file"),
    "no images": ({"annotations": [], "categories": []}, "missing required field `images`"),
    "no annotations": ({"images": [IMAGE], "categories": CATEGORIES}, "image-info files of a test set"),
    "no categories": ({"images": [IMAGE], "annotations": [BOX]}, "no 'categories'"),
    "empty categories": (instances(BOX, categories=[]), "no 'categories'"),
    "no image at all": (instances(images=[]), "lists no image"),
    "annotations as object": (instances(annotations={"7": BOX}), "'annotations' is an object of records by key"),
    "no image id": (instances({"category_id": 1, "bbox": [1, 2, 3, 4]}), "missing required field `image_id`"),
    "fractional id": (instances(images=[{**IMAGE, "id": 1.5}]), r"at \$.images\[0\].id: expected"),
    "empty id": (instances(images=[{**IMAGE, "id": ""}]), r"at \$.images\[0\].id: expected `str` of length"),
    "endless id": (
        b'{"annotations": [], "images": [{"id": ' + b"9" * 9000 + b"}]}",
        r"at \$.images\[0\].id: integer value out of range",
    ),
    "no file name": (instances(images=[{"id": 1, "width": 3, "height": 3}]), "image 1 has neither 'file_name'"),
    "half a pixel": (instances(images=[{**IMAGE, "width": 3.5}]), "3.5 x 50 pixels"),
    "size without bound": (instances(images=[{**IMAGE, "width": 1e300}]), "1e.300 x 50 pixels"),
    "one id, two pictures": (
        instances(images=[IMAGE, {**IMAGE, "file_name": "8.jpg"}]),
        "is 000000000007.jpg but 8.jpg, too",
    ),
}


@pytest.mark.parametrize(("content", "message"), BROKEN_INSTANCES.values(), ids=BROKEN_INSTANCES.keys())
def test_broken_instances(load: Loader, content: Any, message: str) -> None:
    with pytest.raises(CorpusError, match=message) as caught:
        load(content)
    sentence = str(caught.value)
    assert "instances0.json" in sentence
    assert "\n" not in sentence
    assert len(sentence) < 500


NO_SIZE = {"id": 7, "file_name": "7.jpg"}
GOOD = [{**BOX, "id": n, "bbox": [n, 5, 20, 10]} for n in range(10, 20)]


@pytest.mark.parametrize(
    ("faulty", "kind", "told"),
    [
        ({**BOX, "bbox": []}, "box_missing", "neither `bbox` nor `segmentation`"),
        ({**BOX, "bbox": None, "segmentation": []}, "box_missing", "neither `bbox` nor `segmentation`"),
        ({"id": 1, "image_id": 7, "category_id": 1}, "box_missing", r"A COCO box is \[x, y, width, height\]"),
        ({**BOX, "bbox": [1, 2, 3]}, "record_unreadable", r"annotations\[4\].bbox: .*\[x, y, width, height\]"),
        ({**BOX, "bbox": [1, 2, 3, None]}, "record_unreadable", r"bbox\[3\]: expected `float`"),
        ({**BOX, "bbox": "1 2 3 4"}, "record_unreadable", "bbox: expected `array`"),
        ({**BOX, "bbox": [float("nan"), 1, 2, 3]}, "record_unreadable", "NaN is no JSON number"),
        ({**BOX, "bbox": [1, 1, float("inf"), 3]}, "record_unreadable", "inf is no JSON number"),
        ({"id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}, "record_unreadable", "missing required field `image_id`"),
        ({"id": 1, "image_id": 7, "bbox": [1, 2, 3, 4]}, "record_unreadable", "missing required field `category_id`"),
        ({**BOX, "image_id": 1.5}, "record_unreadable", "image_id"),
        (None, "record_unreadable", "expected `object`, got `null`"),
        ("a", "record_unreadable", r"annotations\[4\]: expected `object`"),
        ({**BOX, "bbox": [0.1, 0.2, 0.3, 0.4]}, "box_in_shares", "looks like shares of the frame"),
    ],
)
def test_a_faulty_record_costs_itself(load: Loader, faulty: Any, kind: str, told: str) -> None:
    corpus = load(instances(*GOOD[:4], faulty, *GOOD[4:]))
    assert len(corpus.images[0].boxes) == 10
    (finding,) = corpus.findings
    assert finding.kind == kind
    assert re.search(told, finding.detail)
    assert "left out" in finding.detail
    assert corpus.refusal is None


@pytest.mark.parametrize(
    "sound",
    [
        {**BOX, "bbox": ["10", "5", "20", "10"]},
        {**BOX, "image_id": 7.0, "category_id": 18.0},
        {**BOX, "area": float("nan")},
        {**BOX, "area": float("-inf")},
        {**BOX, "iscrowd": "0"},
        {**BOX, "bbox": [], "area": None, "segmentation": [[10, 5, 30, 5, 30, 15, 10, 15]]},
    ],
)
def test_values_in_another_dress_are_read(load: Loader, sound: Any) -> None:
    corpus = load(instances(*GOOD, sound))
    assert corpus.images[0].boxes[-1].box_unit == (0.1, 0.1, 0.3, 0.3)
    assert corpus.findings == ()


def test_lint_and_run_are_told_of_images_and_categories_that_cannot_be_used(load: Loader) -> None:
    images = [IMAGE, {**IMAGE, "id": 8, "width": 3.5}, {"id": 9}, {**IMAGE, "id": 10, "file_name": "a.jpg"}, 5]
    images += [{**IMAGE, "id": n, "file_name": f"{n}.jpg"} for n in range(20, 26)]
    categories = [*CATEGORIES, {"id": 3, "name": " "}, {"id": 4}, {"id": "18", "name": "cat"}, {"id": 5, "name": "cup"}]
    images.append({**IMAGE, "id": 10, "file_name": "b.jpg"})
    boxes = [{**BOX, "id": n, "category_id": n} for n in (1, 3, 4, 5, 18)]
    corpus = load(instances(*boxes, *({**BOX, "id": n, "category_id": 5} for n in range(30, 40)), images=images,
                            categories=categories))  # fmt: skip
    assert [image.image_id for image in corpus.images] == ["7", *map(str, range(20, 26))]
    assert {box.category for box in corpus.images[0].boxes} == {"person", "cup"}
    assert kinds(corpus).count("record_unreadable") == 8
    assert kinds(corpus).count("category_unnamed") == 3
    assert corpus.refusal is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (instances({"image_id": 7, "category_id": 1}), "1 of 1 boxes do not fit .1 box_missing."),
        (instances(BOX, images=[NO_SIZE]), "image 7 .7.jpg. has boxes but no width and height"),
        (instances(BOX, images=[{**IMAGE, "height": -1}]), "image 7 .* has boxes but no width"),
        (instances(*GOOD[:2], *({**BOX, "bbox": [1]} for _ in range(3))), "3 of 5 records in 'annotations' cannot be"),
        (
            instances(*({**BOX, "category_id": n} for n in (2, 19)), categories=CATEGORIES),
            "are shifted by one against its categories",
        ),
        (instances(*({**BOX, "category_id": n} for n in (2, 9))), "are not those of its annotations"),
        (
            instances(*({**BOX, "bbox": [0.2, 0.3, n / 20, 0.5]} for n in range(1, 9))),
            "shares of the frame from 0 to 1",
        ),
        (instances(*({**BOX, "bbox": [30 + n, 20, 60 + n, 45]} for n in range(9))), "its boxes are corners"),
        (
            instances(*({**BOX, "bbox": [30, 60 + n, 10, 30]} for n in range(9))),
            "width and height of its images are exchanged",
        ),
        (
            instances(*({**BOX, "bbox": [80, 40, 39, 15 + n / 2]} for n in range(8))),
            r"its boxes are \[centre x, centre y",
        ),
        (
            instances(*({**BOX, "bbox": [40, 60, 9, 1900 + n]} for n in range(9))),
            "Look whether its boxes, the sizes of",
        ),
    ],
)
def test_where_most_is_faulty_a_run_is_refused_with_the_likely_cause(load: Loader, content: Any, message: str) -> None:
    corpus = load(content)
    assert corpus.refusal is not None
    assert re.search(message, corpus.refusal)
    assert "\n" not in corpus.refusal


def test_corners_are_known_though_most_fit_as_they_are(load: Loader) -> None:
    small = [{**BOX, "bbox": [n, n, n + 9, n + 9]} for n in range(12)]
    wide = [{**BOX, "bbox": [60, 20, 99, 49]} for _ in range(3)]
    refusal = load(instances(*small, *wide)).refusal
    assert refusal is not None
    assert "3 of 15 boxes do not fit" in refusal
    assert "its boxes are corners" in refusal


def test_annotations_of_images_that_no_file_lists_refuse_nothing(load: Loader) -> None:
    corpus = load(instances(BOX, *({**BOX, "image_id": n} for n in range(100, 130))))
    assert len(corpus.images[0].boxes) == 1
    assert corpus.refusal is None


def test_captions_and_boxes_may_stand_in_one_file(load: Loader, tmp_path: Path) -> None:
    mixed = instances(BOX, {**CAPTION, "id": 2}, {**BOX, "id": 3}, {**CAPTION, "id": 4, "caption": "Two."})
    path = load.write("mixed.json", mixed)
    corpus = load_corpus(CorpusSettings(instances=(path,), captions=(path,)))
    assert (len(corpus.images[0].boxes), corpus.images[0].captions) == (2, ("A dog.", "Two."))
    assert corpus.findings == ()
    alone = load_corpus(CorpusSettings(instances=(path,)))
    assert kinds(alone) == ["annotations_of_other_kind"]
    assert "2 of 4 annotations are captions; left out. Give the file to --captions, too" in alone.findings[0].detail


def test_captions_that_are_marked_or_damaged_are_left_out(load: Loader) -> None:
    rows = [
        {**CAPTION, "id": 1, "is_rejected": True},
        {**CAPTION, "id": 2, "is_precanned": 1},
        {**CAPTION, "id": 3, "caption": "A d\ud83dog."},
        {**CAPTION, "id": 4, "caption": "A d\ufffdg."},
        {**CAPTION, "id": 5, "caption": "dog " * 5000},
        {**CAPTION, "id": 6, "caption": None},
        {**CAPTION, "id": 7, "is_rejected": False, "is_precanned": False},
        {**CAPTION, "id": 8, "caption": "A 🐕."},
    ]
    corpus = load((), captions(*rows))
    assert corpus.images[0].captions == ("A dog.", "A 🐕.")
    assert sorted(kinds(corpus)) == [
        "caption_damaged", "caption_damaged", "caption_rejected", "caption_rejected", "caption_too_long",
        "record_unreadable",
    ]  # fmt: skip


def test_labels_of_whole_images_are_read(load: Loader) -> None:
    lvis = {**IMAGE, "neg_category_ids": [1], "not_exhaustive_category_ids": [18]}
    bare = {**IMAGE, "id": 8, "file_name": "8.jpg"}
    open_images = {**IMAGE, "id": 9, "file_name": "9.jpg", "neg_category_ids": [], "pos_category_ids": [1, 77]}
    corpus = load(instances(BOX, images=[lvis, bare, open_images]), captions(CAPTION, images=[bare]))
    assert [(image.absent, image.unfinished) for image in corpus.images] == [
        (("person",), ("dog",)),
        (UNSET, UNSET),
        ((), ("person",)),
    ]
    assert corpus.images[1:][1] == corpus.images[2]


def named(*names: object, **more: object) -> list[dict[str, object]]:
    return [{"id": n, "name": name, **more} for n, name in enumerate(names, start=1)]


def test_a_category_without_a_name_costs_its_boxes_and_is_denied_nowhere(load: Loader) -> None:
    rows = [{**BOX, "id": n, "category_id": n} for n in (1, 2, 2, 2)]
    corpus = load(instances(*rows, categories=named("0", "dog", "class_7")))
    assert corpus.categories == ("dog",)
    assert [box.category for box in corpus.images[0].boxes] == ["dog"] * 3
    assert kinds(corpus).count("category_unnamed") == 1
    assert corpus.refusal is None
    (told,) = (one.detail for one in corpus.findings if one.kind == "category_unnamed")
    assert told == "annotation 1: its category 1 is named '0', which no sentence can say; name what it shows; left out"


@pytest.mark.parametrize(
    "names", [("0", "1", "2"), ("class_0", "class_1"), ("", " "), ("N/A", "unknown"), (0, 1), (1.5, 2.5), (None, None)]
)
def test_where_most_categories_have_no_name_a_run_is_refused(load: Loader, names: tuple[object, ...]) -> None:
    rows = [{**BOX, "id": n, "category_id": 1 + n % 2} for n in range(6)]
    refusal = load(instances(*rows, categories=named(*names))).refusal
    assert refusal is not None
    assert "6 of 6 boxes do not fit (6 category_unnamed)" in refusal
    assert "Write into 'categories' what they are, in words" in refusal


@pytest.mark.parametrize("names", [("dog", "dog"), ("Dog", "dog"), ("traffic_light", "Traffic Light")])
def test_categories_of_one_name_are_one_and_told(load: Loader, names: tuple[str, ...]) -> None:
    rows = [{**BOX, "id": n, "category_id": n} for n in (1, 2)]
    corpus = load(instances(*rows, categories=named(*names)))
    assert len(corpus.categories) == 1 and len(corpus.images[0].boxes) == 2
    (told,) = (one.detail for one in corpus.findings if one.kind == "category_repeated")
    assert f"categories 1, 2 are all '{corpus.categories[0]}'; read as one" in told


def test_the_heading_over_all_categories_is_none(load: Loader) -> None:
    """Roboflow puts the project's name first, and nothing is ever annotated with it."""
    head = {"id": 0, "name": "street-objects-v2", "supercategory": "none"}
    others = named("person", "dog", supercategory="street-objects-v2")
    row = {**BOX, "category_id": 2}
    assert load(instances(row, categories=[head, *others])).categories == ("person", "dog")
    used = load(instances(row, {**BOX, "id": 2, "category_id": 0}, categories=[head, *others]))
    assert used.categories == ("street-objects-v2", "person", "dog")
    flat = load(instances(row, categories=[{**head, "name": "cat"}, *named("person", "dog", supercategory="animal")]))
    assert flat.categories == ("cat", "person", "dog")
    odd = load(instances(row, categories=[head, *named("person", "dog", supercategory=["a", 1])]))
    assert odd.categories == ("street-objects-v2", "person", "dog")


def rle(*box_px: int) -> dict[str, Any]:
    left, top, width, height = box_px
    runs = [left * 50 + top, *([height, 50 - height] * width)]
    runs[-1] += 5000 - sum(runs)
    return {"size": [50, 100], "counts": runs}


@pytest.mark.parametrize(
    ("crowds", "plain", "is_doubted"),
    [
        ([{"segmentation": rle(10, 5, 20, 10)}] * 4, 0, True),  # CVAT marks every mask
        ([{"segmentation": rle(10, 5, 20, 10)}] * 4, 6, True),  # and no polygon beside them
        ([{}] * 4, 0, True),
        ([{}] * 4, 6, False),  # boxes of groups, as Open Images has them
        ([{"segmentation": rle(10, 5, 20, 10)}] * 4, 60, False),
        ([{"segmentation": rle(10, 5, 20, 10)}] * 2, 0, False),
    ],
)
def test_a_mark_that_every_mask_has_says_nothing_of_groups(
    load: Loader, crowds: Any, plain: int, is_doubted: bool
) -> None:
    rows = [{**BOX, **one, "id": n, "iscrowd": 1} for n, one in enumerate(crowds)]
    corpus = load(instances(*rows, *({**BOX, "id": 100 + n} for n in range(plain))))
    assert kinds(corpus) == ["crowds_doubted"] * is_doubted
    assert sum(box.is_crowd for box in corpus.images[0].boxes) == (0 if is_doubted else len(rows))


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"rotation": 0.0},
        {"rotation": 180},
        {"rotation": -360},
        {"rotation": 0.4},
        {"rotation": "left"},
        [],
        None,
        7,
    ],
)
def test_a_box_that_stands_upright_is_one(load: Loader, attributes: Any) -> None:
    corpus = load(instances({**BOX, "attributes": attributes}))
    assert not corpus.findings and len(corpus.images[0].boxes) == 1


def test_a_file_of_turned_boxes_stops_a_run(load: Loader) -> None:
    turned = [{**BOX, "id": n, "attributes": {"rotation": 30 + n}} for n in range(4)]
    corpus = load(instances(*turned))
    assert kinds(corpus) == ["box_turned"] * 4
    assert corpus.findings[3].detail == (
        "annotation 3: dog, the box is turned by 33 degrees (attributes.rotation); left out"
    )
    assert "4 of 4 boxes do not fit (4 box_turned)" in (corpus.refusal or "")
    assert "Boxes are upright here" in (corpus.refusal or "")


@pytest.mark.parametrize("mark", [{"isgroupof": 1}, {"isgroupof": True}, {"IsGroupOf": "1"}, {"IsGroupOf": True}])
def test_groups_of_open_images_are_crowds(load: Loader, mark: dict[str, Any]) -> None:
    rows = [{**BOX, "id": n} for n in range(3)]
    boxes = load(instances({**BOX, "id": 9, **mark}, *rows)).images[0].boxes
    assert [box.is_crowd for box in boxes] == [True, False, False, False]
    off = {key: 0 if value in (1, True) else "0" for key, value in mark.items()}
    assert not load(instances({**BOX, **off})).images[0].boxes[0].is_crowd


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (instances(BOX), "looks like an instances file; give it to --instances"),
        (captions({"image_id": 7, "caption": None}), r"at \$.annotations\[0\].caption: expected `str`, got `null`"),
        (captions({"image_id": 7}), "missing required field `caption`"),
        ({"images": [], "annotations": [{"segments_info": []}]}, "panoptic"),
        (captions(CAPTION, licenses="MIT"), r"at \$.licenses: expected"),
    ],
)
def test_broken_captions(load: Loader, content: Any, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        load((), content)


@pytest.mark.parametrize("change", [{"file_name": "COCO_train2014_000000000007.jpg"}, {"width": 50}])
def test_files_that_contradict_each_other(load: Loader, change: dict[str, Any]) -> None:
    with pytest.raises(CorpusError, match=r"image 7 is .*instances0.json but .*captions0.json"):
        load(instances(BOX), captions(images=[{**IMAGE, **change}]))


def test_one_image_that_files_contradict_costs_what_the_second_says_of_it(load: Loader) -> None:
    images = [{**IMAGE, "id": n, "file_name": f"{n}.jpg"} for n in range(4)]
    others = [*images[:3], {**images[3], "file_name": "other.jpg"}]
    texts = captions(*({**CAPTION, "id": n, "image_id": n} for n in range(4)), images=others)
    corpus = load(instances(images=images), texts)
    assert [len(image.captions) for image in corpus.images] == [1, 1, 1, 0]
    assert kinds(corpus) == ["image_conflict", "unknown_image"]
    assert "3.jpg (100x50) in instances0.json but other.jpg" in corpus.findings[0].detail


def test_missing_files_and_folders(load: Loader, tmp_path: Path) -> None:
    load(instances(BOX))
    with pytest.raises(CorpusError, match=r"no such annotation file. Did you mean instances0.json\?"):
        load_corpus(CorpusSettings(instances=(str(tmp_path / "instance0.json"),)))
    with pytest.raises(CorpusError, match="holds no file of a similar name"):
        load_corpus(CorpusSettings(instances=(str(tmp_path / "zzz"),)))
    with pytest.raises(CorpusError, match="There is no folder"):
        load_corpus(CorpusSettings(captions=(str(tmp_path / "nowhere" / "a.json"),)))
    with pytest.raises(CorpusError, match=r"is a folder; name the file in it. It holds instances0.json"):
        load_corpus(CorpusSettings(captions=(str(tmp_path),)))
    with pytest.raises(CorpusError, match="cannot be read"):
        load_corpus(CorpusSettings(captions=("a\0b",)))


KEYS = st.sampled_from(
    "images annotations categories licenses id image_id category_id bbox area caption iscrowd segmentation".split()
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)
ROWS = st.fixed_dictionaries(
    {"image_id": st.sampled_from([7, "7", 8]), "category_id": st.sampled_from([1, 18, "x"])},
    optional={
        "id": st.integers(0, 3) | ANYTHING,
        "bbox": st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=4),
        "area": st.none() | st.floats(-1, 1e4),
        "iscrowd": st.integers(0, 1),
        "segmentation": JSON,
        "caption": st.text(max_size=9),
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=ANYTHING | st.builds(lambda rows: instances(*rows), st.lists(ROWS, max_size=5)), is_captions=st.booleans())
def test_any_json_gives_a_corpus_or_one_sentence(load: Loader, tree: Any, is_captions: bool) -> None:
    content = json.dumps(tree).encode()
    try:
        corpus = load((), content) if is_captions else load(content)
    except CorpusError as error:
        assert "\n" not in str(error)
        return
    for box in (box for image in corpus.images for box in image.boxes):
        left, top, right, bottom = box.box_unit
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1
        assert 0 < box.area_unit <= 1


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | st.integers(0, 400).map(lambda n: as_text(instances(BOX, crowd()))[:n]))
def test_any_bytes_give_a_corpus_or_one_sentence(load: Loader, content: bytes) -> None:
    with pytest.raises(CorpusError):
        load(content)


def test_captions_alone_are_read_with_cocos_words_and_an_empty_instances_file_is_not(load: Loader) -> None:
    assert load((), captions(CAPTION)).categories == COCO_CATEGORIES
    assert load(instances(BOX), captions(CAPTION)).categories != COCO_CATEGORIES


def scored(score: object, n: int = 1, key: str = "score", **more: Any) -> dict[str, Any]:
    return {**BOX, "id": n, "bbox": [10 + n, 5, 20, 10], key: score, **more}


@pytest.mark.parametrize("key", ["score", "confidence"])
@pytest.mark.parametrize("scale", [1, 100])
def test_boxes_of_a_detector_are_no_ground_truth(load: Loader, key: str, scale: int) -> None:
    file = instances(*(scored(score * scale, n, key) for n, score in enumerate((0.03, 0.9, 0.6, 0.51, 0.49))))
    corpus = load(file, captions(CAPTION))
    (finding,) = corpus.findings
    assert finding.kind == "boxes_scored" and finding.image_id is None
    assert "5 of 5 boxes carry a score (0.03 to 0.9, half below 0.51)" in finding.detail
    assert "2 below 0.5 (--set corpus.min_score) are left out" in finding.detail
    (image,) = corpus.images
    assert (len(image.boxes), image.absent, image.unfinished, image.by_detector) == (3, (), ("dog",), True)
    assert deniable(image, corpus.categories, ChecksSettings()) == ()
    assert not count_objects(image.boxes, image.unfinished or ())["dog"].is_exact


def test_captions_of_a_model_are_no_ground_truth(load: Loader) -> None:
    for mark, is_told in ((True, True), (False, False), (None, False), ("a model", False)):
        corpus = load(instances(BOX), captions({**CAPTION, "by_model": mark}))
        assert [finding.kind for finding in corpus.findings] == ["captions_by_model"] * is_told
        (image,) = corpus.images
        assert image.captions and (image.by_captioner is True) == is_told and image.absent is UNSET


def test_the_least_score_is_a_setting_that_the_cache_knows(
    load: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("datagen.corpus.cache.MIN_SOURCE_BYTES", 0)
    path = Path(load.write("i.json", instances(scored(0.3), scored(0.8, 2))))
    os.utime(path, (1, 1))
    for least, n_boxes in ((0.5, 1), (0.0, 2), (0.9, 0), (0.5, 1)):
        corpus = load_corpus(CorpusSettings(instances=(str(path),), min_score=least))
        assert len(corpus.images[0].boxes) == n_boxes


@pytest.mark.parametrize("score", [1, 1.0, None, True, "high", [0.2], -3, {"a": 1}, 1e300])
def test_a_score_that_says_nothing_leaves_boxes_as_people_drew_them(load: Loader, score: object) -> None:
    corpus = load(instances(scored(score)))
    assert not corpus.findings and len(corpus.images[0].boxes) == 1
    assert corpus.images[0].absent is UNSET and corpus.images[0].by_detector is UNSET


def test_categories_that_name_no_thing_are_told_once_with_their_boxes(load: Loader) -> None:
    names = ("helmet", "no-helmet", "without_mask", "running", "red")
    categories = [{"id": n, "name": name} for n, name in enumerate(names)]
    boxes = [{**BOX, "id": n, "category_id": n % 5} for n in range(10)]
    corpus = load(instances(*boxes, categories=categories))
    (finding,) = corpus.findings
    assert finding.kind == "category_no_thing" and finding.image_id is None
    assert "'no-helmet', 'without mask', 'running', 'red': no sentence can say these" in finding.detail
    assert "left out with their 8 of 10 boxes" in finding.detail
    assert corpus.categories == ("helmet",) and corpus.refusal is None
    assert {box.category for box in corpus.images[0].boxes} == {"helmet"}
    only = load(instances(*({**one, "category_id": 1} for one in boxes), categories=categories))
    assert only.refusal is not None and "left out with their 10 of 10 boxes" in only.refusal


def test_keys_of_word_lists_are_no_names(load: Loader) -> None:
    keys = ("n02084071", "/m/0bt9lr", "Q144", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "class_3", "0")
    categories = [{"id": n, "name": name} for n, name in enumerate(keys)]
    corpus = load(instances(*({**BOX, "id": n, "category_id": n} for n in range(6)), categories=categories))
    assert corpus.refusal is not None and "6 of 6 boxes do not fit (6 category_unnamed)" in corpus.refusal


def test_captions_that_describe_no_picture_are_left_out_by_kind(load: Loader) -> None:
    texts = ("A dog.", "IMG_1.jpg", "<b>A dog</b>", "A cafÃ©.", "Image 3")
    corpus = load(texts=captions(*({**CAPTION, "id": n, "caption": text} for n, text in enumerate(texts))))
    assert [finding.kind for finding in corpus.findings] == [
        "caption_is_name",
        "caption_markup",
        "caption_misread",
        "caption_says_nothing",
    ]
    assert corpus.images[0].captions == ("A dog.",) and "('IMG_1.jpg'); left out" in corpus.findings[0].detail


def test_a_caption_under_most_of_many_images_is_a_heading(load: Loader) -> None:
    images = [{**IMAGE, "id": n, "file_name": f"{n}.jpg"} for n in range(30)]
    rows = [{"id": n, "image_id": n, "caption": "Photographs of my dogs."} for n in range(30)]
    rows += [{"id": 30 + n, "image_id": n, "caption": f"A dog beside car number {n}."} for n in range(30)]
    corpus = load(texts=captions(*rows, images=images))
    (finding,) = corpus.findings
    assert finding.kind == "captions_alike" and "30 of 60 captions say the same" in finding.detail
    assert all(len(image.captions) == 1 and "beside" in image.captions[0] for image in corpus.images)


@pytest.mark.parametrize(
    ("change", "is_open"),
    [
        ({"bbox": ["x", 5, 20, 10]}, ["dog"]),
        ({"bbox": [900, 5, 20, 10]}, ["dog"]),
        ({"bbox": [10, 5, 0, 0]}, ["dog"]),
        ({"bbox": None}, ["dog"]),
        ({"bbox": "[10, 5, 20, 10]"}, ["dog"]),
        ({"attributes": {"occluded": False, "rotation": 37.5}}, ["dog"]),
        ({"attributes": {"rotation": "270"}}, ["dog"]),
        ({"attributes": {"rotation": -45}, "bbox": "[10, 5, 20, 10]"}, ["dog"]),
        ({"category_id": [18]}, ["dog", "person"]),
        ({"category_id": 99}, []),
    ],
)
def test_a_box_that_is_left_out_is_no_proof_that_nothing_is_there(
    load: Loader, change: dict[str, Any], is_open: list[str]
) -> None:
    images = [IMAGE, {**IMAGE, "id": 8, "file_name": "8.jpg"}]
    sound = [{**BOX, "id": 10 + n, "image_id": n, "category_id": 1} for n in (7, 8)]
    corpus = load(instances(*sound, BOX | change, images=images))
    assert len(corpus.findings) == 1
    denied = [deniable(image, corpus.categories, ChecksSettings()) for image in corpus.images]
    assert denied == [tuple(name for name in ("person", "dog") if name not in is_open), ("person", "dog")]
    counted = count_objects(corpus.images[0].boxes, corpus.images[0].unfinished or ())["person"]
    assert counted.is_exact == ("person" not in is_open)
