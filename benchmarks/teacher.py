"""What asking an endpoint costs and loses: our teacher stage, the bare openai client and curator, in one run.

    python benchmarks/teacher.py [--quick] [--curator PYTHON] [--only PART] [--rows-for-memory 1000000]

Every client runs in a process of its own against a server in another. Printed are CPU milliseconds per
request (the client's alone), the share of the ideal time (requests x latency / concurrency), and peak
memory; "asleep" only sleeps, so what it misses of the ideal was the machine's. Then how our stage fares
against a rate limit, mixed faults and kill -9. ``--curator`` names a Python that has bespokelabs-curator
installed. Peak memory of ours is without torch, which the teacher stage does not load.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measuring import peak_mb

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent / "tests"
SETTINGS = ((256, 0.2), (1000, 1.0))
"""Requests in flight, seconds of latency."""
BYTES_PER_ROW = 1500
PARTS = ("compare", "hardship", "kills", "memory")


# Clients: each is run as "teacher.py --client NAME ..." and prints one line of JSON.


def images(n: int) -> Iterator[Any]:
    """Annotated images such as COCO's: five captions, seven boxes."""
    from datagen.records import AnnotatedImage, Box

    rng = random.Random(0)
    names = ("person", "dog", "cup", "chair", "dining table", "car", "bird")
    for number in range(1, n + 1):
        captions = tuple(f"A {rng.choice(names)} stands near a {rng.choice(names)}, {k} of {number}." for k in range(5))
        corners = [(rng.random() / 2, rng.random() / 2) for _ in names]
        boxes = tuple(Box(name, (x, y, x + 0.3, y + 0.4), 0.1) for name, (x, y) in zip(names, corners, strict=True))
        yield AnnotatedImage(str(number), f"{number:012}.jpg", 640, 480, captions, boxes)


def requests(n: int, url: str, **teacher: Any) -> tuple[Any, Iterator[Any]]:
    """Settings and the first ``n`` requests of a run on such images."""
    from datagen.config import load_settings
    from datagen.pipeline import plan_samples
    from datagen.recipes import load_recipes

    corpus = {"captions": ["made up"]}
    settings = load_settings(None, {"corpus": corpus, "teacher": {"name": "canned", "base_url": url, **teacher}})
    recipes = load_recipes(settings)
    planned = plan_samples(images(-(-n // len(recipes))), recipes, settings, lambda image: None)
    return settings, (item.request for item, _ in zip(planned, range(n), strict=False) if item.request is not None)


def ask_ours(url: str, n: int, concurrency: int | None, out: Path) -> dict[str, Any]:
    """The whole stage: render, send, receive, parse, store durably."""
    from datagen.engines.gather_facts import ask_all
    from datagen.store import ReplyStore
    from datagen.teacher import open_teacher

    settings, asked = requests(n, url, **({"concurrency": concurrency} if concurrency else {}))
    store = ReplyStore(out / "replies.jsonl")
    unasked = (request for request in asked if not store.is_settled(request.digest))
    n_answered = 0

    def on_reply(request: Any, reply: Any) -> None:
        nonlocal n_answered
        n_answered += reply.error is None

    teacher = open_teacher(settings)
    usage = spent(lambda: asyncio.run(ask_all(unasked, teacher, store, on_reply)))
    store.close()
    n_bytes = (out / "replies.jsonl").stat().st_size
    return {**usage, "answered": n_answered, "bytes_per_row": n_bytes / n}


def ask_openai(url: str, n: int, concurrency: int | None, out: Path) -> dict[str, Any]:
    """The client as its manual says, with as many connections as requests in flight; nothing is stored."""
    import openai

    del out
    _, asked = requests(n, url)
    limits = type(openai.DEFAULT_CONNECTION_LIMITS)(max_connections=concurrency, max_keepalive_connections=concurrency)
    client = openai.AsyncOpenAI(api_key="none", base_url=url, http_client=openai.DefaultAsyncHttpxClient(limits=limits))
    n_answered = 0

    async def work() -> None:
        nonlocal n_answered
        for request in asked:
            messages = [{"role": message.role, "content": message.content} for message in request.messages]
            try:
                await client.chat.completions.create(
                    model="canned",
                    messages=messages,  # type: ignore[arg-type]
                    max_tokens=900,
                    temperature=0.7,
                )
            except openai.OpenAIError:
                continue
            n_answered += 1

    async def work_all() -> None:
        await asyncio.gather(*(work() for _ in range(concurrency or 64)))

    return {**spent(lambda: asyncio.run(work_all())), "answered": n_answered}


def sleep_only(url: str, n: int, concurrency: int | None, out: Path) -> dict[str, Any]:
    """No client at all: tasks that sleep as long as a request would take; what is missing, the machine took."""
    del url, out
    left, delay_s = iter(range(n)), dict(SETTINGS)[concurrency or 0]

    async def work() -> None:
        for _ in left:
            await asyncio.sleep(delay_s)

    async def work_all() -> None:
        await asyncio.gather(*(work() for _ in range(concurrency or 64)))

    return {**spent(lambda: asyncio.run(work_all())), "answered": n}


CURATOR = """
import json, os, sys, time
url, n, concurrency, out, messages = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
sys.path.append(sys.argv[6])
from measuring import peak_mb
os.environ.update(CURATOR_CACHE_DIR=out, OPENAI_API_KEY="none", TELEMETRY_ENABLED="0", CURATOR_VIEWER="0")
import litellm  # it carries the token table that tiktoken would download
tables = os.path.join(os.path.dirname(litellm.__file__), "litellm_core_utils", "tokenizers")
os.environ["TIKTOKEN_CACHE_DIR"] = tables
from bespokelabs import curator
from datasets import Dataset
rows = [json.loads(line) for line in open(messages)]
class Ask(curator.LLM):
    def prompt(self, row):
        return row["messages"]
    def parse(self, row, response):
        return {"text": response}
many = 10**8
params = {"base_url": url, "max_requests_per_minute": many, "max_tokens_per_minute": many,
          "max_concurrent_requests": concurrency}
llm = Ask(model_name="canned", backend="openai", backend_params=params, generation_params={"max_tokens": 900})
cpu, wall = time.process_time(), time.perf_counter()
answer = llm(Dataset.from_list(rows))
dataset = getattr(answer, "dataset", answer)
print(json.dumps({"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall,
                  "answered": len(dataset), "peak_mb": peak_mb()}))
"""


def spent(work: Any) -> dict[str, Any]:
    """CPU and wall seconds of some work, and the process's peak memory after it."""
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    work()
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    return {"cpu_s": cpu_s, "wall_s": wall_s, "peak_mb": peak_mb()}


# The bench


@contextmanager
def serving(*command: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server in a process of its own; its first line is the base URL."""
    server = subprocess.Popen([sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip(), server
    finally:
        server.kill()
        server.wait()


def client_command(client: str, url: str, n: int, concurrency: int | None, out: Path) -> list[str]:
    """How a client is started."""
    given = ["--client", client, "--url", url, "--rows", str(n), "--out", str(out)]
    return [sys.executable, str(HERE / "teacher.py"), *given, "--concurrency", str(concurrency or 0)]


def run_client(client: str, url: str, n: int, concurrency: int | None, curator: str | None = None) -> dict[str, Any]:
    """Run one client to its end in a process of its own."""
    with tempfile.TemporaryDirectory() as out:
        command = client_command(client, url, n, concurrency, Path(out))
        if client == "curator":
            messages = Path(out) / "messages.jsonl"
            with messages.open("w") as file:
                for request in requests(n, url)[1]:
                    told = [{"role": message.role, "content": message.content} for message in request.messages]
                    file.write(json.dumps({"messages": told}) + "\n")
            command = [str(curator), "-c", CURATOR, url, str(n), str(concurrency), out, str(messages), str(HERE)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return {"error": done.stderr.strip().splitlines()[-1:]}
        result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return result


def compare(curator: str | None, seconds: float) -> None:
    """CPU per request, share of the ideal, memory, rows lost: ours beside the peers."""
    print(f"{'':34} {'CPU ms/req':>10} {'of ideal':>9} {'peak MB':>8} {'lost':>6}   CPU against ours")
    for concurrency, delay_s in SETTINGS:
        ours_ms = 0.0
        for client in ("ours", "asleep", "openai", *(["curator"] if curator else [])):
            n = int(seconds * concurrency / delay_s / (1 if client in ("ours", "asleep") else 4))
            with serving(str(HERE / "canned_server.py"), "--delay", str(delay_s)) as (url, _):
                told = run_client(client, url, n, concurrency, curator)
            name = f"{client}, {concurrency} in flight x {delay_s:g} s"
            if "error" in told:
                print(f"{name:34} failed: {told['error']}")
                continue
            cpu_ms = 1000 * told["cpu_s"] / n
            ours_ms = ours_ms or cpu_ms
            share = 100 * n * delay_s / concurrency / told["wall_s"]
            print(
                f"{name:34} {cpu_ms:10.2f} {share:7.1f} % {told['peak_mb']:8.0f} {n - told['answered']:6}"
                f"   {cpu_ms / ours_ms:.1f}x"
                + (f"   {told['bytes_per_row']:.0f} bytes a row" if client == "ours" else "")
            )


def memory(sizes: tuple[int, ...]) -> None:
    """Peak memory of ours over the number of rows, against a server that answers at once."""
    peaks = {}
    for n in sizes:
        with serving(str(HERE / "canned_server.py"), "--delay", "0.02") as (url, _):
            told = run_client("ours", url, n, 64)
        peaks[n] = told["peak_mb"]
        print(f"memory, {n:9,} rows: {told['peak_mb']:.0f} MB peak, {1000 * told['cpu_s'] / n:.2f} ms CPU a request")
    few, many = min(peaks), max(peaks)
    print(f"ratio of peaks, {many:,} / {few:,} rows: {peaks[many] / peaks[few]:.2f}")


def hardship(n: int) -> None:
    """A rate limit and mixed faults: time against the ideal, refusals, rows lost."""
    sys.path.insert(0, str(TESTS))
    from loopback import LoopbackServer

    with LoopbackServer(rate_per_s=50, burst=10, delay_s=0.2) as server:
        told = run_client("ours", server.base_url, n, None)
        refused = server.arrivals.total() - server.answered.total()
        print(
            f"50 requests/s, {n} rows: {told['wall_s'] / (n / 50):.2f} of the ideal time, "
            f"{100 * refused / server.arrivals.total():.1f} % refused, {n - told['answered']} rows lost"
        )
    kinds = ("rate_limited", "server_error", "unavailable", "dropped", "cut", "html", "cut_json", "no_choices")
    walls = {}
    n *= 4
    for name, faults in (("clean", {}), ("with 10 % mixed faults", dict.fromkeys(kinds, 0.1 / len(kinds)))):
        with LoopbackServer(faults, delay_s=0.2) as server:
            told = run_client("ours", server.base_url, n, 64)
        walls[name] = told["wall_s"]
        print(f"{name}, {n} rows: {told['wall_s']:.1f} s, {n - told['answered']} rows lost")
    clean, faulty = walls.values()
    print(f"ratio with faults / clean: {faulty / clean:.2f}")


def kills(n: int, n_kills: int, concurrency: int) -> None:
    """Kill -9 at random moments, then finish: rows lost, rows paid twice."""
    rng = random.Random(0)
    with (
        tempfile.TemporaryDirectory() as out,
        serving(str(HERE / "canned_server.py"), "--delay", "0.2") as (url, server),
    ):
        command = client_command("ours", url, n, concurrency, Path(out))
        replies = Path(out) / "replies.jsonl"
        for n_stored in sorted(rng.sample(range(n // 20, n), n_kills)):
            client = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while not replies.exists() or replies.stat().st_size < n_stored * BYTES_PER_ROW:
                time.sleep(0.01)
            os.kill(client.pid, signal.SIGKILL)
            client.wait()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write("\n")
        server.stdin.flush()
        n_paid = int(server.stdout.readline())
        lines = (Path(out) / "replies.jsonl").read_bytes().splitlines()
        digests = {json.loads(line)["request_digest"] for line in lines}
    print(
        f"{n_kills} times kill -9, {n} rows, {concurrency} in flight: {n - len(digests)} rows lost, "
        f"{len(lines) - len(digests)} stored rows asked again, {n_paid - n} answers in flight paid twice "
        f"({100 * (n_paid - n) / n / n_kills:.2f} % a kill)"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the rows")
    parser.add_argument("--curator", help="a Python that has bespokelabs-curator")
    parser.add_argument("--rows-for-memory", type=int, default=100_000)
    parser.add_argument("--only", action="append", choices=PARTS, help="a part alone; may be given again")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--concurrency", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        ask = {"ours": ask_ours, "openai": ask_openai, "asleep": sleep_only}[options.client]
        print(json.dumps(ask(options.url, options.rows, options.concurrency or None, options.out)))
        return
    small, parts = 20 if options.quick else 1, options.only or PARTS
    if "compare" in parts:
        compare(options.curator, 24 / small)
    if "hardship" in parts:
        hardship(2000 // small)
    if "kills" in parts:
        kills(40_000 // small, 5, 256)
    if "memory" in parts:
        memory((10_000 // small, options.rows_for_memory // small))


if __name__ == "__main__":
    main()
