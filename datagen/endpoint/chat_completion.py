"""A chat completion as it crosses the wire: a request becomes its JSON, an answer's JSON becomes text and usage."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Iterable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct, field

from datagen import records
from datagen.endpoint.error_translation import RecordError
from datagen.finish_reason import end_of, is_known_as_unfinished
from datagen.records import Request, Usage
from datagen.server_words import server_words

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


MAX_TOKENS_COUNTED = 10**9
"""Of one answer; a larger number is none (one server sent 310 digits)."""


_THOUGHT = re.compile("think|thought|reason|redacted|summary", re.IGNORECASE)


class ChoiceMessage(Struct):
    """What the model said; reasoning that some servers send beside it is counted, not read."""

    content: str | list[Any] | None = None
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None

    @property
    def n_reasoning(self) -> int:
        """Characters of the reasoning that came beside the content."""
        return max(len(text) if isinstance(text, str) else 0 for text in (self.reasoning_content, self.reasoning))

    @property
    def text(self) -> str:
        """The content as one text; some servers send it as a list of parts, thoughts among them."""
        if isinstance(self.content, list):
            said = (
                part for part in self.content if isinstance(part, dict) and not _THOUGHT.search(str(part.get("type")))
            )
            parts = (part.get("text") for part in said)
            return "".join(part for part in parts if isinstance(part, str))
        return self.content or ""


class CompletionChoice(Struct):
    """One of the answers; only the first is read, and its log-probabilities only where they were asked for."""

    message: ChoiceMessage
    finish_reason: Any = None
    logprobs: Any = None
    native_finish_reason: Any = None
    error: Any = None

    def __post_init__(self) -> None:
        """Take a number, as some gateways pass on, for a word that nobody knows; a router's model knows better why."""
        if self.finish_reason is not None:
            self.finish_reason = str(self.finish_reason)
        native = self.native_finish_reason
        if isinstance(native, str) and is_known_as_unfinished(native) and end_of(self.finish_reason) == "whole":
            self.finish_reason = native


class Completion(Struct):
    """The parts of a chat completion that are read; usage is loose, as servers differ there most."""

    choices: list[CompletionChoice] | None
    usage: Any = None
    error: Any = None


class _Billed(Struct):
    """An answer of which nothing but the bill can be read."""

    usage: Any = None
    gemini: Any = field(default=None, name="usageMetadata")


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Completion)


def request_fields(model: str, request: Request, refused: Container[str]) -> dict[str, Any]:
    """The request's JSON as a mapping.

    Args:
        model: As the endpoint calls it.
        request: What to ask.
        refused: What the endpoint does not take: ``max_tokens``, ``temperature``, ``response_format``, ``system``.
    """
    fields: dict[str, Any] = {
        "model": model,
        "messages": request.messages,
    }
    if "system" in refused or not request.system_role:
        fields["messages"] = without_system(request.messages)
    if request.picture_url is not None:
        messages = [*fields["messages"]]
        place = len(messages) - 1 - request.n_after_picture
        messages[place] = _with_picture(messages[place], request.picture_url, request.image_detail)
        fields["messages"] = tuple(messages)
    if request.sends_max_tokens:
        fields["max_completion_tokens" if "max_tokens" in refused else "max_tokens"] = request.max_tokens
    if request.temperature is not None and "temperature" not in refused:
        fields["temperature"] = request.temperature
    if request.reply_format == "json" and "response_format" not in refused:
        fields["response_format"] = _RESPONSE_FORMAT
    return fields | request.more


def _with_picture(message: records.Message, url: str, detail: str | None) -> dict[str, Any]:
    """A message with a picture behind its text; ``auto`` is every endpoint's default, and left out."""
    shown = {"url": url} if detail in (None, "auto") else {"url": url, "detail": detail}
    content = [{"type": "text", "text": message.content}, {"type": "image_url", "image_url": shown}]
    return {"role": message.role, "content": content}


def without_system(messages: tuple[records.Message, ...]) -> tuple[records.Message, ...]:
    """Put the system message before the first of the user's, for models that know no such role."""
    if len(messages) < 2 or messages[0].role != "system":
        return messages
    system, first, *others = messages
    return (records.Message(first.role, f"{system.content}\n\n{first.content}"), *others)


def encode_request(fields: dict[str, Any]) -> tuple[bytes, bytes]:
    """JSON of ``request_fields``, in two pieces.

    The first holds all messages but the last, or those before a picture. They are the same for every request of a type,
    and are held once for all of them: a thousand requests in flight would else be 9 MB.

    Raises:
        UnicodeEncodeError: A text holds half a surrogate pair.
    """
    *constant, last = fields["messages"]
    own = [last]
    while any(isinstance(message, dict) for message in constant):  # a picture, which a repair shows further up
        own.insert(0, constant.pop())
    others = {name: value for name, value in fields.items() if name not in ("model", "messages")}
    rest = b",".join(map(_encoder.encode, own)) + (b"]," if others else b"]")
    rest += _encoder.encode(others).removeprefix(b"{")
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


def first_choice(content: bytes) -> tuple[CompletionChoice | None, Usage]:
    """Read an answer: the first choice, and what was billed.

    Returns:
        None where it is no chat completion, which may be billed all the same; a choice without words where it has no
        choices and a bill, as Gemini bills what it thought before it said nothing.
    """
    try:
        completion = decode_completion(_without_comments(content))
    except (ValueError, RecursionError):
        return None, _bill_of(content)
    usage = read_usage(completion.usage)
    if completion.choices:
        choice = completion.choices[0]
        choice.error = choice.error or completion.error
        return choice, usage
    is_empty = completion.choices is not None and usage != Usage()
    return CompletionChoice(ChoiceMessage()) if is_empty else None, usage


def _without_comments(content: bytes) -> bytes:
    """Take off lines such as ``: OPENROUTER PROCESSING``, by which a router keeps a connection alive."""
    while content[:1] == b":":
        content = content.partition(b"\n")[2].lstrip()
    return content


def _bill_of(content: bytes) -> Usage:
    """What was billed for an answer that is none; bytes of it may be spoilt."""
    try:
        billed = msgspec.json.decode(content.decode(errors="replace"), type=_Billed)
        return read_usage(billed.usage or billed.gemini)
    except (ValueError, RecursionError):
        return Usage()


class EndsHeard:
    """Whether an endpoint says how its answers end, as all do in use today.

    One that never gives a finish reason is taken at its word. Where one gives it elsewhere, an answer without it is not
    whole: Ollama sends null where generation was broken off, Azure where a filter had not ended.
    """

    def __init__(self) -> None:
        self._are_given = False

    def hear(self, finish_reason: str | None) -> None:
        """Take note of an answer that has words.

        Raises:
            RecordError: ``cut_short``: this endpoint would say if it were whole.
        """
        if not finish_reason and self._are_given:
            raise RecordError("cut_short", "no finish_reason came, which this endpoint gives with whole answers")
        self._are_given = self._are_given or bool(finish_reason)


def text_or_fault(
    choice: CompletionChoice, max_tokens: int | None, shown: Callable[[str], str], told: Iterable[str] = ()
) -> str:
    """The words of an answer.

    Args:
        choice: The answer.
        max_tokens: What was asked for at most, where that is known.
        shown: Makes the endpoint's words fit for a message.
        told: What the picture shows that the answer is to describe.

    Raises:
        RecordError: ``content_filter``, ``cut_short``, ``refused`` or ``empty_reply``: there are none;
            ``error_text``: they are an error of the server's.
    """
    text, end = choice.message.text, end_of(choice.finish_reason)
    if end == "content_filter":
        raise RecordError("content_filter", "the endpoint's filter stopped the answer")
    if end == "failed":
        raise RecordError("cut_short", f"the endpoint broke the answer off (finish_reason {choice.finish_reason})")
    if choice.error:
        sent = choice.error.get("message") if isinstance(choice.error, dict) else None
        raise RecordError("cut_short", f"an error came beside the answer: {shown(str(sent or choice.error))}")
    sent = server_words(text, told)
    if sent is not None:
        code = "error_text" if sent == "server_error" else sent
        raise RecordError(code, f"an error came as the answer: {shown(text)}")
    if text.strip():
        return text
    if choice.message.refusal:
        raise RecordError("refused", shown(choice.message.refusal))
    detail = f"no text, finish_reason {choice.finish_reason}"
    if choice.message.n_reasoning:
        detail += (
            f"; {choice.message.n_reasoning} characters of reasoning came beside it: switch thinking off, or start the "
            "server without its reasoning parser"
        )
    if choice.finish_reason == "length":
        detail += f"; {max_tokens or 'all'} tokens were spent before the first word, raise max_tokens"
    raise RecordError("empty_reply", detail)


def read_usage(usage: Any) -> Usage:
    """Token counts from whatever the server sent under ``usage``; zeros where they are missing or one is impossible."""

    def count(tree: Any, *names: str) -> int:
        found = (tree.get(name) for name in names if isinstance(tree, dict))
        value = next((one for one in found if one is not None), 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_TOKENS_COUNTED:
            raise ValueError(value)
        return int(value)

    try:
        n_prompt, n_reply = (
            count(usage, "prompt_tokens", "input_tokens", "promptTokenCount"),
            count(usage, "completion_tokens", "output_tokens", "candidatesTokenCount"),
        )
    except ValueError:
        return Usage()
    details = usage.get("prompt_tokens_details") if isinstance(usage, dict) else None
    n_cached = 0
    with suppress(ValueError):
        n_cached = count(details, "cached_tokens")
        if n_prompt:  # Gemini counts what it thought here alone
            n_reply = max(n_reply, count(usage, "total_tokens") - n_prompt)
    return Usage(n_prompt, n_cached if n_cached <= n_prompt else 0, n_reply)


def sum_usage(one: Usage, other: Usage) -> Usage:
    """Tokens of two tries together."""
    return Usage(
        one.n_prompt_tokens + other.n_prompt_tokens,
        one.n_cached_tokens + other.n_cached_tokens,
        one.n_completion_tokens + other.n_completion_tokens,
    )
