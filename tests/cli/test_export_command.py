"""The export command: what it writes, what it says, and one sentence for what it cannot do."""

import json
import re
import shutil
from pathlib import Path

import pytest
from conftest import CorpusFiles
from typer.testing import CliRunner

import datagen
from datagen.cli import app
from datagen.engines.presence_questions import QUESTIONS
from datagen.export import FORMS


def export(*arguments: object, exit_code: int = 0) -> str:
    done = CliRunner().invoke(app, ["export", *map(str, arguments)])
    assert done.exit_code == exit_code, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.output


OF_SAMPLES = [name for name, form in FORMS.items() if isinstance(form, type) and name not in ("preference", *QUESTIONS)]


@pytest.mark.parametrize("form", OF_SAMPLES)
def test_every_form_holds_every_accepted_sample(form: str, finished: Path, tmp_path: Path) -> None:
    told = export(finished, "--format", form, "--out", tmp_path / "x", "--validation-share", 0.4)
    manifest = json.loads((tmp_path / "x" / "manifest.json").read_bytes())
    accepted = json.loads((finished / "summary.json").read_bytes())["accepted"]
    assert sum(manifest["counts"]["rows"].values()) == accepted > 0
    assert f"{manifest['counts']['rows']['train']} train" in told
    assert manifest["datagen"] == datagen.__version__
    assert str(finished) not in json.dumps(manifest)


def test_pairs_of_answers_tell_where_they_are_from(finished: Path, tmp_path: Path) -> None:
    told = export(finished, "--format", "preference", "--out", tmp_path / "x", "--planted-share", 1)
    manifest = json.loads((tmp_path / "x" / "manifest.json").read_bytes())
    counts = manifest["counts"]
    assert manifest["planted_share"] == 1
    n = counts["by_source"]["train"]["planted"]
    assert f"{n} {'pair' if n == 1 else 'pairs'} written" in told and f"train: {n} planted" in told
    told = export(finished, "--out", tmp_path / "y", "--planted-share", 1, exit_code=2)
    assert "only --format preference has planted errors" in told


def test_a_picture_that_is_gone_is_told_and_left_out(finished: Path, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(corpus_files.images, moved)
    (moved / "000000000001.jpg").write_bytes(b"\xff\xd8 broken")
    told = export(finished, "--out", tmp_path / "x", "--images", moved)
    assert "left out  1-" in told
    assert "image_unreadable" in told
    manifest = (tmp_path / "x" / "manifest.json").read_text()
    assert "image_unreadable" in manifest
    assert str(moved) not in manifest


@pytest.mark.parametrize(
    ("options", "exit_code", "sentence"),
    [
        (["--format", "pdf"], 2, "No export format 'pdf'; there is llava, messages"),
        (["--format", "parquet", "--pictures", "copy"], 2, "hold the pictures themselves"),
        (["--format", "claims", "--licence", "cc-by"], 2, "takes --out alone"),
        (["--licence", "cc0"], 1, "No accepted sample has the licence asked for; there is CC-BY-2.0"),
        (["--images", "nowhere"], 1, "give the folder with --images"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    options: list[str], exit_code: int, sentence: str, finished: Path, tmp_path: Path
) -> None:
    told = export(finished, "--out", tmp_path / "x", *options, exit_code=exit_code)
    assert sentence in told
    assert told.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_an_unfinished_run_is_told(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    shutil.copy(finished / "run.yaml", tmp_path / "run")
    assert "not finished" in export(tmp_path / "run", "--out", tmp_path / "x", exit_code=1)


def test_a_folder_with_other_content_is_told(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert "choose another --out" in export(finished, "--out", tmp_path, exit_code=1)
    assert "choose another --out" in export(finished, "--out", finished, exit_code=1)


@pytest.mark.parametrize("form", ["llava", "claims"])
def test_what_a_killed_export_left_is_cleared_away(form: str, finished: Path, tmp_path: Path) -> None:
    left = tmp_path / ".set.k1ll3d.unfinished"
    (left / "export").mkdir(parents=True)
    (left / "lock").touch()
    export(finished, "--format", form, "--out", tmp_path / "set")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_help_and_docs_know_every_form_of_the_table() -> None:
    told = CliRunner().invoke(app, ["export", "--help"]).output
    assert ", ".join(FORMS) in " ".join(told.split())
    page = (Path(__file__).resolve().parents[2] / "docs" / "exports.md").read_text(encoding="utf-8")
    table = page.partition("\n\n- ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(FORMS)
