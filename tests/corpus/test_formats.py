"""The table of corpus formats: each is recognised by the settings that name its files, and answers as a source."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles, make_corpus
from written_corpora import WRITERS

import datagen
from datagen.config import CorpusSettings, load_settings
from datagen.corpus import (
    FORMATS,
    PLACES,
    Corpus,
    FileSource,
    FolderSource,
    corpus_if_there,
    find_format,
    identity_in,
    load_corpus,
    open_source,
)
from datagen.errors import CorpusError, SettingsError

RECORD = {"file_name": "1.jpg", "captions": ["A dog."]}


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, CorpusSettings]:
    """Settings that name a corpus of each format."""
    files = make_corpus(tmp_path, n_images=3)
    (tmp_path / "llava.json").write_text(json.dumps([{"image": "000000000001.jpg", "conversations": []}]))
    (tmp_path / "images.jsonl").write_text(json.dumps(RECORD))
    captions, instances = (str(files.captions),), (str(files.instances),)
    return {
        "coco": CorpusSettings(captions=captions, instances=instances),
        "llava": CorpusSettings(dataset=str(tmp_path / "llava.json"), instances=instances),
        "records": CorpusSettings(path=str(tmp_path / "images.jsonl")),
    } | {name.partition(" ")[0]: CorpusSettings(path=str(written(name, files, tmp_path / name))) for name in WRITERS}


def written(name: str, files: CorpusFiles, folder: Path) -> Path:
    """The corpus of the files in another format."""
    corpus = load_corpus(load_settings(None, files.settings).corpus)
    path = WRITERS[name].write(corpus.images, corpus.categories, folder)
    shutil.copytree(files.images, folder / WRITERS[name].pictures, dirs_exist_ok=True)
    return path


def test_the_fixture_has_every_format(settings: dict[str, CorpusSettings]) -> None:
    assert settings.keys() == {one.name for one in FORMATS}
    assert {*PLACES, "source", "format", "coordinates", "limit", "max_image_pixels", "min_score"} == {
        *CorpusSettings.__struct_fields__
    }


@pytest.mark.parametrize("name", [one.name for one in FORMATS])
def test_every_format_answers_as_a_source(settings: dict[str, CorpusSettings], name: str) -> None:
    source = open_source(settings[name])
    assert source.name == name == find_format(settings[name]).name
    assert source.identity() and all(map(str.strip, source.identity()))
    assert {told for _, told in source.describe()} >= {*source.identity()}
    corpus, digest, stamp = source.load(), dict(source.digest()), source.stamp()
    assert corpus.images == load_corpus(settings[name]).images
    for image in corpus.images:
        assert corpus.by_id[image.image_id] == image
    source_of_files = getattr(source, "annotations", source)
    files = (
        source.files()
        if isinstance(source, FolderSource)
        else [one for of in source_of_files.files.values() for one in of]
    )
    path = Path([*files][-1])
    path.write_bytes(path.read_bytes().replace(b"000000000001", b"000000000002").replace(b"dog", b"cat") + b"\n")
    os.utime(path, (1, 1))
    assert dict(source.digest()) != digest
    assert source.stamp() != stamp


def test_a_dataset_is_what_a_run_is_on_not_its_annotations(settings: dict[str, CorpusSettings]) -> None:
    source = open_source(settings["llava"])
    assert source.identity() == ("llava.json",)
    assert source.describe() == [("made elsewhere", "llava.json"), ("instances", "instances.json")]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "No annotations are given: name a COCO file with --captions or --instances"),
        ({"images": "pictures"}, "No annotations are given"),
        ({"path": "a.jsonl", "captions": ("b.json",)}, r"corpus\.captions, corpus\.path: no corpus format takes these"),
        (
            {"path": "a.jsonl", "format": "yolo9"},
            r"corpus\.format yolo9: there is no such format that takes corpus\.path",
        ),
        ({"path": "a.jsonl", "format": "llava"}, r"corpus\.format llava: there is no such format"),
    ],
)
def test_settings_that_name_no_format_are_told(given: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        open_source(CorpusSettings(**given))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_comes_back_and_makes_a_dataset(name: str, tmp_path: Path) -> None:
    corpus_files = make_corpus(tmp_path / "plain")
    told = re.sub(r", scene number \d| ?in garden \d", "", corpus_files.captions.read_text())  # no sentence ends so
    corpus_files.captions.write_text(told)
    path, carries = written(name, corpus_files, tmp_path / "corpus"), WRITERS[name]
    before, after = (
        load_corpus(load_settings(None, corpus_files.settings).corpus),
        load_corpus(CorpusSettings(path=str(path))),
    )
    assert find_format(CorpusSettings(path=str(path))).name == name.partition(" ")[0]
    assert (after.findings, after.refusal) == ((), None)
    for old, new in zip(before.images, after.images, strict=True):
        assert new.image_id == old.image_id or not carries.ids
        assert new.captions == (old.captions if carries.captions else ())
        boxes: list[Any] = [
            (box.category, pytest.approx(box.box_unit, abs=carries.off_by), box.is_crowd and carries.crowds)
            for box in old.boxes
        ]
        assert [(box.category, box.box_unit, box.is_crowd) for box in new.boxes] == (boxes if carries.boxes else [])
        assert new.licence == (old.licence if carries.licences else None)
    out = tmp_path / "run"
    source = open_source(CorpusSettings(path=str(path)))
    pictures = {} if source.pictures else {"corpus.images": str(path)}
    run = datagen.run({"corpus.path": str(path), **pictures, "types": ["conversation", "description"]}, out)
    assert run.summary.accepted >= 6
    assert all(sample.turns for sample in run.iter_samples() if sample.status == "accepted")
    known = {image.file_name for image in after.images}
    assert {row["image"] for row in json.loads((out / "dataset.json").read_text())} <= known
    again = (out / "samples.jsonl").read_bytes()
    datagen.run({"corpus.path": str(path), **pictures, "types": ["conversation", "description"]}, tmp_path / "again")
    assert (tmp_path / "again" / "samples.jsonl").read_bytes() == again


@pytest.mark.parametrize(
    ("name", "said"), [("a.txt", "is no corpus that is known by looking into it"), ("b", "b: is no c")]
)
def test_what_is_of_no_format_is_told(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a.txt").write_text("Hm.")
    with pytest.raises(SettingsError, match=said):
        open_source(CorpusSettings(path=str(tmp_path / name)))


def test_a_name_of_the_hub_is_told_how_to_fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CorpusError, match="is named --corpus hf:somebody/pictures, with a split"):
        open_source(load_settings(None, {"corpus.path": "somebody/pictures"}).corpus)
    with pytest.raises(CorpusError, match="no such annotation file"):
        load_corpus(load_settings(None, {"corpus.path": "somebody/pictures.jsonl"}).corpus)


def test_what_is_of_two_formats_is_to_be_named(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    for name in ("yolo", "voc"):
        written(name, corpus_files, tmp_path / "both")
    with pytest.raises(SettingsError, match=r"holds a corpus of yolo and voc; name one with --set corpus\.format=yolo"):
        open_source(CorpusSettings(path=str(tmp_path / "both")))
    assert open_source(CorpusSettings(path=str(tmp_path / "both"), format="voc")).name == "voc"


def test_a_format_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "images.txt").write_text(json.dumps(RECORD))
    corpus = load_corpus(CorpusSettings(path=str(tmp_path / "images.txt"), format="records"))
    assert corpus.images[0].captions == ("A dog.",)


def test_a_limit_takes_the_first_and_what_was_found_of_them(tmp_path: Path) -> None:
    lines = [json.dumps({"file_name": f"{n}.jpg", "captions": ["", "A dog."]}) for n in range(4)]
    (tmp_path / "images.jsonl").write_text("\n".join(lines))
    corpus = load_corpus(CorpusSettings(path=str(tmp_path / "images.jsonl"), limit=2))
    assert [image.image_id for image in corpus.images] == ["0", "1"]
    assert [finding.image_id for finding in corpus.findings] == ["0", "1"]


def test_what_a_run_is_on_is_read_from_its_manifest_old_or_new(corpus_files: CorpusFiles) -> None:
    plain = {"captions": [str(corpus_files.captions)], "instances": [str(corpus_files.instances)]}
    assert identity_in({"settings": {"corpus": plain}}) == ("captions.json", "instances.json")
    assert identity_in({"settings": {"corpus": plain}, "source": ["other.json"]}) == ("other.json",)
    for damaged in ({}, {"settings": None}, {"settings": {"corpus": {"no such": 1}}}, {"settings": {"corpus": {}}}):
        assert identity_in(damaged) == ()


def test_images_that_a_program_gave_are_not_looked_for() -> None:
    settings = load_settings(None, {"corpus.source": "python:mine"}).corpus
    with pytest.raises(CorpusError, match="come from mine, in Python; start it again from the program"):
        load_corpus(settings)
    assert len(corpus_if_there(settings).images) == 0


def test_a_source_of_files_reads_as_it_is_told(tmp_path: Path, settings: dict[str, CorpusSettings]) -> None:
    (tmp_path / "a.csv").write_text("x")
    corpus = load_corpus(settings["records"])
    source = FileSource(name="csv", files={"captions": (str(tmp_path / "a.csv"),)}, read=lambda: corpus)
    assert load_corpus(CorpusSettings(), source) == corpus
    assert source.identity() == ("a.csv",)


def test_a_file_that_a_format_cannot_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"\xff")

    def source(path: Path) -> FileSource:
        return FileSource(name="csv", files={"captions": (str(path),)}, read=lambda: Corpus((path.read_text("utf-8"),)))  # type: ignore[arg-type]

    for path, said in (
        (tmp_path / "a.csv", r"a\.csv: no such annotation file. Did you mean b\.csv"),
        (tmp_path, "is a folder; name the file in it"),
        (tmp_path / "b.csv", r"b\.csv: is not UTF-8"),
    ):
        with pytest.raises(CorpusError, match=said):
            source(path).load()
