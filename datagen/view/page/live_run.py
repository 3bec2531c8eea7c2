"""A run as it stands now, for the page: samples, decisions and pictures, following the files as they change."""

from __future__ import annotations

import io
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
import numpy as np

from datagen.config import Settings
from datagen.corpus import Corpus, ImagesById, PictureChecker, PictureError, corpus_if_there
from datagen.errors import DatagenError, RunError
from datagen.records import Decision, Reply, Sample, Turn
from datagen.review import claims_from, decide, is_of, turns_digest, undecided
from datagen.store import RunFolder, add_decision, read_decisions, read_facts
from datagen.view.page.index import SampleIndex, Wanted, stamp_of
from datagen.view.page.messages import (
    MAX_ROWS,
    PICTURE_SIZES,
    Page,
    SentDecision,
    Shown,
    require_trainable,
    require_turns,
    row_of,
    slim_of,
)
from datagen.view.sample_card import card_body

if TYPE_CHECKING:
    from PIL import Image


class Material:
    """What a run's cards are drawn with; the annotations are loaded when the first card needs them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pictures = PictureChecker(settings.corpus, may_fetch=False)
        self._loading = threading.Lock()

    def load(self) -> None:
        """Read the annotations, once however many ask."""
        with self._loading:
            self.images.prepared()

    @cached_property
    def corpus(self) -> Corpus:
        """The annotations; empty where their files are no longer there, or a program gave them."""
        return corpus_if_there(self.settings.corpus)

    @cached_property
    def images(self) -> ImagesById:
        """Annotated images by id."""
        return self.corpus.by_id

    def read_claims(self, image_id: str, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        """Find the claims of corrected turns."""
        return claims_from(self.images, self.corpus.categories, self.settings)(image_id, turns)


class NotFoundError(DatagenError):
    """There is no such sample or picture."""


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

    def prepare(self) -> None:
        """Read the samples and the annotations, so that nobody waits for them; lists are served meanwhile."""
        with self._lock:
            self.refresh()
            material = self._material
        if material is not None:
            material.load()

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
                self._index.change(number, slim_of(*self._read(number, now.get(name))))
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
            facets = {kind: list(values.items())[:300] for kind, values in counts.items()}  # categories can be many
            told |= {"has_pictures": self._require()[1].pictures.folder is not None}
            told |= {"n_samples": len(self._index), "turns": self._index.turn_counts()}
            return told | {"problem": None, "facets": facets}

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
            count: Rows, at most ``MAX_ROWS``.
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
                while len(self._lists) > 16:
                    self._lists.popitem(last=False)
            count = max(1, min(count, MAX_ROWS))
            number = index.number_of(at) if at else None
            for place in np.flatnonzero(found == number).tolist() if number is not None else ():
                start = place - count // 2
            start = max(0, start)
            numbers = found[start : start + count].tolist()
            rows = tuple(row_of(sample) for sample in index.samples(numbers))
            return Page(self.version, name, start, len(found), rows)

    def show(self, sample_id: str) -> Shown:
        """Draw one sample.

        Raises:
            NotFoundError: There is none of this name.
        """
        self.prepare()
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
        return Shown(row_of(slim_of(sample, is_stale)), card, turns, turns_digest(undecided(sample).turns), is_stale)

    def reply(self, sample_id: str) -> str:
        """The teacher's reply behind a sample, word for word; empty where the run keeps none.

        The file of replies is read through for it, so it is asked for only where a reader wants to see it.

        Raises:
            NotFoundError: There is no such sample.
        """
        with self._lock:
            self.refresh()
            sample, _ = self._read(self._number(sample_id), None)
        if not self.folder.replies.is_file():
            return ""
        digest, text = sample.provenance.request_digest, ""
        for _, reply in read_facts(self.folder.replies, Reply, holding=digest.encode()):
            if reply is not None and reply.request_digest == digest:
                text = reply.text or reply.detail or ""
        return text[:100_000]  # characters

    def _number(self, sample_id: str) -> int:
        index, _ = self._require()
        number = index.number_of(sample_id)
        if number is None or index.samples([number])[0].sample_id != sample_id:
            raise NotFoundError(f"No sample '{sample_id}' is in this run.")
        return number

    def decide(self, asked: SentDecision) -> Shown:
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
                require_turns(turns)
            if asked.verb in ("accept", "correct"):
                require_trainable(decide(before, decision))
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
        picture.save(file, "JPEG", quality=82)
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
