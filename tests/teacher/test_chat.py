import asyncio
import email.utils
import json
import logging
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path

import pytest
from loopback import ANSWER_FAULTS, WAY_FAULTS, Answer, LoopbackServer, error_answer, json_answer, reply_for

from datagen.config import TeacherSettings
from datagen.endpoint.client import FIRST_CONTACT_ATTEMPTS, MAX_REJECTED
from datagen.endpoint.error_translation import MAX_DETAIL_CHARS, MAX_RETRY_AFTER_S
from datagen.errors import TeacherError
from datagen.records import AnnotatedImage, Message, Request, Usage
from datagen.teacher import PaidError, StoppedError
from datagen.teacher.chat import ChatTeacher

KEY = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("OPENAI_"):
            monkeypatch.delenv(name)


def request_of(content="one", reply_format="delimited", system="Answer with === between the parts."):
    return Request(
        digest=f"digest-{content}",
        image=AnnotatedImage("7", "7.jpg", 10, 10),
        response_type="conversation",
        recipe_digest="r",
        messages=(Message("system", system), Message("user", content)),
        temperature=0.7,
        max_tokens=500,
        reply_format=reply_format,
    )


def ask(server, *requests, one_by_one=False, **settings):
    """Answer requests through a fresh teacher; gives (replies, pauses asked for)."""
    pauses = []

    async def record(seconds):
        pauses.append(seconds)

    async def main():
        given = {"name": "loopback", "base_url": server.base_url, **settings}
        teacher = ChatTeacher(TeacherSettings(**given), sleep=record)
        try:
            if one_by_one:
                return [await teacher.answer(request) for request in requests]
            return await asyncio.gather(*(teacher.answer(request) for request in requests or [request_of()]))
        finally:
            await teacher.close()

    return asyncio.run(main()), pauses


def ask_scripted(*fates, requests=(), **settings):
    """Answer one request by a server whose arrivals meet the given fates in turn, then a good reply."""

    def intercept(body, arrival):
        return fates[arrival - 1] if arrival <= len(fates) else None

    with LoopbackServer(intercept=intercept) as server:
        replies, pauses = ask(server, *requests, **settings)
    return replies[0], pauses, server


def completion(message, finish_reason="stop", **more):
    return json_answer(200, {"choices": [{"message": message, "finish_reason": finish_reason}], **more})


# The good way


def test_a_reply_carries_text_usage_cost_and_timing():
    with LoopbackServer() as server:
        (reply,), pauses = ask(server, name="gpt-4o")
    body = server.seen[0][1]
    assert reply.text == reply_for(body)
    assert (reply.request_digest, reply.image_id, reply.response_type) == ("digest-one", "7", "conversation")
    assert (reply.teacher, reply.finish_reason, reply.error, reply.n_attempts) == ("gpt-4o", "stop", None, 1)
    assert reply.usage.n_prompt_tokens == 7 and reply.usage.n_cached_tokens == 3
    assert reply.cost_usd == pytest.approx((4 * 2.5 + 3 * 1.25 + reply.usage.n_completion_tokens * 10) / 1e6)
    assert reply.latency_s >= 0 and abs(reply.at - time.time()) < 3600
    assert pauses == []
    assert body == {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "Answer with === between the parts."},
            {"role": "user", "content": "one"},
        ],
        "max_tokens": 500,
        "temperature": 0.7,
    }


def test_the_key_of_the_named_variable_is_sent(monkeypatch):
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    with LoopbackServer(api_key=KEY) as server:
        (reply,), _ = ask(server, api_key_env="MY_KEY")
    assert reply.error is None
    assert server.seen[0][0]["authorization"] == f"Bearer {KEY}"


def test_the_clients_own_address_variable_is_heeded_and_needs_no_key(monkeypatch):
    with LoopbackServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        (reply,), _ = ask(server, base_url=None)
    assert reply.error is None


def test_a_cut_text_is_kept_with_its_finish_reason():
    reply, _, _ = ask_scripted("length")
    assert reply.text and reply.error is None and reply.finish_reason == "length"


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, Usage()),
        ("odd", Usage()),
        ({"prompt_tokens": None, "completion_tokens": "3"}, Usage()),
        ({"prompt_tokens": int("9" * 310), "completion_tokens": 2}, Usage()),
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 907}, Usage(5, 0, 902)),
        ({"input_tokens": 5, "output_tokens": 2}, Usage(5, 0, 2)),
        ({"prompt_tokens": 5.0, "completion_tokens": -1, "prompt_tokens_details": None}, Usage()),
        ({"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}, Usage(5, 4, 2)),
    ],
)
def test_odd_usage_never_costs_the_reply(usage, expected):
    reply, _, _ = ask_scripted(completion({"content": "fine"}, usage=usage), name="gpt-4o")
    assert (reply.text, reply.usage) == ("fine", expected)
    assert (reply.cost_usd is None) == (expected == Usage())


@pytest.mark.parametrize("end", [3, ["stop"], {"type": "stop"}])
def test_a_finish_reason_that_is_no_word_is_an_unknown_one(end):
    reply, _, _ = ask_scripted(completion({"content": "one"}, finish_reason=end))
    assert (reply.text, reply.error, reply.finish_reason, reply.n_attempts) == ("one", None, str(end), 1)


def test_comments_that_keep_a_connection_alive_are_passed_over():
    good = completion({"content": "one"})
    reply, _, _ = ask_scripted(Answer(200, b": PROCESSING\n\n: PROCESSING\n\n" + good.body))
    assert (reply.text, reply.n_attempts) == ("one", 1)


def test_reasoning_is_left_out_and_text_in_parts_is_joined():
    thoughts = [{"type": "thinking", "thinking": "hm"}, {"type": "reasoning", "text": "hm"}]
    parts = [*thoughts, {"type": "text", "text": "one "}, {"type": "image"}, "odd", {"text": "two"}]
    reply, _, _ = ask_scripted(completion({"content": parts, "reasoning_content": "hm"}, finish_reason=None))
    assert (reply.text, reply.finish_reason) == ("one two", None)


# Faults that pass


@pytest.mark.parametrize("fault", [f for f in WAY_FAULTS if f != "slow"])
def test_a_passing_fault_is_tried_again(fault):
    reply, pauses, server = ask_scripted(fault, fault)
    assert (reply.error, reply.n_attempts, len(pauses)) == (None, 3, 2)
    assert server.arrivals.total() == 3 and server.answered.total() == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b""),
        Answer(200, b"null"),
        Answer(200, b"[]"),
        Answer(200, b'{"choices": null}'),
        Answer(200, b'{"choices": [{}]}'),
        Answer(200, b'{"choices": [{"message": null}]}'),
        Answer(200, b'{"choices": [{"message": {"content": 5}}]}'),
        Answer(200, b'{"choices": [{"message": {"content": "\xff"}}]}'),
        Answer(200, b"[" * 100_000),
        json_answer(200, {"error": {"message": "upstream failed"}}),
        json_answer(500, []),
        json_answer(502, {"error": None}),
        json_answer(503, {"error": "text"}),
        json_answer(529, {"error": {"message": 5, "code": 7, "type": []}}),
        error_answer(408, "too slow"),
        error_answer(409, "locked"),
    ],
    ids=range(16),
)
def test_odd_shapes_are_tried_again_and_never_crash(answer):
    reply, _, _ = ask_scripted(answer)
    assert (reply.error, reply.n_attempts) == (None, 2)


@pytest.mark.parametrize(
    ("fate", "word"),
    [
        ("rate_limited", "rate_limited: 429 Rate limit reached."),
        ("server_error", "server_error: 500 The server had an error."),
        ("dropped", "connection: "),
        ("cut", "connection: "),
        ("html", "garbled: expected a chat completion, got: <html>"),
        ("no_choices", "garbled: "),
    ],
)
def test_after_the_last_try_the_reply_names_the_fault_and_may_be_asked_again(fate, word):
    reply, pauses, _ = ask_scripted(*[fate] * 3, max_attempts=3)
    assert (reply.error, reply.is_final, reply.n_attempts, len(pauses)) == ("gave_up", False, 3, 2)
    assert reply.detail.startswith(f"3 tries, the last: {word}")
    assert reply.text == "" and reply.cost_usd is None


def test_an_answer_that_does_not_come_in_time_is_a_timeout():
    with LoopbackServer({"slow": 1.0}, slow_s=60.0) as server:
        (reply,), _ = ask(server, max_attempts=2, timeout_s=0.05)
    assert (reply.error, reply.is_final) == ("gave_up", False)
    assert reply.detail == "2 tries, the last: timeout: no whole answer within 0.05 s"


def test_pauses_grow_up_to_the_ceiling():
    _, pauses, _ = ask_scripted(*["server_error"] * 7, max_wait_s=4.0)
    ceilings = [0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0]
    assert all(ceiling / 2 <= pause <= ceiling for pause, ceiling in zip(pauses, ceilings, strict=True))


@pytest.mark.parametrize(
    ("headers", "asked_s"),
    [
        ({"Retry_After": "7"}, 7),
        ({"Retry_After": "120.5"}, 120.5),
        ({"Retry_After": "600"}, MAX_RETRY_AFTER_S),
        ({"retry_after_ms": "9500", "Retry_After": "1"}, 9.5),
        ({"retry_after_ms": "soon", "Retry_After": "5"}, 5),
    ],
)
def test_retry_after_is_obeyed_beyond_the_ceiling(headers, asked_s):
    _, (pause,), _ = ask_scripted(error_answer(429, "slow down", **headers), max_wait_s=2.0)
    assert asked_s <= pause <= asked_s * 1.1


def test_retry_after_may_be_a_date():
    date = email.utils.formatdate(time.time() + 300, usegmt=True)
    _, (pause,), _ = ask_scripted(error_answer(503, "back soon", Retry_After=date), max_wait_s=2.0)
    assert 100 < pause <= 330  # a slow machine may eat some of the five minutes


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"Retry_After": "86400"}, "come again in 24 hours"),
        ({"Retry_After": "Wed, 21 Oct 2099 07:28:00 GMT"}, "more than a year"),
        ({"Retry_After": "Fri, 31 Dec 9999 23:59:59 GMT"}, "more than a year"),
        ({"Retry_After": "1e300"}, "more than a year"),
        ({"Retry_After": "1200"}, "come again in 20 minutes"),
        ({"retry_after_ms": "7200000"}, "come again in 2 hours"),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_that_is_too_long_is_not_waited_for(headers, told, status):
    reply, pauses, _ = ask_scripted(error_answer(status, "used up", **headers))
    assert (reply.error, reply.is_final, reply.n_attempts, pauses) == ("gave_up", False, 1, [])
    assert told in reply.detail


def test_an_endpoint_that_sends_all_away_for_long_ends_the_run_in_a_sentence():
    away = error_answer(429, "used up", Retry_After="86400")
    with LoopbackServer(intercept=lambda body, n: away) as server, pytest.raises(TeacherError) as told:
        ask(server, *(request_of(str(i)) for i in range(9)))
    assert "takes no request for now: 3 in a row were refused, the last by rate_limited: 429 used up" in str(told.value)
    assert "come again in 24 hours. What was paid for is stored" in str(told.value)


@pytest.mark.parametrize(
    "value", ["0", "-5", "nan", "inf", "soon", "", "Sat, 01 Jan 2000 00:00:00 GMT", "1 Jan 2000 00:00 -0000"]
)
def test_a_senseless_retry_after_falls_back_to_the_own_pause(value):
    _, (pause,), _ = ask_scripted(error_answer(429, "slow down", Retry_After=value))
    assert 0.25 <= pause <= 0.5


@pytest.mark.parametrize("missing", [None, ""])
def test_an_end_that_is_missing_from_one_answer_alone_is_no_end(missing):
    """Who never tells how answers end is taken at his word, whatever the order."""

    def answer(ends):
        def intercept(body, n):
            end = ends[int(body["messages"][-1]["content"])]
            return completion({"content": "words"}, finish_reason=end.pop(0) if end else "stop")

        return intercept

    cases = {
        "never": ([[missing], [missing], [missing]], [None, None, None], 1),
        "once, and mended": ([["stop"], [missing], ["stop"]], [None, None, None], 2),
        "at every try": ([["stop"], [missing] * 9, ["stop"]], [None, "cut_short", None], 2),
    }
    for name, (ends, errors, n_tries) in cases.items():
        with LoopbackServer(intercept=answer(ends)) as server:
            replies, _ = ask(server, *(request_of(str(n)) for n in range(3)), concurrency=1)
        assert ([reply.error for reply in replies], replies[1].n_attempts) == (errors, n_tries), name
        assert replies[1].is_final == (name != "at every try")


# Faults of one record


def test_an_empty_answer_is_asked_once_more_and_both_tries_are_counted():
    reply, _, _ = ask_scripted("empty", "server_error", completion({"content": " \n"}, usage={"prompt_tokens": 9}))
    assert (reply.error, reply.n_attempts) == ("empty_reply", 3)
    assert reply.usage.n_prompt_tokens == 7 + 9
    reply, _, _ = ask_scripted("empty")
    assert (reply.error, reply.n_attempts, reply.usage.n_prompt_tokens) == (None, 2, 14)


def test_tokens_spent_before_the_first_word_are_explained():
    silent = completion({"content": None}, finish_reason="length")
    reply, _, _ = ask_scripted(silent, silent)
    assert reply.error == "empty_reply" and "500 tokens" in reply.detail and "raise max_tokens" in reply.detail


@pytest.mark.parametrize(
    ("fate", "error", "detail"),
    [
        ("refusal", "refused", "I cannot help with that."),
        (completion({"content": "half a"}, "content_filter"), "content_filter", "filter"),
        (error_answer(400, "filtered", "content_filter"), "content_filter", "filtered"),
        (error_answer(400, "too many", "context_length_exceeded"), "context_too_long", "too many"),
        (
            error_answer(400, "'max_tokens' or 'max_completion_tokens' is too large: the maximum context length is 8"),
            "context_too_long",
            "is 8",
        ),
        (error_answer(400, "bad message"), "request_rejected", "400 bad message"),
        (json_answer(422, {"detail": [{"loc": ["body"], "msg": "odd"}]}), "request_rejected", "odd"),
        (json_answer(400, ["odd"]), "request_rejected", "400 ['odd']"),
        (json_answer(400, {}), "request_rejected", "400"),
        (Answer(413, b""), "request_rejected", "413"),
        (error_answer(400, "x" * 5000), "request_rejected", "xxx…"),
    ],
)
def test_a_final_fault_ends_this_record_alone(fate, error, detail):
    def intercept(body, arrival):
        return None if body["messages"][-1]["content"] == "good" else fate

    with LoopbackServer(intercept=intercept) as server:
        (_, reply), pauses = ask(server, request_of("good"), request_of(), one_by_one=True)
    is_final = error != "request_rejected"  # it cost nothing, so a resumed run may ask again
    assert (reply.error, reply.is_final, reply.n_attempts, reply.text) == (error, is_final, 1, "")
    assert detail in reply.detail and len(reply.detail) <= MAX_DETAIL_CHARS + 4
    assert pauses == []


@pytest.mark.parametrize("fate", [error_answer(400, "too many", "context_length_exceeded"), "empty"])
def test_a_fault_of_a_server_that_never_served_anything_is_asked_again_by_the_next_start(fate):
    reply, _, _ = ask_scripted(fate, fate)
    assert reply.error in ("context_too_long", "empty_reply") and not reply.is_final


@pytest.mark.parametrize("reason", ["error", "abort", "insufficient_system_resource", "network_error"])
def test_an_answer_that_the_server_broke_off_is_asked_once_more_and_never_kept(reason):
    half = completion({"content": "It all feels"}, reason, usage={"prompt_tokens": 9, "completion_tokens": 3})
    reply, _, server = ask_scripted(half, half)
    assert (reply.error, reply.is_final, reply.text) == ("cut_short", False, "") and reason in reply.detail
    assert server.arrivals.total() == 2 and reply.usage == Usage(18, 0, 6)
    reply, _, _ = ask_scripted(half)
    assert reply.error is None and reply.usage.n_prompt_tokens == 9 + 7


@pytest.mark.parametrize(
    "content",
    [
        b'{"choices": [], "usage": {"prompt_tokens": 4241, "completion_tokens": 900}}',
        b'{"choices": null, "usage": {"prompt_tokens": 4241, "completion_tokens": 900}}',
        b'{"choices": [{"message": null}], "usage": {"prompt_tokens": 4241, "total_tokens": 5141}}',
        b'{"error": {"message": "upstream failed"}, "usage": {"input_tokens": 4241, "output_tokens": 900}}',
    ],
)
def test_an_answer_without_text_is_bought_twice_at_most_and_its_bill_is_counted(content):
    with LoopbackServer(intercept=lambda body, arrival: Answer(200, content)) as server:
        (reply,), _ = ask(server)
    assert server.arrivals.total() == 2 and reply.error in ("empty_reply", "gave_up")
    assert reply.usage == Usage(2 * 4241, 0, 2 * 900)


@pytest.mark.parametrize("n_told", [1024, 1026, 2048, 2050, 4096])
def test_a_prompt_that_the_server_cut_is_no_prompt(n_told):
    cut = completion({"content": "fine"}, usage={"prompt_tokens": n_told, "completion_tokens": 3})
    long = request_of("A dog sits on a lawn. " * (n_told // 2))
    with LoopbackServer(intercept=lambda body, arrival: cut) as server:
        (reply, short), _ = ask(server, long, request_of(), one_by_one=True)
    assert (reply.error, reply.is_final, reply.usage.n_prompt_tokens) == ("prompt_cut", False, n_told)
    assert "OLLAMA_CONTEXT_LENGTH" in reply.detail and short.error is None


def test_an_answer_that_went_into_the_reasoning_says_so():
    reply, _, _ = ask_scripted(*[completion({"content": None, "reasoning_content": "A dog sleeps."})] * 2)
    assert "13 characters of reasoning came beside it" in reply.detail


def test_a_paid_refusal_keeps_its_cost():
    reply, _, _ = ask_scripted("refusal", name="gpt-4o")
    assert reply.cost_usd > 0


def test_characters_that_cannot_be_sent_are_a_rejected_request():
    with LoopbackServer() as server:
        (reply,), _ = ask(server, request_of("half a pair \ud800"))
    assert (reply.error, reply.is_final) == ("request_rejected", False)
    assert server.arrivals.total() == 0


# Faults of the whole run


@pytest.mark.parametrize(
    ("fate", "words"),
    [
        (error_answer(401, "Incorrect key", "invalid_api_key"), ["OPENAI_API_KEY", "401", "Incorrect key"]),
        (error_answer(403, "no access"), ["OPENAI_API_KEY", "403"]),
        (error_answer(404, "The model 'loopback' is not here", "model_not_found"), ["no model 'loopback'"]),
        (json_answer(404, {"error": "model not found, try pulling it"}), ["no model 'loopback'"]),
        (json_answer(404, {"detail": "Not Found"}), ["OpenAI-compatible", "/v1?"]),
        (Answer(404, b"<html>no model here</html>"), ["OpenAI-compatible", "/v1?"]),
        (Answer(405, b""), ["OpenAI-compatible", "/v1?"]),
        (Answer(304, b""), ["OpenAI-compatible", "/v1?"]),
        (error_answer(429, "You exceeded your quota", "insufficient_quota"), ["quota", "Add credit"]),
        (error_answer(402, "Insufficient balance"), ["quota", "Insufficient balance"]),
        (error_answer(400, "Invalid model name passed in model=loopback"), ["no model 'loopback'"]),
        (error_answer(422, "The model `loopback` does not exist."), ["no model 'loopback'"]),
        (Answer(308, b"", {"Location": "https://other.example/v1?key=x"}), ["redirect to https://other.example/v1)"]),
    ],
)
def test_what_makes_every_request_useless_stops_the_run_at_once(fate, words):
    with LoopbackServer(intercept=lambda body, arrival: fate) as server, pytest.raises(TeacherError) as caught:
        ask(server)
    assert all(word in str(caught.value) for word in [*words, "127.0.0.1"])
    assert server.arrivals.total() == 1


def test_an_endpoint_that_takes_none_of_the_first_requests_is_given_up():
    refusal = error_answer(400, "No connected db.")
    requests = [request_of(str(i)) for i in range(100)]
    with LoopbackServer(intercept=lambda body, arrival: refusal) as server:
        with pytest.raises(TeacherError, match=r"rejects every request \(400 No connected db\.\)"):
            ask(server, *requests, concurrency=2)
        assert server.arrivals.total() <= MAX_REJECTED + 2

    def take_the_first(body, arrival):
        return None if body["messages"][-1]["content"] == "0" else refusal

    with LoopbackServer(intercept=take_the_first) as server:
        replies, _ = ask(server, *requests, one_by_one=True)
    assert [reply.error for reply in replies] == [None] + ["request_rejected"] * 99


def test_what_waits_for_another_try_ends_when_the_run_ends():
    async def main():
        def busy(body, arrival):
            is_good = body["messages"][-1]["content"] == "good"
            return None if is_good else error_answer(503, "busy", Retry_After="300")

        with LoopbackServer(intercept=busy) as server:
            teacher = ChatTeacher(TeacherSettings(name="loopback", base_url=server.base_url))
            assert (await teacher.answer(request_of("good"))).error is None
            asked = [asyncio.create_task(teacher.answer(request_of(str(i)))) for i in range(3)]
            while len(teacher._client.pauses) != 3:
                await asyncio.sleep(0.001)
            teacher.stop()
            outcomes = await asyncio.gather(*asked, return_exceptions=True)
            await teacher.close()
            return outcomes, server.arrivals.total()

    outcomes, n_arrivals = asyncio.run(main())
    assert [type(outcome) for outcome in outcomes] == [StoppedError] * 3 and n_arrivals == 4


def test_a_wrong_path_names_the_address():
    with LoopbackServer() as server, pytest.raises(TeacherError, match=r"127\.0\.0\.1:\d+ *: expected.*/v1\?"):
        ask(server, base_url=server.base_url.removesuffix("/v1"))


def test_an_address_where_nobody_listens_is_given_up_soon():
    pauses = []

    async def record(seconds):
        pauses.append(seconds)

    async def main(port):
        settings = TeacherSettings(name="m", base_url=f"http://user:pass@127.0.0.1:{port}/v1?key=x", max_attempts=50)
        teacher = ChatTeacher(settings, sleep=record)
        try:
            await teacher.answer(request_of())
        finally:
            await teacher.close()

    with socket.socket() as bound:  # holds the port without listening, so that nothing else can
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(TeacherError, match=rf"Nothing answers at http://127\.0\.0\.1:{port}/v1 \(") as caught:
            asyncio.run(main(port))
    assert len(pauses) == FIRST_CONTACT_ATTEMPTS - 1
    assert "pass" not in str(caught.value) and "key=x" not in str(caught.value)


def test_a_server_that_goes_away_later_costs_only_the_record():
    async def no_pause(seconds):
        pass

    async def main():
        with LoopbackServer() as server:
            teacher = ChatTeacher(TeacherSettings(name="m", base_url=server.base_url, max_attempts=5), no_pause)
            first = await teacher.answer(request_of("one"))
        second = await teacher.answer(request_of("two"))
        await teacher.close()
        return first, second

    first, second = asyncio.run(main())
    assert first.error is None
    assert (second.error, second.is_final, second.n_attempts) == ("gave_up", False, 5)


def test_openai_without_a_key_names_the_variable(monkeypatch):
    with pytest.raises(TeacherError, match=r"variable MY_KEY is not set.*--base-url"):
        ChatTeacher(TeacherSettings(name="gpt-4o", api_key_env="MY_KEY"))
    monkeypatch.setenv("MY_KEY", "sk-\u00e4\u4e00")
    with pytest.raises(TeacherError, match="MY_KEY holds characters") as caught:
        ChatTeacher(TeacherSettings(name="gpt-4o", api_key_env="MY_KEY"))
    assert "\u4e00" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["localhost:8000/v1", "ftp://here/v1", "http://", "http://here:x/v1", "http://[::1", "/v1"]
)
def test_an_address_that_is_none_gets_its_sentence(url):
    with pytest.raises(TeacherError, match="can be set up"):
        ChatTeacher(TeacherSettings(name="m", base_url=url))


def test_a_proxy_that_cannot_be_used_gets_its_sentence(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1:1")
    with pytest.raises(TeacherError, match="can be set up"):
        ChatTeacher(TeacherSettings(name="m", base_url="http://10.0.0.1/v1"))


# Secrets


def test_the_key_is_in_no_message_reply_repr_or_log(monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    echo = f"your key {KEY} or Bearer {KEY} or sk-ve***89 is odd"
    with LoopbackServer(api_key="another") as server, pytest.raises(TeacherError) as caught:
        ask(server)
    reply, _, _ = ask_scripted(error_answer(400, echo))
    gave_up, _, _ = ask_scripted(error_answer(500, echo), Answer(200, echo.encode()), max_attempts=2)
    settings = TeacherSettings(name="m", base_url="http://127.0.0.1:1/v1")
    shown = " ".join(
        [
            str(caught.value),
            repr(caught.value),
            repr(reply),
            repr(gave_up),
            repr(ChatTeacher(settings)),
            caplog.text,
        ]
    )
    assert "sk-ve" not in shown and "secret" not in shown
    assert reply.detail == "400 your key [key] or [key] or [key] is odd"


# Parameters that a model does not take

OPENAI_MAX = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
)
OPENAI_TEMPERATURE = (
    "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported."
)


def picky(body, arrival):
    if "max_tokens" in body:
        return error_answer(400, OPENAI_MAX, "unsupported_parameter")
    if "temperature" in body:
        return error_answer(400, OPENAI_TEMPERATURE, "unsupported_value")
    if "response_format" in body:
        return json_answer(422, {"detail": [{"loc": ["body", "response_format"], "msg": "not permitted"}]})
    return None


def test_refused_parameters_are_switched_and_remembered(caplog):
    requests = [request_of(str(i), "json") for i in range(3)]
    with LoopbackServer(intercept=picky) as server:
        replies, pauses = ask(server, *requests, one_by_one=True)
    assert [reply.error for reply in replies] == [None] * 3 and pauses == []
    assert [reply.n_attempts for reply in replies] == [1, 1, 1]
    assert server.arrivals.total() == 4 + 1 + 1
    last = server.seen[-1][1]
    assert last.keys() == {"model", "messages", "max_completion_tokens"} and last["max_completion_tokens"] == 500
    assert len(caplog.records) == 3


def test_refusals_that_arrive_together_are_no_fault_of_the_record():
    with LoopbackServer(intercept=picky) as server:
        replies, _ = ask(server, *(request_of(str(i), "json") for i in range(20)))
    assert {(reply.error, reply.n_attempts) for reply in replies} == {(None, 1)}


def test_json_recipes_ask_for_json():
    with LoopbackServer() as server:
        (reply,), _ = ask(server, request_of(reply_format="json"))
    asked = server.seen[0][1]["response_format"]
    assert asked["type"] == "json_schema" and asked["json_schema"]["strict"] is True
    turn = asked["json_schema"]["schema"]["properties"]["turns"]["items"]
    assert turn["required"] == ["question", "answer"] and turn["additionalProperties"] is False
    assert json.loads(reply.text)


@pytest.mark.parametrize(
    "words",
    [
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
        "This response_format type is unavailable now",
        "Failed to compile the grammar",
        "UnsupportedParamsError: openai does not support parameters: ['response_format']",
    ],
)
def test_a_schema_that_is_refused_is_left_out_for_the_whole_run(words):
    def refuse(body, arrival):
        return error_answer(400, words) if "response_format" in body else None

    with LoopbackServer(intercept=refuse) as server:
        replies, _ = ask(server, *(request_of(str(i), "json") for i in range(4)), one_by_one=True)
    assert [reply.error for reply in replies] == [None] * 4
    assert server.arrivals.total() == 1 + 4


def test_a_temperature_out_of_range_is_not_taken_for_a_refused_parameter():
    reply, _, server = ask_scripted(error_answer(400, "temperature must be between 0 and 1"))
    assert reply.error == "request_rejected" and server.arrivals.total() == 1


# Many at once


def test_many_requests_with_mixed_faults_all_end_and_get_their_own_answer():
    faults = {
        "rate_limited": 0.1,
        "server_error": 0.05,
        "unavailable": 0.05,
        "dropped": 0.05,
        "cut": 0.05,
        "slow": 0.05,
    }
    faults |= {"html": 0.05, "cut_json": 0.05, "no_choices": 0.05, "empty": 0.03, "length": 0.03, "refusal": 0.03}
    requests = [request_of(str(i)) for i in range(300)]

    def run_once():
        with LoopbackServer(faults, slow_s=0.01) as server:

            async def main():
                async def no_pause(seconds):
                    await asyncio.sleep(0)

                settings = TeacherSettings(name="loopback", base_url=server.base_url, concurrency=32)
                teacher = ChatTeacher(settings, sleep=no_pause)
                waiting, replies = iter(requests), {}

                async def work():
                    for request in waiting:
                        replies[request.digest] = await teacher.answer(request)

                await asyncio.gather(*(work() for _ in range(32)))
                await teacher.close()
                return replies

            return asyncio.run(main()), server

    replies, server = run_once()
    assert set(server.faults_sent) == {*WAY_FAULTS, *ANSWER_FAULTS}
    counts = Counter(reply.error for reply in replies.values())
    assert counts.keys() == {None, "refused", "empty_reply"} and counts.total() == 300
    kept = [r for r in replies.values() if r.error is None and r.finish_reason == "stop"]
    texts = {r.request_digest: r.text for r in kept}
    for request in requests:
        if request.digest in texts:
            body = {"model": "loopback", "messages": [{"role": m.role, "content": m.content} for m in request.messages]}
            assert texts[request.digest] == reply_for(body)
    again, _ = run_once()
    assert {d: (r.text, r.error, r.n_attempts) for d, r in again.items()} == {
        d: (r.text, r.error, r.n_attempts) for d, r in replies.items()
    }


# The loopback server itself


def test_the_server_lists_its_model_and_limits_the_rate():
    with LoopbackServer(rate_per_s=0.001, burst=2) as server:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{server.base_url}/models") as response:
            assert json.load(response)["data"][0]["id"] == "loopback"
        replies, pauses = ask(server, *(request_of(str(i)) for i in range(3)), max_attempts=2)
    assert sorted(str(reply.error) for reply in replies) == ["None", "None", "gave_up"]
    assert not pauses  # a thousand seconds a token are not waited for


def test_the_server_refuses_unknown_faults():
    with pytest.raises(ValueError, match="unknown faults"):
        LoopbackServer({"typo": 0.5})


def test_the_server_runs_as_a_script():
    script = Path(__file__).parents[1] / "loopback.py"
    command = [sys.executable, str(script), "--faults", "server_error=1", "--max-faults", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            reply = asyncio.run(_answer_once(url))
        finally:
            process.terminate()
    assert (reply.error, reply.n_attempts) == (None, 2)


async def _answer_once(url):
    async def no_pause(seconds):
        pass

    teacher = ChatTeacher(TeacherSettings(name="m", base_url=url), sleep=no_pause)
    reply = await teacher.answer(request_of())
    await teacher.close()
    return reply


def test_a_403_stops_the_run_only_while_the_key_has_not_worked():
    def refuse(body, arrival):
        words = {"no": "no", "flagged": "your input was flagged"}.get(body["messages"][-1]["content"])
        return words and error_answer(403, words)

    with LoopbackServer(intercept=refuse) as server:
        (good, no, flagged), _ = ask(server, *map(request_of, ("one", "no", "flagged")), one_by_one=True)
        assert good.error is None
        assert (no.error, no.is_final) == ("request_rejected", False)
        assert (flagged.error, flagged.is_final) == ("content_filter", True)
        (flagged, _), _ = ask(server, request_of("flagged"), request_of("one"), one_by_one=True)
        assert flagged.error == "content_filter"
        with pytest.raises(TeacherError, match=r"refuses all requests \(403: no\)\. Look whether the key in OPENAI"):
            ask(server, request_of("no"))


def test_half_a_surrogate_pair_costs_one_sign_not_the_answer():
    body = b'{"choices": [{"message": {"content": "A dog \\ud83d sleeps."}}], "usage": {"prompt_tokens": 1e999}}'
    reply, pauses, _ = ask_scripted(Answer(200, body, {"Content-Type": "application/json"}, is_reply=True))
    assert (reply.text, reply.error, pauses) == ("A dog \ufffd sleeps.", None, [])
    assert reply.usage.n_prompt_tokens == 0


def test_a_billed_answer_that_ends_the_run_comes_with_its_bill():
    responses = {
        "object": "response",
        "output": [{"type": "message"}],
        "usage": {"input_tokens": 9, "output_tokens": 4},
    }
    with LoopbackServer(intercept=lambda body, n: json_answer(200, responses)) as server:
        with pytest.raises(PaidError, match="Responses API") as caught:
            ask(server, name="gpt-4o")
        assert server.arrivals.total() == 1
    reply = caught.value.reply
    assert (reply.usage, reply.error, reply.is_final) == (Usage(9, 0, 4), "gave_up", False)
    assert reply.cost_usd == pytest.approx((9 * 2.5 + 4 * 10) / 1e6)


OVERLOADED = "The upstream server is currently overloaded and could not process your request. Please try again later."


def test_an_error_that_comes_as_the_answer_is_asked_once_more_and_never_kept():
    reply, _, _ = ask_scripted(completion({"content": OVERLOADED}, usage={"prompt_tokens": 9}))
    assert (reply.error, reply.n_attempts, reply.usage.n_prompt_tokens) == (None, 2, 16)
    with LoopbackServer(intercept=lambda body, n: completion({"content": OVERLOADED}) if n < 9 else None) as server:
        (good, bad), _ = ask(
            server, request_of("a", system=""), request_of("b", system=""), one_by_one=True, max_attempts=9
        )
        assert (good.error, bad.error, bad.is_final) == ("gave_up", "gave_up", False)
        assert "an error came as the answer: The upstream" in bad.detail


def test_an_endpoint_that_sends_nothing_but_errors_as_answers_is_given_up():
    with LoopbackServer(intercept=lambda body, n: completion({"content": OVERLOADED})) as server:
        with pytest.raises(TeacherError, match="an error came as the answer"):
            ask(server, *(request_of(str(n)) for n in range(9)), one_by_one=True)
        assert server.arrivals.total() <= 6


def test_a_filter_that_speaks_in_the_answer_is_one():
    told = "The text was blocked by our content filters, as it may violate the terms of use."
    reply, _, _ = ask_scripted(completion({"content": told}))
    assert (reply.error, reply.n_attempts) == ("content_filter", 1)
