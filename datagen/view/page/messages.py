"""The messages between page and browser; decisions that come in are checked here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec
from msgspec import Struct

from datagen.errors import RunError
from datagen.export import llava_record, record_fault
from datagen.records import Sample
from datagen.view.page.index import SlimReview, SlimSample

MAX_ROWS = 100
"""Rows of a list that are sent at once."""
MAX_TURNS, MAX_CHARACTERS = 100, 20_000
"""Of a correction."""
PICTURE_SIZES = {"small": 112, "large": 1280}
"""Longer side of a picture, in pixels, as rows and cards show it."""


class ListRow(Struct, frozen=True):
    """A sample in a list; ``n_cut`` of its turns were cut off."""

    sample_id: str
    image: str
    response_type: str
    status: str
    why: str
    review: str
    p_value: float | None
    question: str
    n_turns: int
    n_cut: int


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
    rows: tuple[ListRow, ...]


class Shown(Struct, frozen=True):
    """One sample to look at and to decide on.

    Attributes:
        card: As HTML; every foreign string in it is escaped.
        turns: Questions and answers as they stand.
        turns_digest: Of those that the pipeline gave; a decision names it.
        is_stale: A decision was made on other turns than it has now.
    """

    row: ListRow
    card: str
    turns: tuple[tuple[str, str], ...]
    turns_digest: str
    is_stale: bool


class SentDecision(Struct, frozen=True, forbid_unknown_fields=True):
    """A decision as a browser sends it."""

    sample_id: str
    verb: Literal["accept", "reject", "correct", "undo"]
    turns_digest: str
    turns: tuple[tuple[str, str], ...] = ()
    note: str = ""


def slim_of(sample: Sample, is_stale: bool) -> SlimSample:
    """What the list needs of a sample; a decision that is not obeyed shows as stale."""
    slim = msgspec.json.decode(msgspec.json.encode(sample), type=SlimSample)
    return msgspec.structs.replace(slim, review=SlimReview("stale")) if is_stale else slim


def row_of(sample: SlimSample) -> ListRow:
    """A sample as the list shows it."""
    why = f"{sample.stage}: {sample.reason}" if sample.stage else ""
    question = sample.turns[0].question if sample.turns else ""
    return ListRow(
        sample.sample_id, sample.image, sample.response_type, sample.status, why,
        sample.review.verb if sample.review else "", sample.p_value, question[:200],
        len(sample.turns), len(sample.cut_turns),
    )  # fmt: skip


def require_turns(turns: Iterable[tuple[str, str]]) -> None:
    """Refuse a correction with gaps, or of a size that nobody writes by hand.

    Raises:
        RunError: In a sentence.
    """
    held = tuple(turns)
    if not held or not all(question and answer for question, answer in held):
        raise RunError("Each question needs an answer, and each answer a question; nothing was stored.")
    if len(held) > MAX_TURNS or any(len(text) > MAX_CHARACTERS for turn in held for text in turn):
        raise RunError(f"More than {MAX_TURNS} turns, or {MAX_CHARACTERS:,} characters in one; nothing was stored.")


def require_trainable(sample: Sample) -> None:
    """Refuse to accept what no export would write.

    Raises:
        RunError: In a sentence.
    """
    if not sample.turns:
        raise RunError("This sample has no turns to accept; write some by correcting it.")
    fault = record_fault(llava_record(sample, 0))
    if fault is not None:
        raise RunError(f"No trainer would take it: {fault.detail}. Correct it instead.")
