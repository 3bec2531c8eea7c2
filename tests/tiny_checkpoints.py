"""Tiny random LLaVA checkpoints, written as a user would find them: weights, tokenizer, processor."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from datagen.config import ValidatorSettings
from datagen.records import Turn
from datagen.validator.loading import Checkpoint
from datagen.validator.models import load_checkpoint

TEXTS = [
    "A red cup stands on the table.",
    "Two dogs run over the grass.",
    "USER: Where? ASSISTANT: Yes, on the left side.",
]
KINDS = ("clip", "mistral", "siglip", "next")
SPECIAL = ["<unk>", "<s>", "</s>", "<image>"]
TURNS = (
    Turn("What stands on the table?", "A red cup stands on the table."),
    Turn("How many dogs run?", "Two dogs run over the grass, and a third — blue — one sleeps."),
    Turn("Is it left?", "Yes"),
)
# Written for these tests; puts a space after answers, as several published templates do.
TEMPLATE = (
    "{% for m in messages %}{{ m['role'] | upper }}: "
    "{% for part in m['content'] if part['type'] == 'image' %}<image>\n{% endfor %}"
    "{% for part in m['content'] if part['type'] == 'text' %}{{ part['text'] }} {% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
TEXT_TEMPLATE = (
    "{% for m in messages %}<s>[{{ m['role'] }}] {% if m['content'] is string %}{{ m['content'] }}{% endif %}</s>"
    "{% endfor %}{% if add_generation_prompt %}<s>[assistant]{% endif %}"
)


def make_tokenizer(style: str = "bytes", special: list[str] = SPECIAL) -> transformers.PreTrainedTokenizerFast:
    """A tokenizer with a start token, cutting words as GPT-2 ("bytes") or Llama ("metaspace") does."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    alphabet: list[str] = []
    if style == "bytes":
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS * 4, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>"
    )


def text_config(n_words: int, max_tokens: int = 512, kind: str = "Llama") -> transformers.PretrainedConfig:
    made: transformers.PretrainedConfig = getattr(transformers, f"{kind}Config")(
        vocab_size=n_words,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=max_tokens,
        initializer_range=0.3,
    )
    return made


def clip_config() -> transformers.CLIPVisionConfig:
    return transformers.CLIPVisionConfig(
        hidden_size=24, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=28, patch_size=7
    )


def siglip_config() -> transformers.SiglipVisionConfig:
    return transformers.SiglipVisionConfig(
        hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8
    )


def write_checkpoint(folder: Path, kind: str = "clip", template: str | None = None, **options: object) -> Path:
    """Write one tiny checkpoint; "siglip" has a Phi, "mistral" a CLIP tower, "next" is a LLaVA-NeXT."""
    torch.manual_seed(0)
    tokenizer = make_tokenizer(str(options.get("tokenizer", "bytes")))
    tower = siglip_config() if kind == "siglip" else clip_config()
    strategy = "full" if kind == "siglip" else "default"
    shared = {
        "vision_config": tower,
        "text_config": text_config(
            len(tokenizer),
            int(str(options.get("max_tokens", 512))),
            {"mistral": "Mistral", "siglip": "Phi"}.get(kind, "Llama"),
        ),
        "image_token_id": tokenizer.convert_tokens_to_ids("<image>"),
        "vision_feature_layer": -1 if kind == "siglip" else -2,
        "vision_feature_select_strategy": strategy,
    }
    side = tower.image_size
    size = {"height": side, "width": side}
    for_processor = {
        "tokenizer": tokenizer,
        "patch_size": tower.patch_size,
        "vision_feature_select_strategy": strategy,
        "num_additional_image_tokens": 0 if kind == "siglip" else 1,
        "chat_template": template,
    }
    if kind == "next":
        grid = [[side, 2 * side], [2 * side, side], [2 * side, 2 * side]]
        model = transformers.LlavaNextForConditionalGeneration(
            transformers.LlavaNextConfig(**shared, image_grid_pinpoints=grid)
        )
        images = image_processor(
            "LlavaNextImageProcessor", size={"shortest_edge": side}, crop_size=size, image_grid_pinpoints=grid
        )
        processor = transformers.LlavaNextProcessor(images, **for_processor)
    else:
        model = transformers.LlavaForConditionalGeneration(transformers.LlavaConfig(**shared))
        if kind != "siglip":
            images = image_processor("CLIPImageProcessor", size={"shortest_edge": side}, crop_size=size)
        else:
            images = image_processor("SiglipImageProcessor", size=size)
        processor = transformers.LlavaProcessor(images, **for_processor)
    for name, weight in model.named_parameters():
        if weight.ndim > 1 and "language_model" not in name:
            torch.nn.init.normal_(weight, std=0.3)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def image_processor(name: str, **settings: object) -> object:
    """The same class that loading the checkpoint will choose, with torchvision or without."""
    kind = name.removesuffix("ImageProcessor")
    without_torchvision = getattr(transformers, f"{kind}ImageProcessorPil", None)
    return (without_torchvision or getattr(transformers, name))(**settings)


def open_tiny(folder: Path, **settings: object) -> Checkpoint:
    return load_checkpoint(ValidatorSettings(name=str(folder), device="cpu", **settings))


def picture(name: str, size: tuple[int, int] = (40, 30)) -> Image.Image:
    """A noisy picture that depends on its name alone."""
    torch_seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    noise = torch.randint(0, 256, (size[1], size[0], 3), generator=torch.Generator().manual_seed(torch_seed))
    return Image.fromarray(noise.to(torch.uint8).numpy())
