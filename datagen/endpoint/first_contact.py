"""First contact with an endpoint: its key is there and somebody answers, before anything is prepared."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from msgspec import Struct

from datagen.endpoint.client import FIRST_CONTACT_ATTEMPTS, FIRST_PAUSE_S
from datagen.endpoint.error_translation import ErrorReader, HttpAnswer, NoAnswerError
from datagen.endpoint.http import HttpClient, open_client
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
    came, reader = await ask_for_models(target, sleep)
    if isinstance(came, HttpAnswer) and came.status == 200:
        return names_in(came.content)
    if isinstance(came, NoAnswerError) and came.code == "unreachable":
        raise reader.nobody_answers(str(reader.meaning_of(came)))
    if isinstance(came, HttpAnswer) and came.status == 401 and b"scope" not in came.content:
        meaning = reader.meaning_of(came)
        if isinstance(meaning, DatagenError):
            raise meaning
    return ()


async def ask_for_models(
    target: Target, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep, *, timeout_s: float = TIMEOUT_S
) -> tuple[HttpAnswer | NoAnswerError, ErrorReader]:
    """Ask for the list of models, a few times where no connection is made; gives what came, and its reader.

    Raises:
        DatagenError: Of the target's kind: the key is missing or unusable, or the address is not one.
    """
    client, key, proxy = open_client(target)
    http = HttpClient(client, "models", timeout_s, 1, proxy)
    came: HttpAnswer | NoAnswerError | None = None
    try:
        for attempt in range(FIRST_CONTACT_ATTEMPTS):
            if attempt:
                await sleep(FIRST_PAUSE_S * 2 ** (attempt - 1))
            try:
                came = await http.get()
            except NoAnswerError as error:
                came = error
            if isinstance(came, HttpAnswer) or came.code != "unreachable":
                break
    finally:
        await http.close()
        await client.close()
    assert came is not None
    return came, ErrorReader(target, str(client.base_url), key)


class _Model(Struct):
    id: str


class _Models(Struct):
    data: list[_Model]


def names_in(content: bytes) -> tuple[str, ...]:
    """The models that an answer lists; none where it is no list."""
    try:
        return tuple(one.id for one in msgspec.json.decode(content, type=_Models).data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ()
