"""Several corpora in one run: ids, pictures, what each looked for, and how a run with them is told and gone on with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import CorpusFiles
from msgspec import UNSET
from msgspec.structs import replace
from written_corpora import WRITERS

import datagen
from datagen.claims import deniable, judge_turns
from datagen.config import CorpusSettings, load_settings
from datagen.corpus import Corpus, PictureChecker, load_corpus, open_source
from datagen.errors import CorpusError, RunError, SettingsError
from datagen.records import Turn

KINDS = {"coco": "coco in a folder", "vg": "visual_genome", "mine": "yolo", "flickr": "captions in a table"}


@pytest.fixture
def folder(tmp_path: Path, corpus_files: CorpusFiles) -> Path:
    """A folder with the same images as a corpus of each kind."""
    whole = load_corpus(load_settings(None, corpus_files.settings).corpus)
    for label, kind in KINDS.items():
        WRITERS[kind].write(whole.images, whole.categories, tmp_path / "data" / label)
        shutil.copytree(corpus_files.images, tmp_path / "data" / label / WRITERS[kind].pictures, dirs_exist_ok=True)
    return tmp_path / "data"


def mixed(folder: Path, *labels: str, images: str | None = None) -> CorpusSettings:
    paths = [str(folder / label) for label in labels]
    return load_settings(None, {"corpus.path": paths, **({"corpus.images": images} if images else {})}).corpus


def by_label(corpus: Corpus, label: str) -> list[str]:
    return [image.image_id for image in corpus.images if image.image_id.startswith(f"{label}_")]


def test_images_of_all_stand_end_to_end_under_ids_of_their_own(folder: Path) -> None:
    corpus = load_corpus(mixed(folder, *KINDS))
    alone = {label: load_corpus(CorpusSettings(path=str(folder / label))) for label in KINDS}
    assert len(corpus.images) == sum(len(one.images) for one in alone.values())
    for label, one in alone.items():
        assert by_label(corpus, label) == [f"{label}_{image.image_id}" for image in one.images]
        for image in one.images:
            found = corpus.by_id[f"{label}_{image.image_id}"]
            assert (found.captions, found.boxes, found.regions) == (image.captions, image.boxes, image.regions)
            assert (found.width, found.height, found.licence) == (image.width, image.height, image.licence)
            assert (folder / found.file_name).is_file()
    assert corpus.by_id["coco_1"].file_name == "coco/images/000000000001.jpg"
    assert corpus.by_id["vg_1"].file_name == "vg/VG_100K/000000000001.jpg"


def test_each_image_keeps_what_its_own_corpus_looked_for(folder: Path) -> None:
    (folder / "mine" / "data.yaml").write_text("names: [zeppelin, dog, cat]\n")
    for path in (folder / "mine" / "labels" / "train").glob("*.txt"):
        path.write_text("0 0.5 0.5 0.4 0.4\n")
    corpus, checks = load_corpus(mixed(folder, "coco", "mine", "vg")), load_settings(None, {"corpus.path": "x"}).checks
    first, other, open_one = (corpus.by_id[name] for name in ("coco_1", "mine_1", "vg_1"))
    assert {*deniable(other, corpus.categories, checks)} == {"dog", "cat"}
    assert "zeppelin" not in deniable(first, corpus.categories, checks) and deniable(first, corpus.categories, checks)
    assert {box.category for box in first.boxes}.isdisjoint(deniable(first, corpus.categories, checks))
    assert deniable(open_one, corpus.categories, checks) == ()
    said = (Turn("What is there?", "There is a zeppelin."),)
    verdicts = [
        next(claim.verdict for claim in judge_turns(said, image, corpus.categories, checks)[0].claims)
        for image in (first, other, open_one)
    ]
    assert verdicts == ["unknown", "supported_by_boxes", "unknown"]


def test_a_detectors_boxes_stay_so_beside_those_of_people(folder: Path) -> None:
    path = next((folder / "coco").rglob("instances*.json"))
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "annotations": [{**one, "score": 0.9} for one in told["annotations"]]}))
    corpus = load_corpus(mixed(folder, "coco", "mine"))
    assert {image.by_detector for image in corpus.images if image.image_id.startswith("coco_")} == {True}
    assert {image.by_detector for image in corpus.images if image.image_id.startswith("mine_")} == {UNSET}
    assert corpus.by_id["coco_1"].absent == () and corpus.by_id["mine_1"].absent


def test_a_run_tells_every_source_and_goes_on(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = {"corpus.path": [str(folder / "coco"), str(folder / "vg")], "types": ["conversation"]}
    run = datagen.run(given, tmp_path / "run", progress=True)
    told = " ".join(capsys.readouterr().err.split())
    assert "captions captions_train2017.json; coco, instances" in told
    card = (tmp_path / "run" / "README.md").read_text()
    assert "coco, captions: `captions_train2017.json`" in card and "vg, objects: `objects.json`" in card
    assert "vg: objects.json" in (tmp_path / "run" / "report.html").read_text()
    rows = json.loads((tmp_path / "run" / "dataset.json").read_text())
    assert {row["image"].partition("/")[0] for row in rows} == {"coco", "vg"}
    assert all((folder / row["image"]).is_file() for row in rows)
    assert run.summary.accepted == len(rows)
    before = (tmp_path / "run" / "samples.jsonl").read_bytes()
    datagen.run(given, tmp_path / "run")
    assert (tmp_path / "run" / "samples.jsonl").read_bytes() == before
    with pytest.raises(RunError, match="holds a run on coco: captions"):
        datagen.run({**given, "corpus.path": [str(folder / "coco")]}, tmp_path / "run")


def test_labels_are_apart(folder: Path) -> None:
    shutil.copytree(folder / "vg", folder / "more" / "vg")
    corpus = load_corpus(mixed(folder, "vg", "more/vg", "vg"))
    assert {image.image_id.rpartition("_")[0] for image in corpus.images} == {"vg", "vg-2", "vg-3"}
    assert len(corpus.by_id) == len(corpus.images)


def test_findings_and_refusals_name_their_corpus(folder: Path) -> None:
    labels = folder / "mine" / "labels" / "train"
    first = sorted(labels.glob("*.txt"))[0]
    first.write_text(f"{first.read_text()}99 0.5 0.5 0.1 0.1\n")
    corpus = load_corpus(mixed(folder, "coco", "mine"))
    assert [finding.image_id for finding in corpus.findings] == ["mine_1"]
    for path in labels.glob("*.txt"):
        path.write_text("junk\n")
    assert "mine" in (load_corpus(mixed(folder, "coco", "mine")).refusal or "")


def test_digest_and_stamp_follow_every_part(folder: Path) -> None:
    source = open_source(mixed(folder, "coco", "vg"))
    assert source.name == "a mix of coco (coco), vg (visual_genome)"
    digest, stamp = dict(source.digest()), source.stamp()
    path = folder / "vg" / "objects.json"
    path.write_text(f"{path.read_text()}\n")
    assert {key for key, one in source.digest().items() if one != digest[key]} == {"vg: annotations (objects)"}
    assert source.stamp() != stamp


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"format": "coco"}, "names the format of one corpus"),
        ({"captions": ("c.json",)}, r"corpus\.captions: several corpora are named by --corpus alone"),
        ({"path": "/etc/x.jsonl"}, "stand in no folder together"),
        ({"images": "https://host/x"}, "the pictures of several corpora stand in a folder"),
    ],
)
def test_what_cannot_be_mixed_is_told(folder: Path, settings: dict[str, object], said: str) -> None:
    given = {"path": str(folder / "coco"), "also": (str(folder / "vg"),), **settings}
    with pytest.raises(SettingsError, match=said):
        open_source(CorpusSettings(**given))  # type: ignore[arg-type]


def test_pictures_elsewhere_are_told(folder: Path) -> None:
    with pytest.raises(CorpusError, match=r"The pictures of vg lie in .*, which is not in"):
        load_corpus(mixed(folder, "coco", "vg", images=str(folder / "coco")))
    assert load_corpus(mixed(folder, "coco", "vg", images=str(folder.parent))).images[0].file_name.startswith("data/")


def test_names_that_lead_out_of_a_corpus_are_not_followed(folder: Path, corpus_files: CorpusFiles) -> None:
    path = folder / "coco" / "annotations" / "captions_train2017.json"
    path.write_text(path.read_text().replace("images/000000000001", "../vg/VG_100K/000000000001"))
    instances = folder / "coco" / "annotations" / "instances_train2017.json"
    instances.write_text(instances.read_text().replace("images/000000000001", "../vg/VG_100K/000000000001"))
    image = load_corpus(mixed(folder, "coco", "vg")).by_id["coco_1"]
    assert image.file_name == "coco/../vg/VG_100K/000000000001.jpg"
    fault = PictureChecker(CorpusSettings(images=str(folder))).check(image)
    assert fault is not None and fault[0] == "image_outside_folder"


@pytest.mark.parametrize("kind", ["webdataset", "datasets"])
def test_pictures_in_tar_files_and_tables_are_mixed_with_those_of_folders(
    kind: str, folder: Path, corpus_files: CorpusFiles, tmp_path: Path
) -> None:
    whole = load_corpus(load_settings(None, corpus_files.settings).corpus)
    WRITERS[kind].write(whole.images, whole.categories, folder / "packed")
    given = {"corpus.path": [str(folder / "mine"), str(folder / "packed")], "types": ["conversation"]}
    corpus = load_corpus(mixed(folder, "mine", "packed"))
    alone = load_corpus(CorpusSettings(path=str(folder / "packed")))
    assert by_label(corpus, "packed") == [f"packed_{image.image_id}" for image in alone.images]
    packed = corpus.by_id[by_label(corpus, "packed")[0]]
    assert packed.file_name == f"packed/{alone.images[0].file_name}" and packed.captions == alone.images[0].captions
    run = datagen.run(given, tmp_path / "run")
    fates = {sample.image: sample.reason for sample in run.iter_samples()}
    assert len(fates) == len(corpus.images) and not {"image_missing", "image_unreadable"} & {*fates.values()}
    assert {row["image"].partition("/")[0] for row in json.loads((tmp_path / "run" / "dataset.json").read_text())} == {
        "mine",
        "packed",
    }
    before = (tmp_path / "run" / "samples.jsonl").read_bytes()
    datagen.run({**given, "corpus.images": str(folder)}, tmp_path / "run")
    assert (tmp_path / "run" / "samples.jsonl").read_bytes() == before
    run.export("llava", tmp_path / "export", pictures="copy")
    rows = json.loads((tmp_path / "export" / "train.json").read_text())
    assert all((tmp_path / "export" / "images" / row["image"]).is_file() for row in rows)
    checker = PictureChecker(CorpusSettings(images=str(folder)))
    assert checker.read(packed.file_name).size == (packed.width, packed.height)
    gone = checker.check(replace(packed, file_name=packed.file_name.rpartition("/")[0] + "/999.jpg"))
    assert gone is not None and gone[0] == "image_missing"


def test_a_tar_file_is_not_followed_out_of_the_folder(folder: Path, corpus_files: CorpusFiles) -> None:
    whole = load_corpus(load_settings(None, corpus_files.settings).corpus)
    WRITERS["webdataset"].write(whole.images, whole.categories, folder.parent / "outside")
    shard = min((folder.parent / "outside").glob("*.tar"))
    (folder / "coco" / "link.tar").symlink_to(shard)
    image = replace(whole.images[0], file_name=f"coco/link.tar/{whole.images[0].file_name}")
    fault = PictureChecker(CorpusSettings(images=str(folder))).check(image)
    assert fault is not None and fault[0] == "image_outside_folder"
