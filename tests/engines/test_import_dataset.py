"""A dataset made elsewhere as a run: nothing disappears, everything resumes, annotations judge its claims."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles
from typer.testing import CliRunner

from datagen.api import open_run
from datagen.cli import app
from datagen.engines import gather_facts
from datagen.errors import RunError
from datagen.records import Sample

RUNNER = CliRunner()
FILES = ("samples.jsonl", "dataset.json", "summary.json", "README.md", "run.yaml")


def record(image: object, *values: str) -> dict[str, Any]:
    turns = [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(values)]
    return {"id": "x", "image": image, "conversations": turns}


RECORDS = [
    record("000000000001.jpg", "<image>\nWhat is on the lawn?", "A dog stands near a cup.", "Is there a cat?", "No, I see no cat."),
    record("000000000002.jpg", "How many dogs are there?\n<image>", "There are three dogs on the grass."),
    record("000000000001.jpg", "<image>\nDescribe the scene.", "A brown dog sits on a lawn beside one small cup."),
    record("000000000077.jpg", "<image>\nWhat is it?", "A large bird on a branch."),
    record("../secret.jpg", "<image>\nWhat is it?", "A hidden thing of great value."),
    record(None, "What is the capital of France?", "It is Paris, a city."),
    record("000000000003.jpg", "What is it?", "The token of the image is missing."),
    record("000000000004.jpg", "<image>\nWho is there?", "Nobody but a dog is there."),
    record("000000000004.jpg", "<image>\nWho is there?", "Nobody but a dog is there."),
]  # fmt: skip


def run(*args: str, exit_code: int = 0) -> str:
    allowed = ["--set", "max_failed=1"] if args[0] == "import" else []  # pictures fail here on purpose
    result = RUNNER.invoke(app, [*args, *allowed])
    assert result.exit_code == exit_code, result.output
    return result.output


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    path = tmp_path / "llava.json"
    path.write_text(json.dumps(RECORDS))
    return path


def samples_of(out: Path) -> dict[str, Sample]:
    return {sample.sample_id: sample for sample in open_run(out).iter_samples()}


def test_every_record_becomes_a_sample_with_a_fate(dataset: Path, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    out = tmp_path / "run"
    told = run("import", str(dataset), "--images", str(corpus_files.images), "--out", str(out))
    assert "imported: 4 samples accepted, 5 rejected" in told
    samples = samples_of(out)
    fates = {name: sample.reason for name, sample in samples.items()}
    assert (
        fates
        == {
            "1-imported": None,
            "1-imported-2": None,
            "2-imported": None,
            "77-imported": "image_missing",
            "secret-imported": "image_outside_folder",
            "3-imported": "no_image_token",
            "4-imported": None,
            "4-imported-2": "question_asked_again",
            "record6-imported": "no_image_named",
        }
        or fates | {"4-imported-2": None} == fates
    )
    assert len(samples) == len(RECORDS)
    assert {claim.verdict for one in samples.values() for turn in one.turns for claim in turn.claims} == {"unknown"}
    exported = json.loads((out / "dataset.json").read_bytes())
    assert [one["id"] for one in exported] == [name for name, one in samples.items() if one.status == "accepted"]
    assert all(one["conversations"][0]["value"].count("<image>") == 1 for one in exported)
    assert open_run(out).settings.teacher.name == "imported"


def test_annotations_judge_the_claims(dataset: Path, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run("import", str(dataset), *corpus_files.options, "--out", str(out))
    samples = samples_of(out)
    assert samples["2-imported"].reason == "count_contradicted"
    verdicts = {claim.verdict for turn in samples["1-imported-2"].turns for claim in turn.claims}
    assert verdicts & {"supported_by_both", "supported_by_boxes"}
    assert samples["1-imported"].provenance.licence == "CC-BY-2.0"


def test_it_is_a_run_like_any_other(dataset: Path, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["import", str(dataset), *corpus_files.options, "--out", str(out)]
    run(*command)
    before = {name: (out / name).read_bytes() for name in (*FILES, "replies.jsonl")}
    run(*command)
    assert {name: (out / name).read_bytes() for name in before} == before
    told = run("status", str(out))
    assert "teacher   imported" in told and "tokens" not in told
    story = run("show", str(out), "1-imported-2")
    assert "what its teacher was told is not known" in story and "beside one small cup" in story
    assert "A brown dog sits" in run("show", str(out), "1-imported-2")
    assert "written to" in run("export", str(out), "--out", str(tmp_path / "again.json"))
    assert len(open_run(out).samples()) == len(RECORDS)


def test_a_record_without_a_picture_takes_no_picture_s_id(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    path, images = tmp_path / "llava.json", tmp_path / "images"
    path.write_text(json.dumps([record("record2.jpg", "<image>\nWhat is it?", "A bird."), record(None, "Hm?", "Yes.")]))
    images.mkdir()
    shutil.copy(corpus_files.images / "000000000001.jpg", images / "record2.jpg")
    run("import", str(path), "--images", str(images), "--out", str(tmp_path / "run"))
    assert list(samples_of(tmp_path / "run")) == ["record2-imported", "record2_-imported"]


def test_an_import_that_was_killed_goes_on(
    dataset: Path, corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["import", str(dataset), *corpus_files.options, "--out"]
    run(*command, str(tmp_path / "whole"))
    read = gather_facts.read_records  # type: ignore[attr-defined]

    def killed(path: Path) -> Any:
        for n, one in enumerate(read(path)):
            if n == 4:
                raise RunError("killed")
            yield one

    monkeypatch.setattr(gather_facts, "read_records", killed)
    run(*command, str(tmp_path / "cut"), exit_code=1)
    assert len((tmp_path / "cut" / "replies.jsonl").read_text().splitlines()) == 4
    told = run("validate", str(tmp_path / "cut"), "--validator", "none", exit_code=1)
    assert "finish the run" in told
    monkeypatch.setattr(gather_facts, "read_records", read)
    run(*command, str(tmp_path / "cut"))
    for name in (*FILES, "replies.jsonl"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_an_edited_dataset_stores_only_what_changed(dataset: Path, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    command = ["import", str(dataset), "--images", str(corpus_files.images), "--out", str(tmp_path / "run")]
    run(*command)
    dataset.write_text(json.dumps([*RECORDS[1:], record("000000000005.jpg", "<image>\nWhat?", "A new one.")], indent=2))
    run(*command)
    assert len((tmp_path / "run" / "replies.jsonl").read_text().splitlines()) == len(RECORDS) - 1 + 1
    assert "1-imported-2" not in samples_of(tmp_path / "run")


def test_wrong_inputs_are_said(dataset: Path, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    images = ["--images", str(corpus_files.images)]
    assert "no such dataset file" in run(
        "import", str(tmp_path / "no.json"), *images, "--out", str(tmp_path / "a"), exit_code=1
    )
    told = run("import", str(corpus_files.captions), *images, "--out", str(tmp_path / "b"), exit_code=1)
    assert "looks like a COCO file" in told
    told = run("import", str(dataset), "--images", str(tmp_path), "--out", str(tmp_path / "c"), exit_code=1)
    assert "Did you mean --images" in told or "Give the right folder" in told
    run("import", str(dataset), *images, "--out", str(tmp_path / "d"))
    other = tmp_path / "other.json"
    other.write_text(json.dumps(RECORDS))
    told = run("import", str(other), *images, "--out", str(tmp_path / "d"), exit_code=1)
    assert "holds a run on llava.json, not on other.json" in told


def test_an_export_of_its_own_with_links_is_taken_in(dataset: Path, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    run("import", str(dataset), "--images", str(corpus_files.images), "--out", str(tmp_path / "first"))
    told = ["--format", "llava", "--pictures", "link", "--out", str(tmp_path / "export")]
    done = RUNNER.invoke(app, ["export", str(tmp_path / "first"), *told])
    assert done.exit_code == 0, done.output
    files = tmp_path / "export" / "train.json"
    assert any(path.is_symlink() for path in (tmp_path / "export" / "images").iterdir())
    done = RUNNER.invoke(
        app, ["import", str(files), "--images", str(tmp_path / "export" / "images"), "--out", str(tmp_path / "again")]
    )
    assert done.exit_code == 0, done.output
    again = open_run(tmp_path / "again")
    assert not any(sample.stage == "teacher" for sample in again.iter_samples())
