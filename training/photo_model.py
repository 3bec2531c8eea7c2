"""From a vision tower and ``nano``'s language model to a LLaVA for photographs: joined, saved as a plain checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForImageTextToText,
    AutoTokenizer,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from datagen.validator.models.grid_tower import GridTower, GridTowerConfig, register
from training.atlas import load_atlas
from training.model import CHAT_TEMPLATE
from training.patch_language import learn_language, speak

MEAN, SPREAD = 127 / 255, 128 / 255
"""Of a channel, as EfficientNet-Lite was taught."""


def build_photo_model(tower: GridTower, words_of: Path, n_scenes: int = 320) -> LlavaForConditionalGeneration:
    """Put a tower before the language model of a checkpoint.

    The projector between them speaks as the checkpoint's own patches do, see ``patch_language``; if the checkpoint had
    such a tower already, it is taken over.

    Args:
        tower: Taught already.
        words_of: Checkpoint whose language model knows the questions.
        n_scenes: Drawn scenes that its patches' language is learned from.
    """
    register()
    load: Any = AutoModelForImageTextToText.from_pretrained
    taught = load(words_of, dtype=torch.float32)
    config = LlavaConfig(
        vision_config=tower.config.to_dict(),
        text_config=taught.config.text_config.to_dict(),
        image_token_index=taught.config.image_token_id,
        image_seq_length=tower.config.categories,
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
    tokenizer = AutoTokenizer.from_pretrained(words_of)
    speak(projector, learn_language(taught, tokenizer, load_atlas(), n_scenes), tower.found.grid)
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
        # As transformers counts: one patch, the whole picture, and what else there is.
        patch_size=config.image_size,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=config.categories - 1,
        chat_template=CHAT_TEMPLATE,
    )
