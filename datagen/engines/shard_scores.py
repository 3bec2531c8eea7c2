"""What a shard's validator did beside its scores, so that a merge gives verdicts without model or pictures."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from datagen.errors import RunError
from datagen.validator import Fault, Look, score_key
from datagen.validator.protocol import Abilities, Item, LoadPicture

if TYPE_CHECKING:
    from datagen.engines.planted_trials import Examiner
    from datagen.engines.score_run import Judge
    from datagen.records import Score


class NotedFault(Struct, frozen=True):
    """What could not be scored.

    Attributes:
        picture: File name.
        key: Of the score that it stands for; None when the whole picture is at fault.
        reason: See ``Fault``.
        detail: See ``Fault``.
    """

    picture: str
    key: str | None
    reason: str
    detail: str


class Examined(Struct, frozen=True):
    """What one shard's validator did.

    Attributes:
        identity: The validator's.
        abilities: The validator's.
        chosen: Digest over the images that errors are planted on, in the whole corpus.
        others: Of the shard's own among these, by image id: the other picture that answers were held against.
        faults: What could not be scored.
    """

    identity: str
    abilities: Abilities
    chosen: str
    others: dict[str, str | None]
    faults: tuple[NotedFault, ...]


def examined_by(judge: Judge, examiner: Examiner) -> Examined:
    """Note what was done."""
    identity = judge.validator.identity
    faults = tuple(
        NotedFault(
            one.picture,
            None if one.item is None else _item_key(identity, one.picture, one.item),
            one.reason,
            one.detail,
        )
        for one in judge.faults
    )
    return Examined(identity, judge.validator.abilities, examiner.chosen, examiner.others, faults)


class RecordedValidator:
    """Stands for the validator of finished shards: it knows what they could not score, and looks at nothing.

    Args:
        examined: What each shard noted; at least one.
    """

    n_readers = 0

    def __init__(self, examined: Sequence[Examined]) -> None:
        self.identity, self.abilities = examined[0].identity, examined[0].abilities
        self.others = {name: other for one in examined for name, other in one.others.items()}
        self._faults = {(fault.picture, fault.key): fault for one in examined for fault in one.faults}

    def look_over(self, names: Sequence[str], load_picture: LoadPicture) -> None:
        """Any picture will do."""

    def score(
        self, looks: Sequence[Look], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | Fault]:
        """Give the faults of what has no score.

        Raises:
            RunError: Something has neither.
        """
        for look in looks:
            for item in look.items:
                if score_key(self.identity, look, item) not in known:
                    yield self._fault(look.picture, item)

    def _fault(self, picture: str, item: Item) -> Fault:
        whole = self._faults.get((picture, None))
        if whole is not None:
            return Fault(picture, whole.reason, whole.detail)
        noted = self._faults.get((picture, _item_key(self.identity, picture, item)))
        if noted is None:
            told = f"no shard has the score of '{item.question}' about {picture}"
            raise RunError(f"{told}; a scores.jsonl was damaged, so start the shards' commands again.")
        return Fault(picture, noted.reason, noted.detail, item)


def _item_key(identity: str, picture: str, item: Item) -> str:
    return score_key(identity, Look(picture, ()), item)
