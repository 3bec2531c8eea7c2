"""One validator made of many: copies on the cluster's GPUs look at pictures, each at some of them.

A copy opens the pictures itself, on the machine whose GPU waits for them: what travels is names, questions and
scores. Every call goes whole to one copy, cut as the local engine cuts it, so that the scores are the same.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import ray
from msgspec.structs import replace
from ray.actor import ActorHandle
from ray.exceptions import RayActorError, RayTaskError

from datagen.config import CorpusSettings, Settings
from datagen.corpus import PictureChecker
from datagen.corpus.pictures import Witness
from datagen.corpus.read_ahead import reading_ahead
from datagen.errors import RunError, ValidatorError
from datagen.records import Score
from datagen.validator import Fault, Look, Validator, look_keys, open_validator
from datagen.validator.protocol import Abilities, LoadPicture, with_grey

CALLS_PER_COPY = 2
"""While a copy works on one, the next lies beside it."""
MAX_LOSSES = 5
"""Copies that one call may lose before it is taken for the cause."""
POLL_S = 0.2

MakeValidator = Callable[[], Validator]


class ValidatorActor:
    """A copy of the validator.

    Args:
        make: Opens it, on the machine where the copy is.
        settings: Where the pictures are.
    """

    def __init__(self, make: MakeValidator, settings: CorpusSettings) -> None:
        self._validator = make()
        self._pictures = PictureChecker(settings)

    def ready(self, witness: Witness | None) -> bool:
        """Answer when it is there, and sees a picture that the driver sees."""
        if witness is not None:
            self._pictures.require_seen(witness)
        return True

    def score(self, looks: Sequence[Look], known: frozenset[str]) -> list[Score | Fault]:
        """Score what is not known; pictures are read ahead where a GPU would wait for them."""
        identity = self._validator.identity
        wanted = dict.fromkeys(
            look.picture for look in looks if any(key not in known for key in look_keys(identity, look))
        )
        with reading_ahead(with_grey(self._pictures.read), wanted, n_threads=self._validator.n_readers) as read:
            return list(self._validator.score(looks, read, known))


def cause_of(error: RayTaskError) -> BaseException:
    """Take the worker's own error out of what Ray wraps around it."""
    cause: BaseException = error
    while isinstance(cause, RayTaskError):
        cause = cause.cause
    return cause


def describe(make: MakeValidator) -> tuple[str, Abilities]:
    """Task: say what a validator is and can, on a machine where it will work."""
    validator = make()
    return validator.identity, validator.abilities


def look_over(make: MakeValidator, settings: CorpusSettings, names: Sequence[str], witness: Witness | None) -> None:
    """Task: glance at a few pictures, once one proves to be the driver's; see ``Validator.look_over``."""
    pictures = PictureChecker(settings)
    if witness is not None:
        pictures.require_seen(witness)
    make().look_over(names, pictures.read)


class Fleet:
    """Implements ``Validator`` with copies on the cluster; they are started when the first score is asked for.

    Args:
        settings: Of the run.
        make: Opens the validator; None opens the one that the settings name.
        n_together: Validators of the run, each with a fleet of its own.

    Raises:
        ValidatorError: The validator cannot be found, or the cluster has no GPU for it.
    """

    n_readers = 0

    def __init__(self, settings: Settings, make: MakeValidator | None = None, *, n_together: int = 1) -> None:
        self._corpus = settings.corpus
        self._options, device, self._n_copies = _placed(settings, n_together)
        self._make = make or partial(open_validator, replace(settings.validator, device=device))
        self.n_at_once = CALLS_PER_COPY * self._n_copies
        self._lock = threading.Lock()
        self._witness: Witness | None = None
        self._copies: list[ActorHandle[Any]] = []
        self._coming: dict[Any, ActorHandle[Any]] = {}
        self._free: queue.Queue[ActorHandle[Any]] = queue.Queue()
        self.identity, self.abilities = self._run(describe, self._make)

    def look_over(self, names: Sequence[str], load_picture: LoadPicture) -> None:
        """Glance at a few pictures, on a machine of the cluster; see ``Validator``."""
        del load_picture
        self._run(look_over, self._make, self._corpus, tuple(names), self._seen(names))

    def score(
        self, looks: Sequence[Look], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | Fault]:
        """Score every item that is not known, on the first copy that is free; see ``Validator``."""
        del load_picture
        keys = [key for look in looks for key in look_keys(self.identity, look)]
        stored = frozenset(key for key in keys if key in known)
        if len(stored) < len(keys):
            self._seen(look.picture for look in looks)
            yield from self._score(tuple(looks), stored)

    def _seen(self, names: Iterable[str]) -> Witness | None:
        """A picture that the driver sees, and every machine must."""
        if self._witness is None:
            self._witness = PictureChecker(self._corpus).witness(names)
        return self._witness

    def close(self) -> None:
        """Give back the machines."""
        with self._lock:
            for copy in (*self._copies, *self._coming.values()):
                ray.kill(copy)
            self._copies, self._coming = [], {}

    def _run(self, work: Callable[..., Any], *given: Any) -> Any:
        task: Any = ray.remote(work)
        try:
            return ray.get(task.options(**self._options).remote(*given))
        except RayTaskError as error:
            raise cause_of(error) from None

    def _score(self, looks: tuple[Look, ...], stored: frozenset[str]) -> list[Score | Fault]:
        for _ in range(MAX_LOSSES):
            copy = self._take()
            try:
                found: list[Score | Fault] = ray.get(copy.score.remote(looks, stored))
            except RayTaskError as error:
                raise cause_of(error) from None
            except RayActorError:
                self._replace(copy)
            else:
                self._free.put(copy)
                return found
        raise RunError(
            f"The validator was lost {MAX_LOSSES} times over the same pictures ({looks[0].picture} and others), "
            "for want of memory or with its machine; what is scored is stored, so start again with fewer "
            "--ray-validators."
        )

    def _take(self) -> ActorHandle[Any]:
        """Wait for a copy with nothing, or one call only, before it."""
        while True:
            with self._lock:
                while len(self._copies) + len(self._coming) < self._n_copies:
                    self._start()
                done, _ = (
                    ray.wait(list(self._coming), num_returns=len(self._coming), timeout=0) if self._coming else ([], [])
                )
                for ready in done:
                    self._welcome(ready)
            try:
                return self._free.get(timeout=POLL_S)
            except queue.Empty:
                continue

    def _start(self) -> None:
        actor: Any = ray.remote(ValidatorActor)
        copy = actor.options(**self._options).remote(self._make, self._corpus)
        self._coming[copy.ready.remote(self._witness)] = copy

    def _welcome(self, ready: Any) -> None:
        copy = self._coming.pop(ready)
        try:
            ray.get(ready)
        except RayTaskError as error:
            raise cause_of(error) from None
        except RayActorError as error:  # it could not be opened there, or its machine is gone already
            cause = getattr(error, "cause", None)
            if isinstance(cause, Exception):
                raise cause from None
            return
        self._copies.append(copy)
        for _ in range(CALLS_PER_COPY):
            self._free.put(copy)

    def _replace(self, lost: ActorHandle[Any]) -> None:
        """Forget a copy that is gone; another is started when the next call comes."""
        with self._lock:
            self._copies = [copy for copy in self._copies if copy != lost]
            kept = [copy for copy in _drained(self._free) if copy != lost]
            for copy in kept:
                self._free.put(copy)


def _drained(free: queue.Queue[ActorHandle[Any]]) -> Iterator[ActorHandle[Any]]:
    while True:
        try:
            yield free.get_nowait()
        except queue.Empty:
            return


def _placed(settings: Settings, n_together: int) -> tuple[dict[str, Any], str, int]:
    """Decide what a copy occupies, which device it sees, and how many there are."""
    validator, asked = settings.validator, settings.ray
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    n_gpus = int(sum(node.get("GPU", 0) for node in nodes))
    spread = {"scheduling_strategy": "SPREAD"}
    if "+" in validator.device:
        raise ValidatorError(f"--device {validator.device}: on a Ray cluster each copy of a validator sees one GPU.")
    if validator.device.startswith("cuda") and not n_gpus:
        raise ValidatorError("--device cuda: no machine of the Ray cluster has a GPU; use --device cpu.")
    if n_gpus and (validator.device == "auto" or validator.device.startswith("cuda")):
        return {"num_gpus": 1 / n_together, "num_cpus": 0, **spread}, "cuda", min(asked.validators or n_gpus, n_gpus)
    cpus = [node.get("CPU", 0.0) for node in nodes]
    per_copy = min(asked.cpus_per_validator, max(cpus, default=0.0))
    room = int(sum(n // per_copy for n in cpus)) if per_copy else 1
    device = "cpu" if validator.device == "auto" else validator.device
    n_copies = min(asked.validators or len([n for n in cpus if n]), room // n_together)
    return {"num_cpus": per_copy, **spread}, device, max(1, n_copies)
