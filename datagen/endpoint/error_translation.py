"""Translates the errors of an endpoint, from status and body: a fault of the try, of the record, or of the whole run.

``http`` brings every failure into the two forms of this module, ``HttpAnswer`` and
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

import msgspec

from datagen.endpoint.other_apis import other_api
from datagen.endpoint.refusals import Meaning, meaning_of
from datagen.endpoint.target import Target
from datagen.errors import DatagenError, visible
from datagen.masking import MASK, address_of, masked, secrets_of

MAX_RETRY_AFTER_S = 600.0
"""Longest pause that is waited for; who asks for more, as where a plan is used up for the day, is asked by the next
start."""
MAX_DETAIL_CHARS = 300
OF_SERVERS = frozenset({"context_too_long", "empty_reply"})
"""Faults of one request that are mostly the server's: started with a short context, or a reasoning parser."""
LONG_KEY = 16  # characters; a shorter one, such as 'none', may be a word of the answer
MAX_READ_CHARS = 10_000  # of a text of which so few are shown: 3 MB took 5 s of CPU, in which nothing else moved
MAX_CODE_CHARS = 200


PROXY_SILENT = "the proxy of the environment does not answer"
NOT_UTF8, BREAKS_OFF, NOT_UNPACKED = "bytes that are not UTF-8", "breaks off", "a body that cannot be decompressed"
"""What bodies are that were spoilt on their way: whoever sent them speaks the right API."""
_MOSTLY = "The address mostly ends in /v1."


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
    def is_too_long(self) -> bool:
        """Whether the endpoint asks for a pause that no run waits for."""
        return (self.retry_after_s or 0.0) > MAX_RETRY_AFTER_S

    @property
    def is_refusal(self) -> bool:
        """Whether the endpoint asks for fewer requests: 429, or any error with a pause."""
        return self.code == "rate_limited" or self.retry_after_s is not None


class RecordError(Exception):
    """A fault of this record alone, which no further try would cure."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def is_spoilt(detail: str) -> bool:
    """Whether an answer was made, and paid for, and then spoilt on its way."""
    return any(told in detail for told in (NOT_UTF8, BREAKS_OFF, NOT_UNPACKED))


def is_for_good(code: str) -> bool:
    """Whether a record's fault stays: what cost nothing, or was the server's own, is asked again by the next start."""
    return code not in ("request_rejected", "cut_short", "prompt_cut", "error_text")


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
        has_answered: Whether an answer of it was ever understood, so that its key, model and address are right.
    """

    def __init__(self, target: Target, base_url: str, key: str | None) -> None:
        self._target = target
        self._address = address_of(base_url)
        self._secrets = (key, *secrets_of(base_url))
        self.has_answered = False

    def shown(self, text: str) -> str:
        """Text fit for a message or a file: one line, bounded, no keys, nothing that steers a terminal."""
        text = visible(" ".join(masked(text[:MAX_READ_CHARS], *self._secrets).split()))
        return text if len(text) <= MAX_DETAIL_CHARS else text[: MAX_DETAIL_CHARS - 1] + "…"

    def without_key(self, content: bytes) -> bytes:
        """An answer that is to be kept, without the key: a server that echoes headers would put it into a dataset."""
        key = (self._secrets[0] or "").encode()
        return content.replace(key, MASK.encode()) if len(key) >= LONG_KEY else content

    def nobody_answers(self, detail: str) -> DatagenError:
        """The sentence for an address where no server was ever heard."""
        if PROXY_SILENT in detail:
            told = (
                f"No way leads to {self._address} ({detail}). Mend HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or unset it; "
                "NO_PROXY lists the hosts that are asked without it."
            )
            return self._target.error(told)
        told = f"Nothing answers at {self._address} ({detail}). Does the server run? Is {self._target.option} right?"
        return self._target.error(told)

    def gives_nothing(self, n_calls: int, detail: str) -> DatagenError:
        """The sentence for an endpoint that brought nothing of use: ever, or for so many calls in a row."""
        where = self._address
        if detail.startswith("rate_limited"):  # so the address is right, and there is nothing to mend
            told = f"{where} takes no request for now: {n_calls} in a row were refused, the last by {detail}"
            return self._target.error(f"{told}. What was paid for is stored; start the same command again then.")
        if not self.has_answered:
            asked = "the first request" if n_calls == 1 else f"each of the first {n_calls} requests"
            if is_spoilt(detail):
                told = f"{where} fails {asked} ({detail}). Answers are spoilt by the server or by a proxy on the way"
                return self._target.error(f"{told}; mend that, then start the same command again.")
            told = f"{where} fails {asked} ({detail}). Is {self._target.option} right, and its server well?"
            likely = "Its log, plan and limits say more." if detail.startswith("error_text") else _MOSTLY
            return self._target.error(f"{told} {likely}")
        told = f"{where} has stopped answering: {n_calls} requests in a row failed, the last by {detail}"
        return self._target.error(f"{told}. What was paid for is stored; start the same command again when it is well.")

    def rejects_all(self, detail: str) -> DatagenError:
        """The sentence for an endpoint that took none of the first requests."""
        told = f"{self._address} rejects every request ({detail})."
        return self._target.error(f"{told} Mend the server or the settings, then start the same command again.")

    def meaning_of(self, came: HttpAnswer | NoAnswerError, sent: Collection[str] = ()) -> Exception:
        """Translate a failure.

        Args:
            came: An answer that is no success, or why there is none.
            sent: What the request holds of ``refusals.MENDABLE``, to tell which part a refusal can mean.

        Returns:
            ``PassingError``, ``RecordError``, ``RefusedParameterError``, or the target's own error for the whole run.
        """
        if isinstance(came, NoAnswerError):
            return PassingError(came.code, self.shown(str(came)))
        told = _told_by(came)
        status, words = told.status, self.shown(told.words)
        meaning = meaning_of(status, told.codes, told.words.lower(), sent, not self.has_answered, told.param)
        match meaning:
            case None:
                return RecordError("request_rejected", f"{status} {words}")
            case "context_too_long" | "content_filter":
                return RecordError(meaning, words)
            case "rate_limited" | "timeout" | "server_error":
                pause_s = _retry_after_s(came.headers)
                if pause_s is not None and pause_s > MAX_RETRY_AFTER_S:
                    words = f"{words}; come again in {_told_time(pause_s)}"
                return PassingError(meaning, f"{status} {words}", pause_s)
            case "key" | "quota" | "no_model" | "no_endpoint" | "forbidden":
                return self._target.error(self._run_fault(meaning, status, words))
            case _:
                return RefusedParameterError(meaning)

    def meaning_inside(self, came: HttpAnswer, sent: Collection[str]) -> Exception | None:
        """Translate an error under a status of success, as routers and LM Studio send it; None where there is none.

        The answer of another API is one as well, as long as nothing else was understood.
        """
        api = None if self.has_answered else other_api(came.content)
        if api is not None:
            likely = _MOSTLY
            if self._address.endswith("/v1"):
                likely = "Have the server or gateway there speak that API, or give the address of one that does."
            told = f"{self._address} answers in the form of {api}, which is not the OpenAI-compatible one asked for."
            return self._target.error(f"{told} Is {self._target.option} right? {likely}")
        return None if _told_by(came).status < 400 else self.meaning_of(came, sent)

    def _run_fault(self, meaning: Meaning, status: int, words: str) -> str:
        """The sentence for what makes every request useless."""
        where = self._address
        if meaning == "key":
            return f"{where} does not accept the key in {self._target.settings.api_key_env} ({status}: {words})."
        if meaning == "quota":
            return f"{where} says that the quota is used up ({words}). Add credit, then start the same command again."
        if meaning == "no_model":
            return f"{where} has no model '{self._target.model}' ({words})."
        if meaning == "forbidden":
            return (
                f"{where} refuses all requests ({status}: {words}). Look whether the key in "
                f"{self._target.settings.api_key_env} may ask '{self._target.model}', and whether a firewall, a proxy "
                "or your country stands in the way."
            )
        told = f"{where}: expected an OpenAI-compatible endpoint ({status}: {words})"
        return f"{told}; is {self._target.option} right, and does it end in /v1?"


_TELL_ERRORS = ("error", "errors", "detail", "message", "msg", "base_resp")
"""What no completion has, and errors do."""


_CODES = ("code", "type", "status", "reason", "error_code", "status_code", "__type")


class _Told(NamedTuple):
    """What an error's body says.

    Attributes:
        status: Of HTTP; under a status of success the one that the body tells, or 500 where it tells an error alone.
        codes: As they came.
        param: The parameter at fault.
    """

    status: int
    codes: frozenset[str]
    words: str
    param: str | None


def _told_by(answer: HttpAnswer) -> _Told:
    """Read an error's body, which has another shape with every server."""
    try:
        body: Any = msgspec.json.decode(answer.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    if isinstance(body, list) and body and isinstance(body[0], Mapping) and "error" in body[0]:  # Gemini
        body = body[0]
    outer: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    several = outer.get("errors")  # Cloudflare
    first = several[0] if isinstance(several, list) and several else several
    inner = outer.get("error") or outer.get("base_resp") or first or body
    error: Mapping[str, Any] = inner if isinstance(inner, Mapping) else {}
    codes = {
        str(tree[name])[:MAX_CODE_CHARS] for tree in (outer, error) for name in _CODES if tree.get(name) is not None
    }
    words = str(inner).strip() if inner else ""
    if error:
        said = (error.get(name) for name in ("message", "detail", "error", "msg", "status_msg"))
        words = str(next((one for one in said if one), dict(error)))
        metadata = error.get("metadata")
        if isinstance(metadata, Mapping) and metadata.get("raw"):  # OpenRouter: what the provider behind it said
            words = f"{words}: {metadata['raw']}"
    words = (words or answer.content[: 4 * MAX_READ_CHARS].decode(errors="replace").strip())[:MAX_READ_CHARS]
    if not words and 300 <= answer.status < 400:
        words = f"a redirect to {address_of(answer.headers.get('location', 'nowhere'))}"
    status = answer.status
    if 200 <= status < 300 and (outer.get("object") == "error" or any(map(outer.get, _TELL_ERRORS))):
        status = _status_in(outer, error)
    param = error.get("param")
    message = outer.get("message")
    detail = outer.get("detail") or (
        message.get("detail") if isinstance(message, Mapping) else None
    )  # FastAPI; Mistral
    if param is None and isinstance(detail, list) and detail and isinstance(detail[0], Mapping):
        param = ".".join(map(str, detail[0].get("loc") or ()))
    return _Told(status, frozenset(codes), words or f"status {status}", str(param) if param else None)


def _status_in(outer: Mapping[str, Any], error: Mapping[str, Any]) -> int:
    """The HTTP status that an error's body tells."""
    told = (str(tree.get(name)) for tree in (error, outer) for name in ("code", "status", "status_code", "statusCode"))
    return next((int(one) for one in told if re.fullmatch(r"[45]\d\d", one)), 500)


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
            return max(wait_s, 0.0)
    try:
        until = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
        wait_s = until.replace(tzinfo=until.tzinfo or datetime.UTC).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return max(wait_s, 0.0)


def _told_time(seconds: float) -> str:
    """A pause for a person to read."""
    if seconds > 366 * 86_400:
        return "more than a year"
    for unit, unit_s in (("days", 86_400), ("hours", 3600)):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:,.0f} {unit}"
    return f"{seconds / 60:.0f} minutes"
