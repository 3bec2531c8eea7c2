"""Each rule of a loader finds the row that breaks it, and no other."""

from typing import Any

import pytest

from datagen.export import LeftOut, record_fault


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
