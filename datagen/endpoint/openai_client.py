"""Opens the openai client, which knows address, key, organisation and headers, and translates its errors.

What it does best is its own work still: the files and batches of the Batch API (``teacher.batch``) and the list of
models (``validator.models.served``). Single requests go the shorter way of ``http``, with its address and headers.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from openai import APIConnectionError, APIStatusError, APITimeoutError, AsyncOpenAI, OpenAIError, Timeout

from datagen.endpoint.error_translation import HttpAnswer, NoAnswerError
from datagen.endpoint.http import CONNECT_TIMEOUT_S, proxy_for
from datagen.endpoint.target import Target
from datagen.masking import address_of

OPENAI_URL = "https://api.openai.com/v1"

_NO_CONNECTION = frozenset({"ConnectError", "ConnectTimeout"})  # of httpx, which the openai client uses


def open_client(target: Target) -> tuple[AsyncOpenAI, str | None, str | None]:
    """Make a client.

    Args:
        target: Whom to ask; without an address, OPENAI_BASE_URL or OpenAI itself.

    Returns:
        The client, its key, and the proxy on the way.

    Raises:
        DatagenError: Of the target's kind: the key is missing or unusable, or the address is not one.
    """
    base_url = target.base_url or os.environ.get("OPENAI_BASE_URL") or None
    key = _read_key(target, is_needed=base_url is None)
    try:
        if base_url is not None:
            parts = urlsplit(base_url)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
                raise ValueError("expected an address such as http://localhost:8000/v1")
        proxy = proxy_for(base_url or OPENAI_URL)
        client = AsyncOpenAI(
            api_key=key or "none",  # servers of one's own need none, the client wants one
            base_url=base_url,
            max_retries=0,
            timeout=Timeout(target.settings.timeout_s, connect=CONNECT_TIMEOUT_S),
        )
    except (ValueError, ImportError, OpenAIError) as error:  # ImportError: a SOCKS proxy without its package
        shown = "OpenAI" if base_url is None else address_of(base_url)
        raise target.error(f"No connection to {shown} can be set up: {error}.") from None
    return client, key, proxy


def _read_key(target: Target, is_needed: bool) -> str | None:
    key = os.environ.get(target.settings.api_key_env, "").strip()
    if not key and is_needed:
        raise target.error(
            f"The environment variable {target.settings.api_key_env} is not set: it must hold OpenAI's key. "
            f"Set it, or name an endpoint of your own with {target.option}."
        )
    if not (key.isascii() and key.isprintable()):
        raise target.error(f"The key in {target.settings.api_key_env} holds characters that no key has; copy it again.")
    return key or None


def as_answer(error: OpenAIError) -> HttpAnswer | NoAnswerError:
    """Take what came, or why nothing did, out of an error of the openai client."""
    if isinstance(error, APIStatusError):
        response = error.response
        return HttpAnswer(response.status_code, response.headers, response.content)
    cause = error.__cause__ or error
    detail = f"{type(cause).__name__} {cause}"
    if not isinstance(error, APIConnectionError):
        return NoAnswerError("garbled", detail)
    if any(base.__name__ in _NO_CONNECTION for base in type(cause).__mro__):
        return NoAnswerError("unreachable", detail)
    return NoAnswerError("timeout" if isinstance(error, APITimeoutError) else "connection", detail)
