"""Finds a checkpoint (folder, short name or hub id), checks its files and takes their digest; no weights are loaded."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled
from safetensors import SafetensorError, safe_open

from datagen.config import ValidatorSettings
from datagen.errors import ValidatorError
from datagen.validator.catalogue import CATALOGUE, find_listed

_FETCHED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")


def find_folder(settings: ValidatorSettings) -> Path:
    """Turn a short name, path or hub id into a folder; files of the hub are fetched into the shared cache."""
    listed = find_listed(settings.name)
    name = listed.hub_id if listed else settings.name
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise ValidatorError(f"{name}: expected a checkpoint folder, found a file; name the folder that holds it.")
    if not re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name):
        near = difflib.get_close_matches(name, [listed.name for listed in CATALOGUE], n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ValidatorError(
            f"{name}: no such checkpoint folder; {hint}give a folder, a hub id such as owner/model, "
            "or a name that 'datagen models' lists."
        )
    patterns = [*_FETCHED, *(["*.py"] if settings.trust_remote_code else [])]
    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, HFValidationError, OSError) as error:
        raise ValidatorError(
            f"{name}: neither a folder here nor to be had from the hub ({first_line(error)}); check the name, "
            "the network and, for a gated model, HF_TOKEN; or download it and give its folder."
        ) from None


def cached_folder(hub_id: str) -> Path | None:
    """Where a model of the hub already lies on this machine with weights, or None; asks no network."""
    try:
        folder = Path(huggingface_hub.snapshot_download(hub_id, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        return None
    return folder if _weight_files(folder) else None


def read_config(folder: Path) -> dict[str, Any]:
    """Read config.json.

    Raises:
        ValidatorError: It is missing or damaged.
    """
    if not (folder / "config.json").exists():
        raise ValidatorError(f"{folder}: holds no config.json; give the folder of a checkpoint.")
    return _read_json(folder / "config.json")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ValidatorError(f"{path}: cannot be read ({first_line(error)}); download it again.") from None
    if not isinstance(tree, dict):
        raise ValidatorError(f"{path}: expected a mapping, found {type(tree).__name__}; download it again.")
    return tree


def check_weights(folder: Path) -> None:
    """Find missing, pickled and damaged weight files, each with its own sentence."""
    files = _weight_files(folder)
    if not files:
        pickled = [*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")]
        if pickled:
            raise ValidatorError(
                f"{folder}: its weights are pickles ({pickled[0].name}), which can run code when opened; "
                "use a checkpoint with .safetensors files."
            )
        raise ValidatorError(f"{folder}: holds no .safetensors weights; download the checkpoint again.")
    index = folder / "model.safetensors.index.json"
    if index.exists():
        weight_map = _read_json(index).get("weight_map")
        if not isinstance(weight_map, dict):
            raise ValidatorError(f"{index}: holds no 'weight_map'; download it again.")
        listed = {str(name) for name in weight_map.values()}
        missing = sorted(listed - {file.name for file in files})
        if missing:
            raise ValidatorError(f"{folder}: {missing[0]} is missing ({len(missing)} files); download it again.")
    for file in files:
        try:
            with safe_open(file, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise ValidatorError(
                f"{file}: truncated or damaged ({first_line(error)}); delete it and download it again."
            ) from None


def _weight_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def digest_files(folder: Path) -> str:
    """Digest over settings files and samples of the weights, 16 hex digits.

    Weight files up to 64 MiB are read whole. Of larger ones 16,384 blocks of 4 KiB are read, evenly
    spread: a 5 GB file takes a fraction of a second instead of ten, and no change that spans 300 KB
    goes unseen.
    """
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.json"), *folder.glob("*.jinja"), *folder.glob("*.model")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    n_blocks, block_bytes = 16_384, 4096  # together 64 MiB
    for path in _weight_files(folder):
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\0".encode())
        step = max(block_bytes, size // n_blocks)
        with path.open("rb") as file:
            for start in range(0, size, step):
                file.seek(start)
                digest.update(file.read(block_bytes))
    return digest.hexdigest()[:16]


def first_line(error: Exception) -> str:
    """The first line of a foreign error, fit to stand in brackets in ours."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".:")
