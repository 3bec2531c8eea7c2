"""Captioning models describe pictures for 'annotate', each by its own example's lines, and judge and answer nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tiny_captioners import WRITERS
from tiny_checkpoints import picture
from tiny_detectors import write_rt_detr
from typer.testing import CliRunner

from datagen.cli import app
from datagen.config import CorpusSettings, ValidatorSettings
from datagen.corpus import load_corpus
from datagen.engines import annotate_pictures
from datagen.errors import ValidatorError
from datagen.validator import open_validator
from datagen.validator.models import open_answerer, open_captioner

PUBLISHED: Any = transformers


@pytest.fixture(params=WRITERS, scope="module")
def captioner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return WRITERS[request.param](tmp_path_factory.mktemp("captioner") / request.param)


def settings(folder: Path) -> ValidatorSettings:
    return ValidatorSettings(name=str(folder), device="cpu")


def as_published(folder: Path, shown: Any) -> str:
    """What the model's own page does."""
    model = PUBLISHED.AutoModelForImageTextToText.from_pretrained(folder).eval()
    processor = PUBLISHED.AutoProcessor.from_pretrained(folder)
    prompt = {"text": "<CAPTION>"} if model.config.model_type == "florence2" else {}
    inputs = processor(images=shown, return_tensors="pt", **prompt)
    written = model.generate(**inputs, max_new_tokens=60, num_beams=3, do_sample=False)
    return str(processor.batch_decode(written, skip_special_tokens=True)[0])


def test_it_writes_what_its_own_page_has_it_write(captioner: Path) -> None:
    describe = open_captioner(settings(captioner), "What is this?")
    shown = [picture(name) for name in "ab"]
    told = [describe(one) for one in shown]
    assert told == [as_published(captioner, one) for one in shown] and len({*told}) == 2
    assert describe(shown[0].convert("L").convert("RGB")) != told[0]


def test_it_judges_and_answers_nothing(captioner: Path) -> None:
    with pytest.raises(
        ValidatorError, match="writes captions and judges nothing; 'datagen annotate --captioner' takes"
    ):
        open_validator(settings(captioner))
    with pytest.raises(ValidatorError, match="cannot answer; name a model that chats"):
        open_answerer(settings(captioner))


def test_annotate_writes_its_captions(captioner: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for name in ("a.png", "b.png"):
        picture(name, (60, 40)).save(tmp_path / "pictures" / name)
    command = ["annotate", str(tmp_path / "pictures"), "--out", str(tmp_path / "out"), "--device", "cpu"]
    detector = ["--detector", str(write_rt_detr(tmp_path / "tiny-rt")), "--min-score", "0.01"]
    for _ in range(2):
        done = CliRunner().invoke(app, [*command, *detector, "--captioner", str(captioner)])
        assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "out" / "captions.json").read_text())
    assert told["info"]["captioner"] == captioner.name and all(one["by_model"] for one in told["annotations"])
    describe = open_captioner(settings(captioner), "?")
    expected = [annotate_pictures._say(describe(picture(name, (60, 40)))) for name in ("a.png", "b.png")]
    assert [one["caption"] for one in told["annotations"]] == expected
    assert len((tmp_path / "out" / "found.jsonl").read_text().splitlines()) == 4
    corpus = load_corpus(CorpusSettings(path=str(tmp_path / "out"), images=str(tmp_path / "pictures")))
    assert len(corpus.images) == 2


def test_florence_in_its_first_layout_is_told_where_to_go(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "florence2", "auto_map": {"AutoConfig": "x.Y"}}))
    with pytest.raises(ValidatorError, match=r"florence-community/Florence-2-base or -large, which write captions"):
        open_captioner(settings(tmp_path), "?")


def test_a_damaged_processor_is_one_sentence(captioner: Path, tmp_path: Path) -> None:
    for path in captioner.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValidatorError, match="its tokenizer or image processor cannot be loaded"):
        open_captioner(settings(tmp_path), "?")
