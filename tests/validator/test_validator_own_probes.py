"""A user's own questions about claims, and VQAScore's statement among them."""

from pathlib import Path

import pytest

import datagen
from datagen.claims import judge_turns
from datagen.config import ChecksSettings, dump_settings, load_settings
from datagen.errors import SettingsError
from datagen.pipeline import late_settings_digest
from datagen.records import AnnotatedImage, Turn
from datagen.validator.measures import MEASURES, columns_of, inquire
from datagen.validator.own_probes import templates_of
from datagen.validator.protocol import Abilities

IMAGE = AnnotatedImage("1", "1.jpg", 100, 100, captions=("A brown dog is sleeping.",))


def questions(answer: str, probes: dict[str, str], abilities: Abilities | None = None) -> list[str]:
    (turn,) = judge_turns((Turn("What is shown?", answer),), IMAGE, ("dog", "cat"), ChecksSettings())
    asked = inquire(turn, abilities or Abilities(), templates_of(probes))
    return [probed.probe.question for _, probed in asked.probes if probed.measure.startswith("asked ")]


def test_a_statement_holds_the_sentence_that_claims() -> None:
    said = "So it goes. The brown dog is sleeping on a bed! All is well."
    asked = questions(said, {"action": "statement", "attribute": "statement"})
    assert set(asked) == {'Does this picture show "The brown dog is sleeping on a bed!"?'} and len(asked) == 2
    assert questions("The dog is brown.", {"attribute": "statement"}) == ['Does this picture show "The dog is brown"?']
    assert questions("The dog is brown.", {}) == []


def test_templates_of_ones_own_are_filled_in() -> None:
    assert questions("The dog is brown.", {"attribute": "Would you call the {thing} {value}?"}) == [
        "Would you call the dog brown?"
    ]
    assert questions("The dog is brown.", {"presence": "Is {value} there?"}) == []  # a presence has no value


def test_yes_agrees_and_the_error_is_that_of_the_kind() -> None:
    (turn,) = judge_turns((Turn("?", "The dog is brown."),), IMAGE, ("dog",), ChecksSettings())
    (own,) = [
        one for _, one in inquire(turn, Abilities(), templates_of({"attribute": "statement"})).probes
        if one.measure == "asked attribute"
    ]  # fmt: skip
    assert own.agrees == (0,) and own.error is not None and own.error.name == "colour"


def test_only_whoever_takes_any_question_is_asked() -> None:
    told = {"attribute": "statement"}
    assert not questions("The dog is brown.", told, Abilities(probes=frozenset({"presence"})))
    assert not questions("The dog is brown.", told, Abilities(categories=frozenset({"dog"})))
    assert questions("The dog is brown.", told, Abilities(texts=False, blanks=False))


def test_their_numbers_are_columns_of_their_own() -> None:
    assert columns_of([{"presence": 1.0}]) == MEASURES
    assert columns_of([{"presence": 1.0, "asked action": 2.0}]) == (*MEASURES, "asked action")
    assert columns_of([{"a: presence": 1.0, "b: count": 2.0}]) == ("a: presence", "b: count")


@pytest.mark.parametrize(
    ("probes", "told"),
    [
        ({"hue": "statement"}, "'hue' is no kind of claim; expected one of count, presence"),
        ({"action": "Is it so?"}, "holds none of the fields {sentence}, {claim}"),
        ({"action": "Is {thing.real} so?"}, "holds {thing.real}, expected a field of"),
        ({"action": "Is {sentence:>1000000000} so?"}, "holds {sentence:>1000000000}, expected a field of"),
        ({"action": "Is {sentence:{thing}} so?"}, "holds {sentence:{thing}}, expected a field of"),
        ({"action": "Is {sentence!r} so?"}, "holds {sentence!r}, expected a field of"),
        ({"action": "Is {thing so?"}, "holds {}, expected a field of"),
    ],
)
def test_what_cannot_be_asked_is_refused(probes: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=told.replace("{", r"\{").replace("}", r"\}")):
        templates_of(probes)


def test_a_file_stands_for_what_it_holds(tmp_path: Path) -> None:
    file = tmp_path / "questions.yaml"
    file.write_text('action: "Is the {thing} {value}?"\nattribute: statement\n')
    plain = dump_settings(datagen.demo_settings())
    settings = load_settings(None, {**plain, "validator.probes": str(file)})
    assert settings.validator.probes == {"action": "Is the {thing} {value}?", "attribute": "statement"}
    without = load_settings(None, plain)
    assert late_settings_digest(settings) != late_settings_digest(without)
    with pytest.raises(SettingsError, match=r"validator\.probes takes a mapping"):
        load_settings(None, {**plain, "validator.probes": ["statement"]})
