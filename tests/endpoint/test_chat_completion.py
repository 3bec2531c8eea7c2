"""A request's JSON: whole when its pieces are joined, and held once where requests begin alike."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from datagen.endpoint.chat_completion import encode_request, first_choice, read_usage, request_fields, text_or_fault
from datagen.endpoint.error_translation import RecordError
from datagen.finish_reason import end_of
from datagen.records import AnnotatedImage, Message, Request, Usage

CONSTANT = (Message("system", 'Be "brief".'), Message("user", "a\nb"), Message("assistant", "Ünï"))


def pieces(*messages: Message, model: str = "m", reply_format: str = "json") -> tuple[bytes, bytes]:
    image = AnnotatedImage("1", "1.jpg", 1, 1)
    request = Request("d", image, "t", "r", messages, 0.7, 10, reply_format)  # type: ignore[arg-type]
    return encode_request(request_fields(model, request, ()))


@pytest.mark.parametrize("constant", [(), CONSTANT])
def test_the_pieces_together_are_the_request(constant: tuple[Message, ...]) -> None:
    sent = json.loads(b"".join(pieces(*constant, Message("user", "c"))))
    assert [(m["role"], m["content"]) for m in sent["messages"]] == [
        *((m.role, m.content) for m in constant),
        ("user", "c"),
    ]
    assert (sent["model"], sent["max_tokens"], sent["temperature"]) == ("m", 10, 0.7)
    assert sent["response_format"]["type"] == "json_schema"


def test_requests_that_begin_alike_share_their_first_piece() -> None:
    first, second = pieces(*CONSTANT, Message("user", "c")), pieces(*CONSTANT, Message("user", "d"))
    assert first[0] is second[0] and first[1] != second[1]
    assert pieces(*CONSTANT, Message("user", "c"), model="n")[0] != first[0]


@pytest.mark.parametrize("system_role", [True, False])
@pytest.mark.parametrize("n_after", [0, 2])
def test_the_picture_stands_behind_its_own_message(n_after: int, system_role: bool) -> None:
    said = (Message("system", "s"), Message("user", "a"), Message("assistant", "b"), Message("user", "c"))[
        : n_after + 2
    ]
    request = Request("d", AnnotatedImage("1", "1.jpg", 1, 1), "t", "r", said, 0.7, 10, "text")
    shown = replace(request, picture_url="data:,", image_detail="low", n_after_picture=n_after, system_role=system_role)
    sent = json.loads(b"".join(encode_request(request_fields("m", shown, ()))))["messages"]
    text, picture = sent.pop(-1 - n_after)["content"]
    assert text["text"].endswith("a") and picture == {
        "type": "image_url",
        "image_url": {"url": "data:,", "detail": "low"},
    }
    assert [one["content"] for one in sent] == [*["s"] * system_role, *["b", "c"][:n_after]]


def test_half_a_surrogate_pair_is_refused_wherever_it_stands() -> None:
    for messages in ((Message("user", "\ud800"),), (Message("system", "\ud800"), Message("user", "a"))):
        with pytest.raises(UnicodeEncodeError):
            pieces(*messages)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ('{"error": "overloaded"}', "error_text"),
        ("<html>502 Bad Gateway</html>", "error_text"),
        ("It was blocked by our content filters, as it violates the terms of use.", "content_filter"),
        (" ", "empty_reply"),
    ],
)
def test_what_is_no_answer_has_its_code(content: str, code: str) -> None:
    choice, _ = first_choice(json.dumps({"choices": [{"message": {"content": content}}]}).encode())
    assert choice is not None
    with pytest.raises(RecordError) as caught:
        text_or_fault(choice, None, str)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "answer",
    [
        {"object": "response", "output": [], "usage": {"input_tokens": 9, "output_tokens": 4}},
        {"candidates": [], "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 4}},
        {"choices": None, "usage": {"prompt_tokens": 9, "completion_tokens": 4}},
    ],
)
def test_what_makes_no_sense_may_be_billed(answer: object) -> None:
    assert first_choice(json.dumps(answer).encode()) == (None, Usage(9, 0, 4))


def fields_of(**changes: object) -> dict[str, object]:
    image, messages = AnnotatedImage("1", "1.jpg", 1, 1), (Message("system", "Be brief."), Message("user", "a"))
    request = Request("d", image, "t", "r", messages, 0.7, 10, "text")
    sent = json.loads(b"".join(encode_request(request_fields("m", replace(request, **changes), ()))))
    assert isinstance(sent, dict)
    return sent


def test_what_is_left_out_is_not_sent_and_further_fields_are() -> None:
    assert fields_of().keys() == {"model", "messages", "max_tokens", "temperature"}
    assert fields_of(temperature=None, sends_max_tokens=False).keys() == {"model", "messages"}
    sent = fields_of(more={"top_p": 0.9, "top_k": 20, "chat_template_kwargs": {"enable_thinking": False}})
    assert (sent["top_p"], sent["top_k"], sent["chat_template_kwargs"]) == (0.9, 20, {"enable_thinking": False})


def test_a_model_without_a_system_role_hears_it_from_the_user() -> None:
    assert fields_of(system_role=False)["messages"] == [{"role": "user", "content": "Be brief.\n\na"}]


@pytest.mark.parametrize(
    "beside",
    [
        {"error": {"message": "Internal error mid generation", "code": 500}},
        {"error": "upstream gone"},
        {"choices": {"error": {"code": 502, "message": "provider"}}},
        {"choices": {"native_finish_reason": "MAX_TOKENS"}},
        {"choices": {"native_finish_reason": "SAFETY"}},
    ],
)
def test_an_answer_with_an_error_beside_it_is_not_whole(beside: dict[str, Any]) -> None:
    told = {"message": {"content": "A dog runs."}, "finish_reason": "stop", **beside.get("choices", {})}
    choice, _ = first_choice(json.dumps({**beside, "choices": [told]}).encode())
    assert choice is not None
    if choice.error:
        with pytest.raises(RecordError) as caught:
            text_or_fault(choice, None, str)
        assert caught.value.code == "cut_short"
    else:
        assert end_of(choice.finish_reason) != "whole"


@pytest.mark.parametrize("native", ["STOP", "end_turn", "a word of its own", None, 3])
def test_a_models_own_word_for_a_good_end_changes_nothing(native: object) -> None:
    told = {"message": {"content": "A dog runs."}, "finish_reason": "stop", "native_finish_reason": native}
    choice, _ = first_choice(json.dumps({"choices": [told], "error": None}).encode())
    assert choice is not None
    assert choice.finish_reason == "stop" and text_or_fault(choice, None, str) == "A dog runs."


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 4}, Usage(10, 0, 4)),
        ({"prompt_tokens": True, "completion_tokens": True}, Usage()),
        ({"prompt_tokens": 1e300, "completion_tokens": 40.5}, Usage()),
        ({"prompt_tokens": 10, "completion_tokens": "4"}, Usage()),
        (
            {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 99}},
            Usage(10, 0, 4),
        ),
        ({"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 9}}, Usage(10, 9, 4)),
        ({"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 20}, Usage(10, 0, 10)),
        (None, Usage()),
        ([], Usage()),
    ],
)
def test_an_impossible_number_is_none(usage: object, expected: Usage) -> None:
    assert read_usage(usage) == expected
