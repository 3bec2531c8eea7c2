"""Errors that servers send as the text of an answer: a web page, an error object in JSON, or a sentence of their own.

A gateway whose backend is down, a plan that is used up or a filter may answer with status 200 and a sound completion.
Of twenty words and more it would pass for a description.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
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
_TECHNICAL = frozenset(
    """
    admin administrator allowance api backend backends balance billing browser cloudflare crashed credits cuda
    dashboard database decoding deployment endpoint error errors exceed exceeded exceeds exception expired filtered
    filters flagged gateway generate generated generating generation gpu gpus http httpconnectionpool https
    inference invalid invoice latency login maintenance moderation nginx offline overloaded policies policy prompt
    prompts provider providers proxy quota quotas refresh refreshing request requests requeued resubmit retried
    retries retry retrying revoked runtimeerror subscription throttled timed timeout timeouts token tokens traceback
    unauthorized unavailable unreachable unsafe upgrade upstream url violate violates violation workspace
    """.split()
)
"""Words of servers that are rarely said of a picture; each counts twice."""
_AMBIGUOUS = frozenset(
    """
    access account again blocked busy capacity caused channel chat code connection contact content conversation
    currently daily demand denied down due empty experiencing failed fails failure free help id internal issue
    issues job key later length limit limited limits load loaded loading material maximum message messages minutes
    model models moment moments monthly network number occurred output outputs paused payment persists plan problem
    problems process processed processing queue queued rate reached ready refused rejected reset response responses
    safety server servers service services session status stopped support system systems team temporarily terms text
    tier traffic unable unexpected unknown usage wait waiting worker wrong
    """.split()
)
"""Words of servers that are said of pictures as well: a server in a restaurant is busy, a sign shows a limit."""
_ADDRESSING = frozenset(
    """
    apologies apologize i kindly oops our please sorry unfortunately us we you you've your
    """.split()
)
"""Words to whoever reads."""
MOST_ADDRESSING = 3
NEEDED = 6
"""Words of servers that make an error: 1,274 real answers have 5 at most, and 3 of 4 have none."""
WORDS_FOR_ONE = 10
"""In a longer text, so many words bear one of a server: a whole conversation may hold six of them."""
NEEDED_BESIDE = 3
"""The same for a text that names nothing of its picture."""
_OF_FILTERS = frozenset(
    "blocked filtered flagged moderation policy policies violate violates violation unsafe safety terms".split()
)
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_SAID_ALWAYS = frozenset(
    "this that with from have there their they what when where which while into onto over under near some other than "
    "then them been being very just more most about after before your could would will can't back same each "
    "the and are for its has was his her who out two one all can not but you off how any may our she him".split()
)
_QUOTED = re.compile(r"\"[^\"\n]{0,300}\"|“[^”\n]{0,300}”")
_ERROR_NAMES = frozenset({"error", "errors", "detail", "exception", "traceback"})
_BESIDE_MESSAGE = frozenset({"code", "status", "status_code", "statusCode", "type", "success", "request_id"})


def server_words(text: str, told: Iterable[str] = ()) -> Sent | None:
    """Say whether a text is an error of a server; None where it may be an answer.

    Args:
        text: Of an answer.
        told: What the picture shows, such as its captions and categories, where the text is to describe it.
    """
    if _PAGE.match(text):
        return "server_error"
    if text.lstrip("`json \n")[:1] in ("{", "["):
        return "server_error" if _is_error_object(text) else None
    if len(text) > MAX_CHARS:
        return None
    plain = text.lower().replace("’", "'")
    if '"' in plain or "“" in plain:
        plain = _QUOTED.sub("", plain)  # what a screen in the picture says is quoted
    all_words = _WORD.findall(plain)
    words, least = set(all_words), len(all_words) // WORDS_FOR_ONE
    n_technical, n_ambiguous = len(words & _TECHNICAL), len(words & _AMBIGUOUS)
    n_words = 2 * n_technical + n_ambiguous + min(len(words & _ADDRESSING), MOST_ADDRESSING)
    if n_words >= max(NEEDED, least) and n_technical:
        is_error = True
    else:
        needed = 1 if _OPENS.match(plain) else NEEDED_BESIDE
        is_of_servers = n_technical > 0 or n_ambiguous > 1  # "I'm sorry, but I can't help with that." is a refusal
        is_error = n_words >= max(needed, least) and (needed == 1 or (is_of_servers and _is_beside(words, told)))
    if not is_error:
        return None
    return "content_filter" if len(words & _OF_FILTERS) >= 2 else "server_error"


def _is_beside(words: set[str], told: Iterable[str]) -> bool:
    """Whether a text names nothing of what is told; words are compared by their first four letters."""
    named = {word[:4] for one in told for word in _WORD.findall(one.lower()) if len(word) > 2} - {
        word[:4] for word in _SAID_ALWAYS
    }
    return bool(named) and named.isdisjoint(word[:4] for word in words)


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
