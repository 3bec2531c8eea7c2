"""Answers in the form of another API than the one asked for: Responses, Messages, Ollama's, Gemini's or TGI's own.

A gateway or a server at the wrong path answers with status 200, a sound text and a bill, in a form that nothing here
reads. One such answer, before any other was understood, is enough to know that all will be like it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

_Body = Mapping[str, Any]


def _first(body: _Body, name: str) -> _Body:
    """The first entry of a list in an answer."""
    entries = body.get(name)
    first = entries[0] if isinstance(entries, list) and entries else None
    return first if isinstance(first, Mapping) else {}


def _is_a_part(body: _Body) -> bool:
    return str(body.get("object")).endswith(".chunk") or "delta" in _first(body, "choices")


_FORMS: tuple[tuple[str, Callable[[_Body], bool]], ...] = (
    ("a stream of pieces, which was not asked for", _is_a_part),
    ("OpenAI's Responses API", lambda body: body.get("object") == "response" or "type" in _first(body, "output")),
    ("Anthropic's Messages API", lambda body: body.get("type") == "message" and "type" in _first(body, "content")),
    ("Ollama's own API", lambda body: "done" in body and ("message" in body or "response" in body)),
    ("Gemini's own API", lambda body: "content" in _first(body, "candidates")),
    ("Cohere's own API", lambda body: "generation_id" in body or {"message", "finish_reason"} <= body.keys()),
    ("Bedrock's Converse API", lambda body: {"output", "stopReason"} <= body.keys()),
    ("the older completions API, without messages", lambda body: "text" in _first(body, "choices")),
    ("Text Generation Inference's own API", lambda body: "generated_text" in body),
    ("KoboldCpp's own API", lambda body: "text" in _first(body, "results")),
    ("llama.cpp's own API", lambda body: isinstance(body.get("content"), str) and "stop" in body),
)  # fmt: skip


def other_api(content: bytes) -> str | None:
    """Name the API in whose form an answer is; None for all that is no answer of one.

    Args:
        content: JSON, several lines of it, or server-sent events; of these the first counts.
    """
    lines = content[:1_000_000].lstrip(b"\xef\xbb\xbf \r\n\t").splitlines()
    is_stream = bool(lines) and lines[0].startswith((b"data:", b"event:", b"id:"))
    for text in (content, lines[0] if lines else b""):
        try:
            body: Any = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        body = body[0] if isinstance(body, list) and body else body
        if isinstance(body, Mapping):
            return next((name for name, fits in _FORMS if fits(body)), None)
    return _FORMS[0][0] if is_stream else None
