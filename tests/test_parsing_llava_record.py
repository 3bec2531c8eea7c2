"""Imported records: words stay as they are, and a conversation ends before its first fault."""

from __future__ import annotations

import json

import pytest

from datagen.parsing import parse_reply
from datagen.parsing.cleaning import Parsed
from datagen.records import Turn


def read(*messages: object) -> Parsed:
    return parse_reply(json.dumps({"id": "1", "image": "a.jpg", "conversations": list(messages)}), "llava", None)


def human(value: object) -> dict[str, object]:
    return {"from": "human", "value": value}


def gpt(value: object) -> dict[str, object]:
    return {"from": "gpt", "value": value}


def test_turns_are_taken_at_their_word() -> None:
    parsed = read(
        human("<image>\nWhat?"), gpt("<think>A</think> **dog**\n\n```x```"), human("Q: where?"), gpt(" Left. ")
    )
    assert parsed == Parsed((Turn("What?", "<think>A</think> **dog**\n\n```x```"), Turn("Q: where?", "Left.")), None)
    assert read(human("What?\n<image>"), gpt("A dog.")).turns == (Turn("What?", "A dog."),)


@pytest.mark.parametrize(
    ("asked", "question"),
    [
        ("What do you see in <image> here?", "What do you see in the image here?"),
        ("What is in <image>?", "What is in the image?"),
        ("Compare this with <image>, please.", "Compare this with the image, please."),
        ("Describe this image <image>.", "Describe this image ."),
        ("Look: <image> What is this?", "Look:  What is this?"),
        ("Describe <image>", "Describe"),
        ("<image> what is this?", "what is this?"),
        ("What is this? <image>", "What is this?"),
        ("What is this\n<image>\nhere?", "What is this\n\nhere?"),
    ],
)
def test_an_image_token_inside_a_sentence_is_a_noun(asked: str, question: str) -> None:
    assert read(human(asked), gpt("A dog.")).turns == (Turn(question, "A dog."),)


@pytest.mark.parametrize(
    ("messages", "n_turns", "reason"),
    [
        ((), 0, "no_conversations"),
        ((human("What?"), gpt("A dog.")), 0, "no_image_token"),
        ((human("<image>"), gpt("A dog.")), 0, "empty_turn"),
        ((human("<image>Who?"), gpt("  ")), 0, "empty_turn"),
        ((gpt("A dog."), human("<image>Who?")), 0, "answer_without_question"),
        ((human("<image>Who?"), human("What?"), gpt("A dog.")), 0, "question_without_answer"),
        ((human("<image>Who?"),), 0, "question_without_answer"),
        (({"from": "system", "value": "Be good."}, human("<image>Who?"), gpt("A")), 0, "unknown_role"),
        ((human("<image>Who?"), gpt(None)), 0, "not_text"),
        ((human("<image>Who?"), "A dog."), 0, "unknown_role"),
        ((human("<image>Who?"), gpt("A dog."), human("Why?")), 1, "question_without_answer"),
        ((human("<image>Who?"), gpt("A dog."), gpt("Yes.")), 1, "answer_without_question"),
        ((human("<image>Who?"), gpt("A dog."), human("Why?"), {"from": "bing", "value": "So."}), 1, "unknown_role"),
    ],
)
def test_a_conversation_ends_before_its_first_fault(messages: tuple[object, ...], n_turns: int, reason: str) -> None:
    parsed = read(*messages)
    assert len(parsed.turns) == n_turns
    assert parsed.drop is not None
    assert (parsed.drop.stage, parsed.drop.reason) == ("parse", reason)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"conversations": 5}', "[" * 100_000])
def test_any_stored_text_is_survived(text: str) -> None:
    parsed = parse_reply(text, "llava", None)
    assert not parsed.turns and parsed.drop is not None


def test_half_of_a_surrogate_pair_is_mended() -> None:
    parsed = read(human("<image>Who?"), gpt("A \ud83d dog."))
    parsed.turns[0].answer.encode()
