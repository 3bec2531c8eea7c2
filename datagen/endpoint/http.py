"""The HTTP client: carries a request's JSON to an endpoint and its answer back, over kept connections.

The openai client says where, with which headers and key; aiohttp moves the bytes. The openai client's own request
path costs 2.0 ms of CPU a request at 256 in flight and 2.9 at 1,000, as its connection pool walks all connections
for each request; this one costs 0.2 at either (``benchmarks/teacher.py``).

``open_client`` opens the openai client; its own requests carry only the files and batches of the Batch API
(``teacher.batch``).
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from functools import cache
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from openai import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncOpenAI,
    DefaultAsyncHttpxClient,
    OpenAIError,
    Timeout,
)
from yarl import URL

from datagen.endpoint.error_translation import NOT_UNPACKED, PROXY_SILENT, HttpAnswer, NoAnswerError
from datagen.endpoint.target import Target
from datagen.masking import address_of

CONNECT_TIMEOUT_S = 30.0  # a thousand connections made at once, with TLS, take seconds on one core
IDLE_S = 4.0  # servers drop idle connections after 5 s and more; the one that asks should let go first
MAX_ANSWER_BYTES = 32 * 2**20
OPEN_FILES_BESIDE = 128


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


class HttpClient:
    """Asks one path of an endpoint, mostly by posting JSON; redirects are not followed, so the key goes nowhere else.

    Args:
        client: Says address, headers and key.
        path: Under the address, such as ``chat/completions``.
        timeout_s: For one whole answer.
        n_connections: Most connections held open.
        proxy: Asked in place of the endpoint; see ``proxy_for``.
    """

    def __init__(
        self, client: AsyncOpenAI, path: str, timeout_s: float, n_connections: int, proxy: str | None = None
    ) -> None:
        base = client.base_url
        before, mark, query = base.raw_path.partition(b"?")
        raw_path = before + path.encode() + mark + query
        self._url = URL(str(base.copy_with(raw_path=raw_path, username=None, password=None)), encoded=True)
        headers = {**client.default_headers, **client.auth_headers}
        self._headers = {name: value for name, value in headers.items() if isinstance(value, str)}
        if base.userinfo:  # wins over the key, as in the openai client's own transport
            self._headers["Authorization"] = aiohttp.encode_basic_auth(base.username, base.password)
        self._proxy = proxy
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        self._timeout_s, self._n_connections = timeout_s, n_connections
        self._session: aiohttp.ClientSession | None = None

    async def get(self) -> HttpAnswer:
        """Ask for what lies at the address; see ``post``."""
        return await self._ask("GET")

    async def post(self, *body: bytes) -> HttpAnswer:
        """Send a request and wait for the whole answer, whatever its status.

        Args:
            body: Its pieces.

        Raises:
            NoAnswerError: No connection, one that broke, no whole answer in time, or one out of bounds.
        """
        return await self._ask("POST", _Pieces(body))

    async def _ask(self, method: str, data: Payload | None = None) -> HttpAnswer:
        if self._session is None:
            self._session = self._open_session()
        try:
            async with self._session.request(method, self._url, data=data, allow_redirects=False) as answer:
                content = await self._read(answer)
        except aiohttp.ClientHttpProxyError as error:  # its answer to CONNECT: it wants a login, or allows no such host
            return HttpAnswer(error.status, error.headers or {}, f"the proxy says: {error.message}".encode())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            whom = f"{PROXY_SILENT}: " if self._proxy else ""
            raise NoAnswerError("unreachable", f"{whom}{type(error).__name__} {error}") from error
        except TimeoutError as error:
            raise NoAnswerError("timeout", f"no whole answer within {self._timeout_s:g} s") from error
        except (aiohttp.ClientError, ValueError, OSError) as error:
            if coding := _not_unpacked(error):
                raise NoAnswerError("garbled", f"expected an answer, plain or in gzip, got {coding}") from error
            raise NoAnswerError("connection", f"{type(error).__name__} {error}") from error
        return HttpAnswer(answer.status, answer.headers, content)

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        pieces: list[bytes] = []
        n_bytes = 0
        async for piece in answer.content.iter_any():
            n_bytes += len(piece)
            if n_bytes > MAX_ANSWER_BYTES:
                raise ValueError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _open_session(self) -> aiohttp.ClientSession:
        """Opened at the first request, since it belongs to the event loop that runs then."""
        _allow_open_files(self._n_connections + OPEN_FILES_BESIDE)
        connector = aiohttp.TCPConnector(
            limit=self._n_connections,
            keepalive_timeout=IDLE_S,
            ttl_dns_cache=300,
            ssl=_authorities(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
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


_CODING = re.compile(r"content-encoding: ([\w() -]+)|message='(deflate)'", re.IGNORECASE)


def _not_unpacked(error: Exception) -> str | None:
    """What came, where aiohttp cannot decompress a body: it is damaged, or in a form that was not asked for."""
    coding = _CODING.search(str(error)) if isinstance(error, aiohttp.ClientError) else None
    return None if coding is None else f"{NOT_UNPACKED} ({coding[1] or coding[2]})"


@cache
def _authorities(file: str | None, folder: str | None) -> ssl.SSLContext:
    """The system's authorities, or those that SSL_CERT_FILE or SSL_CERT_DIR name.

    A run has six clients, and to read the file takes 40 ms.
    """
    del file, folder  # they are read from the environment; here they only tell one answer from another
    return httpx2.create_ssl_context()


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for an address, by the rules of the standard library.

    Raises:
        ValueError: It is of a kind that is not supported, such as SOCKS, or no address.
    """
    parts, proxies = urlsplit(url), getproxies()
    proxy = (proxies.get(parts.scheme) or proxies.get("all") or "").strip()
    if not proxy or proxy_bypass(parts.hostname or ""):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    told = urlsplit(proxy)
    if told.scheme not in ("http", "https"):
        raise ValueError(f"the proxy {address_of(proxy)} is neither http:// nor https://")
    try:
        is_address = bool(told.hostname) and told.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ValueError(f"the proxy of the environment is no address such as http://host:8080 ({told.scheme}_proxy)")
    return proxy


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
            if any(sign.isspace() for sign in base_url):
                raise ValueError("the address holds a blank or a line break; take it out")
        proxy = proxy_for(base_url or OPENAI_URL)
        client = AsyncOpenAI(
            api_key=key or "none",  # servers of one's own need none, the client wants one
            base_url=base_url,
            max_retries=0,
            timeout=Timeout(target.settings.timeout_s, connect=CONNECT_TIMEOUT_S),
            http_client=DefaultAsyncHttpxClient(
                verify=_authorities(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
            ),
        )
    except (ValueError, ImportError, OpenAIError, httpx2.InvalidURL) as error:  # SOCKS without its package
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
