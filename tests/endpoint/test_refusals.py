"""The words of many servers for what they refuse, each with its meaning."""

import json

import pytest

from datagen.config import TeacherSettings
from datagen.endpoint.error_translation import (
    ErrorReader,
    HttpAnswer,
    PassingError,
    RecordError,
    RefusedParameterError,
)
from datagen.endpoint.refusals import MENDABLE, meaning_of
from datagen.endpoint.target import Target
from datagen.errors import TeacherError


def meaning(
    words: str, status: int = 400, *, code: str = "", param: str | None = None, met: bool = False
) -> str | None:
    return meaning_of(status, {code}, words.lower(), MENDABLE, not met, param)


@pytest.mark.parametrize(
    ("words", "param"),
    [
        ("Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value.", None),
        ("Unsupported parameter: 'temperature' is not supported with this model.", "temperature"),
        ("invalid temperature: only 0.6 is allowed for this model", None),
        ("`temperature` is deprecated for this model.", None),
        ("`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.", None),
        ("`temperature` and `top_p` cannot both be specified for this model. Please use only one.", None),
        ("Invalid input", "temperature"),
        ("Extra inputs are not permitted", "body.temperature"),
        ("Unrecognized request argument supplied: temperature", None),
        ("Argument not supported on this model: temperature", None),
        ("litellm.UnsupportedParamsError: o3 don't support temperature=0.7", None),
        ("This model doesn't accept the sampling parameters", None),
        ("temperature must be 1 for reasoning models", None),
        ("temperature is fixed for this model; leave it out", None),
        ("This model requires the default temperature.", None),
        ("The following parameters are ignored: temperature; strict mode rejects them", None),
        ('json: unknown field "temperature"', None),
        ("value 0.7 not permitted", "body.temperature"),
    ],
)
def test_a_refused_temperature(words: str, param: str | None) -> None:
    assert meaning(words, param=param) == "temperature"


@pytest.mark.parametrize(
    "words",
    [
        "temperature must be between 0 and 1",
        "temperature: Input should be less than or equal to 1",
        "2.5 is greater than the maximum of 2 - 'temperature'",
        "temperature 0.7 is not in the range [0, 0.5]",
        "the picture shows a temperature",
        "bad message",
    ],
)
def test_a_value_out_of_bounds_or_a_word_is_no_refused_parameter(words: str) -> None:
    assert meaning(words) is None and meaning(words, param=None if "word" in words else "temperature") in (
        None,
        "temperature",
    )


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("System role not supported", 400),
        ("jinja2.exceptions.TemplateError: System role not supported", 500),
        ("Developer instruction is not enabled for models/gemma-3-27b-it", 400),
        ("Conversation roles must alternate user/assistant/user/assistant/...", 400),
        ("Unsupported value: 'messages[0].role' does not support 'system' with this model.", 400),
        ('messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter.', 400),
        ("Only user and assistant roles are supported!", 400),
        ("This model does not support system messages.", 422),
        ("A conversation must start with a user message", 400),
        ("The first message must be from the user.", 400),
        ("[{'loc': ['body', 'messages', 0, 'role'], 'msg': \"unexpected value; permitted: 'user'\"}]", 422),
    ],
)
def test_a_model_without_a_system_role(words: str, status: int) -> None:
    assert meaning(words, status) == "system"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("This model's maximum context length is 2048 tokens. However, you requested 2825 tokens.", 400),
        ("the request exceeds the available context size, try increasing it", 400),
        ("prompt is too long: 210000 tokens > 200000 maximum", 400),
        ("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000", 422),
        ("The input (5000 tokens) is longer than the model's context length (4096 tokens).", 400),
        ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 400),
        ("Invalid request: Your request exceeded model token limit: 8192", 400),
        ("Range of input length should be [1, 30720]", 400),
        ("input length exceeds maximum context length", 500),
        ("the model is loaded with context length of only 4096 tokens", 400),
        ("Prompt contains 40000 tokens, too large for model with 32768 maximum context length", 400),
        ("Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 7000", 413),
        ("Request too large for gpt-4 on tokens per min (TPM): Limit 10000, Requested 12000.", 429),
        ("<html>413 Request Entity Too Large</html>", 413),
    ],
)
def test_a_prompt_that_is_too_long(words: str, status: int) -> None:
    assert meaning(words, status) == "context_too_long"


@pytest.mark.parametrize(
    ("words", "status", "code", "expected"),
    [
        ("Your credit balance is too low to access the API.", 400, "invalid_request_error", "quota"),
        ("Your account is suspended", 429, "exceeded_current_quota_error", "quota"),
        ("You exceeded your current quota, please check your plan and billing details.", 429, "", "rate_limited"),
        ("used all available credits", 403, "", "quota"),
        ("Content Exists Risk", 400, "", "content_filter"),
        ("The request was rejected because it was considered high risk", 400, "", "content_filter"),
        ("input data may contain inappropriate content", 400, "data_inspection_failed", "content_filter"),
        ("No endpoints found for m.", 404, "", "no_model"),
        ("Unexpected endpoint or method. (POST /chat/completions)", 500, "", "no_endpoint"),
        ("Loading model", 503, "", "server_error"),
        ("The engine is currently overloaded, please try again later", 500, "", "rate_limited"),
        ("API key not valid. Please pass a valid API key.", 400, "", "key"),
        ("Use 'max_completion_tokens' instead.", 400, "", "max_tokens"),
        ("max_tokens is too large: 5000. This model supports at most 4096 completion tokens", 400, "", None),
        # Out of money, however it is sent; a rate that was passed is not.
        ("You exceeded your current quota", 429, "insufficient_quota", "quota"),
        ("余额不足或无可用资源包,请充值", 429, "1113", "quota"),
        ("用户额度不足, 剩余额度: $0.00", 403, "", "quota"),
        ("You have reached your specified API usage limits. You will regain access on 2026-01-01", 429, "", "quota"),
        ("This organization has exceeded its monthly budget of $10", 403, "", "quota"),
        ("ExceededBudget: over budget. Spend=10.1, Budget=10", 400, "", "quota"),
        ("Rate limit reached on tokens per min (TPM): Limit 9000, Used 8900, Requested 300", 429, "", "rate_limited"),
        ("Monthly spend limit exceeded for this workspace", 429, "", "quota"),
        ("The free tier of the model has been exhausted", 403, "", "quota"),
        ("The model is loading", 404, "", "server_error"),
        # What passes, under a status that mostly does not.
        ("Too many requests, please wait before trying again.", 400, "ThrottlingException", "rate_limited"),
        ("Slow down.", 400, "com.amazon.coral#ThrottlingException", "rate_limited"),
        ("Rate limit exceeded", 403, "", "rate_limited"),
        ("model is overloaded", 503, "", "rate_limited"),
        ("Overloaded", 529, "", "rate_limited"),
        ("Model is still loading", 425, "", "server_error"),
        ("The model is loading, please wait", 400, "", "server_error"),
        ("Failed Dependency", 424, "", "server_error"),
        ("CUDA error: device-side assert triggered", 400, "", "server_error"),
        ("upstream connect error or disconnect/reset before headers", 400, "", "server_error"),
        ("error loading the picture", 400, "", None),
        # 403 says many things.
        ("The key has no permission for this project", 403, "", "key"),
        ("Your chosen model requires moderation and your input was flagged", 403, "", "content_filter"),
        ("Project does not have access to model `gpt-4`", 403, "", "no_model"),
        ("<html>Attention Required! | Cloudflare</html>", 403, "", "forbidden"),
        ("Country, region, or territory not supported", 403, "unsupported_country_region_territory", "forbidden"),
        ("系统检测到输入或生成内容可能包含不安全或敏感内容", 400, "1301", "content_filter"),
        ("Failed to compile grammar for schema", 500, "", "response_format"),
    ],
)
def test_others(words: str, status: int, code: str, expected: str | None) -> None:
    assert meaning(words, status, code=code) == expected


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("model 'x' not found, try pulling it first", 400),
        ("The model `x` does not exist or you do not have access to it", 404),
        ("The model `x` has been decommissioned and is no longer supported", 400),
        ("Invalid model name passed in model=x. Call `/v1/models`", 400),
        ("Project does not have access to model `gpt-4`", 403),
    ],
)
def test_a_model_that_goes_away_later(words: str, status: int) -> None:
    assert meaning(words, status, met=True) == "no_model"


@pytest.mark.parametrize("status", [400, 403, 422])
def test_a_request_refused_by_an_endpoint_that_answered_others_is_its_own_fault(status: int) -> None:
    assert meaning("invalid input", status, met=True) is None


def inside(body: object) -> Exception | None:
    settings = TeacherSettings()
    target = Target(settings=settings, model="m", base_url="http://h", option="--base-url", error=TeacherError)
    came = HttpAnswer(200, {}, json.dumps(body).encode())
    return ErrorReader(target, "http://h", None).meaning_inside(came, frozenset(MENDABLE))


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ({"error": "Unexpected endpoint or method. (POST /chat/completions)"}, TeacherError, "end in /v1?"),
        ({"error": {"message": "Insufficient credits.", "code": 402}}, TeacherError, "quota is used up"),
        ({"error": {"message": "No auth credentials found", "code": 401}}, TeacherError, "does not accept the key"),
        (
            {
                "choices": None,
                "error": {"message": "Provider returned error", "code": 429, "metadata": {"raw": "slow"}},
            },
            PassingError,
            "rate_limited: 429 Provider returned error: slow",
        ),
        ({"error": {"message": "upstream failed"}}, PassingError, "server_error"),
        ({"object": "error", "message": "maximum context length is 8", "code": 400}, RecordError, "is 8"),
        ({"detail": "Not Found", "status": 404}, TeacherError, "OpenAI-compatible"),
        ({"error": {"message": "temperature is not supported", "code": "400"}}, RefusedParameterError, "temperature"),
        ({"success": False, "errors": [{"code": 7003, "message": "No route for that URI"}]}, TeacherError, "No route"),
        ({"code": 1113, "msg": "insufficient balance", "success": False}, TeacherError, "quota"),
        ({"message": {"detail": [{"loc": ["body", "temperature"]}]}, "code": "400"}, RefusedParameterError, "temp"),
        ({"error": {"message": "Just a moment", "code": 403}}, TeacherError, "refuses all requests (403: Just"),
        ({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, TeacherError, "quota"),
        (
            [{"error": {"code": 400, "message": "Developer instruction is not enabled"}}],
            RefusedParameterError,
            "system",
        ),
    ],
)
def test_errors_under_a_status_of_success(body: object, kind: type[Exception], words: str) -> None:
    meant = inside(body)
    assert isinstance(meant, kind) and words in str(meant)


@pytest.mark.parametrize("body", [{"choices": []}, {"choices": None, "error": None}, "words", [], None, {"ok": 1}])
def test_what_tells_no_error_is_none(body: object) -> None:
    assert inside(body) is None
