"""The rows of a COCO file's lists, decoded together, or one by one where one is faulty: a record costs itself alone."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from msgspec import Raw, Struct

from datagen.corpus.coco.boxes import BrokenRow, Id, InstanceRow
from datagen.corpus.images import id_text
from datagen.errors import CorpusError
from datagen.records import Finding

RowT = TypeVar("RowT", bound=Struct)
MAX_TOLD = 10_000
"""Faulty rows of a list that are told one by one; of more of them a file is something else."""


class RowMarks(Struct):
    """The keys that tell one kind of annotation from another, and whose it is."""

    caption: Raw = Raw()
    category_id: Raw = Raw()
    segments_info: Raw = Raw()
    id: Any = None
    image_id: Any = None


class Sink(Protocol[RowT]):
    """What keeps rows."""

    def add(self, rows: list[RowT]) -> None:
        """Take rows."""
        ...


HINTS = {
    "bbox": "a COCO box is [x, y, width, height] in pixels",
    "image_id": "every annotation names its image by 'image_id'",
    "category_id": "every instance names its category by 'category_id'",
    "caption": "a caption is a text",
}


class RowReader(Generic[RowT]):
    """Decodes a list of one file, and keeps what is wrong with rows of it.

    Args:
        path: Of the file.
        key: Of the list, such as ``"annotations"``.
        row_type: Of its rows.
        sink: Takes them.

    Attributes:
        n_rows: Met so far.
        n_faulty: Of these, the ones that were left out.
        n_of_other_kind: Captions among instances, or instances among captions: no faults, but not read here.
        findings: About the faulty ones.
        lost: Of the faulty annotations those whose image is known: its id and the category's, None if that is not.
        broken: Rows that are no JSON, by their numbers; ``null`` comes in their place.
    """

    def __init__(self, path: Path, key: str, row_type: type[RowT], sink: Sink[RowT]) -> None:
        self.path, self.key = path, key
        self.n_rows = self.n_faulty = self.n_of_other_kind = 0
        self.findings: list[Finding] = []
        self.lost: list[tuple[Id, Id | None]] = []
        self.broken: Mapping[int, BrokenRow] = {}
        self._first = ""
        self._is_panoptic = False
        self._row_type, self._sink = row_type, sink
        self._decoder: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[row_type])  # type: ignore[valid-type]
        self._raws = msgspec.json.Decoder(list[Raw])

    def take(self, piece: bytes) -> None:
        """Take a piece of the list, as a JSON array.

        Raises:
            msgspec.DecodeError, UnicodeDecodeError, RecursionError: It is no JSON array.
        """
        try:
            rows: list[RowT] = self._decoder.decode(piece)
            self.n_rows += len(rows)
        except msgspec.ValidationError:
            rows = [row for raw in self._raws.decode(piece) if (row := self._take_one(raw)) is not None]
        self._sink.add(rows)

    def _take_one(self, raw: Raw) -> RowT | None:
        """Read one row; numbers in quotes and 3.0 for 3 are what they mean."""
        self.n_rows += 1
        if (broken := self.broken.get(self.n_rows - 1)) is not None:
            self._tell_broken(broken)
            return None
        try:
            row: RowT = msgspec.json.decode(raw, type=self._row_type, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if re.search(r"\$\.bbox`?$", str(error)) and (bare := _without_empty_box(raw)) is not None:
                return self._take_bare(bare)
            self._tell(raw, str(error))
            return None
        box = row.bbox if isinstance(row, InstanceRow) else None
        if box is not None and not all(map(math.isfinite, box)):
            odd = next(value for value in box if not math.isfinite(value))
            self._tell(raw, f"{'NaN' if math.isnan(odd) else odd} is no JSON number - at `$.bbox`")
            return None
        return row

    def _take_bare(self, bare: bytes) -> RowT | None:
        """Read a row whose box is ``[]``, as label tools write for none; its mask may give one."""
        self.n_rows -= 1
        return self._take_one(Raw(bare))

    def _tell(self, raw: Raw, message: str) -> None:
        try:
            marks = msgspec.json.decode(raw, type=RowMarks)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            marks = RowMarks()
        wanted, other = ("category_id", "caption") if self._row_type is InstanceRow else ("caption", "category_id")
        if self.key == "annotations" and bytes(getattr(marks, other)) and not bytes(getattr(marks, wanted)):
            self.n_of_other_kind += 1
            return
        self._is_panoptic |= bool(bytes(marks.segments_info))
        message = message.replace(" | null`", "`")
        told = told_fault(f"$.{self.key}[{self.n_rows - 1}]", message)
        self.n_faulty += 1
        self._first = self._first or told
        if self.key == "annotations" and isinstance(marks.image_id, int | str):
            self.lost.append((marks.image_id, _id_in(marks.category_id)))
        if len(self.findings) < MAX_TOLD:
            image_id = marks.image_id if self.key == "annotations" else marks.id
            known = id_text(image_id) if isinstance(image_id, int | str) else None
            named = (
                f"{self.path.name}: "
                if not isinstance(marks.id, int | str) or self.key != "annotations"
                else f"annotation {marks.id}: "
            )
            self.findings.append(Finding("record_unreadable", known, f"{named}{told}; left out"))

    def _tell_broken(self, row: BrokenRow) -> None:
        told = f"at $.{self.key}[{self.n_rows - 1}]: {row.told}"
        self.n_faulty += 1
        self._first = self._first or told
        if row.image_id is not None:
            self.lost.append((row.image_id, row.category_id))
        if len(self.findings) < MAX_TOLD:
            known = None if row.image_id is None else id_text(row.image_id)
            self.findings.append(Finding("record_unreadable", known, f"{self.path.name}: {told}; left out"))

    def require_some(self) -> None:
        """Refuse a list of which nothing could be read.

        Raises:
            CorpusError: It is something else.
        """
        if self._is_panoptic and self.n_faulty == self.n_rows:
            raise CorpusError(f"{self.path}: looks like a panoptic file. Give the instances file of the same images.")
        if self.n_rows and self.n_of_other_kind == self.n_rows:
            other = (
                "a captions file; give it to --captions"
                if self._row_type is InstanceRow
                else ("an instances file; give it to --instances")
            )
            raise CorpusError(f"{self.path}: looks like {other}.")
        if self.n_faulty and self.n_faulty + self.n_of_other_kind == self.n_rows:
            raise CorpusError(f"{self.path}: {self._first}.")

    @property
    def refusal(self) -> str | None:
        """Why a run should not go on with what is left; None where most rows could be read."""
        if 2 * self.n_faulty <= self.n_rows - self.n_of_other_kind:
            return None
        told = f"{self.n_faulty} of {self.n_rows} records in '{self.key}' cannot be read, such as"
        return f"{self.path}: {told} the one {self._first}. 'datagen lint' names them all."


def told_fault(place: str, message: str) -> str:
    """Say which value of a record is wrong, with what is expected.

    Args:
        place: Of the record in its file.
        message: The decoder's.
    """
    what, _, where = message.partition(" - at ")
    if what.startswith("Object "):  # "Object missing required field `caption`"
        what = what.removeprefix("Object ")
    key = re.search(r"field `(\w+)`", what) or re.search(r"\.(\w+)[^.]*$", where)
    hint = HINTS.get(key[1] if key else "", "correct the value, or leave the record out")
    at = f"{place}{where.strip('`').removeprefix('$')}"
    what = what if what.startswith(("NaN", "inf", "-inf")) else f"{what[:1].lower()}{what[1:]}"
    return f"at {at}: {what} ({hint})"


def _id_in(raw: Raw) -> Id | None:
    """The id that a value is; None for anything else."""
    try:
        return msgspec.json.decode(raw, type=int | str)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _without_empty_box(raw: Raw) -> bytes | None:
    """The row without its ``bbox``, if that is an empty list."""
    row = msgspec.json.decode(raw, type=dict[str, Raw])
    if bytes(row.pop("bbox", Raw())).translate(None, b" \t\r\n") != b"[]":
        return None
    return msgspec.json.encode(row)
