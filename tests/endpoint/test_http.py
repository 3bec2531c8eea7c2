"""The HTTP client goes where the client says, through the proxy that the environment names, and nowhere else."""

import asyncio
import gzip
import json
import os
import ssl
import subprocess
import zlib

import pytest
from loopback import Answer, LoopbackServer
from openai import AsyncOpenAI

from datagen.config import TeacherSettings
from datagen.endpoint import http
from datagen.endpoint.error_translation import PROXY_SILENT, NoAnswerError
from datagen.endpoint.http import HttpClient, _allow_open_files, proxy_for
from datagen.errors import TeacherError
from datagen.records import AnnotatedImage, Message, Request
from datagen.teacher.chat import ChatTeacher

BODY = b'{"model": "m", "messages": [{"role": "user", "content": "one"}]}'
KEY = "sk-very-secret-0123456789"
REQUEST = Request(
    digest="d",
    image=AnnotatedImage("7", "7.jpg", 10, 10),
    response_type="conversation",
    recipe_digest="r",
    messages=(Message("user", "one"),),
    temperature=None,
    max_tokens=9,
    reply_format="text",
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(("OPENAI_", "SSL_CERT_")):
            monkeypatch.delenv(name)


def post(base_url, n=1, **more):
    async def main():
        given = {"api_key": KEY, "base_url": base_url, **more}
        carrier = HttpClient(AsyncOpenAI(**given), "chat/completions", 10.0, 4, proxy_for(base_url))
        try:
            return [await carrier.post(BODY[:20], BODY[20:]) for _ in range(n)][-1]
        finally:
            await carrier.close()

    return asyncio.run(main())


def test_it_sends_what_the_client_would(monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    with LoopbackServer() as server:
        status, headers, content = post(server.base_url)
    sent = server.seen[0][0]
    assert server.seen[0][1] == json.loads(BODY)
    assert status == 200 and content.startswith(b"{") and headers["Content-Type"] == "application/json"
    assert sent["authorization"] == f"Bearer {KEY}" and sent["openai-organization"] == "org-1"
    assert sent["content-type"] == "application/json" and sent["user-agent"].startswith("AsyncOpenAI/")
    assert "openai-project" not in sent


def test_a_login_in_the_address_and_its_query_are_sent():
    with LoopbackServer() as server:
        post(server.base_url.replace("//", "//me:pw@") + "?version=2")
    assert server.seen[0][0]["authorization"] == "Basic bWU6cHc="


PLAIN = b'{"choices": []}' * 40


@pytest.mark.parametrize(
    ("coding", "body", "told"),
    [
        ("br", b"\x1b\x2e\x00junk", "brotli"),
        ("gzip", PLAIN, "gzip"),
        ("gzip", gzip.compress(PLAIN, mtime=0) + b"junk", "gzip"),
        ("deflate", PLAIN, "deflate"),
        ("deflate", zlib.compress(PLAIN)[:12], "deflate"),
    ],
)
def test_a_body_that_cannot_be_decompressed_is_told(coding, body, told):
    with (
        LoopbackServer(intercept=lambda sent, n: Answer(200, body, {"Content-Encoding": coding})) as server,
        pytest.raises(NoAnswerError, match=rf"got a body that cannot be decompressed \(.*{told}") as caught,
    ):
        post(server.base_url)
    assert caught.value.code == "garbled" and "install" not in str(caught.value)


def test_a_compressed_body_is_understood():
    for coding, body in (("gzip", gzip.compress(PLAIN)), ("deflate", zlib.compress(PLAIN)), ("identity", PLAIN)):
        with LoopbackServer(intercept=lambda sent, n: Answer(200, body, {"Content-Encoding": coding})) as server:  # noqa: B023
            assert post(server.base_url).content == PLAIN


def test_a_gzip_body_that_is_cut_is_whole_or_no_json():
    plain = json.dumps({"choices": [{"message": {"content": "A dog. " * 40}}]}).encode()
    packed = gzip.compress(plain)
    for n_cut in (*range(1, 12), 20):  # the last eight bytes are sum and length, and what they are of may be there
        cut = packed[:-n_cut]
        with LoopbackServer(intercept=lambda sent, n: Answer(200, cut, {"Content-Encoding": "gzip"})) as server:  # noqa: B023
            content = post(server.base_url).content
        if content != plain:
            with pytest.raises(json.JSONDecodeError):
                json.loads(content)


def test_a_silent_proxy_is_told(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://me:secret@127.0.0.1:1")
    with pytest.raises(NoAnswerError, match=PROXY_SILENT):
        post("http://model.invalid/v1")


def test_a_redirect_is_not_followed():
    with LoopbackServer() as elsewhere:
        away = Answer(307, b"", {"Location": f"{elsewhere.base_url}/chat/completions?key={KEY}"})
        with LoopbackServer(intercept=lambda body, arrival: away) as server:
            assert post(server.base_url).status == 307
    assert elsewhere.arrivals.total() == 0


def test_a_login_in_netrc_is_not_sent(monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with LoopbackServer() as server:
        post(server.base_url)
    assert server.seen[0][0]["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_the_proxy_of_the_environment_is_used(name, monkeypatch):
    with LoopbackServer() as proxy:
        monkeypatch.setenv(name, proxy.base_url.removesuffix("/v1"))
        post("http://model.invalid/v1")
        assert proxy.seen[0][0]["host"] == "model.invalid"


def test_no_proxy_is_heeded(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    with LoopbackServer() as server:
        post(server.base_url)
    assert server.answered.total() == 1


def test_a_proxy_of_another_kind_is_named_without_its_login(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://me:secret@127.0.0.1:1")
    with pytest.raises(TeacherError, match=r"socks5://127\.0\.0\.1:1") as caught:
        ChatTeacher(TeacherSettings(name="m", base_url="http://10.0.0.1/v1"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("value", ["http://:::", "http://", "http://host:99999", "://", "http://[::1"])
@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_that_is_no_address_is_told(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(TeacherError, match=r"No connection to http://10\.0\.0\.1/v1 can be set up"):
        ChatTeacher(TeacherSettings(name="m", base_url="http://10.0.0.1/v1"))


@pytest.mark.parametrize(("status", "told"), [(407, "refuses all requests"), (403, "refuses all requests")])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_a_proxy_refuses_is_its_own_and_told_at_once(scheme, status, told, monkeypatch):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async def ask():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        monkeypatch.setenv(f"{scheme}_proxy", f"http://me:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}")
        teacher = ChatTeacher(TeacherSettings(name="m", base_url=f"{scheme}://model.invalid/v1"))
        try:
            await teacher.answer(REQUEST)
        finally:
            await teacher.close()
            server.close()

    with pytest.raises(TeacherError, match=told) as caught:
        asyncio.run(ask())
    assert "secret" not in str(caught.value) and "a proxy" in str(caught.value)


def test_connections_are_kept():
    with LoopbackServer() as server:
        post(server.base_url, n=5)
    assert server.answered.total() == 5 and server.n_connections == 1


def test_an_endless_answer_is_cut_off(monkeypatch):
    monkeypatch.setattr(http, "MAX_ANSWER_BYTES", 10_000)
    with LoopbackServer(reply=lambda body: "word " * 10_000) as server, pytest.raises(NoAnswerError) as caught:
        post(server.base_url)
    assert caught.value.code == "connection" and "longer than 10000 bytes" in str(caught.value)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout key.pem -out cert.pem -subj /CN=here"
    try:
        subprocess.run(
            [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1"], cwd=folder, check=True, capture_output=True
        )
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return folder


def test_an_authority_of_ones_own_is_trusted_when_named_and_only_then(certificate, monkeypatch):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with LoopbackServer(tls=tls) as server:
        with pytest.raises(NoAnswerError, match="CERTIFICATE_VERIFY_FAILED"):
            post(server.base_url)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
        content = post(server.base_url).content
    assert content.startswith(b"{") and server.answered.total() == 1


def test_more_connections_than_open_files_are_allowed_for(monkeypatch):
    resource = pytest.importorskip("resource")
    asked = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, 1000))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: asked.append(limits))
    _allow_open_files(200)
    _allow_open_files(600)
    _allow_open_files(5000)
    assert asked == [(600, 1000), (1000, 1000)]
