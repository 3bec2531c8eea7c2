"""The Ray engine: pure stages and validators on the machines of a cluster; asking and the whole set in the driver."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from ray.exceptions import RayError, RayTaskError

from datagen.config import Settings
from datagen.engines.chunks import Pool, job_of
from datagen.engines.inputs import Inputs
from datagen.engines.local import Outcome, make_run
from datagen.engines.plugs import NO_PLUGS, Plugs
from datagen.engines.progress import Progress
from datagen.engines.ray.cluster import connected
from datagen.engines.ray.tasks import Tasks
from datagen.engines.ray.validators import Fleet
from datagen.errors import RunError
from datagen.validator import Validator


def run_ray(
    settings: Settings, out: Path, progress: Progress, *, may_ask: bool = True, plugs: Plugs = NO_PLUGS
) -> Outcome:
    """Make or finish a run on a Ray cluster; see ``make_run``.

    Raises:
        SettingsError: Nobody answers at the cluster's address.
        DatagenError: Any failure that is not one record's, as one sentence.
    """
    with connected(settings.ray):
        place = Cluster()
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
    """Implements ``Workplace`` by the machines of a cluster; asking stays here, as one process asks 2,700 a second."""

    def __init__(self) -> None:
        self._fleet: Fleet | None = None

    def open_validator(self, settings: Settings) -> Validator:
        """Find the validator on a machine of the cluster."""
        self._fleet = Fleet(settings)
        return self._fleet

    def open_pool(self, inputs: Inputs) -> AbstractContextManager[Pool | None]:
        """Lend tasks for the pure stages."""
        return nullcontext(Tasks(job_of(inputs), inputs.settings.ray))

    def close(self) -> None:
        """Give back what was occupied."""
        if self._fleet is not None:
            self._fleet.close()
