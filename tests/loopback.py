"""A loopback server that speaks OpenAI's chat completions and embeddings: requests in, replies and faults out.

The reply depends on the request's model and messages alone, so the same request gets the same
answer whatever the order. Faults of the way (a 429, a dropped connection) are drawn per request and
arrival, so a retry may pass; faults of the answer (a cut text, a refusal) are drawn per request, so
a run that was killed and resumed ends with the same replies as an undisturbed one.

As a script: ``python tests/loopback.py --port 8000 --faults rate_limited=0.1,server_error=0.05``.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self
from urllib.parse import urlsplit

from loopback_batches import BatchDesk

WAY_FAULTS = (
    "rate_limited",  # 429 with Retry-After
    "server_error",  # 500 with a JSON error
    "unavailable",  # 503 with an HTML page
    "dropped",  # connection closed before any byte
    "cut",  # connection closed in the middle of the body
    "slow",  # the answer that belongs to the request, late
    "html",  # 200 with a web page
    "cut_json",  # 200 with half a JSON document and a matching Content-Length
    "no_choices",  # 200 with an empty list of choices
)
ANSWER_FAULTS = (
    "empty",  # content is null
    "length",  # text cut off, finish_reason "length"
    "refusal",  # content is null, refusal has the words
)
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}
_WORDS = """calm light quiet busy warm soft bright gentle plain narrow open distant early late simple lively still
crisp pale vivid steady loose neat rough smooth broad hushed idle brisk mellow faint sharp even tidy humble grand
weathered polished modest cheerful pensive drowsy alert patient hurried relaxed formal casual rustic modern""".split()


@dataclass(frozen=True)
class Answer:
    """What goes over the wire for one request.

    Attributes:
        n_sent: Body bytes really sent before the connection is dropped; None sends all of them.
            Minus one drops the connection before any byte.
        is_reply: True for a completion that the client is expected to keep.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    n_sent: int | None = None
    is_reply: bool = False


Intercept = Callable[[dict[str, Any], int], "Answer | str | None"]
"""From a request's JSON and its arrival (1 for the first) to an answer, a fault's name, or None for a good reply."""


def json_answer(status: int, value: object, **headers: str) -> Answer:
    """An answer with a JSON body; underscores in header names become hyphens."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **named})


def error_answer(status: int, message: str, code: str | None = None, **headers: str) -> Answer:
    """An error in OpenAI's form."""
    return json_answer(status, {"error": {"message": message, "type": "error", "param": None, "code": code}}, **headers)


def digest_of(body: Mapping[str, Any]) -> str:
    """The request's identity: model and messages, not the sampling parameters a client may switch."""
    text = json.dumps([body.get("model"), body.get("messages")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def reply_for(body: Mapping[str, Any]) -> str:
    """A reply in the form that the system message asks for, its words drawn from the request's digest."""
    rng = random.Random(digest_of(body))
    system = " ".join(str(m.get("content")) for m in body.get("messages", ()) if m.get("role") == "system")
    pairs = [(f"How would you describe the {rng.choice(_WORDS)} part of it?", _sentence(rng)) for _ in range(3)]
    if body.get("response_format") or "json" in system.lower():
        return json.dumps({"turns": [{"question": question, "answer": answer} for question, answer in pairs]})
    if "===" in system:
        return "\n===\n".join(f"Question:\n{question}\n===\nAnswer:\n{answer}" for question, answer in pairs)
    return " ".join(_sentence(rng) for _ in range(3))


def vector_for(text: str) -> list[float]:
    """A vector drawn from the text's digest; any two texts lie far apart."""
    rng = random.Random(hashlib.sha256(text.encode()).digest())
    return [rng.gauss(0, 1) for _ in range(64)]


def _sentence(rng: random.Random) -> str:
    first, second, third, fourth, fifth = rng.sample(_WORDS, 5)
    return f"It all feels {first} and {second}, rather {third} than {fourth}, with a {fifth} mood."


class LoopbackServer:
    """The server in a thread of its own; a context manager.

    Args:
        faults: Share of requests per fault name; the way faults' shares sum to at most 1, and so
            do the answer faults'.
        rng_seed: Draws the faults.
        max_faults: Way faults that one request meets at most; after them it is answered.
        delay_s: Until a completion is sent; errors come at once.
        rate_per_s: Requests per second let through before 429, by a token bucket of size ``burst``.
        intercept: Asked first, for tests that script exactly what happens.
        api_key: When set, other keys get 401.
        tls: Certificate and key, for https.

    Attributes:
        arrivals: Chat requests received, by digest.
        answered: Replies written out completely, by digest; a client that stores replies and
            asks none twice leaves every count at 1.
        seen: The latest requests as (headers, JSON body).
        n_connections: Connections taken.
        desk: Files and batches.
        embedded: Texts whose vectors were sent, each as often as that was.
    """

    def __init__(
        self,
        faults: Mapping[str, float] | None = None,
        *,
        rng_seed: int = 0,
        max_faults: int = 3,
        rate_per_s: float | None = None,
        burst: int = 10,
        retry_after_s: float = 0.05,
        slow_s: float = 0.2,
        delay_s: float = 0.0,
        reply: Callable[[Mapping[str, Any]], str] = reply_for,
        embed: Callable[[str], list[float]] = vector_for,
        intercept: Intercept | None = None,
        api_key: str | None = None,
        model: str = "loopback",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        unknown = set(faults or ()) - {*WAY_FAULTS, *ANSWER_FAULTS}
        if unknown:
            raise ValueError(f"unknown faults {sorted(unknown)}; there are {[*WAY_FAULTS, *ANSWER_FAULTS]}")
        self.faults = dict(faults or {})
        self.rng_seed = rng_seed
        self.max_faults = max_faults
        self.rate_per_s = rate_per_s
        self.burst = burst
        self.retry_after_s = retry_after_s
        self.slow_s = slow_s
        self.delay_s = delay_s
        self.reply = reply
        self.embed = embed
        self.intercept = intercept
        self.api_key = api_key
        self.model = model
        self.port = port
        self.tls = tls
        self.arrivals: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.embedded: Counter[str] = Counter()
        self.faults_sent: Counter[str] = Counter()
        self.seen: deque[tuple[dict[str, str], dict[str, Any]]] = deque(maxlen=1000)
        self.n_connections = 0
        self.desk = BatchDesk(lambda body: json.loads(self._completion(body).body))
        self._faults_met: Counter[str] = Counter()
        self._tokens = float(burst)
        self._filled_at = time.monotonic()
        self._is_up = threading.Event()
        self._startup_error: OSError | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)

    @property
    def base_url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        self._is_up.wait()
        if self._startup_error is not None:
            raise self._startup_error
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        try:
            server = await asyncio.start_server(self._on_connection, "127.0.0.1", self.port, backlog=4096, ssl=self.tls)
        except OSError as error:
            self._startup_error = error
            self._is_up.set()
            return
        self.port = server.sockets[0].getsockname()[1]
        self._is_up.set()
        await self._stop.wait()
        server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.n_connections += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after another on a kept connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.strip().split("\r\n")
                method, path, _ = first.split(" ")
                path = urlsplit(path).path  # a whole URL where the client takes this server for a proxy
                headers = {name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
                content = await reader.readexactly(int(headers.get("content-length", 0)))
                digest, answer = self._answer(method, path, headers, content)
                if answer.delay_s:
                    await asyncio.sleep(answer.delay_s)
                if not await _send(writer, answer):
                    return
                if answer.is_reply:
                    self.answered[digest] += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client is gone
        finally:
            writer.transport.abort()

    def _answer(self, method: str, path: str, headers: dict[str, str], content: bytes) -> tuple[str, Answer]:
        if self.api_key is not None and headers.get("authorization") != f"Bearer {self.api_key}":
            shown = headers.get("authorization", "").removeprefix("Bearer ")
            return "", error_answer(401, f"Incorrect API key provided: {shown}.", "invalid_api_key")
        if (method, path) == ("GET", "/v1/models"):
            return "", json_answer(200, {"object": "list", "data": [{"id": self.model, "object": "model"}]})
        if (method, path) == ("POST", "/v1/embeddings"):
            return "", self._vectors(headers, json.loads(content))
        if path.startswith(("/v1/files", "/v1/batches")):
            done = self.desk.answer(method, path, headers, content)
            return "", Answer(n_sent=-1) if done is None else Answer(*done, {"Content-Type": "application/json"})
        if (method, path) != ("POST", "/v1/chat/completions"):
            return "", Answer(404, b"<html><body>Not Found</body></html>", {"Content-Type": "text/html"})
        body = json.loads(content)
        digest = digest_of(body)
        self.arrivals[digest] += 1
        self.seen.append((headers, body))
        fate: Answer | str | None = None
        if self.intercept is not None:
            fate = self.intercept(body, self.arrivals[digest])
        if fate is None:
            fate = self._rate_limit() or self._drawn_fault(digest)
        if isinstance(fate, str):
            self.faults_sent[fate] += 1
            fate = self._faulty(fate, body)
        return digest, fate or self._completion(body)

    def _vectors(self, headers: dict[str, str], body: dict[str, Any]) -> Answer:
        """Answer with the last text's vector first, which the protocol allows."""
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        self.arrivals[digest] += 1
        self.seen.append((headers, body))
        fate = self.intercept(body, self.arrivals[digest]) if self.intercept is not None else None
        if isinstance(fate, str):
            self.faults_sent[fate] += 1
            fate = self._faulty(fate, {"messages": [], **body})
        if isinstance(fate, Answer):
            return fate
        self.embedded.update(body["input"])
        rows = [{"object": "embedding", "index": n, "embedding": self.embed(x)} for n, x in enumerate(body["input"])]
        n_tokens = sum(len(text.split()) for text in body["input"])
        usage = {"prompt_tokens": n_tokens, "total_tokens": n_tokens}
        answer = json_answer(200, {"object": "list", "data": rows[::-1], "model": body["model"], "usage": usage})
        return replace(answer, delay_s=self.delay_s)

    def _rate_limit(self) -> Answer | None:
        if self.rate_per_s is None:
            return None
        now = time.monotonic()
        self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.rate_per_s)
        self._filled_at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return None
        wait_s = (1 - self._tokens) / self.rate_per_s
        return error_answer(429, "Rate limit reached.", "rate_limit_exceeded", Retry_After=f"{wait_s:.3f}")

    def _drawn_fault(self, digest: str) -> str | None:
        if self._faults_met[digest] < self.max_faults:
            fault = self._draw(WAY_FAULTS, digest, str(self.arrivals[digest]))
            if fault is not None:
                self._faults_met[digest] += 1
                return fault
        return self._draw(ANSWER_FAULTS, digest)

    def _draw(self, names: tuple[str, ...], *key: str) -> str | None:
        point = random.Random("/".join((str(self.rng_seed), *key))).random()
        for name in names:
            point -= self.faults.get(name, 0.0)
            if point < 0:
                return name
        return None

    def _faulty(self, fault: str, body: Mapping[str, Any]) -> Answer:
        good = self._completion(body)
        html = {"Content-Type": "text/html"}
        match fault:
            case "rate_limited":
                wait = f"{self.retry_after_s}"
                return error_answer(429, "Rate limit reached.", "rate_limit_exceeded", Retry_After=wait)
            case "server_error":
                return error_answer(500, "The server had an error.")
            case "unavailable":
                return Answer(503, b"<html><body>Service Unavailable</body></html>", html)
            case "dropped":
                return Answer(n_sent=-1)
            case "cut":
                return Answer(200, good.body, good.headers, n_sent=len(good.body) // 2)
            case "slow":
                fate = self._draw(ANSWER_FAULTS, digest_of(body))
                late = self._faulty(fate, body) if fate else good
                return Answer(200, late.body, late.headers, delay_s=self.slow_s, is_reply=True)
            case "html":
                return Answer(200, b"<html><body>Welcome</body></html>", html)
            case "cut_json":
                return Answer(200, good.body[: len(good.body) // 2], good.headers)
            case "no_choices":
                return json_answer(200, {"id": "x", "object": "chat.completion", "choices": []})
            case "empty":
                return self._completion(body, content=None)
            case "length":
                text = self.reply(body)
                return self._completion(body, content=text[: len(text) // 2], finish_reason="length")
            case "refusal":
                return self._completion(body, content=None, refusal="I cannot help with that.")
        raise ValueError(f"no fault is called '{fault}'")

    def _completion(self, body: Mapping[str, Any], **changes: str | None) -> Answer:
        finish_reason = changes.pop("finish_reason", "stop")
        message = {
            "role": "assistant",
            "refusal": None,
            **({} if "content" in changes else {"content": self.reply(body)}),
        }
        message |= changes
        n_prompt = sum(len(str(m.get("content")).split()) for m in body["messages"])
        n_out = len(str(message["content"] or "").split())
        completion = {
            "id": f"chatcmpl-{digest_of(body)[:12]}",
            "object": "chat.completion",
            "created": 0,
            "model": body.get("model"),
            "choices": [{"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}],
            "usage": {
                "prompt_tokens": n_prompt,
                "completion_tokens": n_out,
                "total_tokens": n_prompt + n_out,
                "prompt_tokens_details": {"cached_tokens": n_prompt // 2},
            },
        }
        content = json.dumps(completion).encode()
        return Answer(200, content, {"Content-Type": "application/json"}, self.delay_s, is_reply=True)


async def _send(writer: asyncio.StreamWriter, answer: Answer) -> bool:
    """Write an answer; False when the connection is to be dropped."""
    if answer.n_sent == -1:
        return False
    lines = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Other')}", f"Content-Length: {len(answer.body)}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + answer.body[: answer.n_sent])
    await writer.drain()
    if answer.n_sent is not None:
        writer.close()  # unlike abort, this delivers what was written
        await writer.wait_closed()
        return False
    return True


def main() -> None:
    """Serve until interrupted; the first line printed is the base URL."""
    parser = argparse.ArgumentParser(description="An OpenAI-compatible endpoint with faults, on this machine only.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--faults", default="", help="comma-separated name=share pairs")
    parser.add_argument("--rng-seed", type=int, default=0)
    parser.add_argument("--max-faults", type=int, default=3)
    parser.add_argument("--rate-per-s", type=float)
    options = parser.parse_args()
    pairs = (pair.partition("=") for pair in options.faults.split(",") if pair)
    faults = {name: float(share) for name, _, share in pairs}
    with LoopbackServer(
        faults,
        rng_seed=options.rng_seed,
        max_faults=options.max_faults,
        rate_per_s=options.rate_per_s,
        port=options.port,
    ) as server:
        print(server.base_url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(json.dumps({"arrivals": server.arrivals.total(), "answered": server.answered.total()}))


if __name__ == "__main__":
    main()
