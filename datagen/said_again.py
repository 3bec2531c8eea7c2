"""Trust in a run folder, maybe a stranger's: alone it may not run code, send pictures or keys, or write elsewhere.

Its ``run.yaml`` is read by ``resume``, ``validate``, ``view`` and ``merge``. Whatever of it is dangerous has no effect
before it is said again, on the command line or in the call.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from datagen.errors import SettingsError
from datagen.masking import MASK

ENTAILMENT = "entailment"
"""Name of the judge over text that datagen brings along, which sends nothing."""
HUB_ID = "hf:"
"""How the name of a data set on the Hugging Face hub begins, ``hf:OWNER/NAME``."""


class Danger(NamedTuple):
    """A setting that must be said again.

    Attributes:
        setting: Its dotted name.
        value: What the run folder says.
        does: What it would do, as the end of a sentence.
    """

    setting: str
    value: object
    does: str


def require_said(
    dangers: Iterable[Danger], said: Collection[str], place: str, name_for_user: Callable[[str], str]
) -> None:
    """Refuse what a run folder says and nobody else did.

    Args:
        dangers: In the settings, as what was said is laid over what the folder says.
        said: Dotted names of the settings that the user gave, or of their groups.
        place: The file that the rest comes from.
        name_for_user: What one types to give a setting.

    Raises:
        SettingsError: Names each setting, and what to type where it is meant.
    """
    found = [one for one in dict.fromkeys(dangers) if not _is_said(one.setting, said)]
    if not found:
        return
    typed = [_typed(one, name_for_user(one.setting)) for one in found]
    width = max(map(len, typed))
    lines = [f"    {text:{width}}  {one.does}" for text, one in zip(typed, found, strict=True)]
    told = f"{place}: a run folder may be somebody else's, and this is for you to decide; say again what is meant:"
    raise SettingsError("\n".join([told, *lines]))


def _is_said(setting: str, said: Collection[str]) -> bool:
    return any(setting == name or setting.startswith(f"{name}.") for name in said)


def _typed(danger: Danger, name: str) -> str:
    if danger.value is True and not name.startswith("--set "):
        return name
    return f"{name}{'=' if name.startswith('--set ') else ' '}{danger.value}"


def dangers_in(settings: Mapping[str, Any], *, asks: bool = True, is_merge: bool = False) -> Iterator[Danger]:
    """What of a run's settings only the user may decide.

    Args:
        settings: As plain values, nested.
        asks: The teacher, a judge and embeddings are asked, too.
        is_merge: Shards are put together, for which neither teacher nor validator is asked.
    """
    if settings["results"] is not None:
        yield Danger("results", settings["results"], "copies the finished files there")
    if settings["engine"] == "ray" and settings["ray"]["address"] is not None:
        yield Danger("ray.address", settings["ray"]["address"], "lets that cluster run code as you")
    corpus = settings.get("corpus") or {}
    images, path = corpus.get("images") or "", corpus.get("path") or ""
    if not is_merge and path.startswith(HUB_ID):
        yield Danger("corpus.path", path, "has this machine fetch that data set from the hub")
    if not is_merge and ("://" in images or images.startswith(HUB_ID)) and images != path and not is_here(images):
        yield Danger("corpus.images", images, "has this machine fetch pictures from there")
    if not is_merge:
        yield from dangers_of_validator(settings["validator"])
    if not asks:
        return
    teacher, judge = settings["teacher"], settings["checks"]["judge"]
    embeddings = settings["dedup"]["embeddings"]
    if not is_merge and teacher["name"] not in ("template", "imported") and not teacher["name"].startswith("python:"):
        yield from _sends("teacher", teacher["base_url"], teacher["api_key_env"], is_shown=teacher["show_images"])
    if judge is not None and not (judge["model"] == ENTAILMENT and judge["base_url"] is None):
        for name in ("base_url", "api_key_env"):
            of = "teacher" if judge[name] is None else "checks.judge"
            both = {one: judge[one] or teacher[one] for one in ("base_url", "api_key_env")}
            yield from (one for one in _sends(of, **both) if one.setting == f"{of}.{name}")
    if embeddings is not None:
        yield from _sends("dedup.embeddings", embeddings["base_url"], embeddings["api_key_env"])


def dangers_of_validator(validator: Mapping[str, Any]) -> Iterator[Danger]:
    """Code of a checkpoint, and for a served one the pictures and the key.

    Args:
        validator: Its settings, as plain values.
    """
    if validator["trust_remote_code"]:
        yield Danger("validator.trust_remote_code", True, "runs the Python code that comes with a checkpoint")
    for name in map(str.strip, validator["name"].split(",")):
        if not name.startswith("endpoint:"):
            continue
        url, key = name.removeprefix("endpoint:"), validator["api_key_env"]
        for one in _sends("validator", url, key, "VALIDATOR_API_KEY", is_shown=True):
            yield (
                one if one.setting.endswith("env") else one._replace(setting="validator.name", value=validator["name"])
            )


def _sends(
    group: str, base_url: str | None, api_key_env: str, usual: str = "OPENAI_API_KEY", *, is_shown: bool = False
) -> Iterator[Danger]:
    """What goes to an address: pictures go unasked to a server of this machine alone.

    A key goes unasked from its usual variable there, to OpenAI and to OPENAI_BASE_URL.
    """
    has_key = bool(os.environ.get(api_key_env, "").strip())
    is_away = base_url is not None and not is_here(base_url)
    gets_key = has_key and is_away
    sent = ["the pictures"] * (is_shown and is_away) + [f"what stands in {api_key_env}"] * gets_key
    if base_url is not None and MASK in base_url:
        yield Danger(f"{group}.base_url", base_url, "is without its key, which no file holds; give the whole address")
    elif base_url is not None and sent:
        yield Danger(f"{group}.base_url", base_url, f"is sent {' and '.join(sent)}")
    if has_key and api_key_env != usual:
        yield Danger(f"{group}.api_key_env", api_key_env, f"is sent to {base_url or 'the endpoint'}")


def is_here(base_url: str) -> bool:
    """Whether an address is one of this machine."""
    try:
        host = urlsplit(base_url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return False
