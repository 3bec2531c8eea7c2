"""Asks an OpenAI-compatible endpoint: a request goes in, the model's reply or the reason for none comes out.

Retries are tenacity's, sockets are the openai client's; what the client's errors mean is said in ``faults``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from openai import (
    DEFAULT_CONNECTION_LIMITS,
    APIStatusError,
    AsyncOpenAI,
    DefaultAsyncHttpxClient,
    OpenAIError,
    Timeout,
)
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from datagen.config import TeacherSettings
from datagen.errors import TeacherError
from datagen.records import Reply, Request, Usage
from datagen.teacher.faults import ErrorReader, PassingError, RecordError, RefusedParameterError, address_of
from datagen.teacher.prices import cost_of

CONNECT_TIMEOUT_S = 30.0  # the client's own 5 s loses rows when a thousand requests connect at once
FIRST_CONTACT_ATTEMPTS = 4  # about 4 s; an address where nobody ever answered is not waited for longer
FIRST_PAUSE_S = 0.5

_log = logging.getLogger(__name__)


class _Message(Struct):
    content: str | list[Any] | None = None
    refusal: str | None = None


class _Choice(Struct):
    message: _Message
    finish_reason: str | None = None


class _Completion(Struct):
    """The parts of a chat completion that are read; usage is loose, as servers differ there most."""

    choices: list[_Choice]
    usage: Any = None


class _Asking:
    """What has happened to one request so far; tokens of every billed try are added up."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.n_attempts = 0
        self.n_billed = 0
        self.usage = Usage()
        self.finish_reason: str | None = None
        self.latency_s = 0.0


class EndpointTeacher:
    """Any endpoint that speaks OpenAI's chat completions.

    Args:
        settings: Whom to ask, how hard, and at what price.
        sleep: Waits between two tries; tests put a recorder here.

    Raises:
        TeacherError: The key is missing or unusable, or the address is not one.
    """

    def __init__(self, settings: TeacherSettings, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.name = settings.name
        self._settings = settings
        self._sleep = sleep
        self._backoff = wait_exponential(multiplier=FIRST_PAUSE_S, max=settings.max_wait_s)
        self._refused_parameters: set[str] = set()
        self._was_heard = False
        base_url = settings.base_url or os.environ.get("OPENAI_BASE_URL") or None
        key = _read_key(settings.api_key_env, is_needed=base_url is None)
        self._client = _open_client(settings, base_url, key)
        self._errors = ErrorReader(settings, str(self._client.base_url), key)

    async def answer(self, request: Request) -> Reply:
        """Ask until there is a reply, a final fault, or no try left.

        Raises:
            TeacherError: Key, model, address or quota make every request useless.
        """
        asking = _Asking(request)
        retrying = AsyncRetrying(
            sleep=self._sleep,
            stop=self._is_enough,
            wait=self._pause_s,
            retry=retry_if_exception_type(PassingError),
            reraise=True,
        )
        try:
            text: str = await retrying(self._ask_once, asking)
        except RecordError as error:
            # A request that the server did not take cost nothing, and the server may be mended: ask again next time.
            return self._reply(asking, error=error.code, detail=str(error), is_final=error.code != "request_rejected")
        except PassingError as error:
            if error.code == "unreachable" and not self._was_heard:
                raise self._errors.nobody_answers(str(error)) from None
            detail = f"{asking.n_attempts} tries, the last: {error}"
            return self._reply(asking, error="gave_up", detail=detail, is_final=False)
        return self._reply(asking, text=text)

    async def close(self) -> None:
        """Give back connections."""
        await self._client.close()

    def _reply(self, asking: _Asking, **outcome: Any) -> Reply:
        request = asking.request
        is_billed = asking.usage != Usage()
        return Reply(
            request_digest=request.digest,
            image_id=request.image.image_id,
            response_type=request.response_type,
            teacher=self.name,
            finish_reason=asking.finish_reason,
            usage=asking.usage,
            cost_usd=cost_of(asking.usage, self.name, self._settings) if is_billed else None,
            latency_s=round(asking.latency_s, 4),
            n_attempts=asking.n_attempts,
            at=round(time.time(), 3),
            **{"text": "", **outcome},
        )

    def _is_enough(self, state: RetryCallState) -> bool:
        fault = state.outcome.exception() if state.outcome else None
        is_unmet = isinstance(fault, PassingError) and fault.code == "unreachable" and not self._was_heard
        n_allowed = (
            min(self._settings.max_attempts, FIRST_CONTACT_ATTEMPTS) if is_unmet else self._settings.max_attempts
        )
        return state.attempt_number >= n_allowed

    def _pause_s(self, state: RetryCallState) -> float:
        """Never sooner than the server asks; later when it keeps refusing.

        Both pauses are spread, so that all requests that failed together do not come back together.
        """
        backoff_s = self._backoff(state) * random.uniform(0.5, 1.0)
        fault = state.outcome.exception() if state.outcome else None
        if not isinstance(fault, PassingError) or fault.retry_after_s is None:
            return backoff_s
        return max(backoff_s, fault.retry_after_s * random.uniform(1.0, 1.1))

    async def _ask_once(self, asking: _Asking) -> str:
        """Send the request and read its answer; a refused parameter is left out and costs no try."""
        asking.n_attempts += 1
        while True:
            started = time.perf_counter()
            body = self._body(asking.request)
            try:
                content = await self._send(body)
            except RefusedParameterError as error:
                if error.name not in self._refused_parameters:
                    self._refused_parameters.add(error.name)
                    _log.warning("%s does not take '%s'; it is not sent from now on.", self.name, error.name)
                continue
            asking.latency_s = time.perf_counter() - started
            return self._read(content, asking)

    def _body(self, request: Request) -> dict[str, Any]:
        refused = self._refused_parameters
        body: dict[str, Any] = {
            "model": self.name,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "max_completion_tokens" if "max_tokens" in refused else "max_tokens": request.max_tokens,
        }
        if "temperature" not in refused:
            body["temperature"] = request.temperature
        if request.reply_format == "json" and "response_format" not in refused:
            body["response_format"] = {"type": "json_object"}
        return body

    async def _send(self, body: dict[str, Any]) -> bytes:
        """One HTTP exchange; the raw body comes back, as the client's response models cost more than the socket."""
        try:
            async with asyncio.timeout(self._settings.timeout_s):  # httpx limits each read, not the whole answer
                content = await self._client.post("/chat/completions", cast_to=bytes, body=body)
        except TimeoutError:
            raise PassingError("timeout", f"no whole answer within {self._settings.timeout_s:g} s") from None
        except UnicodeEncodeError:
            raise RecordError("request_rejected", "the messages hold characters that UTF-8 cannot carry") from None
        except OpenAIError as error:
            self._was_heard |= isinstance(error, APIStatusError)
            raise self._errors.meaning_of(error, body) from None
        self._was_heard = self._errors.has_answered = True
        return content

    def _read(self, content: bytes, asking: _Asking) -> str:
        """Take the text out of a completion, or raise what it says instead."""
        try:
            completion = _decode(content)
            choice = completion.choices[0]
        except (ValueError, IndexError, RecursionError):
            start = self._errors.shown(content.decode(errors="replace"))
            raise PassingError("garbled", f"expected a chat completion, got: {start or 'nothing'}") from None
        asking.n_billed += 1
        asking.usage = _sum(asking.usage, _read_usage(completion.usage))
        asking.finish_reason = choice.finish_reason
        text = _text_of(choice.message.content)
        if choice.finish_reason == "content_filter":
            raise RecordError("content_filter", "the endpoint's filter stopped the answer")
        if text.strip():
            return text
        if choice.message.refusal:
            raise RecordError("refused", self._errors.shown(choice.message.refusal))
        detail = f"no text, finish_reason {choice.finish_reason}"
        if choice.finish_reason == "length":
            detail += f"; {asking.request.max_tokens} tokens were spent before the first word, raise max_tokens"
        # Asked once more only: an empty answer is billed like any other.
        raise PassingError("empty_reply", detail) if asking.n_billed == 1 else RecordError("empty_reply", detail)


def _decode(content: bytes) -> _Completion:
    """Decode a completion; half of a surrogate pair, which some models write, becomes U+FFFD, 1e999 infinity.

    Raises:
        ValueError: It is no chat completion.
    """
    try:
        return msgspec.json.decode(content, type=_Completion)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = json.dumps(json.loads(content), ensure_ascii=False)  # the standard library takes lone surrogates
        mended = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return msgspec.convert(json.loads(mended), _Completion)


def _read_key(variable: str, is_needed: bool) -> str | None:
    key = os.environ.get(variable, "").strip()
    if not key and is_needed:
        raise TeacherError(
            f"The environment variable {variable} is not set: it must hold OpenAI's key. "
            "Set it, or name an endpoint of your own with --base-url."
        )
    if not (key.isascii() and key.isprintable()):
        raise TeacherError(f"The key in {variable} holds characters that no key has; copy it again.")
    return key or None


def _open_client(settings: TeacherSettings, base_url: str | None, key: str | None) -> AsyncOpenAI:
    # The class is httpx's or httpx2's, by the client's version.
    limits = type(DEFAULT_CONNECTION_LIMITS)(
        max_connections=settings.concurrency, max_keepalive_connections=settings.concurrency
    )
    try:
        if base_url is not None:
            parts = urlsplit(base_url)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
                raise ValueError("expected an address such as http://localhost:8000/v1")
        return AsyncOpenAI(
            api_key=key or "none",  # servers of one's own need none, the client wants one
            base_url=base_url,
            max_retries=0,
            timeout=Timeout(settings.timeout_s, connect=CONNECT_TIMEOUT_S),
            http_client=DefaultAsyncHttpxClient(limits=limits),
        )
    except (ValueError, ImportError, OpenAIError) as error:  # ImportError: a SOCKS proxy without its package
        shown = "OpenAI" if base_url is None else address_of(base_url)
        raise TeacherError(f"No connection to {shown} can be set up: {error}.") from None


def _text_of(content: str | list[Any] | None) -> str:
    """A message's text; some servers send it as a list of parts."""
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "".join(part for part in parts if isinstance(part, str))
    return content or ""


def _read_usage(usage: Any) -> Usage:
    """Token counts from whatever the server sent under ``usage``; zeros where they are missing or odd."""

    def count(tree: Any, name: str) -> int:
        value = tree.get(name) if isinstance(tree, dict) else None
        return max(0, int(value)) if isinstance(value, int | float) and math.isfinite(value) else 0

    details = usage.get("prompt_tokens_details") if isinstance(usage, dict) else None
    return Usage(count(usage, "prompt_tokens"), count(details, "cached_tokens"), count(usage, "completion_tokens"))


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(
        one.n_prompt_tokens + other.n_prompt_tokens,
        one.n_cached_tokens + other.n_cached_tokens,
        one.n_completion_tokens + other.n_completion_tokens,
    )
