"""One call goes first, the rest follow once it was understood, and after a few failures none does."""

import asyncio

import pytest
from loopback import Answer, LoopbackServer, error_answer, json_answer

from datagen.config import TeacherSettings
from datagen.endpoint.circuit_breaker import FAILED_IN_A_ROW, GIVEN_UP_ALONE, CircuitBreaker
from datagen.endpoint.error_translation import StoppedError
from datagen.errors import TeacherError
from datagen.records import AnnotatedImage, Message, Reply, Request
from datagen.teacher.chat import ChatTeacher

STREAM = b'data: {"choices": [{"delta": {"content": "It"}}]}\n\ndata: [DONE]\n\n'


def request_of(n: int) -> Request:
    messages = (Message("system", "Answer with === between the parts."), Message("user", f"image {n}"))
    return Request(f"d{n}", AnnotatedImage(str(n), "x.jpg", 1, 1), "t", "r", messages, 0.7, 100, "delimited")


def ask_many(server: LoopbackServer, n: int) -> list[Reply | BaseException]:
    async def no_pause(seconds: float) -> None:
        del seconds

    async def main() -> list[Reply | BaseException]:
        teacher = ChatTeacher(TeacherSettings(name="loopback", base_url=server.base_url), sleep=no_pause)
        try:
            return await asyncio.gather(*(teacher.answer(request_of(i)) for i in range(n)), return_exceptions=True)
        finally:
            await teacher.close()

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "n_most"),
    [
        (json_answer(200, {"error": "Unexpected endpoint or method. (POST /chat/completions)"}), 1),
        (Answer(200, b"<html>Welcome</html>", {"Content-Type": "text/html"}), 8),
        (Answer(200, STREAM, {"Content-Type": "text/event-stream"}), 8),
        (json_answer(200, {"status": "ok"}), 8),
        (json_answer(200, {"error": {"message": "upstream failed"}}), 16),
        (error_answer(500, "The server had an error."), 16),
        (Answer(502, b"<html>Bad Gateway</html>"), 16),
        (error_answer(429, "Requests per day: 0"), 16),
        (error_answer(400, "This model's maximum context length is 8 tokens."), 10),
        (Answer(n_sent=-1), 16),
    ],
)
def test_an_endpoint_that_never_makes_sense_is_given_up_soon(answer: Answer, n_most: int) -> None:
    with LoopbackServer(intercept=lambda body, n: answer) as server:
        outcomes = ask_many(server, 60)
        assert server.arrivals.total() <= n_most
    errors = [one for one in outcomes if isinstance(one, TeacherError)]
    assert len(errors) == 1 and "http://127.0.0.1" in str(errors[0])
    assert {type(one) for one in outcomes} <= {TeacherError, StoppedError, Reply}


def test_one_request_that_a_server_cannot_bear_stops_nothing() -> None:
    def intercept(body: dict[str, object], n: int) -> Answer | None:
        return error_answer(500, "out of memory") if "image 0" in str(body["messages"]) else None

    with LoopbackServer(intercept=intercept) as server:
        outcomes = ask_many(server, 60)
    assert [one.error for one in outcomes if isinstance(one, Reply)] == ["gave_up"] + [None] * 59


def test_a_server_that_breaks_midway_is_given_up_and_says_so() -> None:
    n_seen = 0

    def intercept(body: dict[str, object], n: int) -> Answer | None:
        nonlocal n_seen
        n_seen += 1
        return None if n_seen <= 30 else error_answer(500, "The server had an error.")

    with LoopbackServer(intercept=intercept) as server:
        outcomes = ask_many(server, 2000)
        assert server.arrivals.total() < 400
    (error,) = {str(one) for one in outcomes if isinstance(one, TeacherError)}
    assert "has stopped answering" in error and "start the same command again" in error


def test_the_circuit_closes_again() -> None:
    async def main() -> None:
        breaker, order = CircuitBreaker(), []

        async def call(name: str) -> None:
            await breaker.enter(name)
            order.append(name)

        await call("a")
        waiting = asyncio.create_task(call("b"))
        await asyncio.sleep(0)
        assert order == ["a"] and not breaker.is_closed
        breaker.understood()
        await waiting
        assert order == ["a", "b"] and breaker.is_closed
        for _ in range(FAILED_IN_A_ROW):
            breaker.failed()
        assert not breaker.is_closed
        await call("a")
        for _ in range(GIVEN_UP_ALONE):
            assert not breaker.is_given_up
            breaker.gave_up()
        assert breaker.is_given_up
        waiting = asyncio.create_task(call("b"))
        await asyncio.sleep(0)
        breaker.stop()
        with pytest.raises(StoppedError):
            await waiting

    asyncio.run(main())
