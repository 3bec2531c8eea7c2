"""A validator on several devices of one machine: a replica on each, and every batch of looks goes whole to one of them.

Threads are enough: a replica's thread waits for its GPU nearly all the time, and picture decoding leaves the
interpreter free. Batches are cut before they are handed out, so scores do not depend on how many devices there are.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Container, Iterator, Sequence

from msgspec.structs import replace

from datagen.config import ValidatorSettings
from datagen.errors import ValidatorError
from datagen.records import Score
from datagen.validator.protocol import Fault, LoadPicture, Look, Validator

CALLS_PER_REPLICA = 2
"""While a replica works on one, the pictures of the next are decoded."""


class Replicas:
    """Implements ``protocol.Validator`` and ``protocol.ManyAtOnce``.

    Args:
        settings: Of the validator.
        devices: One replica is opened for each; a name may stand twice.
        open_on_one: Opens a validator on one device; its weights are loaded with its first score.

    Raises:
        ValidatorError: It cannot be used on one of the devices, or gives other scores on one of them.
    """

    def __init__(
        self,
        settings: ValidatorSettings,
        devices: Sequence[str],
        open_on_one: Callable[[ValidatorSettings], Validator],
    ) -> None:
        replicas = [open_on_one(replace(settings, device=device)) for device in devices]
        first = self._first = replicas[0]
        if any(one.identity != first.identity for one in replicas):
            raise ValidatorError(
                f"--device {settings.device}: these do not compute in the same precision, so scores would depend on "
                "the device; name devices of one kind, or a --precision that all of them have."
            )
        self.identity, self.abilities, self.n_readers = first.identity, first.abilities, first.n_readers
        self.n_at_once = CALLS_PER_REPLICA * len(replicas)
        self._free: queue.SimpleQueue[Validator] = queue.SimpleQueue()
        for one in replicas:
            self._free.put(one)

    def look_over(self, names: Sequence[str], load_picture: LoadPicture) -> None:
        """Glance at a few pictures; see ``protocol.Validator``."""
        self._first.look_over(names, load_picture)

    def score(
        self, looks: Sequence[Look], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | Fault]:
        """Score every item that is not known, on the first replica that is free; see ``protocol.Validator``."""
        replica = self._free.get()
        try:
            yield from replica.score(looks, load_picture, known)
        finally:
            self._free.put(replica)
