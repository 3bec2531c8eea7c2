"""The asking loop keeps requests in flight, stores each reply first, and loses none when the teacher fails."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from datagen.engines.gather_facts import ask_all
from datagen.errors import RunError, TeacherError
from datagen.records import AnnotatedImage, Reply, Request, Usage
from datagen.store import ReplyStore
from datagen.teacher import PaidError


def request(n: int) -> Request:
    return Request(f"d{n}", AnnotatedImage(str(n), "x.jpg", 1, 1), "t", "r", (), 0.7, 10, "text")


class StandIn:
    """Answers after as many turns of the event loop as the request's number says."""

    name = "stand-in"

    def __init__(self, fails_at: int | None = None, n_at_once: int = 8) -> None:
        self.fails_at = fails_at
        self.n_at_once = n_at_once
        self.in_flight = self.peak = self.n_asked = 0
        self.is_closed = self.is_stopped = False

    async def answer(self, request: Request) -> Reply:
        self.n_asked += 1
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        number = int(request.image.image_id)
        for _ in range(number % 7 + 1):
            await asyncio.sleep(0)
        self.in_flight -= 1
        if number == self.fails_at:
            raise TeacherError("the key is refused")
        return Reply(request.digest, request.image.image_id, "t", self.name, "text")

    def stop(self) -> None:
        self.is_stopped = True

    async def close(self) -> None:
        self.is_closed = True


def ask(tmp_path: Path, teacher: StandIn, n: int) -> tuple[ReplyStore, list[str]]:
    store = ReplyStore(tmp_path / "replies.jsonl")
    heard: list[str] = []

    def on_reply(request: Request, reply: Reply) -> None:
        assert store.is_settled(reply.request_digest), "a reply counts only once it is stored"
        heard.append(request.digest)

    try:
        asyncio.run(ask_all(iter([request(k) for k in range(n)]), teacher, store, on_reply))
    finally:
        store.close()
    return store, heard


def test_every_request_is_asked_once_and_stored(tmp_path: Path) -> None:
    teacher = StandIn()
    _, heard = ask(tmp_path, teacher, 50)
    assert sorted(heard) == sorted(f"d{n}" for n in range(50))
    assert teacher.n_asked == 50
    assert teacher.peak == 8
    assert teacher.is_closed


def test_more_places_than_requests(tmp_path: Path) -> None:
    _, heard = ask(tmp_path, StandIn(n_at_once=64), 3)
    assert len(heard) == 3


def test_a_fatal_failure_stores_what_was_in_flight_and_asks_no_more(tmp_path: Path) -> None:
    teacher = StandIn(fails_at=10)
    with pytest.raises(TeacherError, match="key is refused"):
        ask(tmp_path, teacher, 1000)
    assert teacher.n_asked < 40
    assert teacher.is_stopped
    store = ReplyStore(tmp_path / "replies.jsonl")
    assert sum(store.is_settled(f"d{n}") for n in range(1000)) == teacher.n_asked - 1
    assert teacher.is_closed
    store.close()


def test_an_answer_that_ends_the_run_and_was_billed_is_stored(tmp_path: Path) -> None:
    class Paid(StandIn):
        async def answer(self, request: Request) -> Reply:
            try:
                return await super().answer(request)
            except TeacherError as error:
                reply = Reply(request.digest, "2", "t", self.name, "", usage=Usage(9), error="gave_up", is_final=False)
                raise PaidError(error, reply) from None

    with pytest.raises(TeacherError, match="key is refused"):
        ask(tmp_path, Paid(fails_at=2, n_at_once=1), 9)
    with closing(ReplyStore(tmp_path / "replies.jsonl")) as store:
        stored = store.get("d2")
    assert stored is not None and stored.usage == Usage(9) and not stored.is_final


def test_a_failure_while_hearing_a_reply_loses_no_other(tmp_path: Path) -> None:
    teacher, store = StandIn(), ReplyStore(tmp_path / "replies.jsonl")

    def stumble(request: Request, reply: Reply) -> None:
        raise ValueError("a bar that broke")

    with pytest.raises(ValueError, match="a bar that broke"):
        asyncio.run(ask_all(iter([request(k) for k in range(30)]), teacher, store, stumble))
    assert sum(store.is_settled(f"d{n}") for n in range(30)) == teacher.n_asked == 8
    store.close()


def test_a_full_disk_ends_the_run_with_its_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    n_written, write = 0, os.write

    def fill(handle: int, data: bytes) -> int:
        nonlocal n_written
        n_written += 1
        if n_written > 20:
            raise OSError(28, "No space left on device")
        return write(handle, data)

    monkeypatch.setattr(os, "write", fill)
    teacher = StandIn()
    with pytest.raises(RunError, match="the disk is full; what is stored is safe"):
        ask(tmp_path, teacher, 1000)
    monkeypatch.undo()
    assert teacher.is_stopped and teacher.n_asked <= 20 + 8
    store = ReplyStore(tmp_path / "replies.jsonl")
    assert store.n_stored == 20
    store.close()


def test_a_disk_that_fails_when_it_syncs_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    class Slow(StandIn):
        async def answer(self, request: Request) -> Reply:
            await asyncio.sleep(0.01)
            return await super().answer(request)

    store, teacher = ReplyStore(tmp_path / "replies.jsonl"), Slow()

    def fail(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RunError, match="Input/output error"):
        asyncio.run(ask_all(iter([request(k) for k in range(10_000)]), teacher, store, lambda request, reply: None))
    assert teacher.is_stopped and teacher.n_asked < 10_000


def test_every_reply_is_synced_when_the_asking_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    synced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.append(os.fstat(handle).st_size), fsync(handle)))
    ask(tmp_path, StandIn(), 30)
    assert synced[-1] == (tmp_path / "replies.jsonl").stat().st_size


def test_thresholds_of_the_collector_are_put_back(tmp_path: Path) -> None:
    import gc

    before, during = gc.get_threshold(), []

    class Watching(StandIn):
        async def answer(self, request: Request) -> Reply:
            during.append(gc.get_threshold())
            return await super().answer(request)

    ask(tmp_path, Watching(), 3)
    assert gc.get_threshold() == before and during[0] != before


def test_an_interrupt_stores_what_is_in_flight_and_asks_no_more(tmp_path: Path) -> None:
    class Slow(StandIn):
        interrupted: asyncio.Event

        async def answer(self, request: Request) -> Reply:
            self.n_asked += 1
            await asyncio.wait_for(self.interrupted.wait(), 60)
            return Reply(request.digest, request.image.image_id, "t", self.name, "text")

    teacher, store, told = Slow(), ReplyStore(tmp_path / "replies.jsonl"), list[str]()

    async def interrupt() -> None:
        teacher.interrupted = asyncio.Event()
        requests = iter([request(k) for k in range(100)])
        asking = asyncio.create_task(ask_all(requests, teacher, store, lambda *_: None, note=told.append))
        while teacher.n_asked < 8:
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.sleep(0)
        teacher.interrupted.set()
        await asyncio.wait([asking])
        assert asking.cancelled()

    asyncio.run(interrupt())
    store.close()
    assert (teacher.n_asked, teacher.is_stopped, teacher.is_closed, len(told)) == (8, True, True, 1)
    assert len((tmp_path / "replies.jsonl").read_bytes().splitlines()) == 8
