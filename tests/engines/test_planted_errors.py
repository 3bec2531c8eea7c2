"""The lying teacher: errors in a known share of replies, the same in every process, and an account of each of them."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import RESULTS, same
from msgspec.structs import replace

import datagen
from datagen.config import Settings, TeacherSettings, dump_settings, load_settings
from datagen.corpus import Corpus, load_corpus
from datagen.engines.local import run_local
from datagen.engines.planted_errors import Examiner, PlantedTally, with_error
from datagen.engines.progress import Silence
from datagen.recipes import build_request, load_recipes
from datagen.records import AnnotatedImage, Box, Claim, Drop, Provenance, Reply, Request, Sample, Turn
from datagen.summary import PlantedFates
from datagen.teacher.template import write_reply
from datagen.validator.calibration import Measured, _weights
from datagen.validator.planting import OTHER_IMAGE, Frequencies, changed_words, is_clean
from datagen.validator.protocol import Abilities

TURNS = tuple(Turn(f"Question {n}?", f"Answer {n}.") for n in (1, 2, 3))


def without_validator(share: float, **changes: object) -> Settings:
    settings = replace(datagen.demo_settings(), teacher=TeacherSettings(planted_errors=share), **changes)
    return replace(settings, validator=replace(settings.validator, name="none"))


def requests(settings: Settings) -> list[Request]:
    images, recipes = load_corpus(settings.corpus).images, load_recipes(settings)
    made = (build_request(recipe, image, settings) for image in images for recipe in recipes)
    return [request for request in made if request is not None]


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_the_share_of_replies_that_lie_is_the_one_asked_for(share: float) -> None:
    settings = without_validator(share)
    categories = load_corpus(settings.corpus).categories
    asked = requests(settings)
    honest = [write_reply(request, settings.rng_seed) for request in asked]
    told = [with_error(reply, request, settings, categories) for reply, request in zip(honest, asked, strict=True)]
    lies = [one for one, before in zip(told, honest, strict=True) if one.text != before.text]
    assert [one for one in told if one.detail] == lies
    assert abs(len(lies) / len(asked) - share) < 0.1
    kinds = {one.detail.rpartition(" in ")[0].removeprefix("planted ") for one in lies if one.detail}
    lacking = {"absent object", "count", "side", "relation", "colour", "scene"} - kinds
    assert not share or len(lacking) <= (share < 1)  # a fifth, 19 of 96 replies, may miss a rare kind


def test_a_share_is_part_of_what_is_asked_and_none_changes_nothing() -> None:
    honest, lying = without_validator(0.0), without_validator(0.2)
    assert {request.digest for request in requests(honest)}.isdisjoint(request.digest for request in requests(lying))


def test_one_process_and_two_tell_the_same_lies(tmp_path: Path) -> None:
    for workers in (1, 2):
        run_local(without_validator(0.3, workers=workers), tmp_path / str(workers), Silence())
    same(tmp_path / "1", tmp_path / "2", *RESULTS)


def test_what_became_of_each_is_told_and_most_are_caught(tmp_path: Path) -> None:
    outcome = run_local(without_validator(0.3), tmp_path, Silence())
    assert isinstance(outcome.summary.planted, dict)
    fates = outcome.summary.planted.values()
    n_planted = sum(
        "planted " in (json.loads(line)["detail"] or "")
        for line in (tmp_path / "replies.jsonl").read_text().splitlines()
    )
    assert sum(one.planted for one in fates) == n_planted > 20
    for one in fates:
        assert one.planted == one.by_annotations + one.by_validator + one.beside + one.missed
    assert sum(one.by_annotations for one in fates) > 0.7 * n_planted
    assert not any(one.by_validator for one in fates)
    told = f"{n_planted} errors were planted into the teacher's replies"
    assert told in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_a_run_without_planted_errors_does_not_speak_of_them(tmp_path: Path) -> None:
    run_local(without_validator(0.0), tmp_path, Silence())
    assert "planted" not in (tmp_path / "summary.json").read_text()
    assert "planted" not in (tmp_path / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("n_kept", "stage", "fate"),
    [
        (3, None, "missed"),
        (2, None, "missed"),
        (1, "checks", "by_annotations"),
        (1, "validate", "by_validator"),
        (1, "dedup", "beside"),
        (0, "checks", "beside"),
    ],
)
def test_only_a_cut_at_the_error_catches_it(n_kept: int, stage: str | None, fate: str) -> None:
    drop = None if stage is None else Drop(stage, "fault", "found")  # type: ignore[arg-type]
    sample = Sample(
        "1-talk", "1", "1.jpg", "talk", TURNS[: n_kept or 3], "accepted", Provenance("template", "", "d", "")
    )
    if drop is not None and n_kept:
        sample = replace(sample, cuts=(drop,))
    elif drop is not None:
        sample = replace(sample, status="rejected", stage=drop.stage, reason=drop.reason, detail=drop.detail)
    tally = PlantedTally([Reply("d", "1", "talk", "template", "...", detail="planted absent object in answer 2")])
    assert list(tally.watch([sample])) == [sample]
    assert tally.fates == {"absent object": PlantedFates(planted=1, **{fate: 1})}


def test_only_the_embedded_teacher_is_made_to_lie() -> None:
    plain = dump_settings(datagen.demo_settings())
    assert plain["teacher"]["planted_errors"] > 0
    assert load_settings(None, {**plain, "teacher.name": "gpt-4o-mini"}).teacher.planted_errors == 0


KITCHEN, STREET = ("cup", "fork", "knife", "spoon", "bowl", "oven"), ("car", "bus", "truck", "bicycle", "dog", "bench")
NAMES = (*KITCHEN, *STREET)


class Sees:
    abilities = Abilities()


def box(name: str, at: float) -> Box:
    return Box(name, (at, 0.1, at + 0.08, 0.3), 0.02)


def drawn(n_images: int, seed: int = 0) -> list[AnnotatedImage]:
    """Kitchens and streets: things of one kind stand together, some twice to five times."""
    rng = random.Random(seed)
    images = []
    for n in range(n_images):
        names = rng.sample(rng.choice((KITCHEN, STREET)), rng.randint(2, 4))
        counts = [rng.choice((1, 1, 2, 2, 2, 3, 3, 4, 5)) for _ in names]
        boxes = [
            box(name, k / 20) for k, name in enumerate(n for n, c in zip(names, counts, strict=True) for _ in range(c))
        ]
        images.append(AnnotatedImage(str(n), f"{n}.jpg", 640, 480, (), tuple(boxes)))
    return images


def corpus_of(images: list[AnnotatedImage]) -> Corpus:
    return Corpus(images, categories=NAMES)


def examiner(images: list[AnnotatedImage], **told: object) -> Examiner:
    settings = load_settings(None, {"validator.calibration_images": 400, **told})
    return Examiner(corpus_of(images), lambda image: None, (Sees(),), settings)  # type: ignore[arg-type]


def turns_about(image: AnnotatedImage) -> list[Turn]:
    from datagen.claims import judge_turns
    from datagen.lexicon import counted

    many = Counter(one.category for one in image.boxes)
    said = tuple(
        Turn("What is there?", f"There {'is' if n == 1 else 'are'} {counted(name, n)}.") for name, n in many.items()
    )
    return list(judge_turns(said, image, NAMES, Settings().checks))


def auroc(clean: list[float], wrong: list[float]) -> float:
    right, false = np.array(clean), np.array(wrong)[:, None]
    return float(((false > right) + 0.5 * (false == right)).mean())


def claims_of(turn: Turn) -> set[tuple[str, int | None]]:
    return {(one.category, one.number) for one in turn.claims if one.kind == "count"}


def test_company_and_words_alone_tell_little() -> None:
    """An absent thing is as likely beside the rest as what it replaces; weighed, no planted word is suspicious."""
    images = drawn(300)
    tries, frequent = examiner(images), Frequencies(images, NAMES)
    swaps: dict[str, list[tuple[str, str]]] = {"count": [], "absent object": []}
    company: tuple[list[float], list[float], list[float]] = ([], [], [])
    for image in images:
        trial = tries.trial(image.image_id)
        assert trial is not None
        for turn in filter(is_clean, turns_about(image)):
            for kind, wrong in tries.plant(trial, image.image_id, turn):
                if kind == "absent object":
                    before, after = claims_of(turn), claims_of(wrong)
                    ((name, _),), ((other, _),) = before - after, after - before
                    for held, said in zip(company, (name, other, tries_uniformly(trial.absent)), strict=True):
                        held.append(frequent.likelihood(said, trial.shown | {name}))
                swaps[kind].append(changed_words(turn.answer, wrong.answer))
    assert len(swaps["count"]) > 100 and len(company[1]) > 300
    assert auroc(company[2], company[0]) > 0.75  # drawn from all that is absent, company would tell
    assert auroc(company[1], company[0]) < 0.6
    for kind, made in swaps.items():
        weights = _weights([Measured(f"{n}", {}, (), kind, swap=swap) for n, swap in enumerate(made)])
        truly = Counter(before for before, _ in made)
        for word in {after for _, after in made}:
            planted = sum(w for w, (_, after) in zip(weights, made, strict=True) if after == word)
            assert planted / weights.sum() == pytest.approx(truly[word] / truly.total(), rel=0.15), word


_ANY = random.Random(1)


def tries_uniformly(absent: tuple[str, ...]) -> str:
    return _ANY.choice(absent)


def test_every_picture_stands_in_for_one_other() -> None:
    """So that a picture by itself does not tell whether it is the answers' own."""
    images = drawn(60)
    tries = examiner(images)
    others = [trial.other for image in images if (trial := tries.trial(image.image_id)) is not None]
    assert sorted(map(str, others)) == sorted(image.file_name for image in images)
    shown = {image.file_name: {one.category for one in image.boxes} for image in images}
    shared = [len(shown[image.file_name] & shown[str(other)]) for image, other in zip(images, others, strict=True)]
    assert all(image.file_name != other for image, other in zip(images, others, strict=True))
    assert np.mean(shared) < 0.4


def test_one_picture_alone_has_no_other() -> None:
    (image,) = drawn(1)
    trial = examiner([image]).trial("0")
    assert trial is not None and trial.other is None


def test_errors_are_planted_in_turns_that_the_annotations_bear_out() -> None:
    def claim(verdict: str) -> Claim:
        return Claim("presence", "dog", 0, 3, verdict, "")  # type: ignore[arg-type]

    assert is_clean(Turn("?", "A dog.", (claim("supported_by_boxes"), claim("supported_by_both"))))
    assert not is_clean(Turn("?", "A dog.", (claim("supported_by_boxes"), claim("unknown"))))
    assert not is_clean(Turn("?", "A dog.", (claim("contradicted"),)))
    assert not is_clean(Turn("?", "Lovely."))


def test_nothing_is_planted_as_absent_that_nobody_looked_for() -> None:
    """LVIS says for each image which categories were looked for and not found; others may be there without a box."""
    images = [replace(image, absent=(NAMES[n % len(NAMES)],), unfinished=()) for n, image in enumerate(drawn(40))]
    asked = examiner(images)
    trials = [asked.trial(image.image_id) for image in images]
    assert all(set(trial.absent) <= set(trial.image.absent or ()) for trial in trials if trial is not None)
    assert any(trial.absent for trial in trials if trial is not None)
    many = examiner(drawn(40), **{"checks.exhaustive": "no"})
    assert not any(trial.absent for image in images if (trial := many.trial(image.image_id)) is not None)


@pytest.mark.parametrize("absent", [(), ("zebra",)])
def test_a_teacher_that_lies_names_only_what_was_looked_for(absent: tuple[str, ...]) -> None:
    settings = without_validator(1.0)
    categories = load_corpus(settings.corpus).categories
    names: set[str] = set()
    for request in requests(settings):
        told = replace(request, image=replace(request.image, absent=absent, unfinished=()))
        before = write_reply(request, settings.rng_seed)
        after = with_error(before, told, settings, (*categories, "zebra"))
        names |= {name for name in (*categories, "zebra") if name in after.text and name not in before.text}
    assert names <= set(absent)


def test_the_same_errors_are_planted_whoever_asks() -> None:
    """A merge knows which pictures its shards chose, and plants what they planted."""
    images = drawn(20)
    first = examiner(images)
    wanted = {image.image_id: first.trial(image.image_id) for image in images}
    again = Examiner(corpus_of(images), lambda image: None, (Sees(),), load_settings(None, {}), first.others)  # type: ignore[arg-type]
    assert {image.image_id: again.trial(image.image_id) for image in images} == wanted
    turn, trial = turns_about(images[0])[0], wanted["0"]
    assert trial is not None
    assert first.plant(trial, "0-x", turn) == again.plant(trial, "0-x", turn)


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("There are three dogs.", "There are four dogs.", ("three", "four")),
        ("A dog sits by the door.", "An elephant sits by the door.", ("dog", "elephant")),
        ("I see a hot dog.", "I see a pair of scissors.", ("hot dog", "scissors")),
        ("It is in the upper left part.", "It is in the lower right part.", ("upper left", "lower right")),
        ("One cup.", "One cup.", ("", "")),
    ],
)
def test_changed_words(before: str, after: str, changed: tuple[str, str]) -> None:
    assert changed_words(before, after) == changed


def test_the_trial_takes_part_in_a_run(tmp_path: Path) -> None:
    run = datagen.run({**_plain(), "types": ["conversation"], "validator.name": "nano"}, tmp_path / "run")
    planted = set(run.calibration_set().planted)
    assert {"sound", "count", "absent object", "side", OTHER_IMAGE.name} <= planted


def _plain() -> dict[str, object]:
    from datagen.config import dump_settings

    plain = dump_settings(datagen.demo_settings())
    return {name: value for name, value in plain.items() if name != "validator"}


def test_the_nearest_things_do_not_depend_on_the_order_of_a_set() -> None:
    names = tuple(f"thing {n}" for n in range(12))
    rows = [[n for n in range(12) if (7 * at + n * n) % 5 < 2] for at in range(40)]
    images = [
        AnnotatedImage(str(at), f"{at}.jpg", 9, 9, (), tuple(Box(names[n], (0, 0, 1, 1), 1.0) for n in row))
        for at, row in enumerate(rows)
    ]
    frequent = Frequencies(images, names)
    orders = [names[:7], names[6::-1], (*names[3:7], *names[:3])]
    assert len({frequent.likelihood("thing 9", order) for order in orders}) == 1
