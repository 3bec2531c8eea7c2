"""The bundled model: small, quick to load, each picture looked at by the half that knows its kind."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from synthetic import photograph
from tiny_towers import save_tiny_photo_nano
from transformers import AutoModelForImageTextToText, AutoProcessor

import datagen
from datagen.claims.kind import presence_question
from datagen.claims.kinds.place import side_question
from datagen.config import ValidatorSettings, dump_settings, load_settings
from datagen.corpus import PictureError, load_corpus
from datagen.engines.score_run import require_common_words
from datagen.errors import ValidatorError
from datagen.geometry import unique_boxes
from datagen.records import NoScore, ProbeKind, ProbeScore
from datagen.validator import Look, Probe, open_validator
from datagen.validator.checkpoint import CheckpointValidator
from datagen.validator.domain_guard import load_guard, texture
from datagen.validator.models import load_checkpoint, open_answerer
from datagen.validator.models.grid_tower import register
from datagen.validator.models.llava import load_llava
from datagen.validator.models.nano import (
    FOLDERS,
    NanoValidator,
    PictureKind,
    find_nano,
    kind_of_picture,
    load_knowledge,
)
from datagen.validator.protocol import GREY, OUTSIDE, Abilities, Fault, score_key
from training.screens import draw_screen

DEMO = Path(datagen.__file__).parent / "data" / "demo" / "images"


SHIPPED = dict(FOLDERS)
LEARNED: tuple[ProbeKind, ...] = ("presence", "side")
THINGS = ("dog", "person", "bench")


@pytest.fixture(scope="module", autouse=True)
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A tiny model of photographs in place of the bundled one, that knows three things and two questions."""
    folder = tmp_path_factory.mktemp("nano_photos")
    save_tiny_photo_nano(folder, LEARNED, THINGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FOLDERS, "photograph", folder)
        yield


@pytest.fixture(scope="module")
def nano() -> NanoValidator:
    validator = open_validator(ValidatorSettings(name="nano", device="cpu"))
    assert isinstance(validator, NanoValidator)
    return validator


def show(name: str) -> Image.Image:
    return Image.open(DEMO / name).convert("RGB")


@pytest.mark.parametrize("kind", SHIPPED)
def test_an_ordinary_checkpoint_of_a_few_megabytes(kind: PictureKind) -> None:
    folder = SHIPPED[kind]
    assert (folder / "model.safetensors").stat().st_size <= 16 * 2**20
    assert not list(folder.glob("*.bin")) and not list(folder.glob("*.py"))
    register()
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder)
    asked = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Is there a bus in the image?"}]}]
    prompt = processor.apply_chat_template(asked, add_generation_prompt=True)
    inputs = processor(images=show(sorted(path.name for path in DEMO.iterdir())[0]), text=prompt, return_tensors="pt")
    with torch.inference_mode():
        told = model.generate(**inputs, max_new_tokens=3, do_sample=False)
    assert processor.decode(told[0, inputs["input_ids"].shape[1] :]).strip().startswith(("Yes", "No"))


@pytest.mark.parametrize(("kind", "at_least"), [("drawn scene", 60), ("photograph", 25)])
def test_the_card_tells_what_is_judged(kind: PictureKind, at_least: int) -> None:
    known = load_knowledge(SHIPPED[kind])
    card = (SHIPPED[kind] / "README.md").read_text(encoding="utf-8")
    assert f"Judges: {', '.join(known.probes)}." in card
    assert len(known.categories) >= at_least
    assert set(known.probes) <= {"presence", "count", "side", "relation", "quadrant", "size"}
    assert {"presence", "side"} <= set(known.probes)


def test_of_nothing_the_shipped_half_for_photographs_guesses_what_is_commonest() -> None:
    """No photograph is in the package; of plain grey it can know no more than what is likely of any."""
    validator = CheckpointValidator(load_checkpoint(ValidatorSettings(name=str(SHIPPED["photograph"]))), 4096)
    asked = {
        name: Probe(presence_question(name), ("Yes", "No")) for name in load_knowledge(SHIPPED["photograph"]).categories
    }
    look = Look("grey", tuple(asked.values()))
    scores = validator.score([look], lambda _: Image.new("RGB", (300, 200), (127, 127, 127)))
    chances = {one.key: one.chances[0] for one in scores if isinstance(one, ProbeScore)}
    likely = [name for name, probe in asked.items() if chances[score_key(validator.identity, look, probe)] > 0.6]
    assert likely == ["person", "dog"]  # what most photographs that it learned from show


def test_it_sees_what_the_bundled_pictures_show(nano: NanoValidator) -> None:
    """Presence and side of every thing that stands alone in its picture, and one thing that is not there."""
    corpus = load_corpus(datagen.demo_settings().corpus)
    looks, truths = [], []
    for image in corpus.images:
        shown = {box.category for box in image.boxes}
        missing = next(name for name in load_knowledge(FOLDERS["drawn scene"]).categories if name not in shown)
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


def test_it_takes_probes_only_and_of_what_either_half_knows(nano: NanoValidator) -> None:
    drawn = load_knowledge(FOLDERS["drawn scene"])
    assert nano.abilities == Abilities(
        texts=False,
        blanks=False,
        probes=frozenset((*drawn.probes, *LEARNED)),
        categories=frozenset((*drawn.categories, *THINGS)),
    )


def show_either(name: str) -> Image.Image:
    """A picture of the demo, or for a number a photograph."""
    return photograph(int(name)) if name.strip().isdigit() else show(name)


def test_each_picture_goes_to_the_half_that_knows_its_kind(nano: NanoValidator) -> None:
    probe = Probe(presence_question("dog"), ("Yes", "No"))
    drawn = [Look(name, (probe,)) for name in sorted(path.name for path in DEMO.iterdir())[:3]]
    alone = {score.key: score for score in nano.score(drawn, show)}
    mixed = list(nano.score([drawn[0], Look("7", (probe,)), *drawn[1:]], show_either))
    assert not [one for one in mixed if isinstance(one, Fault)]
    assert {one.key: one for one in mixed if one.picture != "7"} == alone and len(alone) == 3
    (taken,) = [one for one in mixed if one.picture == "7"]
    settings, found = find_nano(ValidatorSettings(name="nano", device="cpu"), "photograph")
    other = CheckpointValidator(load_llava(settings, found), settings.batch_tokens)
    assert taken in list(other.score([Look("7", (probe,))], show_either))
    assert len({score.key[:0] + nano.identity for score in alone.values()}) == 1


def test_what_a_half_has_not_learned_costs_only_the_question(nano: NanoValidator) -> None:
    asked = [
        Probe(presence_question("dog"), ("Yes", "No")),
        Probe("How many dogs are there?", ("One", "Two")),
        Probe(presence_question("cat"), ("Yes", "No")),
        Probe(presence_question("bench"), ("Yes", "No")),
    ]
    scene = min(path.name for path in DEMO.iterdir())
    for name, refused in (("7", asked[1:3]), (scene, asked[3:])):
        look = Look(name, tuple(asked))
        found = list(nano.score([look], show_either))
        none = [one for one in found if isinstance(one, NoScore)]
        assert [one.key for one in none] == [score_key(nano.identity, look, item) for item in refused]
        assert {one.reason for one in none} == {OUTSIDE}
        assert len(found) == len(asked)
        assert list(nano.score([look], show_either, {one.key for one in found if not isinstance(one, Fault)})) == []
    assert none[0].detail == ("nano has not learned to answer 'Is there a bench in the image?' about a drawn scene")


def test_grey_is_guessed_by_the_half_that_saw_the_others() -> None:
    validator = open_validator(ValidatorSettings(name="nano", device="cpu"))
    assert isinstance(validator, NanoValidator)
    cat = Probe(presence_question("cat"), ("Yes", "No"))  # only the half for drawn scenes knows cats
    for seen, answers in (("000000000001.jpg", ProbeScore), ("7", ProbeScore), ("8", NoScore), ("9", NoScore)):
        list(validator.score([Look(seen, (cat,))], show_either))
        (guessed,) = validator.score([Look(GREY, (cat,))], lambda name: Image.new("RGB", (336, 336), (127, 127, 127)))
        assert isinstance(guessed, answers)


def test_a_picture_is_opened_once_and_not_for_what_is_known(nano: NanoValidator) -> None:
    opened: list[str] = []

    def load(name: str) -> Image.Image:
        opened.append(name)
        return show_either(name)

    looks = [Look("7", (Probe(presence_question(name), ("Yes", "No")),)) for name in ("dog", "person")]
    scores = list(nano.score(looks, load))
    assert opened == ["7"] and len(scores) == 2
    assert list(nano.score(looks, load, {score.key for score in scores if not isinstance(score, Fault)})) == []
    assert opened == ["7"]


def test_a_broken_picture_is_told_once(nano: NanoValidator) -> None:
    def load(name: str) -> Image.Image:
        raise PictureError("image_unreadable", f"{name} cannot be read")

    probes = tuple(Probe(presence_question(name), ("Yes", "No")) for name in ("dog", "person"))
    (fault,) = nano.score([Look("broken.jpg", probes), Look("broken.jpg", probes[:1], is_blank=True)], load)
    assert isinstance(fault, Fault) and fault.detail == "broken.jpg cannot be read"


def test_the_identity_is_of_both_halves(nano: NanoValidator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(FOLDERS["photograph"], tmp_path / "other")
    told = tmp_path / "other" / "nano.json"
    told.write_text(told.read_text(encoding="utf-8").replace("bench", "tie"), encoding="utf-8")
    monkeypatch.setitem(FOLDERS, "photograph", tmp_path / "other")
    assert open_validator(ValidatorSettings(name="nano", device="cpu")).identity != nano.identity


@pytest.mark.parametrize("name", sorted(path.name for path in DEMO.iterdir()))
def test_every_bundled_picture_is_a_drawing(name: str) -> None:
    picture = Image.open(DEMO / name)
    for seen in (picture, picture.resize((224, 224)), picture.convert("P"), picture.convert("RGBA")):
        assert kind_of_picture(seen) == "drawn scene"


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK"])
@pytest.mark.parametrize("width", [96, 400, 1600])
def test_a_photograph_is_known_as_one(mode: str, width: int) -> None:
    for seed in range(3):
        taken = photograph(seed).resize((width, width * 3 // 4), Image.Resampling.BICUBIC).convert(mode)
        assert kind_of_picture(taken) == "photograph"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "F"])
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (300, 200)])
def test_a_picture_that_shows_nothing_is_refused(mode: str, size: tuple[int, int]) -> None:
    with pytest.raises(ValidatorError, match="this picture shows nothing, it has next to no edge; use another"):
        kind_of_picture(Image.new(mode, size))


def test_next_to_nothing_is_nothing_and_a_small_thing_is_something() -> None:
    speck, thing = (Image.new("RGB", (640, 480), (200, 210, 220)) for _ in range(2))
    speck.paste((20, 20, 20), (300, 200, 306, 206))
    thing.paste((20, 20, 20), (300, 200, 380, 280))
    assert load_guard().shows(texture(speck)) == "nothing"
    assert load_guard().shows(texture(thing)) != "nothing"


@pytest.mark.parametrize("seed", range(6))
def test_a_screen_is_neither(nano: NanoValidator, seed: int) -> None:
    screen = draw_screen(random.Random(f"test {seed}"))
    probe = Probe(presence_question("dog"), ("Yes", "No"))
    (fault,) = nano.score([Look("screen.png", (probe,))], lambda name: screen)
    assert isinstance(fault, Fault) and fault.reason == OUTSIDE
    assert fault.detail == (
        "nano knows drawn scenes and photographs only, and this picture looks like a screenshot, a page of text or a "
        "chart"
    )


def test_one_picture_is_asked_about() -> None:
    answerer = open_answerer(ValidatorSettings(name="nano", device="cpu"))
    scene = show(f"{21:012}.jpg")
    assert re.fullmatch(r"(Yes|No) \(\d+% likely\)", answerer.answer(scene, "Is there a dog in the image?"))
    for question in ("How many dogs are there?", "On which side is the dog?"):  # it shows none
        assert answerer.answer(scene, question).startswith("No dog can be seen (")
    assert answerer.answer(scene, "How many cats are there?").startswith("One (")
    assert re.fullmatch(r"(Left|Right) \(\d+% likely\)", answerer.answer(photograph(), "On which side is the man?"))
    assert len(answerer.answer(scene, "What is shown?").split()) > 2
    for question in ("What is shown?", "How many dogs are there?", "Is there a cat in the image?"):
        with pytest.raises(
            ValidatorError, match=r"nano can be asked of a photograph whether .* of 3 things \(dog, person"
        ):
            answerer.answer(photograph(), question)
    with pytest.raises(ValidatorError, match="this picture shows nothing, it has next to no edge; use another"):
        answerer.answer(Image.new("RGB", (300, 200), (127, 127, 127)), "Is there a dog in the image?")


def test_what_it_is_not_sure_of_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_tiny_photo_nano(tmp_path, LEARNED, THINGS)
    told = json.loads((tmp_path / "nano.json").read_text(encoding="utf-8"))
    monkeypatch.setitem(FOLDERS, "photograph", tmp_path)
    for bar, begins in ((1.0, "Not sure; rather "), (0.0, "")):
        (tmp_path / "nano.json").write_text(json.dumps(told | {"sure_from": {"presence": bar}}), encoding="utf-8")
        answerer = open_answerer(ValidatorSettings(name="nano", device="cpu"))
        said = answerer.answer(photograph(), "Is there a dog in the image?")
        assert re.fullmatch(begins + r"(Yes|No) \(\d+% likely\)", said)
        assert answerer.answer(photograph(), "On which side is the man?").startswith(("Left", "Right"))


def test_texture_is_shares_and_the_guard_weighs_each() -> None:
    found = texture(photograph())
    assert len(found) == 9 * 13 + 9 + 6 + 8 + 8
    other = texture(show("000000000001.jpg"))
    for network in (load_guard().drawn, load_guard().screen):
        assert all(len(weights) == len(found) for weights in network.hidden)
        assert network.log_odds(np.stack([found, other])).tolist() == pytest.approx(
            [network.log_odds(found), network.log_odds(other)]
        )
    assert found.min() >= 0 and found.max() <= 1
    histograms = np.split(found[: 3 * 13] ** 2, 3)  # of the largest size
    assert [histogram.sum() for histogram in histograms] == pytest.approx([1, 1, 1])
    flat = texture(Image.new("RGB", (300, 200), (10, 80, 200)))
    assert set(flat.round(6)) == {0, 1}


def test_a_run_on_scenes_and_photographs_judges_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    run = datagen.run(settings, tmp_path / "run")
    photographed = {image["file_name"] for image in told["images"][::8]}
    scored = {json.loads(line)["picture"] for line in (tmp_path / "run" / "scores.jsonl").read_text().splitlines()}
    assert scored & photographed and scored - photographed
    assert "outside_domain" not in str(run.summary.rejected_by_stage)
    assert any(
        turn.validation and turn.validation.verdict == "supported"
        for sample in run.iter_samples()
        for turn in sample.turns
        if sample.image not in photographed
    )


def test_words_it_never_saw_are_refused(nano: NanoValidator) -> None:
    require_common_words(nano, "nano", ("dog", "zeppelin"))
    with pytest.raises(ValidatorError, match=r"nano knows \d+ things \(.*\), none of which the corpus annotates; use"):
        require_common_words(nano, "nano", ("zeppelin", "harpsichord"))


def test_things_it_never_saw_are_left_out_of_verdicts(tmp_path: Path) -> None:
    settings = load_settings(None, {**dump_settings(datagen.demo_settings()), "types": ["conversation"]})
    known = set(load_knowledge(FOLDERS["drawn scene"]).categories) | set(THINGS)
    asked = [
        (turn, probe)
        for sample in datagen.run(settings, tmp_path / "run").iter_samples()
        for turn in sample.turns
        if turn.validation
        for probe in turn.validation.probes or ()
    ]
    assert asked
    assert all(turn.claims[probe.claim].category in known for turn, probe in asked)


@pytest.fixture
def drawings_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> NanoValidator:
    """A package without the half for photographs."""
    monkeypatch.setitem(FOLDERS, "photograph", tmp_path / "not there")
    validator = open_validator(ValidatorSettings(name="nano", device="cpu"))
    assert isinstance(validator, NanoValidator)
    return validator


def test_without_that_half_photographs_are_refused_in_one_sentence(drawings_only: NanoValidator) -> None:
    drawn = sorted(path.name for path in DEMO.iterdir())
    drawings_only.look_over(drawn, show)
    with pytest.raises(
        ValidatorError, match=r"nano knows drawn scenes only, and 5 of 5 pictures looked at are none; use"
    ):
        drawings_only.look_over([str(n) for n in range(5)], show_either)
    drawings_only.look_over([*drawn[:3], "0", "1", "2"], show_either)
    with pytest.raises(ValidatorError, match="64 of 64 pictures"):
        drawings_only.look_over([str(n % 3) + " " * (n // 3) for n in range(128)], show_either)
    with pytest.raises(ValidatorError, match="this picture is a photograph; use another validator, such as llava"):
        open_answerer(ValidatorSettings(name="nano", device="cpu")).answer(photograph(), "Is there a dog in the image?")


def test_without_that_half_a_photograph_costs_only_itself(drawings_only: NanoValidator) -> None:
    probe = Probe(presence_question("dog"), ("Yes", "No"))
    drawn = [Look(name, (probe,)) for name in sorted(path.name for path in DEMO.iterdir())[:3]]
    found = list(drawings_only.score([drawn[0], Look("7", (probe,)), *drawn[1:]], show_either))
    (fault,) = [one for one in found if isinstance(one, Fault)]
    assert (fault.picture, fault.reason, fault.item) == ("7", OUTSIDE, None)
    assert fault.detail == "nano knows drawn scenes only, and this picture is a photograph"
    assert len(found) == 4


def test_without_that_half_the_grey_of_the_calibration_is_answered_all_the_same(drawings_only: NanoValidator) -> None:
    probe = Probe(presence_question("dog"), ("Yes", "No"))
    (score,) = drawings_only.score([Look(GREY, (probe,))], lambda _: Image.new("RGB", (300, 200), (127, 127, 127)))
    assert isinstance(score, ProbeScore) and score.picture == GREY
