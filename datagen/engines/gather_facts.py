"""Everything that must be stored before a set can be looked at: every reply, and the vectors of questions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from datagen.config import Settings
from datagen.corpus.llava_dataset import Dataset, digest_record, read_records
from datagen.dedup import FindVector
from datagen.endpoint.budget import Budget
from datagen.endpoint.loop_thread import run_to_end
from datagen.endpoint.prices import spent_in_all
from datagen.engines.ask_teacher import ask_all
from datagen.engines.chunks import Pool, derive_all, written
from datagen.engines.first_replies import FirstReplies
from datagen.engines.heartbeat import ASKING, Pulse
from datagen.engines.planted_replies import LyingTeacher
from datagen.engines.plugs import plugged_teacher
from datagen.engines.progress import Progress, ended
from datagen.engines.question_vectors import QuestionVectors
from datagen.engines.resume_mark import Watermark, is_for_good
from datagen.errors import RunError
from datagen.recipes import IMPORTED
from datagen.records import Reply, Request
from datagen.store import ReplyStore, take_in_replies
from datagen.teacher import Teacher
from datagen.teacher import open_teacher as teacher_of_settings

if TYPE_CHECKING:
    from datagen.engines.inputs import Inputs

OpenTeacher = Callable[[Settings, Budget | None], Teacher]
"""Gives a teacher, told what the run may cost."""


class Gathered(Struct, frozen=True):
    """What is stored.

    Attributes:
        replies: A reply to every request, if only that it failed.
        find_vector: Vectors of questions, where the settings ask for them.
    """

    replies: ReplyStore
    find_vector: FindVector | None = None


@contextmanager
def gathered(
    inputs: Inputs, pool: Pool | None = None, *, may_ask: bool = True, open_teacher: OpenTeacher = teacher_of_settings
) -> Iterator[Gathered]:
    """Ask for whatever is not stored yet, and lend the stores.

    Args:
        inputs: Of the run or shard.
        pool: Works on chunks; None does all here.
        may_ask: False sends nothing.
        open_teacher: Who writes the replies.

    Raises:
        DatagenError: Nothing more can be asked, or a reply is missing that may not be asked for.
    """
    folder, settings = inputs.folder, inputs.settings
    with closing(ReplyStore(folder.replies)) as replies:
        if replies.log.n_damaged:
            told = f"{folder.replies}: {replies.log.n_damaged} damaged lines passed over; they are asked again."
            inputs.progress.note(told)
        if may_ask:
            take_in_replies(folder, replies)
        if inputs.ledger.budget is not None:
            spent = replies.spent
            inputs.ledger.begin(spent_in_all(spent.usd, spent.unpriced, settings.teacher))
            for told in inputs.ledger.uncounted():
                inputs.progress.note(told)
        if may_ask:
            is_own = open_teacher is not teacher_of_settings or inputs.plugs.teacher is not None
            if pool is not None and settings.teacher.name == "template" and not is_own:
                _write_in_chunks(inputs, replies, pool)
            else:
                ask_for_replies(inputs, replies, open_teacher)
        elif not inputs.is_answered(replies):
            raise RunError(f"{folder.path}: not every reply is stored; finish the run with 'datagen run' first.")
        if settings.dedup.embeddings is None:
            yield Gathered(replies)
            return
        payment = inputs.ledger.payment("embeddings")
        with closing(QuestionVectors(settings.dedup.embeddings, folder.vectors, payment)) as vectors:
            vectors.fetch(derive_all(inputs, replies, pool), inputs.progress, may_ask=may_ask)
            yield Gathered(replies, vectors.find)


def ask_for_replies(inputs: Inputs, replies: ReplyStore, open_teacher: OpenTeacher = teacher_of_settings) -> None:
    """Ask for every reply that is not stored yet, or take it from the dataset made elsewhere."""
    if inputs.dataset is not None:
        take_in_dataset(inputs.dataset, Path(inputs.settings.corpus.dataset or ""), replies, inputs.progress)
        return
    progress, watermark = inputs.progress, inputs.open_watermark(replies)
    in_flight: dict[str, int] = {}
    n_done, is_asking = watermark.n_settled, False

    def unanswered() -> Iterator[Request]:
        nonlocal n_done
        for number, item in inputs.unsettled(watermark):
            if item.request is not None and not replies.is_settled(item.request.digest):
                in_flight[item.request.digest] = number
                yield item.request
                continue
            watermark.pass_by(number, is_left=not is_for_good(item))
            n_done += 1
            if is_asking:
                progress.step()

    def on_reply(request: Request, reply: Reply) -> None:
        watermark.pass_by(in_flight.pop(request.digest), is_left=not reply.is_final)
        watermark.keep_if_due()
        if reply.error == "teacher_raised":
            inputs.raised.tell(reply.detail)
        progress.step(reply.cost_usd)

    teaching, folder = inputs.settings.teacher, inputs.folder
    requests = unanswered()
    first = next(requests, None)
    if first is None:
        watermark.keep()
        return
    if folder.batches.is_file() and not teaching.batch:
        from datagen.engines.ask_in_batches import require_collected

        require_collected(folder)
    watched_types = () if teaching.name == "template" else inputs.recipes
    watched = FirstReplies(watched_types, inputs.settings, inputs.corpus, inputs.plugs.checks)
    if replies.n_stored:
        watched.recall(inputs.planned(), replies.get)
    if teaching.batch:
        _ask_by_batches(inputs, replies, watermark, watched)
        return
    teacher = plugged_teacher(inputs.settings, inputs.plugs) or open_teacher(inputs.settings, inputs.ledger.budget)
    if isinstance(progress, Pulse):
        progress.watch(teacher)
    if teaching.planted_errors:
        teacher = LyingTeacher(teacher, inputs.settings, inputs.corpus.categories)
    progress.begin(ASKING, inputs.n_samples, n_done)
    is_asking = True
    with ended(progress):
        try:
            run_to_end(ask_all(chain([first], requests), teacher, replies, on_reply, watched))
        finally:
            watermark.keep()


def _write_in_chunks(inputs: Inputs, replies: ReplyStore, pool: Pool) -> None:
    """Have the embedded teacher write wherever there is room; what is stored already is not stored again."""
    watermark = inputs.open_watermark(replies)
    n_types, n_settled = len(inputs.recipes), watermark.n_settled
    if n_settled == inputs.n_samples:
        return
    first = watermark.n_passed // n_types
    left = sorted({place for number in watermark.left if (place := number // n_types) < first})
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


def _ask_by_batches(inputs: Inputs, replies: ReplyStore, watermark: Watermark, watched: FirstReplies) -> None:
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
            lambda: (item.request for _, item in inputs.unsettled(watermark) if item.request is not None),
            inputs.settings.teacher, inputs.folder, replies, inputs.ledger.budget, watched,
            lambda reply: progress.step(reply.cost_usd), progress.note,
        )  # fmt: skip
        move_on()


def take_in_dataset(dataset: Dataset, path: Path, replies: ReplyStore, progress: Progress) -> None:
    """Store every record of a dataset made elsewhere that is not stored yet, in the order of the file.

    Args:
        dataset: The index of the file.
        path: The file itself, read once more for the texts.
        replies: Where they go.
        progress: Hears of every record.

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
        for _, content in read_records(path):
            digest = digest_record(content)
            image_id = wanted.pop(digest, None)
            if image_id is None:
                continue
            replies.add(Reply(digest, image_id, IMPORTED.name, IMPORTED.name, content))
            progress.step()
    replies.log.sync()
