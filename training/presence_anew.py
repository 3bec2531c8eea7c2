"""From a checkpoint and better labels to its presence head fitted anew: ridge logistic regression on frozen features.

``python -m training.presence_anew CHECKPOINT OUT CACHE FOLDER … --pseudo P --detected FOLDER …`` copies a checkpoint
of the half for photographs and changes one layer of its tower, which says from the whole picture how surely a category
is shown. The regression begins at the layer as it stands and is drawn back to it, so that few examples of a category
change little; a photograph's features cost 0.02 CPU seconds, the regression two. Places and numbers stay as they are.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForImageTextToText

from datagen.validator.models.grid_tower import GridTower, register
from datagen.words import COCO_CATEGORIES
from training.photo_cache import PhotoCache, to_pixels
from training.photographs import read_folders
from training.train_tower import LOOKED_FOR, Lesson

PULL = 0.1
"""Weight of the squared change of the weights, of features of unit spread, beside the loss of a photograph. Of .03, .1
and .3 the middle one told hard absent things best on photographs kept back (.9531, .9532 and .9515).
"""
_AT_ONCE, _STEPS, _HISTORY = 8, 30, 8
_WEIGHTS = "model.safetensors"


def looked_at(tower: GridTower, pixels: NDArray[np.uint8], numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
    """What the head reads of photographs, and what it says.

    Args:
        tower: Its backbone as it is.
        pixels: (photographs, side, side, 3).
        numbers: Of photographs.

    Returns:
        Features of the whole picture, (numbers, 2 * head), and log-odds of presence, (numbers, categories).
    """
    wholes: list[Tensor] = []
    hook = tower.found.shown.register_forward_hook(lambda _, given, __: wholes.append(given[0].float()))
    try:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            parts = [list(numbers[at : at + _AT_ONCE]) for at in range(0, len(numbers), _AT_ONCE)]
            told = [tower.look(to_pixels(pixels[part]))[2].float() for part in parts]
    finally:
        hook.remove()
    return torch.cat(wholes).clone(), torch.cat(told).clone()


def fitted(whole: Tensor, shown: Tensor, chance: Tensor, weight: Tensor, pull: float) -> tuple[Tensor, Tensor]:
    """What is to be added to weights and bias.

    Args:
        whole: (photographs, features).
        shown: Log-odds as they are, (photographs, categories).
        chance: That a photograph shows a category, likewise.
        weight: Of that knowledge, likewise; 0 where nobody looked.
        pull: Back to what is.

    Returns:
        (categories, features) and (categories,).
    """
    mean, spread = whole.mean(0), whole.std(0) + 1e-3
    even = (whole - mean) / spread
    turn = torch.zeros(shown.shape[1], whole.shape[1], requires_grad=True)
    shift = torch.zeros(shown.shape[1], requires_grad=True)
    optimiser = torch.optim.LBFGS([turn, shift], max_iter=_STEPS, history_size=_HISTORY, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        told = shown + even @ turn.T + shift
        cost = (F.binary_cross_entropy_with_logits(told, chance, reduction="none") * weight).sum(1).mean()
        cost = cost + pull * turn.square().sum()
        cost.backward()  # type: ignore[no-untyped-call]
        return cost.detach()

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    turned = turn.detach() / spread
    return turned, shift.detach() - turned @ mean


def main(arguments: list[str] | None = None) -> None:
    """Fit as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "cache", type=Path, help="of training.photo_cache, made from the same folders in the same order"
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--pseudo", type=Path, help="folder with a detector's findings")
    parser.add_argument("--detected", nargs="*", default=(), help="names of the folders that it has looked through")
    parser.add_argument("--pull", type=float, default=PULL)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    register()
    model = AutoModelForImageTextToText.from_pretrained(options.checkpoint, dtype=torch.float32)
    tower = next(one for one in model.modules() if isinstance(one, GridTower)).eval()
    lesson = Lesson(read_folders(options.folders, COCO_CATEGORIES, options.pseudo), frozenset(options.detected))
    known = lesson.presence.weight >= LOOKED_FOR
    numbers = [int(n) for n in lesson.numbers if known[n].any()]
    whole, shown = looked_at(tower, PhotoCache(options.cache).pixels, numbers)
    chance, weight = (torch.from_numpy(value[numbers].astype(np.float32)) for value in (lesson.presence.chance, known))
    turn, shift = fitted(whole, shown, chance, weight, options.pull)
    shutil.copytree(options.checkpoint, options.out, dirs_exist_ok=True)
    with safe_open(options.checkpoint / _WEIGHTS, "pt") as held:  # type: ignore[no-untyped-call]
        about = held.metadata()
    weights = load_file(options.checkpoint / _WEIGHTS)
    for end, change in (("found.shown.weight", turn), ("found.shown.bias", shift)):
        (name,) = (one for one in weights if one.endswith(end))
        weights[name] = (weights[name].float() + change).to(weights[name].dtype)
    save_file(weights, options.out / _WEIGHTS, metadata=about)
    share = float(turn.norm() / tower.found.shown.weight.norm())
    print(f"{len(numbers):,} photographs; the head changed by {share:.2f} of its length")


if __name__ == "__main__":
    main()
