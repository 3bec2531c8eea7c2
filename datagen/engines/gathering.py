"""Everything that must be stored before a set can be looked at: every reply, and the vectors of questions."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path

from msgspec import Struct

from datagen.config import Settings
from datagen.dedup import FindVector
from datagen.engines.asking import ask_all, run_to_end
from datagen.engines.embedding import QuestionVectors
from datagen.engines.importing import take_in
from datagen.engines.inputs import Inputs
from datagen.engines.progress import ended
from datagen.errors import RunError
from datagen.pipeline import Planned, make_sample
from datagen.records import Reply, Request
from datagen.store import ReplyStore, read_facts, shard_files, take_in_replies
from datagen.teacher import Teacher, open_teacher
from datagen.teacher.prices import spent_on

LOOK_INTERVAL_S = 0.05
"""The bar's share of accepted samples is of a few replies a second: judging one costs more than asking for it."""
OpenTeacher = Callable[[Settings, float], Teacher]
"""Gives a teacher, told what was spent on stored replies in US dollars."""

Ask = Callable[[Inputs, ReplyStore], None]
"""Sees to it that every reply is stored."""


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
    inputs: Inputs, *, may_ask: bool = True, open_teacher: OpenTeacher = open_teacher, ask: Ask | None = None
) -> Iterator[Gathered]:
    """Ask for whatever is not stored yet, and lend the stores.

    Args:
        inputs: Of the run or shard.
        may_ask: False sends nothing.
        open_teacher: Who writes the replies.
        ask: Has them written elsewhere; None asks here.

    Raises:
        DatagenError: Nothing more can be asked, or a reply is missing that may not be asked for.
    """
    folder, settings = inputs.folder, inputs.settings
    with closing(ReplyStore(folder.replies)) as replies:
        if replies.log.n_damaged:
            told = f"{folder.replies}: {replies.log.n_damaged} damaged lines passed over; they are asked again."
            inputs.progress.note(told)
        if may_ask:
            take_in_replies(shard_files(folder), replies)  # of workers, whose engine was killed
            if ask is not None:
                ask(inputs, replies)
            else:
                ask_for_replies(inputs, replies, open_teacher)
        elif any(item.request and not replies.get(item.request.digest) for item in inputs.planned()):
            raise RunError(f"{folder.path}: not every reply is stored; finish the run with 'datagen run' first.")
        if settings.dedup.embeddings is None:
            yield Gathered(replies)
            return
        with closing(QuestionVectors(settings.dedup.embeddings, folder.vectors)) as vectors:
            vectors.fetch(inputs.candidates(replies), inputs.progress, may_ask=may_ask)
            yield Gathered(replies, vectors.find)


def ask_for_replies(inputs: Inputs, replies: ReplyStore, open_teacher: OpenTeacher = open_teacher) -> None:
    """Ask for every reply that is not stored yet, or take it from the dataset made elsewhere."""
    if inputs.dataset is not None:
        take_in(inputs.dataset, Path(inputs.settings.corpus.dataset or ""), replies, inputs.progress)
        return
    progress = inputs.progress
    by_digest: dict[str, Planned] = {}  # of those in flight
    n_nothing_to_ask = 0
    looked_at = -math.inf

    def unanswered() -> Iterator[Request]:
        nonlocal n_nothing_to_ask
        for item in inputs.planned():
            if item.request is None:
                n_nothing_to_ask += 1
            elif not replies.is_settled(item.request.digest):
                by_digest[item.request.digest] = item
                yield item.request

    def on_reply(request: Request, reply: Reply) -> None:
        nonlocal looked_at
        item, now, accepted = by_digest.pop(request.digest), time.monotonic(), None
        if now - looked_at >= LOOK_INTERVAL_S:
            accepted = make_sample(item, reply, inputs.settings, "").status == "accepted"
            looked_at = now
        progress.step(reply.cost_usd, accepted)

    teaching, folder = inputs.settings.teacher, inputs.folder
    requests = unanswered()
    first = next(requests, None)
    if first is None:
        return
    if folder.batches.is_file() and not teaching.batch:
        from datagen.engines.batching import require_collected

        require_collected(folder)
    n_settled = 0
    if replies.n_stored:  # a fresh run is not planned twice only to count
        asked = (item.request for item in inputs.planned())
        n_settled = sum(request is not None and replies.is_settled(request.digest) for request in asked)
    spent_usd = 0.0
    if teaching.budget_usd is not None and replies.n_stored:
        stored = (reply for _, reply in read_facts(folder.replies, Reply) if reply is not None)
        spent_usd = spent_on(stored, teaching)
    if teaching.batch:
        from datagen.engines.batching import ask_by_batches  # it loads the openai client

        progress.begin("waiting for batches", inputs.n_samples, n_settled)
        with ended(progress):
            ask_by_batches(
                lambda: (item.request for item in inputs.planned() if item.request is not None),
                teaching, folder, replies, spent_usd, lambda reply: progress.step(reply.cost_usd), progress.note,
            )  # fmt: skip
        return
    teacher = open_teacher(inputs.settings, spent_usd)
    progress.begin("asking the teacher", inputs.n_samples, n_settled)
    with ended(progress):
        run_to_end(ask_all(chain([first], requests), teacher, replies, on_reply))
        for _ in range(n_nothing_to_ask):
            progress.step()
