"""Tiny random checkpoints of the families beside LLaVA, with their real key names, configurations and processors."""

from __future__ import annotations

import importlib
import io
import json
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from tiny_chat_models import shake
from tiny_checkpoints import TEXTS, clip_config, image_processor, make_tokenizer, siglip_config

from datagen.validator.models.imp import BiasedLlava


def write_similarity(folder: Path, family: str = "CLIP") -> Path:
    """CLIP, SigLIP with a fast tokenizer or its own ("SigLIP with spiece"), SigLIP 2 ("Siglip2": naflex)."""
    torch.manual_seed(0)
    kind = {"CLIP": "CLIP", "Siglip2": "Siglip2"}.get(family, "Siglip")
    tokenizer = sentencepieces(folder) if family == "SigLIP with spiece" else make_tokenizer()
    tower = (clip_config() if kind == "CLIP" else siglip_config()).to_dict()
    if kind == "Siglip2":
        tower |= {"num_patches": 16, "model_type": "siglip2_vision_model"}
    # 16 is far less than an answer has, so that cutting shows.
    text = {"vocab_size": len(tokenizer), "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 2, "max_position_embeddings": 16, "eos_token_id": 2, "bos_token_id": 1,
            "pad_token_id": 2}  # fmt: skip
    more = {"projection_dim": 24} if kind == "CLIP" else {}
    config = getattr(transformers, f"{kind}Config")(text_config=text, vision_config=tower, **more)
    shake(getattr(transformers, f"{kind}Model")(config)).save_pretrained(folder)
    side = {"height": tower.get("image_size"), "width": tower.get("image_size")}
    sizes: dict[str, dict[str, Any]] = {
        "CLIP": {"size": {"shortest_edge": tower.get("image_size")}, "crop_size": side},
        "Siglip": {"size": side},
        "Siglip2": {"patch_size": 8, "max_num_patches": 16, "do_convert_rgb": True},
    }
    tokenizer.model_max_length = 16
    images = image_processor(f"{kind}ImageProcessor", **sizes[kind])
    getattr(transformers, f"{kind}Processor")(images, tokenizer).save_pretrained(folder)
    return folder


def sentencepieces(folder: Path) -> Any:
    """SigLIP's own tokenizer over a small vocabulary."""
    sentencepiece: Any = importlib.import_module("sentencepiece")

    folder.mkdir(parents=True, exist_ok=True)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 8), model_writer=model, vocab_size=40, bos_id=-1, eos_id=1, pad_id=-1, unk_id=2
    )
    (folder / "spiece.model").write_bytes(model.getvalue())
    return transformers.SiglipTokenizer(str(folder / "spiece.model"), extra_ids=0)


def make_imp() -> BiasedLlava:
    """A small Phi-2 with SigLIP and a biased head; heads keep their real sizes, 80 and 72."""
    torch.manual_seed(0)
    vision = transformers.SiglipVisionConfig(
        hidden_size=144, intermediate_size=96, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8,
        vision_use_head=False,
    )  # fmt: skip
    text = transformers.PhiConfig(
        vocab_size=400, hidden_size=160, intermediate_size=96, num_hidden_layers=2, num_attention_heads=2,
        partial_rotary_factor=0.4, max_position_embeddings=512, hidden_act="gelu_new", initializer_range=0.1,
    )  # fmt: skip
    config = transformers.LlavaConfig(
        vision_config=vision, text_config=text, image_token_id=3, vision_feature_layer=-1,
        vision_feature_select_strategy="full", tie_word_embeddings=False,
    )  # fmt: skip
    model = BiasedLlava(config).eval()
    for weight in model.parameters():
        if weight.ndim == 1:  # biases start at nought and would not be missed
            torch.nn.init.normal_(weight, mean=1.0 if weight.mean() > 0.5 else 0.0, std=0.3)
    return model


def write_imp(folder: Path, layout: str) -> Path:
    """Write Imp as it was published, under the new names or the old ones."""
    model = make_imp()
    folder.mkdir(parents=True, exist_ok=True)
    weights = dict(published(model.state_dict(), layout))
    half = len(weights) // 2
    for number, names in enumerate((list(weights)[:half], list(weights)[half:]), start=1):
        part = {name: weights[name].contiguous().clone() for name in names}
        save_file(part, folder / f"model-{number:05}-of-00002.safetensors", {"format": "pt"})
    make_tokenizer().save_pretrained(folder)
    own_code = {"AutoConfig": "configuration_imp.ImpConfig", "AutoModelForCausalLM": "modeling_imp.ImpForCausalLM"}
    config = {"model_type": "imp", "architectures": ["ImpForCausalLM"], "auto_map": own_code, "n_positions": 512,
              "image_token": "<image>", "image_token_index": 50296, "vocab_size": 51200}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def published(state: dict[str, torch.Tensor], layout: str) -> dict[str, torch.Tensor]:
    """Turn names in memory into those of the published files."""
    root = "model" if layout == "new" else "transformer"
    out: dict[str, torch.Tensor] = {}
    for name, weight in state.items():
        short = name.removeprefix("model.").replace("vision_tower.vision_model.", "vision_tower.")
        if "post_layernorm" in short:
            continue
        part, _, rest = short.partition(".")
        if part == "vision_tower":
            out[f"{root}.vision_tower.vision_tower.vision_model.{rest}"] = weight
        elif part == "multi_modal_projector":
            out[f"{root}.mm_projector.{rest.replace('linear_1', '0').replace('linear_2', '2')}"] = weight
        elif layout == "new":
            out[f"model.{rest}" if part == "language_model" else short] = weight
        elif part == "lm_head":
            out[f"lm_head.linear.{rest}"] = weight
        else:
            out[old_name(rest)] = weight
    for name in [name for name in out if name.endswith(("q_proj.weight", "q_proj.bias")) and "vision" not in name]:
        if layout == "old":
            parts = [out.pop(name.replace("q_proj", f"{letter}_proj")) for letter in "qkv"]
            out[name.replace("self_attn.q_proj", "mixer.Wqkv")] = torch.cat(parts)
    if layout == "old":
        out["transformer.h.0.mixer.rotary_emb.inv_freq"] = torch.ones(16)
    return out


def old_name(name: str) -> str:
    for new, old in (
        ("embed_tokens.", "transformer.embd.wte."), ("final_layernorm.", "lm_head.ln."),
        ("layers.", "transformer.h."), ("input_layernorm", "ln"), ("self_attn.dense", "mixer.out_proj"),
    ):  # fmt: skip
        name = name.replace(new, old)
    return name
