"""The table of refusals: what an endpoint's error means, by status, by code, or by the words of whoever follows OpenAI.

One row is one meaning. The first row that fits counts, so a row stands above those that its signs would also fit; what
fits none is the request's own fault. Words are matched in lower case.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

from msgspec import Struct

Meaning = Literal[
    "quota", "key", "system", "temperature", "max_tokens", "response_format", "logprobs",
    "context_too_long", "content_filter", "no_model", "no_endpoint", "rate_limited", "timeout", "server_error",
]  # fmt: skip

MENDABLE: tuple[Meaning, ...] = ("system", "temperature", "max_tokens", "response_format", "logprobs")
"""Parts of a request that it can do without."""


class Refusal(Struct, frozen=True):
    """One meaning and its signs; any one of them is enough.

    Attributes:
        statuses: HTTP statuses that say it.
        codes: Of the error's ``code``, ``type`` or ``status``, in lower case.
        words: Found in the error's text.
        within: Statuses at which codes and words count.
        only_unmet: Counts only while the endpoint has answered nothing.
        unless: Found in the error's text where it says something else.
    """

    meaning: Meaning
    statuses: frozenset[int] = frozenset()
    codes: frozenset[str] = frozenset()
    words: re.Pattern[str] | None = None
    within: range = range(400, 600)
    only_unmet: bool = False
    unless: re.Pattern[str] | None = None

    def fits(self, status: int, codes: Collection[str], words: str, is_unmet: bool, named: Meaning | None) -> bool:
        """Whether an error has one of the signs, or names the part of the request that the row speaks of."""
        if (self.only_unmet and not is_unmet) or (self.unless and self.unless.search(words)):
            return False
        if status in self.statuses or named == self.meaning:
            return True
        if status not in self.within:
            return False
        return not self.codes.isdisjoint(codes) or bool(self.words and self.words.search(words))


def _refuses(names: str) -> re.Pattern[str]:
    """Words that a parameter is not taken at all; that its value is out of bounds says something else.

    "only 1 is allowed", "is deprecated", "unsupported", "extra inputs are not permitted", "unrecognized argument".
    """
    after = (
        r"(n't|\b(not|no longer|cannot|only|must be (omitted|unset|default|1(\.0)?\b(?! *(and|to|or)))"
        r"|unsupported|deprecated|removed|disabled|forbidden|disallowed|unavailable|incompatible|unexpected"
        r"|unknown|unrecogni[sz]ed|extra))\b"
    )
    before = (
        r"((\bnot|n't) (support|allow|accept|permit|take)|\b(unsupported|unexpected|unknown|unrecogni[sz]ed|extra"
        r"|additional|no such|forbidden|deprecated|remove|without|omit|unset))"
    )
    name = rf"(?<![\w-])({names})(?![\w-])"
    return re.compile(rf"{name}.{{0,100}}?{after}|{before}.{{0,80}}?{name}", re.DOTALL)


_OUT_OF_BOUNDS = re.compile(
    r"^(?!.*(\bonly\b|max_completion_tokens|unsupported (parameter|value)))"
    r".*(\b(between|range|maximum|minimum|at most|at least|less than|greater than|exceeds?|too (large|big|high|low))\b"
    r"|[<>]=)",
    re.DOTALL,
)
"""A value that could be another, unless no other is allowed."""

_TABLE = (
    Refusal(
        "quota",
        frozenset({402}),
        frozenset(
            "insufficient_quota exceeded_current_quota_error insufficient_balance insufficient_user_quota"
            " insufficient_credits billing_not_active billing_hard_limit_reached arrearage payment_required".split()
        ),
        re.compile(
            r"\b(insufficient (account |user )?(balance|credits?|funds|quota)|credit balance is too low|out of credits"
            r"|no credits? (left|remaining)|used all available credits|requires more credits|account (is )?(in arrears"
            r"|overdue)|reached (its|your) (monthly )?spending limit)"
        ),
    ),
    Refusal("key", frozenset({401})),
    Refusal(
        "key",
        codes=frozenset("invalid_api_key authentication_error invalid_authentication_error unauthenticated".split()),
        words=re.compile(
            r"\b((incorrect|invalid|wrong|missing|no|expired) (api|access)[ _-]?key|api[ _-]?key (is )?(not valid"
            r"|invalid|missing|expired|required|not found)|no auth credentials|unauthori[sz]ed)\b"
        ),
        only_unmet=True,
    ),
    Refusal("key", frozenset({403}), only_unmet=True),  # a proxy's moderation answers 403 to a single prompt
    Refusal(
        "context_too_long",
        codes=frozenset("context_length_exceeded exceed_context_size_error string_above_max_length".split()),
        words=re.compile(
            r"context[ _-]?(length|size|window)|(prompt|input|message|request)s? (is|are|was) too (long|large)\b"
            r"|max(imum)?[ _](model |sequence |input |prompt )?(length|seq_?len)|max_model_len|max_seq_len"
            r"|(input|prompt|token)s?( token)? count.{0,40}exceeds|exceed(s|ed)? (the )?(model(['’]s)?|maximum)"
            r" .{0,30}tokens?\b|exceed(s|ed)? model token limit|tokens? \+ .?max_new_tokens"
            r"|must have less than \d+ tokens"
            r"|range of input length|longer than the (model|maximum)|too many (input |prompt )?tokens\b"
            r"|reduce the length of the (messages|prompt|input)|not enough (kv cache|context)"
        ),
    ),
    Refusal("rate_limited", frozenset({429})),
    Refusal("timeout", frozenset({408})),
    Refusal(
        "content_filter",
        codes=frozenset(
            "content_filter content_policy_violation responsibleaipolicyviolation data_inspection_failed"
            " content_filter_error sensitive_content".split()
        ),
        words=re.compile(
            r"content management policy|content exists risk|considered high risk|(violat|against)\w* .{0,30}"
            r"(content|usage|safety) polic|inappropriate content|prohibited_content"
        ),
    ),
    Refusal(
        "no_model",
        codes=frozenset("model_not_found modelnotfound deploymentnotfound model_not_exist modelnotexist".split()),
    ),
    Refusal(
        "no_model",
        words=re.compile(
            r"(invalid|unknown|no such) model\b"
            r"|\bmodel\b.{0,120}\b(not found|not exist|does not exist|not available|not loaded|not a valid model)"
            r"|not a valid model|no models? (is )?loaded|must provide a model parameter"
        ),
        within=range(400, 501),
        only_unmet=True,
    ),
    Refusal("no_model", words=re.compile(r"^[^<]*\bmodel|^no (endpoints|allowed providers)"), within=range(404, 405)),
    Refusal("no_endpoint", frozenset({404, 405, *range(300, 400)})),
    Refusal(
        "no_endpoint",
        words=re.compile(
            r"unexpected endpoint|(unknown|no such|invalid|unsupported) (endpoint|url|route|path)"
            r"|(endpoint|url|route|path) (is |was )?(not found|unknown|does not exist)|cannot post /|method not allowed"
        ),
        only_unmet=True,
    ),
    Refusal(
        "system",
        words=re.compile(
            r"(system|developer)['’\"`]? ?(role|message|prompt|instruction)s?\b.{0,60}\b(not|no|unsupported)\b"
            r"|(not|n't|no) (support|allow|accept|have)\w* .{0,30}(system|developer)['’\"`]? ?(role|message|prompt"
            r"|instruction)|unsupported .{0,30}['’\"`]?system['’\"`]?|not support ['’\"`]system"
            r"|(unexpected|invalid|unknown|unsupported) (message )?role:? .{0,3}(system|developer)"
            r"|role .{0,3}(system|developer).{0,3} .{0,20}(not|invalid|unsupported)"
            r"|roles must alternate|only user(,| and) .{0,20}(assistant|model) roles"
            r"|(input|value) should be .?user.? or .?assistant|after the optional system message"
        ),
        within=range(400, 501),  # SGLang and llama.cpp fail with 500 where a chat template raises
    ),
    Refusal(
        "temperature",
        words=_refuses("temperature|sampling parameters?"),
        within=range(400, 501),
        unless=_OUT_OF_BOUNDS,
    ),
    Refusal("max_tokens", words=re.compile(r"max_completion_tokens"), within=range(400, 500)),
    Refusal("max_tokens", words=_refuses("max_tokens"), within=range(400, 500), unless=_OUT_OF_BOUNDS),
    Refusal(
        "response_format",
        words=re.compile(
            r"response[_ ]?format|json[_ ]?schema|json[_ ]?mode|\bgrammar\b|guided|structured[_ ]output|output_config"
        ),
        within=range(400, 500),
    ),
    Refusal("logprobs", words=re.compile(r"log[_ ]?probs|log probabilities"), within=range(400, 500)),
    Refusal(
        "rate_limited",
        codes=frozenset("rate_limit_exceeded rate_limit_error resource_exhausted overloaded_error throttling".split()),
        words=re.compile(r"rate.?limit|too many requests|overloaded|resource ?exhausted|throttl|try again later"),
        within=range(500, 501),
    ),
)


def meaning_of(
    status: int, codes: Collection[str], words: str, sent: Collection[str], is_unmet: bool, param: str | None = None
) -> Meaning | None:
    """Find what an error means.

    Args:
        status: Of HTTP, or the one that a body under a status of success tells.
        codes: The error's codes, in lower case.
        words: The error's text, in lower case.
        sent: Which of ``MENDABLE`` the request holds: no other can be refused.
        is_unmet: The endpoint has answered nothing yet.
        param: The parameter that the error names, if it does.

    Returns:
        None where the request was refused for a reason of its own.
    """
    named = _named_by(param)
    mendable = set() if status in (401, 403, 404, 429) else set(sent) if named is None else {named}.intersection(sent)
    for row in _TABLE:
        if row.meaning in MENDABLE and row.meaning not in mendable:
            continue
        if row.fits(status, codes, words, is_unmet, named):
            return row.meaning
    return "server_error" if status == 409 or status >= 500 else None


def _named_by(param: str | None) -> Meaning | None:
    """Which part of a request a path such as ``messages[0].role`` or ``body.temperature`` speaks of."""
    last = re.split(r"[.\[\]]+", (param or "").strip(".[]"))
    if last[0] == "messages":
        return "system" if last[-1] == "role" else None
    names: dict[str, Meaning] = {
        "temperature": "temperature", "max_tokens": "max_tokens", "max_completion_tokens": "max_tokens",
        "response_format": "response_format", "json_schema": "response_format",
        "logprobs": "logprobs", "top_logprobs": "logprobs",
    }  # fmt: skip
    return next((names[part] for part in last if part in names), None)
