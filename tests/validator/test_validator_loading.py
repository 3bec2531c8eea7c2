"""Checkpoints on disk and on the hub: what loads, what its identity says, and every sentence for what does not."""

from __future__ import annotations

import importlib.util
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import huggingface_hub
import pytest
import torch
import transformers
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file
from tiny_checkpoints import TEMPLATE, make_tokenizer, open_tiny, picture, write_checkpoint

from datagen.config import ValidatorSettings, digest_of
from datagen.errors import ValidatorError
from datagen.validator import Look, Text, Validator, files, loading, open_validator
from datagen.validator.files import digest_files
from datagen.validator.loading import pick_precision
from datagen.validator.models import load_checkpoint
from datagen.validator.models.llava import SHORT_ANSWER


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("tiny") / "sound", template=TEMPLATE)


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "sound"))


def change_json(path: Path, **changes: object) -> None:
    tree = json.loads(path.read_bytes())
    for name, value in changes.items():
        if value is None:
            tree.pop(name, None)
        else:
            tree[name] = value
    path.write_text(json.dumps(tree), encoding="utf-8")


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def test_a_sound_checkpoint_loads(sound: Path) -> None:
    checkpoint = open_tiny(sound)
    assert checkpoint.identity == f"{digest_files(sound)}-fp32-{digest_of(SHORT_ANSWER)[:4]}"
    assert (checkpoint.dtype, checkpoint.device.type) == (torch.float32, "cpu")
    assert (checkpoint.max_tokens, checkpoint.chat_template) == (512, TEMPLATE)
    assert not checkpoint.model.training


def test_opening_by_settings_gives_a_validator(sound: Path) -> None:
    validator: Validator = open_validator(ValidatorSettings(name=str(sound), device="cpu", precision="bf16"))
    assert "-bf16-" in validator.identity


def test_identity_follows_the_files_and_not_their_place(sound: Path, folder: Path) -> None:
    assert open_tiny(folder).identity == open_tiny(sound).identity
    change_weights(folder, lambda weights: weights[min(weights)].mul_(1.5))
    other_weights = digest_files(folder)
    change_json(folder / "config.json", note="changed")
    assert len({digest_files(sound), other_weights, digest_files(folder)}) == 3


def test_digest_reads_large_files_in_samples(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    content = bytearray(3 * 1024 * 4096)
    file.write_bytes(content)
    before = digest_files(tmp_path)
    content[10_000_000:10_020_000] = b"\1" * 20_000
    file.write_bytes(content)
    assert digest_files(tmp_path) != before


def test_a_hub_id_is_fetched_without_code_or_pickles(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fetch(name: str, allow_patterns: list[str], local_files_only: bool) -> str:
        asked.append((name, allow_patterns))
        return str(sound)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    checkpoint = load_checkpoint(ValidatorSettings(name="someone/tiny-llava", device="cpu"))
    assert "-fp32-" in checkpoint.identity
    assert asked[0][0] == "someone/tiny-llava"
    assert not {"*.py", "*.bin", "*"} & set(asked[0][1])


def test_a_hub_id_that_is_not_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(name: str, allow_patterns: list[str], local_files_only: bool) -> str:
        raise LocalEntryNotFoundError("cannot find an appropriate cached snapshot folder.\nMore lines.")

    monkeypatch.setattr(files, "why_no_hub", lambda: None)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    with pytest.raises(ValidatorError, match=r"someone/tiny: neither a folder here nor .* cached snapshot folder\)"):
        load_checkpoint(ValidatorSettings(name="someone/tiny", device="cpu"))


@pytest.mark.parametrize("name", ["someone/tiny", "clip-vit-b-32"])
@pytest.mark.parametrize("fault", [OSError(111, "Connection refused"), TimeoutError("timed out"), RuntimeError("no")])
def test_a_hub_out_of_reach_is_tried_once_and_quietly(
    name: str, fault: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    class Session:
        def head(self, url: str, timeout: float) -> None:
            asked.append(url)
            raise fault

    monkeypatch.setattr(huggingface_hub, "get_session", Session)
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail(f"waited {seconds} s"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValidatorError, match=r"neither a folder here nor to be had from the hub \(") as caught:
        load_checkpoint(ValidatorSettings(name=name, device="cpu"))
    assert f"({fault})" in str(caught.value) and len(asked) == 1 and not caplog.records


def test_what_is_cached_needs_no_hub(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(name: str, allow_patterns: list[str], local_files_only: bool) -> str:
        assert local_files_only
        return str(sound)

    monkeypatch.setattr(files, "why_no_hub", lambda: "no network")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert "-fp32-" in load_checkpoint(ValidatorSettings(name="someone/tiny", device="cpu")).identity


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "word", "a/b/c", "~/nowhere-at-all"])
def test_a_folder_that_is_missing(name: str) -> None:
    with pytest.raises(ValidatorError, match="no such checkpoint folder"):
        load_checkpoint(ValidatorSettings(name=name, device="cpu"))


def test_a_file_for_a_folder(sound: Path) -> None:
    with pytest.raises(ValidatorError, match="expected a checkpoint folder, found a file"):
        open_tiny(sound / "model.safetensors")


def text_only(folder: Path) -> None:
    change_json(folder / "config.json", model_type="llama", vision_config=None)


def only_pickles(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def in_another_form(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "q4.gguf").touch()


def truncated(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def shard_missing(folder: Path) -> None:
    shards = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(shards), encoding="utf-8")


def tokenizer_without_image(folder: Path) -> None:
    make_tokenizer(special=["<unk>", "<s>", "</s>"]).save_pretrained(folder)
    change_json(folder / "processor_config.json", image_token="<unseen>")
    change_json(folder / "tokenizer_config.json", image_token=None)


def head_biased(weights: dict[str, torch.Tensor]) -> None:
    name = next(name for name in weights if name.endswith("lm_head.weight"))
    weights[name.replace("weight", "bias")] = torch.ones(len(weights[name]))


def projector_gone(weights: dict[str, torch.Tensor]) -> None:
    for name in [name for name in weights if "projector" in name]:
        del weights[name]


def head_of_another_size(weights: dict[str, torch.Tensor]) -> None:
    name = next(name for name in weights if name.endswith("lm_head.weight"))
    weights[name] = weights[name][:-3].clone()


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "holds no config.json; give the folder of a checkpoint"),
    "gguf": (in_another_form, "holds no config.json, but q4.gguf; serve it, .* --validator endpoint:URL"),
    "config torn": (lambda f: (f / "config.json").write_text("{", encoding="utf-8"), "config.json: cannot be read"),
    "config a list": (lambda f: (f / "config.json").write_text("[]", encoding="utf-8"), "expected a mapping, found list"),
    "text only": (text_only, "'llama' is a text-only model"),
    "original layout": (
        lambda f: change_json(f / "config.json", model_type="llava_llama", mm_vision_tower="x", vision_config=None),
        "is in the original layout of 'llava_llama', not transformers'; use llava-hf/llava-1.5-7b-hf",
    ),
    "other family": (lambda f: change_json(f / "config.json", model_type="flamingo"), "'flamingo' is not supported"),
    "remote code": (
        lambda f: change_json(f / "config.json", model_type="own", auto_map={"AutoModelForImageTextToText": "m.M"}),
        "asks to run Python code of its own; .* --trust-remote-code",
    ),
    "unknown": (
        lambda f: change_json(f / "config.json", model_type="moondream1", vision_config=None), "'moondream1' is not supported",
    ),
    "code that would not help": (
        lambda f: change_json(f / "config.json", model_type="own", auto_map={"AutoModelForCausalLM": "m.M"}),
        "architecture 'own' is not supported; use LLaVA, Imp, CLIP, (?!.*trust)",
    ),
    "only pickles": (only_pickles, r"weights are pickles \(pytorch_model.bin\), .* use a repository or revision with .safetensors"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "holds no .safetensors weights"),
    "truncated": (truncated, r"model.safetensors: truncated or damaged \(.*\); delete it"),
    "pointer": (
        lambda f: (f / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "model.safetensors: holds a pointer of Git LFS, no weights; run 'git lfs pull'",
    ),
    "shard missing": (shard_missing, r"model-2.safetensors is missing \(1 files\)"),
    "index torn": (lambda f: (f / "model.safetensors.index.json").write_text("{"), "index.json: cannot be read"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "holds no tokenizer"),
    "tokenizer torn": (lambda f: (f / "tokenizer.json").write_text("{"), "tokenizer or image processor cannot be loaded"),
    "no processor": (lambda f: (f / "processor_config.json").unlink(), "holds no image processor"),
    "no image token": (tokenizer_without_image, "no image token '<unseen>'"),
    "other image token": (
        lambda f: change_json(f / "config.json", image_token_id=7), "is 3 in the tokenizer and 7 in config.json",
    ),
    "weights missing": (lambda f: change_weights(f, projector_gone), "4 weights are missing"),
    "head with a bias": (lambda f: change_weights(f, head_biased), "1 weights have no place in Llava.*lm_head.bias"),
    "wrong shape": (lambda f: change_weights(f, head_of_another_size), "the model cannot be loaded"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "said"), FAULTS.values(), ids=FAULTS.keys())
def test_what_is_wrong_with_a_checkpoint_is_said(folder: Path, damage: Callable[[Path], object], said: str) -> None:
    damage(folder)
    with pytest.raises(ValidatorError, match=said) as caught:
        open_tiny(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gpu", "Device 'gpu' is not known; give --device auto"),
        ("cuda:99", r"Device 'cuda:99' is not available: torch sees \d+ CUDA devices"),
    ],
)
def test_devices_that_cannot_be_used(sound: Path, name: str, said: str) -> None:
    with pytest.raises(ValidatorError, match=said):
        load_checkpoint(ValidatorSettings(name=str(sound), device=name))


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "accelerate" or find_spec(name))


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("device", "precision", "said"),
    [
        ("cuda:0+gpu", "auto", "Device 'gpu' is not known; give --device auto"),
        ("cuda:0+cuda:5", "auto", r"Device 'cuda:5' is not available: torch sees 2 CUDA devices"),
        ("cuda:0+cuda:0", "auto", "one model is spread over different GPUs, such as cuda:0"),
        ("cpu+cuda:0", "auto", "what they cannot hold over the memory of this machine"),
        ("cuda:0+cuda:1", "4bit", "--precision 4bit keeps a model on one GPU; use --device cuda:0, or bf16 over"),
    ],
)
def test_a_model_that_cannot_be_spread(
    sound: Path, device: str, precision: Literal["auto", "4bit"], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datagen.validator.models.check_quantising", lambda *_, **__: None)
    with pytest.raises(ValidatorError, match=said):
        load_checkpoint(ValidatorSettings(name=str(sound), device=device, precision=precision))


@pytest.mark.usefixtures("two_gpus")
def test_one_model_over_two_gpus_is_asked_of_accelerate(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def load(folder: Path, **options: object) -> object:
        asked.update(options)
        raise ValueError("here it ends")

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000 * (1 + device.index), 9999))
    monkeypatch.setattr(transformers.LlavaForConditionalGeneration, "from_pretrained", load)
    with pytest.raises(ValidatorError, match="here it ends"):
        load_checkpoint(ValidatorSettings(name=str(sound), device="cuda:0+cuda:1"))
    assert asked["device_map"] == "auto" and asked["max_memory"] == {0: 850, 1: 1700}
    replicas = open_validator(ValidatorSettings(name=str(sound), device="cuda:0+cuda:1,cuda:1+cuda:0"))
    assert getattr(replicas, "n_at_once", 0) == 4
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValidatorError, match=r"cuda:0\+cuda:1: one model over several devices needs pip install acc"):
        open_validator(ValidatorSettings(name=str(sound), device="cuda:0+cuda:1"))


def test_layers_that_lie_elsewhere_are_brought(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some layers stay on disk, as a CPU has no second device; else that is refused, as it is slow."""
    pytest.importorskip("accelerate")
    looks = [Look("a", (Text("What stands on the table?", "A red cup."),))]
    settings = ValidatorSettings(name=str(sound), device="cpu")
    whole = list(open_validator(settings).score(looks, lambda name: picture(name, (40, 30))))
    monkeypatch.setattr("datagen.validator.models.pick_spread", lambda name: (torch.device("cpu"),))
    monkeypatch.setattr(loading, "_room_on", lambda devices: {"cpu": 60_000})
    with pytest.raises(ValidatorError, match=r"does not fit on cpu in fp32 \(some of its layers would stay on disk\)"):
        list(open_validator(settings).score(looks, lambda name: picture(name, (40, 30))))
    monkeypatch.setattr(loading, "_stays_on_disk", lambda model: False)
    assert list(open_validator(settings).score(looks, lambda name: picture(name, (40, 30)))) == whole


def test_mps_elsewhere(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValidatorError, match="Device 'mps' is not available on this machine"):
        load_checkpoint(ValidatorSettings(name=str(sound), device="mps"))


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"), [(True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_takes_the_fastest_device(monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, chosen: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(cuda))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert loading.pick_device("auto").type == chosen


def test_precision_follows_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert [pick_precision("auto", torch.device(name)) for name in ("cpu", "cuda", "mps")] == ["fp32", "bf16", "fp16"]
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    assert pick_precision("auto", torch.device("cuda")) == "fp16"
    assert pick_precision("fp32", torch.device("cuda")) == "fp32"


def test_a_device_without_room(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(transformers.LlavaForConditionalGeneration, "to", full)
    with pytest.raises(ValidatorError, match=r"does not fit on cpu in fp32 \(CUDA out of memory\); use a smaller"):
        open_tiny(sound)


def test_remote_code_runs_when_trusted(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    (folder / "own.py").write_text(
        "from transformers import LlavaConfig, LlavaForConditionalGeneration\n"
        "class OwnConfig(LlavaConfig):\n    model_type = 'own'\n"
        "class Own(LlavaForConditionalGeneration):\n    config_class = OwnConfig\n",
        encoding="utf-8",
    )
    weights = {name: weight.clone() for name, weight in open_tiny(folder).model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    code = {"AutoConfig": "own.OwnConfig", "AutoModelForImageTextToText": "own.Own"}
    change_json(folder / "config.json", model_type="own", auto_map=code)
    assert type(open_tiny(folder, trust_remote_code=True).model).__name__ == "Own"
