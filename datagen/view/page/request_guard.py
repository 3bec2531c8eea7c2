"""What stands between the network and the page: names of the host, the token, the origin of a change, safe headers.

The page may change a run and read its pictures, so a stranger's site open in the same browser must reach neither. A
name that a stranger made point here (DNS rebinding) fails by its Host header; a form or script elsewhere fails by its
origin; a machine elsewhere fails by the token.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types datagen"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class PageGuard:
    """Refuses what does not come from the page itself.

    Args:
        app: What it stands before.
        names: Host names besides ``localhost`` that the page goes by; addresses in numbers always do, since nobody
            can make those point elsewhere.
        token: What a browser must bring once; None asks for nothing.
        cookie: Name of the cookie that carries the token from then on.
    """

    def __init__(
        self, app: ASGIApp, names: Iterable[str] = (), token: str | None = None, cookie: str = "datagen"
    ) -> None:
        self._app = app
        self._names = frozenset(("localhost", *(name.casefold() for name in names)))
        self._token = token
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        brought = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        takes_token = self._token is not None and scope["path"] == "/" and _equal(brought, self._token)

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                answered.update(HEADERS)
                answered.setdefault("Cache-Control", "no-store")
                if takes_token:
                    answered["Set-Cookie"] = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"
            await send(message)

        refused = self._refuse(scope, headers, takes_token=takes_token)
        await (refused or self._app)(scope, receive, send_safely)

    def _refuse(self, scope: Scope, headers: Headers, *, takes_token: bool) -> PlainTextResponse | None:
        if not self._is_own(headers):
            return PlainTextResponse("This page does not go by that name.\n", 421)
        if self._token is not None and not takes_token and not _equal(self._carried(headers), self._token):
            told = "This page wants its token: open the address that 'datagen view' printed.\n"
            return PlainTextResponse(told, 401)
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and scope["path"] != "/":
            return PlainTextResponse("Another site asked for this.\n", 403)
        if scope["method"] not in ("GET", "HEAD"):
            if headers.get("origin") != f"{scope['scheme']}://{headers.get('host')}":
                return PlainTextResponse("Only the page itself may change anything.\n", 403)
            if headers.get("content-type", "").partition(";")[0].strip().casefold() != "application/json":
                return PlainTextResponse("Expected application/json.\n", 415)
        return None

    def _is_own(self, headers: Headers) -> bool:
        hosts = headers.getlist("host")
        if len(hosts) != 1:
            return False
        name = host_name(hosts[0])
        return name in self._names or is_address(name)

    def _carried(self, headers: Headers) -> str:
        for pair in "; ".join(headers.getlist("cookie")).split(";"):
            name, _, value = pair.strip().partition("=")
            if name == self._cookie:
                return value
        return ""


def host_name(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].casefold()
    return host.partition(":")[0].casefold()


def is_address(name: str) -> bool:
    """Whether a host is named by its address in numbers."""
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def is_loopback(name: str) -> bool:
    """Whether only this machine can reach a host."""
    return name.casefold() == "localhost" or (is_address(name) and ipaddress.ip_address(name).is_loopback)


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
