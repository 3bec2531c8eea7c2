"""Open Images' tables: groups, what people found and did not find, and rows that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from datagen.config import CorpusSettings
from datagen.corpus import Corpus, find_format, load_corpus, open_source
from datagen.errors import CorpusError
from datagen.records import Box

NAMES = "/m/01,Person\n/m/02,Traffic light\n/m/03,Dog\n/m/04,Cat\n"
HEADER = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n"
)
LABELS = "ImageID,Source,LabelName,Confidence\n"


def row(image: str = "a1", label: str = "/m/01", corners: str = "0.1,0.5,0.2,0.6", marks: str = "0,0,0,0,0") -> str:
    return f"{image},xclick,{label},1,{corners},{marks}\n"


def load(folder: Path, boxes: str | bytes, labels: str | None = None, names: str = NAMES) -> Corpus:
    (folder / "train-annotations-bbox.csv").write_bytes(boxes.encode() if isinstance(boxes, str) else boxes)
    (folder / "class-descriptions-boxable.csv").write_text(names)
    if labels is not None:
        (folder / "train-annotations-human-imagelabels-boxable.csv").write_text(LABELS + labels)
    settings = CorpusSettings(path=str(folder))
    assert find_format(settings).name == "open_images"
    return load_corpus(settings)


def test_corners_are_shares_and_groups_are_crowds(tmp_path: Path) -> None:
    text = HEADER + row() + row("b2") + row("a1", "/m/02", "0,0.5,0,0.5", "1,1,1,0,0")
    corpus = load(tmp_path, "\ufeff" + text.replace("\n", "\r\n"))
    assert [(image.image_id, image.file_name) for image in corpus.images] == [("a1", "a1.jpg"), ("b2", "b2.jpg")]
    area = pytest.approx(0.16)
    person = Box("person", (0.1, 0.2, 0.5, 0.6), area)  # type: ignore[arg-type]
    assert corpus.images[0].boxes == (person, Box("traffic light", (0, 0, 0.5, 0.5), 0.25, True))
    assert corpus.images[1].boxes == (person,)
    assert (corpus.findings, corpus.refusal) == ((), None)
    assert corpus.categories == ("person", "traffic light", "dog", "cat")


def test_only_what_people_did_not_find_may_be_denied(tmp_path: Path) -> None:
    labels = [
        "a1,verification,/m/01,1",  # boxed, so boxed throughout
        "a1,verification,/m/02,1",  # there, and without a box
        "a1,crowdsource-verification,/m/03,0",
        "a1,verification,/m/03,0",
        "a1,machine,/m/04,0",
        "a1,machine,/m/04,1",
        "c3,verification,/m/04,0",
        "c3,verification,/m/03,0.7",
    ]
    corpus = load(tmp_path, HEADER + row() + row("b2"), "\n".join(labels) + "\n")
    assert [(image.image_id, image.absent, image.unfinished) for image in corpus.images] == [
        ("a1", ("dog",), ("traffic light",)),
        ("b2", (), ()),
        ("c3", ("cat",), ()),
    ]
    assert corpus.findings == ()
    assert open_source(CorpusSettings(path=str(tmp_path))).is_exhaustive is False


def test_depictions_and_insides_leave_counts_open(tmp_path: Path) -> None:
    boxes = HEADER + row(marks="0,0,0,1,0") + row(label="/m/02", marks="0,0,0,0,1") + row(label="/m/03")
    corpus = load(tmp_path, boxes)
    assert [box.category for box in corpus.images[0].boxes] == ["dog"]
    assert corpus.images[0].unfinished == ("person", "traffic light")
    assert [finding.kind for finding in corpus.findings] == ["box_depicted"]


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (row(label="/m/09"), "line 4: its LabelName '/m/09' stands in no table of category names; left out"),
        (row(corners="left,0.5,0.2,0.6"), "line 4: its corners are no numbers; left out"),
        (row(corners=",0.5,0.2,0.6"), "line 4: its corners are no numbers; left out"),
        (row(corners="nan,0.5,0.2,0.6"), "line 4: its corners are no numbers; left out"),
        (row(""), "line 4: its ImageID is none; left out"),
        (row("../../etc/x"), "line 4: its ImageID is none; left out"),
        ("a1,xclick,/m/01\n", "has 3 columns, the first line has 13; left out"),
        (row("caf\xe9"), "line 4: its ImageID is none; left out"),
    ],
)
def test_a_faulty_row_costs_itself(tmp_path: Path, odd: str, said: str) -> None:
    corpus = load(tmp_path, (HEADER + row() + row() + odd + row("b2")).encode("latin-1"))
    (finding,) = corpus.findings
    assert (finding.kind, corpus.refusal) == ("record_unreadable", None)
    assert finding.detail.startswith("train-annotations-bbox.csv, line ") and said in finding.detail
    assert sum(len(image.boxes) for image in corpus.images) == 3


def test_boxes_over_the_frame_are_clipped_or_left_out(tmp_path: Path) -> None:
    odd = row(corners="0.5,1.2,0.2,0.6") + row(corners="1.1,1.2,0.2,0.6") + row(corners="0.5,0.5,0.2,0.6")
    corpus = load(tmp_path, HEADER + odd + row() * 9)
    assert [finding.kind for finding in corpus.findings] == ["box_out_of_frame", "box_out_of_frame", "box_zero_size"]
    assert corpus.images[0].boxes[0].box_unit == (0.5, 0.2, 1, 0.6)


def test_most_rows_faulty_stop_a_run(tmp_path: Path) -> None:
    refusal = load(tmp_path, HEADER + row() + row(label="/m/09") * 3).refusal
    assert "3 of 4 records cannot be read, such as train-annotations-bbox.csv, line 3: its LabelName" in (refusal or "")


def test_licences_and_several_splits_are_read_train_first(tmp_path: Path) -> None:
    (tmp_path / "test-annotations-bbox.csv").write_text(HEADER + row("t0"))
    (tmp_path / "train-images.csv").write_text(
        "ImageID,Subset,License\na1,train,https://creativecommons.org/licenses/by/2.0/\nt0,test,\n"
    )
    names = "LabelName,DisplayName\n" + NAMES
    corpus = load(tmp_path, HEADER + row(), names=names)
    assert [(image.image_id, image.licence) for image in corpus.images] == [("a1", "CC-BY-2.0"), ("t0", None)]
    alone = load_corpus(CorpusSettings(path=str(tmp_path / "test-annotations-bbox.csv")))
    assert [image.image_id for image in alone.images] == ["t0"]


def test_pictures_are_found_in_the_folder_or_one_in_it(tmp_path: Path) -> None:
    load(tmp_path, HEADER + row())
    assert open_source(CorpusSettings(path=str(tmp_path))).pictures is None
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a1.jpg").touch()
    assert open_source(CorpusSettings(path=str(tmp_path))).pictures == str(tmp_path / "train")


def test_names_are_needed(tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text(HEADER + row())
    with pytest.raises(CorpusError, match=r"no table of category names lies there, so '/m/01g317' has no name"):
        load_corpus(CorpusSettings(path=str(tmp_path)))


def test_a_run_denies_nothing_but_what_labels_say(tmp_path: Path) -> None:
    import datagen

    load(tmp_path, HEADER + "".join(row(f"i{n}", f"/m/0{1 + n % 3}") for n in range(6)), "i0,verification,/m/04,0\n")
    run = datagen.run({"corpus.path": str(tmp_path), "types": ["negation"]}, tmp_path / "run")
    assert run.settings.checks.exhaustive == "no"
    told = {sample.image_id: [turn.answer for turn in sample.turns] for sample in run.iter_samples()}
    assert any("cat" in answer for answer in told["i0"])
    assert not any("cat" in answer for name, answers in told.items() if name != "i0" for answer in answers)
