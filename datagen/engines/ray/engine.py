"""The Ray engine: pure stages and validators on the machines of a cluster; asking and the whole set in the driver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from datagen.config import RaySettings, Settings
from datagen.engines.chunks import Job, Pool, Task, job_of, work_on
from datagen.engines.inputs import Inputs
from datagen.engines.ray.cluster import connected
from datagen.engines.ray.validators import Fleet, cause_of
from datagen.errors import RunError
from datagen.validator import Validator

CHUNKS_PER_WORKER = 2
"""While one is worked on, the next lies on its way."""


@contextmanager
def at_cluster(settings: RaySettings) -> Iterator[Cluster]:
    """Lend a Ray cluster to ``run_local``.

    Raises:
        SettingsError: Nobody answers at the cluster's address.
        RunError: The cluster failed.
    """
    with connected(settings):
        place = Cluster()
        try:
            yield place
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
    """Implements ``Workplace`` by the machines of a cluster; asking stays here, as one process asks 2,700 a second."""

    def __init__(self) -> None:
        self._fleets: list[Fleet] = []

    def open_validator(self, settings: Settings, n_together: int = 1) -> Validator:
        """Find the validator on a machine of the cluster; of several, a copy of each shares a GPU."""
        self._fleets.append(Fleet(settings, n_together=n_together))
        return self._fleets[-1]

    def open_pool(self, inputs: Inputs) -> AbstractContextManager[Pool | None]:
        """Lend tasks for the pure stages."""
        return nullcontext(Tasks(job_of(inputs), inputs.settings.ray))

    def close(self) -> None:
        """Give back what was occupied."""
        for fleet in self._fleets:
            fleet.close()


class Tasks:
    """Implements ``chunks.Pool`` by tasks, spread over the machines.

    A task reserves no CPU: copies of a validator may hold all of them, and would wait for the samples that they are to
    look at. How many run at once is how many are handed out.

    Args:
        job: Put into the object store once; every machine fetches it from there.
        settings: How many tasks may run at once.
    """

    def __init__(self, job: Job, settings: RaySettings) -> None:
        room = int(ray.cluster_resources().get("CPU", 0.0) / settings.cpus_per_worker)
        self.n_at_once = CHUNKS_PER_WORKER * max(1, min(settings.workers or room, room))
        self._job = ray.put(job)
        task: Any = ray.remote(work_on)
        # Workers or machines may be lost under it; a pure function may be started again anywhere.
        self._task = task.options(num_cpus=0, max_retries=5, scheduling_strategy="SPREAD")

    def work(self, task: Task, chunk: bytes) -> bytes:
        """Have a chunk worked on somewhere; see ``Pool``."""
        try:
            answer: bytes = ray.get(self._task.remote(self._job, task, chunk))
        except RayTaskError as error:
            raise cause_of(error) from None
        return answer
