"""What a family of vision-language models is to datagen: how it is recognised, loaded, scored with and asked.

``LazyValidator`` is one whose checkpoint is found and checked at once, and loaded when its first score is asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from datagen.config import ValidatorSettings
from datagen.records import Score
from datagen.validator.protocol import Abilities, Fault, LoadPicture, Look, Validator, look_keys

if TYPE_CHECKING:
    from PIL.Image import Image

    from datagen.validator.loading import Checkpoint, Found


class Answerer(Protocol):
    """Answers questions about pictures in its own words."""

    def answer(self, picture: Image, question: str) -> str:
        """Answer one question about one picture.

        Raises:
            ValidatorError: The model cannot read the question, or no answer comes.
        """
        ...


Recognise = Callable[[dict[str, Any], bool], str | None]
"""From config.json, and whether its code may run, to the class of transformers that loads it, or None."""
Prepare = Callable[[ValidatorSettings, "Found"], Any]
"""Lays out one picture with one prompt, without weights, and gives what ``load`` needs of that."""
LoadCheckpoint = Callable[[ValidatorSettings, "Found", Any], "Checkpoint"]
"""Gives the parts of a model built like LLaVA, from what was prepared."""


class Family(Struct, frozen=True, kw_only=True):
    """A row of ``FAMILIES``: one way of running a checkpoint.

    Attributes:
        name: As ``datagen models`` and the list of short names (``files.CATALOGUE``) call it.
        recognise: Gives None for a checkpoint of another family.
        prepare: Called before anything is paid for; refuses what could not be scored. Takes a second or two.
        load: Gives the validator from what was prepared; called when the first score is asked for. None for a family
            that judges nothing.
        load_answerer: Gives what answers freely; None where the family only compares.
        load_captioner: Gives what describes a picture unasked; None where an answerer does.
        checkpoint: None for a family that is not built like LLaVA.
        abilities: What it can be asked.
        abilities_of: The same, from what was prepared, where it hangs on the checkpoint.
        is_quantisable: Whether 8-bit and 4-bit weights are worth anything to it.
        probe_hint: What follows a probe's question in the prompts that it was trained on, where a word was wanted.
        limits_pixels: Whether ``validator.max_pixels`` decides what it sees, and so is part of its identity.
    """

    name: str
    recognise: Recognise
    prepare: Prepare
    load: Callable[[ValidatorSettings, Found, Any], Validator] | None
    load_answerer: Callable[[ValidatorSettings, Found, Any], Answerer] | None
    load_captioner: Callable[[ValidatorSettings, Found, Any], Callable[[Image], str]] | None = None
    checkpoint: LoadCheckpoint | None = None
    abilities: Abilities = Abilities()
    abilities_of: Callable[[Any], Abilities] | None = None
    is_quantisable: bool = True
    probe_hint: str = ""
    limits_pixels: bool = False


class Named(Struct, frozen=True, kw_only=True):
    """A row of ``NAMED``: a validator that is known by its name, without a checkpoint to look at.

    Attributes:
        answers_to: Whether a name in the settings means it.
        open: Gives the validator.
        open_answerer: Gives what answers freely.
    """

    answers_to: Callable[[str], bool]
    open: Callable[[ValidatorSettings], Validator]
    open_answerer: Callable[[ValidatorSettings], Answerer]


_LOADING = threading.Lock()
"""One model at a time: transformers swaps torch's initialisers for the whole process while it loads."""
N_THREADS = 4
"""Readers of pictures ahead of a GPU or a network: a JPEG takes 6 to 8 ms, a large GPU a picture every 10."""


class LazyValidator:
    """A validator that was found and checked, and is loaded when the first unknown score is asked for.

    So a wrong name stops a run before anything is paid for, no memory is held before a picture
    is looked at, and a run whose scores are all stored never loads the model.
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
