"""What a call remembers over its tries."""

import pytest

from datagen.endpoint.call import MAX_SHOWN_BYTES, Call, billed_choice, garbled
from datagen.endpoint.error_translation import PassingError
from datagen.engines.question_vectors import VectorCall
from datagen.records import Usage


def test_tokens_of_every_billed_try_are_added_up() -> None:
    call = VectorCall("m", ["Is there a dog?"])
    call.bill(Usage(5, 1, 2))
    call.bill(Usage(7, 0, 3))
    assert (call.n_billed, call.usage, call.latest) == (2, Usage(12, 1, 5), Usage(7, 0, 3))


def test_a_call_without_all_its_parts_is_no_call() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Call()  # type: ignore[abstract]


def test_an_answer_that_is_none_is_shown_in_part() -> None:
    shown: list[str] = []

    def show(text: str) -> str:
        shown.append(text)
        return text[:10]

    fault = garbled(b"<html>\xff" + 5000 * b"x", "a chat completion", show)
    assert str(fault) == "garbled: expected a chat completion, got: <html>�xxx"
    assert len(shown[0]) == MAX_SHOWN_BYTES
    assert str(garbled(b"", "a word", show)).endswith("got: nothing")


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b'{"choices": [{"message"', "got a text that breaks off after 23 bytes: {"),
        ('{"choices": "Caf\u00e9"}'.encode("latin-1"), "got bytes that are not UTF-8 (at byte 16): {"),
        (b'[{"a": "\xf0\x9f"', "got"),  # cut within a letter, or in another encoding
        (b'{"answer": "A dog."}', "got: {"),
        (b"data: {", "got: data: {"),
        (b"[" * 100_000, "got"),
        (b"{'choices': 1}", "got: {'"),
    ],
)
def test_what_is_wrong_behind_a_sound_beginning_is_told(content: bytes, got: str) -> None:
    assert f"garbled: expected a chat completion, {got}" in str(garbled(content, "a chat completion", str))


def test_an_answer_with_a_spoilt_byte_is_billed() -> None:
    call = VectorCall("m", ["Is there a dog?"])
    content = (
        b'{"choices": [{"message": {"content": "caf\xe9"}}], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}'
    )
    with pytest.raises(PassingError, match="bytes that are not UTF-8"):
        billed_choice(call, content, str)
    assert (call.n_billed, call.made_sense, call.usage) == (1, False, Usage(5, 0, 2))
