"""The bundled model: small, quick to load, sure of drawn scenes, silent on photographs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

import datagen
from datagen.claims.kinds.place import side_question
from datagen.claims.kinds.presence import presence_question
from datagen.config import ValidatorSettings, dump_settings, load_settings
from datagen.corpus import load_corpus
from datagen.engines.judging import require_common_words
from datagen.errors import ValidatorError
from datagen.geometry import unique_boxes
from datagen.records import ProbeScore
from datagen.validator import Look, Probe, open_validator
from datagen.validator.models.nano import BUSIEST, FOLDER, NanoValidator, busyness, load_knowledge
from datagen.validator.protocol import Abilities

DEMO = Path(datagen.__file__).parent / "data" / "demo" / "images"


@pytest.fixture(scope="module")
def nano() -> NanoValidator:
    validator = open_validator(ValidatorSettings(name="nano", device="cpu"))
    assert isinstance(validator, NanoValidator)
    return validator


def show(name: str) -> Image.Image:
    return Image.open(DEMO / name).convert("RGB")


def photograph(seed: int = 0) -> Image.Image:
    """Structure at every scale, as a photograph has it: noise whose spectrum falls with the frequency."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(300)[:, None], np.fft.rfftfreq(400)[None])
    spectrum = np.exp(2j * np.pi * rng.random(frequency.shape)) / np.maximum(frequency, 1 / 400) ** 1.2
    grey = np.fft.irfft2(spectrum, s=(300, 400))
    return Image.fromarray(np.clip(128 + 55 * grey / grey.std(), 0, 255).astype(np.uint8)).convert("RGB")


def test_an_ordinary_checkpoint_of_a_few_megabytes() -> None:
    assert (FOLDER / "model.safetensors").stat().st_size <= 12 * 2**20
    assert not list(FOLDER.glob("*.bin")) and not list(FOLDER.glob("*.py"))
    processor = AutoProcessor.from_pretrained(FOLDER)
    model = AutoModelForImageTextToText.from_pretrained(FOLDER)
    asked = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Is there a bus in the image?"}]}]
    prompt = processor.apply_chat_template(asked, add_generation_prompt=True)
    inputs = processor(images=show(sorted(path.name for path in DEMO.iterdir())[0]), text=prompt, return_tensors="pt")
    with torch.inference_mode():
        told = model.generate(**inputs, max_new_tokens=3, do_sample=False)
    assert processor.decode(told[0, inputs["input_ids"].shape[1] :]).strip().startswith(("Yes", "No"))


def test_the_card_tells_what_is_judged() -> None:
    known = load_knowledge()
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"Judges: {', '.join(known.probes)}." in card
    assert len(known.categories) >= 60
    assert set(known.probes) <= {"presence", "count", "side", "relation", "quadrant", "size"}
    assert {"presence", "side"} <= set(known.probes)


def test_it_sees_what_the_bundled_pictures_show(nano: NanoValidator) -> None:
    """Presence and side of every thing that stands alone in its picture, and one thing that is not there."""
    corpus = load_corpus(datagen.demo_settings().corpus)
    looks, truths = [], []
    for image in corpus.images:
        shown = {box.category for box in image.boxes}
        missing = next(name for name in sorted(nano.abilities.categories or ()) if name not in shown)
        probes = [Probe(presence_question(missing), ("No", "Yes"))]
        for name, box in unique_boxes(image).items():
            probes.append(Probe(presence_question(name), ("Yes", "No")))
            left, _, right, _ = box.box_unit
            if right < 0.45 or left > 0.55:
                sides = ("Left", "Right") if right < 0.45 else ("Right", "Left")
                probes.append(Probe(side_question(name), sides))
        looks.append(Look(image.file_name, tuple(dict.fromkeys(probes))))
        truths += looks[-1].items
    scores = [score for score in nano.score(looks, show) if isinstance(score, ProbeScore)]
    assert len(scores) == len(truths) > 120
    right = sum(score.chances[0] > 0.5 for score in scores)
    assert right / len(scores) > 0.9


def test_it_takes_probes_only_and_of_what_it_knows(nano: NanoValidator) -> None:
    assert nano.abilities == Abilities(
        texts=False,
        blanks=False,
        probes=frozenset(load_knowledge().probes),
        categories=frozenset(load_knowledge().categories),
    )


def test_photographs_are_refused_in_one_sentence(nano: NanoValidator) -> None:
    nano.look_over(sorted(path.name for path in DEMO.iterdir()), show)
    with pytest.raises(ValidatorError, match=r"nano knows drawn scenes only, and 5 of 5 pictures .* photographs; use"):
        nano.look_over([str(n) for n in range(5)], lambda name: photograph(int(name)))


def test_drawings_are_flat_and_photographs_are_not() -> None:
    assert busyness(photograph()) > 2 * BUSIEST
    assert busyness(Image.new("RGB", (300, 200), (10, 80, 200))) == pytest.approx(0, abs=1e-6)
    values = sorted(busyness(show(path.name)) for path in DEMO.iterdir())
    assert values[len(values) // 2] < BUSIEST / 2


def test_a_run_on_photographs_stops_before_the_teacher_is_asked(tmp_path: Path) -> None:
    images, boxes = [], []
    (tmp_path / "images").mkdir()
    for n in range(3):
        photograph(n).save(tmp_path / "images" / f"{n}.jpg", quality=90)
        images.append({"id": n, "file_name": f"{n}.jpg", "width": 400, "height": 300})
        boxes.append({"id": n, "image_id": n, "category_id": 1, "bbox": [10, 10, 50, 50], "area": 2500, "iscrowd": 0})
    file = tmp_path / "instances.json"
    file.write_text(json.dumps({"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "dog"}]}))
    corpus = {"instances": [str(file)], "images": str(tmp_path / "images")}
    settings = load_settings(None, {"corpus": corpus, "types": ["conversation"], "validator.name": "nano"})
    with pytest.raises(ValidatorError, match="3 of 3 pictures looked at are photographs"):
        datagen.run(settings, tmp_path / "run")
    assert not (tmp_path / "run" / "replies.jsonl").exists()


def test_words_it_never_saw_are_refused(nano: NanoValidator) -> None:
    require_common_words(nano, "nano", ("dog", "zeppelin"))
    with pytest.raises(ValidatorError, match=r"nano knows \d+ things \(.*\), none of which the corpus annotates; use"):
        require_common_words(nano, "nano", ("zeppelin", "harpsichord"))


def test_things_it_never_saw_are_left_out_of_verdicts(tmp_path: Path) -> None:
    settings = load_settings(None, {**dump_settings(datagen.demo_settings()), "types": ["conversation"]})
    known = set(load_knowledge().categories)
    asked = [
        (turn, probe)
        for sample in datagen.run(settings, tmp_path / "run").iter_samples()
        for turn in sample.turns
        if turn.validation
        for probe in turn.validation.probes or ()
    ]
    assert asked
    assert all(turn.claims[probe.claim].category in known for turn, probe in asked)
