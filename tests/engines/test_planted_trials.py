"""Which images errors are planted on, and that words alone tell little of what was planted."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import datagen
from datagen.config import Settings, load_settings
from datagen.corpus import Corpus
from datagen.engines.planted_trials import Examiner
from datagen.records import AnnotatedImage, Box, Claim, Turn
from datagen.validator.calibration import Measured, _weights
from datagen.validator.planting import OTHER_IMAGE, Frequencies, changed_words, is_clean
from datagen.validator.protocol import Abilities

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
    return Examiner(corpus_of(images), lambda image: None, Sees(), settings)  # type: ignore[arg-type]


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


def test_the_same_errors_are_planted_whoever_asks() -> None:
    """A merge knows which pictures its shards chose, and plants what they planted."""
    images = drawn(20)
    first = examiner(images)
    wanted = {image.image_id: first.trial(image.image_id) for image in images}
    again = Examiner(corpus_of(images), lambda image: None, Sees(), load_settings(None, {}), first.others)  # type: ignore[arg-type]
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
