"""Tiny random checkpoints of the families beside LLaVA, with their real key names, configurations and processors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from tiny_checkpoints import clip_config, image_processor, make_tokenizer, siglip_config

from datagen.validator.models.imp import BiasedLlava
from datagen.validator.processors import _without_videos

CHAT = (
    "{{% for m in messages %}}<s>{{{{ m['role'] }}}}: "
    "{{% for part in m['content'] %}}{{% if part['type'] == 'image' %}}{picture}{{% else %}}{{{{ part['text'] }}}}{{% endif %}}"
    "{{% endfor %}}</s>{{% endfor %}}{{% if add_generation_prompt %}}<s>assistant: {{% endif %}}"
)
"""In the manner of the families' own: roles, marks, and the placeholder where the picture stands."""


def llama_like(n_words: int, **changes: Any) -> dict[str, Any]:
    return {
        "vocab_size": n_words,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "initializer_range": 0.3,
        **changes,
    }


def shake(model: Any) -> Any:
    """Spread the weights, so that pictures matter and no two answers score alike."""
    for name, weight in model.named_parameters():
        if weight.ndim > 1 and "language_model" not in name:
            torch.nn.init.normal_(weight, std=0.3)
    return model


def write_qwen(folder: Path) -> Path:
    special = ["<unk>", "<s>", "</s>", "<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"]
    tokenizer = make_tokenizer(special=special)
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in {
        "image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>",
    }.items()}  # fmt: skip
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
    text = llama_like(len(tokenizer), rope_parameters=rope, rope_scaling=rope)
    vision = {"depth": 2, "embed_dim": 32, "num_heads": 2, "hidden_size": 32, "patch_size": 4, "mlp_ratio": 2}
    config = transformers.Qwen2VLConfig(text_config=text, vision_config=vision, **ids)
    shake(transformers.Qwen2VLForConditionalGeneration(config)).save_pretrained(folder)
    images = image_processor("Qwen2VLImageProcessor", patch_size=4, size={"shortest_edge": 64, "longest_edge": 4096})
    processor = _without_videos(transformers.Qwen2VLProcessor)
    assert processor is not None
    template = CHAT.format(picture="<|vision_start|><|image_pad|><|vision_end|>")
    processor(images, tokenizer, chat_template=template).save_pretrained(folder)
    return folder


def write_idefics(folder: Path) -> Path:
    rows = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    special = [
        "<unk>",
        "<s>",
        "</s>",
        "<image>",
        "<fake_token_around_image>",
        "<global-img>",
        "<end_of_utterance>",
        *rows,
    ]
    tokenizer = make_tokenizer(special=special)
    vision = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
              "image_size": 32, "patch_size": 8}  # fmt: skip
    text = transformers.LlamaConfig(**llama_like(len(tokenizer)))
    config = transformers.Idefics3Config(
        text_config=text, vision_config=vision, scale_factor=2, image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=2,
    )  # fmt: skip
    shake(transformers.Idefics3ForConditionalGeneration(config)).save_pretrained(folder)
    images = image_processor(
        "Idefics3ImageProcessor",
        size={"longest_edge": 64},
        max_image_size={"longest_edge": 32},
        do_image_splitting=True,
    )
    processor = transformers.Idefics3Processor(
        images, tokenizer, image_seq_len=4, chat_template=CHAT.format(picture="<image>")
    )
    processor.save_pretrained(folder)
    return folder


def write_gemma(folder: Path, family: str = "Gemma3") -> Path:
    special = ["<unk>", "<s>", "</s>", "<image_soft_token>", "<start_of_image>", "<end_of_image>", "<image>"]
    tokenizer = make_tokenizer(special=special)
    if family == "Gemma3":
        marks = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
        tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer.backend_tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>",
            pad_token="</s>", extra_special_tokens=marks,
        )  # fmt: skip
    tower = siglip_config()
    side = {"height": tower.image_size, "width": tower.image_size}
    images = image_processor("SiglipImageProcessor" if family == "PaliGemma" else "Gemma3ImageProcessor", size=side)
    if family == "PaliGemma":
        text = transformers.GemmaConfig(**llama_like(len(tokenizer), head_dim=8))
        config = transformers.PaliGemmaConfig(
            text_config=text, vision_config=tower, image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
            projection_dim=32,
        )  # fmt: skip
        model: Any = transformers.PaliGemmaForConditionalGeneration(config)
        images.image_seq_length = 16  # type: ignore[attr-defined]
        processor: Any = transformers.PaliGemmaProcessor(
            images, tokenizer, chat_template=CHAT.format(picture="<image>")
        )
    else:
        text = transformers.Gemma3TextConfig(**llama_like(len(tokenizer), head_dim=8, sliding_window=64))
        config = transformers.Gemma3Config(
            text_config=text, vision_config=tower, mm_tokens_per_image=4,
            image_token_index=tokenizer.convert_tokens_to_ids("<image_soft_token>"),
            boi_token_index=tokenizer.convert_tokens_to_ids("<start_of_image>"),
            eoi_token_index=tokenizer.convert_tokens_to_ids("<end_of_image>"),
        )  # fmt: skip
        model = transformers.Gemma3ForConditionalGeneration(config)
        processor = transformers.Gemma3Processor(
            images, tokenizer, image_seq_length=4, chat_template=CHAT.format(picture="<start_of_image>")
        )
    shake(model).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def write_similarity(folder: Path, family: str = "CLIP") -> Path:
    """CLIP or SigLIP."""
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    tower = clip_config() if family == "CLIP" else siglip_config()
    # 16 is far less than an answer has, so that cutting shows.
    text = {"vocab_size": len(tokenizer), "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 2, "max_position_embeddings": 16, "eos_token_id": 2, "bos_token_id": 1,
            "pad_token_id": 2}  # fmt: skip
    config = getattr(transformers, f"{family if family == 'CLIP' else 'Siglip'}Config")(
        text_config=text, vision_config=tower.to_dict(), projection_dim=24
    )
    kind = "CLIP" if family == "CLIP" else "Siglip"
    shake(getattr(transformers, f"{kind}Model")(config)).save_pretrained(folder)
    side = {"height": tower.image_size, "width": tower.image_size}
    size = {"size": {"shortest_edge": tower.image_size}, "crop_size": side} if kind == "CLIP" else {"size": side}
    images = image_processor(f"{kind}ImageProcessor", **size)
    tokenizer.model_max_length = 16
    getattr(transformers, f"{kind}Processor")(images, tokenizer).save_pretrained(folder)
    return folder


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
