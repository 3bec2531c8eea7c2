"""Translates the errors of an endpoint, from status and body: a fault of the try, of the record, or of the whole run.

``http`` and ``openai_client`` bring every failure into the two forms of this module, ``HttpAnswer`` and
``NoAnswerError``; nothing beyond them knows aiohttp's or openai's exceptions.
"""

from __future__ import annotations

import datetime
import email.utils
import math
import re
import time
from collections.abc import Collection, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from datagen.endpoint.target import Target
from datagen.errors import DatagenError

MAX_RETRY_AFTER_S = 600.0
MAX_DETAIL_CHARS = 300

# How endpoints (OpenAI, vLLM, llama.cpp, and those that follow them) word what has no code of its own.
_TOO_LONG = ("context length", "context size", "context window", "prompt is too long")
_NO_MODEL = re.compile(
    r"(invalid|unknown|no such) model|model\b.{0,120}\b(not found|not exist|does not exist|not available)"
)
_REFUSED = {
    "max_tokens": re.compile(r"max_completion_tokens"),
    "temperature": re.compile(r"unsupported.*temperature|temperature.*(unsupported|not support)"),
    "response_format": re.compile(r"response_format|json_schema|grammar|guided"),
    "logprobs": re.compile(r"logprobs"),
}
# Servers quote keys in part ("sk-ab***yz"), so whatever looks like one is cut out too.
_KEY_LIKE = re.compile(r"\bsk-[\w*.-]+|\b(?i:bearer)\s+\S+")


class HttpAnswer(NamedTuple):
    """What came back, whatever it says."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class NoAnswerError(Exception):
    """Nothing came back, or not all of it.

    Attributes:
        code: ``unreachable`` (no connection), ``timeout``, ``connection`` (one that broke), or ``garbled``.
    """

    def __init__(self, code: Literal["unreachable", "timeout", "connection", "garbled"], detail: str) -> None:
        super().__init__(detail)
        self.code = code


class StoppedError(Exception):
    """The request was not sent, or not sent again, because the run ends."""


class PassingError(Exception):
    """A fault that another try may cure."""

    def __init__(self, code: str, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.retry_after_s = retry_after_s

    @property
    def is_refusal(self) -> bool:
        """Whether the endpoint asks for fewer requests: 429, or any error with a pause."""
        return self.code == "rate_limited" or self.retry_after_s is not None


class RecordError(Exception):
    """A fault of this record alone, which no further try would cure."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class RefusedParameterError(Exception):
    """The model does not take one of the parameters; the same request without it may pass."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class ErrorReader:
    """Says what an answer that is no success means, and hides keys from whatever is shown.

    Args:
        target: Names the model and the key's variable, and what is raised where no request can succeed.
        base_url: The address asked; login and query are not shown.
        key: Cut out of whatever is shown.

    Attributes:
        has_answered: Whether the endpoint ever answered, so that its key, model and address are right.
    """

    def __init__(self, target: Target, base_url: str, key: str | None) -> None:
        self._target = target
        self._address = address_of(base_url)
        self._key = key
        self.has_answered = False

    def shown(self, text: str) -> str:
        """Text fit for a message: one line, bounded, no keys."""
        if self._key:
            text = text.replace(self._key, "[key]")
        text = " ".join(_KEY_LIKE.sub("[key]", text).split())
        return text if len(text) <= MAX_DETAIL_CHARS else text[: MAX_DETAIL_CHARS - 1] + "…"

    def nobody_answers(self, detail: str) -> DatagenError:
        """The sentence for an address where no server was ever heard."""
        told = f"Nothing answers at {self._address} ({detail}). Does the server run? Is {self._target.option} right?"
        return self._target.error(told)

    def rejects_all(self, detail: str) -> DatagenError:
        """The sentence for an endpoint that took none of the first requests."""
        return self._target.error(f"{self._address} rejects every request ({detail}).")

    def meaning_of(self, came: HttpAnswer | NoAnswerError, sent: Collection[str] = ()) -> Exception:
        """Translate a failure.

        Args:
            came: An answer whose status is no success, or why there is none.
            sent: The request's parameters, to tell which one a refusal can mean.

        Returns:
            ``PassingError``, ``RecordError``, ``RefusedParameterError``, or the target's own error for the whole run.
        """
        if isinstance(came, NoAnswerError):
            return PassingError(came.code, self.shown(str(came)))
        status, (codes, said) = came.status, _told_by(came)
        words, low = self.shown(said), said.lower()
        run_fault = self._run_fault(status, codes, words, low)
        if run_fault is not None:
            return self._target.error(run_fault)
        if status in (408, 409, 429) or status >= 500:
            code = {408: "timeout", 429: "rate_limited"}.get(status, "server_error")
            return PassingError(code, f"{status} {words}", _retry_after_s(came.headers))
        if "context_length_exceeded" in codes or any(sign in low for sign in _TOO_LONG):
            return RecordError("context_too_long", words)
        if "content_filter" in codes:
            return RecordError("content_filter", words)
        for name, sign in _REFUSED.items():
            if name in sent and sign.search(low):
                return RefusedParameterError(name)
        return RecordError("request_rejected", f"{status} {words}")

    def _run_fault(self, status: int, codes: set[str], words: str, low: str) -> str | None:
        """The sentence for what makes every request useless, or None."""
        where = self._address
        # A proxy's moderation answers 403 to a single prompt; a key that has worked is not the fault.
        if status == 401 or (status == 403 and not self.has_answered):
            return f"{where} does not accept the key in {self._target.settings.api_key_env} ({status}: {words})."
        if status == 402 or "insufficient_quota" in codes:
            return f"{where} says that the quota is used up ({words}). Add credit, then start the same command again."
        is_unknown = status in (400, 422) and not self.has_answered and _NO_MODEL.search(low)
        if "model_not_found" in codes or is_unknown or (status == 404 and "model" in low and not low.startswith("<")):
            return f"{where} has no model '{self._target.model}' ({words})."
        if status in (404, 405) or status < 400:
            return f"{where}: expected an OpenAI-compatible endpoint ({status}: {words}); does it end in /v1?"
        return None


def address_of(url: str) -> str:
    """A URL fit to be shown: without login, query and fragment, which may hold secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that is none"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")


def _told_by(answer: HttpAnswer) -> tuple[set[str], str]:
    """The codes and the words in an error's body, which has another shape with every server."""
    try:
        body: Any = msgspec.json.decode(answer.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    inner = body.get("error", body) if isinstance(body, Mapping) else body
    codes: set[str] = set()
    words = str(inner).strip() if inner else ""
    if isinstance(inner, Mapping) and inner:
        codes = {str(inner.get("code")), str(inner.get("type"))}
        words = str(inner.get("message") or inner.get("detail") or inner.get("error") or dict(inner))
    words = words or answer.content.decode(errors="replace").strip()
    if not words and 300 <= answer.status < 400:
        words = f"a redirect to {address_of(answer.headers.get('location', 'nowhere'))}"
    return codes, words or f"status {answer.status}"


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The pause that the server asks for: ``retry-after-ms``, or ``retry-after`` in seconds or as a date.

    The first is OpenAI's own; the second is RFC 9110, section 10.2.3.
    """
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wait_s = float(headers.get(name, "")) * unit_s
        except ValueError:
            continue
        if math.isfinite(wait_s):
            return min(max(wait_s, 0.0), MAX_RETRY_AFTER_S)
    try:
        until = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
        wait_s = until.replace(tzinfo=until.tzinfo or datetime.UTC).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(wait_s, 0.0), MAX_RETRY_AFTER_S)
