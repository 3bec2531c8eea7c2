"""First contact with an endpoint: its key is there and somebody answers, before anything is prepared."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from msgspec import Struct
from openai import OpenAIError

from datagen.endpoint.client import FIRST_CONTACT_ATTEMPTS, FIRST_PAUSE_S
from datagen.endpoint.error_translation import ErrorReader, HttpAnswer, NoAnswerError
from datagen.endpoint.openai_client import as_answer, open_client
from datagen.endpoint.target import Target
from datagen.errors import DatagenError

TIMEOUT_S = 15.0


async def require_key(target: Target) -> None:
    """See that the key is there and usable; nothing is sent.

    Raises:
        DatagenError: Of the target's kind.
    """
    client, _, _ = open_client(target)
    await client.close()


async def require_contact(target: Target, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> tuple[str, ...]:
    """Ask for the list of models, which costs nothing; any answer shows that the endpoint is there.

    Only what is sure ends the run: nobody at the address, or a key that is refused. A key that may not list models
    may well ask one, and many servers have no such list.

    Args:
        target: Whom to ask.
        sleep: Waits between two tries, as for a server that is still starting.

    Returns:
        The models that it lists; none where it lists nothing.

    Raises:
        DatagenError: Of the target's kind.
    """
    client, key, _ = open_client(target)
    reader = ErrorReader(target, str(client.base_url), key)
    came: HttpAnswer | NoAnswerError | None = None
    try:
        for attempt in range(FIRST_CONTACT_ATTEMPTS):
            if attempt:
                await sleep(FIRST_PAUSE_S * 2 ** (attempt - 1))
            try:
                listed = await client.models.with_raw_response.list(timeout=TIMEOUT_S)
            except OpenAIError as error:
                came = as_answer(error)
                if isinstance(came, HttpAnswer) or came.code != "unreachable":
                    break
            else:
                return _names(listed.content)
    finally:
        await client.close()
    if isinstance(came, NoAnswerError) and came.code == "unreachable":
        raise reader.nobody_answers(str(reader.meaning_of(came)))
    if isinstance(came, HttpAnswer) and came.status == 401 and b"scope" not in came.content:
        meaning = reader.meaning_of(came)
        if isinstance(meaning, DatagenError):
            raise meaning
    return ()


class _Model(Struct):
    id: str


class _Models(Struct):
    data: list[_Model]


def _names(content: bytes) -> tuple[str, ...]:
    try:
        return tuple(one.id for one in msgspec.json.decode(content, type=_Models).data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ()
