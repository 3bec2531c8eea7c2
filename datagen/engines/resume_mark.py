"""The resume mark: how far the plan of a run is settled, so that a resume need not plan everything again.

Planning a request renders its context and takes a digest: 0.1 ms, or minutes of a run of a million before the first
request goes out. What is kept here only spares that work; whether a reply is there, the replies alone say.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from datagen.store import ReplyStore, fingerprint, load_cache, save_cache

if TYPE_CHECKING:
    from datagen.pipeline import Planned

MAX_WAITING = 16_384
"""Items behind one that is slow to be answered; it is then listed as left, so that the mark moves on."""
MAX_LEFT = 1 << 18
"""Items left behind, at some 60 bytes each; beyond these the mark stands still."""
KEPT_EVERY_S = 1.0
MIN_KEPT = 256
"""Items whose planning is not worth a file: it takes some 30 ms."""
N_TRIED = 32
"""Items planned again, from all over what is said to be settled, before it is believed."""


def is_for_good(item: Planned) -> bool:
    """Whether an item that has no request, or whose reply is stored, will never be asked; a picture may be mended."""
    return item.drop is None or item.drop.reason == "nothing_annotated"


class _MarkHead(Struct):
    """What the file says besides the items left.

    Attributes:
        plan: Digest of all that decides the plan.
        n_passed: See ``Watermark``.
        end: Bytes of ``replies.jsonl`` when this was so; all of them were on disk.
        replies: Fingerprint of these bytes.
    """

    plan: str
    n_passed: int
    end: int
    replies: str


class Watermark:
    """The longest beginning of a plan of which every item is settled, but for a few that are listed.

    Settled is what has a final reply, and what has nothing to ask and never will while the plan stays the same.

    Args:
        replies: What is stored.
        path: Where the mark is kept.
        plan: Digest of all that decides the plan; a mark of another plan is passed over.

    Attributes:
        n_passed: Items of that beginning.
        left: Numbers of those among them that are not settled: refused but worth another try, or without a picture
            that can be used, or slow to be answered.
    """

    def __init__(self, replies: ReplyStore, path: Path, plan: str) -> None:
        self.n_passed = 0
        self.left: set[int] = set()
        self._replies, self._path, self._plan = replies, path, plan
        self._beyond: dict[int, bool] = {}  # what is known of items from the mark on: whether they will be left
        self._waiting: tuple[_MarkHead, list[int]] | None = None
        self._kept_at = time.monotonic()

    @property
    def n_settled(self) -> int:
        """How many items are known to be settled."""
        return self.n_passed - len(self.left)

    def is_settled(self, number: int) -> bool:
        """Whether an item is known to be settled."""
        return number < self.n_passed and number not in self.left

    def load(self, planned_at: Callable[[int], Planned]) -> None:
        """Take up what an earlier start kept, where it is of this plan and these replies.

        Args:
            planned_at: Plans one item by its number; raises IndexError where there is none.
        """
        found = load_cache(self._path, _MarkHead)
        if found is None:
            return
        head, arrays = found
        if head.plan != self._plan or fingerprint(self._replies.log.path, head.end) != head.replies:
            return
        left = {number for array in arrays for number in array.tolist()}
        for number in np.linspace(0, head.n_passed - 1, min(N_TRIED, head.n_passed)).astype(int).tolist():
            try:
                request = planned_at(number).request
            except IndexError:
                return
            if number not in left and request is not None and not self._replies.is_settled(request.digest):
                return
        self.n_passed, self.left = head.n_passed, left

    def pass_by(self, number: int, *, is_left: bool = False) -> None:
        """Hear what became of an item: it is settled, or left.

        Args:
            number: Its place in the plan. A settled one has its reply stored, if it has a request.
            is_left: It is to be looked at again by the next start.
        """
        if number < self.n_passed:
            if not is_left:
                self.left.discard(number)
            return
        if len(self._beyond) > 2 * MAX_WAITING:  # the mark stands still
            return
        self._beyond[number] = is_left
        while self._beyond and len(self.left) < MAX_LEFT:
            is_stuck = self.n_passed not in self._beyond
            if is_stuck and len(self._beyond) <= MAX_WAITING:
                break
            if is_stuck or self._beyond.pop(self.n_passed):
                self.left.add(self.n_passed)
            self.n_passed += 1

    def keep_if_due(self) -> None:
        """Write the mark now and then: as it stood when the replies that it speaks of were not yet on disk."""
        now = time.monotonic()
        if now - self._kept_at < KEPT_EVERY_S:
            return
        if self._waiting is None:
            self._waiting = self._snapshot()
        elif self._replies.log.n_synced >= self._waiting[0].end:
            self._write(*self._waiting)
            self._waiting, self._kept_at = None, now

    def keep(self) -> None:
        """Write the mark; every reply is on disk."""
        self._replies.log.sync()
        self._write(*self._snapshot())

    def forget(self) -> None:
        """Have the next start plan everything again."""
        self._path.unlink(missing_ok=True)

    def _snapshot(self) -> tuple[_MarkHead, list[int]]:
        return _MarkHead(self._plan, self.n_passed, self._replies.log.end, ""), list(self.left)

    def _write(self, head: _MarkHead, left: list[int]) -> None:
        if head.n_passed < MIN_KEPT:
            return
        head.replies = fingerprint(self._replies.log.path, head.end) or ""
        save_cache(self._path, head, [np.array(left, np.uint32)])
