"""Overlap: while the teacher is asked for the later samples, the earlier ones are derived and shown to the validator.

An endpoint leaves this machine idle, and a GPU idles while it is asked: done one after the other, both waits add up.
Samples are taken in corpus order as soon as their replies are stored, before the set is known, so those that turn out
to be copies are looked at as well, as they are by a shard. The stages of the whole set then find every score stored.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from datagen.endpoint.error_translation import StoppedError
from datagen.engines.planted_errors import Examiner
from datagen.engines.progress import LOOKING, Silence, ended
from datagen.engines.score_run import Judge, score_samples
from datagen.errors import DatagenError
from datagen.pipeline import is_balanced
from datagen.said_again import is_here
from datagen.store import ScoreStore
from datagen.validator.protocol import Billing

if TYPE_CHECKING:
    from PIL.Image import Image

    from datagen.engines.inputs import Inputs
    from datagen.engines.progress import Progress
    from datagen.pipeline import Samples
    from datagen.records import Reply
    from datagen.store import ReplyStore
    from datagen.validator import Validator

POLLED_EVERY_S = 0.05
"""An endpoint takes a second or more for a reply, and a chunk of 32 images a second or more to be looked at."""


def may_overlap(inputs: Inputs, validators: Sequence[Validator]) -> bool:
    """Whether validators can look while the teacher is asked, and it is worth it.

    Not where another answer is waited for before a sample stands (repairs, batches), where most of what is looked at
    may fall afterwards (a balanced set), or where teacher and validator share a budget or a machine.
    """
    settings, teacher = inputs.settings, inputs.settings.teacher
    is_served = teacher.name != "template" and inputs.plugs.teacher is None
    is_apart = is_served and not (teacher.base_url and is_here(teacher.base_url))
    wanted = is_apart if settings.validator.overlap is None else settings.validator.overlap
    waits = settings.repair or teacher.batch or inputs.dataset is not None or is_balanced(settings)
    others = inputs.plugs.checks or any(isinstance(one, Billing) for one in validators)
    return bool(validators and wanted and not waits and not others)


class LookAhead:
    """Replies as they come, for whoever works on the samples meanwhile, and the thread that does.

    Args:
        inputs: Of the run.
        validators: They look.

    Attributes:
        has_seen_all: Every sample was looked at, but for what could not be scored.
    """

    def __init__(self, inputs: Inputs, validators: Sequence[Validator]) -> None:
        self._inputs, self._validators = inputs, validators
        self._replies: ReplyStore | None = None
        self._is_asked, self._is_stopped = threading.Event(), threading.Event()
        self._progress = _Later()
        self._fault: BaseException | None = None
        self.has_seen_all = False

    def reply(self, digest: str) -> Reply | None:
        """Wait for the reply to a request; None where there is none once all is asked.

        Raises:
            StoppedError: The run ends.
        """
        assert self._replies is not None
        while not (self._is_asked.is_set() or self._replies.is_settled(digest) or digest in self._inputs.answered_now):
            self._require_going()
            self._is_asked.wait(POLLED_EVERY_S)
        self._require_going()
        return self._replies.get(digest)

    @contextmanager
    def beside(self, replies: ReplyStore, candidates: Samples) -> Iterator[None]:
        """Look at what is answered while the block asks, and at the rest after it.

        Args:
            replies: Where they are stored.
            candidates: Gives every sample in corpus order, by ``reply``.
        """
        self._replies = replies
        self._inputs.corpus.by_id.prepared()  # several threads look from here on
        thread = threading.Thread(target=self._work, args=(candidates,), name="looking ahead", daemon=True)
        thread.start()
        try:
            yield
            self._is_asked.set()
            with ended(self._inputs.progress):
                self._progress.tell(self._inputs.progress, self._inputs.n_samples)
                while thread.is_alive():
                    thread.join(1.0)  # an interrupt is heard in between
        except BaseException:
            self._is_stopped.set()
            thread.join()
            raise
        if isinstance(self._fault, DatagenError):  # the stage itself tells it, should it last
            told = f"Looking ahead stopped: {str(self._fault).rstrip('.')}. It goes on now that the teacher is done."
            self._inputs.progress.note(told)
        elif self._fault is not None:
            raise self._fault

    def _require_going(self) -> None:
        if self._is_stopped.is_set():
            raise StoppedError

    def _work(self, candidates: Samples) -> None:
        inputs = self._inputs
        try:
            with closing(ScoreStore(inputs.folder.scores)) as scores:
                examiner = Examiner(inputs.corpus, inputs.pictures.check, self._validators, inputs.settings)
                judge = Judge(self._validators, scores, inputs.settings.validator)
                deque(score_samples(candidates(), judge, self._read, examiner, self._progress), maxlen=0)
            self.has_seen_all = True
        except StoppedError:
            pass
        except BaseException as error:  # raised where the asking ends
            self._fault = error

    def _read(self, name: str) -> Image:
        self._require_going()
        return self._inputs.pictures.read(name)


class _Later(Silence):
    """Counts samples, and tells of them once somebody listens."""

    def __init__(self) -> None:
        self._n_done, self._lock = 0, threading.Lock()
        self._heard_by: Progress | None = None

    def step(self, cost_usd: float | None = None, accepted: bool | None = None) -> None:
        """Count one."""
        with self._lock:
            self._n_done += 1
            if self._heard_by is not None:
                self._heard_by.step()

    def tell(self, progress: Progress, total: int) -> None:
        """Tell of what was counted, and of whatever follows."""
        with self._lock:
            progress.begin(LOOKING, total, self._n_done)
            self._heard_by = progress
