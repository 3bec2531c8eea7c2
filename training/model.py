"""From a size and a tokenizer to a plain LLaVA checkpoint: built, initialised for fast grounding, saved.

The throw-away heads stand beside the model and are never saved with it.
"""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from msgspec import Struct
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import (
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    SiglipVisionConfig,
)
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from training.atlas import Atlas
from training.questions import MOST, Kind, QuestionMix, ask, probe
from training.scenes import draw_scene

PAD, BOS, EOS, IMAGE = "<pad>", "<s>", "</s>", "<image>"
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message.role == 'user' %}USER: "
    "{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content if part.type == 'image' %}<image>\n{% endfor %}"
    "{% for part in message.content if part.type == 'text' %}{{ part.text }}{% endfor %}{% endif %}"
    " ASSISTANT:{% else %} {% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content if part.type == 'text' %}{{ part.text }}{% endfor %}{% endif %}"
    "</s>{% endif %}{% endfor %}"
)
"""LLaVA-1.5's conversation: ``USER: <image>\\n… ASSISTANT: …</s>USER: … ASSISTANT:``."""
N_EXTENTS = 12
"""Steps of half an octave in which the heads tell how much of the frame a thing takes up."""
HEAD_LAYERS = (2, 3)
"""The heads for places and extents, and for amounts read the words after so many layers of the language model."""


class NanoSize(Struct, frozen=True, kw_only=True):
    """Shape of the model."""

    image_px: int = 128
    patch_px: int = 16
    width: int = 128
    n_heads: int = 4
    vision_layers: int = 4
    text_layers: int = 4
    vocabulary: int = 1024

    @property
    def grid(self) -> int:
        """Patches along one side."""
        return self.image_px // self.patch_px

    @classmethod
    def of(cls, model: LlavaForConditionalGeneration) -> NanoSize:
        """Read the shape from a model."""
        vision, text = model.config.vision_config, model.config.text_config
        return cls(
            image_px=vision.image_size,
            patch_px=vision.patch_size,
            width=text.hidden_size,
            n_heads=text.num_attention_heads,
            vision_layers=vision.num_hidden_layers,
            text_layers=text.num_hidden_layers,
            vocabulary=text.vocab_size,
        )


class Heads(nn.Module):
    """What training reads beside the answers, to force words and patches to bind to places; thrown away afterwards.

    Args:
        size: Of the model.
        n_categories: Category 0 is the background.
    """

    def __init__(self, size: NanoSize, n_categories: int) -> None:
        super().__init__()
        self.grid = size.grid
        self.category = nn.Linear(size.width, n_categories + 1)
        self.centre = nn.Linear(size.width, 1)
        self.patch_amount = nn.Linear(size.width, MOST + 1)
        self.patch_extent = nn.Linear(size.width, N_EXTENTS)
        self.patch_place = nn.Linear(size.width, 2 * size.grid)
        self.word_place = nn.Linear(size.width, 2 * size.grid)
        self.word_extent = nn.Linear(size.width, N_EXTENTS)
        self.word_amount = nn.Linear(size.width, MOST + 1)

    def place_of_words(self, hidden: Tensor) -> Tensor:
        """Logits of row and column, shape (n, 2, grid), from the residual at category words."""
        logits: Tensor = self.word_place(_rms_normalised(hidden))
        return logits.unflatten(-1, (2, self.grid))

    def extent_of_words(self, hidden: Tensor) -> Tensor:
        """Logits of how much of the frame a thing takes up, shape (n, N_EXTENTS), from the residual at its word."""
        logits: Tensor = self.word_extent(_rms_normalised(hidden))
        return logits

    def amount_of_words(self, hidden: Tensor) -> Tensor:
        """Logits of how many there are, none to MOST, shape (n, MOST + 1), from the residual at category words."""
        logits: Tensor = self.word_amount(_rms_normalised(hidden))
        return logits

    def place_of_patches(self, projected: Tensor) -> Tensor:
        """Logits of each patch's own row and column, shape (..., 2, grid)."""
        logits: Tensor = self.patch_place(_rms_normalised(projected))
        return logits.unflatten(-1, (2, self.grid))


def _rms_normalised(hidden: Tensor) -> Tensor:
    hidden = hidden.float()
    return hidden * torch.rsqrt(hidden.square().mean(-1, keepdim=True) + 1e-6)


def build_model(size: NanoSize, tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """Build the model with the initialisation without which sides and relations stay at chance."""
    vision = SiglipVisionConfig(
        hidden_size=size.width,
        intermediate_size=4 * size.width,
        num_hidden_layers=size.vision_layers,
        num_attention_heads=size.n_heads,
        image_size=size.image_px,
        patch_size=size.patch_px,
        vision_use_head=False,
    )
    text = LlamaConfig(
        vocab_size=size.vocabulary,
        hidden_size=size.width,
        intermediate_size=round(size.width * 8 / 3 / 16) * 16,
        num_hidden_layers=size.text_layers,
        num_attention_heads=size.n_heads,
        num_key_value_heads=size.n_heads,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=size.grid**2,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration(config)
    _initialise(model, size)
    return model


@torch.no_grad()
def _initialise(model: LlavaForConditionalGeneration, size: NanoSize) -> None:
    for name, weights in model.named_parameters():
        if name.endswith("bias"):
            weights.zero_()
        elif "embed_tokens" in name or name.startswith("lm_head"):
            weights.normal_(0, 0.3)
        elif weights.ndim >= 2:
            weights.normal_(0, size.width**-0.5 if "language_model" in name else 0.04)
    model.model.language_model.norm.weight.fill_(0.3)  # keeps the tied logits small
    for name, weights in model.model.vision_tower.named_parameters():
        if name.endswith("position_embedding.weight"):
            weights.copy_(sine_positions(size.grid, size.width))


@torch.no_grad()
def see_larger(model: LlavaForConditionalGeneration, image_px: int) -> LlavaForConditionalGeneration:
    """Copy a model so that it takes larger pictures: more patches of the same size, their places drawn out between."""
    size = NanoSize.of(model)
    grid = image_px // size.patch_px
    config = LlavaConfig.from_dict(model.config.to_dict())
    config.vision_config.image_size, config.image_seq_length = image_px, grid**2
    held = model.state_dict()
    (name,) = (name for name in held if name.endswith("position_embedding.weight"))
    places = held[name].T.unflatten(1, (size.grid, size.grid))[None]
    larger = nn.functional.interpolate(places, (grid, grid), mode="bilinear", align_corners=False)
    held[name] = larger[0].flatten(1).T
    copy = LlavaForConditionalGeneration(config).to(model.dtype)
    copy.load_state_dict(held)
    return copy


def sine_positions(grid: int, width: int) -> Tensor:
    """Sine and cosine of row and column at rising frequencies, amplitude 1, shape (grid ** 2, width)."""
    quarter = width // 4
    frequency = math.pi / 16 * 2 ** (3 * torch.arange(quarter) / quarter)
    row, column = torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")
    angles = [axis.reshape(-1, 1) * frequency for axis in (row, column)]
    return torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=1)


def see(model: LlavaForConditionalGeneration, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Features before the tower's last norm, as a loaded LLaVA reads them, and their projection, (batch, n, width)."""
    seen = model.model.vision_tower(pixel_values=pixels, output_hidden_states=True).hidden_states[-1]
    return seen, model.model.multi_modal_projector(seen)


def to_pixels(frames: Tensor) -> Tensor:
    """uint8 (batch, height, width, 3) to what the processor would hand over: (batch, 3, height, width) in -1..1."""
    return frames.permute(0, 3, 1, 2).float().div(127.5).sub(1)


def train_tokenizer(atlas: Atlas, vocabulary: int, seed: int, n_scenes: int = 4000) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on questions, answers and captions of random scenes."""
    rng, scenes = random.Random(seed), np.random.default_rng(seed)
    kinds: tuple[Kind, ...] = ("count", "relation", "size")
    lines = [probe(kind, name, name) for name in atlas.categories for kind in kinds]
    mix = QuestionMix(caption=2, probes=0.2, most=16)
    for _ in range(n_scenes):
        for one in ask(draw_scene(scenes, atlas), atlas.categories, rng, mix):
            lines += [f"\n{one.question} ASSISTANT:", *(f" {answer}" for answer in (one.answer, *one.wrong[:1]))]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[AddedToken(token, special=True) for token in (PAD, BOS, EOS, IMAGE)],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(["USER: ", *lines], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        extra_special_tokens={"image_token": IMAGE},
        model_max_length=1024,
    )


def build_processor(tokenizer: PreTrainedTokenizerFast, size: NanoSize) -> LlavaProcessor:
    """The processor that squashes a picture to the model's square and expands the placeholder."""
    squash = {"height": size.image_px, "width": size.image_px}
    return LlavaProcessor(
        image_processor=SiglipImageProcessorPil(size=squash, resample=3, do_convert_rgb=True),
        tokenizer=tokenizer,
        patch_size=size.patch_px,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=CHAT_TEMPLATE,
    )


def save_checkpoint(model: LlavaForConditionalGeneration, processor: Any, folder: Path) -> None:
    """Write an ordinary checkpoint: bf16 safetensors, config, tokenizer, processor."""
    kept = {name: weights.detach().to("cpu", torch.bfloat16) for name, weights in model.state_dict().items()}
    # A copy in bf16: casting the model itself would round the weights that go on training.
    copy = LlavaForConditionalGeneration(model.config).to(torch.bfloat16)
    copy.load_state_dict(kept)
    copy.save_pretrained(folder)
    processor.save_pretrained(folder)
