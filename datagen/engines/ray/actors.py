"""What runs on the machines of a cluster: the gate as an actor, the shards as tasks.

This module is loaded only where Ray is installed.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from datagen.config import TeacherSettings
from datagen.engines.ray.entrance import GateLostError
from datagen.engines.ray.gate import Gate
from datagen.engines.ray.messages import Ending, Notes, Word, decode_notes, decode_word, encode
from datagen.engines.ray.shard import Job, Shard, Told, ask_shard
from datagen.store import RunFolder, read_replies, shard_files
from datagen.teacher.prices import spent_on

RUN = 0
"""The account of what is stored in the run's own file; shards are numbered from 1."""


class GateActor:
    """The gate, and a board on which workers write how far they are.

    Started in the place of one that was lost, it reads what was spent from the stored replies.

    Args:
        settings: Limits and budget.
        folder: The run folder.
        session: Name of this start of the engine.
    """

    def __init__(self, settings: TeacherSettings, folder: RunFolder, session: str) -> None:
        spent_usd: dict[int, float] = {}
        if settings.budget_usd is not None:
            spent_usd[RUN] = spent_on(read_replies([folder.replies]), settings)
            for path in shard_files(folder, session):
                shard = int(path.name.split("-")[1])
                spent_usd[shard] = spent_usd.get(shard, 0.0) + spent_on(read_replies([path]), settings)
        begun = folder.asked / f"{session}.gate"
        is_restored = begun.exists()
        begun.touch()
        self._gate = Gate(settings, spent_usd, is_restored=is_restored)
        self._board: dict[int, Told] = {}

    async def exchange(self, content: bytes) -> bytes:
        """Carry a message; see ``Gate.exchange``."""
        return encode(await self._gate.exchange(decode_notes(content)))

    async def end(self, why: Ending, sentence: str) -> None:
        """Let nobody through any more."""
        self._gate.end(why, sentence)

    async def tell(self, shard: int, told: Told) -> None:
        """Write on the board."""
        self._board[shard] = told

    async def board(self) -> dict[int, Told]:
        """Read the board."""
        return self._board


def open_gate(settings: TeacherSettings, folder: RunFolder, session: str) -> ActorHandle[Any]:
    """Start the gate on this machine, or on another if there is no room; workers find it by its name.

    Ray is not asked to start it again: the driver does, which sees it fail, so that there is never a doubt who it is.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    actor: Any = ray.remote(GateActor)
    handle: ActorHandle[Any] = actor.options(
        name=gate_name(session), num_cpus=0, max_restarts=0, scheduling_strategy=here
    ).remote(settings, folder, session)
    return handle


def gate_name(session: str) -> str:
    """Name the gate of one start of the engine."""
    return f"datagen-gate-{session}"


class WayToGate:
    """A worker's way to the gate, whichever actor that is by now.

    Args:
        session: Whose gate.
    """

    def __init__(self, session: str) -> None:
        self._session = session
        self._gate: Any = None

    async def exchange(self, notes: Notes) -> Word:
        """Carry a message, and the answer back.

        Raises:
            GateLostError: The gate is gone; another may be there soon.
        """
        try:
            self._gate = self._gate or ray.get_actor(gate_name(self._session))
            return decode_word(await self._gate.exchange.remote(encode(notes)))
        except RayTaskError:
            raise
        except (RayError, ValueError) as error:  # ValueError: nobody has that name
            self._gate = None
            raise GateLostError from error

    def tell(self, shard: int, told: Told) -> None:
        """Write on the gate's board, if it is there."""
        if self._gate is None:
            with suppress(RayError, ValueError):
                self._gate = ray.get_actor(gate_name(self._session))
        if self._gate is not None:
            self._gate.tell.remote(shard, told)


def work_on_shard(job: Job, shard: Shard, attempt: int) -> tuple[int, ...]:
    """Task: ask for the replies of a shard; see ``ask_shard``."""
    way = WayToGate(job.session)
    return ask_shard(job, shard, attempt, way.exchange, partial(way.tell, shard.number))


def cause_of(error: RayTaskError) -> BaseException:
    """Take the worker's own error out of what Ray wraps around it."""
    cause: BaseException = error
    while isinstance(cause, RayTaskError):
        cause = cause.cause
    return cause
