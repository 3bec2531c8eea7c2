"""Opens the openai client: settings and environment go in, a client that knows address and key comes out."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from openai import AsyncOpenAI, OpenAIError, Timeout

from datagen.config import TeacherSettings
from datagen.errors import TeacherError
from datagen.teacher.faults import address_of
from datagen.teacher.transport import CONNECT_TIMEOUT_S, proxy_for

OPENAI_URL = "https://api.openai.com/v1"


def open_client(settings: TeacherSettings, max_retries: int = 0) -> tuple[AsyncOpenAI, str | None, str | None]:
    """Make a client.

    Args:
        settings: Whom to ask; without an address, OPENAI_BASE_URL or OpenAI itself.
        max_retries: How often the client itself tries again.

    Returns:
        The client, its key, and the proxy on the way.

    Raises:
        TeacherError: The key is missing or unusable, or the address is not one.
    """
    base_url = settings.base_url or os.environ.get("OPENAI_BASE_URL") or None
    key = _read_key(settings.api_key_env, is_needed=base_url is None)
    try:
        if base_url is not None:
            parts = urlsplit(base_url)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
                raise ValueError("expected an address such as http://localhost:8000/v1")
        proxy = proxy_for(base_url or OPENAI_URL)
        client = AsyncOpenAI(
            api_key=key or "none",  # servers of one's own need none, the client wants one
            base_url=base_url,
            max_retries=max_retries,
            timeout=Timeout(settings.timeout_s, connect=CONNECT_TIMEOUT_S),
        )
    except (ValueError, ImportError, OpenAIError) as error:  # ImportError: a SOCKS proxy without its package
        shown = "OpenAI" if base_url is None else address_of(base_url)
        raise TeacherError(f"No connection to {shown} can be set up: {error}.") from None
    return client, key, proxy


def _read_key(variable: str, is_needed: bool) -> str | None:
    key = os.environ.get(variable, "").strip()
    if not key and is_needed:
        raise TeacherError(
            f"The environment variable {variable} is not set: it must hold OpenAI's key. "
            "Set it, or name an endpoint of your own with --base-url."
        )
    if not (key.isascii() and key.isprintable()):
        raise TeacherError(f"The key in {variable} holds characters that no key has; copy it again.")
    return key or None
