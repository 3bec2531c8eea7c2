"""OpenAI's Batch API: files of requests go up, batches are made of them, files of answers come down as replies.

Limits and states: https://platform.openai.com/docs/guides/batch. Nothing is stored here; the engine does that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal, TypeVar

import httpx2
import msgspec
from msgspec import Struct
from openai import APIConnectionError, APIStatusError, OpenAIError
from openai.types import Batch

from datagen.config import TeacherSettings
from datagen.endpoint.chat_completion import (
    EndsHeard,
    encode_request,
    first_choice,
    request_fields,
    text_or_fault,
)
from datagen.endpoint.error_translation import (
    ErrorReader,
    HttpAnswer,
    PassingError,
    RecordError,
    RefusedParameterError,
    is_for_good,
)
from datagen.endpoint.http import as_answer, open_client
from datagen.endpoint.prices import cost_of
from datagen.endpoint.refusals import MENDABLE
from datagen.errors import TeacherError
from datagen.records import Reply, Request, Usage
from datagen.teacher.chat import target_of

MAX_REQUESTS = 50_000  # in one file
MAX_BYTES = 200_000_000
ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
URL: Literal["/v1/chat/completions"] = "/v1/chat/completions"
GONE = frozenset({404, 410})
FIRST_PAUSE_S = 1.0

Given = TypeVar("Given")


class Line(Struct):
    """One line of an output or error file."""

    custom_id: str
    response: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class BatchTeacher:
    """The endpoint's files and batches.

    Args:
        settings: Whom to ask, and at what price.
        refused: Parameters that the model is known not to take; learnt ones are added.

    Raises:
        TeacherError: The key is missing or unusable, or the address is not one.
    """

    def __init__(self, settings: TeacherSettings, refused: set[str]) -> None:
        self.name = settings.name
        self.refused = refused
        self._settings, self._ends = settings, EndsHeard()
        target = target_of(settings)
        self._client, key, _ = open_client(target)
        self._errors = ErrorReader(target, str(self._client.base_url), key)

    def encode(self, request: Request) -> bytes:
        """One line of an input file, with its line break.

        Raises:
            UnicodeEncodeError: A text holds half a surrogate pair.
        """
        body = msgspec.Raw(b"".join(encode_request(request_fields(self.name, request, self.refused))))
        line = {"custom_id": request.digest, "method": "POST", "url": URL, "body": body}
        return msgspec.json.encode(line) + b"\n"

    async def require(self) -> None:
        """See that the key may make batches here, by listing the latest; costs nothing.

        Raises:
            TeacherError: It may not, or there are none.
        """
        await self._try(lambda: self._client.batches.list(limit=1))

    async def upload(self, name: str, content: bytes) -> str:
        """Send a file of requests; gives its id. Files cost nothing until a batch is made of them."""
        files = self._client.files
        return (await self._try(lambda: files.create(file=(name, content), purpose="batch"))).id

    async def create(self, file_id: str, uploaded_at: float, *, may_exist: bool) -> str:
        """Make a batch of an uploaded file, or find the one that was made of it; gives its id.

        An answer that is lost on the way may have made the batch all the same, so each further try looks first.

        Args:
            file_id: What ``upload`` gave.
            uploaded_at: Seconds since the epoch; batches made a day before, more than clocks differ, are passed over.
            may_exist: Whether to look before the first try, too.

        Raises:
            FileNotFoundError: The endpoint no longer has the file, and no batch of it.
        """
        batches = self._client.batches

        async def look_and_create() -> Batch:
            nonlocal may_exist
            found = await self._find(file_id, uploaded_at - 86_400) if may_exist else None
            may_exist = True
            if found is not None:
                return found
            try:
                return await batches.create(completion_window="24h", endpoint=URL, input_file_id=file_id)
            except APIStatusError as error:
                if error.status_code in (400, 404) and file_id in str(error):
                    raise FileNotFoundError(file_id) from None
                raise

        return (await self._try(look_and_create)).id

    async def _find(self, file_id: str, since: float) -> Batch | None:
        async for batch in self._client.batches.list(limit=100):  # the latest come first
            if batch.input_file_id == file_id:
                return batch
            if batch.created_at < since:
                return None
        return None

    async def look(self, batch_id: str) -> Batch:
        """How far a batch is.

        Raises:
            FileNotFoundError: The endpoint does not find it.
        """

        async def retrieve() -> Batch:
            try:
                return await self._client.batches.retrieve(batch_id)
            except APIStatusError as error:
                self._require_found(error)
                raise

        return await self._try(retrieve)

    def _require_found(self, error: OpenAIError) -> None:
        if isinstance(error, APIStatusError) and error.status_code in GONE:
            raise FileNotFoundError(self._errors.shown(str(error))) from None

    async def lines(self, file_id: str) -> AsyncIterator[Line]:
        """Read a file of answers line by line; lines that are none are passed over.

        Raises:
            PassingError: The connection broke; what was read stands.
            FileNotFoundError: The endpoint does not find it.
            TeacherError: It may not be fetched, or is none of lines.
        """
        decoder = msgspec.json.Decoder(Line)
        rest = b""
        try:
            async with self._client.files.with_streaming_response.content(file_id) as answer:
                async for piece in answer.iter_bytes():
                    *whole, rest = (rest + piece).split(b"\n")
                    if len(rest) > 32 << 20:
                        raise TeacherError(f"The batch's file {file_id} has a line over {32 << 20} bytes.")
                    for text in whole:
                        line = _decode(decoder, text)
                        if line is not None:
                            yield line
        except OpenAIError as error:
            self._require_found(error)
            meaning = self._errors.meaning_of(as_answer(error))
            if isinstance(meaning, PassingError):
                raise meaning from None
            raise TeacherError(f"The batch's file {file_id} cannot be fetched ({meaning}).") from None
        except httpx2.HTTPError as error:
            raise PassingError("connection", type(error).__name__) from None
        line = _decode(decoder, rest)
        if line is not None:
            yield line

    def reply_to(self, line: Line, image_id: str, response_type: str) -> Reply:
        """Turn a line into a reply.

        Raises:
            RefusedParameterError: The same request without the parameter may pass; it is added to ``refused``.
            TeacherError: The line says that no request can succeed.
        """
        usage = Usage()
        outcome: dict[str, Any] = {}
        try:
            choice, usage = first_choice(self._answer_of(line))
            if choice is None:
                raise PassingError("garbled", "expected a chat completion")
            outcome["finish_reason"] = choice.finish_reason
            text = text_or_fault(choice, None, self._errors.shown)
            self._ends.hear(choice.finish_reason)
            outcome["text"] = text
        except RecordError as fault:
            outcome |= {"error": fault.code, "detail": str(fault), "is_final": is_for_good(fault.code)}
        except PassingError as fault:
            outcome |= {"error": "gave_up", "detail": str(fault), "is_final": False}
        except RefusedParameterError as fault:
            self.refused.add(fault.name)
            raise
        return Reply(
            request_digest=line.custom_id,
            image_id=image_id,
            response_type=response_type,
            teacher=self.name,
            usage=usage,
            cost_usd=cost_of(usage, self.name, self._settings) if usage != Usage() else None,
            at=round(time.time(), 3),
            **{"text": "", **outcome},
        )

    def _answer_of(self, line: Line) -> bytes:
        """The JSON that a line answers its request with, or what it says instead."""
        if line.error:
            raise PassingError(str(line.error.get("code")), self._errors.shown(str(line.error.get("message"))))
        response = line.response or {}
        status, body = response.get("status_code"), response.get("body")
        content = msgspec.json.encode(body)
        if status != 200:
            came = HttpAnswer(status if isinstance(status, int) else 500, {}, content)
            raise self._errors.meaning_of(came, frozenset(MENDABLE) - self.refused)
        return content

    async def _try(self, ask: Callable[[], Awaitable[Given]]) -> Given:
        """Ask until it works or no try is left.

        Raises:
            TeacherError: It did not; batches that were made go on, and a later start finds them.
        """
        for attempt in range(1, self._settings.max_attempts + 1):
            try:
                return await ask()
            except OpenAIError as error:
                if isinstance(error, APIStatusError) and error.status_code in (404, 405):
                    told = self._errors.shown(str(error))
                    raise TeacherError(f"The endpoint offers no batches ({told}); leave out --batch.") from None
                meaning = self._errors.meaning_of(as_answer(error))
                if not isinstance(meaning, PassingError):
                    raise (meaning if isinstance(meaning, TeacherError) else TeacherError(f"{meaning}.")) from None
                if attempt == self._settings.max_attempts or meaning.is_too_long:
                    where = "cannot be reached" if isinstance(error, APIConnectionError) else "keeps failing"
                    raise TeacherError(
                        f"The endpoint {where} ({meaning}). Batches that it took go on; start again to collect them."
                    ) from None
                pause_s = min(FIRST_PAUSE_S * 2 ** (attempt - 1), self._settings.max_wait_s)
                await asyncio.sleep(max(pause_s, meaning.retry_after_s or 0.0))
        raise AssertionError("max_attempts is at least 1")

    async def close(self) -> None:
        """Give back connections."""
        await self._client.close()


def _decode(decoder: msgspec.json.Decoder[Line], text: bytes) -> Line | None:
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
