"""Says what an error of the openai client means: for the try, for the record, or for the whole run."""

from __future__ import annotations

import datetime
import email.utils
import math
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from openai import APIConnectionError, APIStatusError, APITimeoutError, OpenAIError

from datagen.config import TeacherSettings
from datagen.errors import TeacherError

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
}
# Of httpx, which the client uses for files and batches, and of aiohttp, which carries the requests.
_NO_CONNECTION = frozenset({"ConnectError", "ConnectTimeout", "ClientConnectorError", "ConnectionTimeoutError"})
# Servers quote keys in part ("sk-ab***yz"), so whatever looks like one is cut out too.
_KEY_LIKE = re.compile(r"\bsk-[\w*.-]+|\b(?i:bearer)\s+\S+")


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
    """The one place that knows the openai client's errors.

    Args:
        settings: Names the model and the key's variable.
        base_url: The address asked; login and query are not shown.
        key: Cut out of whatever is shown.

    Attributes:
        has_answered: Whether the endpoint ever answered, so that its key, model and address are right.
    """

    def __init__(self, settings: TeacherSettings, base_url: str, key: str | None) -> None:
        self._model = settings.name
        self._key_env = settings.api_key_env
        self._address = address_of(base_url)
        self._key = key
        self._timeout_s = settings.timeout_s
        self.has_answered = False

    def shown(self, text: str) -> str:
        """Text fit for a message: one line, bounded, no keys."""
        if self._key:
            text = text.replace(self._key, "[key]")
        text = " ".join(_KEY_LIKE.sub("[key]", text).split())
        return text if len(text) <= MAX_DETAIL_CHARS else text[: MAX_DETAIL_CHARS - 1] + "…"

    def nobody_answers(self, detail: str) -> TeacherError:
        """The sentence for an address where no server was ever heard."""
        return TeacherError(f"Nothing answers at {self._address} ({detail}). Does the server run? Is --base-url right?")

    def rejects_all(self, detail: str) -> TeacherError:
        """The sentence for an endpoint that took none of the first requests."""
        return TeacherError(f"{self._address} rejects every request ({detail}).")

    def meaning_of(self, error: OpenAIError, sent: Mapping[str, Any]) -> Exception:
        """Translate a client error.

        Args:
            error: As the client raised it, its cause attached.
            sent: The request's JSON, to tell which parameter a refusal can mean.

        Returns:
            ``PassingError``, ``RecordError``, ``RefusedParameterError`` or ``TeacherError``.
        """
        if isinstance(error, APIStatusError):
            return self._meaning_of_status(error, sent)
        cause = error.__cause__ or error
        kind = type(cause).__name__
        detail = self.shown(f"{kind} {cause}")
        if not isinstance(error, APIConnectionError):
            return PassingError("garbled", detail)
        if any(base.__name__ in _NO_CONNECTION for base in type(cause).__mro__):
            return PassingError("unreachable", detail)
        if isinstance(error, APITimeoutError):
            return PassingError("timeout", f"no whole answer within {self._timeout_s:g} s")
        return PassingError("connection", detail)

    def _meaning_of_status(self, error: APIStatusError, sent: Mapping[str, Any]) -> Exception:
        status = error.status_code
        codes = {str(error.code), str(error.type)}
        said = _words_of(error.body) or str(error)
        words, low = self.shown(said), said.lower()
        run_fault = self._run_fault(status, codes, words, low)
        if run_fault is not None:
            return TeacherError(run_fault)
        if status in (408, 409, 429) or status >= 500:
            code = {408: "timeout", 429: "rate_limited"}.get(status, "server_error")
            return PassingError(code, f"{status} {words}", _retry_after_s(error.response.headers))
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
            return f"{where} does not accept the key in {self._key_env} ({status}: {words})."
        if status == 402 or "insufficient_quota" in codes:
            return f"{where} says that the quota is used up ({words}). Add credit, then start the same command again."
        is_unknown = status in (400, 422) and not self.has_answered and _NO_MODEL.search(low)
        if "model_not_found" in codes or is_unknown or (status == 404 and "model" in low and not low.startswith("<")):
            return f"{where} has no model '{self._model}' ({words})."
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


def _words_of(body: object) -> str:
    """The server's own words in an error body of any shape."""
    if isinstance(body, Mapping):
        words = body.get("message") or body.get("detail") or body.get("error")
        return str(words or dict(body)) if body else ""
    return str(body).strip() if body else ""


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
