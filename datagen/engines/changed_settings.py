"""Settings of a new start held against those of the run folder: what would rewrite or shrink its dataset is refused.

Forgetting ``--teacher`` would turn a paid run into a template run, ``--limit 3`` one of thousands of images into one of
three. More images, more response types, and all that only says where things are or how hard to ask, take nothing away
and need no leave.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import PurePath
from typing import Any, NamedTuple

import msgspec

from datagen.config import Settings, load_settings, settings_table
from datagen.corpus import PLACES
from datagen.errors import RunError, SettingsError, visible
from datagen.option_table import name_for_user
from datagen.recipes import Recipe
from datagen.store import RunFolder, stored_replies

_ASKING = "api_key_env concurrency max_attempts price_in_usd_per_mtok rpm timeout_s tpm"
WHERE_AND_HOW = frozenset(
    "recipes_dir workers engine ray.address ray.workers ray.cpus_per_worker ray.validators ray.cpus_per_validator "
    "results max_failed max_unreadable teacher.base_url teacher.batch teacher.budget_usd teacher.max_wait_s "
    "teacher.prices teacher.price_cached_usd_per_mtok teacher.price_out_usd_per_mtok validator.device "
    "validator.batch_tokens validator.trust_remote_code validator.price_out_usd_per_mtok dedup.embeddings.base_url "
    "dedup.embeddings.batch_size checks.judge.base_url checks.judge.max_tokens "
    "checks.judge.price_out_usd_per_mtok".split()
) | {
    f"{group}.{name}"
    for group in ("teacher", "validator", "dedup.embeddings", "checks.judge")
    for name in _ASKING.split()
}
"""Settings that decide no sample: they say where things are, or how hard to ask. Recipes are compared by digests."""
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
    if name == "types":
        return set(before) <= set(now)
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
        manifest = msgspec.yaml.decode(folder.settings.read_bytes())
    except (msgspec.MsgspecError, OSError, UnicodeDecodeError):
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
    if isinstance(value, msgspec.Struct):  # embeddings have a model; tables of words are too long to show
        value = getattr(value, "model", "other tables")
    text = visible(str(value))
    if len(text) <= MAX_TOLD:
        return text
    return f"…{text[1 - MAX_TOLD :]}" if "/" in text else f"{text[: MAX_TOLD - 1]}…"  # of a path the end tells more
