"""COCO files under one path are told apart by their keys, and others are left to other formats."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import CorpusFiles, make_corpus

from datagen.config import CorpusSettings
from datagen.corpus import find_format, load_corpus, open_source
from datagen.corpus.coco_folder import open_found_coco, recognise_coco
from datagen.errors import CorpusError


@pytest.fixture
def files(tmp_path: Path) -> CorpusFiles:
    return make_corpus(tmp_path / "corpus", n_images=2)


def test_a_file_is_of_captions_of_instances_or_of_both(files: CorpusFiles, tmp_path: Path) -> None:
    captions = load_corpus(CorpusSettings(path=str(files.captions)))
    assert [(len(one.captions), len(one.boxes)) for one in captions.images] == [(2, 0), (2, 0)]
    instances = load_corpus(CorpusSettings(path=str(files.instances)))
    assert all(one.boxes and not one.captions for one in instances.images)
    tree = json.loads(files.instances.read_text())
    tree["annotations"] += json.loads(files.captions.read_text())["annotations"]
    (tmp_path / "both.json").write_text("\ufeff \n" + json.dumps(tree))
    both = load_corpus(CorpusSettings(path=str(tmp_path / "both.json")))
    assert all(one.boxes and one.captions for one in both.images)


@pytest.mark.parametrize("folder", [".", "annotations"])
def test_a_folder_holds_several_and_some_that_are_no_annotations(
    files: CorpusFiles, tmp_path: Path, folder: str
) -> None:
    put = tmp_path / "coco" / folder
    put.mkdir(parents=True)
    for path in (files.captions, files.instances):
        path.rename(put / path.name)
    (put / "stuff_train2017.json").write_text((put / "instances.json").read_text())
    settings = CorpusSettings(path=str(tmp_path / "coco"))
    assert find_format(settings).name == open_source(settings).name == "coco"
    assert open_source(settings).identity() == ("captions.json", "instances.json")
    assert all(one.boxes and one.captions for one in load_corpus(settings).images)


@pytest.mark.parametrize(
    "text", ["[]", "", "{", '{"images": []}', '{"images": [{"filename": "1.jpg", "sentences": []}]}']
)
def test_other_files_are_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    assert not recognise_coco(tmp_path / "a.json") and not recognise_coco(tmp_path)
    with pytest.raises(CorpusError, match="holds no COCO file with 'images' and 'annotations'"):
        open_found_coco(CorpusSettings(path=str(tmp_path)))


@pytest.mark.parametrize("where", ["train2017", "images/train2017", "."])
def test_pictures_around_the_files_are_found(files: CorpusFiles, tmp_path: Path, where: str) -> None:
    folder = tmp_path / "coco"
    (folder / "annotations").mkdir(parents=True)
    for path in (files.captions, files.instances):
        path.rename(folder / "annotations" / path.name)
    for picture in files.images.iterdir():
        (folder / where).mkdir(parents=True, exist_ok=True)
        picture.rename(folder / where / picture.name)
    for path in (folder, folder / "annotations", folder / "annotations" / "instances.json"):
        assert open_source(CorpusSettings(path=str(path))).pictures == str(folder / where)
    assert open_source(CorpusSettings(path=str(folder), images=str(tmp_path))).pictures is None
    next((folder / where).glob("*.jpg")).unlink()
    assert open_source(CorpusSettings(path=str(folder))).pictures is None


def test_pictures_in_two_folders_are_left_to_whoever_knows(files: CorpusFiles, tmp_path: Path) -> None:
    (tmp_path / "val.json").write_text(files.captions.read_text().replace("00000000000", "00000000009"))
    shutil.copytree(files.images, tmp_path / "train2017")
    (tmp_path / "val2017").mkdir()
    for picture in files.images.iterdir():
        shutil.copy(picture, tmp_path / "val2017" / picture.name.replace("00000000000", "00000000009"))
    shutil.copy(files.captions, tmp_path / "train.json")
    assert open_source(CorpusSettings(path=str(tmp_path))).pictures is None
    assert open_source(CorpusSettings(path=str(tmp_path / "val.json"))).pictures == str(tmp_path / "val2017")
