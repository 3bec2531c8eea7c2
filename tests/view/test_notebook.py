"""Leafing through a run: filters and pages in a live notebook, the first samples anywhere else."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles

import datagen
from datagen.errors import RunError, SettingsError
from datagen.view import notebook as browser_module
from datagen.view.notebook import WIDGET


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, corpus_files: CorpusFiles) -> datagen.Run:
    """Three types of six images; one sample is rejected, one lost a turn."""
    made = datagen.run(corpus_files.settings, tmp_path_factory.mktemp("browser") / "run")
    samples = [json.loads(line) for line in made.folder.samples.read_bytes().splitlines()]
    for sample in samples:
        sample |= {"status": "accepted", "stage": None, "reason": None, "cuts": []}
    samples[4] |= {"status": "rejected", "stage": "checks", "reason": "refusal", "detail": "<b>no</b>"}
    samples[7]["cuts"] = [{"stage": "validate", "reason": "doubtful_answer", "detail": "x"}]
    made.folder.samples.write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    return made


@pytest.fixture
def without_widgets(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(browser_module, "find_spec", lambda name: None if name == "ipywidgets" else found(name))


def parts(widget: Any) -> tuple[Any, ...]:
    controls, card = widget.children
    return (*controls.children, card)


def test_filters_find_by_type_status_and_reason(run: datagen.Run) -> None:
    browser = run.browse()
    assert len(browser.find()) == 18
    assert browser.find("description") == [f"{n}-description" for n in range(1, 7)]
    assert browser.find(status="rejected") == ["2-description"]
    assert browser.find(reason="validate: doubtful_answer") == ["3-description"]
    assert browser.find("reasoning", "rejected") == []
    assert browser.types == ["all", "conversation", "description", "reasoning"]
    assert browser.reasons == ["all", "checks: refusal", "validate: doubtful_answer"]
    assert run.browse(reason="doubtful_answer").find(reason="validate: doubtful_answer") == ["3-description"]
    assert repr(run.browse(reason="refusal")) == "1 of 18 samples: 2-description"


def test_what_no_sample_has_is_told(run: datagen.Run) -> None:
    with pytest.raises(SettingsError, match="response type 'poem'; there is all, conversation"):
        run.browse("poem")
    with pytest.raises(SettingsError, match="reason 'bored'"):
        run.browse(reason="bored")


def test_a_live_notebook_leafs(run: datagen.Run) -> None:
    pytest.importorskip("ipywidgets")
    types, statuses, reasons, back, place, total, ahead, card = parts(run.browse().widget())
    assert (place.value, total.value) == (1, "of 18")
    assert "1-conversation" in card.value
    assert back.disabled and not ahead.disabled
    ahead.click()
    ahead.click()
    assert "1-reasoning" in card.value
    back.click()
    assert "1-description" in card.value
    statuses.value = "rejected"
    assert (place.value, total.value) == (1, "of 1")
    assert "2-description" in card.value
    assert "&lt;b&gt;no&lt;/b&gt;" in card.value
    assert back.disabled and ahead.disabled
    types.value = "reasoning"
    assert (total.value, ahead.disabled) == ("of 0", True)
    assert "No sample" in card.value
    types.value, statuses.value, reasons.value = "all", "all", "validate: doubtful_answer"
    assert "3-description" in card.value
    reasons.value = "all"
    place.value = 18
    assert "6-reasoning" in card.value
    assert ahead.disabled


def test_a_notebook_shows_the_widget_and_keeps_the_first_samples(run: datagen.Run) -> None:
    pytest.importorskip("ipywidgets")
    bundle = run.browse("description")._repr_mimebundle_()
    assert bundle[WIDGET]["model_id"]
    assert bundle["text/html"].count("<article") == 2
    assert "The first 2 of 6 samples (description)" in bundle["text/html"]
    assert "2-description" in bundle["text/html"]


def test_without_widgets_the_first_samples_stand_still(run: datagen.Run, without_widgets: None) -> None:
    bundle = run.browse(status="rejected")._repr_mimebundle_()
    assert WIDGET not in bundle
    assert "1 sample (rejected)" in bundle["text/html"]
    assert "pip install 'datagen[notebook]'" in bundle["text/html"]
    assert bundle["text/html"].count("<article") == 1


def test_decisions_by_hand_are_obeyed(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    from datagen.records import Decision
    from datagen.review import turns_digest
    from datagen.store import add_decision

    made = datagen.run({**corpus_files.settings, "types": ["description"]}, tmp_path / "run")
    sample = made.sample("2-description")
    told = Decision("2-description", "2", "reject", turns_digest(sample.turns), note="blurred")
    add_decision(made.folder.decisions, told)
    browser = made.browse(reason="rejected_by_hand")
    assert browser.find(status="rejected") == ["2-description"]
    assert "blurred" in browser._repr_mimebundle_()["text/html"]


def test_a_damaged_line_is_told(run: datagen.Run, tmp_path: Path) -> None:
    lines = run.folder.samples.read_bytes().splitlines(keepends=True)
    (tmp_path / "samples.jsonl").write_bytes(b"".join([*lines[:3], b"{}\n"]))
    with pytest.raises(RunError, match="line 4 is damaged"):
        browser_module.SampleListing(tmp_path / "samples.jsonl", (), lambda sample: sample)


def test_large_pictures_are_made_smaller(tmp_path: Path) -> None:
    import base64
    import io
    import re

    from conftest import make_corpus
    from PIL import Image

    files = make_corpus(tmp_path, n_images=1)
    settings = {**files.settings, "types": ["description"]}
    Image.new("RGB", (2000, 1000)).save(files.images / "000000000001.jpg")
    for path in (files.captions, files.instances):
        path.write_text(path.read_text().replace('"width": 200, "height": 100', '"width": 2000, "height": 1000'))
    html = datagen.run(settings, tmp_path / "run").show("1-description")._repr_html_()
    found = re.search(r"data:image/jpeg;base64,([^\"]+)", html)
    assert found is not None
    assert Image.open(io.BytesIO(base64.b64decode(found[1]))).size == (640, 320)
