"""The tower learns what stands where, frozen and not, keeps its state and goes on from it."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_towers import tiny_tower

from datagen.words import COCO_CATEGORIES
from training import train_tower
from training.lite_weights import kept_classes
from training.photo_cache import SIDE_PX, PhotoCache, mirrored, square, to_pixels
from training.photographs import Found, Photograph
from training.train_tower import WHOLE, Lesson, Plan, TowerTrainer, begin, draw_view, shown, train

DOG, CAT = COCO_CATEGORIES.index("dog"), COCO_CATEGORIES.index("cat")
SIDE = 96


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Dogs are red squares on the left, cats blue ones on the right."""
    folder = tmp_path_factory.mktemp("photographs")
    made = []
    for n in range(40):
        frame = np.full((SIDE, SIDE, 3), 120, np.uint8)
        is_dog = n % 2 == 0
        left = 8 if is_dog else 56
        frame[30:62, left : left + 32] = (200, 20, 20) if is_dog else (20, 20, 200)
        path = folder / f"{n}.png"
        Image.fromarray(frame).save(path)
        box = (left / SIDE, 30 / SIDE, (left + 32) / SIDE, 62 / SIDE)
        made.append(Photograph("made", path, (Found(DOG if is_dog else CAT, box),), frozenset(range(80)), ()))
    return made


@pytest.fixture
def cache(photographs, tmp_path, monkeypatch):
    monkeypatch.setattr("training.photo_cache.SIDE_PX", SIDE)
    monkeypatch.setattr(train_tower, "SIDE_PX", SIDE)
    pixels = np.stack([square(Image.open(one.path)) for one in photographs])
    np.save(tmp_path / "pixels.npy", pixels)
    return tmp_path


def taught(cache, photographs, *, unfreeze):
    lesson = Lesson(photographs, frozenset())
    return TowerTrainer(tiny_tower().train(), PhotoCache(cache), lesson, unfreeze=unfreeze)


def test_the_closed_form_tells_what_is_shown(cache, photographs):
    trainer = taught(cache, photographs, unfreeze=False)
    begin(trainer, 100, np.random.default_rng(0))
    numbers = list(range(len(photographs)))
    shown = trainer.tower.found.shown(trainer.whole(numbers))
    dogs, cats = (shown[first::2, DOG] for first in (0, 1))
    assert dogs.min() > cats.max()
    assert (shown[:, DOG] > shown[:, COCO_CATEGORIES.index("zebra")]).all()


@pytest.mark.parametrize("unfreeze", [False, True])
def test_it_learns_and_leaves_frozen_what_shall_be(cache, photographs, unfreeze):
    trainer = taught(cache, photographs, unfreeze=unfreeze)
    before = {name: weights.clone() for name, weights in trainer.tower.state_dict().items()}
    rng = np.random.default_rng(0)
    told = [trainer.step(16, 5e-3, rng) for _ in range(30)]
    assert sum(one["shown"] for one in told[-5:]) < 0.9 * sum(one["shown"] for one in told[:5])
    assert sum(one["cover"] for one in told[-5:]) < sum(one["cover"] for one in told[:5])
    changed = {name for name, weights in trainer.tower.state_dict().items() if not torch.equal(weights, before[name])}
    assert any(name.startswith("found.") for name in changed)
    assert any(name.startswith("backbone.") for name in changed) is unfreeze
    assert "backbone.stem.weight" not in changed and "classifier.classes.weight" not in changed


def test_features_are_computed_once(cache, photographs, monkeypatch):
    held = PhotoCache(cache)
    tower = tiny_tower()
    held.open_features(tower.backbone, tower.config)
    first = held.features([3, 1])
    again = PhotoCache(cache)
    again.open_features(tower.backbone, tower.config)
    monkeypatch.setattr(tower.backbone, "forward", lambda pixels: pytest.fail("computed again"))
    assert all(torch.equal(a, b) for a, b in zip(first, again.features([3, 1]), strict=True))
    assert first[0].shape == (2, 36, 12) and first[1].shape == (2, 9, 16)


def test_features_turn_with_the_picture():
    grid = torch.arange(12.0).reshape(4, 3)
    assert mirrored(grid).tolist() == grid[[1, 0, 3, 2]].tolist()


def test_it_goes_on_where_it_stopped(cache, photographs, tmp_path, monkeypatch):
    ticks = iter(range(10_000))
    monkeypatch.setattr(train_tower.time, "process_time", lambda: float(next(ticks)))  # type: ignore[attr-defined]
    monkeypatch.setattr(train_tower, "_LOG_STEPS", 2)
    out = tmp_path / "out"
    trainer = taught(cache, photographs, unfreeze=False)
    train(trainer, Plan(seconds=4, batch=4), out, resume=True)
    held = torch.load(out / "resume.pt", weights_only=True)
    assert held["step"] >= 3 and (out / "model.safetensors").exists()
    other = taught(cache, photographs, unfreeze=False)
    train(other, Plan(seconds=8, batch=4), out, resume=True)
    assert torch.load(out / "resume.pt", weights_only=True)["step"] > held["step"]
    logged = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [one["step"] for one in logged] == sorted({one["step"] for one in logged})


def test_rare_things_come_more_often(photographs):
    few = [*photographs[::2], photographs[1]]
    lesson = Lesson(few, frozenset())
    rng = np.random.default_rng(0)
    drawn = [n for _ in range(300) for n in lesson.draw(1, rng)]
    if not few[-1].is_kept_back:
        assert drawn.count(len(few) - 1) >= 300 / len(few)
    assert not any(few[n].is_kept_back for n in drawn)


def test_a_crop_and_its_mirror_image_are_cut_from_the_frame():
    frame = np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)
    frame[:, : SIDE_PX // 2] = 200
    assert np.array_equal(shown(frame, WHOLE, mirror=True), frame[:, ::-1])
    assert (shown(frame, (0.0, 0.0, 0.5, 1.0), mirror=False)[:, :-4] == 200).all()
    rng = np.random.default_rng(0)
    for view in (draw_view(rng) for _ in range(50)):
        assert 0 <= view[0] < view[2] <= 1 and 0 <= view[1] < view[3] <= 1


def test_what_a_crop_leaves_out_is_not_asked(photographs):
    lesson = Lesson(photographs, frozenset())
    _, chance, weight = lesson.truth([0], 6, [(0.6, 0.0, 1.0, 1.0)], [False])
    assert chance[0, DOG] == 1 and weight[0, DOG] == 0 and weight[0, CAT] == 1


def test_kept_classes_speak_for_known_names():
    kept, speaks = kept_classes(COCO_CATEGORIES)
    assert len(kept) == len(speaks) and min(speaks) == -1 and max(kept) < 1000
    assert (340, COCO_CATEGORIES.index("zebra")) in zip(kept, speaks, strict=True)


def test_pixels_are_what_the_processor_makes():
    frame = np.full((1, 2, 2, 3), 127, np.uint8)
    frame[0, 0, 0] = (255, 127, 0)
    assert to_pixels(frame)[0, :, 0, 0].tolist() == pytest.approx([1, 0, -127 / 128])
