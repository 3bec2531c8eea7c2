"""The lying teacher: errors in a known share of replies, the same in every process, and an account of each of them."""

import json
from pathlib import Path

import pytest
from conftest import RESULTS, same
from msgspec.structs import replace

import datagen
from datagen.config import Settings, TeacherSettings, dump_settings, load_settings
from datagen.corpus import load_corpus
from datagen.engines.local import run_local
from datagen.engines.planted_replies import PlantedTally, with_error
from datagen.engines.progress import Silence
from datagen.recipes import build_request, load_recipes
from datagen.records import Drop, Provenance, Reply, Request, Sample, Turn
from datagen.summary import PlantedFates
from datagen.teacher.template import write_reply

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
    assert not share or {"absent object", "count", "side", "relation", "colour", "scene"} <= kinds


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
