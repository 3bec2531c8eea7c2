"""From a vision tower and ``nano``'s language model to a LLaVA for photographs: joined, saved as a plain checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoModelForImageTextToText,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from datagen.validator.models.grid_tower import GridTower, GridTowerConfig, register
from training.model import CHAT_TEMPLATE

MEAN, SPREAD = 127 / 255, 128 / 255
"""Of a channel, as EfficientNet-Lite was taught."""
CELL_PX = 32
"""A cell of the coarse grid; each gives a token."""


def build_photo_model(tower: GridTower, words_of: Path) -> LlavaForConditionalGeneration:
    """Put a tower before the language model of a checkpoint.

    The projector between them is new, unless the checkpoint had such a tower already.

    Args:
        tower: Taught already.
        words_of: Checkpoint whose language model knows the questions.
    """
    register()
    load: Any = AutoModelForImageTextToText.from_pretrained
    taught = load(words_of, dtype=torch.float32)
    config = LlavaConfig(
        vision_config=tower.config.to_dict(),
        text_config=taught.config.text_config.to_dict(),
        image_token_index=taught.config.image_token_id,
        image_seq_length=1 + tower.config.cells**2,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration(config)
    model.model.vision_tower.load_state_dict(tower.state_dict())
    model.model.language_model.load_state_dict(taught.model.language_model.state_dict())
    model.tie_weights()
    projector = model.model.multi_modal_projector
    if taught.config.vision_config.model_type == tower.config.model_type:
        projector.load_state_dict(taught.model.multi_modal_projector.state_dict())
        return model
    for layer in (projector.linear_1, projector.linear_2):
        nn.init.normal_(layer.weight, 0, 0.08)
        nn.init.zeros_(layer.bias)
    return model


def build_photo_processor(tokenizer: PreTrainedTokenizerFast, config: GridTowerConfig) -> LlavaProcessor:
    """The processor that squashes a picture to the tower's square and expands the placeholder to all its tokens."""
    side = {"height": config.image_size, "width": config.image_size}
    images = SiglipImageProcessorPil(
        size=side, resample=3, do_convert_rgb=True, image_mean=[MEAN] * 3, image_std=[SPREAD] * 3
    )
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=CELL_PX,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )
