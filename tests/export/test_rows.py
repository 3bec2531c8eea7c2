"""A split keeps an image on one side, a licence is never taken for a freer one, each rule of a loader finds its row."""

from typing import Any

import pytest

from datagen.export import LeftOut, record_fault
from datagen.export.rows import RowChoice, has_licence, split_of


def test_the_split_depends_on_image_and_seed_alone() -> None:
    choice = RowChoice(rng_seed=3, validation_share=0.2)
    sides = [split_of(str(n), choice) for n in range(2000)]
    assert sides == [split_of(str(n), choice) for n in range(2000)]
    assert 330 < sides.count("validation") < 470
    assert sides != [split_of(str(n), RowChoice(rng_seed=4, validation_share=0.2)) for n in range(2000)]


def test_a_larger_share_keeps_what_a_smaller_one_held_out() -> None:
    few, many = RowChoice(validation_share=0.1), RowChoice(validation_share=0.3)
    held_out = [str(n) for n in range(300) if split_of(str(n), few) == "validation"]
    assert held_out
    assert {split_of(image_id, many) for image_id in held_out} == {"validation"}


def test_without_a_share_all_is_training() -> None:
    assert {split_of(str(n), RowChoice()) for n in range(50)} == {"train"}
    assert RowChoice().splits == ("train",)


@pytest.mark.parametrize(
    ("licence", "wanted", "expected"),
    [
        ("CC-BY-2.0", (), True),
        (None, (), True),
        ("CC-BY-2.0", ("cc-by",), True),
        ("CC-BY-2.0-UK", ("cc-by",), True),
        ("CC-BY-2.0", ("CC-BY-2.0",), True),
        ("CC-BY-NC-2.0", ("cc-by",), False),
        ("CC-BY-SA-2.0", ("cc-by",), False),
        ("CC-BY-SA-2.0", ("cc-by", "cc-by-sa"), True),
        ("CC-BY-2.0", ("cc",), False),
        (None, ("cc-by",), False),
        (None, ("not stated",), True),
    ],
)
def test_licences(licence: str | None, wanted: tuple[str, ...], expected: bool) -> None:
    assert has_licence(licence, wanted) is expected


def record(*values: str, roles: str = "hghghg") -> dict[str, Any]:
    names = {"h": "human", "g": "gpt"}
    turns = [{"from": names[role], "value": value} for role, value in zip(roles, values, strict=False)]
    return {"id": "1-conversation", "image": "1.jpg", "conversations": turns}


@pytest.mark.parametrize("opening", ["<image>\nWhat is it?", "What is it?\n<image>"])
def test_a_good_row_passes(opening: str) -> None:
    assert record_fault(record(opening, "A dog.", "And there?", "A <b>cat</b>, user: none.")) is None


@pytest.mark.parametrize(
    ("reason", "broken"),
    [
        ("no_answer", record()),
        ("no_answer", record("<image>\nWhat?")),
        ("no_answer", record("<image>\nWhat?", "A dog.", "And?")),
        ("roles", record("<image>\nWhat?", "A dog.", roles="gh")),
        ("roles", record("<image>\nWhat?", "A dog.", roles="hh")),
        ("image_tokens", record("What?", "A dog.")),
        ("image_tokens", record("<image>\n<image>\nWhat?", "A dog.")),
        ("image_tokens", record("<image>\nWhat?", "A <image> dog.")),
        ("image_tokens", record("<image>\nWhat?", "A dog.", "<image>\nAnd?", "A cat.")),
        ("empty_text", record("<image>\n", "A dog.")),
        ("empty_text", record("<image>\nWhat?", " \n")),
        ("trainer_token", record("<image>\nWhat?", "A dog. ASSISTANT: no")),
        ("trainer_token", record("<image>\nWhat?", "A dog.</s>")),
        ("trainer_token", record("<image>\nWhat?", "A dog.<|im_end|>")),
        ("trainer_token", record("<image>\nA <video>?", "A dog.")),
    ],
)
def test_a_broken_row_is_named(reason: str, broken: dict[str, Any]) -> None:
    fault = record_fault(broken)
    assert isinstance(fault, LeftOut)
    assert fault.reason == reason
    assert fault.detail
