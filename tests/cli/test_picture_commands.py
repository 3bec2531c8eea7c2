"""Commands that ask a model about pictures: ask, find, models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_chat_models
import tiny_models
import torch
import transformers
from conftest import CorpusFiles
from loopback import LoopbackServer
from PIL import Image
from safetensors.torch import load_file
from tiny_checkpoints import TEMPLATE, open_tiny, picture, write_checkpoint
from typer.testing import CliRunner

from datagen.cli import app
from datagen.engines import find_images
from datagen.errors import visible
from datagen.validator.dialogue import CheckpointAnswerer
from datagen.validator.files import CATALOGUE

RUNNER = CliRunner()


def run(*args: str, exit_code: int = 0) -> str:
    result = RUNNER.invoke(app, list(args))
    assert result.exit_code == exit_code, result.output
    return result.output


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    picture("photo", (50, 40)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture(scope="module")
def made(corpus_files: CorpusFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "run"
    run("run", *corpus_files.options, "--out", str(out))
    return out


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.write_similarity(tmp_path_factory.mktemp("clip") / "clip")


@pytest.mark.parametrize("kind", ["clip", "siglip", "next"])
def test_an_answer_is_the_models_own_greedy_one(tmp_path: Path, photo: Path, kind: str) -> None:
    folder = write_checkpoint(tmp_path / kind, kind, template=TEMPLATE)
    said = run("ask", str(photo), "What is this?", "--validator", str(folder), "--device", "cpu").strip()
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    inputs = processor(
        text="USER: <image>\nWhat is this? ASSISTANT:", images=Image.open(photo).convert("RGB"), return_tensors="pt"
    )
    for _ in range(12):  # the plainest greedy search there is, without a cache
        with torch.no_grad():
            token = model(**inputs).logits[0, -1].argmax()
        if token == 2:
            break
        inputs["input_ids"] = torch.cat([inputs["input_ids"], token.view(1, 1)], dim=1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    start = len(processor.tokenizer("USER: <image>\nWhat is this? ASSISTANT:")["input_ids"])
    n_placeholders = int((inputs["input_ids"] == 3).sum())
    expected = processor.tokenizer.decode(
        inputs["input_ids"][0, start - 1 + n_placeholders :], skip_special_tokens=True
    )
    assert expected.strip()
    assert said.startswith(visible(expected.strip()[:20].rstrip("\ufffd")))


def test_any_chat_model_with_eyes_answers(tmp_path: Path, photo: Path) -> None:
    torch.manual_seed(0)
    folder = tiny_chat_models.write_qwen(tmp_path / "qwen")
    first = run("ask", str(photo), "What is this?", "--validator", str(folder), "--device", "cpu")
    assert first.strip()
    assert run("ask", str(photo), "What is this?", "--validator", str(folder), "--device", "cpu") == first
    told = run("ask", str(photo), "<|image_pad|>?", "--validator", str(folder), "--device", "cpu", exit_code=1)
    assert "which stands for the picture" in told


def test_a_served_model_answers(photo: Path) -> None:
    with LoopbackServer(reply=lambda body: "A red cup.") as server:
        assert run("ask", str(photo), "What?", "--validator", f"endpoint:{server.base_url}#m") == "A red cup.\n"


def test_a_question_too_long_for_the_model(tmp_path: Path) -> None:
    answerer = CheckpointAnswerer(open_tiny(write_checkpoint(tmp_path / "llava", template=TEMPLATE)))
    with pytest.raises(Exception, match="leave no room for an answer"):
        answerer.answer(picture("a"), "why " * 600)
    with pytest.raises(Exception, match="which stands for the picture"):
        answerer.answer(picture("a"), "what is <image>?")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["no.jpg", "What?"], "no.jpg does not exist"),
        (["photo.png", " "], "The question is empty"),
        (["notes.txt", "What?"], "notes.txt is no JPEG"),
    ],
)
def test_wrong_questions_are_said(photo: Path, clip: Path, args: list[str], said: str) -> None:
    (photo.parent / "notes.txt").write_text("hello")
    told = run("ask", str(photo.parent / args[0]), args[1], "--validator", str(clip), "--device", "cpu", exit_code=1)
    assert said in " ".join(told.split())


def test_a_model_that_compares_cannot_answer(photo: Path, clip: Path) -> None:
    told = run("ask", str(photo), "What?", "--validator", str(clip), "--device", "cpu", exit_code=1)
    assert "compares pictures with phrases, detects things or writes captions, and cannot answer" in told
    told = run("ask", str(photo), "What?", "--validator", str(clip), "--precision", "5bit", exit_code=2)
    assert "validator.precision takes auto, fp32, bf16, fp16, 8bit or 4bit; found '5bit'" in told


def test_find_lists_the_nearest_first(made: Path, clip: Path, corpus_files: CorpusFiles) -> None:
    told = run("find", str(made), "a dog on a lawn", "--validator", str(clip), "--device", "cpu", "--top", "4")
    lines = [line for line in told.splitlines() if ".jpg" in line]
    cosines = [float(line.split()[0]) for line in lines]
    assert len(lines) == 4
    assert cosines == sorted(cosines, reverse=True)
    model = transformers.AutoModel.from_pretrained(clip).eval()
    processor = transformers.AutoProcessor.from_pretrained(clip)
    every = sorted(corpus_files.images.glob("*.jpg"))
    inputs = processor(
        text=["a dog on a lawn"], images=[Image.open(path) for path in every], return_tensors="pt", truncation=True,
        max_length=16,
    )  # fmt: skip
    with torch.no_grad():
        own = model(**inputs).logits_per_text[0] / model.logit_scale.exp()
    best = int(own.argmax())
    assert every[best].name in lines[0]
    assert cosines[0] == pytest.approx(float(own[best]), abs=1e-4)
    assert f"scene number {int(every[best].stem)}" in lines[0]


def test_features_are_computed_once(
    made: Path, clip: Path, corpus_files: CorpusFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find_images, "PICTURES_A_PART", 4)
    command = ["find", str(made), "a cup", "--validator", str(clip), "--device", "cpu"]
    first = run(*command)
    parts = sorted((made / "features").glob("*/*.safetensors"))
    assert [len(load_file(part)["features"]) for part in parts] == [4, 2]

    def unwanted(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(find_images, "_see_part", unwanted)
    assert run(*command).splitlines()[-6:] == first.splitlines()[-6:]
    monkeypatch.undo()
    monkeypatch.setattr(find_images, "PICTURES_A_PART", 4)
    seen: list[int] = []
    see = find_images._see_part
    monkeypatch.setattr(find_images, "_see_part", lambda names, *rest: seen.append(len(names)) or see(names, *rest))
    parts[1].write_bytes(b"torn")  # of a machine that lost power
    assert run(*command).splitlines()[-6:] == first.splitlines()[-6:]
    assert seen == [2]


def test_find_passes_over_broken_pictures(tmp_path: Path, clip: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    picture("a").save(images / "1.jpg")
    (images / "2.jpg").write_bytes(b"nothing")
    turns = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A dog."}]
    records = [{"id": name, "image": name, "conversations": turns} for name in ("1.jpg", "2.jpg", "3.jpg")]
    (tmp_path / "d.json").write_text(json.dumps(records))
    run("import", str(tmp_path / "d.json"), "--images", str(images), "--out", str(tmp_path / "run"), exit_code=3)
    told = run("find", str(tmp_path / "run"), "a dog", "--validator", str(clip), "--device", "cpu")
    assert [line.split()[2] for line in told.splitlines() if ".jpg" in line] == ["1.jpg"]
    (images / "1.jpg").unlink()
    told = run("find", str(tmp_path / "run"), "a dog", "--validator", str(clip), "--device", "cpu")
    assert [line.split()[2] for line in told.splitlines() if ".jpg" in line] == ["1.jpg"]  # it was seen before


def test_find_needs_a_model_that_compares(made: Path, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "llava")
    told = run("find", str(made), "a dog", "--validator", str(folder), "--device", "cpu", exit_code=1)
    assert "answers, but cannot compare; name a clip-* or siglip-* model" in told


def test_models_are_listed_with_what_they_need(monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    monkeypatch.setattr("datagen.validator.files.cached_folder", lambda hub_id: clip if "clip" in hub_id else None)
    lines = run("models").splitlines()
    for listed in CATALOGUE:
        (line,) = (line for line in lines if line.startswith(f"{listed.name} "))
        assert listed.hub_id in line
        assert ("  yes  " in line) == ("clip" in listed.hub_id)
    assert "14.1" in next(line for line in lines if line.startswith("llava-1.5-7b "))
