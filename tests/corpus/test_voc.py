"""PASCAL VOC: every layout is found, a faulty file costs its picture, and none can do harm."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from datagen.config import CorpusSettings
from datagen.corpus import Corpus, PictureChecker, find_format, load_corpus, open_source
from datagen.corpus.voc import recognise_voc
from datagen.errors import CorpusError, SettingsError
from datagen.records import Box

SIZE = "<size><width>100</width><height>50</height><depth>3</depth></size>"
PERSON = (
    "<object><name>person</name><bndbox><xmin>11</xmin><ymin>6</ymin><xmax>60</xmax><ymax>30</ymax></bndbox></object>"
)
MARKED = PERSON.replace("<bndbox>", "<truncated>1</truncated><difficult>{}</difficult><bndbox>")


def xml(name: str = "1.jpg", inside: str = PERSON, size: str = SIZE) -> str:
    return f"<annotation><folder>x</folder><filename>{name}</filename>{size}{inside}</annotation>"


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
    assert find_format(settings).name == "voc"
    return load_corpus(settings)


def test_corners_begin_at_one_and_the_last_belongs_to_the_box(tmp_path: Path) -> None:
    part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"
    inside = PERSON.replace("</object>", f"{part}</object>") + PERSON.replace("person", "dining table")
    corpus = load(
        put(tmp_path, {"Annotations/2007_01.xml": xml("2007_01.jpg", inside), "JPEGImages/2007_01.jpg": None})
    )
    (image,) = corpus.images
    assert (image.image_id, image.file_name, image.width, image.height) == (
        "2007_01",
        "JPEGImages/2007_01.jpg",
        100,
        50,
    )
    assert image.boxes == tuple(Box(name, (0.1, 0.1, 0.6, 0.6), 0.25) for name in ("person", "dining table"))
    assert (corpus.categories, corpus.findings, corpus.refusal) == (("person", "dining table"), (), None)
    assert PictureChecker(CorpusSettings(images=str(tmp_path))).check(image) is None


@pytest.mark.parametrize(
    ("files", "given"),
    [
        (("b.xml", "b.jpg", "a.xml", "a.jpg"), "."),
        (("valid/b.xml", "valid/b.jpg", "train/a.xml", "train/a.jpg"), "."),
        (("val/annotations/b.xml", "val/images/b.jpg", "train/annotations/a.xml", "train/images/a.jpg"), "."),
        (("Annotations/b.xml", "JPEGImages/b.jpg", "Annotations/a.xml", "JPEGImages/a.jpg"), "Annotations"),
    ],
)
def test_every_layout_is_found_train_first(tmp_path: Path, files: tuple[str, ...], given: str) -> None:
    put(tmp_path, {name: xml(f"{name[-5]}.jpg") if name.endswith("xml") else None for name in files})
    corpus = load(tmp_path / given)
    assert [image.file_name for image in corpus.images] == sorted((files[1], files[3]), key=lambda name: name[-5])
    checker = PictureChecker(CorpusSettings(images=open_source(CorpusSettings(path=str(tmp_path / given))).pictures))
    assert not any(map(checker.check, corpus.images))


def test_difficult_objects_leave_counts_open_and_truncated_ones_are_boxed(tmp_path: Path) -> None:
    put(tmp_path, {"1.jpg": None, "1.xml": xml(inside=MARKED.format(1) + MARKED.format(0)), "2.jpg": None})
    corpus = load(put(tmp_path, {"2.xml": xml("2.jpg", MARKED.format(0))}))
    assert [len(image.boxes) for image in corpus.images] == [1, 1]
    assert corpus.images[0].unfinished == ("person",) and not corpus.images[1].unfinished
    assert not corpus.images[0].absent
    assert [(one.kind, one.image_id) for one in corpus.findings] == [("box_difficult", None)]


def test_the_picture_is_found_where_its_name_has_changed(tmp_path: Path) -> None:
    names = {"1": "C:\\photos\\1.jpg", "2": "old.jpg", "a b": "a b", "4": "", "5": "../../etc/5.jpg"}
    put(tmp_path, {f"{stem}.xml": xml(name) for stem, name in names.items()} | {f"{stem}.jpg": None for stem in names})
    corpus = load(tmp_path)
    assert [image.file_name for image in corpus.images] == ["1.jpg", "2.jpg", "4.jpg", "5.jpg", "a b.jpg"]


def test_sizes_are_read_from_pictures_where_files_have_none(tmp_path: Path) -> None:
    put(tmp_path, {"1.xml": xml(size=""), "1.jpg": None, "2.xml": xml("2.jpg", size=SIZE.replace("100", "0"))})
    corpus = load(tmp_path)
    found = [(image.width, image.height, len(image.boxes)) for image in corpus.images]
    assert found == [(100, 50, 1), (0, 0, 0)]
    (finding,) = corpus.findings
    assert finding.kind == "box_without_frame"
    assert finding.detail == "2.xml says no size, and 2.jpg does not exist; 1 boxes left out"


BOMB = "<!DOCTYPE a [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>" + xml(inside="&b;")
FAULTS: dict[str, tuple[str | bytes, str]] = {
    "empty": (" \n", "is empty"),
    "bomb": (BOMB, "has a document type"),
    "reads a file": ('<!DOCTYPE a SYSTEM "file:///etc/passwd">' + xml(), "has a document type"),
    "bomb in utf-16": (BOMB.encode("utf-16"), "has a document type"),
    "deep": ("<annotation>" * 100_000, "is no XML: "),
    "cut off": (xml()[:-20], "is no XML: "),
    "something else": ("<html></html>", "holds <html>, not VOC's <annotation>"),
    "latin-1": (xml(inside=PERSON.replace("person", "café")).encode("latin-1"), "is not UTF-8 in line 1"),
    "odd encoding": ("<?xml version='1.0' encoding='no-such'?>" + xml(), "is no XML: "),
    "named twice": (xml("0.jpg"), "0.jpg is the picture of 0.xml already"),
}


@pytest.mark.parametrize(("content", "said"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_file_costs_its_picture_alone(tmp_path: Path, content: str | bytes, said: str) -> None:
    put(
        tmp_path,
        {"0.xml": "\ufeff" + xml("0.jpg").replace("><", ">\r\n<"), "0.jpg": None, "1.xml": content, "1.jpg": None},
    )
    corpus = load(tmp_path)
    (finding,) = corpus.findings
    assert (len(corpus.images), finding.kind, corpus.refusal) == (1, "record_unreadable", None)
    assert finding.detail.startswith("1.xml: ") and said in finding.detail


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_an_encoding_that_is_told_is_read(tmp_path: Path, encoding: str) -> None:
    text = f"<?xml version='1.0' encoding='{encoding}'?>" + xml(inside=PERSON.replace("person", "café"))
    assert load(put(tmp_path, {"1.xml": text.encode(encoding), "1.jpg": None})).categories == ("café",)


def test_faulty_objects_cost_themselves(tmp_path: Path) -> None:
    odd = [PERSON.replace("person", ""), PERSON.replace("11", "left"), PERSON.replace("11", "nan"), "<object/>"]
    odd += [PERSON.replace("60", "5"), PERSON.replace("60", "160"), PERSON.replace("60", "100.6")]
    corpus = load(put(tmp_path, {"1.xml": xml(inside="".join(odd) + 9 * PERSON), "1.jpg": None}))
    assert [one.kind for one in corpus.findings] == ["box_missing"] * 4 + ["box_zero_size", "box_out_of_frame"]
    assert (
        "person, box [10, 5, 160, 30] (left, top, right, bottom, px) reaches over the frame by 0.6"
        in corpus.findings[-1].detail
    )
    assert len(corpus.images[0].boxes) == 11


def test_boxes_in_another_form_stop_a_run(tmp_path: Path) -> None:
    box = PERSON.replace(">11<", ">61<").replace(">60<", ">30<")
    refusal = load(put(tmp_path, {"1.xml": xml(inside=9 * box), "1.jpg": None})).refusal
    assert re.search(r"9 of 9 boxes do not fit their frames\. Likely cause: .*VOC's are corners", refusal or "")


def test_what_is_none_is_told(tmp_path: Path) -> None:
    put(tmp_path, {"pom.xml": "<project/>", "a.txt": "Hm."})
    assert not recognise_voc(tmp_path) and not recognise_voc(tmp_path / "a.txt")
    with pytest.raises(SettingsError, match="is no corpus that is known"):
        open_source(CorpusSettings(path=str(tmp_path)))
    with pytest.raises(CorpusError, match=r"none is an image, such as pom\.xml: holds <project>"):
        load_corpus(CorpusSettings(path=str(tmp_path), format="voc"))
    (tmp_path / "pom.xml").unlink()
    with pytest.raises(CorpusError, match=r"holds no XML file"):
        load_corpus(CorpusSettings(path=str(tmp_path), format="voc"))
