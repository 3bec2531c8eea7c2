"""Runs whose answers point: written, checked, exported for a model family, and taken in again."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import datagen
from datagen.api import open_run
from datagen.box_text import boxes_in, has_box
from datagen.cli import app

DEMO = Path(datagen.__file__).parent / "data" / "demo"
FILES = (
    "--captions", str(DEMO / "annotations" / "captions_demo.json"),
    "--instances", str(DEMO / "annotations" / "instances_demo.json"), "--images", str(DEMO / "images"),
)  # fmt: skip


def do(*args: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, list(args))
    assert result.exit_code == exit_code, result.output
    return result.output


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pointing") / "run"
    do("run", *FILES, "--types", "grounding,referring,grounded_description", "--workers", "1", "--out", str(out))
    return out


def test_every_turn_of_the_embedded_teacher_stands(run: Path) -> None:
    samples = list(open_run(run).iter_samples())
    assert len(samples) == 72
    assert {sample.reason for sample in samples} <= {None, "nothing_to_say"}
    assert not any(sample.cuts for sample in samples)
    assert sum(has_box(turn) for sample in samples for turn in sample.turns) > 100


def test_a_dataset_that_points_comes_in_again(run: Path, tmp_path: Path) -> None:
    do("import", str(run / "dataset.json"), *FILES, "--out", str(tmp_path / "again"))
    before = [sample for sample in open_run(run).iter_samples() if sample.status == "accepted"]
    after = list(open_run(tmp_path / "again").iter_samples())
    assert [sample.turns for sample in after] == [sample.turns for sample in before]
    assert {sample.status for sample in after} == {"accepted"}


def test_an_imported_box_of_another_thing_falls(tmp_path: Path) -> None:
    turns = [
        {"from": "human", "value": "<image>\nWhere is the bus?"},
        {"from": "gpt", "value": "The bus is at [0.60, 0.73, 0.84, 0.93]."},  # where the car is
    ]
    (tmp_path / "set.json").write_text(json.dumps([{"id": "1", "image": "000000000001.jpg", "conversations": turns}]))
    do("import", str(tmp_path / "set.json"), *FILES, "--out", str(tmp_path / "run"), exit_code=3)
    (sample,) = open_run(tmp_path / "run").iter_samples()
    assert sample.reason == "box_contradicted"
    assert sample.detail is not None and "it is that of a car" in sample.detail


def test_an_export_writes_coordinates_and_tells_them(run: Path, tmp_path: Path) -> None:
    do("export", str(run), "--format", "internvl", "--coordinates", "internvl", "--out", str(tmp_path / "tags"))
    text = (tmp_path / "tags" / "train.jsonl").read_text(encoding="utf-8")
    assert text.count("<box>[[") > 100 and not any(boxes_in(text))
    assert json.loads((tmp_path / "tags" / "manifest.json").read_text())["export"]["coordinates"] == "internvl"
    do("export", str(run), "--out", str(tmp_path / "plain"))
    rows, own = (
        json.loads(path.read_text(encoding="utf-8"))
        for path in (tmp_path / "plain" / "train.json", run / "dataset.json")
    )
    assert [row["conversations"] for row in rows] == [row["conversations"] for row in own]
    assert "coordinates" not in json.loads((tmp_path / "plain" / "manifest.json").read_text())["export"]
    told = do("export", str(run), "--coordinates", "florence", "--out", str(tmp_path / "none"), exit_code=2)
    assert "expected one of shares, llava-1.5, qwen2.5-vl" in told


def test_a_pair_has_its_boxes_written_in_both_answers(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "pairs"
    do(
        "export",
        str(run),
        "--format",
        "preference",
        "--planted-share",
        "1",
        "--coordinates",
        "qwen3-vl",
        "--out",
        str(out),
    )
    pairs = [json.loads(line) for line in (out / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    moved = [pair for pair in pairs if pair["kind"] == "box"]
    assert len(moved) > 5
    for pair in moved:
        better, worse = (pair[side][0]["content"][-1]["text"] for side in ("chosen", "rejected"))
        assert better != worse
        assert not any(boxes_in(better)) and not any(boxes_in(worse))
        assert re.sub(r"\d+", "0", better) == re.sub(r"\d+", "0", worse)  # nothing but numbers tells them apart
