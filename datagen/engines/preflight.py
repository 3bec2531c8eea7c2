"""Checks before a run is paid for: folder, corpus, changed settings, price, key, endpoint, and then the first request.

A corpus of a hundred thousand pictures takes minutes to look at; a missing key is told before that. A list of models is
no proof of key and model: many servers show it to anyone, or under other names than they answer to. A tiny request of
its own would prove it, but is paid for and thrown away. So the first request that the run needs is asked before the
rest of its pictures is opened, and its reply is stored as any other: nothing extra is paid.

Settings that would rewrite or shrink what the folder holds are refused. Forgetting ``--teacher`` would turn a paid run
into a template run, ``--limit 3`` one of thousands of images into one of three. More images, more response types, and
all that only says where things are or how hard to ask, take nothing away and need no leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain, islice
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec.structs import replace

from datagen.config import (
    ENDPOINT,
    IMPORTED,
    PLUGGED,
    JudgeSettings,
    Settings,
    TeacherSettings,
    ValidatorSettings,
    load_settings,
    settings_table,
    validator_names,
)
from datagen.corpus import PLACES, identity_in
from datagen.endpoint.loop_thread import run_to_end
from datagen.endpoint.prices import price_of
from datagen.engines.extra_samples import mend_extras
from datagen.engines.inputs import WHERE_AND_HOW, Inputs
from datagen.engines.progress import Pulse, ended
from datagen.engines.show_pictures import showing
from datagen.errors import RunError, SettingsError, TeacherError, visible
from datagen.masking import without_path_keys
from datagen.recipes import Recipe, shares_of
from datagen.records import Reply, Usage
from datagen.settings_table import name_for_user
from datagen.store import ReplyStore, RunFolder, stored_replies
from datagen.store.fact_sizes import require_facts
from datagen.store.folder import require_room, translated_errors
from datagen.store.shards import shard_folders
from datagen.teacher import PaidError, open_teacher
from datagen.yaml_text import decode_yaml

if TYPE_CHECKING:
    from datagen.engines.inputs import Inputs


def require_ready(inputs: Inputs, *, may_ask: bool = True, may_change: bool = False) -> None:
    """Refuse at once what would be refused later, as far as this needs neither annotations nor pictures.

    Whether a folder that holds answers needs more of them is not known yet: it is finished without a network, too, so
    its endpoint is not tried.

    Args:
        inputs: Of the run or shard, whose folder is locked.
        may_ask: False judges what is stored and sends nothing.
        may_change: The folder's dataset may be rewritten or shrink.

    Raises:
        DatagenError: As one sentence.
    """
    refuse_another_corpus(inputs)
    require_facts(inputs.folder, inputs.progress.note, may_lose=may_change, are_paid=asks_endpoint(inputs))
    manifest = read_manifest(inputs.folder)
    mend_extras(inputs.folder, manifest, inputs.progress.note, may_lose=may_change)
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
    """Try the teacher's price, key and address, the key for embeddings, and the addresses of served validators."""
    settings, budget = inputs.settings, inputs.ledger.budget
    teacher, embeddings = settings.teacher, settings.dedup.embeddings
    asks = asks_endpoint(inputs)
    if teacher.prices is not None:
        price_of(teacher.name, teacher)  # a table that is none is told before any answer is
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
        _require_judge(settings, settings.checks.judge)
    for name in validator_names(settings.validator.name):
        if name.startswith(ENDPOINT):
            run_to_end(_require_served(replace(settings.validator, name=name)))


def _require_judge(settings: Settings, judge: JudgeSettings) -> None:
    if judge.is_bundled:
        from datagen.engines.entail_sentences import open_model, why_unread

        if why_unread(settings) is None:
            open_model()
        return
    from datagen.endpoint.first_contact import require_key
    from datagen.engines.ask_judge import judge_target

    run_to_end(require_key(judge_target(settings, judge)))


async def _require_served(validator: ValidatorSettings) -> None:
    from datagen.endpoint.first_contact import require_contact
    from datagen.validator.models.served import target_of

    await require_contact(target_of(validator))


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


def asks_endpoint(inputs: Inputs) -> bool:
    """Whether the replies come from an endpoint."""
    name = inputs.settings.teacher.name
    return inputs.plugs.teacher is None and name not in ("template", IMPORTED) and not name.startswith(PLUGGED)


def ask_first(inputs: Inputs) -> None:
    """Ask for the first reply of a run that has none, and store it; opens pictures up to the first sound one.

    Where a request is given up, the next is asked, so that one that a server cannot bear stops no run.

    A batch may be answered a day later, so none is made for this; ``preflight`` has batches listed instead.

    Raises:
        RunError: The disk is full.
        TeacherError: No request can succeed; nothing is left behind but what was billed.
        BudgetError: The budget does not bear one request.
    """
    settings, folder = inputs.settings, inputs.folder
    if not asks_endpoint(inputs) or settings.teacher.batch or _has_asked(folder):
        return
    requests = (item.request for item in inputs.planned() if item.request is not None)
    first = next(requests, None)
    if first is None:
        return
    require_room(folder.path)
    inputs.ledger.begin(0.0)
    teacher = showing(open_teacher(settings, inputs.ledger.budget), settings)
    if isinstance(inputs.progress, Pulse):
        inputs.progress.watch(teacher)
    replies: list[Reply] = []

    async def ask() -> None:
        try:
            for request in chain([first], requests):
                replies.append(await teacher.answer(request))
                if replies[-1].error != "gave_up":  # else another one may pass; the endpoint is given up after a few
                    return
        except PaidError as error:
            replies.append(error.reply)
            raise
        finally:
            await teacher.close()

    def keep() -> None:
        with translated_errors(folder.path):
            folder.path.mkdir(parents=True, exist_ok=True)  # removed meanwhile: the reply is paid for
        inputs.write_manifest()  # a folder with replies and no settings would be no run
        with closing(ReplyStore(folder.replies)) as store:
            for reply in replies:
                store.add(reply)

    inputs.progress.begin("asking for the first reply", 1)
    with ended(inputs.progress):
        try:
            run_to_end(ask())
        except TeacherError:
            if any(reply.usage != Usage() for reply in replies):
                keep()
            raise
        keep()
        inputs.answered_now.add(replies[-1].request_digest)
        inputs.progress.step(replies[-1].cost_usd)


def _has_asked(folder: RunFolder) -> bool:
    return any(path.is_file() and path.stat().st_size for path in (folder.replies, folder.batches))


MAX_TOLD = 60
"""Characters of a value that are shown."""


class Change(NamedTuple):
    """A setting that is another than the one the run was made with."""

    setting: str
    before: Any
    now: Any


def changes(before: Settings, now: Settings) -> Iterator[Change]:
    """List what would rewrite or shrink a dataset, in the order in which settings are declared."""
    table = settings_table()
    for name in table.rows:
        if name in WHERE_AND_HOW:
            continue
        change = Change(name, _value(before, name), _value(now, name))
        if name in table.groups:  # one that may be left out: what it holds is compared when both have it
            if (change.before is None) != (change.now is None):
                yield change
        elif _parent(before, name) is not None and _parent(now, name) is not None and not _is_harmless(change):
            yield change


def _parent(settings: Settings, name: str) -> Any:
    return _value(settings, name.rpartition(".")[0])


def _value(settings: Settings, name: str) -> Any:
    value: Any = settings
    for part in filter(None, name.split(".")):
        value = None if value is None else getattr(value, part)
    return value


def _is_harmless(change: Change) -> bool:
    name, before, now = change
    if name == "corpus.limit":
        return now is None or (before is not None and now >= before)
    if name == "repair":  # what fell before may come back
        return bool(now >= before)
    if name == "types":
        return set(before) <= set(now)
    if name == "mix":  # harmless where no type asks about fewer images
        shares = shares_of(now)
        return not now or (
            bool(before) and all(shares.get(of, 0.0) >= share for of, share in shares_of(before).items())
        )
    if name == "validator.name":  # a file holds no key that is a part of an address
        return without_path_keys(before) == without_path_keys(now)
    if name == "corpus.images":  # the folder may move
        return (before is None) == (now is None)
    if name.removeprefix("corpus.") in PLACES:
        return _file_names(before) == _file_names(now)
    return bool(before == now)


def _file_names(paths: Any) -> set[str]:
    """Names without folders: annotation files may move."""
    return {PurePath(path).name for path in ((paths,) if isinstance(paths, str) else paths or ())}


def refuse_changes(folder: RunFolder, now: Settings, recipes: Sequence[Recipe]) -> None:
    """Refuse settings that would rewrite or shrink what a folder holds.

    Args:
        folder: The run's, or a shard's.
        now: The settings of this start.
        recipes: Of these settings.

    Raises:
        RunError: Names each setting, what it was and what it would be, one a line.
    """
    if not holds_answers(folder):
        return
    manifest = read_manifest(folder)
    try:
        before = load_settings(None, settings_table().known(manifest["settings"]))
    except (KeyError, TypeError, AttributeError, SettingsError):
        return  # damaged; it is written anew
    found = [*changes(before, now), *_other_recipes(manifest, before, now, recipes)]
    if not found:
        return
    names = [name_for_user(change.setting) for change in found]
    width = max(map(len, names))
    lines = [
        f"    {name:{width}}  {_told(change.before, change.setting)} → {_told(change.now, change.setting)}"
        for name, change in zip(names, found, strict=True)
    ]
    path = folder.path
    raise RunError(
        "\n".join(
            [
                f"{path}: was made with other settings, and these would rewrite or shrink its dataset:",
                *lines,
                f"Go on with the run's own settings by 'datagen resume {path}', choose another --out, or say --change "
                "where this is meant.",
            ]
        )
    )


def _other_recipes(
    manifest: Mapping[str, Any], before: Settings, now: Settings, recipes: Sequence[Recipe]
) -> Iterator[Change]:
    """Another folder of recipes whose prompts are others; prompts edited in place are meant."""
    digests = manifest.get("recipes")
    if before.recipes_dir == now.recipes_dir or not isinstance(digests, dict):
        return
    if any(digests.get(recipe.name, recipe.digest) != recipe.digest for recipe in recipes):
        yield Change("recipes_dir", before.recipes_dir, now.recipes_dir)


def read_manifest(folder: RunFolder) -> dict[str, Any]:
    """The content of ``run.yaml``; nothing where it is not there or damaged."""
    try:
        manifest = decode_yaml(folder.settings.read_bytes())
    except (msgspec.MsgspecError, OSError, UnicodeDecodeError, RecursionError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def holds_answers(folder: RunFolder) -> bool:
    """Whether a folder holds what would be lost from a dataset: a finished one, or answers.

    One alone, which proved the endpoint before the pictures were opened, is no dataset yet.
    """
    answers = (reply for reply in stored_replies(folder) if reply.error is None)
    return folder.summary.is_file() or len(list(islice(answers, 2))) > 1


def _told(value: Any, setting: str) -> str:
    if value is None:
        return "all" if setting == "corpus.limit" else "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        value = ",".join(map(str, value)) or "none"
    if isinstance(value, Mapping):  # as the option takes it
        told = (f"{name}={one:g}" if isinstance(one, float) else f"{name}={one}" for name, one in value.items())
        value = ",".join(told) or "none"
    if isinstance(value, msgspec.Struct):  # embeddings have a model; tables of words are too long to show
        value = getattr(value, "model", "other tables")
    text = visible(str(value))
    if len(text) <= MAX_TOLD:
        return text
    return f"…{text[1 - MAX_TOLD :]}" if "/" in text else f"{text[: MAX_TOLD - 1]}…"  # of a path the end tells more
