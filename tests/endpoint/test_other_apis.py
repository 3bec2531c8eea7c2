"""Answers of other APIs are known by their form, and what is none of one stays unnamed."""

import json

import pytest

from datagen.endpoint.other_apis import other_api

CHUNK = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "A "}}]}
FORMS = {
    "Responses": {"object": "response", "output": [{"type": "message", "content": [{"type": "output_text"}]}]},
    "Responses, unnamed": {"output": [{"type": "reasoning"}, {"type": "message"}]},
    "Messages": {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "A dog."}]},
    "Ollama's": {"model": "m", "message": {"role": "assistant", "content": "A dog."}, "done": True},
    "Ollama's, generate": {"model": "m", "response": "A dog.", "done": True},
    "Gemini's": {"candidates": [{"content": {"parts": [{"text": "A dog."}]}}]},
    "Cohere's": {"id": "1", "message": {"role": "assistant", "content": []}, "finish_reason": "COMPLETE"},
    "Converse": {"output": {"message": {"content": [{"text": "A dog."}]}}, "stopReason": "end_turn"},
    "completions": {"object": "text_completion", "choices": [{"text": "A dog.", "index": 0}]},
    "Text Generation Inference's": [{"generated_text": "A dog."}],
    "KoboldCpp's": {"results": [{"text": "A dog."}]},
    "llama.cpp's": {"content": "A dog.", "stop": True},
    "stream": CHUNK,
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_named(name: str) -> None:
    told = other_api(json.dumps(FORMS[name]).encode())
    assert told is not None and name.partition(",")[0] in told


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("data: " + json.dumps(CHUNK) + "\n\ndata: [DONE]\n\n", "stream"),
        ("event: message_start\ndata: {}\n", "stream"),
        ("\n".join(json.dumps({**FORMS["Ollama's"], "done": n == 2}) for n in range(3)), "Ollama's"),  # type: ignore[dict-item]
        ("\ufeff" + json.dumps(FORMS["Messages"]), "Messages"),
    ],
)
def test_the_first_line_of_a_stream_tells(content: str, word: str) -> None:
    assert word in (other_api(content.encode()) or "")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b'"text"',
        b"[" * 100_000,
        b'{"choices": null}',
        b'{"choices": [{"message": {"content": "A dog."}}]}',
        b'{"error": {"message": "no"}}',
        b'{"message": "not found"}',
        b'{"detail": "starting"}',
        b'{"content": "text"}',
        b'{"object": "list", "data": [{"embedding": "AAA="}]}',
        b"\xff\xfe",
    ],
)
def test_all_else_is_unnamed(content: bytes) -> None:
    assert other_api(content) is None
