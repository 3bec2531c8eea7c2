"""The recipe: it learns, keeps its checkpoint, goes on from it, and is measured on other scenes."""

import json
from functools import partial

import pytest
import torch
from msgspec.structs import replace

from training import evaluate, train_nano
from training.atlas import load_atlas
from training.batches import Batch, RowWriter, SceneSource, Stage, draw_frames, patch_truth
from training.model import NanoSize, to_pixels
from training.questions import QuestionMix
from training.scenes import SceneStyle
from training.train_nano import EASY, HARD, SEEING, Plan, Trainer

ATLAS = load_atlas()
FEW = ATLAS.categories[:6]
SIZE = NanoSize(image_px=64, width=32, n_heads=2, vision_layers=2, text_layers=3)
SMALL = ["--width", "32", "--layers", "2", "--image-px", "64", "--categories", "6", "--batch", "4"]


@pytest.fixture(scope="module", autouse=True)
def few_words():
    """A tokenizer from a hundred scenes; the recipe's 4,000 take longer than all that is trained here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_nano, "train_tokenizer", partial(train_nano.train_tokenizer, n_scenes=100))  # type: ignore[attr-defined]
        yield


@pytest.fixture(scope="module")
def trainer():
    return Trainer(SIZE, FEW, "cpu", seed=0)


@pytest.fixture
def short(monkeypatch):
    """A clock that moves by a second a step, so that a run has the same number of steps everywhere."""
    ticks = iter(range(10_000))
    monkeypatch.setattr(train_nano.time, "monotonic", lambda: float(next(ticks)))  # type: ignore[attr-defined]
    monkeypatch.setattr(train_nano, "LOG_STEPS", 5)


def batch_of(trainer, mix):
    stage = Stage(8, SceneStyle(n_objects=(2, 3)), mix)
    return SceneSource(ATLAS, FEW, seed=1).batch(stage, RowWriter(trainer.tokenizer, trainer.size))


@pytest.mark.parametrize("mix", [None, QuestionMix()], ids=["tower alone", "everything"])
def test_loss_falls_on_a_fixed_batch(trainer, mix):
    batch = batch_of(trainer, mix)
    name = "answer_loss" if mix else "patch_loss"
    losses = [trainer.step(batch, 2e-3)[name] for _ in range(20)]
    assert losses[-1] < 0.8 * losses[0]


def test_blank_pictures_count_in_no_accuracy(trainer):
    batch = batch_of(trainer, QuestionMix(probes=1))
    told = trainer.step(replace(batch, is_shown=torch.tensor([True] + [False] * 7)), 0)
    assert {"answer_loss", "patches", "presence"} <= told.keys()


def test_recipe_goes_from_seeing_to_hard_scenes():
    plan = Plan(seconds=100)
    styles = [plan.stage(share).style for share in (0.0, 0.3, 0.9)]
    assert styles == [SEEING, EASY, HARD]
    assert plan.stage(0.0).mix is None
    assert plan.stage(0.9).blank_share > 0
    assert plan.share_at(50) == 0.5
    assert replace(plan, shares=(0.5, 1.0)).share_at(50) == 0.75


def test_learning_rate_warms_up_and_falls():
    plan = Plan(seconds=100, peak_rate=1.0, warm_up_steps=10)
    assert plan.rate(0.1, 0) == pytest.approx(0.1)
    assert plan.rate(0.5, 500) == 1.0
    assert plan.rate(1.0, 500) == pytest.approx(0.02)


def test_training_keeps_a_checkpoint_and_goes_on_from_it(tmp_path, short):
    train_nano.main([str(tmp_path), "--seconds", "20", *SMALL])
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["spent_s"] == 20
    assert lines[-1]["joint"] > 0
    assert "patches" in lines[0]
    assert (tmp_path / "resume.pt").is_file()
    train_nano.main([str(tmp_path), "--seconds", "40", "--resume", *SMALL])
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["spent_s"] == 40
    assert lines[-1]["step"] > lines[len(lines) // 2 - 1]["step"]


def test_a_second_command_needs_only_the_weights(tmp_path, short):
    first, second = tmp_path / "first", tmp_path / "second"
    train_nano.main([str(first), "--seconds", "8", "--shares", "0", "0.5", "--weights-only", *SMALL])
    assert not (first / "resume.pt").exists()
    train_nano.main([str(second), "--seconds", "8", "--shares", "0.5", "1", "--start-from", str(first), *SMALL])
    lines = [json.loads(line) for line in (second / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["joint"] == lines[-1]["step"] > 0


def test_pictures_may_grow_between_commands(tmp_path, short):
    first, second = tmp_path / "first", tmp_path / "second"
    train_nano.main([str(first), "--seconds", "6", "--weights-only", *SMALL])
    train_nano.main([str(second), "--seconds", "6", "--start-from", str(first), *SMALL, "--image-px", "96"])
    assert json.loads((second / "config.json").read_text())["vision_config"]["image_size"] == 96


def test_evaluation_prints_a_row_for_every_set(tmp_path, short, capsys):
    train_nano.main([str(tmp_path), "--seconds", "6", "--weights-only", *SMALL])
    rows_file = tmp_path / "rows.json"
    options = [str(tmp_path), "--scenes", "12", "--categories", "9", "--json", str(rows_file)]
    evaluate.main(options)
    table = capsys.readouterr().out
    rows = json.loads(rows_file.read_text())
    assert len(rows) == 2 * len(evaluate.SETS) + 1
    assert all(row["scenes"] in table for row in rows)
    accuracy, n_questions = rows[0]["presence"]
    assert 0 <= accuracy <= 1
    assert n_questions > 10


def test_the_likeliest_answer_is_chosen(tmp_path, trainer):
    """After a fixed batch was learned by heart, its true answers win."""
    source = SceneSource(ATLAS, FEW, seed=1)
    scenes = source.scenes(4, SceneStyle(n_objects=(2, 3)))
    asked = source.questions(scenes, QuestionMix(probes=1))
    frames = draw_frames(scenes, SIZE, ATLAS)
    truth = [torch.from_numpy(array) for array in patch_truth(scenes, SIZE.grid, FEW)]
    rows = RowWriter(trainer.tokenizer, SIZE).write(scenes, asked)
    is_shown = torch.ones(4, dtype=torch.bool)
    for _ in range(100):
        trainer.step(Batch(frames, *truth, is_shown, rows), 3e-3)  # type: ignore[call-arg,arg-type]
    trainer.save(tmp_path)
    chosen = evaluate.Judge(tmp_path).choose(scenes, asked, to_pixels(frames))
    assert len(chosen) == sum(map(len, asked))
    assert sum(choice == 0 for choice in chosen) >= 0.9 * len(chosen)
