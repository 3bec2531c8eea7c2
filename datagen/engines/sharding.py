"""A run in several shards, and the merge that makes of them what one run would have made.

A shard does everything that needs no other shard: it asks, parses, checks, reads claims, and scores all that might
be accepted, some of which the merge finds to be copies. The merge lays the stored facts together and goes over the
candidates of all shards in corpus order. It needs no teacher, and a validator only for what could not be scored.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import chain
from pathlib import Path

import msgspec

from datagen.config import Settings
from datagen.dedup import FindVector
from datagen.engines.embedding import QuestionVectors
from datagen.engines.finishing import Outcome, finish
from datagen.engines.gathering import OpenTeacher, gathered
from datagen.engines.inputs import Inputs
from datagen.engines.judging import Examiner, Judge, score_samples
from datagen.engines.local import prepare, validator_for
from datagen.engines.progress import Progress, ended
from datagen.errors import RunError
from datagen.records import Reply, Sample
from datagen.store import ReplyStore, RunFolder, ScoreStore, read_facts, write_whole
from datagen.store.keyed import read_scores
from datagen.store.shards import Shard, ShardRecord, read_candidates, read_record
from datagen.summary import Tally
from datagen.teacher import open_teacher
from datagen.validator import Validator

FACTS = ("replies", "scores", "vectors")
"""Fact files that a merge lays together."""


def run_shard(
    settings: Settings,
    shard: Shard,
    out: Path,
    progress: Progress,
    *,
    open_teacher: OpenTeacher = open_teacher,
    validator: Validator | None = None,
) -> Tally:
    """Take one shard as far as it can go alone; a second call resumes it.

    Args:
        settings: The run's, the same for every shard.
        shard: Which one.
        out: The run's folder; the shard gets its own inside.
        progress: Hears how far it is.
        open_teacher: Who writes the replies.
        validator: Scores them; None opens the one that the settings name.

    Returns:
        The tally of its candidates.

    Raises:
        DatagenError: Any failure that is not one record's, as one sentence.
    """
    folder = shard.folder_in(out)
    inputs = Inputs(settings, folder, progress, shard)
    validator = validator or validator_for(inputs)
    with folder.locked():
        folder.shard.unlink(missing_ok=True)
        prepare(inputs, validator)
        tally = Tally()
        with gathered(inputs, open_teacher=open_teacher) as facts:
            encoder = msgspec.json.Encoder()
            with write_whole(folder.candidates) as file:
                file.writelines(encoder.encode(one) + b"\n" for one in tally.watch(inputs.candidates(facts.replies)))
        if validator is not None:
            _score(inputs, validator)
        record = ShardRecord(str(shard), inputs.digest, len(inputs.corpus.images), inputs.n_samples, tally.n_accepted)
        with write_whole(folder.shard) as file:
            file.write(msgspec.json.encode(record) + b"\n")
    return tally


def _score(inputs: Inputs, validator: Validator) -> None:
    """Score every candidate: which of them are copies of others is not known before the merge."""
    progress = inputs.progress
    with closing(ScoreStore(inputs.folder.scores)) as scores:
        progress.begin("looking at the pictures", inputs.n_samples)
        with ended(progress):
            examiner = Examiner(inputs.corpus, inputs.pictures.check, validator, inputs.settings)
            candidates = read_candidates(inputs.folder)
            judge = Judge(validator, scores)
            deque(score_samples(candidates, judge, inputs.pictures.read, examiner, progress), maxlen=0)


def merge_shards(settings: Settings, folders: Sequence[RunFolder], out: Path, progress: Progress) -> Outcome:
    """Make one finished run of all shards, the same bytes as those of a run that was never split.

    Args:
        settings: The run's.
        folders: Of the shards, in any order.
        out: The run's folder.
        progress: Hears how far it is.

    Raises:
        RunError: A shard is missing, unfinished, twice there, or of another run.
        DatagenError: Any other failure that is not one record's, as one sentence.
    """
    in_order = _in_order(folders)
    folder = RunFolder(out)
    inputs = Inputs(settings, folder, progress)
    for shard in in_order:
        record = read_record(shard)
        if record is None or record.digest != inputs.digest:
            raise RunError(f"{shard.path}: was made of another corpus, recipe or setting; start its command again.")
    validator = validator_for(inputs)
    with folder.locked(), ExitStack() as lent:
        for shard in in_order:
            lent.enter_context(shard.locked())
        inputs.write_manifest()
        _lay_together(in_order, folder, progress)

        def candidates() -> Iterator[Sample]:
            return chain.from_iterable(map(read_candidates, in_order))

        asked = settings.dedup.embeddings
        find_vector: FindVector | None = None
        if asked is not None:
            vectors = lent.enter_context(closing(QuestionVectors(asked, folder.vectors)))
            vectors.fetch(candidates(), progress, may_ask=True)
            find_vector = vectors.find
        return finish(inputs, validator, candidates, find_vector)


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


def _lay_together(shards: Sequence[RunFolder], folder: RunFolder, progress: Progress) -> None:
    """Bring every shard's facts into the run's files; what the run has already is left as it is."""
    progress.begin("laying the shards together", len(FACTS) * len(shards))
    with ended(progress):
        for name in FACTS:
            target: Path = getattr(folder, name)
            sources = [path for shard in shards if (path := getattr(shard, name)).exists()]
            if not target.exists() or not target.stat().st_size:
                _copy(sources, target)
            elif name == "replies":
                _add_replies(sources, target)
            elif name == "scores":
                _add_scores(sources, target)
            for _ in shards:
                progress.step()


def _copy(sources: Iterable[Path], target: Path) -> None:
    with write_whole(target) as file:
        for source in sources:
            with source.open("rb") as read:
                shutil.copyfileobj(read, file, 1 << 20)


def _add_replies(sources: Iterable[Path], target: Path) -> None:
    with closing(ReplyStore(target)) as replies:
        for _, reply in chain.from_iterable(read_facts(source, Reply) for source in sources):
            if reply is not None and not replies.is_settled(reply.request_digest):
                replies.add(reply)


def _add_scores(sources: Iterable[Path], target: Path) -> None:
    with closing(ScoreStore(target)) as scores:
        for score in chain.from_iterable(map(read_scores, sources)):
            if score.key not in scores:
                scores.add(score)
