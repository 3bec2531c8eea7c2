"""Tiny random captioning models, written as they are published: BLIP and Florence-2 with their processors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers
from tiny_checkpoints import SPECIAL, image_processor, make_tokenizer

PUBLISHED: Any = transformers


def write_blip(folder: Path) -> Path:
    words = make_tokenizer()
    bert = PUBLISHED.BertTokenizerFast(
        tokenizer_object=words._tokenizer,
        bos_token="<s>",
        pad_token="</s>",
        sep_token="</s>",
        cls_token="<s>",
        unk_token="<unk>",
    )
    text = {
        "vocab_size": len(words),
        "hidden_size": 32,
        "encoder_hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "sep_token_id": 2,
        "pad_token_id": 2,
        "initializer_range": 0.3,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 32,
        "patch_size": 8,
        "initializer_range": 0.3,
    }
    config = PUBLISHED.BlipConfig(text_config=text, vision_config=vision, image_text_hidden_size=16, projection_dim=16)
    PUBLISHED.BlipForConditionalGeneration(config).save_pretrained(folder)
    images: Any = image_processor("BlipImageProcessor", size={"height": 32, "width": 32})
    PUBLISHED.BlipProcessor(images, bert).save_pretrained(folder)
    return folder


def write_florence(folder: Path) -> Path:
    words = PUBLISHED.PreTrainedTokenizerFast(
        tokenizer_object=make_tokenizer(special=[*SPECIAL, "<pad>"])._tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>"},
    )
    text = {
        "model_type": "bart",
        "vocab_size": len(words),
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_ffn_dim": 48,
        "decoder_ffn_dim": 48,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "max_position_embeddings": 256,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": words.pad_token_id,
        "decoder_start_token_id": 2,
        "forced_eos_token_id": 2,
        "init_std": 0.3,
    }
    vision = {
        "depths": (1, 1, 1, 1),
        "embed_dim": (8, 8, 16, 16),
        "num_heads": (1, 1, 2, 2),
        "num_groups": (1, 1, 2, 2),
        "window_size": 4,
        "projection_dim": 32,
    }
    config = PUBLISHED.Florence2Config(
        text_config=text,
        vision_config=vision,
        image_token_id=words.image_token_id,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=words.pad_token_id,
    )
    PUBLISHED.Florence2ForConditionalGeneration(config).save_pretrained(folder)
    images: Any = image_processor("CLIPImageProcessor", size={"height": 64, "width": 64}, do_center_crop=False)
    images.image_seq_length = 5  # four places of the last map, and their mean
    PUBLISHED.Florence2Processor(images, words).save_pretrained(folder)
    return folder


WRITERS = {"blip": write_blip, "florence2": write_florence}
