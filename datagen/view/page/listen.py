"""Listens for one page: on this machine alone unless told otherwise, and then with a token."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import uvicorn
from msgspec import Struct

from datagen.errors import DatagenError, SettingsError
from datagen.view.page.request_guard import is_address, is_loopback
from datagen.view.page.server import make_app

if TYPE_CHECKING:
    from datagen.view.page.live_run import LiveRun
    from datagen.view.page.questions import Asker

DEFAULT_PORT = 8642


class Door(Struct, frozen=True):
    """Where the page is reached.

    Attributes:
        host: Name or address to listen on.
        port: None takes ``DEFAULT_PORT``, or another where that is taken.
        wants_token: Ask for a token although only this machine can reach the page.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    wants_token: bool = False


def serve(live: LiveRun, asker: Asker, door: Door, announce: Callable[[str], None]) -> None:
    """Serve the page until it is interrupted.

    Args:
        live: The run.
        asker: Answers questions about pictures.
        door: Where to listen.
        announce: Hears the address to open, with the token if there is one; nobody else does.

    Raises:
        SettingsError: The address cannot be listened on.
    """
    listening = listen(door)
    port = listening.getsockname()[1]
    token = secrets.token_urlsafe(24) if door.wants_token or not is_loopback(door.host) else None
    names = () if is_loopback(door.host) else (door.host, socket.gethostname(), socket.getfqdn())
    app = make_app(live, asker, names, token, cookie=f"datagen-{port}")
    config = uvicorn.Config(
        app, log_level="error", access_log=False, server_header=False, lifespan="off", ws="none", proxy_headers=False
    )
    announce(f"http://{address(door.host, port)}/{f'?token={token}' if token else ''}")
    threading.Thread(target=_prepare, args=(live,), daemon=True).start()
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def _prepare(live: LiveRun) -> None:
    """Begin to read before the browser asks; what goes wrong is told to whoever asks first."""
    with contextlib.suppress(DatagenError):
        live.prepare()


def listen(door: Door) -> socket.socket:
    """Open the door."""
    ports = (DEFAULT_PORT, 0) if door.port is None else (door.port,)
    for port in ports:
        try:
            found = socket.getaddrinfo(door.host, port, type=socket.SOCK_STREAM)[0]
            return socket.create_server(found[4][:2], family=found[0])
        except OSError as error:
            failure = (error.strerror or str(error)).partition(" (while")[0]
    place = f"--host {door.host}" + (f" --port {door.port}" if door.port is not None else "")
    raise SettingsError(f"{place}: cannot be listened on ({failure}); try another.")


def address(host: str, port: int) -> str:
    """What to type into a browser for a host that is listened on."""
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()  # every address of this machine; its name is one that others can reach
    return f"[{host}]:{port}" if is_address(host) and ":" in host else f"{host}:{port}"
