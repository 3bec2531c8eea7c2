"""Bare pictures: a detector's boxes and a chat model's captions become COCO files that a run takes for a machine's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_checkpoints import picture
from tiny_detectors import write_grounding_dino, write_rt_detr
from typer.testing import CliRunner

import datagen
from datagen.cli import app
from datagen.config import CorpusSettings, ValidatorSettings, load_settings
from datagen.corpus import load_corpus
from datagen.engines.annotate_pictures import MAX_BOXES, Annotated, annotate_pictures
from datagen.engines.progress import Silence
from datagen.errors import CorpusError, RunError, ValidatorError
from datagen.validator import models
from datagen.validator.models import open_detector
from datagen.validator.models.detector import Detector
from datagen.validator.sightings import Sightings

LEFT, RIGHT = (0.0, 0.1, 0.5, 0.9), (0.5, 0.0, 1.0, 1.0)


class Notes(Silence):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.begun: list[tuple[str, int | None, int]] = []

    def begin(self, task: str, total: int | None, n_done: int = 0) -> None:
        self.begun.append((task, total, n_done))

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


class Eyes:
    """A captioner that says one thing."""

    def __init__(self, said: str = "A dog\n sits  there.") -> None:
        self.said, self.asked = said, 0

    def answer(self, picture: Any, question: str) -> str:
        assert question == "Describe this picture in one sentence."
        self.asked += 1
        return self.said


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (tmp_path / "pictures" / "more").mkdir(parents=True)
    for name, size in (("a.png", (60, 40)), ("b.png", (80, 50)), ("more/c.png", (64, 48))):
        picture(name, size).save(tmp_path / "pictures" / name)
    (tmp_path / "pictures" / "notes.txt").write_text("no picture")
    return tmp_path / "pictures"


@pytest.fixture(scope="module")
def rt_detr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return write_rt_detr(tmp_path_factory.mktemp("detector") / "tiny-rt")


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Sizes of the pictures that the detector was shown; it sees a dog and a cup in each."""
    shown: list[tuple[int, int]] = []

    def look(self: Detector, picture: Any, names: Sequence[str]) -> dict[str, Sightings]:
        shown.append(picture.size)
        seen = {"dog": [(*LEFT, 1.0)], "cup": [(*RIGHT, 0.6), (*LEFT, 0.1)], "person": [(0.3, 0.3, 0.301, 0.301, 0.9)]}
        tables = {name: np.array(seen[name]) for name in names if name in seen}
        return {name: Sightings(table[:, :4], table[:, 4]) for name, table in tables.items()}

    monkeypatch.setattr(Detector, "look", look)
    return shown


def annotated(pictures: Path, out: Path, detector: Path, progress: Any = None, **other: Any) -> Annotated:
    settings = ValidatorSettings(name=str(detector), device="cpu")
    return annotate_pictures(pictures, out, settings, other.pop("captioner", None), progress or Silence(), **other)


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_boxes_become_a_coco_file_that_says_who_drew_them(
    pictures: Path, tmp_path: Path, rt_detr: Path, looked: list[Any]
) -> None:
    found = annotated(pictures, tmp_path / "out", rt_detr)
    assert found == Annotated(3, 3, {"dog": 3, "cup": 3}, None, ())
    told = read(tmp_path / "out" / "instances.json")
    assert [(row["file_name"], row["width"], row["height"]) for row in told["images"]] == [
        ("a.png", 60, 40), ("b.png", 80, 50), ("more/c.png", 64, 48)
    ]  # fmt: skip
    names = {row["id"]: row["name"] for row in told["categories"]}
    assert [*names.values()] == ["person", "dog", "couch", "cup"]
    rows = [(names[row["category_id"]], row["bbox"], row["score"]) for row in told["annotations"][:2]]
    assert rows == [("dog", [0.0, 4.0, 30.0, 32.0], 0.9999), ("cup", [30.0, 0.0, 30.0, 40.0], 0.6)]
    assert len({row["id"] for row in told["annotations"]}) == 6
    assert told["info"]["detector"] == "tiny-rt" and str(tmp_path) not in json.dumps(told)
    assert "nobody looked" in told["info"]["description"]
    corpus = load_corpus(CorpusSettings(path=str(tmp_path / "out"), images=str(pictures)))
    assert [finding.kind for finding in corpus.findings] == ["boxes_scored"]
    assert all(image.absent == () and set(image.unfinished or ()) == {"dog", "cup"} for image in corpus.images)


def test_a_second_start_looks_at_nothing_twice(
    pictures: Path, tmp_path: Path, rt_detr: Path, looked: list[Any]
) -> None:
    out, progress = tmp_path / "out", Notes()
    annotated(pictures, out, rt_detr)
    before = (out / "instances.json").read_bytes()
    picture("new", (30, 30)).save(pictures / "b.png")
    log = (out / "found.jsonl").read_bytes()
    (out / "found.jsonl").write_bytes(log[:-20])  # killed while it wrote the last line
    annotated(pictures, out, rt_detr, progress)
    assert looked == [(60, 40), (80, 50), (64, 48), (30, 30), (64, 48)]
    assert progress.begun == [("finding boxes", 3, 1)]
    assert read(out / "instances.json")["images"][1]["width"] == 30
    picture("b.png", (80, 50)).save(pictures / "b.png")
    annotated(pictures, out, rt_detr)
    assert (out / "instances.json").read_bytes() == before
    annotated(pictures, out, rt_detr, min_score=0.7)  # another question
    assert len(looked) == 6 + 3 and len(read(out / "instances.json")["annotations"]) == 3


def test_captions_are_asked_for_after_all_boxes(
    pictures: Path, tmp_path: Path, rt_detr: Path, looked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    eyes = Eyes()
    monkeypatch.setattr(models, "open_answerer", lambda settings: eyes)
    captioner = ValidatorSettings(name="endpoint:http://me:secret@127.0.0.1:9/v1#eyes")
    annotated(pictures, tmp_path / "out", rt_detr)
    for _ in range(2):
        found = annotated(pictures, tmp_path / "out", rt_detr, captioner=captioner)
        assert found.captioned == 3 and eyes.asked == 3 and len(looked) == 3
    told = read(tmp_path / "out" / "captions.json")
    assert {row["caption"] for row in told["annotations"]} == {"A dog sits there."}
    assert told["info"]["captioner"].endswith("#eyes") and "secret" not in json.dumps(told)
    (image, *_) = load_corpus(CorpusSettings(path=str(tmp_path / "out"))).images
    assert image.captions == ("A dog sits there.",) and len(image.boxes) == 2
    assert image.by_captioner is True and image.by_detector is True
    annotated(pictures, tmp_path / "out", rt_detr)  # without a captioner nothing of it stays behind
    assert not (tmp_path / "out" / "captions.json").exists()
    eyes.said = "word " * 1000
    other = ValidatorSettings(name="endpoint:http://127.0.0.1:9/v1#novelist")
    assert annotated(pictures, tmp_path / "out", rt_detr, captioner=other).captioned == 0


def test_a_broken_picture_costs_itself(pictures: Path, tmp_path: Path, rt_detr: Path, looked: list[Any]) -> None:
    (pictures / "a.png").write_bytes(b"no picture")
    progress = Notes()
    found = annotated(pictures, tmp_path / "out", rt_detr, progress)
    assert len(found.faults) == 1 and "a.png is no JPEG" in found.faults[0]
    assert progress.notes == [f"{found.faults[0]}; left out."]
    assert [row["id"] for row in read(tmp_path / "out" / "instances.json")["images"]] == [2, 3]
    for name in ("b.png", "more/c.png"):
        (pictures / name).write_bytes(b"")
    with pytest.raises(CorpusError, match=r"no picture can be used, such as a\.png is no JPEG"):
        annotated(pictures, tmp_path / "other", rt_detr)


def test_what_cannot_be_done_is_said(
    pictures: Path, tmp_path: Path, rt_detr: Path, looked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CorpusError, match="is no folder"):
        annotated(tmp_path / "nowhere", tmp_path / "out", rt_detr)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="holds no picture"):
        annotated(tmp_path / "empty", tmp_path / "out", rt_detr)
    with pytest.raises(RunError, match="did not make; choose an empty --out"):
        annotated(pictures, pictures, rt_detr)
    with pytest.raises(ValidatorError, match="knows no ostrich, only its own 4 things"):
        annotated(pictures, tmp_path / "out", rt_detr, categories=["Dog", "ostrich"])
    with pytest.raises(ValidatorError, match="give up to 2000 names"):
        annotated(pictures, tmp_path / "out", rt_detr, categories=["x" * 81])
    with pytest.raises(ValidatorError, match="draws no boxes; name a detector"):
        open_detector(ValidatorSettings(name="nano"))
    assert annotated(pictures, tmp_path / "out", rt_detr, categories=[" Dog", "", "dog"]).boxes == {"dog": 3}
    monkeypatch.setattr(Detector, "look", lambda *_: {})
    with pytest.raises(CorpusError, match="nothing was found in 3 pictures"):
        annotated(pictures, tmp_path / "other", rt_detr)


def test_boxes_of_a_picture_are_bounded(
    pictures: Path, tmp_path: Path, rt_detr: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = np.linspace(0.4, 0.9, MAX_BOXES + 50)
    many = Sightings(np.tile(np.array(LEFT), (len(scores), 1)), scores)
    monkeypatch.setattr(Detector, "look", lambda *_: {"dog": many})
    assert annotated(pictures, tmp_path / "out", rt_detr).boxes == {"dog": 3 * MAX_BOXES}
    assert read(tmp_path / "out" / "instances.json")["annotations"][0]["score"] == 0.9


def test_the_command_with_real_models_of_either_kind(pictures: Path, tmp_path: Path, rt_detr: Path) -> None:
    told = {}
    for name, folder in (("closed", rt_detr), ("open", write_grounding_dino(tmp_path / "tiny-dino"))):
        options = ["--detector", str(folder), "--device", "cpu", "--min-score", "0.01", "--categories", "dog,cup"]
        result = CliRunner().invoke(app, ["annotate", str(pictures), "--out", str(tmp_path / name), *options])
        assert result.exit_code == 0, result.output
        assert "pictures  3" in result.output and "boxes  " in result.output
        told[name] = read(tmp_path / name / "instances.json")
        assert [row["name"] for row in told[name]["categories"]] == ["dog", "cup"]
        for row in told[name]["annotations"]:
            size = next(image for image in told[name]["images"] if image["id"] == row["image_id"])
            left, top, width, height = row["bbox"]
            assert left >= 0 and left + width <= size["width"] + 0.01 and 0 < row["score"] < 1
            assert top >= 0 and top + height <= size["height"] + 0.01 and width > 0 and height > 0
    assert told["closed"]["info"]["detector"] == "tiny-rt" and told["open"]["info"]["detector"] == "tiny-dino"


def test_a_run_proves_nothing_by_a_detectors_boxes(
    pictures: Path, tmp_path: Path, rt_detr: Path, looked: list[Any]
) -> None:
    annotated(pictures, tmp_path / "out", rt_detr)
    corpus = {"path": str(tmp_path / "out"), "images": str(pictures)}
    given = {"corpus": corpus, "types": ["conversation", "description"], "dedup": {"over_set": False}, "workers": 1}
    run = datagen.run(load_settings(None, given), tmp_path / "run")
    claims = [claim for sample in run.iter_samples() for turn in sample.turns for claim in turn.claims]
    assert {claim.verdict for claim in claims} == {"unknown"} and run.summary.accepted
    assert any(claim.evidence.endswith("but only by boxes that a detector drew") for claim in claims)
    assert "no claim is taken for proven or refuted by them alone" in (tmp_path / "run" / "README.md").read_text()
