"""A tiny tower for photographs, and a LLaVA that has it: random, small, of the form that is shipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from datagen.validator.models.grid_tower import GridTower, GridTowerConfig
from datagen.validator.models.nano import FOLDERS
from training.model import save_checkpoint
from training.photo_model import build_photo_model, build_photo_processor

STAGES = ((1, 8, 1, 1, 3), (2, 8, 1, 2, 3), (2, 8, 1, 2, 5), (2, 8, 1, 2, 3), (2, 12, 2, 1, 5), (2, 16, 1, 2, 5))


def tiny_tower(categories: int = 80) -> GridTower:
    """Two classes of ImageNet speak for the first two categories, one for none."""
    torch.manual_seed(0)
    config = GridTowerConfig(
        stages=STAGES, stem=8, image_size=96, head=24, knows=(0, 1, -1), categories=categories, neck=16, neck_blocks=1
    )
    tower = GridTower(config)
    tower.eval()
    for layer in tower.modules():
        if isinstance(layer, torch.nn.Conv2d):  # so that something is left of the picture behind so many layers
            torch.nn.init.kaiming_normal_(layer.weight)
    return tower


def save_tiny_photo_nano(folder: Path, probes: tuple[str, ...], categories: tuple[str, ...]) -> None:
    """Write a checkpoint as the package holds one: the bundled language model before a tower that knows nothing."""
    tower = tiny_tower()
    words = FOLDERS["drawn scene"]
    model = build_photo_model(tower, words, n_scenes=16)
    tokenizer: Any = AutoTokenizer.from_pretrained(words)
    save_checkpoint(model, build_photo_processor(tokenizer, tower.config), folder)
    told = {"probes": probes, "categories": categories}
    (folder / "nano.json").write_text(json.dumps(told), encoding="utf-8")
