"""Tiny random detectors, written as they are published: each architecture's configuration and processor."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from tiny_checkpoints import image_processor, make_tokenizer

PUBLISHED: Any = transformers
NAMES = {0: "person", 1: "dog", 2: "sofa", 3: "cup"}
RESNET = {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1],
          "layer_type": "basic", "out_features": ["stage2", "stage3", "stage4"]}  # fmt: skip


def _write(folder: Path, model: Any, images: Any) -> Path:
    for name, weight in model.named_parameters():
        if weight.ndim > 1 and ("class" in name or "score" in name or "bbox" in name):
            torch.nn.init.normal_(weight, std=0.5)
    model.save_pretrained(folder)
    images.save_pretrained(folder)
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    settings["image_processor_type"] = settings["image_processor_type"].removesuffix("Pil")
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def write_detr(folder: Path) -> Path:
    config = PUBLISHED.DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, d_model=16, encoder_layers=1,
        decoder_layers=1, encoder_ffn_dim=16, decoder_ffn_dim=16, encoder_attention_heads=2, decoder_attention_heads=2,
        num_queries=7, id2label=NAMES, backbone_config={**RESNET, "out_features": ["stage4"]},
    )  # fmt: skip
    images = image_processor("DetrImageProcessor", size={"shortest_edge": 40, "longest_edge": 64})
    return _write(folder, PUBLISHED.DetrForObjectDetection(config), images)


def write_rt_detr(folder: Path, family: str = "RTDetr") -> Path:
    backbone = {"model_type": "rt_detr_resnet", "embedding_size": 8, "hidden_sizes": [8, 16, 16, 16],
                "depths": [1, 1, 1, 1], "layer_type": "basic", "out_features": ["stage2", "stage3", "stage4"]}  # fmt: skip
    config = getattr(PUBLISHED, f"{family}Config")(
        backbone_config=backbone, encoder_hidden_dim=16, encoder_in_channels=[16, 16, 16], feat_strides=[8, 16, 32],
        encoder_layers=1, encoder_ffn_dim=16, encoder_attention_heads=2, decoder_in_channels=[16, 16, 16], d_model=16,
        num_queries=9, decoder_layers=2, decoder_ffn_dim=16, decoder_attention_heads=2, num_denoising=0,
        anchor_image_size=None, id2label=NAMES,
    )  # fmt: skip
    images = image_processor("RTDetrImageProcessor", size={"height": 64, "width": 64})
    return _write(folder, getattr(PUBLISHED, f"{family}ForObjectDetection")(config), images)


def write_d_fine(folder: Path) -> Path:
    return write_rt_detr(folder, "DFine")


def write_yolos(folder: Path) -> Path:
    config = PUBLISHED.YolosConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=[32, 48],
        patch_size=8, num_detection_tokens=6, id2label=NAMES, use_mid_position_embeddings=False,
    )  # fmt: skip
    images = image_processor("YolosImageProcessor", size={"shortest_edge": 32, "longest_edge": 48})
    return _write(folder, PUBLISHED.YolosForObjectDetection(config), images)


def write_owl(folder: Path, family: str = "Owlv2") -> Path:
    tokenizer = make_tokenizer()
    tokenizer.model_max_length = 16
    text = {"vocab_size": len(tokenizer), "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "max_position_embeddings": 16, "pad_token_id": 2, "eos_token_id": 2}  # fmt: skip
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
              "image_size": 32, "patch_size": 8}  # fmt: skip
    config = getattr(PUBLISHED, f"{family}Config")(text_config=text, vision_config=vision, projection_dim=16)
    model = getattr(PUBLISHED, f"{family}ForObjectDetection")(config)
    processor = "OwlViTProcessor" if family == "OwlViT" else f"{family}Processor"
    images: Any = image_processor(f"{family}ImageProcessor", size={"height": 32, "width": 32})
    if family == "OwlViT":
        images.crop_size = {"height": 32, "width": 32}
    _write(folder, model, images)
    tokenizer.save_pretrained(folder)
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**settings, "processor_class": processor}))
    return folder


def write_grounding_dino(folder: Path) -> Path:
    tokenizer = transformers.BertTokenizer(
        vocab={word: n for n, word in enumerate(
            ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", "a", "an", "dog", "cup", "per", "##son", "traffic", "light"]
        )}
    )  # fmt: skip
    tokenizer.model_max_length = 64
    backbone = {"model_type": "swin", "image_size": 32, "embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2],
                "window_size": 2, "out_features": ["stage2", "stage3", "stage4"]}  # fmt: skip
    text = {"model_type": "bert", "vocab_size": len(tokenizer), "hidden_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 16}  # fmt: skip
    config = PUBLISHED.GroundingDinoConfig(
        backbone_config=backbone, text_config=text, d_model=32, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16, encoder_attention_heads=2, decoder_attention_heads=2, num_queries=8, use_timm_backbone=False,
        use_pretrained_backbone=False, backbone=None,
    )  # fmt: skip
    images = image_processor("GroundingDinoImageProcessor", size={"shortest_edge": 64, "longest_edge": 96})
    _write(folder, PUBLISHED.GroundingDinoForObjectDetection(config), images)
    tokenizer.save_pretrained(folder)
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(
        json.dumps({**settings, "processor_class": "GroundingDinoProcessor"})
    )
    return folder


WRITERS: dict[str, Callable[[Path], Path]] = {
    "detr": write_detr,
    "rt_detr": write_rt_detr,
    "rt_detr_v2": lambda folder: write_rt_detr(folder, "RTDetrV2"),
    "d_fine": write_d_fine,
    "yolos": write_yolos,
    "owlv2": write_owl,
    "owlvit": lambda folder: write_owl(folder, "OwlViT"),
    "grounding_dino": write_grounding_dino,
}
