"""Finds a checkpoint (folder, short name or hub id), checks its files and takes their digest; no weights are loaded.

``CATALOGUE`` has the short names of published models: where each comes from and how much memory it needs.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled
from msgspec import Struct
from safetensors import SafetensorError, safe_open

from datagen.config import ValidatorSettings, expanded
from datagen.errors import ValidatorError


class Listed(Struct, frozen=True):
    """One model that has a short name.

    Attributes:
        hub_id: Where its weights are.
        family: Name of a row of ``models.FAMILIES``.
        n_params: In thousand millions, of the whole model.
        n_quantisable: Of these, the linear layers of the language model: all that 8bit and 4bit make smaller.
        good_for: What it is asked, in a few words.
        revision: A commit that is known to load; None for the newest.
        pickle: Of a repository without safetensors, its weights, which are converted once with no code run.
    """

    name: str
    hub_id: str
    family: str
    n_params: float
    n_quantisable: float
    good_for: str
    revision: str | None = None
    pickle: str | None = None

    def weights_gb(self, precision: str) -> float | None:
        """Memory for the weights alone, in GB; None where the precision does not apply.

        Quantised layers take 1 byte, or 0.56 (4 bits and the scale of every 64 weights); the rest stays at 2.
        """
        if precision in _BYTES:
            return self.n_params * _BYTES[precision]
        if not self.n_quantisable:
            return None
        return self.n_quantisable * _QUANTISED_BYTES[precision] + 2 * (self.n_params - self.n_quantisable)


_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0}
_QUANTISED_BYTES = {"8bit": 1.0, "4bit": 0.5625}

_ANSWERS = "answers and claims"
_COMPARES = "how near answers and things named are; datagen find"
_DETECTS = "presence, count, place, relation and size of"
_SMALL = f"{_ANSWERS}, without a GPU"
_TODAYS = f"{_ANSWERS}, of today"

CATALOGUE: tuple[Listed, ...] = (
    Listed("llava-1.5-7b", "llava-hf/llava-1.5-7b-hf", "llava", 7.06, 6.48, _ANSWERS),
    Listed("llava-1.5-13b", "llava-hf/llava-1.5-13b-hf", "llava", 13.35, 12.69, _ANSWERS),
    Listed("llava-next-7b", "llava-hf/llava-v1.6-vicuna-7b-hf", "llava", 7.06, 6.48, f"{_ANSWERS}, small things"),
    Listed(
        "llava-next-mistral-7b", "llava-hf/llava-v1.6-mistral-7b-hf", "llava", 7.57, 6.98, f"{_ANSWERS}, small things"
    ),
    Listed("imp-v1-3b", "MILVLG/imp-v1-3b", "imp", 3.19, 2.52, f"{_ANSWERS}, on a small GPU"),
    Listed("qwen3-vl-2b", "Qwen/Qwen3-VL-2B-Instruct", "image-text", 2.13, 1.41, f"{_TODAYS}, on a small GPU"),
    Listed("qwen3-vl-4b", "Qwen/Qwen3-VL-4B-Instruct", "image-text", 4.44, 3.63, _TODAYS),
    Listed("qwen3-vl-8b", "Qwen/Qwen3-VL-8B-Instruct", "image-text", 8.77, 6.95, _TODAYS),
    Listed("qwen2.5-vl-7b", "Qwen/Qwen2.5-VL-7B-Instruct", "image-text", 8.29, 6.53, _ANSWERS),
    Listed("internvl3-2b", "OpenGVLab/InternVL3-2B-hf", "image-text", 1.85, 1.31, f"{_TODAYS}, on a small GPU"),
    Listed("internvl3-8b", "OpenGVLab/InternVL3-8B-hf", "image-text", 7.94, 6.53, _TODAYS),
    Listed("gemma-3-4b", "google/gemma-3-4b-it", "image-text", 4.30, 3.21, f"{_TODAYS} (gated: HF_TOKEN)"),
    Listed("gemma-3-12b", "google/gemma-3-12b-it", "image-text", 12.19, 10.76, f"{_TODAYS} (gated: HF_TOKEN)"),
    Listed("smolvlm2-500m", "HuggingFaceTB/SmolVLM2-500M-Video-Instruct", "image-text", 0.51, 0.31, _SMALL),
    Listed("smolvlm2-2.2b", "HuggingFaceTB/SmolVLM2-2.2B-Instruct", "image-text", 2.25, 1.61, f"{_ANSWERS}, small GPU"),
    Listed("clip-vit-b-32", "openai/clip-vit-base-patch32", "similarity", 0.15, 0.0, _COMPARES,
           "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268", "pytorch_model.bin"),
    Listed("clip-vit-l-14-336", "openai/clip-vit-large-patch14-336", "similarity", 0.43, 0.0, _COMPARES,
           "ce19dc912ca5cd21c8a653c79e251e808ccabcd1", "pytorch_model.bin"),
    Listed("siglip-b-224", "google/siglip-base-patch16-224", "similarity", 0.20, 0.0, _COMPARES),
    Listed("siglip-so400m-384", "google/siglip-so400m-patch14-384", "similarity", 0.88, 0.0, _COMPARES),
    Listed("siglip2-b-224", "google/siglip2-base-patch16-224", "similarity", 0.38, 0.0, _COMPARES),
    Listed("siglip2-so400m-384", "google/siglip2-so400m-patch14-384", "similarity", 1.14, 0.0, _COMPARES),
    Listed("siglip2-b-naflex", "google/siglip2-base-patch16-naflex", "similarity", 0.38, 0.0, _COMPARES),
    Listed("rt-detr-r50", "PekingU/rtdetr_r50vd", "detector", 0.04, 0.0, f"{_DETECTS} COCO's 80 things"),
    Listed("d-fine-x", "ustc-community/dfine-xlarge-coco", "detector", 0.06, 0.0, f"{_DETECTS} COCO's 80 things"),
    Listed("owlv2-base", "google/owlv2-base-patch16-ensemble", "detector", 0.16, 0.0,
           f"{_DETECTS} all (needs datagen[detectors])"),
    Listed("grounding-dino-tiny", "IDEA-Research/grounding-dino-tiny", "detector", 0.17, 0.0, f"{_DETECTS} all"),
)  # fmt: skip


def find_listed(name: str) -> Listed | None:
    """Find a model by its short name."""
    return next((listed for listed in CATALOGUE if listed.name == name), None)


_TWINS = {
    "llava_llama": "llava-hf/llava-1.5-7b-hf, llava-1.5-13b-hf or llava-v1.6-vicuna-7b-hf",
    "llava_mistral": "llava-hf/llava-v1.6-mistral-7b-hf",
    "llava_qwen": "llava-hf/llava-onevision-qwen2-7b-ov-hf",
    "internvl_chat": "OpenGVLab/InternVL3-8B-hf, or another whose name ends in -hf",
    "qwen": "Qwen/Qwen3-VL-8B-Instruct",
    "minicpmv": "Qwen/Qwen3-VL-8B-Instruct, or a MiniCPM-V in transformers' layout (4.6 and later)",
    "molmo": "allenai/Molmo2-8B in transformers' layout",
    "ovis": "one of AIDC-AI/Ovis2 whose name ends in -hf",
    "phi3_v": "Qwen/Qwen3-VL-4B-Instruct",
    "phi4mm": "Qwen/Qwen3-VL-4B-Instruct",
    "cogvlm": "zai-org/GLM-4.1V-9B-Thinking or Qwen/Qwen3-VL-8B-Instruct",
    "deepseek_vl_v2": "deepseek-community/deepseek-vl-7b-chat",
    "florence2": "florence-community/Florence-2-base or -large, which write captions for 'datagen annotate'",
}
"""Repositories in a layout of their own, by model_type, and what is the same or nearest in transformers' layout."""
HUB_TIMEOUT_S = 5.0
"""Until the hub counts as out of reach."""
_FETCHED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")


def find_folder(settings: ValidatorSettings) -> Path:
    """Turn a short name, path or hub id into a folder; files of the hub are fetched into the shared cache."""
    listed = find_listed(settings.name)
    name = listed.hub_id if listed else settings.name
    path = expanded(name)
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
    if listed is not None and listed.pickle is not None:
        patterns.append(listed.pickle)
    pinned: dict[str, Any] = {"revision": listed.revision} if listed and listed.revision else {}
    away = why_no_hub()
    try:
        folder = Path(
            huggingface_hub.snapshot_download(
                name, allow_patterns=patterns, local_files_only=away is not None, **pinned
            )
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, HFValidationError, OSError) as error:
        raise ValidatorError(
            f"{name}: neither a folder here nor to be had from the hub ({away or first_line(error)}); check the name, "
            "the network and, for a gated model, HF_TOKEN; or download it and give its folder."
        ) from None
    if listed is not None and listed.pickle is not None and not _weight_files(folder):
        convert_pickle(folder / listed.pickle)
    return folder


def why_no_hub() -> str | None:
    """Say why the hub cannot be reached; None where anything answers there.

    Its own client tries six times in 23 seconds, and prints a warning each time, before it looks at what is cached.
    """
    try:
        huggingface_hub.get_session().head(huggingface_hub.constants.ENDPOINT, timeout=HUB_TIMEOUT_S)
    except Exception as error:  # its client is another one in each version, with errors of its own
        return first_line(error)
    return None


def convert_pickle(path: Path) -> None:
    """Write weights that were published as a pickle beside it as safetensors; of the pickle no code is run.

    Raises:
        ValidatorError: It is damaged, holds more than tensors, or the folder cannot be written.
    """
    import torch
    from safetensors.torch import save_file

    finished = path.with_name("model.safetensors")
    unfinished = path.with_name(f".{finished.name}.{os.getpid()}")
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True, mmap=False)
        # Its own memory for each: some share theirs, which safetensors does not write.
        save_file({name: weight.contiguous().clone() for name, weight in weights.items()}, unfinished, {"format": "pt"})
        unfinished.replace(finished)
    except Exception as error:  # torch and pickle raise what they like for a damaged file
        unfinished.unlink(missing_ok=True)
        raise ValidatorError(
            f"{path}: cannot be converted to safetensors ({first_line(error)}); delete it and download it again."
        ) from None


def twin_of(model_type: str | None) -> str | None:
    """What to use instead of a checkpoint in a layout of its own."""
    return _TWINS.get(model_type or "")


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
        raise ValidatorError(f"{folder}: holds no config.json{_what_else(folder)}.")
    return _read_json(folder / "config.json")


def _what_else(folder: Path) -> str:
    """What a folder holds in the place of a checkpoint, and what to do with it."""
    for form, advice in _OTHER_FORMS.items():
        if (name := next((path.name for path in sorted(folder.glob(f"*{form}"))), None)) is not None:
            return f", but {name}; {advice}"
    return "; give the folder of a checkpoint"


_OTHER_FORMS = {
    ".gguf": "serve it, as by llama.cpp with its mmproj file, and give --validator endpoint:URL",
    ".onnx": "give the checkpoint that it was made from, in transformers' layout",
    ".pt": "give a checkpoint in transformers' layout, for a detector such as rt-detr-r50",
}
"""Suffixes of what other programs read."""


def _read_json(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ValidatorError(f"{path}: cannot be read ({first_line(error)}); download it again.") from None
    if not isinstance(tree, dict):
        raise ValidatorError(f"{path}: expected a mapping, found {type(tree).__name__}; download it again.")
    return tree


_POINTER = b"version https://git-lfs"


def check_weights(folder: Path) -> None:
    """Find missing, pickled and damaged weight files, each with its own sentence."""
    files = _weight_files(folder)
    if not files:
        pickled = [*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")]
        if pickled:
            raise ValidatorError(
                f"{folder}: its weights are pickles ({pickled[0].name}), which can run code when opened; "
                "use a repository or revision with .safetensors files, or make a model.safetensors beside them once "
                "by torch.load(..., weights_only=True) and safetensors.torch.save_file."
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
            with file.open("rb") as opened:
                if opened.read(len(_POINTER)) == _POINTER:
                    raise ValidatorError(
                        f"{file}: holds a pointer of Git LFS, no weights; run 'git lfs pull'."
                    ) from None
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
