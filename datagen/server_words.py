"""Errors that servers send as the text of an answer: a web page, an error object in JSON, or a sentence of their own.

A gateway whose backend is down, a plan that is used up or a filter may answer with status 200 and a sound completion.
Of twenty words and more it would pass for a description.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

Sent = Literal["server_error", "content_filter"]
"""``server_error`` may be cured by another try, now or later."""

MAX_CHARS = 2000
"""Longer texts are no errors; only their beginning is looked at."""
_PAGE = re.compile(r"\s{0,9}(?:<!doctype html|<html\b|<head\b|<\?xml|data: ?\{|event: ?\w)", re.IGNORECASE)
_OPENS = re.compile(
    r"\W{0,6}(?:(?:\w+[ .]?)?(?:error|exception)\b[^\n\w]{0,4}(?::|\d{3}\b|code\b)|traceback \(most recent call last\)"
    r"|http/?\d?[\d.]{0,3} [45]\d\d\b|[45]\d\d (?:bad|internal|service|gateway|too many|not found|forbidden))",
    re.IGNORECASE,
)


def _sign(words: str, pattern: str) -> tuple[tuple[str, ...], re.Pattern[str]]:
    """A sign of a text in lower case, with words of which any such text holds one: they are looked for first."""
    return tuple(words.split("|")), re.compile(rf"\b(?:{pattern})\b")


# One alone may stand in an honest answer (a server in a restaurant is busy, a sign asks to try again); two do not.
_SIGNS = (
    _sign(
        "try|retr|wait",
        r"(?:try|retry)(?: your request| the request| it)? (?:again|later)|please (?:retry|wait|try)"
        r"|retry (?:the|your)",
    ),
    _sign("request", r"(?:your|this) requests?|the request|request id"),
    _sign(
        "overload|busy|unavail| down|unreach|offline|loading|starting|capacity|exhaust",
        r"(?:server|service|system|model|engine|endpoint|api|provider|backend)s? (?:is|are|was|has been)(?: \w+){0,2} "
        r"(?:overloaded|busy|unavailable|down|unreachable|offline|loading|starting|at capacity|exhausted)",
    ),
    _sign(
        "error|failure",
        r"(?:internal|unexpected|unknown|network|server|upstream|proxy|system) (?:server )?(?:errors?|failure)",
    ),
    _sign(
        "upstream|backend|api |model |gateway",
        r"(?:upstream|backend|api|model) (?:provider|service|server|endpoint)|bad gateway|gateway time-?out",
    ),
    _sign(
        "error|status|http|went wrong",
        r"(?:status|error)(?: code)?:? ?[45]\d\d|http ?[45]\d\d|errors? (?:has )?occurr?ed|something went wrong",
    ),
    _sign(
        "load|demand|traffic|usage|capacity|too many",
        r"(?:heavy|high) (?:load|demand|traffic|usage)|at (?:full )?capacity|too many requests|overloaded",
    ),
    _sign(
        "limit|quota|credit|insufficient",
        r"(?:rate|usage|request|token|message|daily|monthly|hourly|quota|credit)s? (?:limits?|quota)|quota"
        r"|out of credits?|limit (?:reached|exceeded)|insufficient (?:balance|credits?|funds)",
    ),
    _sign(
        "plan|subscription|account|billing|free tier",
        r"(?:upgrade|renew|check) your (?:\w+ )?(?:plan|subscription|account|billing)|free (?:plan|tier)"
        r"|subscription plan",
    ),
    _sign(
        "timed out|time out|timeout|timedout|connection|could not|couldn't|unable|failed",
        r"tim(?:ed|e) ?out|connection (?:was )?(?:refused|reset|lost|closed|error)|(?:could not|couldn't|unable to"
        r"|failed to) (?:process|connect|reach|complete|generate|load)",
    ),
    _sign("api key|failed|unauthor|denied", r"api key|authentication failed|unauthori[sz]ed|access denied"),
)
_FILTER = (
    _sign(
        "content|safety",
        r"content (?:filters?|policy|policies|moderation)|safety (?:filters?|system|policy|policies|guidelines)",
    ),
    _sign(
        "terms|polic|violat",
        r"terms of (?:use|service)|usage polic(?:y|ies)|violat(?:e|es|ed|ing|ion) (?:of )?(?:our|the|its)",
    ),
    _sign(
        "blocked|filtered|flagged|rejected|removed|withheld",
        r"(?:was|been|is|were) (?:blocked|filtered|flagged|rejected|removed|withheld)",
    ),
    _sign(
        "prompt|request|input",
        r"(?:adjust|change|modify|rephrase|revise) (?:your|the) (?:prompt|request|input)|(?:retry|resend) the request",
    ),
)
_QUOTED = re.compile(r"\"[^\"\n]{0,300}\"|“[^”\n]{0,300}”")
_ERROR_NAMES = frozenset({"error", "errors", "detail", "exception", "traceback"})
_BESIDE_MESSAGE = frozenset({"code", "status", "status_code", "statusCode", "type", "success", "request_id"})


def server_words(text: str) -> Sent | None:
    """Say whether a text is an error of a server; None where it may be an answer."""
    if _PAGE.match(text):
        return "server_error"
    if text.lstrip("`json \n")[:1] in ("{", "["):
        return "server_error" if _is_error_object(text) else None
    if len(text) > MAX_CHARS:
        return None
    plain = text.lower().replace("’", "'")
    if '"' in plain or "“" in plain:
        plain = _QUOTED.sub("", plain)  # what a screen in the picture says is quoted
    if _n_signs(_FILTER, plain) >= 2:
        return "content_filter"
    return "server_error" if _n_signs(_SIGNS, plain) >= (1 if _OPENS.match(plain) else 2) else None


def _n_signs(signs: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...], text: str) -> int:
    return sum(any(map(text.__contains__, words)) and pattern.search(text) is not None for words, pattern in signs)


def _is_error_object(text: str) -> bool:
    try:
        body: Any = msgspec.json.decode(text.strip().strip("`").removeprefix("json").strip())
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return False
    body = body[0] if isinstance(body, list) and len(body) == 1 else body
    if not isinstance(body, dict) or not body.keys().isdisjoint({"turns", "question", "answer", "conversations"}):
        return False
    is_told = any(body.get(name) for name in _ERROR_NAMES)
    return is_told or (bool({"message", "msg"} & body.keys()) and not body.keys().isdisjoint(_BESIDE_MESSAGE))
