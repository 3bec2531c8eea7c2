"""Imports a LLaVA dataset made elsewhere: its records become stored replies of a run."""

from __future__ import annotations

from pathlib import Path

from datagen.corpus.llava_dataset import Dataset, digest_record, read_records
from datagen.engines.progress import Progress, ended
from datagen.recipes import IMPORTED
from datagen.records import Reply
from datagen.store import ReplyStore


def take_in(dataset: Dataset, path: Path, replies: ReplyStore, progress: Progress) -> None:
    """Store every record that is not stored yet, in the order of the file.

    Args:
        dataset: The index of the file.
        path: The file itself, read once more for the texts.
        replies: Where they go.
        progress: Hears of every record.

    Raises:
        CorpusError: The file was changed or damaged since it was indexed.
        RunError: The disk is full or gone.
    """
    images = dataset.corpus.images
    wanted = {
        record.digest: images[record.image].image_id if record.image >= 0 else ""
        for record in dataset.records
        if not replies.is_settled(record.digest)
    }
    if not wanted:
        return
    progress.begin("taking in the dataset", len(wanted))
    with ended(progress):
        for _, content in read_records(path):
            digest = digest_record(content)
            image_id = wanted.pop(digest, None)
            if image_id is None:
                continue
            replies.add(Reply(digest, image_id, IMPORTED.name, IMPORTED.name, content))
            progress.step()
    replies.log.sync()
