"""YOLO data sets: every layout is found, a faulty line costs itself, a wrong form of boxes is told with its cause."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from datagen.config import CorpusSettings
from datagen.corpus import Corpus, PictureChecker, find_format, load_corpus, open_source
from datagen.errors import CorpusError, SettingsError
from datagen.records import Box

NAMES = "names:\n  0: person\n  1: traffic_light\n"
DOG = "0 0.5 0.5 0.2 0.4\n"


def put(root: Path, files: dict[str, str | bytes | None]) -> Path:
    """Write files; pictures where there is nothing to write."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            Image.new("RGB", (100, 50)).save(path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def load(path: Path, images: Path | None = None) -> Corpus:
    settings = CorpusSettings(path=str(path), images=None if images is None else str(images))
    assert find_format(settings).name == "yolo"
    return load_corpus(settings)


def names_of(corpus: Corpus) -> list[str]:
    return [image.file_name for image in corpus.images]


def test_a_box_is_a_centre_and_a_size_of_the_frame(tmp_path: Path) -> None:
    put(tmp_path, {"data.yaml": NAMES, "images/train/007.jpg": None, "labels/train/007.txt": DOG + "1 .25 .25 .5 .5"})
    corpus = load(tmp_path)
    (image,) = corpus.images
    assert (image.image_id, image.file_name, image.captions, image.width) == ("7", "images/train/007.jpg", (), 0)
    area = pytest.approx(0.08)
    assert image.boxes == (
        Box("person", (0.4, 0.3, 0.6, 0.7), area),  # type: ignore[arg-type]
        Box("traffic light", (0, 0, 0.5, 0.5), 0.25),
    )
    assert (corpus.categories, corpus.findings, corpus.refusal) == (("person", "traffic light"), (), None)


@pytest.mark.parametrize(
    ("files", "found"),
    {
        "split last": (("images/val/b.jpg", "labels/val/b.txt", "images/train/a.jpg", "labels/train/a.txt"), "train"),
        "split first": (("valid/images/b.png", "valid/labels/b.txt", "train/images/a.JPG", "train/labels/a.txt"), "train"),
        "no split": (("images/b.jpg", "labels/b.txt", "images/a.jpg", "labels/a.txt"), "images"),
        "side by side": (("b.jpg", "b.txt", "a.jpg", "a.txt"), ""),
    }.values(),
)  # fmt: skip
def test_every_layout_is_found_train_first(tmp_path: Path, files: tuple[str, ...], found: str) -> None:
    contents = {name: DOG if name.endswith(".txt") else None for name in files}
    put(tmp_path, {"data.yaml": f"train: ../train/images\n{NAMES}", "README.dataset.txt": "Hm.", **contents})
    corpus = load(tmp_path)
    assert names_of(corpus) == [files[2], files[0]]
    assert found in names_of(corpus)[0]
    assert all(len(image.boxes) == 1 for image in corpus.images)
    assert not any(PictureChecker(CorpusSettings(images=str(tmp_path))).check(image) for image in corpus.images)


@pytest.mark.parametrize("path", ["train", "train/images", "train/labels"])
def test_one_split_may_be_named(tmp_path: Path, path: str) -> None:
    files = {f"{split}/{kind}" for split in ("train", "valid") for kind in ("images/a.jpg", "labels/a.txt")}
    put(tmp_path, {"data.yaml": NAMES, **{name: DOG if name.endswith("txt") else None for name in files}})
    assert names_of(load(tmp_path / path)) == ["train/images/a.jpg"]
    assert names_of(load(tmp_path / path, tmp_path / "train" / "images")) == ["a.jpg"]
    assert len(load(tmp_path / "data.yaml").images) == 2


def test_names_may_be_a_list_or_classes_txt(tmp_path: Path) -> None:
    put(tmp_path / "a", {"set.yml": "nc: 2\nnames: ['person', 'hot dog']", "images/1.jpg": None, "labels/1.txt": DOG})
    put(tmp_path / "b", {"classes.txt": "\ufeffperson\r\nhot dog\r\n", "images/1.jpg": None, "labels/1.txt": DOG})
    put(tmp_path / "c", {"labels/classes.txt": "person\nhot dog", "images/1.jpg": None, "labels/1.txt": DOG})
    for name in "abc":
        corpus = load(tmp_path / name)
        assert corpus.categories == ("person", "hot dog")
        assert [image.file_name for image in corpus.images] == ["images/1.jpg"]


def test_an_outline_is_the_box_around_it_with_its_own_area(tmp_path: Path) -> None:
    put(tmp_path, {"data.yaml": NAMES, "images/1.jpg": None, "labels/1.txt": "0 0 0 0.5 0 0 0.5"})
    assert load(tmp_path).images[0].boxes == (Box("person", (0, 0, 0.5, 0.5), 0.125),)


def test_key_points_behind_the_box_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, {"data.yaml": f"kpt_shape: [2, 3]\n{NAMES}", "images/1.jpg": None})
    put(tmp_path, {"labels/1.txt": "0 .5 .5 .5 .5 .1 .1 2 .9 .9 2"})
    assert load(tmp_path).images[0].boxes == (Box("person", (0.25, 0.25, 0.75, 0.75), 0.25),)


def test_a_picture_without_labels_shows_nothing_and_one_that_is_gone_is_told(tmp_path: Path) -> None:
    put(tmp_path, {"data.yaml": NAMES, "images/a b.jpg": None, "images/empty.jpg": None})
    put(tmp_path, {"labels/empty.txt": "", "labels/gone.txt": DOG})
    corpus = load(tmp_path)
    assert [(image.file_name, len(image.boxes)) for image in corpus.images] == [
        ("images/a b.jpg", 0),
        ("images/empty.jpg", 0),
        ("images/gone.jpg", 1),
    ]
    faults = [PictureChecker(CorpusSettings(images=str(tmp_path))).check(image) for image in corpus.images]
    assert [fault and fault[0] for fault in faults] == [None, None, "image_missing"]


def test_pictures_may_lie_elsewhere(tmp_path: Path) -> None:
    put(tmp_path / "set", {"data.yaml": NAMES, "labels/train/1.txt": DOG})
    put(tmp_path / "photos", {"1.png": None})
    put(tmp_path / "moved", {"images/train/1.png": None})
    assert names_of(load(tmp_path / "set", tmp_path / "photos")) == ["1.png"]
    assert names_of(load(tmp_path / "set", tmp_path / "moved")) == ["images/train/1.png"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2 .5 .5 .1 .1", r"there is no class 2; the names have 0 to 1"),
        ("-1 .5 .5 .1 .1", r"there is no class -1"),
        ("0.5 .5 .5 .1 .1", r"there is no class 0\.5"),
        ("0 .5 .5 .1", r"expected class, x, y, width and height"),
        ("0 .5 .5 .1 .1 .9", r"a sixth number, as a detector's output has its confidence"),
        ("dog .5 .5 .1 .1", r"holds something else than numbers"),
        ("0 nan .5 .1 .1", r"a number is not finite"),
        ("0 1e999 .5 .1 .1", r"a number is not finite"),
        ("inf .5 .5 .1 .1", r"infinity"),
        ("caf\xe9 .5 .5 .1 .1", r"holds something else than numbers"),
    ],
)
def test_a_faulty_line_costs_itself(tmp_path: Path, line: str, said: str) -> None:
    put(tmp_path, {"data.yaml": NAMES, "images/1.jpg": None})
    put(tmp_path, {"labels/1.txt": f"{DOG}\r\n{line}\r\n{DOG}".encode("utf-8-sig" if line.isascii() else "latin-1")})
    corpus = load(tmp_path)
    (finding,) = corpus.findings
    assert len(corpus.images[0].boxes) == 2 and corpus.refusal is None
    assert (finding.kind, finding.image_id) == ("label_unreadable", "1")
    assert re.search(rf"1\.txt, line \d: .*{said}.*; left out", finding.detail)


def test_boxes_over_the_frame_are_clipped_or_left_out(tmp_path: Path) -> None:
    odd = "0 .95 .5 .2 .2\n0 2 2 .1 .1\n0 .5 .5 0 .2\n0 .05 .5 .1000001 .1\n" + DOG * 10
    put(tmp_path, {"data.yaml": NAMES, "images/1.jpg": None, "labels/1.txt": odd})
    corpus = load(tmp_path)
    assert [finding.kind for finding in corpus.findings] == ["box_out_of_frame", "box_out_of_frame", "box_zero_size"]
    assert corpus.findings[0].detail.startswith("person, box [0.85, 0.4, 1.05, 0.6]")
    assert len(corpus.images[0].boxes) == 12
    assert corpus.images[0].boxes[0].box_unit[2] == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0 320 240 100 100", "its numbers are pixels"),
        ("0 .1 .2 .9 .9", r"its boxes are corners \[left, top, right, bottom\]"),
        ("0 .5 .05 .3 .5", r"its boxes are \[left, top, width, height\]"),
    ],
)
def test_boxes_in_another_form_stop_a_run(tmp_path: Path, line: str, said: str) -> None:
    put(tmp_path, {"data.yaml": NAMES, "images/1.jpg": None, "labels/1.txt": f"{line}\n" * 9})
    refusal = load(tmp_path).refusal
    assert refusal is not None
    assert re.search(rf"9 of 9 boxes do not fit their frames\. Likely cause: {said}", refusal)


def test_labels_that_cannot_be_read_stop_a_run(tmp_path: Path) -> None:
    put(tmp_path, {"data.yaml": NAMES, "images/1.jpg": None, "labels/1.txt": "7 .5 .5 .1 .1"})
    assert "1 of 1 records cannot be read, such as 1.txt" in (load(tmp_path).refusal or "")


def test_categories_that_no_sentence_can_name_cost_their_boxes(tmp_path: Path) -> None:
    put(tmp_path, {"data.yaml": "names: [person, '1', null]", "images/1.jpg": None})
    put(tmp_path, {"labels/1.txt": "0 .5 .5 .1 .1\n1 .5 .5 .1 .1\n2 .5 .5 .1 .1\n0 .2 .2 .1 .1\n"})
    corpus = load(tmp_path)
    assert (corpus.categories, len(corpus.images[0].boxes), corpus.refusal) == (("person",), 2, None)
    assert [finding.kind for finding in corpus.findings] == ["category_unnamed"] * 2


def test_an_endless_file_of_labels_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datagen.corpus.assembly.MAX_LABEL_BYTES", 10)
    put(tmp_path, {"classes.txt": "a\nb", "images/1.jpg": None, "labels/1.txt": DOG * 9})
    assert [finding.kind for finding in load(tmp_path).findings] == ["record_unreadable"]


def test_what_is_none_is_told(tmp_path: Path) -> None:
    put(tmp_path / "a", {"data.yaml": NAMES, "images/1.jpg": None})
    with pytest.raises(CorpusError, match="holds no folder of labels, such as labels/train beside images/train"):
        load(tmp_path / "a")
    put(tmp_path / "b", {"data.yaml": "names: [a, b]\nnames: [c]\n", "images/1.jpg": None, "labels/1.txt": DOG})
    with pytest.raises(SettingsError, match=r"data\.yaml: .*names"):
        open_source(CorpusSettings(path=str(tmp_path / "b")))
    for text, told in (
        ("nc: 2\n", "has no 'names' of categories"),
        ("names: dog\n", "has no 'names' of categories"),
        ("names: []\n", "its 'names' of categories are empty"),
        ("names: [a, !!python/object/apply:os.system [id]]\n", "is no YAML"),
        ("names: [a\n", "is no YAML"),
    ):
        put(tmp_path / "c", {"data.yaml": text, "images/1.jpg": None, "labels/1.txt": DOG})
        for path in (tmp_path / "c", tmp_path / "c" / "data.yaml"):
            with pytest.raises(SettingsError, match=rf"data\.yaml: {told}"):
                open_source(CorpusSettings(path=str(path)))
    forced = CorpusSettings(path=str(tmp_path / "b"), format="yolo")
    with pytest.raises(CorpusError, match=r"holds no data\.yaml with 'names' and no classes\.txt"):
        load_corpus(forced)


def test_the_stamp_and_the_digest_are_of_the_labels(tmp_path: Path) -> None:
    put(tmp_path / "one", {"data.yaml": NAMES, "images/1.jpg": None, "labels/1.txt": DOG})
    put(tmp_path / "two" / "one", {"data.yaml": NAMES, "images/1.jpg": None, "labels/1.txt": DOG})
    one, two = (open_source(CorpusSettings(path=str(tmp_path / name))) for name in ("one", "two/one"))
    assert (one.identity(), one.digest()) == (two.identity(), two.digest())
    stamp, digest = one.stamp(), one.digest()
    put(tmp_path / "one", {"labels/1.txt": DOG * 2})
    assert one.stamp() != stamp and one.digest() != digest


def test_names_of_a_folder_above_belong_to_its_own_labels_alone(tmp_path: Path) -> None:
    put(tmp_path, {"data.yaml": NAMES, "images/1.jpg": None, "labels/1.txt": DOG, "other/1.jpg": None})
    with pytest.raises(SettingsError, match="is no corpus that is known"):
        open_source(CorpusSettings(path=str(tmp_path / "other")))
    put(tmp_path / "tool", {"labels/classes.txt": "person\nhot dog", "images/1.jpg": None, "labels/1.txt": DOG})
    assert names_of(load(tmp_path / "tool" / "images")) == ["images/1.jpg"]


def test_a_line_that_is_left_out_is_no_proof_that_nothing_is_there(tmp_path: Path) -> None:
    lines = {"1": f"{DOG}1 0.5 0.5 0.2\n", "2": f"{DOG}one 0.5 0.5 0.2 0.4\n", "3": f"{DOG}1 0.5 0.5 0 0\n", "4": DOG}
    files: dict[str, str | bytes | None] = {"data.yaml": NAMES}
    for name, text in lines.items():
        files |= {f"images/{name}.png": None, f"labels/{name}.txt": text}
    given = [image.unfinished or () for image in load(put(tmp_path, files)).images]
    assert given == [("traffic light",), ("person", "traffic light"), ("traffic light",), ()]
