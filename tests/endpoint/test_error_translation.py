"""What an endpoint's answer means, read from its status and body alone."""

import json
from typing import Any

import pytest

from datagen.config import TeacherSettings
from datagen.endpoint import error_translation
from datagen.endpoint.error_translation import (
    PROXY_SILENT,
    ErrorReader,
    HttpAnswer,
    NoAnswerError,
    PassingError,
    RecordError,
    RefusedParameterError,
)
from datagen.endpoint.target import Target
from datagen.errors import EmbeddingError

KEY = "sk-very-secret-0123456789"
SETTINGS = TeacherSettings(api_key_env="MY_KEY")
TARGET = Target(settings=SETTINGS, model="m", base_url="http://h/v1", option="--where", error=EmbeddingError)


def reader() -> ErrorReader:
    return ErrorReader(TARGET, "http://me:pw@h/v1?key=x", KEY)


def answer(status: int, body: object = None, **headers: str) -> HttpAnswer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status, {name.replace("_", "-"): text for name, text in headers.items()}, content)


def error(message: str, code: str | None = None) -> dict[str, object]:
    return {"error": {"message": message, "code": code, "type": "t"}}


@pytest.mark.parametrize(
    ("came", "code"),
    [
        (answer(429, error("slow down")), "rate_limited"),
        (answer(408, b""), "timeout"),
        (answer(409, error("again")), "server_error"),
        (answer(503, b"<html>busy</html>"), "server_error"),
        (NoAnswerError("connection", "ServerDisconnectedError"), "connection"),
        (NoAnswerError("unreachable", "no route"), "unreachable"),
    ],
)
def test_what_another_try_may_cure(came: HttpAnswer | NoAnswerError, code: str) -> None:
    meaning = reader().meaning_of(came)
    assert isinstance(meaning, PassingError) and meaning.code == code


@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [({"retry_after": "7"}, 7.0), ({"retry_after_ms": "250"}, 0.25), ({}, None), ({"retry_after": "soon"}, None)],
)
def test_the_pause_that_is_asked_for(headers: dict[str, str], pause_s: float | None) -> None:
    meaning = reader().meaning_of(answer(503, error("busy"), **headers))
    assert isinstance(meaning, PassingError)
    assert (meaning.retry_after_s, meaning.is_refusal) == (pause_s, pause_s is not None)


@pytest.mark.parametrize(
    ("came", "code", "words"),
    [
        (answer(400, error("no", "context_length_exceeded")), "context_too_long", "no"),
        (answer(413, {"detail": "prompt is too long"}), "context_too_long", "prompt is too long"),
        (answer(400, error("filtered", "content_filter")), "content_filter", "filtered"),
        (answer(422, {"detail": [{"msg": "odd"}]}), "request_rejected", "422 [{'msg': 'odd'}]"),
        (answer(400, "just words"), "request_rejected", "400 just words"),
        (answer(400, b"\xff\xfe"), "request_rejected", "400 ��"),
        (answer(400, b""), "request_rejected", "400 status 400"),
    ],
)
def test_what_concerns_one_record(came: HttpAnswer, code: str, words: str) -> None:
    meaning = reader().meaning_of(came)
    assert isinstance(meaning, RecordError)
    assert (meaning.code, str(meaning)) == (code, words)


def test_a_parameter_is_refused_only_where_it_was_sent() -> None:
    refusal = answer(400, error("logprobs are not supported"))
    meaning = reader().meaning_of(refusal, {"logprobs": True})
    assert isinstance(meaning, RefusedParameterError) and meaning.name == "logprobs"
    assert isinstance(reader().meaning_of(refusal, {"model": "m"}), RecordError)


@pytest.mark.parametrize(
    ("came", "words"),
    [
        (answer(401, error("bad")), "http://h/v1 does not accept the key in MY_KEY (401: bad)."),
        (answer(402, error("pay")), "http://h/v1 says that the quota is used up (pay)."),
        (answer(404, error("gone", "model_not_found")), "http://h/v1 has no model 'm' (gone)."),
        (answer(404, b"<html>"), "http://h/v1: expected an OpenAI-compatible endpoint (404: <html>)"),
        (answer(307, b"", location="http://u:p@o/v1?key=x"), "(307: a redirect to http://o/v1)"),
    ],
)
def test_what_concerns_the_run_is_the_targets_own_error(came: HttpAnswer, words: str) -> None:
    meaning = reader().meaning_of(came)
    assert isinstance(meaning, EmbeddingError) and words in str(meaning)


def test_a_403_concerns_the_run_until_the_key_has_worked() -> None:
    seen = reader()
    assert isinstance(seen.meaning_of(answer(403, error("flagged"))), EmbeddingError)
    seen.has_answered = True
    assert isinstance(seen.meaning_of(answer(403, error("flagged"))), RecordError)


def test_the_option_that_names_the_address_is_told() -> None:
    assert str(reader().nobody_answers("why")).endswith("Does the server run? Is --where right?")


def test_a_silent_proxy_is_told_as_one() -> None:
    told = str(reader().nobody_answers(f"unreachable: {PROXY_SILENT}: why"))
    assert told.startswith("No way leads to http://h/v1 (") and "Mend HTTP_PROXY" in told and "--where" not in told


def test_keys_are_in_no_message() -> None:
    echo = f"key {KEY}, Bearer {KEY} and sk-ve***89"
    for status in (400, 401, 429):
        told = str(reader().meaning_of(answer(status, error(echo))))
        assert "secret" not in told and "sk-ve" not in told and "[key]" in told
    assert reader().shown("a\n b " + 400 * "x").startswith("a b xxx") and len(reader().shown(400 * "x")) == 300


def test_login_and_query_of_its_own_address_are_in_no_message() -> None:
    seen = ErrorReader(TARGET, "http://me:pass-of-me@h/v1?api-key=key-in-query", None)
    came = NoAnswerError(
        "connection", "ClientHttpProxyError http://me:pass-of-me@h says key-in-query, bWU6cGFzcy1vZi1tZQ=="
    )
    told = str(seen.meaning_of(came))
    assert "http://[key]@h" in told and not [one for one in ("pass", "query", "bWU6") if one in told]


def test_what_steers_a_terminal_is_in_no_message() -> None:
    assert reader().shown("a\x1b]0;title\x07b\u202ec") == "a\\x1b]0;title\\x07b\\x202ec"


def test_an_answer_that_echoes_the_key_is_kept_without_it() -> None:
    assert reader().without_key(f"You sent {KEY}.".encode()) == b"You sent [key]."
    assert ErrorReader(TARGET, "http://h", "none").without_key(b"none is there") == b"none is there"


@pytest.mark.parametrize(
    "body",
    [
        b"A b " * 750_000,
        json.dumps({"error": {"message": "a b c " * 500_000, "code": "z" * 1_000_000}}).encode(),
        json.dumps({"detail": [{"loc": ["a"], "msg": "x"}] * 75_000}).encode(),
        b"[" * 3_000_000,
    ],
    ids=["text", "json", "list", "brackets"],
)
@pytest.mark.parametrize("status", [400, 429, 500])
def test_of_a_huge_error_only_the_beginning_is_read(body: bytes, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []

    def heard(status: int, codes: frozenset[str], words: str, *more: Any) -> None:
        del status, more
        lengths.extend(map(len, (words, *codes)))

    monkeypatch.setattr(error_translation, "meaning_of", heard)
    meaning = reader().meaning_of(HttpAnswer(status, {}, body))
    assert lengths and max(lengths) <= error_translation.MAX_READ_CHARS
    assert len(str(meaning)) < 400
