"""What a run leaves behind when it is stopped at an awkward moment, or started again with other settings."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles

import datagen
from datagen.api import Run
from datagen.cli.printed import omission_lines, outcome_lines
from datagen.config import load_settings
from datagen.engines import local
from datagen.engines.estimate import estimate_run
from datagen.engines.local import run_local
from datagen.engines.progress import Silence
from datagen.errors import CorpusError, RunError, ValidatorError


def test_killed_before_the_first_file_it_can_start_again(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / ".lock").touch()
    (out / ".run.yaml.x1.unfinished").write_text("half a manif")
    datagen.run(corpus_files.settings, out)
    assert not list(out.glob("*.unfinished")) + list(out.glob(".*.unfinished"))


def test_a_run_stopped_under_new_settings_does_not_show_the_old_result(
    corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datagen.run(corpus_files.settings, tmp_path)

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(local, "finish", stop)
    with pytest.raises(KeyboardInterrupt):
        datagen.run({**corpus_files.settings, "rng_seed": 7}, tmp_path, change=True)
    with pytest.raises(RunError, match="not finished"):
        _ = datagen.open_run(tmp_path).summary
    monkeypatch.undo()
    assert datagen.run({**corpus_files.settings, "rng_seed": 7}, tmp_path).summary.samples == 18


def test_a_wrong_validator_leaves_the_run_as_it_was(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    made = datagen.run(corpus_files.settings, tmp_path)
    before = made.folder.settings.read_bytes()
    settings = load_settings(None, {**corpus_files.settings, "validator.name": str(tmp_path / "nowhere")})
    with pytest.raises(ValidatorError, match="no such checkpoint"):
        run_local(settings, tmp_path, Silence(), may_ask=False)
    assert made.folder.settings.read_bytes() == before
    assert made.summary.samples == 18


def test_a_partial_image_folder_costs_the_missing_pictures_only(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    last = "000000000006.jpg"
    (images / last).write_bytes((corpus_files.images / last).read_bytes())
    settings = {"corpus": {**corpus_files.settings["corpus"], "images": str(images)}}
    samples = datagen.run(settings, tmp_path / "run").samples()
    assert set(samples[samples.status == "accepted"].image) == {last}
    assert set(samples[samples.image != last].reason) == {"image_missing"}


def test_relative_paths_in_settings_hold_from_any_folder(
    corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(corpus_files.captions.parent)
    run = datagen.run({"corpus": {"captions": ["captions.json"], "images": "images"}}, tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert len(datagen.open_run("run").images) == 6
    assert "data:image" in run.show("1-description")._repr_html_()


def test_the_bytes_do_not_depend_on_hash_seed_or_folder(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    made = []
    for hash_seed in ("1", "2"):
        out, where = tmp_path / hash_seed / "run", tmp_path / hash_seed
        where.mkdir()
        command = [sys.executable, "-m", "datagen", "run", *corpus_files.options, "--out", str(out)]
        types = ["--types", "conversation,description,reasoning,negation"]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        subprocess.run([*command, *types], cwd=where, env=environment, check=True, capture_output=True)
        made.append([(out / name).read_bytes() for name in ("samples.jsonl", "dataset.json", "summary.json")])
    assert made[0] == made[1]


def test_a_changed_writer_is_asked_again(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    import shutil

    from datagen.recipes import bundled_folder

    own = tmp_path / "own"
    for name in ("prompts", "seeds"):
        shutil.copytree(bundled_folder(name), own / name)
    settings = {**corpus_files.settings, "types": ["conversation"], "recipes_dir": str(own)}
    datagen.run(settings, tmp_path / "run")
    recipe = own / "prompts" / "conversation" / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("template: conversation", "template: negation"))
    run = datagen.run(settings, tmp_path / "run")
    assert len(run.folder.replies.read_bytes().splitlines()) == 12


def with_faults(corpus_files: CorpusFiles, folder: Path, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Settings of a run on a changed instances file."""
    tree = json.loads(corpus_files.instances.read_text())
    for number, row in enumerate(tree["annotations"]):
        row["id"] = number
        change(row)
    (folder / "i.json").write_text(json.dumps(tree))
    corpus = {"instances": [str(folder / "i.json")], "captions": [str(corpus_files.captions)]}
    return {"corpus": corpus, "teacher": {"name": "template"}, "types": ["conversation"]}


def test_what_loading_left_out_is_told_everywhere(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    faults: dict[int, dict[str, Any]] = {1: {"category_id": 999}, 2: {"bbox": None, "segmentation": []}}
    settings = with_faults(corpus_files, tmp_path, lambda row: row.update(faults.get(row["id"], {})))
    heard: list[str] = []

    class Hears(Silence):
        def note(self, sentence: str) -> None:
            heard.append(sentence)

    resolved = load_settings(None, settings)
    outcome = run_local(resolved, tmp_path / "run", Hears())
    omissions = outcome.summary.omissions or {}
    assert {kind: one.number for kind, one in omissions.items()} == {"unknown_category": 1, "box_missing": 1}
    card = (tmp_path / "run" / "README.md").read_text()
    assert "left out or mended" in card and "unknown_category" in card and str(tmp_path) not in card
    lines = [*outcome_lines(outcome.summary, tmp_path / "run"), *omission_lines(estimate_run(resolved).omissions)]
    assert sum("1 unknown_category, such as image" in line for line in lines) == 2
    assert "1 unknown_category, 1 box_missing, such as image" in heard[0]
    report = Run(tmp_path / "run").write_report(tmp_path / "r.html").read_text()
    assert "left out or mended: 1 unknown category, such as image" in report


def test_a_corpus_that_is_mostly_faulty_is_refused_before_anything_is_asked(
    corpus_files: CorpusFiles, tmp_path: Path
) -> None:
    resolved = load_settings(
        None, with_faults(corpus_files, tmp_path, lambda row: row.update(bbox=[0.1, 0.1, 0.2, 0.2]))
    )
    for start in (lambda: run_local(resolved, tmp_path / "run", Silence()), lambda: estimate_run(resolved)):
        with pytest.raises(CorpusError, match=r"boxes do not fit .* Likely cause: its boxes are shares of the frame"):
            start()
    assert not (tmp_path / "run" / "replies.jsonl").exists()
