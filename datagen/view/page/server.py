"""The page's addresses, and where it listens: on this machine alone unless told otherwise, and then with a token.

It gives the page itself, its lists, cards and pictures, and takes the two things that may be sent to it.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import uvicorn
from msgspec import Struct
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from datagen.errors import DatagenError, SettingsError
from datagen.view.page.index import ChangedError, Wanted
from datagen.view.page.live_run import LiveRun, NotFoundError
from datagen.view.page.messages import MAX_ROWS, PICTURE_SIZES, SentDecision
from datagen.view.page.questions import Asker, BusyError
from datagen.view.page.request_guard import PageGuard, is_address, is_loopback
from datagen.view.sample_card import STYLE

if TYPE_CHECKING:
    from datagen.view.page.live_run import LiveRun
    from datagen.view.page.questions import Asker


STATIC = Path(__file__).parent / "static"
MAX_BYTES = 5_000_000
"""Of what a browser sends."""
FAREWELL_S = 2
"""Chromium keeps a connection that it opened ahead for a minute, which is no reason to go on after Ctrl-C."""
FILTERS = ("type", "status", "review", "turns", "reason", "cut", "pixels", "claims", "category")
"""Kinds of label that a list can be filtered by, under their names in a query."""

Known = TypeVar("Known")


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question as a browser sends it."""

    sample_id: str
    question: str


def make_app(
    live: LiveRun, asker: Asker, names: Iterable[str] = (), token: str | None = None, cookie: str = "datagen"
) -> Starlette:
    """Put the page together.

    Args:
        live: The run.
        asker: Answers questions about pictures.
        names: See ``PageGuard``.
        token: See ``PageGuard``.
        cookie: See ``PageGuard``.
    """

    def static(name: str, kind: str) -> Callable[[Request], Response]:
        content = (STATIC / name).read_bytes() + (STYLE.encode() if name.endswith(".css") else b"")
        return lambda request: Response(content, media_type=kind)

    def state(request: Request) -> Response:
        return _told(live.state() | {"validator": asker.name})

    def samples(request: Request) -> Response:
        query = request.query_params
        labels = tuple((kind, query[kind]) for kind in FILTERS if query.get(kind))
        most_p = _number(query.get("most_p", ""), float)
        wanted = Wanted(labels, most_p, query.get("text", "")[:200], query.get("sort") == "doubt")
        start, count = _number(query.get("start", ""), int) or 0, _number(query.get("count", ""), int) or MAX_ROWS // 2
        return _told(live.page(wanted, start, count, query.get("list", ""), query.get("at", "")))

    def sample(request: Request) -> Response:
        return _told(live.show(request.query_params.get("id", "")))

    def reply(request: Request) -> Response:
        return _told({"text": live.reply(request.query_params.get("id", ""))})

    def picture(request: Request) -> Response:
        size = request.query_params.get("size", "")
        shown = live.picture(request.query_params.get("sample", ""), size if size in PICTURE_SIZES else "small")
        return Response(shown, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    async def decide(request: Request) -> Response:
        asked = await _read(request, SentDecision)
        return _told(await run_in_threadpool(live.decide, asked))

    async def ask(request: Request) -> Response:
        asked = await _read(request, Question)
        answer = await run_in_threadpool(asker.ask, lambda: live.original(asked.sample_id), asked.question)
        return _told({"answer": answer})

    return Starlette(
        routes=[
            Route("/", static("page.html", "text/html")),
            Route("/page.css", static("page.css", "text/css")),
            Route("/icon.svg", static("icon.svg", "image/svg+xml")),
            Route("/page.js", static("page.js", "text/javascript")),
            Route("/state", state),
            Route("/samples", samples),
            Route("/sample", sample),
            Route("/reply", reply),
            Route("/picture", picture),
            Route("/decide", decide, methods=["POST"]),
            Route("/ask", ask, methods=["POST"]),
        ],
        middleware=[Middleware(PageGuard, names=tuple(names), token=token, cookie=cookie)],
        exception_handlers={DatagenError: _refusal, ChangedError: _changed},
    )


def _told(content: Any) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")


def _refusal(request: Request, error: Exception) -> Response:
    status = 404 if isinstance(error, NotFoundError) else 409 if isinstance(error, BusyError) else 422
    return Response(msgspec.json.encode({"problem": str(error)}), status, media_type="application/json")


def _changed(request: Request, error: Exception) -> Response:
    told = {"problem": "The run has just been written anew; look again."}
    return Response(msgspec.json.encode(told), 409, media_type="application/json")


async def _read(request: Request, kind: type[Known]) -> Known:
    """Read what a browser sent, up to a size.

    Raises:
        DatagenError: It is too large, or not what is expected.
    """
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BYTES:
            raise DatagenError("More was sent than a decision can hold.")
    try:
        return msgspec.json.decode(bytes(body), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DatagenError(f"What was sent cannot be read ({error}).") from None


def _number(text: str, kind: Callable[[str], Any]) -> Any:
    try:
        return kind(text[:40])
    except ValueError:
        return None


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
        app, log_level="error", access_log=False, server_header=False, lifespan="off", ws="none", proxy_headers=False,
        timeout_graceful_shutdown=FAREWELL_S,
    )  # fmt: skip
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
