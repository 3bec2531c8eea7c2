"""The openai client: address, key and headers in, its errors out as plain answers."""

import asyncio

import httpx2
import pytest
from loopback import Answer, LoopbackServer, error_answer
from openai import APIError, OpenAIError

from datagen.config import TeacherSettings
from datagen.endpoint.error_translation import HttpAnswer, NoAnswerError
from datagen.endpoint.http import as_answer, open_client
from datagen.endpoint.target import Target
from datagen.errors import ValidatorError


def target(base_url: str | None) -> Target:
    settings = TeacherSettings(api_key_env="MY_KEY")
    return Target(settings=settings, model="m", base_url=base_url, option="--where", error=ValidatorError)


def error_of(base_url: str) -> OpenAIError:
    async def list_models() -> None:
        client, _, _ = open_client(target(base_url))
        try:
            await client.models.list()
        finally:
            await client.close()

    with pytest.raises(OpenAIError) as caught:
        asyncio.run(list_models())
    return caught.value


def test_an_answer_is_taken_out_with_status_headers_and_body() -> None:
    with LoopbackServer(api_key="another") as server:
        came = as_answer(error_of(server.base_url))
    assert isinstance(came, HttpAnswer)
    assert came.status == 401 and b"invalid_api_key" in came.content and "content-type" in came.headers


@pytest.mark.parametrize(("port", "code"), [(1, "unreachable")])
def test_nobody_there(port: int, code: str) -> None:
    came = as_answer(error_of(f"http://127.0.0.1:{port}/v1"))
    assert isinstance(came, NoAnswerError) and came.code == code


def test_an_answer_that_breaks_off_or_is_late() -> None:
    request = httpx2.Request("GET", "http://h/v1")
    broken = APIError("odd", request, body=None)
    came = as_answer(broken)
    assert isinstance(came, NoAnswerError) and came.code == "garbled"


def test_only_openai_itself_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ValidatorError, match=r"MY_KEY is not set: .*--where"):
        open_client(target(None))
    client, key, _ = open_client(target("http://127.0.0.1:1/v1"))
    assert key is None and str(client.base_url) == "http://127.0.0.1:1/v1/"
    monkeypatch.setenv("MY_KEY", " sk-1\n")
    client, key, _ = open_client(target(None))
    assert key == client.api_key == "sk-1" and str(client.base_url) == "https://api.openai.com/v1/"


def test_a_status_of_a_stream_is_read_too() -> None:
    async def stream(url: str) -> None:
        client, _, _ = open_client(target(url))
        try:
            async with client.files.with_streaming_response.content("file-unheard-of") as answer:
                await answer.read()
        finally:
            await client.close()

    def refuse(body: dict[str, object], arrival: int) -> Answer:
        return error_answer(500, "down")

    with LoopbackServer(intercept=refuse) as server, pytest.raises(OpenAIError) as caught:
        asyncio.run(stream(server.base_url))
    came = as_answer(caught.value)
    assert isinstance(came, HttpAnswer) and came.status == 404 and came.content
