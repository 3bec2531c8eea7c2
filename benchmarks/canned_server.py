"""An endpoint in a process of its own that gives every request one canned answer after a fixed delay.

    python benchmarks/canned_server.py --delay 0.2 --words 230

It does next to nothing per request, so that a client can be measured on a machine with two cores. The
first line printed is the base URL; a line on standard input makes it print how many requests it answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys


class Canned(asyncio.Protocol):
    """HTTP/1.1 with Content-Length, just enough for a client that posts JSON."""

    n_answered = 0

    def __init__(self, answer: bytes, delay_s: float) -> None:
        self._answer, self._delay_s = answer, delay_s
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].lower()
            at = head.find(b"content-length:")
            n_body = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._received) < end + 4 + n_body:
                return
            self._received = self._received[end + 4 + n_body :]
            asyncio.get_running_loop().call_later(self._delay_s, self._give)

    def _give(self) -> None:
        Canned.n_answered += 1
        self._transport.write(self._answer)  # type: ignore[attr-defined]


def canned_answer(n_words: int) -> bytes:
    """A completion of so many words, five bytes each, as bytes on the wire."""
    message = {"role": "assistant", "content": "Question:\nWhat is it?\n===\nAnswer:\n" + "word " * n_words}
    usage = {"prompt_tokens": 2000, "completion_tokens": n_words, "total_tokens": 2000 + n_words}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    completion = {"id": "c", "object": "chat.completion", "created": 0, "model": "canned", "choices": [choice]}
    body = json.dumps({**completion, "usage": usage}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def _serve(delay_s: float, n_words: int) -> None:
    loop = asyncio.get_running_loop()
    answer = canned_answer(n_words)
    server = await loop.create_server(lambda: Canned(answer, delay_s), "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(Canned.n_answered, flush=True)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay", type=float, default=0.2, help="seconds")
    parser.add_argument("--words", type=int, default=230)
    options = parser.parse_args()
    asyncio.run(_serve(options.delay, options.words))


if __name__ == "__main__":
    main()
