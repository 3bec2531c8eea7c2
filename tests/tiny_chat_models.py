"""Tiny random chat models with eyes, written as they are published: each architecture's own configuration, processor
settings, prompt and marks, with a vocabulary that has what broke on real ones.

Where ``DATAGEN_TOKENIZERS`` names a folder with ``qwen/``, ``gemma/`` and ``llama3/`` (each a tokenizer.json as
published), these are taken instead of the small ones, which have: the word "None" as one token, runs of line breaks
joined into one, words with and without a space before them, and hundreds of marks added to the vocabulary.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from tiny_checkpoints import image_processor
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

PUBLISHED: Any = transformers
"""Its classes take what config.json has, which is more than their signatures say."""
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_TEXTS = [
    "None of the above. None", "A red cup stands on the table. Two dogs run over the grass.\n\n\n\nYes, No",
    "user\n\n\nmodel\n\nassistant\n\n\nOne Two Three Yes No red cup car dog\n", "What is this? What do you see?\n\n",
]  # fmt: skip


def vocabulary(style: str, special: list[str], **named: Any) -> transformers.PreTrainedTokenizerFast:
    """A tokenizer that cuts text as Qwen's and Llama 3's do ("qwen", "llama3") or as Gemma's ("gemma").

    Args:
        special: Marks to be added, each one token.
        named: As tokenizer_config.json has it: tokens by name, and tokens of the model's own in extra_special_tokens.
    """
    folder = os.environ.get("DATAGEN_TOKENIZERS")
    if folder is not None:
        tokenizer = Tokenizer.from_file(str(Path(folder) / style / "tokenizer.json"))
    elif style == "gemma":
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
        tokenizer.normalizer = normalizers.Replace(" ", "▁")
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
        letters = [chr(code) for code in range(33, 127)] + ["▁", "\n"]
        _train(tokenizer, ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))], letters)
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_SPLIT), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        tokenizer.decoder = decoders.ByteLevel()
        _train(tokenizer, [], pre_tokenizers.ByteLevel.alphabet())
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in special])
    made = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named)
    assert "None" in made.get_vocab() and len(made.tokenize("\n\n\n")) == 1
    return made


def _train(tokenizer: Tokenizer, special: list[str], alphabet: list[str]) -> None:
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(_TEXTS * 4, trainer)


def text_settings(n_words: int, **changes: Any) -> dict[str, Any]:
    return {
        "vocab_size": n_words,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 1024,
        "initializer_range": 0.3,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
        **changes,
    }


def shake(model: Any) -> Any:
    """Spread the weights, so that pictures matter and no two answers score alike."""
    for name, weight in model.named_parameters():
        if weight.ndim > 1 and "language_model" not in name:
            torch.nn.init.normal_(weight, std=0.3)
        if name.endswith(("gate", "attn_gate", "ffn_gate", "gate_attn", "gate_ffn")):
            torch.nn.init.ones_(weight)  # Llama 3.2's pictures are let in by gates that start closed
    return model


CHATML = (
    "{{% for m in messages %}}{system}<|im_start|>{{{{ m['role'] }}}}\n{{% if m['content'] is string %}}{{{{ m['content'] }}}}"
    "{{% else %}}{{% for part in m['content'] %}}{{% if part['type'] == 'image' %}}{picture}{{% else %}}{{{{ part['text'] }}}}"
    "{{% endif %}}{{% endfor %}}{{% endif %}}<|im_end|>\n{{% endfor %}}"
    "{{% if add_generation_prompt %}}<|im_start|>assistant\n{{% endif %}}"
)
_SYSTEM = "{% if loop.first and m['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
QWEN_PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"
QWEN3_5 = (  # a thought that was not had stands before the answer
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['role'] == 'assistant' %}<think>\n\n</think>\n\n{% endif %}"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}<|image_pad|>{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n\n</think>\n\n{% endif %}"
)
GEMMA3 = (
    "{{ bos_token }}{% for m in messages %}{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' }}{% if m['content'] is string %}{{ m['content'] | trim }}{% else %}"
    "{% for part in m['content'] %}{% if part['type'] == 'image' %}{{ '<start_of_image>' }}"
    "{% else %}{{ part['text'] | trim }}{% endif %}{% endfor %}{% endif %}{{ '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
GEMMA4 = (
    "{{ bos_token }}{% for m in messages %}{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
    "{{ '<|turn>' + role + '\n' }}{% if m['content'] is string %}{{ m['content'] | trim }}{% else %}"
    "{% for part in m['content'] %}{% if part['type'] == 'image' %}{{ '\n\n<|image|>\n\n' }}"
    "{% else %}{{ part['text'] | trim }}{% endif %}{% endfor %}{% endif %}{{ '<turn|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|turn>model\n' }}{% endif %}"
)
SMOLVLM = (
    "<|im_start|>{% for m in messages %}{{ m['role'] | capitalize }}{% if m['content'][0]['type'] == 'image' %}{{ ':' }}"
    "{% else %}{{ ': ' }}{% endif %}{% for part in m['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}"
    "{% elif part['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
LLAMA3_2 = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' }}"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<|image|>' }}{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{{ '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST]{% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}[IMG]{% else %}{{ part['text'] }}{% endif %}{% endfor %}[/INST]"
    "{% else %}{% for part in m['content'] %}{{ part['text'] }}{% endfor %}{{ eos_token }}{% endif %}{% endfor %}"
)


def _publish(
    folder: Path, model: Any, tokenizer: Any, images: Any, processor: dict[str, Any], template: str | None
) -> Path:
    """Write a checkpoint's files."""
    shake(model).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if images is not None:
        images.save_pretrained(folder)
        settings = json.loads((folder / "preprocessor_config.json").read_text())
        settings["image_processor_type"] = settings["image_processor_type"].removesuffix("Pil").removesuffix("Fast")
        (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    (folder / "processor_config.json").write_text(json.dumps(processor))
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    return folder


def _qwen_tokenizer(**named: Any) -> Any:
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
               "<|video_pad|>", "<img>", "</img>", "<IMG_CONTEXT>", "<video>"]  # fmt: skip
    return vocabulary("qwen", special, eos_token="<|im_end|>", pad_token="<|endoftext|>", **named)


def write_qwen(folder: Path, family: str = "Qwen2VL") -> Path:
    tokenizer = _qwen_tokenizer()
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in {
        "image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>",
    }.items()}  # fmt: skip
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
    text = text_settings(len(tokenizer), rope_parameters=rope, rope_scaling=rope)
    vision = {"depth": 2, "num_heads": 2, "patch_size": 4, "mlp_ratio": 2, "hidden_size": 32, "embed_dim": 32,
              "intermediate_size": 48, "out_hidden_size": 32, "window_size": 32, "fullatt_block_indexes": [1],
              "num_position_embeddings": 16, "deepstack_visual_indexes": [0]}  # fmt: skip
    if family != "Qwen2VL":
        del vision["embed_dim"], vision["mlp_ratio"]
    if family == "Qwen3VL":
        text["rope_parameters"] = {**rope, "mrope_interleaved": True}
        text.pop("rope_scaling")
    config = getattr(transformers, {"Qwen2_5VL": "Qwen2_5_VL"}.get(family, family) + "Config")(
        text_config=text, vision_config=vision, **ids
    )
    name = {"Qwen2_5VL": "Qwen2_5_VL"}.get(family, family)
    model = getattr(transformers, f"{name}ForConditionalGeneration")(config)
    images = image_processor("Qwen2VLImageProcessor", patch_size=4, size={"shortest_edge": 64, "longest_edge": 4096})
    template = CHATML.format(picture=QWEN_PICTURE, system="" if family == "Qwen3VL" else _SYSTEM)
    return _publish(folder, model, tokenizer, images, {"processor_class": f"{name}Processor"}, template)


def write_internvl(folder: Path) -> Path:
    own = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>",
           "video_token": "<video>"}  # fmt: skip
    tokenizer = _qwen_tokenizer(extra_special_tokens=own)
    text = {"model_type": "qwen2", **text_settings(len(tokenizer))}
    vision = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
              "image_size": [16, 16], "patch_size": [4, 4]}  # fmt: skip
    config = PUBLISHED.InternVLConfig(
        text_config=text, vision_config=vision, image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )  # fmt: skip
    images = image_processor(
        "GotOcr2ImageProcessor", size={"height": 16, "width": 16}, crop_to_patches=True, min_patches=1, max_patches=4
    )
    processor = {"processor_class": "InternVLProcessor", "image_seq_length": 4}
    model = PUBLISHED.InternVLForConditionalGeneration(config)
    return _publish(folder, model, tokenizer, images, processor, CHATML.format(picture="<IMG_CONTEXT>\n", system=""))


def write_gemma(folder: Path) -> Path:
    special = ["<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>",
               "<image_soft_token>"]  # fmt: skip
    own = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
    named = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}
    tokenizer = vocabulary("gemma", special, **named, extra_special_tokens=own)
    tower = PUBLISHED.SiglipVisionConfig(
        hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8
    )
    # The window is shorter than a prompt with its picture, as it is not in small tests of large models.
    text = PUBLISHED.Gemma3TextConfig(**text_settings(len(tokenizer), sliding_window=12, layer_types=[
        "sliding_attention", "full_attention", "sliding_attention"]))  # fmt: skip
    ids = {f"{name}_index": tokenizer.convert_tokens_to_ids(token) for name, token in own.items()}
    config = PUBLISHED.Gemma3Config(text_config=text, vision_config=tower, mm_tokens_per_image=4, **ids)
    images = image_processor("Gemma3ImageProcessor", size={"height": 32, "width": 32})
    processor = {"processor_class": "Gemma3Processor", "image_seq_length": 4}
    return _publish(folder, PUBLISHED.Gemma3ForConditionalGeneration(config), tokenizer, images, processor, GEMMA3)


def write_gemma4(folder: Path) -> Path:
    own = {"boi_token": "<|image>", "eoi_token": "<image|>", "image_token": "<|image|>", "boa_token": "<|audio>",
           "eoa_token": "<audio|>", "audio_token": "<|audio|>"}  # fmt: skip
    special = ["<pad>", "<eos>", "<bos>", "<|turn>", "<turn|>", *own.values(), "<|video|>"]
    named = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}
    tokenizer = vocabulary("gemma", special, **named, extra_special_tokens=own)
    n = len(tokenizer)
    settings = text_settings(n, pad_token_id=0, sliding_window=12, vocab_size_per_layer_input=n, hidden_size_per_layer_input=8,
                             global_head_dim=8, num_kv_shared_layers=1, use_bidirectional_attention="vision",
                             layer_types=["sliding_attention", "full_attention", "full_attention"],
                             final_logit_softcapping=30.0)  # fmt: skip
    vision = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
              "num_key_value_heads": 2, "head_dim": 12, "patch_size": 4, "pooling_kernel_size": 2,
              "position_embedding_size": 64}  # fmt: skip
    numbers = {name: tokenizer.convert_tokens_to_ids(own[token]) for name, token in {
        "image_token_id": "image_token", "boi_token_id": "boi_token", "eoi_token_id": "eoi_token",
        "audio_token_id": "audio_token", "boa_token_id": "boa_token", "eoa_token_index": "eoa_token"}.items()}  # fmt: skip
    numbers["video_token_id"] = tokenizer.convert_tokens_to_ids("<|video|>")
    config = PUBLISHED.Gemma4Config(text_config=settings, vision_config=vision, audio_config=None, **numbers)
    images = image_processor("Gemma4ImageProcessor", patch_size=4, pooling_kernel_size=2, max_soft_tokens=70)
    model = PUBLISHED.Gemma4ForConditionalGeneration(config)
    folder = _publish(folder, model, tokenizer, images, {"processor_class": "Gemma4Processor"}, GEMMA4)
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(
        json.dumps({**settings, "feature_extractor_type": "Gemma4AudioFeatureExtractor"})
    )
    return folder


def write_idefics(folder: Path, family: str = "Idefics3") -> Path:
    rows = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    special = ["<|im_start|>", "<|im_end|>", "<image>", "<fake_token_around_image>", "<global-img>",
               "<end_of_utterance>", "<video>", *rows]  # fmt: skip
    tokenizer = vocabulary(
        "qwen", special, bos_token="<|im_start|>", eos_token="<end_of_utterance>", pad_token="<|im_end|>"
    )
    vision = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
              "image_size": 32, "patch_size": 8}  # fmt: skip
    text = {"model_type": "llama", **text_settings(len(tokenizer), pad_token_id=2)}
    config = getattr(transformers, f"{family}Config")(
        text_config=text, vision_config=vision, scale_factor=2, image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=2,
    )  # fmt: skip
    images = image_processor(
        f"{family}ImageProcessor",
        size={"longest_edge": 64},
        max_image_size={"longest_edge": 32},
        do_image_splitting=True,
    )
    model = getattr(transformers, f"{family}ForConditionalGeneration")(config)
    processor = {"processor_class": f"{family}Processor", "image_seq_len": 4}
    return _publish(folder, model, tokenizer, images, processor, SMOLVLM)


def write_mllama(folder: Path) -> Path:
    special = ["<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|python_tag|>",
               "<|finetune_right_pad_id|>", "<|image|>"]  # fmt: skip
    tokenizer = vocabulary("llama3", special, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>",
                           pad_token="<|finetune_right_pad_id|>")  # fmt: skip
    settings = text_settings(len(tokenizer) - 1, cross_attention_layers=[1], pad_token_id=0)
    settings |= {"bos_token_id": 0, "eos_token_id": 1, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}
    vision = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_global_layers": 1,
              "attention_heads": 2, "vision_output_dim": 64, "image_size": 16, "patch_size": 4, "max_num_tiles": 4,
              "intermediate_layers_indices": [0]}  # fmt: skip
    config = PUBLISHED.MllamaConfig(
        text_config=settings, vision_config=vision, image_token_index=tokenizer.convert_tokens_to_ids("<|image|>")
    )
    images = image_processor("MllamaImageProcessor", size={"height": 16, "width": 16}, max_image_tiles=4)
    model = PUBLISHED.MllamaForConditionalGeneration(config)
    return _publish(folder, model, tokenizer, images, {"processor_class": "MllamaProcessor"}, LLAMA3_2)


def write_onevision(folder: Path) -> Path:
    tokenizer = vocabulary("qwen", ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>"],
                           eos_token="<|im_end|>", pad_token="<|endoftext|>")  # fmt: skip
    text = {"model_type": "qwen2", **text_settings(len(tokenizer))}
    vision = {"model_type": "siglip_vision_model", "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2,
              "num_attention_heads": 2, "image_size": 16, "patch_size": 4, "vision_use_head": False}  # fmt: skip
    grid = [[16, 16], [16, 32], [32, 16], [32, 32]]
    config = PUBLISHED.LlavaOnevisionConfig(
        text_config=text, vision_config=vision, image_grid_pinpoints=grid, vision_aspect_ratio="anyres_max_9",
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<video>"),
    )  # fmt: skip
    images = image_processor(
        "LlavaOnevisionImageProcessor", size={"height": 16, "width": 16}, image_grid_pinpoints=grid
    )
    processor = {"processor_class": "LlavaOnevisionProcessor", "num_image_tokens": 16, "vision_aspect_ratio": "anyres_max_9",
                 "vision_feature_select_strategy": "full"}  # fmt: skip
    model = PUBLISHED.LlavaOnevisionForConditionalGeneration(config)
    return _publish(folder, model, tokenizer, images, processor, CHATML.format(picture="<image>\n", system=""))


def write_pixtral(folder: Path, family: str = "Mistral3") -> Path:
    """Mistral Small 3.1, or Pixtral 12B as "Llava"."""
    special = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[IMG]", "[IMG_BREAK]", "[IMG_END]", "<pad>"]
    tokenizer = vocabulary("llama3", special, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    text = {"model_type": "mistral", **text_settings(len(tokenizer), sliding_window=None)}
    vision = {"model_type": "pixtral", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
              "num_attention_heads": 2, "image_size": 64, "patch_size": 4}  # fmt: skip
    own: dict[str, Any] = {"spatial_merge_size": 2} if family == "Mistral3" else {
        "vision_feature_select_strategy": "full", "vision_feature_layer": -1}  # fmt: skip
    config = getattr(transformers, f"{family}Config")(
        text_config=text, vision_config=vision, image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"), **own
    )
    images = image_processor("PixtralImageProcessor", patch_size=4, size={"longest_edge": 32})
    processor = {
        "processor_class": "PixtralProcessor",
        "patch_size": 4,
        **({"spatial_merge_size": 2} if own.get("spatial_merge_size") else {}),
    }
    model = getattr(transformers, f"{family}ForConditionalGeneration")(config)
    return _publish(folder, model, tokenizer, images, processor, MISTRAL)


def write_paligemma(folder: Path, template: str | None = None) -> Path:
    special = ["<pad>", "<eos>", "<bos>", "<image>"]
    tokenizer = vocabulary("gemma", special, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>")
    tower = {"model_type": "siglip_vision_model", "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2,
             "num_attention_heads": 2, "image_size": 16, "patch_size": 8, "vision_use_head": False}  # fmt: skip
    text = {"model_type": "gemma", **text_settings(len(tokenizer), bos_token_id=2, eos_token_id=1, pad_token_id=0)}
    config = PUBLISHED.PaliGemmaConfig(
        text_config=text, vision_config=tower, image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        projection_dim=32,
    )  # fmt: skip
    images = image_processor("SiglipImageProcessor", size={"height": 16, "width": 16})
    images.image_seq_length = 4  # type: ignore[attr-defined]
    processor = {"processor_class": "PaliGemmaProcessor"}
    return _publish(folder, PUBLISHED.PaliGemmaForConditionalGeneration(config), tokenizer, images, processor, template)


def write_molmo(folder: Path) -> Path:
    """Molmo 2: features are added to their marks, columns have marks of their own, and all marks see each other."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<im_start>", "<im_end>", "<im_patch>", "<im_col>",
               "<low_res_im_start>", "<|image|>", "<im_low>", "<frame_start>", "<frame_end>", "<|video|>"]  # fmt: skip
    tokenizer = vocabulary("qwen", special, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in {
        "image_start_token_id": "<im_start>", "low_res_image_start_token_id": "<low_res_im_start>",
        "image_end_token_id": "<im_end>", "image_patch_id": "<im_patch>", "frame_start_token_id": "<frame_start>",
        "frame_end_token_id": "<frame_end>"}.items()}  # fmt: skip
    text = text_settings(len(tokenizer) - 8, additional_vocab_size=8)
    text |= {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}
    vision = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
              "num_key_value_heads": 2, "head_dim": 12, "image_size": [24, 24], "patch_size": 4}  # fmt: skip
    adapter = {"hidden_size": 24, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 12,
               "intermediate_size": 32, "text_hidden_size": 32, "vision_feature_layer": [1, 0]}  # fmt: skip
    config = PUBLISHED.Molmo2Config(text_config=text, vision_config=vision, adapter_config=adapter, **ids)
    images = PUBLISHED.Molmo2ImageProcessor(
        size={"height": 24, "width": 24}, max_crops=4, overlap_margins=[1, 1], patch_size=4, pooling_size=[2, 2]
    )
    processor = {
        "processor_class": "Molmo2Processor",
        "image_use_col_tokens": True,
        "use_single_crop_col_tokens": False,
    }
    model = PUBLISHED.Molmo2ForConditionalGeneration(config)
    return _publish(folder, model, tokenizer, images, processor, CHATML.format(picture="<|image|>", system=""))


def write_minicpm(folder: Path, version: str = "4_6") -> Path:
    """MiniCPM-V: patches of all pictures lie in one row, and most layers keep a state instead of keys and values."""
    own = {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>", "image_start_token": "<image>",
           "image_end_token": "</image>", "slice_start_token": "<slice>", "slice_end_token": "</slice>",
           "image_id_start_token": "<image_id>", "image_id_end_token": "</image_id>"}  # fmt: skip
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *own.values(), "<think>", "</think>"]
    named = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "extra_special_tokens": own}
    tokenizer = vocabulary("qwen", special, **named)
    text = text_settings(
        len(tokenizer), model_type="qwen3_5_text", layer_types=["linear_attention", "full_attention", "linear_attention"],
        linear_conv_kernel_dim=2, linear_key_head_dim=8, linear_value_head_dim=8, linear_num_key_heads=2,
        linear_num_value_heads=4, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1], "partial_rotary_factor": 1.0},
    )  # fmt: skip
    vision = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
              "image_size": 32, "patch_size": 4}  # fmt: skip
    numbers = {f"{name}_id": tokenizer.convert_tokens_to_ids(own[name]) for name in ("image_token", "video_token")}
    if version != "4_6":
        marks = ("image_start", "image_end", "slice_start", "slice_end")
        numbers |= {f"{name}_id": tokenizer.convert_tokens_to_ids(own[f"{name}_token"]) for name in marks}
        numbers["newline_id"] = tokenizer("\n", add_special_tokens=False)["input_ids"][0]
    config = getattr(transformers, f"MiniCPMV{version}Config")(
        text_config=text, vision_config=vision, image_size=32, insert_layer_id=0, tie_word_embeddings=True, **numbers
    )
    model = getattr(transformers, f"MiniCPMV{version}ForConditionalGeneration")(config)
    images = image_processor("MiniCPMV4_6ImageProcessor", scale_resolution=32, patch_size=4, max_slice_nums=4)
    processor = {"processor_class": f"MiniCPMV{version}Processor"}
    return _publish(folder, model, tokenizer, images, processor, QWEN3_5)


WRITERS: dict[str, Callable[[Path], Path]] = {
    "qwen2-vl": write_qwen,
    "qwen2.5-vl": lambda folder: write_qwen(folder, "Qwen2_5VL"),
    "qwen3-vl": lambda folder: write_qwen(folder, "Qwen3VL"),
    "internvl": write_internvl,
    "gemma3": write_gemma,
    "gemma4": write_gemma4,
    "idefics3": write_idefics,
    "smolvlm2": lambda folder: write_idefics(folder, "SmolVLM"),
    "llama3.2-vision": write_mllama,
    "llava-onevision": write_onevision,
    "mistral-small": write_pixtral,
    "pixtral": lambda folder: write_pixtral(folder, "Llava"),
    "molmo2": write_molmo,
    "minicpm-v-4.6": write_minicpm,
    "minicpm-v-4.7": lambda folder: write_minicpm(folder, "4_7"),
}
