"""What of a corpus is still to be asked, cut into parts: each is looked at when a worker is free for it, not before."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from msgspec import Struct

from datagen.engines.inputs import Inputs
from datagen.engines.ray.shard import Shard
from datagen.engines.watermark import Watermark, is_for_good
from datagen.pipeline import Planned, plan_samples
from datagen.store import ReplyStore

PARTS_PER_WORKER = 4  # so that a slow or lost one costs little
IMAGES_PER_PART = 500  # at most


class Part(Struct, frozen=True):
    """A shard before it is handed out.

    Attributes:
        number: From 1.
        places: Of its images in the corpus.
        settled: Digests of requests whose replies are stored.
        n_samples: To be worked on.
    """

    number: int
    places: tuple[int, ...]
    settled: frozenset[str]
    n_samples: int


class Parts:
    """The parts of a run that hold something to ask, in order; an iterator.

    What the watermark knows to be settled is left out unseen. Of the rest a part's requests are planned here only
    where some reply is stored, and only when the part comes: so a start need not plan everything before it asks.

    Args:
        inputs: The run's.
        replies: What is stored.
        watermark: How far the plan is settled; moves on as parts are done.
        n_workers: Parts at work at once.

    Attributes:
        n_found: Samples that were found settled on the way.
    """

    def __init__(self, inputs: Inputs, replies: ReplyStore, watermark: Watermark, n_workers: int) -> None:
        self._inputs, self._replies, self.watermark = inputs, replies, watermark
        self.n_found = 0
        n_types, n_images = len(inputs.recipes), len(inputs.corpus.images)
        first = watermark.n_passed // n_types
        left = sorted({place for number in watermark.left if (place := number // n_types) < first})
        self._places = np.concatenate([np.array(left, np.int64), np.arange(first, n_images)])
        n_parts = max(PARTS_PER_WORKER * n_workers, math.ceil(len(self._places) / IMAGES_PER_PART))
        self._parts = self._cut(inputs.settings.ray.shards or n_parts)

    def __iter__(self) -> Iterator[Part]:
        return self

    def __next__(self) -> Part:
        return next(self._parts)

    def shard(self, part: Part) -> Shard:
        """What a worker needs of a part."""
        images = [self._inputs.corpus.images[place] for place in part.places]
        found = ((image.image_id, self._inputs.pictures.check(image)) for image in images)
        faults = {image_id: fault for image_id, fault in found if fault is not None}
        return Shard(part.number, images, faults, part.settled)

    def done(self, part: Part, left: Iterable[int]) -> None:
        """Hear that a part's replies are stored.

        Args:
            part: Which one.
            left: Of its samples those that the next start should look at again, counted within the part.
        """
        again = set(left)
        for offset, number in enumerate(self._numbers(part.places)):
            self.watermark.pass_by(number, is_left=offset in again)
        self.watermark.keep_if_due()

    def _cut(self, n_parts: int) -> Iterator[Part]:
        n_parts = min(len(self._places), n_parts)
        for number, places in enumerate(np.array_split(self._places, n_parts) if n_parts else (), start=1):
            part = self._look_at(number, tuple(places.tolist()))
            if part is not None:
                yield part

    def _look_at(self, number: int, places: tuple[int, ...]) -> Part | None:
        """Leave out what is stored; None where nothing is to be asked."""
        n_samples = len(places) * len(self._inputs.recipes)
        if not self._replies.n_stored:
            return Part(number, places, frozenset(), n_samples)
        planned = list(self._planned(places))
        asked = [item.request.digest for item in planned if item.request is not None]
        settled = frozenset(digest for digest in asked if self._replies.is_settled(digest))
        is_done = len(settled) == len(asked)
        for n, item in zip(self._numbers(places), planned, strict=True):
            is_found = is_done if item.request is None else item.request.digest in settled
            self.n_found += is_found and not self.watermark.is_settled(n)
            if is_done:
                self.watermark.pass_by(n, is_left=not is_for_good(item))
        return None if is_done else Part(number, places, settled, n_samples - len(settled))

    def _planned(self, places: tuple[int, ...]) -> Iterator[Planned]:
        inputs = self._inputs
        images = (inputs.corpus.images[place] for place in places)
        return plan_samples(images, inputs.recipes, inputs.settings, inputs.pictures.check)

    def _numbers(self, places: tuple[int, ...]) -> Iterator[int]:
        """Where the samples of some images stand in the plan."""
        n_types = len(self._inputs.recipes)
        return (place * n_types + n for place in places for n in range(n_types))
