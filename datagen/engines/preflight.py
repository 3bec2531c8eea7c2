"""Cheap checks before anything is opened or paid for: the folder, its corpus, changed settings, price, key, endpoint.

A corpus of a hundred thousand pictures takes minutes to look at; a missing key is told before that.
"""

from __future__ import annotations

from collections.abc import Callable

from datagen.config import TeacherSettings
from datagen.corpus import identity_in
from datagen.endpoint.loop_thread import run_to_end
from datagen.engines.changed_settings import holds_answers, read_manifest, refuse_changes
from datagen.engines.first_request import asks_endpoint
from datagen.engines.inputs import Inputs
from datagen.errors import RunError, visible
from datagen.store.shards import shard_folders


def require_ready(inputs: Inputs, *, may_ask: bool = True, may_change: bool = False) -> None:
    """Refuse at once what would be refused later, as far as this needs neither annotations nor pictures.

    Whether a folder that holds answers needs more of them is not known yet: it is finished without a network, too, so
    its endpoint is not tried.

    Args:
        inputs: Of the run or shard, whose folder is locked.
        may_ask: False judges what is stored and sends nothing.
        may_change: Settings may rewrite or shrink what the folder holds.

    Raises:
        DatagenError: As one sentence.
    """
    refuse_another_corpus(inputs)
    if not may_ask:
        return
    if not may_change:
        refuse_changes(inputs.folder, inputs.settings, inputs.recipes)
    if not holds_answers(inputs.folder):
        _require_endpoints(inputs)


def refuse_another_corpus(inputs: Inputs) -> None:
    """Keep one folder for one corpus: its files may move, but not give way to others.

    Raises:
        RunError: It is of another corpus, or holds shards that were not merged.
    """
    path = inputs.folder.path
    if not inputs.folder.settings.is_file():
        if inputs.shard is None and not inputs.is_merge and shard_folders(path):
            raise RunError(f"{path}: holds the shards of a run; put them together with 'datagen merge' first.")
        return
    before, now = set(identity_in(read_manifest(inputs.folder))), set(inputs.source.identity())
    if before and now.isdisjoint(before):
        told = f"holds a run on {', '.join(sorted(before))}, not on {', '.join(sorted(now))}"
        raise RunError(f"{path}: {told}; choose another --out.")


def _require_endpoints(inputs: Inputs) -> None:
    """Try the teacher's price, key and address, and the key for embeddings."""
    settings, budget = inputs.settings, inputs.ledger.budget
    teacher, embeddings = settings.teacher, settings.dedup.embeddings
    asks = asks_endpoint(inputs)
    if asks and budget is not None:
        from datagen.endpoint.budget import Account

        Account(budget, teacher.name, teacher)
    if asks:
        run_to_end(_require_contact(teacher, inputs.progress.note))
    if embeddings is not None:
        from datagen.endpoint.first_contact import require_key
        from datagen.engines.question_vectors import embedding_target

        run_to_end(require_key(embedding_target(embeddings)))
    if settings.checks.judge is not None:
        from datagen.endpoint.first_contact import require_key
        from datagen.engines.ask_judge import judge_target

        run_to_end(require_key(judge_target(settings, settings.checks.judge)))


async def _require_contact(teacher: TeacherSettings, note: Callable[[str], None]) -> None:
    """Ask for the list of models; for batches, of which nothing is heard for a day, for theirs as well."""
    from datagen.endpoint.first_contact import require_contact
    from datagen.teacher.chat import target_of

    listed = await require_contact(target_of(teacher))
    if not teacher.batch:
        return
    if listed and teacher.name not in listed:  # some answer to names that they do not list
        few = visible(", ".join(listed[:5])) + ", ..." * (len(listed) > 5)
        note(f"The endpoint lists no model '{teacher.name}', but {few}; if it is none of its names, stop here.")
    from datagen.teacher.batch import BatchTeacher

    client = BatchTeacher(teacher, set())
    try:
        await client.require()
    finally:
        await client.close()
