"""Detectors: each architecture is asked probes, and its chances are what its own boxes and scores say."""

from __future__ import annotations

import json
import random
from collections.abc import Container, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from msgspec.structs import replace
from PIL import Image
from tiny_checkpoints import picture
from tiny_detectors import NAMES, WRITERS, write_rt_detr

import datagen
from datagen.claims.kind import YES_NO, ask_presence
from datagen.claims.kinds.count import ANSWERS, count_question
from datagen.claims.kinds.place import SIDES, side_question
from datagen.config import Settings, ValidatorSettings, load_settings
from datagen.corpus import load_corpus
from datagen.errors import ValidatorError
from datagen.records import AnnotatedImage, NoScore, Probe, ProbeScore, Score
from datagen.summary import KindReport
from datagen.validator import Fault, Look, Text, open_validator, score_key
from datagen.validator.models import detector as detectors
from datagen.validator.models import open_answerer
from datagen.validator.protocol import Abilities, LoadPicture
from datagen.validator.sightings import KINDS_SEEN, Sightings, answer_question, read_question, sort_sightings
from training.draw_corpus import draw_corpus

DOG, CUP = ask_presence("dog").probe, ask_presence("cup").probe
COUNT, SIDE = Probe(count_question("dog"), ANSWERS, "a dog"), Probe(side_question("dog"), SIDES, "a dog")
ASLEEP = Probe("Is the dog asleep?", YES_NO, "a dog")
LOOK = Look("a.jpg", (DOG, CUP, COUNT, SIDE, ASLEEP))
CLOSED = ("detr", "rt_detr", "rt_detr_v2", "d_fine", "yolos")


@pytest.fixture(scope="module", params=WRITERS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "owlv2":
        pytest.importorskip("scipy")
    torch.manual_seed(0)
    return WRITERS[request.param](tmp_path_factory.mktemp("detector") / request.param)


def opened(folder: Path) -> Any:
    return open_validator(ValidatorSettings(name=str(folder), device="cpu"))


def show(name: str) -> Image.Image:
    return picture(name, (60, 40))


def own_best(folder: Path, name: str) -> float:
    """The best score of a thing, by the model's own processor and post-processing."""
    if folder.name in CLOSED:
        images = detectors._image_processor(folder)
        model = transformers.AutoModelForObjectDetection.from_pretrained(folder).eval()
        with torch.no_grad():
            out = model(**images(images=[show("a.jpg")], return_tensors="pt"))
        (found,) = images.post_process_object_detection(out, threshold=0.0)
        numbers = [number for number, told in NAMES.items() if told == name]
        mine = [score for score, label in zip(found["scores"], found["labels"], strict=True) if int(label) in numbers]
        return max(map(float, mine), default=0.0)
    processor: Any = transformers.AutoProcessor.from_pretrained(folder)  # type: ignore[no-untyped-call]
    model = transformers.AutoModelForZeroShotObjectDetection.from_pretrained(folder).eval()
    text: Any = f"a {name}." if folder.name == "grounding_dino" else [[f"a photo of a {name}"]]
    inputs = processor(images=[show("a.jpg")], text=text, return_tensors="pt")
    with torch.no_grad():
        chances = model(**inputs).logits[0].sigmoid()
    if folder.name == "grounding_dino":
        chances = chances[:, 1:3].mean(1)  # between [CLS] and the full stop
    return float(chances.max())


def test_chances_are_those_of_the_models_own_boxes(folder: Path) -> None:
    validator = opened(folder)
    found = {one.key: one for one in validator.score([LOOK], show)}
    for probe, name in ((DOG, "dog"), (CUP, "cup")):
        score = found[score_key(validator.identity, LOOK, probe)]
        assert isinstance(score, ProbeScore)
        if folder.name in ("detr", "yolos") and own_best(folder, name) == 0.0:
            continue  # its own reading keeps only the best class of a box
        at_least = own_best(folder, name)
        assert score.chances[0] == pytest.approx(at_least, abs=1e-5) or score.chances[0] > at_least
        if folder.name not in ("detr", "yolos", "rt_detr", "rt_detr_v2", "d_fine"):
            assert score.chances[0] == pytest.approx(at_least, abs=1e-5)
    asleep = found[score_key(validator.identity, LOOK, ASLEEP)]
    assert isinstance(asleep, NoScore) and asleep.reason == "outside_domain"
    assert len(found) == 5


def test_what_else_is_asked_changes_no_answer(folder: Path) -> None:
    validator = opened(folder)
    together = {one.key: one for one in validator.score([LOOK], show)}
    for item in LOOK.items[:4]:
        (alone,) = validator.score([Look("a.jpg", (item,))], show)
        assert alone.chances == pytest.approx(together[alone.key].chances, abs=1e-5)


def test_it_says_what_it_knows(folder: Path) -> None:
    validator = opened(folder)
    assert validator.abilities == Abilities(
        texts=False, blanks=False, probes=KINDS_SEEN, misses_some=True,
        categories=frozenset(("person", "dog", "couch", "cup")) if folder.name in CLOSED else None,
    )  # fmt: skip
    assert validator._loaded is None  # and loads nothing for that
    with pytest.raises(
        ValidatorError, match="compares pictures with phrases, detects things or writes captions, and cannot"
    ):
        open_answerer(ValidatorSettings(name=str(folder), device="cpu"))


def test_known_scores_blanks_and_broken_pictures(tmp_path: Path) -> None:
    validator = opened(write_rt_detr(tmp_path / "rt"))

    class BrokenError(Exception):
        reason, detail = "image_missing", "gone"

    def load(name: str) -> Image.Image:
        if name == "b.jpg":
            raise BrokenError
        return show(name)

    looks = [LOOK, Look("a.jpg", (Text("What?", "A dog."),), is_blank=True), Look("b.jpg", (DOG,))]
    found = list(validator.score(looks, load, {score_key(validator.identity, LOOK, DOG)}))
    assert [one.reason for one in found if isinstance(one, Fault)] == ["image_missing"]
    assert len([one for one in found if not isinstance(one, Fault)]) == 4
    # An ostrich is nothing that it knows.
    (outside,) = validator.score([Look("a.jpg", (ask_presence("ostrich").probe,))], show)
    assert isinstance(outside, NoScore) and "do not answer 'Is there an ostrich" in outside.detail


def test_a_detector_that_names_nothing_is_refused_before_its_weights_are_loaded(tmp_path: Path) -> None:
    folder = write_rt_detr(tmp_path / "rt")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "id2label": {"0": "LABEL_0"}}))
    with pytest.raises(ValidatorError, match=r"its processor cannot be used \(config.json names no classes"):
        opened(folder)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ValidatorError, match="its processor cannot be used"):
        opened(folder)


def test_memory_that_runs_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    validator = opened(write_rt_detr(tmp_path / "rt"))
    monkeypatch.setattr(detectors.Detector, "run", full)
    with pytest.raises(ValidatorError, match="does not fit into the memory of cpu"):
        list(validator.score([LOOK], show))


class MadeUpDetector:
    """Sees a share of what is boxed, not quite in its place, and some more.

    Built on the numbers that DetectorValidator is built on, so that a trial tells what these are worth.
    """

    identity, n_readers = "made up", 0

    def __init__(self, images: Sequence[AnnotatedImage], categories: tuple[str, ...], share: float = 0.95) -> None:
        parts = detectors.Parts(None, dict(enumerate(categories)))
        self.abilities, self._share = parts.abilities, share
        self._images = {image.file_name: image for image in images}

    def look_over(self, names: Sequence[str], load_picture: LoadPicture) -> None:
        pass

    def score(
        self, looks: Sequence[Look], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | Fault]:
        for look in looks:
            for item in look.items:
                assert isinstance(item, Probe)
                key, question = score_key(self.identity, look, item), read_question(item)
                if question is None:
                    yield NoScore(key, look.picture, "outside_domain", "no box says that")
                else:
                    chances = answer_question(question, partial(self._seen, look.picture))
                    yield ProbeScore(key, look.picture, chances)

    def _seen(self, picture: str, name: str) -> Sightings:
        rng = random.Random(f"{picture} {name}")
        table: list[list[float]] = []
        for box in self._images[picture].boxes if picture in self._images else ():
            if box.category == name:
                edges = [edge + rng.gauss(0, 0.02) for edge in box.box_unit]
                table.append([*edges, rng.uniform(0.8, 0.99) if rng.random() < self._share else rng.uniform(0.02, 0.4)])
        for _ in range(5):
            left, top = rng.uniform(0, 0.8), rng.uniform(0, 0.8)
            table.append([left, top, left + 0.2, top + 0.2, rng.uniform(0.0, 0.02) if rng.random() < 0.95 else 0.3])
        numbers = np.array(table)
        return sort_sightings(numbers[:, :4], numbers[:, 4])


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Scenes, and conversations about them."""
    corpus = draw_corpus(tmp_path_factory.mktemp("drawn") / "corpus", 60, seed=3)
    files = {"captions": [corpus["captions"]], "instances": [corpus["instances"]], "images": corpus["images"]}
    given = {"corpus": files, "types": ["conversation", "negation"], "dedup": {"over_set": False}, "workers": 1}
    return load_settings(None, given)


def judged_by(drawn: Settings, out: Path, share: float, *, misses_some: bool = True) -> dict[str, KindReport]:
    """What a made-up detector is worth by the honest calibration."""
    loaded = load_corpus(drawn.corpus)
    validator = MadeUpDetector(list(loaded.images), loaded.categories, share)
    validator.abilities = replace(validator.abilities, misses_some=misses_some)
    calibration = datagen.run(drawn, out, validator=validator).summary.calibration
    assert calibration is not None and calibration.judged
    return calibration.kinds


def test_the_honest_calibration_lets_a_good_detector_judge(drawn: Settings, tmp_path: Path) -> None:
    kinds = judged_by(drawn, tmp_path / "run", 0.95)
    seen = [kinds[kind] for kind in ("count", "absent object", "side", "relation", "other image")]
    assert all(report.judged for report in seen)
    assert min(report.auroc or 0 for report in seen) > 0.8


def test_counts_of_a_detector_that_misses_some_are_read_anew(drawn: Settings, tmp_path: Path) -> None:
    anew = judged_by(drawn, tmp_path / "anew", 0.8)["count"]
    as_they_are = judged_by(drawn, tmp_path / "as they are", 0.8, misses_some=False)["count"]
    assert anew.judged and (anew.auroc or 0) > (as_they_are.auroc or 1) + 0.1
