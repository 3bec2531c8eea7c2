"""The pure stages as Ray tasks: the function that the process pool runs, on whatever machine has room."""

from __future__ import annotations

from typing import Any

import ray
from ray.exceptions import RayTaskError

from datagen.config import RaySettings
from datagen.engines.chunks import Job, Task, work_on
from datagen.engines.ray.validators import cause_of

CHUNKS_PER_WORKER = 2
"""While one is worked on, the next lies on its way."""
MAX_RETRIES = 5
"""Workers or machines that one chunk may lose; a task is a pure function, so Ray may start it again anywhere."""


class Tasks:
    """Implements ``chunking.Pool`` by tasks, spread over the machines.

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
        self._task = task.options(num_cpus=0, max_retries=MAX_RETRIES, scheduling_strategy="SPREAD")

    def work(self, task: Task, chunk: bytes) -> bytes:
        """Have a chunk worked on somewhere; see ``Pool``."""
        try:
            answer: bytes = ray.get(self._task.remote(self._job, task, chunk))
        except RayTaskError as error:
            raise cause_of(error) from None
        return answer
