"""The card of an export: splits for the hub, licences of its rows, a loader that runs, and what the run's card says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import datagen
from datagen.cli import app
from datagen.config import Settings
from datagen.engines.presence_questions import QUESTIONS
from datagen.export import FORMS, ExportSettings, export_card
from datagen.export.rows import RowChoice

COUNTS: dict[str, Any] = {"rows": {"train": 3}, "licences": {"CC-BY-2.0": 3}, "left_out": 0, "other_licence": 0}
FOLDERS = [name for name, form in FORMS.items() if isinstance(form, type) and name not in QUESTIONS]


def card_of(form: str = "llava", files: tuple[str, ...] = ("train.json",), run_card: str = "", **counts: object) -> str:
    return export_card(ExportSettings(form=form), Settings(), {**COUNTS, **counts}, files, run_card)


def header(card: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return found


@pytest.mark.parametrize("form", FOLDERS)
def test_every_form_tells_its_files_to_the_hub(form: str, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "x"
    options = ["--format", form, "--out", str(out), "--validation-share", "0.4"]
    done = CliRunner().invoke(app, ["export", str(finished), *options])
    assert done.exit_code == 0, done.output
    card = (out / "README.md").read_text()
    (config,) = header(card)["configs"]
    assert [one["split"] for one in config["data_files"]] == ["train", "validation"]
    assert all(any(out.glob(one["path"])) for one in config["data_files"])
    rows = json.loads((out / "manifest.json").read_bytes())["counts"]["rows"]
    assert f"Rows: {rows['train']} in `train`, {rows['validation']} in `validation`." in card
    for part in ("## Licences of the images", "## Loading", "## Source", "## Result of the run", "## Limits"):
        assert part in card
    assert "captions.json" in card and str(finished) not in card


@pytest.mark.parametrize("form", ["llava", "internvl"])
def test_the_loader_runs(form: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of other forms need datasets: ``benchmarks/consumers.py`` runs them."""
    exported = datagen.open_run(finished).export(form, tmp_path / "x", pictures="copy")
    (code,) = re.findall(r"```python\n(.*?)```", (tmp_path / "x" / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path / "x")
    names: dict[str, Any] = {}
    exec(code, names)
    assert len(names["rows"]) == exported.counts["rows"]["train"]
    with names["picture"] as picture:
        assert picture.size[0] > 0


def test_pictures_that_were_left_are_not_opened() -> None:
    assert "Image.open" not in card_of() and "relative to the folder that holds them" in card_of()


@pytest.mark.parametrize(
    ("licences", "told"),
    [
        ({"CC-BY-2.0": 3}, "cc-by-2.0"),
        ({"CC-BY-NC-SA-4.0": 3}, "cc-by-nc-sa-4.0"),
        ({"CC-BY-2.0": 1, "CC-BY-NC-2.0": 2}, "other"),
        ({"mine]: x": 3}, "other"),
        ({"not stated": 3}, "unknown"),
    ],
)
def test_the_hub_gets_a_licence_that_it_knows(licences: dict[str, int], told: str) -> None:
    card = card_of(licences=licences)
    assert header(card)["license"] == told
    assert len(re.findall(r"^\| .* \| \d+ \|$", card, re.MULTILINE)) == len(licences)


def test_questions_have_a_subset_each_and_no_result_of_the_run() -> None:
    run_card = "---\nx\n---\n# Title\n\n## Source\n\n- a\n\n## Result\n\nwrong\n\n## Limits\n\n- none\n"
    files = ("train_random.jsonl", "train_popular.jsonl", "validation_random.jsonl")
    settings = ExportSettings(form="pope", choice=RowChoice(validation_share=0.5))
    card = export_card(settings, Settings(), COUNTS, files, run_card)
    subsets = {one["config_name"]: [file["path"] for file in one["data_files"]] for one in header(card)["configs"]}
    assert subsets == {"random": ["train_random.jsonl", "validation_random.jsonl"], "popular": ["train_popular.jsonl"]}
    assert "## Source\n\n- a\n" in card and "wrong" not in card and "# Title" not in card
    assert "## Result of the run\n\nwrong" in card_of(run_card=run_card)


def test_a_form_of_the_user_s_own_has_a_card() -> None:
    card = card_of("My`Form", ("train.csv",))
    assert "configs" not in header(card) and "```python" not in card and "`My Form`" in card
    assert "Left out: 2 that a trainer would get nothing from, 1 of other licences." in card_of(
        left_out=2, other_licence=1
    )
