"""Models beside LLaVA: what they score is what their own full forward pass says; what cannot be run is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tiny_checkpoints import open_tiny, picture, write_checkpoint
from tiny_models import make_imp, write_imp, write_similarity
from transformers.quantizers.quantizers_utils import should_convert_module

from datagen.config import ValidatorSettings
from datagen.errors import ValidatorError
from datagen.records import Score, SimilarityScore
from datagen.validator import Fault, Look, Probe, Text, loading, models, open_validator, score_key
from datagen.validator.files import CATALOGUE
from datagen.validator.models.clip import phrases_of
from datagen.validator.models.imp import IMP_TEMPLATE

DOG = Probe("Is there a dog in the image?", ("Yes", "No"), "a dog")
LONG = Text("What do you see?", "A red cup stands on the table. Two dogs run over the grass.")
LOOK = Look("a.jpg", (LONG, Text("Is it left?", "Yes"), DOG))


def opened(folder: Path, **settings: Any) -> Any:
    return open_validator(ValidatorSettings(name=str(folder), device="cpu", **settings))


def scored(folder: Path, *looks: Look, **settings: Any) -> dict[str, Score]:
    found = opened(folder, **settings).score(looks, lambda name: picture(name, (60, 40)))
    return {one.key: one for one in found if not isinstance(one, Fault)}


# Imp


@pytest.fixture(scope="module", params=["new", "old"])
def imp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_imp(tmp_path_factory.mktemp("imp") / request.param, request.param)


def test_both_layouts_give_the_original_logits(imp: Path) -> None:
    original, loaded = make_imp(), open_tiny(imp).model
    ids = torch.tensor([[1, 40, *[3] * 16, 90, 120, 7, 200]])
    pixels = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = original(input_ids=ids, pixel_values=pixels).logits
        assert torch.equal(loaded(input_ids=ids, pixel_values=pixels).logits, expected)
        original.lm_head.bias.zero_()  # what LLaVA's own class makes of it
        assert not torch.allclose(original(input_ids=ids, pixel_values=pixels).logits, expected, atol=0.1)


def test_imp_is_scored_in_its_own_words(imp: Path) -> None:
    checkpoint = open_tiny(imp)
    assert (checkpoint.max_tokens, checkpoint.image_token, checkpoint.chat_template) == (512, "<image>", IMP_TEMPLATE)
    assert checkpoint.image_processor.size == {"height": 32, "width": 32}
    prompt = checkpoint.tokenizer.apply_chat_template(
        [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Why?"}]}],
        chat_template=IMP_TEMPLATE, tokenize=False, add_generation_prompt=True,
    )  # fmt: skip
    assert prompt.endswith("answers to the user's questions. USER: <image>\nWhy? ASSISTANT:")
    assert len(scored(imp, LOOK)) == 3


def test_imp_in_half_precision_keeps_its_bias(imp: Path) -> None:
    model = open_tiny(imp, precision="bf16").model
    assert model.lm_head.bias.dtype == torch.bfloat16
    assert torch.equal(model.lm_head.bias, make_imp().lm_head.bias.bfloat16())


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("mlp.fc1.weight", "holds no .*, which Imp has|weights are missing"),
        ("final_layernorm.weight", "weights are missing"),
        ("embed_tokens.weight", "holds no language_model.embed_tokens.weight, which Imp has"),
    ],
)
def test_missing_weights_of_imp_are_said(tmp_path: Path, gone: str, said: str) -> None:
    folder = write_imp(tmp_path / "imp", "new")
    for path in folder.glob("*.safetensors"):
        weights = {name: weight for name, weight in load_file(path).items() if not name.endswith(gone)}
        save_file(weights, path, {"format": "pt"})
    with pytest.raises(ValidatorError, match=said):
        open_tiny(folder)


def test_weights_that_imp_does_not_have_are_said(tmp_path: Path) -> None:
    folder = write_imp(tmp_path / "imp", "new")
    save_file({"model.extra.weight": torch.ones(2)}, folder / "z.safetensors", {"format": "pt"})
    with pytest.raises(ValidatorError, match=r"'model.extra.weight' is no weight of Imp's"):
        open_tiny(folder)


# CLIP and SigLIP


@pytest.fixture(scope="module", params=["CLIP", "SigLIP", "Siglip2"])
def compared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_similarity(tmp_path_factory.mktemp("similarity") / request.param, request.param)


def own_cosine(folder: Path, texts: list[str], name: str) -> float:
    """Mean cosine by the model's own forward pass."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    inputs = processor(
        text=texts if folder.name == "CLIP" else [told.lower().replace(".", "") for told in texts], images=picture(name, (60, 40)), return_tensors="pt", truncation=True, max_length=16,
        **({"patch_size": 8, "max_num_patches": 16} if folder.name == "Siglip2" else {}),
        padding=True if folder.name == "CLIP" else "max_length",
    )  # fmt: skip
    if folder.name != "CLIP":
        inputs.pop("attention_mask", None)
    with torch.no_grad():
        out = model(**inputs)
    return float(torch.nn.functional.cosine_similarity(out.text_embeds, out.image_embeds).mean())


def test_similarity_is_the_models_own_cosine(compared: Path) -> None:
    other = Look("b.jpg", (LONG, DOG))
    found = scored(compared, LOOK, other)
    identity = opened(compared).identity
    sentences = ["A red cup stands on the table.", "Two dogs run over the grass."]
    for look, item, texts in ((LOOK, LONG, sentences), (other, LONG, sentences), (LOOK, DOG, ["a photo of a dog"])):
        score = found[score_key(identity, look, item)]
        assert isinstance(score, SimilarityScore)
        assert score.similarity == pytest.approx(own_cosine(compared, texts, look.picture), abs=2e-6)


def test_similarity_asks_for_no_blank_and_no_count(compared: Path) -> None:
    validator = opened(compared)
    assert (validator.abilities.blanks, validator.abilities.probes) == (False, {"presence"})
    nameless = Probe("How many?", ("One", "Two"))
    looks = [Look("a.jpg", (DOG, nameless)), Look("a.jpg", (DOG,), is_blank=True)]
    score, fault = sorted(validator.score(looks, picture), key=lambda one: isinstance(one, Fault))
    assert isinstance(score, SimilarityScore)
    assert isinstance(fault, Fault) and fault.item == nameless


def test_a_broken_picture_costs_itself_alone(compared: Path) -> None:
    class BrokenError(Exception):
        reason, detail = "image_missing", "gone"

    def load(name: str) -> Any:
        if name == "b.jpg":
            raise BrokenError
        return picture(name, (3000, 20)) if name == "c.jpg" else picture(name)

    found = list(opened(compared).score([Look(f"{name}.jpg", (DOG,)) for name in "abc"], load))
    assert [one.reason for one in found if isinstance(one, Fault)] == ["image_missing", "image_too_narrow"]
    assert [one.picture for one in found if isinstance(one, SimilarityScore)] == ["a.jpg"]


def test_answers_are_compared_sentence_by_sentence() -> None:
    assert phrases_of(Text("?", "A dog. It runs!  Is it 3.5 m away?\nYes")) == (
        "A dog.", "It runs!", "Is it 3.5 m away?", "Yes",
    )  # fmt: skip
    assert phrases_of(Probe("?", ("Yes", "No"), "a dog")) == ("a photo of a dog",)
    assert phrases_of(Probe("?", ("Yes", "No"))) == ()


# Quantised loading


@pytest.fixture
def cuda_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "pick_device", lambda name: torch.device("cuda"))


@pytest.mark.usefixtures("cuda_shown")
def test_quantising_needs_bitsandbytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading.importlib.util, "find_spec", lambda name: None)  # type: ignore[attr-defined]
    folder = write_checkpoint(tmp_path / "llava")
    with pytest.raises(ValidatorError, match=r"needs bitsandbytes and accelerate; .*pip install 'datagen\[quant\]'"):
        opened(folder, precision="4bit")


def test_quantising_needs_a_gpu(tmp_path: Path) -> None:
    with pytest.raises(ValidatorError, match="--precision 8bit needs a CUDA GPU; on cpu use"):
        opened(write_checkpoint(tmp_path / "llava"), precision="8bit")
    with pytest.raises(ValidatorError, match="is small and has no 4bit form"):
        opened(write_similarity(tmp_path / "clip"), precision="4bit")


@pytest.mark.usefixtures("cuda_shown")
@pytest.mark.parametrize("precision", ["8bit", "4bit"])
def test_quantised_weights_are_asked_for_as_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    asked: dict[str, Any] = {}

    def load(folder: Path, **options: Any) -> Any:
        asked.update(options)
        raise ValueError("seen enough")

    monkeypatch.setattr(loading.importlib.util, "find_spec", lambda name: object())  # type: ignore[attr-defined]
    monkeypatch.setattr(loading, "pick_precision", lambda wanted, device: precision if wanted == precision else "bf16")
    monkeypatch.setattr(transformers.LlavaForConditionalGeneration, "from_pretrained", load)
    settings = ValidatorSettings(name=str(write_checkpoint(tmp_path / "llava")), precision=precision)  # type: ignore[arg-type]
    with pytest.raises(ValidatorError, match="seen enough"):
        models.load_checkpoint(settings)
    quantising = asked["quantization_config"]
    assert (asked["dtype"], asked["device_map"]) == (torch.bfloat16, {"": "cuda"})
    skipped = quantising.llm_int8_skip_modules
    model = transformers.LlavaForConditionalGeneration(transformers.AutoConfig.from_pretrained(settings.name))
    parts = [name for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)]
    quantised = [name for name in parts if should_convert_module(name, skipped)]
    assert {name for name in parts if "language_model" in name} == set(quantised)
    assert len(quantised) == 14
    if precision == "4bit":
        assert (quantising.load_in_4bit, quantising.bnb_4bit_quant_type) == (True, "nf4")
        assert quantising.bnb_4bit_compute_dtype == torch.bfloat16
    else:
        assert quantising.load_in_8bit


# Names


def test_a_misspelt_name_is_mended() -> None:
    with pytest.raises(ValidatorError, match=r"llava-1\.5-7B-hf: .*did you mean llava-1\.5-7b\?"):
        open_validator(ValidatorSettings(name="llava-1.5-7B-hf", device="cpu"))


def test_what_weights_need_is_told() -> None:
    (llava,) = (listed for listed in CATALOGUE if listed.name == "llava-1.5-7b")
    sizes = [llava.weights_gb(precision) for precision in ("fp32", "bf16", "8bit", "4bit")]
    assert sizes == [pytest.approx(gb, abs=0.1) for gb in (28.2, 14.1, 7.6, 4.8)]
    (clip,) = (listed for listed in CATALOGUE if listed.name == "clip-vit-b-32")
    assert clip.weights_gb("4bit") is None
