"""Teach the tower what stands where on photographs, its backbone frozen first, then with it; resumable.

``python -m training.train_tower OUT CACHE FOLDER … --weights LITE2.pth --seconds 3000`` teaches neck and heads on
frozen features; ``--start-from OUT --unfreeze`` goes on with crops and mirror images, the upper half of the backbone
included. Seconds are CPU seconds of this process, so that other work on the machine does not shorten the recipe. It may
be killed at any time: the same command with ``--resume`` goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from datagen.records import BoxUnit
from datagen.validator.models.grid_tower import FINE_STAGE, GridTower
from datagen.words import COCO_CATEGORIES
from training.cell_truth import CellTruth, cell_truth, stacked
from training.lite_weights import first_tower
from training.photo_cache import SIDE_PX, PhotoCache, mirrored, to_pixels
from training.photographs import Photograph, presence_of, read_folders

COVER_WEIGHT, CENTRE_WEIGHT, SHOWN_WEIGHT, AMOUNT_WEIGHT = 0.5, 0.1, 0.3, 0.5
MOST_COUNTED = 12
"""Larger numbers are not taught: annotators stop counting, and so does the validator at eight."""
RARE, MOST_REPEATS = 0.03, 6.0
"""A photograph of a category that fewer show than this share comes up to so many times as often."""
WHOLE: BoxUnit = (0.0, 0.0, 1.0, 1.0)
SMALLEST_VIEW = 0.6
"""Side of the smallest crop, as a share of the photograph's."""
GREY_SHARE = 0.02
"""Share of pictures replaced by plain grey, their truth kept: so the tower learns what is likely of any picture."""
RIDGE = 5.0
"""Of the closed form, per photograph and feature of unit spread; 2 to 50 give the same within .002."""
LOOKED_FOR = 0.5
"""Weight of presence from which on a category counts as looked for: by people or by a detector."""
_SAVE_STEPS, _LOG_STEPS, _AT_ONCE = 100, 50, 32


class Plan(Struct, frozen=True, kw_only=True):
    """The recipe of one command.

    Attributes:
        seconds: CPU seconds.
        peak_rate: Learning rate after the warm-up, until half of the time is over; then it falls to 2 %.
        batch: Photographs a step.
    """

    seconds: float
    peak_rate: float = 1.5e-3
    warm_up_steps: int = 100
    batch: int = 32

    def rate(self, spent_s: float, step: int) -> float:
        """Learning rate at a point of the recipe."""
        fall = min(1.0, max(0.0, 2 * spent_s / self.seconds - 1))
        return self.peak_rate * min(1.0, (step + 1) / self.warm_up_steps) * (1 - 0.98 * fall)


class Lesson:
    """What a tower learns from: photographs that are not kept back, rare things more often.

    Args:
        photographs: In the order of the cache.
        n_detected: Folders that a detector has looked through.
    """

    def __init__(self, photographs: Sequence[Photograph], detected: frozenset[str]) -> None:
        self.photographs = photographs
        self.presence = presence_of(photographs, COCO_CATEGORIES, detected)
        self.numbers = np.array([n for n, one in enumerate(photographs) if not one.is_kept_back])
        chance, weight = self.presence.chance[self.numbers], self.presence.weight[self.numbers]
        self.rates = (chance * weight).sum(0) / weight.sum(0).clip(1)
        shown = chance > 0.6
        repeats = np.sqrt(RARE / shown.mean(0).clip(1e-4)).clip(1, MOST_REPEATS)
        often = np.where(shown, repeats, 1).max(1)
        self._share = often / often.sum()

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Numbers of photographs, none twice."""
        return rng.choice(self.numbers, min(n, len(self.numbers)), replace=False, p=self._share)

    def truth(
        self, numbers: Sequence[int], grid: int, views: Sequence[BoxUnit], mirrors: Sequence[bool]
    ) -> tuple[CellTruth, Tensor, Tensor]:
        """Cells, and chance and weight of presence; what a crop leaves out is not asked."""
        told = [
            cell_truth(self.photographs[n], len(COCO_CATEGORIES), grid, view, mirrored=mirror)
            for n, view, mirror in zip(numbers, views, mirrors, strict=True)
        ]
        cells = stacked(told)
        chance, weight = (getattr(self.presence, name)[numbers].copy() for name in ("chance", "weight"))
        for row, (n, view) in enumerate(zip(numbers, views, strict=True)):
            if view != WHOLE:
                boxed = {found.category for found in self.photographs[n].found}
                for category in np.flatnonzero(chance[row] > 0.1):
                    if category not in boxed or not told[row].cover[category].any():
                        weight[row, category] = 0
        return cells, torch.from_numpy(chance), torch.from_numpy(weight)


def losses(told: tuple[Tensor, Tensor, Tensor], cells: CellTruth, chance: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """Losses of cover, centres, presence and amounts; a category that nobody looked for costs nothing."""
    cover, centre, shown = told
    by_cell = weight[:, :, None, None]
    loss = F.binary_cross_entropy_with_logits
    amounts = torch.from_numpy(cells.amount)
    counted = (amounts > 0) & (amounts <= MOST_COUNTED)
    found = centre.sigmoid().sum((2, 3))[counted]
    return {
        "cover": (loss(cover, torch.from_numpy(cells.cover), reduction="none") * by_cell).sum(1).mean(),
        "centre": (loss(centre, torch.from_numpy(cells.centre), reduction="none") * by_cell).sum((1, 2, 3)).mean(),
        "shown": (loss(shown, chance, reduction="none") * weight).sum(1).mean(),
        "amount": F.smooth_l1_loss(found.log1p(), amounts[counted].log1p(), reduction="sum", beta=0.2) / len(cover),
    }


_WEIGHTS = {"cover": COVER_WEIGHT, "centre": CENTRE_WEIGHT, "shown": SHOWN_WEIGHT, "amount": AMOUNT_WEIGHT}


class TowerTrainer:
    """Tower and optimiser.

    Args:
        tower: To teach.
        cache: Photographs in the order of the lesson.
        lesson: What is known of them.
        unfreeze: Teach the stages of the backbone behind the fine grid's too, on crops.
    """

    def __init__(self, tower: GridTower, cache: PhotoCache, lesson: Lesson, *, unfreeze: bool) -> None:
        self.tower, self.unfreeze = tower, unfreeze
        self._cache, self.lesson = cache, lesson
        tower.requires_grad_(False)
        tower.found.requires_grad_(True)
        if unfreeze:
            tower.classifier.widen.requires_grad_(True)
            for block in tower.backbone.blocks[first_taught(tower) :]:
                block.requires_grad_(True)
            nn.Module.to(tower, memory_format=torch.channels_last)  # type: ignore[call-overload]
        else:
            cache.open_features(tower.backbone, tower.config)
            tower.classifier.to(torch.bfloat16)
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for name, weights in tower.named_parameters():
            if weights.requires_grad:
                is_new = name.startswith("found.") and not name.startswith("found.shown.")
                groups.setdefault((is_new, weights.ndim > 1 and "blend" not in name), []).append(weights)
        self.optimiser = torch.optim.AdamW(
            [
                # What ImageNet taught, and what was solved in closed form, is changed with care.
                {"params": held, "weight_decay": 0.05 * decays, "share": 1.0 if is_new else 0.15}
                for (is_new, decays), held in groups.items()
            ],
            lr=0,
            betas=(0.9, 0.98),
        )

    def has_features(self, number: int) -> bool:
        """Whether a photograph's frozen features are there already."""
        return self._cache.has_features(number)

    def whole(self, numbers: Sequence[int]) -> Tensor:
        """The frozen classifier's features of whole photographs, (batch, 2 * head)."""
        _, coarse = self._cache.features(numbers)
        with torch.no_grad():
            return self.tower.classifier(coarse)[1].float()  # type: ignore[no-any-return]

    def step(self, n: int, rate: float, rng: np.random.Generator) -> dict[str, float]:
        """Learn from ``n`` photographs."""
        numbers = self.lesson.draw(n, rng).tolist()
        mirrors = (rng.random(len(numbers)) < 0.5).tolist()
        views = [draw_view(rng) if self.unfreeze else WHOLE for _ in numbers]
        cells, chance, weight = self.lesson.truth(numbers, self.tower.found.grid, views, mirrors)
        with torch.autocast("cpu", torch.bfloat16):
            told = self._look(numbers, views, mirrors, rng)
        found = losses(told, cells, chance, weight)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]
        torch.stack([_WEIGHTS[name] * loss for name, loss in found.items()]).sum().backward()
        nn.utils.clip_grad_norm_([weights for weights in self.tower.parameters() if weights.requires_grad], 5.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return {name: loss.item() for name, loss in found.items()}

    def _look(
        self, numbers: list[int], views: list[BoxUnit], mirrors: list[bool], rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        if not self.unfreeze:
            fine, coarse = (
                torch.stack([mirrored(one) if mirror else one for one, mirror in zip(grid, mirrors, strict=True)])
                for grid in self._cache.features(numbers)
            )
            with torch.no_grad():
                logits, whole = self.tower.classifier(coarse)
            return self.tower.found(fine, coarse, logits, whole)  # type: ignore[no-any-return]
        drawn = zip(numbers, views, mirrors, strict=True)
        frames = [shown(self._cache.pixels[n], view, mirror=mirror) for n, view, mirror in drawn]
        pixels = to_pixels(np.stack(frames))
        pixels = pixels * torch.from_numpy(rng.uniform(0.8, 1.2, (len(pixels), 1, 1, 1)).astype(np.float32))
        pixels[torch.from_numpy(rng.random(len(pixels)) < GREY_SHARE)] = 0
        return self.tower.look(pixels)


def first_taught(tower: GridTower) -> int:
    """The first block of the backbone that is taught: of the stage that the fine grid is read from."""
    return sum(stage[2] for stage in tower.config.stages[:FINE_STAGE])


def draw_view(rng: np.random.Generator) -> BoxUnit:
    """A random crop, half the time the whole."""
    if rng.random() < 0.5:
        return WHOLE
    wide, high = rng.uniform(SMALLEST_VIEW, 1, 2)
    left, top = rng.uniform(0, 1 - wide), rng.uniform(0, 1 - high)
    return left, top, left + wide, top + high


def shown(frame: NDArray[np.uint8], view: BoxUnit, *, mirror: bool) -> NDArray[np.uint8]:
    """A part of a frame at the frame's size."""
    if view != WHOLE:
        left, top, right, bottom = (value * SIDE_PX for value in view)
        size = (SIDE_PX, SIDE_PX)
        frame = np.asarray(
            Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR, box=(left, top, right, bottom))
        )
    return frame[:, ::-1] if mirror else frame


def begin(trainer: TowerTrainer, n: int, rng: np.random.Generator) -> None:
    """Start the heads at what is likely of any photograph, and presence near its end, see ``solve_presence``."""
    found, likely = trainer.tower.found, torch.from_numpy(trainer.lesson.rates).clamp(1e-3, 0.9)
    with torch.no_grad():
        found.cover.bias.copy_((likely / 4).log())
        found.centre.bias.fill_(-7.0)
    solve_presence(trainer, n, rng)


def solve_presence(trainer: TowerTrainer, n: int, rng: np.random.Generator) -> None:
    """Solve in closed form what the frozen features of the whole picture tell of presence.

    Only photographs are taken of which every category was looked for; the others, on which most are unknown, make it
    worse. Solved on the frozen features of 5,941 photographs in 11 CPU seconds it told the 80 things of COCO apart with
    an AUROC of .937 on 80 photographs of COCO, VOC's 20 with .946 on 453 of VOC.

    Args:
        trainer: Its backbone frozen.
        n: Photographs to solve it on, those whose features are there already first.
        rng: Draws them.
    """
    found, lesson = trainer.tower.found, trainer.lesson
    likely = torch.from_numpy(lesson.rates).clamp(1e-3, 0.9)
    known = lesson.numbers[lesson.presence.weight[lesson.numbers].min(axis=1) >= LOOKED_FOR]
    numbers = sorted(rng.permutation(known).tolist(), key=lambda one: not trainer.has_features(one))[:n]
    whole = torch.cat([trainer.whole(numbers[at : at + _AT_ONCE]) for at in range(0, len(numbers), _AT_ONCE)])
    mean, spread = whole.mean(0), whole.std(0) + 1e-3
    whole = (whole - mean) / spread
    chance = torch.from_numpy(lesson.presence.chance[numbers])
    wanted = chance - likely
    held = whole.T @ whole + RIDGE * len(whole) * torch.eye(whole.shape[1])
    solved = torch.linalg.solve(held, whole.T @ wanted)
    # From a regression on chances to log-odds: by the spread that it gives a category.
    solved = solved / (whole @ solved).std(0).clamp(min=1e-6)
    with torch.no_grad():
        found.shown.weight.copy_((solved / spread[:, None]).T)
        found.shown.bias.copy_(likely.logit() - (mean / spread) @ solved)
        found.blend[0] = found.blend[1] = 0


def train(trainer: TowerTrainer, plan: Plan, out: Path, *, resume: bool, seed: int = 0) -> None:
    """Teach until the time is over; OUT gets the tower's checkpoint, ``log.jsonl`` and ``resume.pt``."""
    out.mkdir(parents=True, exist_ok=True)
    spent, step = 0.0, 0
    if resume and (out / "resume.pt").exists():
        held = torch.load(out / "resume.pt", weights_only=True)
        trainer.tower.load_state_dict(held["tower"])
        trainer.optimiser.load_state_dict(held["optimiser"])
        spent, step = held["spent_s"], held["step"]
    rng = np.random.default_rng((seed, step))
    start = time.process_time() - spent
    seen: dict[str, list[float]] = {}
    with (out / "log.jsonl").open("a", encoding="utf-8") as log:
        while (spent := time.process_time() - start) < plan.seconds:
            for name, value in trainer.step(plan.batch, plan.rate(spent, step), rng).items():
                seen.setdefault(name, []).append(value)
            step += 1
            if step % _LOG_STEPS == 0:
                means = {name: round(sum(values) / len(values), 4) for name, values in seen.items()}
                log.write(json.dumps({"step": step, "cpu_s": round(spent)} | means) + "\n")
                log.flush()
                seen.clear()
            if step % _SAVE_STEPS == 0:
                _keep(trainer, out, spent, step)
    _keep(trainer, out, spent, step)
    nn.Module.to(trainer.tower, torch.float32)
    trainer.tower.save_pretrained(out)


def _keep(trainer: TowerTrainer, out: Path, spent: float, step: int) -> None:
    held = {"tower": trainer.tower.state_dict(), "optimiser": trainer.optimiser.state_dict()}
    torch.save(held | {"spent_s": spent, "step": step}, out / "resume.part")
    (out / "resume.part").replace(out / "resume.pt")


def main(arguments: list[str] | None = None) -> None:
    """Teach as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "cache", type=Path, help="of training.photo_cache, made from the same folders in the same order"
    )
    parser.add_argument("folders", type=Path, nargs="+")
    first = parser.add_mutually_exclusive_group(required=True)
    first.add_argument("--weights", type=Path, help="EfficientNet-Lite2's, published")
    first.add_argument("--start-from", type=Path, help="a taught tower")
    parser.add_argument("--pseudo", type=Path, help="folder with a detector's findings")
    parser.add_argument("--detected", nargs="*", default=(), help="names of the folders that it has looked through")
    parser.add_argument(
        "--begin-with", type=int, default=6000, help="photographs for the closed form before the first step"
    )
    parser.add_argument("--unfreeze", action="store_true")
    parser.add_argument("--seconds", type=float, default=3000)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    photographs = read_folders(options.folders, COCO_CATEGORIES, options.pseudo)
    lesson = Lesson(photographs, frozenset(options.detected))
    if options.weights:
        tower = first_tower(options.weights, COCO_CATEGORIES)
    else:
        tower = GridTower.from_pretrained(options.start_from)
    trainer = TowerTrainer(tower.train(), PhotoCache(options.cache), lesson, unfreeze=options.unfreeze)
    if options.weights and not (options.resume and (options.out / "resume.pt").exists()):
        begin(trainer, options.begin_with, np.random.default_rng(0))
    plan = Plan(seconds=options.seconds, peak_rate=options.rate, batch=options.batch)
    train(trainer, plan, options.out, resume=options.resume)


if __name__ == "__main__":
    main()
