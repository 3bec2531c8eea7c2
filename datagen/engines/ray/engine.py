"""The Ray engine: a run whose requests and scores are worked on by the machines of a cluster.

The driver hands out parts and gathers facts; what follows from the facts is derived here, by the code of the local
engine, so both give the same bytes.
"""

from __future__ import annotations

import uuid
from collections import deque
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError

from datagen.config import Settings
from datagen.engines.inputs import Inputs
from datagen.engines.local import Here, Outcome, make_run
from datagen.engines.plugs import NO_PLUGS, Plugs
from datagen.engines.progress import Progress, ended
from datagen.engines.ray.actors import cause_of, open_gate, work_on_shard
from datagen.engines.ray.cluster import connected
from datagen.engines.ray.parts import Part, Parts
from datagen.engines.ray.shard import Job, Told, marker
from datagen.engines.ray.validators import Fleet
from datagen.errors import DatagenError, RunError
from datagen.store import ReplyStore, shard_files, take_in_replies
from datagen.store.folder import translated_errors
from datagen.teacher.budget import Budget
from datagen.validator import Validator

MOST_ATTEMPTS = 5
POLL_S = 0.25
FAREWELL_S = 10.0
"""Workers that are told to end have so long for it, beyond what an answer may take."""


def run_ray(
    settings: Settings, out: Path, progress: Progress, *, may_ask: bool = True, plugs: Plugs = NO_PLUGS
) -> Outcome:
    """Make or finish a run on a Ray cluster; see ``make_run``.

    Raises:
        SettingsError: Nobody answers at the cluster's address.
        DatagenError: Any failure that is not one record's, as one sentence.
    """
    with connected(settings.ray):
        place = Cluster(settings)
        try:
            return make_run(settings, out, progress, place, may_ask=may_ask, plugs=plugs)
        except RayTaskError:
            raise
        except RayError as error:
            told = str(error).strip().splitlines()[0].rstrip(".")
            raise RunError(
                f"The Ray cluster failed ({type(error).__name__}: {told}); every stored fact is safe, "
                "so start the same command again when it is well."
            ) from None
        finally:
            place.close()


class Cluster:
    """Implements ``Workplace`` by the machines of a cluster.

    Args:
        settings: Of the run.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._fleet: Fleet | None = None

    @property
    def n_workers(self) -> int:
        """Shards at work at once; machines may come and go."""
        room = int(ray.cluster_resources().get("CPU", 0.0) / self._settings.ray.cpus_per_worker)
        return max(1, min(self._settings.ray.workers or room, room))

    def open_validator(self, settings: Settings) -> Validator:
        """Find the validator on a machine of the cluster."""
        self._fleet = Fleet(settings)
        return self._fleet

    def close(self) -> None:
        """Give back what was occupied."""
        if self._fleet is not None:
            self._fleet.close()

    def check_pictures(self, inputs: Inputs) -> None:
        """Open every picture once, here: what is found is kept in the run folder, for the next start too."""
        inputs.check_pictures()

    def ask(self, inputs: Inputs, replies: ReplyStore) -> None:
        """Ask for every reply that is not stored yet, each shard on some machine."""
        if inputs.dataset is not None:
            Here().ask(inputs, replies)
            return
        if inputs.folder.batches.is_file():
            from datagen.engines.batching import require_collected

            require_collected(inputs.folder)
        if inputs.settings.teacher.budget_usd is not None and inputs.settings.teacher.name != "template":
            Budget(inputs.settings.teacher)  # or no price is known
        watermark = inputs.open_watermark(replies)
        n_settled = watermark.n_settled
        parts = Parts(inputs, replies, watermark, self.n_workers)
        first = next(parts, None)
        try:
            if first is not None:
                Asking(inputs, replies, self, parts).run(first, n_settled)
        finally:
            watermark.keep()


class Asking:
    """The shards of a run on their way.

    Args:
        inputs: The run's.
        replies: Where all replies end up.
        cluster: Says how many shards may be at work.
        parts: Gives them.
    """

    def __init__(self, inputs: Inputs, replies: ReplyStore, cluster: Cluster, parts: Parts) -> None:
        self._inputs, self._replies, self._cluster, self._parts = inputs, replies, cluster, parts
        self._session = uuid.uuid4().hex[:8]
        self._under_way: dict[Any, tuple[Part, int]] = {}
        self._finished = Told()
        self._drawn = Told()

    def run(self, first: Part, n_settled: int) -> None:
        """Work until every shard is done.

        Args:
            first: The first of the parts.
            n_settled: Samples that were known to be settled before.

        Raises:
            DatagenError: A worker met an error that ends the run; replies in flight are waited for and stored.
        """
        inputs = self._inputs
        here = marker(inputs.folder, self._session)
        with translated_errors(inputs.folder.asked):
            here.parent.mkdir(exist_ok=True)
            here.touch()
        self._open_gate()
        self._job = ray.put(
            Job(
                inputs.settings,
                inputs.recipes,
                inputs.corpus.categories,
                str(inputs.folder.path.absolute()),
                self._session,
                version("datagen"),
            )
        )
        inputs.progress.begin("asking the teacher", inputs.n_samples, n_settled)
        with ended(inputs.progress):
            try:
                self._work(deque([(first, 1)]))
            except BaseException as error:
                self._part_with_workers(error)
                raise
            finally:
                ray.kill(self._gate)
                take_in_replies(shard_files(inputs.folder, self._session), self._replies)
                with suppress(OSError):
                    for mark in inputs.folder.asked.glob(f"{self._session}.*"):
                        mark.unlink()
                    inputs.folder.asked.rmdir()

    def _work(self, waiting: deque[tuple[Part, int]]) -> None:
        options = {"num_cpus": self._inputs.settings.ray.cpus_per_worker, "max_retries": 0}
        task: Any = ray.remote(work_on_shard)
        task = task.options(scheduling_strategy="SPREAD", **options)
        while True:
            n_workers = self._cluster.n_workers
            while len(self._under_way) < n_workers:
                if not waiting and (following := next(self._parts, None)) is not None:
                    waiting.append((following, 1))
                if not waiting:
                    break
                part, attempt = waiting.popleft()
                ref = task.remote(self._job, self._parts.shard(part), attempt)
                self._under_way[ref] = part, attempt
            if not self._under_way:
                return
            done, _ = ray.wait(list(self._under_way), timeout=POLL_S)
            for ref in done:
                part, attempt = self._under_way.pop(ref)
                try:
                    left = _result(ref)
                except RayError as error:
                    _require_another_try(part, attempt, error)
                    waiting.appendleft((part, attempt + 1))
                    why = type(error).__name__
                    self._inputs.progress.note(f"A worker was lost ({why}); shard {part.number} goes on where it was.")
                else:
                    self._finish(part, left)
            self._draw()

    def _open_gate(self) -> None:
        """Start the gate, or another in its place."""
        with suppress(ValueError):  # the name is still taken; the next look will find it free
            self._gate = open_gate(self._inputs.settings.teacher, self._inputs.folder, self._session)

    def _finish(self, part: Part, left: tuple[int, ...]) -> None:
        """Move a shard's replies into the run's own file."""
        take_in_replies(shard_files(self._inputs.folder, self._session, part.number), self._replies)
        self._parts.done(part, left)
        told = self._board().get(part.number, Told())
        self._finished = _sum(self._finished, Told(part.n_samples, told.usd, told.n_judged, told.n_accepted))

    def _board(self) -> dict[int, Told]:
        try:
            board: dict[int, Told] = ray.get(self._gate.board.remote(), timeout=POLL_S)
        except RayActorError:
            with suppress(RayError):  # one that went with its machine would keep its name
                ray.kill(self._gate)
            self._open_gate()
            return {}
        except GetTimeoutError:
            return {}
        return board

    def _draw(self) -> None:
        """Move the bar to where all workers together are."""
        board, now = self._board(), _sum(self._finished, Told(self._parts.n_found))
        for part, _ in self._under_way.values():
            now = _sum(now, board.get(part.number, Told()))
        usd = now.usd - self._drawn.usd
        n_judged, n_accepted = now.n_judged - self._drawn.n_judged, now.n_accepted - self._drawn.n_accepted
        n_steps = now.n_done - self._drawn.n_done
        for step in range(n_steps):
            accepted = None if step >= n_judged else step < n_accepted
            self._inputs.progress.step(usd if usd > 0 and not step else None, accepted)
        if n_steps > 0:
            self._drawn = now

    def _part_with_workers(self, error: BaseException) -> None:
        """End what is under way: after an error when all is answered, after an interrupt at once."""
        under_way = list(self._under_way)
        patience_s = FAREWELL_S
        if not under_way:
            return
        if isinstance(error, DatagenError):
            self._gate.end.remote("teacher", str(error))
            patience_s += self._inputs.settings.teacher.timeout_s
            if self._inputs.settings.teacher.name != "template":
                _, under_way = ray.wait(under_way, num_returns=len(under_way), timeout=patience_s)
        for ref in under_way:
            ray.cancel(ref, force=False)
        _, deaf = ray.wait(under_way, num_returns=len(under_way), timeout=FAREWELL_S) if under_way else ([], [])
        for ref in deaf:
            ray.cancel(ref, force=True)


def _sum(one: Told, other: Told) -> Told:
    return Told(
        one.n_done + other.n_done,
        one.usd + other.usd,
        one.n_judged + other.n_judged,
        one.n_accepted + other.n_accepted,
    )


def _result(ref: Any) -> Any:
    """What a task gave; what it raised is raised as its own error."""
    try:
        return ray.get(ref)
    except RayTaskError as error:
        _raise_own(error)


def _raise_own(error: RayTaskError) -> NoReturn:
    cause = cause_of(error)
    if isinstance(cause, RayError):  # of the system; it is not the work's fault
        raise cause from None
    if isinstance(cause, DatagenError):
        raise cause from None
    raise cause from error


def _require_another_try(part: Part, attempt: int, error: RayError) -> None:
    if attempt >= MOST_ATTEMPTS:
        told = str(error).strip().splitlines()[0]
        raise RunError(
            f"Shard {part.number} lost {attempt} workers, the last by {type(error).__name__} ({told}); "
            "every stored reply is safe: look at the memory of the machines, then start the same command again."
        ) from None
