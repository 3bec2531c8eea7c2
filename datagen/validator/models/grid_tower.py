"""A convolutional vision tower whose tokens say what stands where: the eyes of the bundled model for photographs.

EfficientNet-Lite2's inverted residual blocks give features on a fine and a coarse grid; a neck joins them with what the
classifier of ImageNet finds in each cell, and tells for every category how likely a cell is covered by such a thing and
how many such things have their centre there. From these maps every category gets one token: its name, how surely it is
shown, how many there are, over which columns and rows they spread, and how much of the picture they cover. A LLaVA of
transformers takes it as any other tower: ``register()`` puts it beside them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

LITE2 = (
    (1, 16, 1, 1, 3), (6, 24, 3, 2, 3), (6, 48, 3, 2, 5), (6, 88, 4, 2, 3), (6, 120, 4, 1, 5), (6, 208, 5, 2, 5),
    (6, 352, 1, 1, 3),
)  # fmt: skip
"""Stages of EfficientNet-Lite2: widening, channels, blocks, stride of the first block, kernel."""
FINE_STAGE = 4
"""The stage after which the fine grid is read, at a sixteenth of the picture; the last one gives the coarse grid."""
SURE_AT = (-7.0, -5.5, -4.5, -3.75, -3.0, -2.25, -1.5, -0.75, 0.0, 0.75, 1.5, 2.5)
"""Steps in which a token tells the log-odds that its category is shown, ..."""
MANY_AT = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
"""... how many there are, ..."""
LARGE_AT = (-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0)
"""... and the share of the picture that they cover, as a power of two: 1 at the step, falling to 0 at the next ones."""


class GridTowerConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """Shape of a ``GridTower``.

    Attributes:
        stages: As ``LITE2``.
        stem: Channels of the first convolution.
        image_size: Side of the square picture, a multiple of 32.
        head: Channels of the classifier's last layer.
        knows: For each class of ImageNet that is kept, the category that it speaks for; -1 for none.
        categories: Number of things that tokens speak of.
        neck: Channels of the neck.
        neck_blocks: Residual blocks of the neck.
        hidden_size: Numbers of a token.
    """

    model_type = "datagen_grid_tower"
    base_config_key = "vision_config"

    def __init__(
        self,
        *,
        stages: Any = LITE2,
        stem: int = 32,
        image_size: int = 288,
        head: int = 1280,
        knows: Any = (-1,),
        categories: int = 80,
        neck: int = 192,
        neck_blocks: int = 4,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.stages = [list(stage) for stage in stages]
        self.stem, self.image_size, self.head, self.knows = stem, image_size, head, list(knows)
        self.categories, self.neck, self.neck_blocks = categories, neck, neck_blocks
        self.hidden_size = categories + 4 * self.cells + len(SURE_AT) + len(MANY_AT) + len(LARGE_AT)

    @property
    def cells(self) -> int:
        """Cells of the coarse grid along one side."""
        return self.image_size // 32


class _Convolution(nn.Conv2d):
    """With the padding that EfficientNet was taught with: at stride 2, more below and on the right."""

    def __init__(self, width_in: int, width_out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__(width_in, width_out, kernel, stride, 0 if stride == 2 else kernel // 2, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride[0] == 2:
            before = (self.kernel_size[0] - 2) // 2
            after = self.kernel_size[0] - 2 - before
            x = functional.pad(x, (before, after, before, after))
        if self.kernel_size == (1, 1):
            # A matrix product over channels that lie last: the convolution of one thread copies them about for it.
            return functional.linear(x.permute(0, 2, 3, 1), self.weight[:, :, 0, 0], self.bias).permute(0, 3, 1, 2)
        if self.training and self.groups > 1:
            # Each channel by itself in bf16 goes backward four times slower on a CPU than in fp32.
            with torch.autocast(x.device.type, enabled=False):
                return super().forward(x.float())
        return super().forward(x)


class _Inverted(nn.Module):
    """An inverted residual block, its norms folded into the convolutions."""

    def __init__(self, width_in: int, width_out: int, widening: int, kernel: int, stride: int) -> None:
        super().__init__()
        middle = width_in * widening
        self.expand = _Convolution(width_in, middle) if widening != 1 else None
        self.depth = _Convolution(middle, middle, kernel, stride, middle)
        self.project = _Convolution(middle, width_out)
        self.is_residual = stride == 1 and width_in == width_out

    def forward(self, x: Tensor) -> Tensor:
        # In place, where nothing goes backward: the widened grids outgrow the caches, and a new one costs page faults.
        wide = x if self.expand is None else functional.relu6(self.expand(x), inplace=not self.training)
        y: Tensor = self.project(functional.relu6(self.depth(wide), inplace=not self.training))
        return x + y if self.is_residual else y


class Backbone(nn.Module):
    """EfficientNet-Lite without its classifier."""

    def __init__(self, config: GridTowerConfig) -> None:
        super().__init__()
        self.stem = _Convolution(3, config.stem, 3, 2)
        blocks: list[nn.Module] = []
        width = config.stem
        for number, (widening, channels, n_blocks, stride, kernel) in enumerate(config.stages):
            for n in range(n_blocks):
                blocks.append(_Inverted(width, channels, widening, kernel, stride if n == 0 else 1))
                width = channels
            if number == FINE_STAGE:
                self.n_fine, self.fine_width = len(blocks), width
        self.blocks = nn.ModuleList(blocks)
        self.coarse_width = width

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Features on the fine and on the coarse grid, (batch, channels, rows, columns)."""
        x = functional.relu6(self.stem(pixels))
        for n, block in enumerate(self.blocks, start=1):
            x = block(x)
            if n == self.n_fine:
                fine = x
        return fine, x


class Classifier(nn.Module):
    """What ImageNet's classes find in each cell, and over all cells the features that they find it by."""

    def __init__(self, width: int, config: GridTowerConfig) -> None:
        super().__init__()
        self.widen = nn.Linear(width, config.head)
        self.classes = nn.Linear(config.head, len(config.knows))

    def forward(self, coarse: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (batch, cells, classes), and mean and greatest of the features (batch, 2 * head).

        Args:
            coarse: (batch, cells, width).
        """
        features = functional.relu6(self.widen(coarse))
        return self.classes(features), torch.cat([features.mean(dim=1), features.amax(dim=1)], dim=1)


class _Mixing(nn.Module):
    """A residual block of the neck: each cell looks at its neighbours, then thinks."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depth = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.depth(x).permute(0, 2, 3, 1))
        y = self.down(functional.gelu(self.up(y)))
        return x + y.permute(0, 3, 1, 2)


def _as_grid(cells: Tensor, side: int) -> Tensor:
    """(batch, side ** 2, channels) to (batch, channels, side, side)."""
    return cells.transpose(1, 2).reshape(len(cells), -1, side, side)


class GridHeads(nn.Module):
    """From the features of both grids to what stands where.

    Its numbers are log-odds: that a cell is covered by a thing of a category, that one has its centre there, and that
    the picture shows one.
    """

    def __init__(self, fine: int, coarse: int, config: GridTowerConfig) -> None:
        super().__init__()
        n, width = config.categories, config.neck
        self.speaks: Tensor
        self.grid = 2 * config.cells
        self.from_fine = nn.Linear(fine, width)
        self.from_coarse = nn.Linear(coarse + len(config.knows), width)
        self.from_all = nn.Linear(2 * config.head, width)
        self.blocks = nn.ModuleList(_Mixing(width) for _ in range(config.neck_blocks))
        self.norm = nn.LayerNorm(width)
        self.cover, self.centre = nn.Linear(width, n), nn.Linear(width, n)
        self.shown = nn.Linear(2 * config.head, n)
        self.blend = nn.Parameter(torch.tensor([[0.1], [0.1], [0.3], [0.1]]).repeat(1, n))
        speaks = torch.tensor(config.knows)
        self.register_buffer(
            "speaks", (speaks[:, None] == torch.arange(n)).float()
        )  # kept with the weights: transformers fills no others

    def evidence(self, logits: Tensor) -> Tensor:
        """What ImageNet's classes say of each category: their log-sum-exp, 0 where a category has none."""
        logits = logits.float()
        highest = logits.amax(dim=-1, keepdim=True)
        summed = (logits - highest).exp() @ self.speaks.float()
        found = summed.clamp(min=1e-30).log() + highest
        return torch.where(self.speaks.bool().any(dim=0), found, torch.zeros_like(found))

    def forward(self, fine: Tensor, coarse: Tensor, logits: Tensor, whole: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Join the grids.

        Args:
            fine: (batch, cells of the fine grid, channels).
            coarse: (batch, cells of the coarse grid, channels).
            logits: Of the classifier, (batch, cells of the coarse grid, classes).
            whole: Of the classifier, (batch, 2 * head).

        Returns:
            Log-odds of cover and of a centre, each (batch, categories, rows, columns) on the fine grid, and of being
            shown at all, (batch, categories).
        """
        side = self.grid // 2
        low = self.from_coarse(torch.cat([coarse, 0.2 * logits], dim=-1))
        x = _as_grid(self.from_fine(fine), self.grid)
        x = (
            x
            + functional.interpolate(_as_grid(low, side), scale_factor=2.0, mode="bilinear")
            + self.from_all(whole)[:, :, None, None]
        )
        for block in self.blocks:
            x = block(x)
        x = self.norm(x.permute(0, 2, 3, 1))
        evidence = self.evidence(logits)
        by_class = functional.interpolate(_as_grid(evidence, side), scale_factor=2.0, mode="bilinear")
        cover = self.cover(x).permute(0, 3, 1, 2).float() + self.blend[2, :, None, None] * by_class
        centre = self.centre(x).permute(0, 3, 1, 2).float() + self.blend[3, :, None, None] * by_class
        flat = cover.flatten(2)
        pooled = flat.logsumexp(dim=2) - math.log(flat.shape[2])
        shown = self.shown(whole).float() + self.blend[0] * pooled + self.blend[1] * evidence.amax(dim=1)
        return cover, centre, shown


class GridTower(PreTrainedModel):  # type: ignore[no-untyped-call]
    """The tower; its hidden states are its tokens, (batch, categories, hidden_size), one for each category.

    A token is the category's number as a one among zeros, and what ``as_tokens`` tells of it. So the language model
    finds what it needs by name, and reads it in one place.
    """

    config_class = GridTowerConfig
    config: GridTowerConfig
    main_input_name = "pixel_values"
    base_model_prefix = "tower"

    def __init__(self, config: GridTowerConfig) -> None:
        super().__init__(config)
        self.backbone = Backbone(config)
        self.classifier = Classifier(self.backbone.coarse_width, config)
        self.found = GridHeads(self.backbone.fine_width, self.backbone.coarse_width, config)
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def look(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What stands where, as ``GridHeads`` tell it."""
        # Few at a time on a CPU: with eight, a picture costs 1.2 times as much, as its grids leave the cache.
        at_once = 2 if pixels.device.type == "cpu" else len(pixels)
        parts = torch.split(pixels.contiguous(memory_format=torch.channels_last), at_once)
        fine, coarse = (torch.cat(grids) for grids in zip(*map(self.backbone, parts), strict=True))
        fine, coarse = (grid.flatten(2).transpose(1, 2) for grid in (fine, coarse))
        return self.found(fine, coarse, *self.classifier(coarse))  # type: ignore[no-any-return]

    def forward(self, pixel_values: Tensor, **kwargs: Any) -> BaseModelOutput:
        """Tokens of pictures.

        Args:
            pixel_values: (batch, 3, image_size, image_size), from -1 to 1.
            **kwargs: What transformers passes to every tower; the hidden states are always told.
        """
        pixels = pixel_values.to(self.backbone.stem.weight.dtype)
        tokens = as_tokens(*self.look(pixels)).to(pixels.dtype)
        return BaseModelOutput(last_hidden_state=tokens, hidden_states=(tokens,))


def as_tokens(cover: Tensor, centre: Tensor, shown: Tensor) -> Tensor:
    """Lay out what stands where as tokens.

    Args:
        cover: Log-odds, (batch, categories, rows, columns).
        centre: Likewise.
        shown: Log-odds, (batch, categories).

    Returns:
        (batch, categories, numbers): which category, how its centres are shared out over columns and over rows, and in
        steps how surely it is shown, how many there are, and how much they cover.
    """
    centres = centre.float().sigmoid()
    # Squared: what is found for sure weighs more than the haze around it.
    sharp = centres.square()
    shares = (sharp / sharp.sum(dim=(2, 3), keepdim=True).clamp(min=1e-12)).clamp(min=0)
    covered = cover.float().sigmoid().mean(dim=(2, 3)).clamp(min=1e-6).log2()
    names = torch.eye(shown.shape[1], device=shown.device).expand(len(shown), -1, -1)
    told = [
        in_steps(value, steps)
        for value, steps in ((shown.float(), SURE_AT), (centres.sum(dim=(2, 3)), MANY_AT), (covered, LARGE_AT))
    ]
    return torch.cat([names, shares.sum(dim=2), shares.sum(dim=3), *told], dim=2)


def in_steps(value: Tensor, steps: Sequence[float]) -> Tensor:
    """How near a value lies to each of rising steps: one and zeros at a step, shared by two between them."""
    at = torch.tensor(steps, device=value.device)
    place = value.clamp(steps[0], steps[-1])[..., None]
    width = at.diff()
    rise = ((place - at[:-1]) / width).clamp(0, 1)
    one = torch.ones_like(place)
    reached = torch.cat([one, rise], dim=-1)
    return reached - torch.cat([rise, torch.zeros_like(place)], dim=-1)


def register() -> None:
    """Put the tower beside those that transformers' Auto classes know."""
    AutoConfig.register(GridTowerConfig.model_type, GridTowerConfig, exist_ok=True)
    AutoModel.register(GridTowerConfig, GridTower, exist_ok=True)
