"""Gathers all that must be stored before a set can be looked at: a reply to every request, and vectors of questions.

The teacher is asked by ``ask_all``, many requests at once, and each reply is stored before it counts.
"""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from msgspec.structs import replace

from datagen.config import Settings
from datagen.corpus.llava_dataset import Dataset, Translate, digest_record, read_records, translator_of
from datagen.dedup import FindVector
from datagen.endpoint.budget import Budget
from datagen.endpoint.error_translation import OF_SERVERS
from datagen.endpoint.loop_thread import run_to_end
from datagen.endpoint.prices import spent_in_all
from datagen.engines.chunks import Pool, derive_all, written
from datagen.engines.first_replies import FirstReplies
from datagen.engines.planted_errors import LyingTeacher
from datagen.engines.plugs import plugged_teacher
from datagen.engines.progress import ASKING, REPAIRING, Progress, Pulse, ended
from datagen.engines.question_vectors import QuestionVectors
from datagen.engines.repair_rounds import opened_again, send_back
from datagen.engines.resume_mark import Watermark, is_for_good
from datagen.engines.show_pictures import Pictures, showing
from datagen.errors import RunError, TeacherError
from datagen.pipeline import make_sample
from datagen.recipes import IMPORTED
from datagen.records import Reply, Request, Sample
from datagen.store import ReplyStore, take_in_replies, told_damage
from datagen.store.append_log import SYNC_INTERVAL_S
from datagen.store.folder import require_room
from datagen.teacher import PaidError, StoppedError, Teacher
from datagen.teacher import open_teacher as teacher_of_settings

if TYPE_CHECKING:
    from datagen.engines.inputs import Inputs


class Watcher(Protocol):
    """Looks at replies as they come; see ``first_replies.FirstReplies``."""

    async def admit(self, response_type: str) -> None:
        """Wait until a request of a response type may be sent."""

    def hear(self, reply: Reply) -> None:
        """Hear a stored reply; a ``TeacherError`` ends the asking."""

    def stop(self) -> None:
        """Let nobody wait any longer."""


MAX_LOOKED_AHEAD = 4096
"""Samples that are planned before the first is asked for, to tell how many are stored: 0.4 s. Of a larger plan the
resume mark tells it."""
GRACE_S = 20.0
"""For what is in flight at an interrupt; schedulers give a process 30 s between SIGTERM and SIGKILL."""


async def ask_all(
    requests: Iterator[Request],
    teacher: Teacher,
    store: ReplyStore,
    on_reply: Callable[[Request, Reply], None],
    first: Watcher | None = None,
    note: Callable[[str], None] | None = None,
) -> None:
    """Keep as many requests in flight as the teacher takes, until none is left, with no barrier between them.

    ``first`` holds back requests of a response type until one of its replies is of use, and hears each reply.

    When the teacher fails for good, no further request is sent, those in flight are waited for
    and stored (they are paid for), and then the error is raised. An interrupt waits for them ``GRACE_S`` at most, which
    ``note`` hears; a second one does not.

    Raises:
        TeacherError: No request can succeed.
        RunError: A reply could not be stored.
    """
    failures: list[Exception] = []
    is_over = False

    async def work() -> None:
        try:
            for request in requests:
                if first is not None:
                    await first.admit(request.response_type)
                if is_over:
                    return
                reply = await teacher.answer(request)
                store.add(reply)
                on_reply(request, reply)
                if first is not None:
                    first.hear(reply)
                await asyncio.sleep(0)  # the embedded teacher never waits; without this Ctrl-C goes unheard
        except StoppedError:
            pass
        except PaidError as error:
            fail(error)
            store.add(error.reply)
        except Exception as error:  # raised at the end; others in flight must not be cancelled for it
            fail(error)

    def fail(error: Exception) -> None:
        failures.append(error)
        stop()

    def stop() -> None:
        nonlocal is_over
        is_over = True
        teacher.stop()
        if first is not None:
            first.stop()

    async def sync_now_and_then() -> None:
        try:
            while True:
                await asyncio.sleep(SYNC_INTERVAL_S / 2)
                await asyncio.to_thread(store.log.sync)  # a slow disk must not keep the endpoint waiting
        except RunError as error:
            fail(error)

    syncing = asyncio.create_task(sync_now_and_then())
    workers = [asyncio.create_task(work()) for _ in range(teacher.n_at_once)]
    try:
        with _rare_collections():
            await _ended(workers, stop, note)
    finally:
        syncing.cancel()
        await teacher.close()
        store.log.sync()
    if failures:
        raise failures[0]


async def _ended(
    workers: Sequence[asyncio.Task[None]], stop: Callable[[], None], note: Callable[[str], None] | None
) -> None:
    """Wait until all have ended; after an interrupt not for long."""
    try:
        await asyncio.wait(workers)
    except asyncio.CancelledError:
        stop()
        if note is not None:
            note(f"interrupted: waiting up to {GRACE_S:g} s for answers that are paid for; once more ends at once.")
        await asyncio.wait(workers, timeout=GRACE_S)
        raise
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for reference cycles more rarely: by default this takes a fifth of the CPU of asking, and finds none."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


OpenTeacher = Callable[[Settings, Budget | None], Teacher]
"""Gives a teacher, told what the run may cost."""


class Gathered(Struct, frozen=True):
    """What is stored.

    Attributes:
        replies: A reply to every request, if only that it failed.
        find_vector: Vectors of questions, where the settings ask for them.
        send_back: Has the teacher write anew what can be repaired of samples; gives whether the samples must be derived
            anew. See ``repair_rounds``.
    """

    replies: ReplyStore
    find_vector: FindVector | None
    send_back: Callable[[Iterable[Sample]], bool]


@contextmanager
def gathered(
    inputs: Inputs,
    pool: Pool | None = None,
    *,
    may_ask: bool = True,
    open_teacher: OpenTeacher = teacher_of_settings,
    beside: Callable[[ReplyStore], AbstractContextManager[object]] = nullcontext,
) -> Iterator[Gathered]:
    """Ask for whatever is not stored yet, and lend the stores.

    Args:
        inputs: Of the run or shard.
        pool: Works on chunks; None does all here.
        may_ask: False sends nothing.
        open_teacher: Who writes the replies.
        beside: Works on what is stored while the teacher is asked.

    Raises:
        DatagenError: Nothing more can be asked, or a reply is missing that may not be asked for.
    """
    folder, settings = inputs.folder, inputs.settings
    with _kept_as_run(inputs), closing(ReplyStore(folder.replies)) as replies:
        if replies.log.n_damaged:
            told = f"{folder.replies}: {told_damage(replies.log.n_damaged)}; they are asked again."
            inputs.progress.note(told)
        if may_ask:
            take_in_replies(folder, replies)
            if inputs.retry:
                ask_again(inputs, replies)
        _open_ledger(inputs, replies)
        if may_ask:
            is_own = open_teacher is not teacher_of_settings or inputs.plugs.teacher is not None
            if pool is not None and settings.teacher.name == "template" and not is_own:
                _write_in_chunks(inputs, replies, pool)
            else:
                with beside(replies):
                    ask_for_replies(inputs, replies, open_teacher)
        elif not inputs.is_answered(replies):
            raise RunError(f"{folder.path}: not every reply is stored; finish the run with 'datagen run' first.")
        ask = partial(ask_for_repairs, inputs, replies, open_teacher) if may_ask else None
        for _ in range(settings.repair):
            if not send_back(inputs, replies, derive_all(inputs, replies.get, pool), ask):
                break
        if settings.dedup.embeddings is None:
            yield Gathered(replies, None, lambda samples: send_back(inputs, replies, samples, ask))
            return
        payment = inputs.ledger.payment("embeddings")
        with closing(QuestionVectors(settings.dedup.embeddings, folder.vectors, payment)) as vectors:

            def fetch() -> None:
                vectors.fetch(derive_all(inputs, replies.get, pool), inputs.progress, may_ask=may_ask)

            def send_back_and_fetch(samples: Iterable[Sample]) -> bool:
                has_changed = send_back(inputs, replies, samples, ask)
                if has_changed:  # a question may have been written anew
                    fetch()
                return has_changed

            fetch()
            yield Gathered(replies, vectors.find, send_back_and_fetch)


def _open_ledger(inputs: Inputs, replies: ReplyStore) -> None:
    """Begin a budget with what was spent before, and tell what of it cannot be known."""
    if inputs.ledger.budget is not None:
        spent = replies.spent
        inputs.ledger.begin(spent_in_all(spent.usd, spent.unpriced, inputs.settings.teacher))
        for told in inputs.ledger.uncounted():
            inputs.progress.note(told)
    for told in inputs.ledger.damage():
        inputs.progress.note(told)


@contextmanager
def _kept_as_run(inputs: Inputs) -> Iterator[None]:
    """Write ``run.yaml`` anew where replies were saved from a folder that was removed: else they would be no run."""
    try:
        yield
    except RunError:
        if inputs.folder.replies.is_file() and not inputs.folder.settings.is_file():
            inputs.write_manifest()
        raise


def ask_for_replies(inputs: Inputs, replies: ReplyStore, open_teacher: OpenTeacher = teacher_of_settings) -> None:
    """Ask for every reply that is not stored yet, or take it from the dataset made elsewhere."""
    if inputs.dataset is not None:
        take_in_dataset(
            inputs.dataset,
            Path(inputs.settings.corpus.dataset or ""),
            replies,
            inputs.progress,
            translator_of(inputs.settings.corpus),
        )
        return
    progress, watermark = inputs.progress, inputs.open_watermark(replies)
    in_flight: dict[str, int] = {}
    n_done, is_asking = watermark.n_settled, False

    def unanswered() -> Iterator[Request]:
        nonlocal n_done
        for number, item in inputs.unsettled(watermark):
            is_settled = item.request is None or replies.is_settled(item.request.digest)
            if item.request is not None and not is_settled and item.request.digest not in inputs.answered_now:
                in_flight[item.request.digest] = number
                yield item.request
                continue
            watermark.pass_by(number, is_left=not (is_settled and is_for_good(item)))
            n_done += 1
            if is_asking:
                progress.step()

    def on_reply(request: Request, reply: Reply) -> None:
        watermark.pass_by(in_flight.pop(request.digest), is_left=not reply.is_final)
        if not reply.is_final:
            inputs.answered_now.add(request.digest)
        watermark.keep_if_due()
        if reply.error == "teacher_raised":
            inputs.raised.tell(reply.detail)
        progress.step(reply.cost_usd)

    teaching, folder = inputs.settings.teacher, inputs.folder
    requests = iter([*unanswered()]) if _is_counted_first(inputs, replies, watermark) else unanswered()
    first = next(requests, None)
    if first is None:
        watermark.keep()
        return
    if folder.batches.is_file() and not teaching.batch and _gives_up_batches(inputs, replies, watermark):
        ask_for_replies(inputs, replies, open_teacher)
        return
    watched = None  # what the embedded teacher writes can be read, and costs nothing
    if teaching.name != "template":
        watched = FirstReplies(inputs.recipes, inputs.settings, inputs.corpus, inputs.plugs.checks)
        if replies.n_stored:
            watched.recall(inputs.planned(), replies.get)
        if teaching.batch:
            _ask_by_batches(inputs, replies, watermark, watched)
            return
    teacher = _opened(inputs, open_teacher)
    if teaching.planted_errors:
        teacher = LyingTeacher(teacher, inputs.settings, inputs.corpus.categories)
    progress.begin(ASKING, inputs.n_samples, n_done)
    is_asking = True
    with ended(progress):
        try:
            run_to_end(ask_all(chain([first], requests), teacher, replies, on_reply, watched, progress.note))
        finally:
            watermark.keep()


def _opened(inputs: Inputs, open_teacher: OpenTeacher) -> Teacher:
    """Who writes the replies, shown the pictures where the settings say so, and watched; the disk has room for them."""
    require_room(inputs.folder.path)
    teacher = plugged_teacher(inputs.settings, inputs.plugs) or open_teacher(inputs.settings, inputs.ledger.budget)
    teacher = showing(teacher, inputs.settings)
    if isinstance(inputs.progress, Pulse):
        inputs.progress.watch(teacher)
    return teacher


def _is_counted_first(inputs: Inputs, replies: ReplyStore, watermark: Watermark) -> bool:
    """Whether all is planned before the first is asked for, so that how much is stored is known by then.

    What ``--more`` chose lies scattered over a plan that is answered otherwise, and of which the mark knows nothing.
    """
    n_left = inputs.n_samples - watermark.n_passed
    return bool(inputs.n_more) or (replies.n_stored > 0 and n_left <= MAX_LOOKED_AHEAD)


def ask_for_repairs(
    inputs: Inputs, replies: ReplyStore, open_teacher: OpenTeacher, requests: Callable[[], Iterator[Request]]
) -> None:
    """Ask for every repair that is not stored yet; a run of batches asks for them in a batch.

    Args:
        inputs: Of the run or shard.
        replies: What is stored.
        open_teacher: Who writes the replies.
        requests: Lists them, anew each time.
    """
    folder, progress, teaching = inputs.folder, inputs.progress, inputs.settings.teacher

    def unanswered() -> Iterator[Request]:
        return (one for one in requests() if not replies.is_settled(one.digest))

    n_open = sum(1 for _ in unanswered())
    if not n_open:
        return
    progress.begin(REPAIRING, n_open)
    with ended(progress):
        if teaching.batch or folder.batches.is_file():
            from datagen.engines.ask_in_batches import ask_by_batches, require_collected  # it loads the openai client

            if teaching.batch or require_collected(folder):  # of an earlier start: looked for once more, and given up
                ask_by_batches(
                    lambda: unanswered() if teaching.batch else iter(()),
                    teaching, folder, replies, inputs.ledger.budget, FirstReplies((), inputs.settings, inputs.corpus),
                    lambda reply: progress.step(reply.cost_usd), progress.note, Pictures(inputs.settings).put_in,
                )  # fmt: skip
        if not teaching.batch:
            teacher = _ServedBefore(_opened(inputs, open_teacher))
            answers = ask_all(
                unanswered(), teacher, replies, lambda _, reply: progress.step(reply.cost_usd), None, progress.note
            )
            try:
                run_to_end(answers)
            except TeacherError as error:  # what was written before is whole without
                progress.note(f"--repair: {error} What was not sent back falls as it stood; the next start asks again.")


class _ServedBefore:
    """A teacher that has answered before, so that what it cannot answer now is no fault of a server just started.

    A repair that comes back empty, or whose prompt is too long, is final, as any reply behind the first is, and
    ``--retry`` alone asks it again.

    Args:
        teacher: Writes the replies.
    """

    def __init__(self, teacher: Teacher) -> None:
        self.name, self.n_at_once = teacher.name, teacher.n_at_once
        self.stop, self.close = teacher.stop, teacher.close
        self._teacher = teacher

    async def answer(self, request: Request) -> Reply:
        """Answer one request; see ``Teacher``."""
        reply = await self._teacher.answer(request)
        return replace(reply, is_final=True) if reply.error in OF_SERVERS else reply


def ask_again(inputs: Inputs, replies: ReplyStore) -> None:
    """Open again the requests whose stored replies are of no use for a reason that the user names.

    What they cost stays counted; a line in ``replies.jsonl`` says that they are open, so that a kill changes nothing.
    Those of repairs are opened when it is known again what went back: see ``repair_rounds``.
    """
    found: Counter[str] = Counter()
    for planned in inputs.planned():
        reply = None if planned.request is None else replies.get(planned.request.digest)
        if reply is None or not reply.is_final:
            continue
        reason = make_sample(planned, reply, inputs.settings, "", inputs.plugs.checks).reason
        found[reason or "sound"] += 1
        if reason in inputs.retry:
            replies.add(opened_again(reply))
    inputs.folder.watermark.unlink(missing_ok=True)
    n, asked = sum(found[reason] for reason in inputs.retry), ", ".join(sorted(inputs.retry))
    others = ", ".join(f"{reason} {count}" for reason, count in found.most_common() if reason != "sound")
    inputs.progress.note(f"--retry {asked}: {n} stored replies are asked again; of no use are {others or 'none'}.")


def _write_in_chunks(inputs: Inputs, replies: ReplyStore, pool: Pool) -> None:
    """Have the embedded teacher write wherever there is room; what is stored already is not stored again."""
    watermark = inputs.open_watermark(replies)
    places, n_settled = inputs.places, watermark.n_settled
    if n_settled == inputs.n_samples:
        return
    first, _ = places.locate(watermark.n_passed)
    left = sorted({place for number in watermark.left if (place := places.locate(number)[0]) < first})
    inputs.progress.begin(ASKING, inputs.n_samples, n_settled)
    with ended(inputs.progress):
        try:
            for number, one in written(inputs, first, left, pool):
                was_settled = watermark.is_settled(number)
                if one.reply is not None and not replies.is_settled(one.reply.request_digest):
                    replies.add(one.reply)
                    replies.log.sync_if_due()
                watermark.pass_by(number, is_left=one.is_left)
                watermark.keep_if_due()
                if not was_settled:
                    inputs.progress.step()
        finally:
            watermark.keep()


def _gives_up_batches(inputs: Inputs, replies: ReplyStore, watermark: Watermark) -> bool:
    """Look once more for batches that an earlier start did not find, where this one asks one by one."""
    from datagen.engines.ask_in_batches import require_collected

    if not require_collected(inputs.folder):
        return False
    _ask_by_batches(inputs, replies, watermark, FirstReplies((), inputs.settings, inputs.corpus), asks=False)
    return True


def _ask_by_batches(
    inputs: Inputs, replies: ReplyStore, watermark: Watermark, watched: FirstReplies, *, asks: bool = True
) -> None:
    from datagen.engines.ask_in_batches import ask_by_batches  # it loads the openai client

    def move_on() -> int:
        """Count what is settled."""
        n_settled = watermark.n_settled
        for number, item in inputs.unsettled(watermark):
            if item.request is None or replies.is_settled(item.request.digest):
                watermark.pass_by(number, is_left=not is_for_good(item))
                n_settled += item.request is not None
        watermark.keep()
        return n_settled

    progress = inputs.progress
    progress.begin("waiting for batches", inputs.n_samples, move_on() if replies.n_stored else 0)
    with ended(progress):
        ask_by_batches(
            lambda: (item.request for _, item in inputs.unsettled(watermark) if asks and item.request is not None),
            inputs.settings.teacher, inputs.folder, replies, inputs.ledger.budget, watched,
            lambda reply: progress.step(reply.cost_usd), progress.note, Pictures(inputs.settings).put_in,
        )  # fmt: skip
        move_on()


def take_in_dataset(
    dataset: Dataset, path: Path, replies: ReplyStore, progress: Progress, translate: Translate | None = None
) -> None:
    """Store every record of a dataset made elsewhere that is not stored yet, in the order of the file.

    Args:
        dataset: The index of the file.
        path: The file itself, read once more for the texts.
        replies: Where they go.
        progress: Hears of every record.
        translate: Reads boxes of another form.

    Raises:
        CorpusError: The file was changed or damaged since it was indexed.
        RunError: The disk is full or gone.
    """
    images = dataset.corpus.images
    wanted = {
        record.digest: images[record.image].image_id if record.image >= 0 else ""
        for record in dataset.records
        if not replies.is_settled(record.digest)
    }
    if not wanted:
        return
    progress.begin("taking in the dataset", len(wanted))
    with ended(progress):
        for _, content in read_records(path, translate):
            digest = digest_record(content)
            image_id = wanted.pop(digest, None)
            if image_id is None:
                continue
            replies.add(Reply(digest, image_id, IMPORTED.name, IMPORTED.name, content))
            progress.step()
    replies.log.sync()
