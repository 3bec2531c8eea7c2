"""Imp-v1-3b without its remote code: its weights become a LLaVA of transformers' own classes.

Imp (MILVLG/imp-v1-3b) is SigLIP so400m, a two-layer projector and Phi-2, so transformers' own classes
can run it, but for one thing: Phi's head has a bias and LLaVA's has none. Its weights were published
under two sets of names; both are told from the file, and every size is read from the weights, as
config.json does not carry Phi's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from msgspec import Struct
from safetensors import SafetensorError, safe_open

from datagen.config import ValidatorSettings
from datagen.errors import ValidatorError
from datagen.validator.dialogue import Dialogue
from datagen.validator.files import first_line, read_config
from datagen.validator.loading import Checkpoint, Found, hush_transformers, load_model
from datagen.validator.models.llava import SHORT_ANSWER, family_like_llava, like_llava

IMP_TEMPLATE = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
    "detailed, and polite answers to the user's questions."
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %} USER: {% else %} {% endif %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}"
    "{% if message['role'] == 'user' %} ASSISTANT:{% else %}</s>{% endif %}"
    "{% endfor %}"
)
"""The prompt that Imp was trained on, as a chat template; the user's turn ends where the answer starts."""

_PHI_HEAD, _PHI_ROTARY_SHARE, _PHI_MAX_TOKENS = 80, 0.4, 2048  # Phi-2: 2,560 in 32 heads, 32 rotating dimensions each
_SIGLIP_HEAD = 72  # so400m: 1,152 in 16 heads
_SIGLIP_LAYERS = 26  # so400m has 27; Imp looks at what the last but one gives

_RENAMED = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"(?:model|transformer)\.vision_tower\.(?:vision_tower\.)?vision_model\.(.+)", r"vision_tower.\1"),
        (r"(?:model|transformer)\.mm_projector\.0\.(weight|bias)", r"multi_modal_projector.linear_1.\1"),
        (r"(?:model|transformer)\.mm_projector\.2\.(weight|bias)", r"multi_modal_projector.linear_2.\1"),
        (r"transformer\.embd\.wte\.weight", r"language_model.embed_tokens.weight"),
        (r"transformer\.h\.(\d+)\.ln\.(weight|bias)", r"language_model.layers.\1.input_layernorm.\2"),
        (r"transformer\.h\.(\d+)\.mixer\.Wqkv\.(weight|bias)", r"language_model.layers.\1.self_attn.QKV.\2"),
        (r"transformer\.h\.(\d+)\.mixer\.out_proj\.(weight|bias)", r"language_model.layers.\1.self_attn.dense.\2"),
        (r"transformer\.h\.(\d+)\.mlp\.(fc[12])\.(weight|bias)", r"language_model.layers.\1.mlp.\2.\3"),
        (r"lm_head\.ln\.(weight|bias)", r"language_model.final_layernorm.\1"),
        (r"lm_head\.linear\.(weight|bias)", r"lm_head.\1"),
        (r"lm_head\.(weight|bias)", r"lm_head.\1"),
        (r"model\.((?:embed_tokens|final_layernorm|layers\.\d+\.\w+)\..+)", r"language_model.\1"),
    )
)
# The tower's last norm and its pooling head come after the layer that Imp looks at; inverse frequencies are computed.
_UNUSED = re.compile(r"vision_tower\.(?:post_layernorm|head)\.|.*\.inv_freq$|.*\.position_ids$")


class BiasedLlava(transformers.LlavaForConditionalGeneration):  # type: ignore[no-untyped-call]
    """LLaVA with a bias in its head; without a place for it, transformers drops a bias silently."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        text = config.get_text_config()
        self.lm_head = torch.nn.Linear(text.hidden_size, text.vocab_size, bias=True)
        self.post_init()  # type: ignore[no-untyped-call]


class ImpParts(Struct, frozen=True):
    """An Imp checkpoint, read.

    Attributes:
        model_class: What to make of ``config`` and ``weights``.
        weights: By the names that the model has in memory; views into the files until they are copied.
    """

    model_class: type[Any]
    config: Any
    weights: dict[str, torch.Tensor]
    tokenizer: Any
    image_processor: Any


def open_imp(folder: Path) -> ImpParts:
    """Read Imp's files.

    Raises:
        ValidatorError: A file is damaged, or weights are missing or unknown.
    """
    weights = dict(_weights_of(folder))
    try:
        config = _config_of(weights, read_config(folder))
    except KeyError as error:
        raise ValidatorError(f"{folder}: holds no {error.args[0]}, which Imp has; download it again.") from None
    tokenizer = _load_tokenizer(folder)
    config.image_token_id = tokenizer.convert_tokens_to_ids("<image>")
    side = config.vision_config.image_size
    processor = getattr(transformers, "SiglipImageProcessorPil", None) or transformers.SiglipImageProcessor
    # Squashed to a square, bicubic, mean and deviation a half: SigLIP's own defaults.
    images = processor(size={"height": side, "width": side})
    return ImpParts(BiasedLlava, config, _named_as_in_memory(config, weights), tokenizer, images)


def _weights_of(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                for key in file.keys():  # noqa: SIM118 (no mapping)
                    yield from _renamed(folder, key, file.get_tensor(key))
        except (SafetensorError, OSError) as error:
            raise ValidatorError(f"{path}: cannot be read ({first_line(error)}); download it again.") from None


def _renamed(folder: Path, key: str, weight: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    """Give one stored tensor its new name; the old layout's fused one becomes three."""
    name = next((sign.sub(new, key) for sign, new in _RENAMED if sign.fullmatch(key)), None)
    if _UNUSED.match(name or key) or _is_above(name or ""):
        return
    if name is None:
        raise ValidatorError(f"{folder}: '{key}' is no weight of Imp's; use MILVLG/imp-v1-3b as it was published.")
    if "QKV" not in name:
        yield name, weight
        return
    for part, piece in zip("qkv", weight.chunk(3), strict=True):
        yield name.replace("QKV", f"{part}_proj"), piece


def _is_above(name: str) -> bool:
    layer = re.match(r"vision_tower\.encoder\.layers\.(\d+)\.", name)
    return layer is not None and int(layer[1]) >= _SIGLIP_LAYERS


def _config_of(weights: dict[str, torch.Tensor], stored: dict[str, Any]) -> Any:
    """Read every size from the weights.

    Raises:
        KeyError: A weight that tells a size is missing; its name is the argument.
    """
    vocabulary, hidden = weights["language_model.embed_tokens.weight"].shape
    vision_hidden, _, patch, _ = weights["vision_tower.embeddings.patch_embedding.weight"].shape
    n_patches = len(weights["vision_tower.embeddings.position_embedding.weight"])
    vision = transformers.SiglipVisionConfig(
        hidden_size=vision_hidden,
        intermediate_size=len(weights["vision_tower.encoder.layers.0.mlp.fc1.weight"]),
        num_hidden_layers=_n_layers(weights, "vision_tower.encoder"),
        num_attention_heads=vision_hidden // _SIGLIP_HEAD,
        image_size=round(n_patches**0.5) * patch,
        patch_size=patch,
        vision_use_head=False,
    )
    text = transformers.PhiConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=len(weights["language_model.layers.0.mlp.fc1.weight"]),
        num_hidden_layers=_n_layers(weights, "language_model"),
        num_attention_heads=hidden // _PHI_HEAD,
        rope_parameters={
            "rope_type": "default",
            "rope_theta": 10_000.0,
            "partial_rotary_factor": _PHI_ROTARY_SHARE,
        },
        max_position_embeddings=stored.get("max_position_embeddings") or stored.get("n_positions") or _PHI_MAX_TOKENS,
        hidden_act="gelu_new",
        tie_word_embeddings=False,
    )
    return transformers.LlavaConfig(
        vision_config=vision,
        text_config=text,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        projector_hidden_act="gelu",
        tie_word_embeddings=False,
    )


def _n_layers(weights: dict[str, torch.Tensor], part: str) -> int:
    numbers = (re.match(rf"{part}\.layers\.(\d+)\.", name) for name in weights)
    return 1 + max((int(found[1]) for found in numbers if found), default=0)


def _named_as_in_memory(config: Any, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Use the names that this version of transformers has for the parts."""
    with torch.device("meta"):
        names = list(BiasedLlava(config).state_dict())

    def plain(name: str) -> str:
        return name.removeprefix("model.").replace("vision_tower.vision_model.", "vision_tower.")

    in_memory = {plain(name): name for name in names}
    named = {in_memory.get(name, name): weight for name, weight in weights.items()}
    # Never read, as it follows the layer that is looked at, but the tower has a place for it.
    for part, filled in (("weight", torch.ones), ("bias", torch.zeros)):
        norm = in_memory.get(f"vision_tower.post_layernorm.{part}")
        if norm is not None:
            named[norm] = filled(config.vision_config.hidden_size)
    return named


def _load_tokenizer(folder: Path) -> Any:
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the tokenizers library raises bare Exception for a damaged file
        raise ValidatorError(f"{folder}: its tokenizer cannot be loaded ({first_line(error)}).") from None
    if "<image>" not in tokenizer.get_vocab():
        raise ValidatorError(f"{folder}: the tokenizer has no image token '<image>'; download it again.")
    return tokenizer


def _recognise(config: dict[str, Any], trusts_code: bool) -> str | None:
    is_imp = config.get("model_type") == "imp" or "ImpForCausalLM" in (config.get("architectures") or ())
    return "LlavaForConditionalGeneration" if is_imp else None


def _prepare(settings: ValidatorSettings, found: Found) -> None:
    """Its prompt is its own, and its pictures are squares: what can be wrong is the tokenizer."""
    hush_transformers()
    Dialogue(_load_tokenizer(found.folder), IMP_TEMPLATE, "<image>")


def _checkpoint(settings: ValidatorSettings, found: Found, prepared: None) -> Checkpoint:
    parts = open_imp(found.folder)
    model = load_model(settings, found, parts)
    return like_llava(found, model, parts.tokenizer, parts.image_processor, IMP_TEMPLATE, "<image>")


IMP = family_like_llava("imp", _recognise, _prepare, _checkpoint, SHORT_ANSWER)
