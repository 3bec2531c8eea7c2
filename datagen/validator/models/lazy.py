"""A validator whose checkpoint is found and checked at once, and loaded when its first score is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterator, Sequence
from typing import TYPE_CHECKING

from datagen.records import Score
from datagen.validator.protocol import Abilities, Fault, LoadPicture, Look, Validator, look_keys

if TYPE_CHECKING:
    from datagen.validator.loading import Found

_LOADING = threading.Lock()
"""One model at a time: transformers swaps torch's initialisers for the whole process while it loads."""
N_THREADS = 4
"""Readers of pictures ahead of a GPU or a network: a JPEG takes 6 to 8 ms, a large GPU a picture every 10."""


class LazyValidator:
    """A validator that was found and checked, and is loaded when the first unknown score is asked for.

    So a wrong name stops a run before anything is paid for, no memory is held while the teacher
    writes, and a run whose scores are all stored never loads the model.
    """

    def __init__(self, found: Found, abilities: Abilities, load: Callable[[], Validator]) -> None:
        self.identity = found.identity
        self.abilities = abilities
        self.n_readers = 0 if found.device.type == "cpu" else N_THREADS
        self._load = load
        self._loaded: Validator | None = None

    def look_over(self, names: Sequence[str], load_picture: LoadPicture) -> None:
        """Any picture will do."""

    def score(
        self, looks: Sequence[Look], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | Fault]:
        """Score every item that is not known; see ``protocol.Validator``."""
        if all(key in known for look in looks for key in look_keys(self.identity, look)):
            return
        with _LOADING:
            self._loaded = self._loaded or self._load()
        yield from self._loaded.score(looks, load_picture, known)
