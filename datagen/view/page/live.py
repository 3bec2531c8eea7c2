"""A run as it stands now: its samples, what was decided on them, its pictures; it follows the files as they change."""

from __future__ import annotations

import io
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import msgspec
import numpy as np
from msgspec import Struct

from datagen.config import Settings
from datagen.corpus import Corpus, PictureChecker, PictureError, load_corpus
from datagen.errors import CorpusError, DatagenError, RunError
from datagen.export import llava_record, record_fault
from datagen.records import AnnotatedImage, Decision, Sample, Turn
from datagen.review import claims_from, decide, is_of, turns_digest, undecided
from datagen.store import RunFolder, add_decision, read_decisions
from datagen.view.card import card_body
from datagen.view.page.index import SampleIndex, SlimReview, SlimSample, Wanted, stamp_of

if TYPE_CHECKING:
    from PIL import Image

MOST_ROWS = 100
"""Rows of a list that are sent at once."""
MOST_TURNS, MOST_CHARACTERS = 100, 20_000
"""Of a correction."""
PICTURE_SIZES = {"small": 112, "large": 1280}
"""Longer side of a picture, in pixels, as rows and cards show it."""
_MOST_VALUES = 300  # of one kind of label that are offered; categories can be many
_LISTS_KEPT = 16
_JPEG_QUALITY = 82


class NotFoundError(DatagenError):
    """There is no such sample or picture."""


class Row(Struct, frozen=True):
    """A sample in a list."""

    sample_id: str
    image: str
    response_type: str
    status: str
    why: str
    review: str
    p_value: float | None
    question: str


class Page(Struct, frozen=True):
    """A piece of a list.

    Attributes:
        name: Of the list, so that its other pieces are cut from it although samples were decided on since.
        start: Place of the first row in it.
        n_found: Samples in it.
    """

    version: str
    name: str
    start: int
    n_found: int
    rows: tuple[Row, ...]


class Shown(Struct, frozen=True):
    """One sample to look at and to decide on.

    Attributes:
        card: As HTML; every foreign string in it is escaped.
        turns: Questions and answers as they stand.
        turns_digest: Of those that the pipeline gave; a decision names it.
        is_stale: A decision was made on other turns than it has now.
    """

    row: Row
    card: str
    turns: tuple[tuple[str, str], ...]
    turns_digest: str
    is_stale: bool


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """A decision as a browser sends it."""

    sample_id: str
    verb: Literal["accept", "reject", "correct", "undo"]
    turns_digest: str
    turns: tuple[tuple[str, str], ...] = ()
    note: str = ""


class LiveRun:
    """A run that is looked at while it may be worked on.

    Its methods may be called from several threads.

    Args:
        folder: Of the run.
        load_settings: Reads the run's settings; called again when its files change.
    """

    def __init__(self, folder: RunFolder, load_settings: Callable[[], Settings]) -> None:
        self.folder = folder
        self._load_settings = load_settings
        self._lock = threading.RLock()
        self._material: Material | None = None
        self._index: SampleIndex | None = None
        self._problem: str | None = None
        self._decisions: dict[str, Decision] = {}
        self._decisions_stamp: tuple[int, int] | None = None
        self._lists: OrderedDict[str, np.ndarray] = OrderedDict()
        self._n_loaded = 0
        self._replies = LineCounter()

    def refresh(self) -> None:
        """Catch up with the files."""
        with self._lock:
            stamp = stamp_of(self.folder.samples)
            if stamp is None or self._index is None or self._index.stamp != stamp:
                self._load(stamp is not None)
            if self._index is not None and self._decisions_stamp != stamp_of(self.folder.decisions):
                self._take_decisions()

    def _load(self, is_there: bool) -> None:
        if self._index is not None:
            self._index.close()
        self._index, self._problem, self._material = None, None, None
        self._decisions, self._decisions_stamp = {}, (-1, -1)
        self._lists.clear()
        self._n_loaded += 1
        try:
            self._material = Material(self._load_settings())
            self._index = SampleIndex(self.folder.samples) if is_there else None
        except DatagenError as error:
            self._problem = str(error)

    def _take_decisions(self) -> None:
        """Lay new decisions over the index; a decided sample's line is read for it."""
        assert self._index is not None
        stamp, now = stamp_of(self.folder.decisions), read_decisions(self.folder.decisions)
        for name in {**self._decisions, **now}:
            if now.get(name) == self._decisions.get(name):
                continue
            number = self._index.number_of(name)
            if number is not None:
                self._index.change(number, _slim(*self._read(number, now.get(name))))
        self._decisions, self._decisions_stamp = now, stamp

    def _read(self, number: int, decision: Decision | None) -> tuple[Sample, bool]:
        """A sample as it is decided, and whether its decision is stale."""
        index, material = self._require()
        (line,) = index.lines([number])
        try:
            before = undecided(msgspec.json.decode(line, type=Sample))
        except msgspec.MsgspecError as error:
            raise RunError(f"{index.path}: line {number + 1} is damaged ({error}).") from None
        sample = decide(before, decision, material.read_claims)
        return sample, bool(decision and decision.verb != "undo" and not is_of(decision, before))

    def _require(self) -> tuple[SampleIndex, Material]:
        if self._index is None or self._material is None:
            raise RunError(self._problem or "This run has no samples yet.")
        return self._index, self._material

    @property
    def version(self) -> str:
        """Changes when the samples are others."""
        return str(self._n_loaded)

    def state(self) -> dict[str, Any]:
        """What the page shows around the samples."""
        with self._lock:
            self.refresh()
            told: dict[str, Any] = {"run": self.folder.path.resolve().name, "version": self.version, "notes": []}
            if self._index is None:
                return told | {"problem": self._problem or self._unfinished()}
            if not self.folder.summary.is_file():
                told["notes"].append("This run is being made anew; these are the samples of before.")
            counts = self._index.counts()
            facets = {kind: list(values.items())[:_MOST_VALUES] for kind, values in counts.items()}
            return told | {"problem": None, "n_samples": len(self._index), "facets": facets}

    def _unfinished(self) -> str:
        stored = self._replies.count(self.folder.replies)
        return (
            f"This run is not finished: {stored:,} replies are stored, and its samples show here as soon as its "
            "command has written them."
        )

    def page(self, wanted: Wanted, start: int, count: int, name: str = "", at: str = "") -> Page:
        """Cut a piece out of a list.

        Args:
            wanted: What is in it, and in which order.
            start: Place of the first row.
            count: Rows, at most ``MOST_ROWS``.
            name: Of a list that was sent before; it is cut from as it was then.
            at: Id of a sample that the piece should hold, if the list does; wins over ``start``.
        """
        with self._lock:
            self.refresh()
            index, _ = self._require()
            found = self._lists.get(name)
            if found is None:
                found, name = index.find(wanted), f"{self.version}.{time.monotonic_ns()}"
                self._lists[name] = found
                while len(self._lists) > _LISTS_KEPT:
                    self._lists.popitem(last=False)
            count = max(1, min(count, MOST_ROWS))
            number = index.number_of(at) if at else None
            for place in np.flatnonzero(found == number).tolist() if number is not None else ():
                start = place - count // 2
            start = max(0, start)
            numbers = found[start : start + count].tolist()
            rows = tuple(_row(sample) for sample in index.samples(numbers))
            return Page(self.version, name, start, len(found), rows)

    def show(self, sample_id: str) -> Shown:
        """Draw one sample.

        Raises:
            NotFoundError: There is none of this name.
        """
        with self._lock:
            self.refresh()
            return self._show(sample_id)

    def _show(self, sample_id: str) -> Shown:
        _, material = self._require()
        sample, is_stale = self._read(self._number(sample_id), self._decisions.get(sample_id))
        url = f"/picture?size=large&sample={quote(sample_id, safe='')}&version={self.version}"
        has_picture = material.pictures.folder is not None
        card = card_body(sample, material.images.get(sample.image_id), url if has_picture else None)
        turns = tuple((turn.question, turn.answer) for turn in sample.turns)
        return Shown(_row(_slim(sample, is_stale)), card, turns, turns_digest(undecided(sample).turns), is_stale)

    def _number(self, sample_id: str) -> int:
        index, _ = self._require()
        number = index.number_of(sample_id)
        if number is None or index.samples([number])[0].sample_id != sample_id:
            raise NotFoundError(f"No sample '{sample_id}' is in this run.")
        return number

    def decide(self, asked: Asked) -> Shown:
        """Store a decision, and show the sample as it is then.

        Raises:
            RunError: It cannot be decided so, or not be written.
        """
        with self._lock:
            self.refresh()
            before = undecided(self._read(self._number(asked.sample_id), None)[0])
            if asked.turns_digest != turns_digest(before.turns):
                raise RunError("The sample has changed since it was shown; look at it again.")
            turns = tuple((question.strip(), answer.strip()) for question, answer in asked.turns)
            decision = Decision(
                before.sample_id, before.image_id, asked.verb, asked.turns_digest,
                turns if asked.verb == "correct" else (), " ".join(asked.note.split())[:500], round(time.time(), 3),
            )  # fmt: skip
            if asked.verb == "correct":
                _require_turns(turns)
            if asked.verb in ("accept", "correct"):
                _require_trainable(decide(before, decision))
            if asked.verb != "undo" or asked.sample_id in self._decisions:
                add_decision(self.folder.decisions, decision)
                self._take_decisions()
            return self._show(asked.sample_id)

    def picture(self, sample_id: str, size: str) -> bytes:
        """The picture of a sample as a JPEG of bounded size; never another file.

        Raises:
            NotFoundError: It cannot be opened.
        """
        from PIL import Image

        picture = self.original(sample_id)
        picture.thumbnail((PICTURE_SIZES[size], PICTURE_SIZES[size]), Image.Resampling.BILINEAR, reducing_gap=2.0)
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=_JPEG_QUALITY)
        return file.getvalue()

    def original(self, sample_id: str) -> Image.Image:
        """The picture of a sample as pixels, 8-bit RGB.

        Raises:
            NotFoundError: It cannot be opened.
        """
        with self._lock:
            self.refresh()
            index, material = self._require()
            (sample,) = index.samples([self._number(sample_id)])
        try:
            return material.pictures.read(sample.image)
        except PictureError as error:
            raise NotFoundError(error.detail) from None


class Material:
    """What a run's cards are drawn with; the annotations are loaded when the first card needs them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pictures = PictureChecker(settings.corpus)

    @cached_property
    def corpus(self) -> Corpus:
        """The annotations; empty where their files are no longer there."""
        try:
            return load_corpus(self.settings.corpus)
        except CorpusError:
            return Corpus((), (), ())

    @cached_property
    def images(self) -> dict[str, AnnotatedImage]:
        """Annotated images by id."""
        return {image.image_id: image for image in self.corpus.images}

    def read_claims(self, image_id: str, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        """Find the claims of corrected turns."""
        return claims_from(self.images, self.corpus.categories, self.settings.checks)(image_id, turns)


class LineCounter:
    """Counts the lines of a file that grows, reading each byte once."""

    def __init__(self) -> None:
        self._n_lines = self._at = 0

    def count(self, path: Path) -> int:
        """Lines so far; 0 without the file."""
        try:
            with path.open("rb") as file:
                file.seek(self._at)
                while block := file.read(1 << 20):
                    self._n_lines += block.count(b"\n")
                    self._at += len(block)
        except OSError:
            return 0
        return self._n_lines


def _slim(sample: Sample, is_stale: bool) -> SlimSample:
    slim = msgspec.json.decode(msgspec.json.encode(sample), type=SlimSample)
    return msgspec.structs.replace(slim, review=SlimReview("stale")) if is_stale else slim


def _row(sample: SlimSample) -> Row:
    why = f"{sample.stage}: {sample.reason}" if sample.stage else ""
    question = sample.turns[0].question if sample.turns else ""
    return Row(
        sample.sample_id, sample.image, sample.response_type, sample.status, why,
        sample.review.verb if sample.review else "", sample.p_value, question[:200],
    )  # fmt: skip


def _require_turns(turns: Iterable[tuple[str, str]]) -> None:
    held = tuple(turns)
    if not held or not all(question and answer for question, answer in held):
        raise RunError("Each question needs an answer, and each answer a question; nothing was stored.")
    if len(held) > MOST_TURNS or any(len(text) > MOST_CHARACTERS for turn in held for text in turn):
        raise RunError(f"More than {MOST_TURNS} turns, or {MOST_CHARACTERS:,} characters in one; nothing was stored.")


def _require_trainable(sample: Sample) -> None:
    """Refuse to accept what no export would write."""
    if not sample.turns:
        raise RunError("This sample has no turns to accept; write some by correcting it.")
    fault = record_fault(llava_record(sample, 0))
    if fault is not None:
        raise RunError(f"No trainer would take it: {fault.detail}. Correct it instead.")
