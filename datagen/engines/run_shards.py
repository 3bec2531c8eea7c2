"""Runs a corpus in shards, and merges them into what one run would have made.

A shard does everything that needs no other shard: it asks, parses, checks, reads claims, and scores all that might
be accepted, some of which the merge finds to be copies. The merge lays the stored facts together and goes over the
candidates of all shards in corpus order. It needs neither teacher nor model nor pictures.

``shard.json`` says what a shard's validator did beside its scores, so that a merge gives verdicts without model or
pictures.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Container, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec import Struct

from datagen.config import Settings
from datagen.dedup import FindVector
from datagen.endpoint.prices import spent_on
from datagen.engines.chunks import derive_all
from datagen.engines.finish_run import Outcome, finish
from datagen.engines.gather_facts import OpenTeacher, gathered
from datagen.engines.inputs import MAY_DIFFER, Inputs, common_settings
from datagen.engines.local import Here, prepare, validators_for
from datagen.engines.planted_errors import Examiner
from datagen.engines.plugs import NO_PLUGS, Plugs
from datagen.engines.preflight import asks_endpoint, refuse_another_corpus, require_ready
from datagen.engines.progress import Progress, beating, ended
from datagen.engines.question_vectors import QuestionVectors
from datagen.engines.repair_rounds import require_whole
from datagen.engines.score_run import Judge, score_samples
from datagen.errors import RunError
from datagen.records import Sample
from datagen.store import RunFolder, ScoreStore, stored_replies, write_whole
from datagen.store.fact_sizes import require_facts
from datagen.store.shards import Shard, ShardRecord, note_merged, read_candidates, read_record, told_differences
from datagen.summary import Tally
from datagen.teacher import open_teacher
from datagen.validator import Fault, Look, score_key
from datagen.validator.protocol import Abilities, Item, LoadPicture

if TYPE_CHECKING:
    from datagen.engines.planted_errors import Examiner
    from datagen.engines.seat import Seat
    from datagen.records import Score
    from datagen.validator import Validator


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


def examined_by(seat: Seat, examiner: Examiner) -> Examined:
    """Note what was done."""
    identity = seat.validator.identity
    faults = tuple(
        NotedFault(
            one.picture,
            None if one.item is None else _item_key(identity, one.picture, one.item),
            one.reason,
            one.detail,
        )
        for one in seat.faults
    )
    return Examined(identity, seat.validator.abilities, examiner.chosen, examiner.others, faults)


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


FACTS = ("replies", "scores", "vectors", "costs")
"""Fact files that a merge lays together."""


def run_shard(
    settings: Settings,
    shard: Shard,
    out: Path,
    progress: Progress,
    *,
    may_change: bool = False,
    open_teacher: OpenTeacher = open_teacher,
    plugs: Plugs = NO_PLUGS,
) -> Tally:
    """Take one shard as far as it can go alone; a second call resumes it.

    Args:
        settings: The run's, the same for every shard.
        shard: Which one.
        out: The run's folder; the shard gets its own inside.
        progress: Hears how far it is.
        may_change: Settings may rewrite or shrink what the shard holds.
        open_teacher: Who writes the replies.
        plugs: Python objects that take the place of what settings name.

    Returns:
        The tally of its candidates.

    Raises:
        DatagenError: Any failure that is not one record's, as one sentence.
    """
    shard.require_one_machine(settings)
    require_whole(settings)
    run, folder = RunFolder(out), shard.folder_in(out)
    if run.settings.exists() and not run.merged.exists():
        raise RunError(f"{out}: holds a run that was not split; choose another --out.")
    inputs = Inputs(settings, folder, progress, shard, plugs=plugs)
    with folder.locked(), closing(inputs.ledger):
        require_ready(inputs, may_change=may_change)
        with beating(folder, progress, has_plugs=plugs != NO_PLUGS) as inputs.progress:
            return _make_shard(inputs, shard, open_teacher, validators_for(inputs))


def _make_shard(inputs: Inputs, shard: Shard, open_teacher: OpenTeacher, validators: Sequence[Validator]) -> Tally:
    folder, tally = inputs.folder, Tally()
    folder.shard.unlink(missing_ok=True)
    prepare(inputs, validators)
    with Here().open_pool(inputs) as pool, gathered(inputs, pool, open_teacher=open_teacher) as facts:
        digest = _write_candidates(folder, tally.watch(derive_all(inputs, facts.replies.get, pool)))
    examined = msgspec.to_builtins(_score(inputs, validators, digest)) if validators else None
    if examined is not None and len(examined) == 1:  # as it was written when a run had one validator
        (examined,) = examined
    n_images, n_samples = len(inputs.corpus.images), inputs.n_samples
    record = ShardRecord(str(shard), inputs.common(), n_images, n_samples, tally.n_accepted, digest, examined)
    with write_whole(folder.shard) as file:
        file.write(msgspec.json.encode(record) + b"\n")
    return tally


def _write_candidates(folder: RunFolder, samples: Iterator[Sample]) -> str:
    """Write every sample as it stands before it is compared with all others; give the file's digest."""
    encoder, digest = msgspec.json.Encoder(), hashlib.blake2b(digest_size=16)
    with write_whole(folder.candidates) as file:
        for sample in samples:
            line = encoder.encode(sample) + b"\n"
            digest.update(line)
            file.write(line)
    return digest.hexdigest()


def _score(inputs: Inputs, validators: Sequence[Validator], digest: str) -> list[Examined]:
    """Score every candidate: which of them are copies of others is not known before the merge."""
    progress = inputs.progress
    with closing(ScoreStore(inputs.folder.scores)) as scores:
        progress.begin("looking at the pictures", inputs.n_samples)
        with ended(progress):
            examiner = Examiner(inputs.corpus, inputs.pictures.check, validators, inputs.settings)
            candidates = read_candidates(inputs.folder, digest)
            judge = Judge(validators, scores, inputs.settings.validator)
            deque(score_samples(candidates, judge, inputs.pictures.read, examiner, progress), maxlen=0)
    return [examined_by(seat, examiner) for seat in judge.seats]


def merge_shards(
    settings: Settings, folders: Sequence[RunFolder], out: Path, progress: Progress, *, plugs: Plugs = NO_PLUGS
) -> Outcome:
    """Make one finished run of all shards, the same bytes as those of a run that was never split.

    Args:
        settings: The run's.
        folders: Of the shards, in any order.
        out: The run's folder.
        progress: Hears how far it is.
        plugs: Python objects that take the place of what settings name; of these only the source is used.

    Raises:
        RunError: A shard is missing, unfinished, twice there, or of another run.
        DatagenError: Any other failure that is not one record's, as one sentence.
    """
    in_order = _in_order(folders)
    records = [record for shard in in_order if (record := read_record(shard)) is not None]
    folder = RunFolder(out)
    if folder.settings.exists() and not folder.merged.exists():
        raise RunError(f"{out}: holds a run that was not split; choose another folder to merge into.")
    inputs = Inputs(settings, folder, progress, is_merge=True, plugs=plugs)
    refuse_another_corpus(inputs)
    for shard in in_order:
        require_facts(shard, progress.note, may_lose=False, are_paid=asks_endpoint(inputs))
    _require_same(inputs, records)
    validators = _recorded(records)
    with (
        folder.locked(),
        beating(folder, progress, has_plugs=plugs != NO_PLUGS) as inputs.progress,
        ExitStack() as lent,
    ):
        for shard in in_order:
            lent.enter_context(shard.held_for_reading())
        folder.summary.unlink(missing_ok=True)  # until it is there again, the run is not finished
        note_merged(folder, in_order)
        inputs.write_manifest()
        _join_facts(in_order, folder, inputs.progress)

        def candidates() -> Iterator[Sample]:
            digests = [record.candidates for record in records]
            return chain.from_iterable(map(read_candidates, in_order, digests))

        lent.callback(inputs.ledger.close)  # a judge over text sees the whole set, so it is asked here
        if inputs.ledger.budget is not None:
            inputs.ledger.begin(spent_on(stored_replies(folder), settings.teacher))
        asked = settings.dedup.embeddings
        find_vector: FindVector | None = None
        if asked is not None:
            vectors = lent.enter_context(closing(QuestionVectors(asked, folder.vectors)))
            vectors.fetch(candidates(), inputs.progress, may_ask=False)
            find_vector = vectors.find
        return finish(inputs, validators, candidates, find_vector, validators[0].others if validators else None)


def _require_same(inputs: Inputs, records: Sequence[ShardRecord]) -> None:
    # What the datagen that made a shard did not know, or left open, stood at today's default.
    defaults = common_settings(Settings())
    known = [
        {**defaults, **{key: one for key, one in record.common.items() if one is not None and key not in MAY_DIFFER}}
        for record in records
    ]
    first = records[0]
    for record, common in zip(records[1:], known[1:], strict=True):
        told = told_differences(known[0], common)
        if told:
            alike = f"shards {first.shard} and {record.shard} were not made alike: {told}"
            raise RunError(f"{alike}; start one of them again with the settings of the other.")
    told = told_differences(known[0], inputs.common())
    if told:
        raise RunError(f"the shards were made with something else than is found here: {told}; start them again.")


def _recorded(records: Sequence[ShardRecord]) -> tuple[RecordedValidator, ...]:
    """The validators of finished shards, in the order of the settings."""
    examined = [
        msgspec.convert(one.examined if isinstance(one.examined, list) else [one.examined], list[Examined])
        for one in records
        if one.examined is not None
    ]
    for every, record in zip(examined, records, strict=False):
        for what, of in (("weights or precision of the validator", "identity"), ("pictures", "chosen")):
            if [getattr(one, of) for one in every] != [getattr(one, of) for one in examined[0]]:
                told = f"shards {records[0].shard} and {record.shard} saw different {what}"
                raise RunError(f"{told}; every machine needs the same, and the whole image folder.")
    return tuple(map(RecordedValidator, zip(*examined, strict=True)))


def _in_order(folders: Sequence[RunFolder]) -> list[RunFolder]:
    """Put shards in order, and see that all are there and finished."""
    by_number: dict[int, RunFolder] = {}
    count = 0
    for folder in folders:
        record = read_record(folder)
        if record is None:
            raise RunError(f"{folder.path}: this shard is not finished; start its command again.")
        shard = Shard.parse(record.shard)
        if count not in (0, shard.count):
            raise RunError(f"{folder.path}: is shard {shard}, but others are of {count}; merge shards of one run.")
        if shard.number in by_number:
            raise RunError(f"{folder.path}: is shard {shard}, and so is {by_number[shard.number].path}; name one.")
        count = shard.count
        by_number[shard.number] = folder
    missing = [f"{number}/{count}" for number in range(1, count + 1) if number not in by_number]
    if missing or not count:
        told = f"shards {', '.join(missing[:20])} are missing" if count else "there is no shard to merge"
        raise RunError(f"{told}; make them with 'datagen run --shard K/N'.")
    return [by_number[number] for number in sorted(by_number)]


def _join_facts(shards: Sequence[RunFolder], folder: RunFolder, progress: Progress) -> None:
    """Join every shard's facts; what the run's folder has alone, such as another validator's scores, stays."""
    progress.begin("joining the facts", len(FACTS))
    with ended(progress):
        for name in FACTS:
            sources = [path for shard in shards if (path := getattr(shard, name)).exists()]
            if sources:
                _join(sources, getattr(folder, name))
            progress.step()


def _join(sources: Sequence[Path], target: Path) -> None:
    with write_whole(target) as file:
        if target.exists():
            known = np.sort(np.fromiter((_digest(line) for source in sources for line in _lines(source)), np.uint64))
            for line in _lines(target):
                place = int(known.searchsorted(np.uint64(_digest(line))))
                if place == len(known) or int(known[place]) != _digest(line):
                    file.write(line)  # before the shards' own: the later of two facts about the same thing counts
        for source in sources:
            file.writelines(_lines(source))


def _lines(path: Path) -> Iterator[bytes]:
    """Read whole lines; a torn last one is none."""
    with path.open("rb") as file:
        yield from (line for line in file if line.endswith(b"\n"))


def _digest(line: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(line, digest_size=8).digest(), "big")
