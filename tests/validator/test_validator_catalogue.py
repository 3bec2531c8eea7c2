"""Every name of ``datagen models`` opens and scores on a clean machine, from the files that its repository has."""

from __future__ import annotations

import fnmatch
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_files import FILES
from safetensors.torch import load_file, save_file
from tiny_chat_models import write_gemma, write_idefics, write_internvl, write_qwen
from tiny_checkpoints import picture, write_checkpoint
from tiny_detectors import write_d_fine, write_grounding_dino, write_owl, write_rt_detr
from tiny_models import write_imp, write_similarity

from datagen.config import ValidatorSettings
from datagen.errors import ValidatorError
from datagen.records import Probe
from datagen.validator import Fault, Look, open_validator
from datagen.validator.files import CATALOGUE, Listed, convert_pickle

LOOK = Look("a.jpg", (Probe("Is there a dog in the image?", ("Yes", "No"), "a dog"),))
MADE_AS: dict[str, Callable[[Path], Path]] = {
    "llava-next": lambda folder: write_checkpoint(folder, "next"),
    "llava": write_checkpoint,
    "imp": lambda folder: write_imp(folder, "new"),
    "qwen3": lambda folder: write_qwen(folder, "Qwen3VL"),
    "qwen2.5": lambda folder: write_qwen(folder, "Qwen2_5VL"),
    "internvl": write_internvl,
    "gemma": write_gemma,
    "smolvlm": lambda folder: write_idefics(folder, "SmolVLM"),
    "rt-detr": write_rt_detr,
    "d-fine": write_d_fine,
    "owlv2": write_owl,
    "grounding-dino": write_grounding_dino,
    "clip": write_similarity,
    "siglip2-b-naflex": lambda folder: write_similarity(folder, "Siglip2"),
    "siglip2": lambda folder: write_similarity(folder, "SigLIP"),
    "siglip": lambda folder: write_similarity(folder, "SigLIP with spiece"),
}


def publish(listed: Listed, built: Path, published: Path) -> None:
    """Lay a tiny model out as the files of its repository."""
    names = FILES[listed.name]
    published.mkdir()
    weights = {name: weight for path in sorted(built.glob("*.safetensors")) for name, weight in load_file(path).items()}
    for name in names:
        if (built / name).exists():
            shutil.copy(built / name, published / name)
        elif name == "chat_template.json" and (built / "chat_template.jinja").exists():
            template = (built / "chat_template.jinja").read_text(encoding="utf-8")
            (published / name).write_text(json.dumps({"chat_template": template}), encoding="utf-8")
        elif name == "preprocessor_config.json" and (built / "processor_config.json").exists():
            settings = json.loads((built / "processor_config.json").read_text(encoding="utf-8"))
            own = {**settings["image_processor"], "processor_class": settings["processor_class"]}
            (published / name).write_text(json.dumps(own), encoding="utf-8")
        elif name == "pytorch_model.bin":
            torch.save(weights, published / name)
    shards = [name for name in names if name.endswith(".safetensors") and "-of-" in name]
    for n, shard in enumerate(shards):
        save_file(dict(list(weights.items())[n :: len(shards)]), published / shard, {"format": "pt"})
    if shards:
        index = {name: shards[n % len(shards)] for n, name in enumerate(weights)}
        told = {"metadata": {"total_size": 1}, "weight_map": index}
        (published / "model.safetensors.index.json").write_text(json.dumps(told), encoding="utf-8")
    (published / "pickled.pkl").write_bytes(b"never to be fetched")


@pytest.mark.parametrize("listed", CATALOGUE, ids=lambda listed: listed.name)
def test_every_name_opens_from_its_files(listed: Listed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if listed.name.startswith("siglip-"):
        pytest.importorskip("sentencepiece")
    if listed.name.startswith("owlv2"):
        pytest.importorskip("scipy")
    if listed.name.startswith("smolvlm"):
        pytest.importorskip("num2words")
    write = next(write for start, write in MADE_AS.items() if listed.name.startswith(start))
    published, snapshot = tmp_path / "published", tmp_path / "snapshot"
    torch.manual_seed(0)
    try:
        built = write(tmp_path / "built")
    except ImportError as error:  # transformers up to 5.17 reads some models' pictures by torchvision alone
        pytest.skip(str(error))
    publish(listed, built, published)

    def fetch(hub_id: str, *, allow_patterns: list[str], revision: str | None = None, **_: Any) -> str:
        assert (hub_id, revision) == (listed.hub_id, listed.revision)
        snapshot.mkdir(exist_ok=True)
        for path in published.iterdir():
            if any(fnmatch.fnmatch(path.name, pattern) for pattern in allow_patterns):
                shutil.copy(path, snapshot)
        return str(snapshot)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    validator = open_validator(ValidatorSettings(name=listed.name, device="cpu"))
    (score,) = validator.score([LOOK], lambda name: picture(name, (60, 40)))
    assert not isinstance(score, Fault)
    again = open_validator(ValidatorSettings(name=listed.name, device="cpu"))
    assert again.identity == validator.identity
    assert not list(snapshot.glob("*.pkl"))


def test_a_pickle_that_holds_code_is_not_converted(tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> tuple[Any, ...]:
            return print, ("ran",)

    torch.save({"weight": Code()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValidatorError, match=r"pytorch_model.bin: cannot be converted to safetensors"):
        convert_pickle(tmp_path / "pytorch_model.bin")
    assert [path.name for path in tmp_path.iterdir()] == ["pytorch_model.bin"]


def test_weights_that_share_memory_are_converted(tmp_path: Path) -> None:
    weight = torch.arange(6.0).reshape(2, 3)
    torch.save({"a": weight, "b": weight, "c": weight.T}, tmp_path / "pytorch_model.bin")
    convert_pickle(tmp_path / "pytorch_model.bin")
    found = load_file(tmp_path / "model.safetensors")
    assert torch.equal(found["a"], found["b"]) and torch.equal(found["c"], weight.T)
