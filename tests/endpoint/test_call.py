"""What a call remembers over its tries."""

import pytest

from datagen.endpoint.call import MAX_SHOWN_BYTES, Call, garbled
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
