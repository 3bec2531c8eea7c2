"""Asks in batches: planned requests become files and batches, and their answers are stored; any step may be the last.

``batches.jsonl`` says what was uploaded, created and collected. A batch is looked for at the endpoint before it is
created, and counts as ended only when its replies are stored, so a kill neither pays for one twice nor loses one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from msgspec import Struct
from openai.types import Batch

from datagen.config import TeacherSettings
from datagen.corpus import PictureError
from datagen.endpoint.budget import Account, Budget
from datagen.endpoint.error_translation import PassingError, RefusedParameterError
from datagen.endpoint.loop_thread import run_to_end
from datagen.endpoint.token_estimate import count_prompt
from datagen.engines.first_replies import FirstReplies
from datagen.engines.show_pictures import unread
from datagen.errors import RunError, TeacherError
from datagen.records import BatchFact, Reply, Request
from datagen.store import FactLog, ReplyStore, RunFolder, told_damage
from datagen.teacher.batch import ENDED, MAX_BYTES, MAX_REQUESTS, BatchTeacher

MAX_OPEN = 8  # batches at once
POLL_S = 15.0
MAX_IN_VAIN = 2  # rounds that settle nothing
DOWNLOAD_TRIES = 5


class Open(Struct):
    """A batch that is not collected yet.

    Attributes:
        asked: Image id and response type by request digest.
        was_missing: An earlier start did not find it, and said so.
    """

    file_id: str
    asked: dict[str, tuple[str, str]]
    worst_usd: float
    uploaded_at: float
    batch_id: str = ""
    status: str = ""
    was_missing: bool = False


def open_batches(log: FactLog[BatchFact]) -> tuple[dict[str, Open], set[str]]:
    """Read which batches are not collected yet, by file id, and which parameters the model does not take."""
    found: dict[str, Open] = {}
    refused: set[str] = set()
    for _, fact in log.scan():
        refused.update(fact.refused)
        if fact.state == "uploaded":
            asked = {digest: (image_id, name) for digest, image_id, name in fact.asked}
            found[fact.file_id] = Open(fact.file_id, asked, fact.worst_usd, fact.at)
        elif fact.state == "created" and fact.file_id in found:
            found[fact.file_id].batch_id = fact.batch_id or ""
        elif fact.state == "missing" and fact.file_id in found:
            found[fact.file_id].was_missing = True
        elif fact.state == "ended":
            found.pop(fact.file_id, None)
    return found, refused


def require_collected(folder: RunFolder) -> bool:
    """Refuse to ask one by one what a batch is paid for already, unless the endpoint did not find it.

    Returns:
        Whether there are such batches, to be looked for once more and given up.

    Raises:
        RunError: A batch is not collected yet.
    """
    with closing(FactLog(folder.batches, BatchFact)) as log:
        opened, _ = open_batches(log)
    if any(not one.was_missing for one in opened.values()):
        raise RunError(f"{folder.path}: {len(opened)} batches are not collected yet; start again with --batch.")
    return bool(opened)


def ask_by_batches(
    plan: Callable[[], Iterator[Request]],
    settings: TeacherSettings,
    folder: RunFolder,
    store: ReplyStore,
    budget: Budget | None,
    first: FirstReplies,
    on_reply: Callable[[Reply], None],
    note: Callable[[str], None],
    put_picture_in: Callable[[Request], Request] = lambda request: request,
) -> None:
    """Ask for every reply that is not stored, by batches; see ``Batcher.ask_all``."""
    account = None if budget is None else Account(budget, settings.name, settings)
    with closing(FactLog(folder.batches, BatchFact)) as log:
        opened, refused = open_batches(log)
        if log.n_damaged:
            note(f"{log.path}: {told_damage(log.n_damaged)}; batches that stood there are not found, and asked again.")
        teacher = BatchTeacher(settings, refused)
        batcher = Batcher(teacher, log, opened, store, account, first, on_reply, note, put_picture_in)
        run_to_end(batcher.ask_all(plan, folder.batch_file))


class Batcher:
    """One run's batches.

    Args:
        teacher: The endpoint.
        log: ``batches.jsonl``.
        opened: What ``open_batches`` found in it.
        store: Where replies go.
        account: Pays for all of them; None sets no bound.
        first: Lets a few of a response type through until one of its replies is of use: the first batches are small.
        on_reply: Hears of each reply once it is stored.
        note: Hears what becomes of the batches.
        put_picture_in: Gives a request the picture that it shows; raises ``PictureError``.
    """

    def __init__(
        self,
        teacher: BatchTeacher,
        log: FactLog[BatchFact],
        opened: dict[str, Open],
        store: ReplyStore,
        account: Account | None,
        first: FirstReplies,
        on_reply: Callable[[Reply], None],
        note: Callable[[str], None],
        put_picture_in: Callable[[Request], Request],
    ) -> None:
        self._put_picture_in = put_picture_in
        self._teacher, self._log, self._open, self._store = teacher, log, opened, store
        self._account, self._budget = account, None if account is None else account.budget
        self._first, self._on_reply, self._note = first, on_reply, note
        self._rejected: set[str] = set()
        self._has_gained = False
        self._most_requests = MAX_REQUESTS
        self._failure: TeacherError | None = None

    async def ask_all(self, plan: Callable[[], Iterator[Request]], file: Path) -> None:
        """Ask in rounds until every request is settled, or asking again is of no use.

        Args:
            plan: Gives every request of the run, anew each time.
            file: Where a file of requests is put together.

        Raises:
            TeacherError: No request can succeed, or a batch was refused.
            BudgetError: The budget is used up.
            RunError: A fact could not be stored.
        """
        try:
            await self._recover()
            n_in_vain = 0
            while n_in_vain < MAX_IN_VAIN:
                self._has_gained = False
                is_done = not await self._submit_all(plan(), file)
                while self._open:
                    await self._collect_some()
                if is_done and not self._has_gained:
                    return
                n_in_vain = 0 if self._has_gained else n_in_vain + 1
        finally:
            await self._teacher.close()
            self._store.log.sync()
            file.unlink(missing_ok=True)

    async def _recover(self) -> None:
        """Take up the batches of an earlier start, wherever it ended."""
        for opened in list(self._open.values()):
            if self._budget is not None:
                self._budget.hold(opened.worst_usd)
            if opened.batch_id:
                continue
            try:
                await self._create(opened, may_exist=True)
            except FileNotFoundError:
                self._end(opened, "lost", 0.0)

    def _is_wanted(self, digest: str) -> bool:
        is_asked = any(digest in opened.asked for opened in self._open.values())
        return not (is_asked or digest in self._rejected or self._store.is_settled(digest))

    async def _submit_all(self, planned: Iterator[Request], file: Path) -> int:
        """Make batches of all that is wanted; gives how many."""
        self._first.forget_asked()
        wanted = (one for one in planned if self._is_wanted(one.digest) and self._first.takes(one.response_type))
        request = next(wanted, None)
        n_batches = 0
        while request is not None:
            while len(self._open) >= MAX_OPEN:
                await self._collect_some()
            asked, worst_usd, request = self._fill(file, request, wanted)
            if asked:
                await self._submit(file, asked, worst_usd)
                n_batches += 1
            elif request is not None:  # the budget does not bear even one
                if not self._open and self._budget is not None:
                    raise self._budget.used_up(self._worst_usd(request))
                await self._collect_some()
        return n_batches

    def _fill(
        self, file: Path, request: Request | None, wanted: Iterator[Request]
    ) -> tuple[dict[str, tuple[str, str]], float, Request | None]:
        """Write requests into a file while it and the budget bear more; gives the first that did not fit."""
        asked: dict[str, tuple[str, str]] = {}
        n_bytes, worst_usd = 0, 0.0
        with file.open("wb") as lines:
            while request is not None and len(asked) < self._most_requests:
                usd = self._worst_usd(request)
                if self._budget is not None and not self._budget.bears(worst_usd + usd):
                    break
                try:
                    line = self._teacher.encode(self._put_picture_in(request))
                except (UnicodeEncodeError, PictureError) as fault:
                    self._reject(request, fault)
                    request = next(wanted, None)
                    continue
                if n_bytes + len(line) > MAX_BYTES:
                    break
                lines.write(line)
                n_bytes, worst_usd = n_bytes + len(line), worst_usd + usd
                asked[request.digest] = (request.image.image_id, request.response_type)
                request = next(wanted, None)
        return asked, worst_usd, request

    def _worst_usd(self, request: Request) -> float:
        if self._account is None:
            return 0.0
        return self._account.worst_case(count_prompt(request, self._teacher.name)[0], request.max_tokens).usd

    def _reject(self, request: Request, fault: UnicodeEncodeError | PictureError) -> None:
        if isinstance(fault, PictureError):
            reply = unread(request, self._teacher.name, fault)
        else:
            detail = "the messages hold characters that UTF-8 cannot carry"
            reply = Reply(
                request.digest, request.image.image_id, request.response_type, self._teacher.name, "",
                error="request_rejected", detail=detail, is_final=False,
            )  # fmt: skip
        self._rejected.add(request.digest)
        self._store.add(reply)
        self._on_reply(reply)

    async def _submit(self, file: Path, asked: dict[str, tuple[str, str]], worst_usd: float) -> None:
        if self._budget is not None:
            self._budget.hold(worst_usd)
        file_id = await self._teacher.upload(f"datagen-{next(iter(asked))}.jsonl", file.read_bytes())
        file.unlink()
        rows = tuple((digest, *about) for digest, about in asked.items())
        uploaded_at = round(time.time(), 3)
        self._write(BatchFact("uploaded", file_id, asked=rows, worst_usd=worst_usd, at=uploaded_at))
        opened = self._open[file_id] = Open(file_id, asked, worst_usd, uploaded_at)
        try:
            await self._create(opened)
        except FileNotFoundError:
            raise TeacherError(f"The endpoint does not find the file {file_id} that it took; start again.") from None

    async def _create(self, opened: Open, *, may_exist: bool = False) -> None:
        opened.batch_id = await self._teacher.create(opened.file_id, opened.uploaded_at, may_exist=may_exist)
        self._write(BatchFact("created", opened.file_id, opened.batch_id))
        self._note(f"{opened.batch_id}: {len(opened.asked)} requests sent")

    def _write(self, fact: BatchFact) -> None:
        self._log.append(fact)
        self._log.sync()

    async def _collect_some(self) -> None:
        """Look at every open batch once; wait when none has ended."""
        has_ended = False
        for opened in list(self._open.values()):
            try:
                batch = await self._teacher.look(opened.batch_id)
            except FileNotFoundError as error:
                has_ended = True
                self._miss(opened, str(error))
                continue
            if batch.status != opened.status:
                opened.status = batch.status
                counts = batch.request_counts
                done = f", {counts.completed} of {counts.total} done, {counts.failed} failed" if counts else ""
                self._note(f"{opened.batch_id}: {batch.status}{done}")
            if batch.status in ENDED:
                has_ended = True
                await self._collect(opened, batch)
        if self._failure is not None:
            raise self._failure
        if not has_ended:
            await asyncio.sleep(POLL_S)
            self._log.sync()  # tells a folder that was removed meanwhile

    async def _collect(self, opened: Open, batch: Batch) -> None:
        before = frozenset(self._teacher.refused)
        spent_usd = 0.0
        missing: str | None = None
        heard: set[str] = set()
        for file_id in (batch.output_file_id, batch.error_file_id):
            try:
                if file_id:
                    spent_usd += await self._download(file_id, opened, heard)
            except FileNotFoundError as error:
                missing = str(error)
        n_told = len(opened.asked) if batch.status == "completed" else 0
        n_told = min(len(opened.asked), batch.request_counts.completed) if batch.request_counts else n_told
        if missing is None and len(heard) < n_told:  # cut short, of other requests, or no answers at all
            missing = f"{n_told} requests are done, and {len(heard)} answers can be read"
        self._store.log.sync()
        if missing is not None:
            self._miss(opened, missing)
            return
        refused = tuple(sorted(self._teacher.refused - before))
        self._has_gained |= bool(refused)
        self._end(opened, batch.status, spent_usd, refused)
        if batch.status == "failed":
            self._failed(batch, len(opened.asked))

    def _miss(self, opened: Open, told: str) -> None:
        """Say once that a batch or its file is not found, as the key may be another's; give it up the next time."""
        n = sum(not self._store.is_settled(digest) for digest in opened.asked)
        if opened.was_missing:
            self._note(f"{opened.batch_id}: still not found; {n} requests are asked anew")
            self._has_gained = True
            self._end(opened, "lost", opened.worst_usd)
            if self._budget is not None:
                self._budget.lose(opened.worst_usd)
            return
        self._write(BatchFact("missing", opened.file_id, opened.batch_id))
        self._failure = TeacherError(
            f"The endpoint does not find {opened.batch_id}, or all that it answered ({told}). Was it made with the key "
            f"of another project, or too long ago? Start again with the right key; with this one, {n} requests are "
            "asked anew, with --batch or without, and may be billed twice."
        )

    def _end(self, opened: Open, status: str, spent_usd: float, refused: tuple[str, ...] = ()) -> None:
        self._write(BatchFact("ended", opened.file_id, opened.batch_id, status=status, refused=refused))
        del self._open[opened.file_id]
        if self._budget is not None:
            self._budget.settle(opened.worst_usd, spent_usd)

    async def _download(self, file_id: str, opened: Open, heard: set[str]) -> float:
        """Store the replies of one file, and note whose they are; gives what they cost, in US dollars."""
        spent_usd = 0.0
        for attempt in range(1, DOWNLOAD_TRIES + 1):
            try:
                async for line in self._teacher.lines(file_id):
                    about = opened.asked.get(line.custom_id)
                    if about is None:
                        continue
                    heard.add(line.custom_id)
                    if self._store.is_settled(line.custom_id):
                        continue
                    try:
                        reply = self._teacher.reply_to(line, *about)
                    except RefusedParameterError:
                        continue
                    except TeacherError as error:
                        self._failure = error
                        continue
                    self._take(reply)
                    counted = reply.cost_usd is not None or reply.error is not None
                    spent_usd += (reply.cost_usd or 0.0) if counted else opened.worst_usd / len(opened.asked)
            except PassingError as fault:
                if attempt == DOWNLOAD_TRIES:
                    told = f"The answers of {opened.batch_id} cannot be fetched ({fault})"
                    raise TeacherError(f"{told}; they are kept, so start again to collect them.") from None
                await asyncio.sleep(POLL_S)
            else:
                return spent_usd
        return spent_usd

    def _take(self, reply: Reply) -> None:
        self._store.add(reply)
        if reply.is_final:
            self._has_gained = True
        elif reply.error == "request_rejected":
            self._rejected.add(reply.request_digest)
        else:
            return
        self._on_reply(reply)
        try:
            self._first.hear(reply)
        except TeacherError as error:  # raised once all that was paid for is stored
            self._failure = error

    def _failed(self, batch: Batch, n_requests: int) -> None:
        """Learn from a batch that was refused as a whole; it cost nothing."""
        errors = (batch.errors.data or []) if batch.errors else []
        told = "; ".join(f"{error.code}: {error.message}" for error in errors[:3]) or "no reason is given"
        if any(error.code == "token_limit_exceeded" for error in errors) and (self._open or n_requests > 1):
            if not self._open:
                self._most_requests = max(1, n_requests // 2)
            self._has_gained = True
            return
        self._failure = TeacherError(f"The endpoint refuses {batch.id} ({told}).")
