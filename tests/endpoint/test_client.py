"""The client of an endpoint with a call of its own: reading, counting, billing, stopping; faults as all users meet them."""

import asyncio
import json
from collections.abc import Callable, Container
from typing import Any

import pytest
from loopback import Answer, LoopbackServer, error_answer, json_answer

from datagen.config import TeacherSettings
from datagen.endpoint.budget import Account, Budget
from datagen.endpoint.call import Call, garbled
from datagen.endpoint.client import FIRST_CONTACT_ATTEMPTS, MAX_REJECTED, EndpointClient
from datagen.endpoint.error_translation import PassingError, RecordError, StoppedError
from datagen.endpoint.prices import Tariff
from datagen.endpoint.target import Target
from datagen.errors import BudgetError, EmbeddingError
from datagen.records import Usage

PRICED = Tariff(price_in_usd_per_mtok=1e6, price_out_usd_per_mtok=1e6)  # a dollar a token


class WordCall(Call[str]):
    """Asks one word and reads the one that comes."""

    def __init__(self, word: str, n_tokens: int = 10) -> None:
        super().__init__()
        self.word, self.n_tokens = word, n_tokens

    def fields(self, refused: Container[str]) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": self.word}]} | (
            {} if "logprobs" in refused else {"logprobs": 1}
        )

    def encode(self, fields: dict[str, Any]) -> tuple[bytes, ...]:
        return (json.dumps(fields).encode(),)

    def read(self, content: bytes, shown: Callable[[str], str]) -> str:
        try:
            answer = json.loads(content)
            word = str(answer["word"])
        except (ValueError, KeyError):
            raise garbled(content, "a word", shown) from None
        self.bill(Usage(answer.get("n", 0)))
        return word

    def reserved_tokens(self, mean_reply_tokens: float | None) -> float:
        return 1.0

    def most_tokens(self) -> tuple[float, int]:
        return self.n_tokens, 0


def word(text: str, n: int = 1) -> Answer:
    return json_answer(200, {"word": text, "n": n})


def ask(
    server: LoopbackServer, *calls: WordCall, budget: Budget | None = None, kept: list[Any] | None = None, **more: Any
) -> list[Any]:
    """Ask one after another; gives words and errors."""

    async def no_pause(seconds: float) -> None:
        del seconds

    def keep(model: str, usage: Usage) -> None:
        if kept is not None:
            kept.append((model, usage.n_prompt_tokens))

    async def main() -> list[Any]:
        settings = TeacherSettings(api_key_env="MY_KEY", **more)
        account = None if budget is None else Account(budget, "m", PRICED, EmbeddingError)
        client = EndpointClient(
            Target(settings=settings, model="m", base_url=server.base_url, option="--where", error=EmbeddingError),
            "chat/completions",
            account,
            keep,
            no_pause,
        )
        told: list[Any] = []
        try:
            for call in calls:
                try:
                    told.append(await client.ask(call))
                except Exception as error:
                    told.append(error)
        finally:
            await client.close()
        return told

    return asyncio.run(main())


def test_a_call_is_read_counted_and_billed() -> None:
    kept: list[Any] = []
    call = WordCall("hi")
    with LoopbackServer(intercept=lambda body, n: word("ho", 7)) as server:
        assert ask(server, call, kept=kept) == ["ho"]
    assert (call.n_attempts, call.n_billed, call.usage) == (1, 1, Usage(7))
    assert kept == [("m", 7)]


@pytest.mark.parametrize("fault", ["rate_limited", "server_error", "unavailable", "dropped", "cut", "html"])
def test_passing_faults_are_tried_again(fault: str) -> None:
    with LoopbackServer(intercept=lambda body, n: fault if n <= 2 else word("ho"), retry_after_s=0.01) as server:
        call = WordCall("hi")
        assert ask(server, call) == ["ho"]
    assert call.n_attempts == 3


def test_tries_come_to_an_end_and_sooner_where_nobody_was_ever_heard() -> None:
    with LoopbackServer(intercept=lambda body, n: "server_error") as server:
        call = WordCall("hi")
        (fault,) = ask(server, call, max_attempts=3)
    assert isinstance(fault, PassingError) and fault.code == "server_error" and call.n_attempts == 3
    call = WordCall("hi")
    (error,) = ask(server, call, max_attempts=50)  # it is gone
    assert isinstance(error, EmbeddingError) and "Is --where right?" in str(error)
    assert call.n_attempts == FIRST_CONTACT_ATTEMPTS


def test_a_refused_parameter_is_left_out_from_then_on() -> None:
    def picky(body: dict[str, Any], n: int) -> Answer:
        return error_answer(400, "logprobs are not supported") if "logprobs" in body else word("ho")

    with LoopbackServer(intercept=picky) as server:
        assert ask(server, WordCall("a"), WordCall("b")) == ["ho", "ho"]
        assert sum("logprobs" in body for _, body in server.seen) == 1


def test_an_endpoint_that_takes_none_of_the_first_calls_is_given_up() -> None:
    with LoopbackServer(intercept=lambda body, n: error_answer(400, "odd")) as server:
        told = ask(server, *(WordCall(str(n)) for n in range(MAX_REJECTED)))
    assert all(isinstance(error, RecordError) for error in told[:-1])
    assert isinstance(told[-1], EmbeddingError) and "rejects every request" in str(told[-1])


def test_after_what_concerns_all_nothing_is_sent() -> None:
    with LoopbackServer(intercept=lambda body, n: error_answer(401, "bad")) as server:
        first, second = ask(server, WordCall("a"), WordCall("b"))
        assert server.arrivals.total() == 1
    assert isinstance(first, EmbeddingError) and isinstance(second, StoppedError)


def test_the_budget_bounds_any_call_and_unusable_answers_cost_their_worst() -> None:
    budget = Budget(60.0)
    answers = {"a": word("ho", 10), "b": Answer(200, b"<html>"), "c": word("ho", 10)}
    with LoopbackServer(intercept=lambda body, n: answers[body["messages"][0]["content"]]) as server:
        told = ask(server, WordCall("a"), WordCall("b"), WordCall("c", 1000), budget=budget, max_attempts=1)
    assert told[0] == "ho" and isinstance(told[1], PassingError) and isinstance(told[2], BudgetError)
    assert budget.spent_usd == pytest.approx(10 + 10.5) and budget.lost_usd == pytest.approx(10.5)


def test_what_is_not_counted_is_no_bill_and_no_budget() -> None:
    kept: list[Any] = []
    with LoopbackServer(intercept=lambda body, n: word("ho", 0)) as server:
        assert ask(server, WordCall("a"), kept=kept) == ["ho"] and kept == []
        told = ask(server, WordCall("a"), WordCall("b"), budget=Budget(100.0))
    assert told[0] == "ho"
    assert isinstance(told[1], EmbeddingError) and "does not say how many tokens" in str(told[1])


def test_characters_that_cannot_be_sent() -> None:
    class Half(WordCall):
        def encode(self, fields: dict[str, Any]) -> tuple[bytes, ...]:
            return ("\ud800".encode(),)

    with LoopbackServer() as server:
        (error,) = ask(server, Half("a"))
        assert isinstance(error, RecordError) and server.arrivals.total() == 0


def test_billed_answers_that_make_no_sense_are_counted_and_end_the_asking() -> None:
    class Odd(WordCall):
        def read(self, content: bytes, shown: Callable[[str], str]) -> str:
            self.bill(Usage(5), made_sense=False)
            raise garbled(content, "a word", shown)

    budget, kept = Budget(1000.0), []
    with LoopbackServer(intercept=lambda body, n: json_answer(200, {"answer": "A dog."})) as server:
        told = ask(server, *(Odd(str(n)) for n in range(10)), budget=budget, kept=kept)
        assert server.arrivals.total() == len(kept) == 4
    assert isinstance(told[0], PassingError)
    assert isinstance(told[1], EmbeddingError) and "got: {" in str(told[1]) and "mostly ends in /v1" in str(told[1])
    assert all(isinstance(error, StoppedError) for error in told[2:])
    assert budget.spent_usd == 20.0


@pytest.mark.parametrize(
    "spoilt",
    [
        Answer(200, b'{"said": "ho', {}),
        Answer(200, b'{"said": "h\xe9"}', {}),
        Answer(200, b"x", {"Content-Encoding": "br"}),
    ],
    ids=["cut", "latin-1", "br"],
)
def test_answers_that_are_spoilt_on_their_way_end_the_asking_where_none_was_understood(spoilt: Answer) -> None:
    with LoopbackServer(intercept=lambda body, n: spoilt) as server:
        told = ask(server, *(WordCall(str(n)) for n in range(10)))
        assert server.arrivals.total() == 4
    ended = next(error for error in told if isinstance(error, EmbeddingError))
    assert "Answers are spoilt by the server or by a proxy" in str(ended) and "--where" not in str(ended)
    with LoopbackServer(intercept=lambda body, n: word("ho") if n != 2 else spoilt) as server:
        assert ask(server, *(WordCall(str(n)) for n in range(3))) == ["ho"] * 3


def test_an_answer_of_another_api_ends_the_asking_unless_others_were_understood() -> None:
    messages = json_answer(200, {"type": "message", "content": [{"type": "text", "text": "ho"}]})
    with LoopbackServer(intercept=lambda body, n: messages) as server:
        error, *others = ask(server, *(WordCall(str(n)) for n in range(3)))
        assert server.arrivals.total() == 1
    assert isinstance(error, EmbeddingError) and "Anthropic's Messages API" in str(error) and "--where" in str(error)
    assert all(isinstance(other, StoppedError) for other in others)
    with LoopbackServer(intercept=lambda body, n: word("ho") if n != 2 else messages) as server:
        assert ask(server, *(WordCall(str(n)) for n in range(3))) == ["ho"] * 3
