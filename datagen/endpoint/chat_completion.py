"""A chat completion as it crosses the wire: a request becomes its JSON, an answer's JSON becomes text and usage."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Container
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from datagen import records
from datagen.endpoint.error_translation import RecordError
from datagen.records import Request, Usage

_TURNS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "turns": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"question": {"type": "string"}, "answer": {"type": "string"}},
                "required": ["question", "answer"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["turns"],
    "additionalProperties": False,
}
"""What a reply in JSON looks like; OpenAI's strict mode wants every property required and no others."""

_RESPONSE_FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "turns", "strict": True, "schema": _TURNS_SCHEMA},
}


class ChoiceMessage(Struct):
    """What the model said; reasoning that some servers send beside it is not read."""

    content: str | list[Any] | None = None
    refusal: str | None = None

    @property
    def text(self) -> str:
        """The content as one text; some servers send it as a list of parts."""
        if isinstance(self.content, list):
            parts = (part.get("text") for part in self.content if isinstance(part, dict))
            return "".join(part for part in parts if isinstance(part, str))
        return self.content or ""


class CompletionChoice(Struct):
    """One of the answers; only the first is read, and its log-probabilities only where they were asked for."""

    message: ChoiceMessage
    finish_reason: str | None = None
    logprobs: Any = None


class Completion(Struct):
    """The parts of a chat completion that are read; usage is loose, as servers differ there most."""

    choices: list[CompletionChoice]
    usage: Any = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Completion)


def request_fields(model: str, request: Request, refused: Container[str]) -> dict[str, Any]:
    """The request's JSON as a mapping.

    Args:
        model: As the endpoint calls it.
        request: What to ask.
        refused: Parameters that the endpoint does not take: ``max_tokens``, ``temperature``, ``response_format``.
    """
    fields: dict[str, Any] = {
        "model": model,
        "messages": request.messages,
        "max_completion_tokens" if "max_tokens" in refused else "max_tokens": request.max_tokens,
    }
    if "temperature" not in refused:
        fields["temperature"] = request.temperature
    if request.reply_format == "json" and "response_format" not in refused:
        fields["response_format"] = _RESPONSE_FORMAT
    return fields


def encode_request(fields: dict[str, Any]) -> tuple[bytes, bytes]:
    """JSON of ``request_fields``, in two pieces.

    The first holds all messages but the last, which are the same for every request of a type, and is held once for all
    of them: a thousand requests in flight would else be 9 MB.

    Raises:
        UnicodeEncodeError: A text holds half a surrogate pair.
    """
    *constant, last = fields["messages"]
    others = {name: value for name, value in fields.items() if name not in ("model", "messages")}
    rest = _encoder.encode(last) + b"]," + _encoder.encode(others).removeprefix(b"{")
    return _encode_start(fields["model"], tuple(constant)), rest


@lru_cache(maxsize=64)
def _encode_start(model: str, messages: tuple[records.Message, ...]) -> bytes:
    encoded = (_encoder.encode(message) + b"," for message in messages)
    return b'{"model":' + _encoder.encode(model) + b',"messages":[' + b"".join(encoded)


def decode_completion(content: bytes) -> Completion:
    """Decode an answer; half of a surrogate pair, which some models write, becomes U+FFFD, 1e999 infinity.

    Raises:
        ValueError: It is no chat completion.
        RecursionError: It is nested too deeply to be one.
    """
    try:
        return _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = json.dumps(json.loads(content), ensure_ascii=False)  # the standard library takes lone surrogates
        mended = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return msgspec.convert(json.loads(mended), Completion)


def text_or_fault(choice: CompletionChoice, max_tokens: int | None, shown: Callable[[str], str]) -> str:
    """The words of an answer.

    Args:
        choice: The answer.
        max_tokens: What was asked for at most, where that is known.
        shown: Makes the endpoint's words fit for a message.

    Raises:
        RecordError: ``content_filter``, ``refused`` or ``empty_reply``: there are none.
    """
    text = choice.message.text
    if choice.finish_reason == "content_filter":
        raise RecordError("content_filter", "the endpoint's filter stopped the answer")
    if text.strip():
        return text
    if choice.message.refusal:
        raise RecordError("refused", shown(choice.message.refusal))
    detail = f"no text, finish_reason {choice.finish_reason}"
    if choice.finish_reason == "length":
        detail += f"; {max_tokens or 'all'} tokens were spent before the first word, raise max_tokens"
    raise RecordError("empty_reply", detail)


def read_usage(usage: Any) -> Usage:
    """Token counts from whatever the server sent under ``usage``; zeros where they are missing or odd."""

    def count(tree: Any, name: str) -> int:
        value = tree.get(name) if isinstance(tree, dict) else None
        return max(0, int(value)) if isinstance(value, int | float) and math.isfinite(value) else 0

    details = usage.get("prompt_tokens_details") if isinstance(usage, dict) else None
    return Usage(count(usage, "prompt_tokens"), count(details, "cached_tokens"), count(usage, "completion_tokens"))


def sum_usage(one: Usage, other: Usage) -> Usage:
    """Tokens of two tries together."""
    return Usage(
        one.n_prompt_tokens + other.n_prompt_tokens,
        one.n_cached_tokens + other.n_cached_tokens,
        one.n_completion_tokens + other.n_completion_tokens,
    )
