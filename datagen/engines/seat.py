"""A validator's seat in a run: what it is asked about each turn, its stored scores, its faults, and what it found."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from datagen.corpus.read_ahead import reading_ahead
from datagen.engines.plugs import telling_what_it_raised
from datagen.errors import ValidatorError
from datagen.records import NoScore, Probe, Score, Turn
from datagen.store import ScoreStore
from datagen.validator import Fault, Look, Validator, look_keys
from datagen.validator.measures import Findings, Inquiry, inquire, read_findings, read_grey
from datagen.validator.protocol import OUTSIDE, Item, LoadPicture, with_grey


@contextmanager
def telling_which(name: str, n_together: int) -> Iterator[None]:
    """Say which of several validators cannot go on, where its sentence does not.

    Raises:
        ValidatorError: It cannot.
    """
    try:
        yield
    except ValidatorError as error:
        if n_together == 1 or name in str(error):
            raise
        raise ValidatorError(f"{name}: {error}") from error


class Seat:
    """One of the validators that judge a run, most often the only one.

    Args:
        validator: Names its scores.
        name: As the settings have it.
        label: Short and its own, where several judge.
        scores: Where they are kept.
        templates: Questions of the user's own by kind of claim.

    Attributes:
        seconds: That it looked at pictures, on all threads together.
        n_scored: Scores that it gave in them.
    """

    def __init__(
        self, validator: Validator, name: str, label: str, scores: ScoreStore, templates: Mapping[str, str]
    ) -> None:
        self.validator, self.name, self.label, self.scores = validator, name, label, scores
        self.seconds, self.n_scored, self._templates = 0.0, 0, templates
        self._counting = threading.Lock()
        self.unscored: dict[str, str] = {}
        self._faults: dict[tuple[str, Item | None], Fault] = {}

    @property
    def faults(self) -> Iterable[Fault]:
        """What could not be scored."""
        return self._faults.values()

    def note(self, fault: Fault) -> None:
        """Remember what could not be scored."""
        self._faults[fault.picture, fault.item] = fault

    def find(self, key: str) -> Score | None:
        """Look up a score, and count those that there cannot be."""
        score = self.scores.get(key)
        if isinstance(score, NoScore):
            self.unscored[key] = score.reason
        return score

    def inquire(self, turn: Turn) -> Inquiry:
        """What it is asked about a turn."""
        return inquire(turn, self.validator.abilities, self._templates)

    def findings(self, inquiry: Inquiry, picture: str, blank_of: str | None = None) -> Findings | None:
        """What it found on a turn before a picture; see ``read_findings``."""
        return read_findings(inquiry, self.validator.identity, picture, self.find, blank_of)

    def grey(self, inquiry: Inquiry, picture: str) -> Findings | None:
        """What it would find if the picture were grey."""
        return read_grey(inquiry, self.validator.identity, self.validator.abilities, picture, self.find)

    def fault_of(self, picture: str, inquiries: Sequence[Inquiry]) -> Fault | None:
        """Why a sample could not be scored at all, or None."""
        places = [(picture, None), *((picture, inquiry.text) for inquiry in inquiries if inquiry.text)]
        found = next((self._faults[place] for place in places if place in self._faults), None)
        return None if found is None or found.reason == OUTSIDE else found

    def unscored_by_reason(self) -> Counter[str]:
        """Questions from whose answers no score can be read."""
        reasons = Counter(self.unscored.values())
        reasons.update(fault.reason for fault in self.faults if isinstance(fault.item, Probe))
        return reasons

    @property
    def told_cost(self) -> str:
        """What it took, for a person to read."""
        if not self.n_scored:
            return f"{self.label}: all its scores were stored"
        return f"{self.label}: {self.n_scored:,} scores in {self.seconds:,.1f} s"

    def score(self, looks: Sequence[Look], known: Container[str], load_picture: LoadPicture) -> Iterator[Score | Fault]:
        """Score what is not known, reading the pictures ahead where that helps."""
        validator = self.validator
        wanted = dict.fromkeys(
            look.picture for look in looks if any(key not in known for key in look_keys(validator.identity, look))
        )
        with (
            telling_what_it_raised(self.name),
            reading_ahead(with_grey(load_picture), wanted, n_threads=validator.n_readers) as read,
        ):
            seconds, n_scored, began = 0.0, 0, time.perf_counter()
            for found in validator.score(looks, read, known):
                seconds, n_scored = seconds + time.perf_counter() - began, n_scored + 1
                yield found
                began = time.perf_counter()
            with self._counting:  # others may be scoring beside this
                self.seconds += seconds + time.perf_counter() - began
                self.n_scored += n_scored
