"""The language model learns to read the tower's tokens, whatever a thing is called, and is measured as it is used."""

import json
import random

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_towers import tiny_tower
from transformers import AutoTokenizer

from datagen.config import ValidatorSettings
from datagen.records import Probe
from datagen.validator.models import load_checkpoint
from datagen.validator.models.nano import FOLDERS
from datagen.words import COCO_CATEGORIES
from training import measure_photographs, train_photo_nano
from training.measure_photographs import Answered, Asked, auroc, yes_f1
from training.photo_model import build_photo_model
from training.photo_questions import Names, ask_about, lay_out, make_album
from training.photographs import Found, Photograph, presence_of
from training.questions import QuestionMix
from training.ship_photo_nano import sure_from
from training.train_photo_nano import PhotoTrainer, Plan, TokenStore, train

DOG, CAT, CUP = (COCO_CATEGORIES.index(name) for name in ("dog", "cat", "cup"))
WORDS = FOLDERS["drawn scene"]


def taken(*found, decided=range(80)):
    return Photograph("taken", None, found, frozenset(decided), ())  # type: ignore[arg-type]


def album_of(*photographs):
    return make_album(photographs, presence_of(photographs, COCO_CATEGORIES, frozenset()))


PICTURES = (
    taken(Found(DOG, (0.0, 0.1, 0.3, 0.4)), Found(CAT, (0.6, 0.5, 1.0, 0.9)), Found(CAT, (0.6, 0.0, 0.9, 0.2))),
    taken(Found(DOG, (0.6, 0.1, 0.9, 0.4)), Found(CUP, (0.1, 0.5, 0.2, 0.6))),
)


@pytest.fixture(scope="module")
def store():
    frames = np.random.default_rng(0).integers(0, 255, (2, 96, 96, 3), dtype=np.uint8)
    return TokenStore(tiny_tower(), frames, [0, 1])


def test_a_dealt_name_goes_with_its_evidence(store):
    own = store.tokens(0, Names.own(COCO_CATEGORIES), mirror=False)
    names = Names.dealt(COCO_CATEGORIES, random.Random(1))
    dealt = store.tokens(0, names, mirror=False)
    called = COCO_CATEGORIES.index(names.names[DOG])
    assert called != DOG
    assert torch.equal(dealt[called, 80:], own[DOG, 80:])
    assert torch.equal(dealt[:, :80], own[:, :80]) and torch.equal(own[:, :80], torch.eye(80))


def test_a_mirrored_sheet_goes_with_mirrored_tokens(store):
    own = store.tokens(0, Names.own(COCO_CATEGORIES), mirror=False)
    turned = store.tokens(0, Names.own(COCO_CATEGORIES), mirror=True)
    columns = slice(80, 80 + 2 * store.config.cells)
    assert torch.equal(turned[:, columns], own[:, columns].flip(1))
    assert torch.equal(turned[:, columns.stop :], own[:, columns.stop :])
    sheet = lay_out(PICTURES[0], Names.own(COCO_CATEGORIES), mirror=True)
    assert sheet.objects[0].box_unit == pytest.approx((0.7, 0.1, 1.0, 0.4))


def test_tokens_are_kept_for_the_next_time(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (1, 96, 96, 3), dtype=np.uint8)
    first = TokenStore(tiny_tower(), frames, [0], tmp_path / "tokens.pt")
    again = TokenStore(tiny_tower(), frames[:0], [0], tmp_path / "tokens.pt")
    own = Names.own(COCO_CATEGORIES)
    assert torch.equal(first.tokens(0, own, mirror=False), again.tokens(0, own, mirror=False))


def test_grey_is_the_same_for_every_picture(store):
    assert torch.equal(
        store.tokens(None, Names.own(COCO_CATEGORIES), mirror=False),
        store.tokens(None, Names.own(COCO_CATEGORIES), mirror=False),
    )


def ask_all(album, number, seed=0, names=None):
    rng = random.Random(seed)
    mix = QuestionMix(probes=1, most=60)
    return ask_about(album, number, names or Names.own(COCO_CATEGORIES), rng, mix, mirror=False)


def test_answers_are_true_and_names_are_the_sheets():
    album = album_of(*PICTURES)
    asked = {one.question: one.answer for seed in range(5) for one in ask_all(album, 0, seed)}
    assert asked["How many cats are there?"] == "Two."
    assert asked["Is the dog on the left or the right?"] == "Left."
    assert asked["Is there a cat in the image?"] == "Yes."
    assert sum(answer == "No." for answer in asked.values()) > 3
    dealt = Names.dealt(COCO_CATEGORIES, random.Random(3))
    assert any(dealt.names[DOG] in one.question for one in ask_all(album, 0, names=dealt))


def test_what_is_doubtful_is_not_asked():
    unsure = taken(
        Found(DOG, (0.0, 0.1, 0.3, 0.4)),
        Found(DOG, (0.5, 0.5, 0.9, 0.9), 0.4),
        Found(CUP, (0, 0, 0.2, 0.2), 0.9),
        decided=(CAT,),
    )
    asked = {one.question for seed in range(5) for one in ask_all(album_of(unsure), 0, seed)}
    assert "Is there a dog in the image?" in asked
    assert not any("dog on the left" in text or text.startswith("How many") for text in asked)
    assert "Is the cup on the left or the right?" in asked
    absent = [text for text in asked if text.startswith("Is there") and "dog" not in text and "cup" not in text]
    assert absent == ["Is there a cat in the image?"]


def test_absent_things_are_those_that_stand_beside():
    album = album_of(*PICTURES, *[taken(Found(DOG, (0, 0, 0.5, 0.5)), Found(CUP, (0.5, 0.5, 1, 1)))] * 30)
    asked = [one.question for seed in range(40) for one in ask_all(album, 0, seed)]
    assert asked.count("Is there a cup in the image?") > 5 * asked.count("Is there a toaster in the image?")


def test_it_learns_keeps_a_checkpoint_and_goes_on(store, tmp_path, monkeypatch):
    ticks = iter(range(10_000))
    monkeypatch.setattr(train_photo_nano.time, "process_time", lambda: float(next(ticks)))  # type: ignore[attr-defined]
    monkeypatch.setattr(train_photo_nano, "_LOG_STEPS", 4)
    for share in ("GREY_SHARE", "DEALT_SHARE", "MIRROR_SHARE"):  # the same sheet again and again is soon learned
        monkeypatch.setattr(train_photo_nano, share, 0.0)

    def trainer():
        torch.manual_seed(0)
        return PhotoTrainer(
            build_photo_model(tiny_tower(), WORDS, n_scenes=16),
            AutoTokenizer.from_pretrained(WORDS),
            store,
            album_of(*PICTURES),
        )

    first = trainer()
    tower = {name: weights.clone() for name, weights in first.model.model.vision_tower.state_dict().items()}
    train(first, Plan(seconds=30, batch=2), [0, 1], tmp_path, resume=True, seed=0)
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert logged[-1]["answer_loss"] < 0.9 * logged[0]["answer_loss"]
    assert logged[-1]["degrees"] < logged[0]["degrees"]
    after = first.model.model.vision_tower.state_dict()
    assert all(torch.equal(after[name], weights) for name, weights in tower.items())
    second = trainer()
    steps = torch.load(tmp_path / "resume.pt", weights_only=True)["progress"]["step"]
    train(second, Plan(seconds=40, batch=2), [0, 1], tmp_path, resume=True, seed=0)
    assert torch.load(tmp_path / "resume.pt", weights_only=True)["progress"]["step"] > steps
    checkpoint = load_checkpoint(ValidatorSettings(name=str(tmp_path), device="cpu"))
    with torch.inference_mode():
        pixels = checkpoint.image_processor(images=[Image.new("RGB", (50, 80))], return_tensors="pt")["pixel_values"]
        assert len(checkpoint.model.get_image_features(pixels).pooler_output[0]) == 80
    measure(tmp_path, monkeypatch)


def measure(checkpoint, monkeypatch):
    """The table of a checkpoint on two pictures, through files, processor and validator."""
    monkeypatch.setattr(measure_photographs, "_DRAWS", 20)
    folder = checkpoint / "pictures"
    folder.mkdir()
    images, boxes = [], []
    for n in (1, 2, 3):
        Image.new("RGB", (100, 100), (n * 60, 90, 20)).save(folder / f"{n}.png")
        images.append({"id": n, "file_name": f"{n}.png", "width": 100, "height": 100})
        for category, left in ((1, 5), (2, 60)):
            bbox = [left, 10, 30, 20 * n]
            boxes.append(
                {"id": len(boxes), "image_id": n, "category_id": category, "bbox": bbox, "area": 600, "iscrowd": 0}
            )
    categories = [{"id": n, "name": name} for n, name in enumerate(("dog", "cat", "cup"), start=1)]
    instances = checkpoint / "instances.json"
    instances.write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories}))
    figures = checkpoint / "figures.json"
    measure_photographs.main(
        [str(checkpoint), "--instances", str(instances), "--images", str(folder), "--json", str(figures)]
    )
    told = json.loads(figures.read_text())
    assert told["side"]["n"] == 6 and 0 <= told["side"]["low"] <= told["side"]["value"] <= told["side"]["high"] <= 1
    assert told["count, within one"]["n"] == 6 and told["presence, against all"]["n"] == 9


def test_f1_weighs_what_is_there_and_what_is_not_alike():
    def asked(truth, yes, is_hard=True):
        one = Asked("presence", Probe("Is there a dog in the image?", ("Yes", "No")), truth, "dog", is_hard)
        return Answered(one, (yes, 1 - yes))

    there, absent = [asked(0, 0.9), asked(0, 0.2)], [asked(1, 0.8), *[asked(1, 0.1)] * 3, asked(1, 0.9, False)]
    assert yes_f1(there + absent) == pytest.approx(2 * 0.5 / (1 + 0.5 + 0.25))
    assert np.isnan(yes_f1(there))


def test_answers_are_sure_from_where_nine_of_ten_are_right():
    def asked(truth, chances):
        return Answered(Asked("side", Probe("On which side?", ("Left", "Right")), truth, "dog"), chances)

    right = [asked(n % 2, (0.95, 0.05) if n % 2 == 0 else (0.05, 0.95)) for n in range(20)]
    wrong = [asked(n % 2, (0.4, 0.6) if n % 2 == 0 else (0.6, 0.4)) for n in range(20)]
    assert sure_from(right + wrong) == {"side": 0.95}
    assert sure_from(wrong) == {"side": 1.01}


def test_auroc_counts_pairs():
    assert auroc([3, 2], [1, 2]) == pytest.approx(3.5 / 4)
    assert np.isnan(auroc([], [1]))
