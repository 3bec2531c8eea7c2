"""The table of corpus formats: each is recognised by the settings that name its files, and answers as a source."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from conftest import CorpusFiles, make_corpus

from datagen.config import CorpusSettings, load_settings
from datagen.corpus import (
    FORMATS,
    PLACES,
    Corpus,
    FileSource,
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
    }


def test_the_fixture_has_every_format(settings: dict[str, CorpusSettings]) -> None:
    assert settings.keys() == {one.name for one in FORMATS}
    assert {*PLACES, "source", "format", "limit", "max_image_pixels", "min_score"} == {
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
    changed = settings[name].instances or (settings[name].path,)
    path = Path(str(changed[0]))
    path.write_text(path.read_text().replace("000000000001", "000000000002").replace("dog", "cat"))
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
        ({"path": "a.txt"}, r"a\.txt: its name tells no corpus format; known are .*\.jsonl \(records\)"),
        (
            {"path": "a.jsonl", "format": "yolo9"},
            r"corpus\.format yolo9: there is no such format that takes corpus\.path",
        ),
        ({"path": "a.jsonl", "format": "coco"}, r"corpus\.format coco: there is no such format"),
    ],
)
def test_settings_that_name_no_format_are_told(given: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        open_source(CorpusSettings(**given))  # type: ignore[arg-type]


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
