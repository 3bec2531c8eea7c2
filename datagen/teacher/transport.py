"""Carries a request's JSON to the endpoint and its answer back; failures are raised as the openai client would.

The openai client says where, with which headers and key; aiohttp moves the bytes. The client's own request
path costs 2.0 ms of CPU a request at 256 in flight and 2.9 at 1,000, as its connection pool walks all connections
for each request; this one costs 0.2 at either (``benchmarks/teacher.py``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
import msgspec
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from openai import APIConnectionError, APIStatusError, APITimeoutError, AsyncOpenAI
from yarl import URL

CONNECT_TIMEOUT_S = 30.0  # a thousand connections made at once, with TLS, take seconds on one core
IDLE_S = 4.0  # servers drop idle connections after 5 s and more; the one that asks should let go first
MAX_ANSWER_BYTES = 32 * 2**20
OPEN_FILES_BESIDE = 128

_DECODED_ALREADY = ("content-encoding", "content-length", "transfer-encoding")


class _Pieces(Payload):
    """A body in pieces that other requests may share, put together only while it is written."""

    _autoclose = True  # nothing is open
    _value: tuple[bytes, ...]

    def __init__(self, pieces: tuple[bytes, ...]) -> None:
        super().__init__(pieces, content_type="application/json")
        self._size = sum(map(len, pieces))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        await writer.write(b"".join(self._value))


class Transport:
    """Posts JSON over kept connections; redirects are not followed, so the key goes nowhere else.

    Args:
        client: Says address, headers and key.
        timeout_s: For one whole answer.
        n_connections: Most connections held open.
        proxy: Asked in place of the endpoint; see ``proxy_for``.
    """

    def __init__(self, client: AsyncOpenAI, timeout_s: float, n_connections: int, proxy: str | None = None) -> None:
        base = client.base_url
        path, mark, query = base.raw_path.partition(b"?")
        url = base.copy_with(raw_path=path + b"chat/completions" + mark + query, username=None, password=None)
        self._url = URL(str(url), encoded=True)
        self._request = httpx2.Request("POST", url)
        headers = {**client.default_headers, **client.auth_headers}
        self._headers = {name: value for name, value in headers.items() if isinstance(value, str)}
        if base.userinfo:  # wins over the key, as in the client's own transport
            self._headers["Authorization"] = aiohttp.encode_basic_auth(base.username, base.password)
        self._proxy = proxy
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        self._n_connections = n_connections
        self._session: aiohttp.ClientSession | None = None

    async def post(self, *body: bytes) -> tuple[bytes, Mapping[str, str]]:
        """Send a request and wait for the whole answer.

        Args:
            body: Its pieces.

        Returns:
            Body and headers of a 2xx answer.

        Raises:
            APIStatusError: Any other status.
            APITimeoutError: No whole answer in time.
            APIConnectionError: No connection, one that broke, or an answer out of bounds.
        """
        if self._session is None:
            self._session = self._open_session()
        try:
            async with self._session.post(self._url, data=_Pieces(body), allow_redirects=False) as answer:
                content = await self._read(answer)
        except TimeoutError as error:
            if isinstance(error, aiohttp.ConnectionTimeoutError):
                raise APIConnectionError(request=self._request) from error
            raise APITimeoutError(self._request) from error
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise APIConnectionError(request=self._request) from error
        if not 200 <= answer.status < 300:
            raise self._status_error(answer, content)
        return content, answer.headers

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        pieces: list[bytes] = []
        n_bytes = 0
        async for piece in answer.content.iter_any():
            n_bytes += len(piece)
            if n_bytes > MAX_ANSWER_BYTES:
                raise ValueError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _status_error(self, answer: aiohttp.ClientResponse, content: bytes) -> APIStatusError:
        headers = [(name, value) for name, value in answer.headers.items() if name.lower() not in _DECODED_ALREADY]
        response = httpx2.Response(answer.status, headers=headers, content=content, request=self._request)
        text = content.decode(errors="replace")
        if 300 <= answer.status < 400:
            text = text or f"a redirect to {_shown(answer.headers.get('location', 'nowhere'))}"
        try:
            body: Any = msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            body = None
        inner = body.get("error", body) if isinstance(body, dict) else body
        return APIStatusError(text or f"status {answer.status}", response=response, body=inner)

    def _open_session(self) -> aiohttp.ClientSession:
        """Opened at the first request, since it belongs to the event loop that runs then."""
        _allow_open_files(self._n_connections + OPEN_FILES_BESIDE)
        connector = aiohttp.TCPConnector(
            limit=self._n_connections,
            keepalive_timeout=IDLE_S,
            ttl_dns_cache=300,
            ssl=httpx2.create_ssl_context(),  # the system's authorities, or SSL_CERT_FILE's
        )
        return aiohttp.ClientSession(
            connector=connector,
            headers=self._headers,
            timeout=self._timeout,
            proxy=self._proxy,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,  # it would also take logins from ~/.netrc
        )

    async def close(self) -> None:
        """Give back connections."""
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)  # lets the transports close


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for an address, by the rules of the standard library.

    Raises:
        ValueError: It is of a kind that is not supported, such as SOCKS.
    """
    parts, proxies = urlsplit(url), getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.hostname or ""):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(proxy).scheme not in ("http", "https"):
        raise ValueError(f"the proxy {_shown(proxy)} is neither http:// nor https://")
    return proxy


def _shown(url: str) -> str:
    """A URL without login and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that is none"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _allow_open_files(n_wanted: int) -> None:
    """Raise the soft limit on open files, which is 256 or 1,024 on many systems, as far as the system lets us."""
    try:
        import resource
    except ImportError:  # Windows has no such limit on sockets
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= n_wanted:
        return
    allowed = n_wanted if hard == resource.RLIM_INFINITY else min(n_wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))
