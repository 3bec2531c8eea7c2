"""From ``samples.jsonl`` to columns that answer filters, an order by doubt and a search, at any number of samples.

Of a sample about a hundred bytes stay in memory: where its line stands, the labels it can be filtered by, and a number
for its doubt. Its words go, case folded, into a temporary file that a search reads through.
"""

from __future__ import annotations

import tempfile
import weakref
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from datagen.compact_map import DigestMap
from datagen.errors import RunError

Label = tuple[str, str]
"""What a sample can be filtered by: a kind such as ``"status"``, and a value such as ``"accepted"``."""


class SlimClaim(Struct, frozen=True):
    """What is read of a claim."""

    category: str
    verdict: str


class SlimValidation(Struct, frozen=True):
    """What is read of a validator's word on a turn."""

    verdict: str | None = None
    p_value: float | None = None


class SlimTurn(Struct, frozen=True):
    """What is read of a turn."""

    question: str
    answer: str
    claims: tuple[SlimClaim, ...] = ()
    validation: SlimValidation | None = None


class SlimCut(Struct, frozen=True):
    """What is read of a cut."""

    stage: str
    reason: str
    turns: tuple[SlimTurn, ...] = ()


class SlimReview(Struct, frozen=True):
    """What is read of a decision by hand."""

    verb: str


class SlimSample(Struct, frozen=True):
    """What a list and its filters need of a sample."""

    sample_id: str
    image: str
    response_type: str
    status: str
    turns: tuple[SlimTurn, ...] = ()
    stage: str | None = None
    reason: str | None = None
    cuts: tuple[SlimCut, ...] = ()
    review: SlimReview | None = None

    @property
    def cut_turns(self) -> tuple[SlimTurn, ...]:
        """Turns that were cut off."""
        return tuple(turn for cut in self.cuts for turn in cut.turns)

    @property
    def turn_counts(self) -> tuple[int, int, int]:
        """How many turns are kept, cut, and lost with the sample."""
        n, is_kept = len(self.turns), self.status == "accepted"
        return (n if is_kept else 0), len(self.cut_turns), (0 if is_kept else n)

    @property
    def p_value(self) -> float | None:
        """The share of correct turns that look as wrong as its worst turn; None where no turn was judged."""
        judged = [one.validation.p_value for one in self.turns if one.validation]
        return min((value for value in judged if value is not None), default=None)

    @property
    def doubt(self) -> float:
        """Its place in the order by doubt, the most doubtful lowest: judged ones by p-value, others by their claims."""
        if self.p_value is not None:
            return self.p_value
        if not self.turns:
            return 3.0  # nothing in it can be doubted
        verdicts = [claim.verdict for turn in self.turns for claim in turn.claims]
        weight = sum({"contradicted": 1.0, "unknown": 0.5}.get(verdict, 0.0) for verdict in verdicts)
        return 2.0 - weight / max(1, len(verdicts))

    def labels(self) -> Iterator[Label]:
        """Everything it can be filtered by, cut turns too; a label may come twice."""
        yield "type", self.response_type
        yield "status", self.status
        yield "review", self.review.verb if self.review else "none"
        if self.stage:
            yield "reason", f"{self.stage}: {self.reason}"
        for cut in self.cuts:
            yield "cut", f"{cut.stage}: {cut.reason}"
        yield "turns", "lost" if self.status == "rejected" else "cut short" if self.cuts else "all kept"
        for turn in (*self.turns, *self.cut_turns):
            if turn.validation and turn.validation.verdict:
                yield "pixels", turn.validation.verdict
            for claim in turn.claims:
                yield "category", claim.category
                yield "claims", claim.verdict.replace("_", " ")

    def text(self) -> str:
        """What a search looks into."""
        turns = (*self.turns, *self.cut_turns)
        said = (" ".join(text.split()) for turn in turns for text in (turn.question, turn.answer))
        return "\n".join((self.sample_id, self.image, *said))[:200_000].casefold()


_BLOCK = 16_000_000


class ChangedError(Exception):
    """The file is no longer the one that was indexed."""


class Wanted(Struct, frozen=True):
    """What is asked of the index.

    Attributes:
        labels: All must be there.
        most_p: P-value above which samples are left out, and those that were not judged; None takes all.
        text: What id, file name, a question or an answer must hold, case aside.
        by_doubt: In the order of doubt, not of the corpus.
    """

    labels: tuple[Label, ...] = ()
    most_p: float | None = None
    text: str = ""
    by_doubt: bool = False


def stamp_of(path: Path) -> tuple[int, int] | None:
    """What changes when a file is written anew; None without it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


class SampleIndex:
    """The samples of one ``samples.jsonl``.

    Args:
        path: The file; it is read once, and single lines of it later.

    Attributes:
        stamp: Of the file as it was read.
        close: Gives the temporary file back; else that happens when the index is no longer held.

    Raises:
        RunError: It cannot be read, or a line is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stamp = stamp_of(path)
        self._decoder = msgspec.json.Decoder(SlimSample)
        self._ids: dict[Label, int] = {}
        self._by_id = DigestMap()
        self._texts = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the index)
        self.close = weakref.finalize(self, self._texts.close)
        self._changed: dict[int, SlimSample] = {}
        starts, text_starts, offsets = array("q", [0]), array("q", [0]), array("q", [0])
        labels, doubts, p_values, turns = array("l"), array("d"), array("d"), array("i")
        for sample, length in self._lines():
            self._by_id.put(sample.sample_id, len(starts) - 1)
            starts.append(starts[-1] + length)
            text_starts.append(text_starts[-1] + self._texts.write(sample.text().encode("utf-8", "replace") + b"\0"))
            labels.extend(self._numbers(sample.labels()))
            offsets.append(len(labels))
            doubts.append(sample.doubt)
            p_values.append(_number(sample.p_value))
            turns.extend(sample.turn_counts)
        self._texts.flush()
        self._starts, self._text_starts, self._offsets = (np.array(of) for of in (starts, text_starts, offsets))
        self._labels, self._doubts, self._p_values = np.array(labels, np.int32), np.array(doubts), np.array(p_values)
        self._turns = np.array(turns, np.int32).reshape(-1, 3)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def _lines(self) -> Iterator[tuple[SlimSample, int]]:
        n_read = 0
        try:
            with self.path.open("rb") as file:
                for line in file:
                    yield self._decoder.decode(line), len(line)
                    n_read += 1
        except OSError as error:
            raise RunError(f"{self.path}: cannot be read ({error.strerror or error}).") from None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            told = f"line {n_read + 1} is damaged ({error}); start the run's command again to write it anew"
            raise RunError(f"{self.path}: {told}.") from None

    def _numbers(self, labels: Iterable[Label]) -> list[int]:
        return [self._ids.setdefault(label, len(self._ids)) for label in dict.fromkeys(labels)]

    def change(self, number: int, sample: SlimSample) -> None:
        """Take a sample to be another than its line says, as it was decided on since."""
        self._changed[number] = sample
        self._numbers(sample.labels())
        self._doubts[number], self._p_values[number] = sample.doubt, _number(sample.p_value)
        self._turns[number] = sample.turn_counts

    def number_of(self, sample_id: str) -> int | None:
        """Find a sample's place in corpus order."""
        return self._by_id.get(sample_id)

    def lines(self, numbers: Iterable[int]) -> list[bytes]:
        """Read the lines of some samples.

        Raises:
            ChangedError: The file was written anew.
        """
        try:
            with self.path.open("rb") as file:
                read = []
                for number in numbers:
                    file.seek(int(self._starts[number]))
                    read.append(file.read(int(self._starts[number + 1] - self._starts[number])))
        except OSError:
            raise ChangedError from None
        if stamp_of(self.path) != self.stamp:
            raise ChangedError
        return read

    def samples(self, numbers: Iterable[int]) -> list[SlimSample]:
        """Read some samples for a list, as they are decided today.

        Raises:
            ChangedError: The file was written anew.
        """
        wanted = list(numbers)
        lines = self.lines(wanted)
        return [self._changed.get(n) or self._decoder.decode(line) for n, line in zip(wanted, lines, strict=True)]

    def turn_counts(self) -> dict[str, int]:
        """How many turns were kept, cut, and lost with rejected samples."""
        return dict(zip(("kept", "cut", "rejected"), self._turns.sum(axis=0).tolist(), strict=True))

    def counts(self) -> dict[str, dict[str, int]]:
        """How many samples carry each label, by kind, the commonest first."""
        by_number: Counter[int] = Counter(dict(enumerate(np.bincount(self._labels, minlength=len(self._ids)).tolist())))
        for number, sample in self._changed.items():
            by_number.subtract(self._stored_labels(number))
            by_number.update(self._numbers(sample.labels()))
        counted: dict[str, dict[str, int]] = {}
        for (kind, value), number in sorted(self._ids.items(), key=lambda item: (-by_number[item[1]], item[0])):
            if by_number[number]:
                counted.setdefault(kind, {})[value] = by_number[number]
        return counted

    def _stored_labels(self, number: int) -> list[int]:
        stored: list[int] = self._labels[self._offsets[number] : self._offsets[number + 1]].tolist()
        return stored

    def find(self, wanted: Wanted) -> np.ndarray:
        """Numbers of the samples that are wanted, of shape (found,), in the order that is wanted."""
        keep = np.ones(len(self), bool)
        for label in wanted.labels:
            keep &= self._carries(label)
        if wanted.most_p is not None:
            with np.errstate(invalid="ignore"):
                keep &= self._p_values <= wanted.most_p
        if wanted.text.strip():
            keep &= self._says(" ".join(wanted.text.split()).casefold(), keep)
        found = np.flatnonzero(keep)
        return found[np.argsort(self._doubts[found], kind="stable")] if wanted.by_doubt else found

    def _carries(self, label: Label) -> np.ndarray:
        carries = np.zeros(len(self), bool)
        number = self._ids.get(label)
        if number is None:
            return carries
        places = np.flatnonzero(self._labels == number)
        carries[np.searchsorted(self._offsets, places, side="right") - 1] = True
        for at, sample in self._changed.items():
            carries[at] = label in sample.labels()
        return carries

    def _says(self, text: str, among: np.ndarray) -> np.ndarray:
        says = np.zeros(len(self), bool)
        needle = text.encode("utf-8", "replace")
        first = 0
        while first < len(self):
            last = int(np.searchsorted(self._text_starts, self._text_starts[first] + _BLOCK, side="right")) - 1
            last = max(first + 1, last)
            if among[first:last].any():
                self._search_block(needle, first, last, says)
            first = last
        for at, sample in self._changed.items():
            says[at] = text in sample.text()
        return says

    def _search_block(self, needle: bytes, first: int, last: int, says: np.ndarray) -> None:
        starts = (self._text_starts[first : last + 1] - self._text_starts[first]).tolist()
        self._texts.seek(int(self._text_starts[first]))
        block = self._texts.read(starts[-1])
        at = block.find(needle)
        while at >= 0:
            within = bisect_right(starts, at) - 1
            says[first + within] = True
            at = block.find(needle, starts[within + 1])


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
