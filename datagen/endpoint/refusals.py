"""The table of refusals: what an endpoint's error means, by status, by code, or by the words of whoever follows OpenAI.

The first row that fits counts, so a row stands above those that its signs would also fit; what fits none is the
request's own fault. Words are matched in lower case, codes without case, underscores and what stands before a ``#``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

from msgspec import Struct

Meaning = Literal[
    "quota", "key", "system", "temperature", "max_tokens", "response_format", "logprobs",
    "context_too_long", "content_filter", "no_model", "no_endpoint", "forbidden", "rate_limited", "timeout",
    "server_error",
]  # fmt: skip

MENDABLE: tuple[Meaning, ...] = ("system", "temperature", "max_tokens", "response_format", "logprobs")
"""Parts of a request that it can do without."""


def plain_code(code: str) -> str:
    """A code as the table has it: ``ThrottlingException`` and ``throttling_exception`` are one."""
    return re.sub(r"[\W_]+", "", code.rpartition("#")[2].lower())


def _codes(codes: str) -> frozenset[str]:
    return frozenset(map(plain_code, codes.split()))


class Refusal(Struct, frozen=True):
    """One meaning and its signs; any one of them is enough.

    Attributes:
        statuses: HTTP statuses that say it.
        codes: Of the error's ``code``, ``type``, ``status`` or ``reason``, as ``plain_code`` writes them.
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
        r"|unknown|unrecogni[sz]ed|extra|fixed|locked|ignored|mutually exclusive|rejected"
        r"|has no effect|leave it out))\b"
    )
    before = (
        r"((\bnot|n't) (support|allow|accept|permit|take)|\b(unsupported|unexpected|unknown|unrecogni[sz]ed|extra"
        r"|additional|no such|forbidden|deprecated|removed?|without|omit|unset|ignored|rejected|leave out|do not set"
        r"|(requires?|only|uses?) (the|its) default( value for)?))"
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
        _codes(
            "insufficient_quota exceeded_current_quota_error insufficient_balance insufficient_user_quota"
            " insufficient_account_balance insufficient_credits insufficient_funds billing_not_active"
            " billing_hard_limit_reached arrearage payment_required budget_exceeded exceeded_budget out_of_credits"
            " account_overdue account_suspended 1113"  # the last is Zhipu's
        ),
        re.compile(  # "exceeded your current quota" alone says nothing: Gemini says it of a minute
            r"\b(insufficient (account |user |remaining )?(balance|credits?|funds|quota)|balance (is )?(too low"
            r"|insufficient|exhausted)|out of credits?|not enough (credits?|balance|funds)"
            r"|no (more )?credits? (left|remaining)|used all available credits"
            r"|credits? (have been |are |has been |is )?(used up|exhausted|depleted)"
            r"|requires more credits|account (is )?(in arrears|overdue)|(reached|exceeded|exceeds) .{0,30}(spend(ing)?"
            r" (limit|cap)|\bbudget|specified api usage limits|hard limit)|over budget"
            r"|(spend(ing)?|credit) (limit|cap) (is |was |has been )?(exceeded|reached)"
            r"|free tier .{0,40}(exhausted|used up)|budget (has been |was |is )?"
            r"(exceeded|used up)|exceededbudget|payment (is )?required|top up your|recharge your)"
            r"|余额不足|额度不足|欠费|充值"
        ),
    ),
    Refusal("key", frozenset({401})),
    Refusal(
        "key",
        codes=_codes("invalid_api_key authentication_error invalid_authentication_error unauthenticated"),
        words=re.compile(
            r"\b((incorrect|invalid|wrong|missing|no|expired) (api|access)[ _-]?key|api[ _-]?key (is )?(not valid"
            r"|invalid|missing|expired|required|not found)|no auth credentials|unauthori[sz]ed)\b"
        ),
        only_unmet=True,
    ),
    Refusal(
        "context_too_long",
        codes=_codes("context_length_exceeded exceed_context_size_error string_above_max_length request_too_large"),
        words=re.compile(
            r"context[ _-]?(length|size|window)"
            r"|(prompt|input|message|request|entity|payload)s?( is| are| was)? too (long|large)\b"
            r"|max(imum)?[ _](model |sequence |input |prompt )?(length|seq_?len)|max_model_len|max_seq_len"
            r"|(input|prompt|token)s?( token)? count.{0,40}exceeds|exceed(s|ed)? (the )?(model(['’]s)?|maximum)"
            r" .{0,30}tokens?\b|exceed(s|ed)? model token limit|tokens? \+ .?max_new_tokens"
            r"|must have less than \d+ tokens|\d+ tokens\b.{0,20}\b(at most|maximum|limit)"
            r"|range of input length|longer than the (model|maximum)|too many (input |prompt )?tokens\b"
            r"|reduce the length of the (messages|prompt|input)|not enough (kv cache|context)"
        ),
    ),
    Refusal("rate_limited", frozenset({429})),
    Refusal("timeout", frozenset({408})),
    Refusal(
        "content_filter",
        codes=_codes(
            "content_filter content_policy_violation responsible_ai_policy_violation data_inspection_failed"
            " content_filter_error sensitive_content moderation moderation_blocked 1301"  # the last is Zhipu's
        ),
        words=re.compile(
            r"content management policy|content exists risk|considered high risk|(violat|against)\w* .{0,30}"
            r"(content|usage|safety) polic|inappropriate content|prohibited_content|requires moderation"
            r"|(input|prompt|request|content|output|message)s? (was|were|is|has been|have been) (flagged|moderated)"
            r"|(blocked|rejected|flagged) by .{0,40}(content|safety|moderation)|敏感内容|不安全|违规"
        ),
    ),
    Refusal(
        "no_model",
        codes=_codes("model_not_found deployment_not_found model_not_exist unknown_model invalid_model"),
    ),
    Refusal(
        "no_model",
        words=re.compile(
            r"(invalid|unknown|no such) model( name| id|:|$)"
            r"|\bmodel\b.{0,60}\b(not found|not exist|been (decommissioned|retired|shut down|removed|discontinued)"
            r"|not a valid model)|not a valid model|(no|not have|not granted) access to .{0,20}\bmodel\b"
            r"|access to .{0,20}\bmodel\b.{0,60} (denied|not allowed)"
        ),
        within=range(400, 501),
    ),
    Refusal(
        "no_model",
        words=re.compile(
            r"(invalid|unknown|no such) model\b|\bmodel\b.{0,120}\b(not found|not exist|not available|not loaded)"
            r"|no models? (is )?loaded|must provide a model parameter"
        ),
        within=range(400, 501),
        only_unmet=True,
    ),
    Refusal(
        "no_model",
        words=re.compile(r"^(?![^<]*\bloading\b)[^<]*\bmodel|^no (endpoints|allowed providers)"),
        within=range(404, 405),
    ),
    Refusal("server_error", words=re.compile(r"\bloading\b"), within=range(404, 405)),
    Refusal("no_endpoint", frozenset({404, 405, *range(300, 400)})),
    Refusal(
        "no_endpoint",
        words=re.compile(
            r"unexpected endpoint|(unknown|no such|invalid|unsupported) (endpoint|url|route|path)"
            r"|(endpoint|url|route|path) (is |was )?(not found|unknown|does not exist)|cannot post /|method not allowed"
            r"|no route (for|matched|to that|found)"
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
            r"|only supports? .?user|role.{0,9} (must|should) be (one of )?\W{0,3}user"
            r"|(conversation|first message|messages?) (must|should|has to|have to) (start|begin|be) .{0,20}\buser\b"
            r"|messages\W{1,6}0\W{1,6}role|permitted: .?user"
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
        within=range(400, 501),  # a server that cannot compile the schema fails with 500
    ),
    Refusal("logprobs", words=re.compile(r"log[_ ]?probs|log probabilities"), within=range(400, 500)),
    Refusal(
        "rate_limited",
        frozenset({529}),
        codes=_codes(
            "rate_limit_exceeded rate_limit_error rate_limited resource_exhausted overloaded_error throttling"
            " throttling_exception too_many_requests request_limit_exceeded engine_overloaded"
        ),
        words=re.compile(
            r"\brate.?limit(s|ed)?\b|too many (concurrent )?requests"
            r"|requests per (second|minute) limit|\boverloaded|resource ?exhausted|throttl(ed|ing)\b"
        ),
    ),
    Refusal("rate_limited", words=re.compile("try again later"), within=range(500, 501)),
    Refusal("forbidden", frozenset({403, 407, 451}), only_unmet=True),  # moderation answers 403 to a single prompt
    Refusal("server_error", frozenset({409, 421, 423, 424, 425, 449, 499})),
    Refusal(
        "server_error",
        words=re.compile(
            r"\b(loading (the )?model|(model|weights|server)\b.{0,30} loading|still loading|warming up"
            r"|starting up|not ready|try again (later|in|shortly|soon)|temporar(y|ily)"
            r"|cuda|out of memory|upstream (connect|error|failed|request|timed)"
            r"|connection (was )?(reset|refused|closed|aborted|error)|disconnect(ed)?\b"
            r"|internal (server )?error|bad gateway|gateway time.?out|timed out|no healthy|engine (is )?dead)"
        ),
        within=range(400, 500),
    ),
)


_SAYS_KEY = re.compile(
    r"\b(api|access)[ _-]?key|\btoken\b|credential|authenticat|authori[sz]|permission|log ?in\b|password|subscription"
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
    codes, named = {plain_code(code) for code in codes}, _named_by(param)
    mendable = set() if status in (401, 403, 404, 429) else set(sent) if named is None else {named}.intersection(sent)
    for row in _TABLE:
        if row.meaning in MENDABLE and row.meaning not in mendable:
            continue
        if row.fits(status, codes, words, is_unmet, named):
            return "key" if row.meaning == "forbidden" and _SAYS_KEY.search(words) else row.meaning
    return "server_error" if status >= 500 else None


def _named_by(param: str | None) -> Meaning | None:
    """Which part of a request a path such as ``messages[0].role`` or ``body.temperature`` speaks of."""
    last = re.split(r"[.\[\]]+", (param or "").strip(".[]").removeprefix("body."))
    if last[0] == "messages":
        return "system" if last[-1] == "role" else None
    names: dict[str, Meaning] = {
        "temperature": "temperature", "max_tokens": "max_tokens", "max_completion_tokens": "max_tokens",
        "response_format": "response_format", "json_schema": "response_format",
        "logprobs": "logprobs", "top_logprobs": "logprobs",
    }  # fmt: skip
    return next((names[part] for part in last if part in names), None)
