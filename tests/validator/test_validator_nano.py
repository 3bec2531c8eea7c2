"""The bundled model: small, quick to load, sure of drawn scenes, silent on photographs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from synthetic import photograph
from transformers import AutoModelForImageTextToText, AutoProcessor

import datagen
from datagen.claims.kind import presence_question
from datagen.claims.kinds.place import side_question
from datagen.config import ValidatorSettings, dump_settings, load_settings
from datagen.corpus import load_corpus
from datagen.engines.progress import Silence
from datagen.engines.score_run import require_common_words
from datagen.errors import ValidatorError
from datagen.geometry import unique_boxes
from datagen.records import ProbeScore
from datagen.validator import Look, Probe, open_validator
from datagen.validator.domain_guard import load_guard, texture
from datagen.validator.models import open_answerer
from datagen.validator.models.nano import FOLDER, NanoValidator, PhotographError, load_knowledge, require_drawn
from datagen.validator.protocol import GREY, OUTSIDE, Abilities, Fault

DEMO = Path(datagen.__file__).parent / "data" / "demo" / "images"


@pytest.fixture(scope="module")
def nano() -> NanoValidator:
    validator = open_validator(ValidatorSettings(name="nano", device="cpu"))
    assert isinstance(validator, NanoValidator)
    return validator


def show(name: str) -> Image.Image:
    return Image.open(DEMO / name).convert("RGB")


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
    drawn = sorted(path.name for path in DEMO.iterdir())
    nano.look_over(drawn, show)
    with pytest.raises(ValidatorError, match=r"nano knows drawn scenes only, and 5 of 5 pictures .* photographs; use"):
        nano.look_over([str(n) for n in range(5)], show_either)
    nano.look_over([*drawn[:3], "0", "1", "2"], show_either)
    with pytest.raises(ValidatorError, match="64 of 64 pictures"):
        nano.look_over([str(n % 3) + " " * (n // 3) for n in range(128)], show_either)


def show_either(name: str) -> Image.Image:
    """A picture of the demo, or for a number a photograph."""
    return photograph(int(name)) if name.strip().isdigit() else show(name)


def test_a_photograph_among_drawn_scenes_costs_only_itself(nano: NanoValidator) -> None:
    probe = Probe(presence_question("dog"), ("Yes", "No"))
    drawn = [Look(name, (probe,)) for name in sorted(path.name for path in DEMO.iterdir())[:3]]
    alone = list(nano.score(drawn, show))
    (fault,) = [
        one for one in nano.score([drawn[0], Look("7", (probe,)), *drawn[1:]], show_either) if isinstance(one, Fault)
    ]
    assert (fault.picture, fault.reason, fault.item) == ("7", OUTSIDE, None)
    assert fault.detail == "nano knows drawn scenes only, and this picture is a photograph"
    mixed = [one for one in nano.score([*drawn, Look("7", (probe,))], show_either) if not isinstance(one, Fault)]
    assert mixed == alone and len(alone) == 3


@pytest.mark.parametrize("name", sorted(path.name for path in DEMO.iterdir()))
def test_every_bundled_picture_passes_alone(name: str) -> None:
    picture = Image.open(DEMO / name)
    require_drawn(picture)
    require_drawn(picture.resize((224, 224)))
    require_drawn(picture.convert("P"))
    require_drawn(picture.convert("RGBA"))


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK"])
@pytest.mark.parametrize("width", [96, 400, 1600])
def test_a_photograph_is_refused_alone(mode: str, width: int) -> None:
    for seed in range(3):
        taken = photograph(seed).resize((width, width * 3 // 4), Image.Resampling.BICUBIC).convert(mode)
        with pytest.raises(PhotographError, match="this picture is a photograph; use another validator, such as"):
            require_drawn(taken)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "F"])
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (300, 200)])
def test_nothing_to_see_is_no_photograph(mode: str, size: tuple[int, int]) -> None:
    require_drawn(Image.new(mode, size))


def test_one_picture_is_asked_about_when_it_is_drawn() -> None:
    answerer = open_answerer(ValidatorSettings(name="nano", device="cpu"))
    for number in (1, 21, 22):  # among the fullest
        assert answerer.answer(show(f"{number:012}.jpg"), "Is there a dog in the image?").startswith(("Yes", "No"))
    with pytest.raises(ValidatorError, match="this picture is a photograph"):
        answerer.answer(photograph(), "Is there a dog in the image?")


def test_texture_is_shares_and_the_guard_weighs_each() -> None:
    found = texture(photograph())
    assert len(found) == 9 * 13 + 9 + 6 + 8 + 8
    assert all(len(weights) == len(found) for weights in load_guard().hidden)
    assert load_guard().log_odds(np.stack([found, texture(show("000000000001.jpg"))])).tolist() == pytest.approx(
        [load_guard().log_odds(found), load_guard().log_odds(texture(show("000000000001.jpg")))]
    )
    assert found.min() >= 0 and found.max() <= 1
    histograms = np.split(found[: 3 * 13] ** 2, 3)  # of the largest size
    assert [histogram.sum() for histogram in histograms] == pytest.approx([1, 1, 1])
    flat = texture(Image.new("RGB", (300, 200), (10, 80, 200)))
    assert set(flat.round(6)) == {0, 1}


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


def test_a_run_on_scenes_and_photographs_keeps_both_and_judges_the_scenes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = datagen.demo_settings().corpus
    shutil.copytree(DEMO, tmp_path / "images")
    files = {}
    for kind, paths in (("captions", demo.captions), ("instances", demo.instances)):
        told = json.loads(Path(paths[0]).read_text(encoding="utf-8"))
        for image in told["images"][::8]:
            photograph(image["id"]).resize((image["width"], image["height"])).save(
                tmp_path / "images" / image["file_name"]
            )
        files[kind] = [str(tmp_path / f"{kind}.json")]
        Path(files[kind][0]).write_text(json.dumps(told), encoding="utf-8")
    corpus = {**files, "images": str(tmp_path / "images")}
    settings = load_settings(None, {"corpus": corpus, "types": ["conversation"], "validator.name": "nano"})
    notes: list[str] = []
    progress = Silence()
    monkeypatch.setattr(progress, "note", notes.append)
    run = datagen.run(settings, tmp_path / "run", progress=progress)
    photographed = {image["file_name"] for image in told["images"][::8]}
    verdicts: dict[bool, set[str]] = {False: set(), True: set()}
    for sample in run.iter_samples():
        for turn in sample.turns:
            assert turn.validation
            verdicts[sample.image in photographed].add(turn.validation.verdict)
    assert verdicts[True] == {"not judged"} and "supported" in verdicts[False]
    assert "outside_domain" not in str(run.summary.rejected_by_stage)
    scored = {json.loads(line)["picture"] for line in (tmp_path / "run" / "scores.jsonl").read_text().splitlines()}
    assert not scored & photographed and len(scored - {GREY}) == 21
    assert "3 pictures are none that the validator knows; their turns are kept, not judged." in notes


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
