"""One shard's requests are asked here, on whatever machine: replies go into a file of this attempt's own."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from msgspec import Struct

from datagen.config import Settings
from datagen.engines.asking import ask_all, run_to_end
from datagen.engines.ray.entrance import Entrance, Exchange, GatedTeacher
from datagen.engines.watermark import is_for_good
from datagen.errors import RunError, TeacherError
from datagen.pipeline import Planned, make_sample, plan_samples
from datagen.recipes import Recipe
from datagen.records import AnnotatedImage, Reply, Request
from datagen.store import ReplyStore, RunFolder, read_replies, shard_file, shard_files
from datagen.teacher import Teacher, open_teacher
from datagen.teacher.prices import spent_on

TELL_INTERVAL_S = 0.5
"""The bar is drawn from what workers tell this often; with each, one reply is judged."""


class Job(Struct, frozen=True):
    """What all shards of a run share.

    Attributes:
        folder: The run folder, under the same path on every machine.
        session: Name of this start of the engine.
        version: Of datagen where the run was started.
    """

    settings: Settings
    recipes: tuple[Recipe, ...]
    categories: tuple[str, ...]
    folder: str
    session: str
    version: str


class Shard(Struct, frozen=True):
    """A part of the corpus.

    Attributes:
        number: From 1.
        faults: Reason and sentence for each image whose picture cannot be used, by image id.
        settled: Digests of requests that need not be asked again.
    """

    number: int
    images: Sequence[AnnotatedImage]
    faults: dict[str, tuple[str, str]]
    settled: frozenset[str]


class Told(Struct, frozen=True):
    """How far an attempt is: since it began, or since its shard did."""

    n_done: int = 0
    usd: float = 0.0
    n_judged: int = 0
    n_accepted: int = 0


def marker(folder: RunFolder, session: str) -> Path:
    """Name a file that every machine must see."""
    return folder.asked / f"{session}.here"


def ask_shard(
    job: Job, shard: Shard, attempt: int, exchange: Exchange, tell: Callable[[Told], None]
) -> tuple[int, ...]:
    """Ask for all of a shard that neither the run nor an earlier attempt has stored.

    Returns:
        Which of its samples, counted from 0, the next start of the run should look at again.

    Raises:
        TeacherError: No request can succeed.
        RunError: The run folder is not there, or a reply could not be stored.
    """
    folder = RunFolder(Path(job.folder))
    _require_same_world(job, folder)
    earlier = shard_files(folder, job.session, shard.number)
    settled = {*shard.settled, *(reply.request_digest for reply in read_replies(earlier) if reply.is_final)}
    counter = _Counter(job.settings, tell, len(settled) - len(shard.settled))
    with closing(ReplyStore(shard_file(folder, job.session, shard.number, attempt))) as store:
        teacher = _open_teacher(job.settings, shard.number, attempt, exchange, earlier)
        run_to_end(ask_all(counter.requests(_planned(job, shard), settled), teacher, store, counter.on_reply))
    return tuple(counter.left)


def _planned(job: Job, shard: Shard) -> Iterator[Planned]:
    def fault_of(image: AnnotatedImage) -> tuple[str, str] | None:
        return shard.faults.get(image.image_id)

    return plan_samples(shard.images, job.recipes, job.settings, fault_of, job.categories)


def _open_teacher(settings: Settings, shard: int, attempt: int, exchange: Exchange, earlier: list[Path]) -> Teacher:
    if settings.teacher.name == "template":
        return open_teacher(settings)
    spent_usd = 0.0
    if settings.teacher.budget_usd is not None:
        spent_usd = spent_on(read_replies(earlier), settings.teacher)
    try:
        return GatedTeacher(settings.teacher, Entrance(exchange, shard, attempt, settings.teacher, spent_usd))
    except TeacherError as error:  # a key that is missing on this machine alone
        raise TeacherError(f"On {platform.node()}: {error}") from None


def _require_same_world(job: Job, folder: RunFolder) -> None:
    if not marker(folder, job.session).is_file():
        raise RunError(
            f"{platform.node()} does not see {folder.path}: --out must be a folder that all machines "
            "of the cluster share."
        )
    if version("datagen") != job.version:
        raise RunError(
            f"{platform.node()} has datagen {version('datagen')}, the run was started with {job.version}; "
            "install the same everywhere."
        )


class _Counter:
    """Hands out the requests of a shard, and tells now and then how far it is."""

    def __init__(self, settings: Settings, tell: Callable[[Told], None], n_done: int) -> None:
        self._settings, self._tell = settings, tell
        self._n_done, self._usd, self._n_judged, self._n_accepted = n_done, 0.0, 0, 0
        self._told_at = time.monotonic()
        self._in_flight: dict[str, tuple[int, Planned]] = {}
        self.left: list[int] = []

    def requests(self, planned: Iterator[Planned], settled: set[str]) -> Iterator[Request]:
        """Give what is to be asked."""
        for offset, item in enumerate(planned):
            if item.request is None:
                self._n_done += 1
                if not is_for_good(item):
                    self.left.append(offset)
            elif item.request.digest not in settled:
                self._in_flight[item.request.digest] = offset, item
                yield item.request

    def on_reply(self, request: Request, reply: Reply) -> None:
        """Count a stored reply."""
        offset, item = self._in_flight.pop(request.digest)
        if not reply.is_final:
            self.left.append(offset)
        self._n_done += 1
        self._usd += reply.cost_usd or 0.0
        now = time.monotonic()
        if now - self._told_at >= TELL_INTERVAL_S:
            self._told_at = now
            self._n_judged += 1
            self._n_accepted += make_sample(item, reply, self._settings, "").status == "accepted"
            self._tell(Told(self._n_done, self._usd, self._n_judged, self._n_accepted))
