"""Train ``nano`` from nothing within a wall-clock budget, and leave an ordinary checkpoint behind.

``python -m training.train_nano OUT --seconds 3500`` on a CPU, ``--device cuda`` on a GPU. It may be killed at any
time: OUT always holds the last checkpoint, and ``--resume`` goes on from there. Where only the weights can be kept
between commands, ``--shares 0.5 1 --start-from CHECKPOINT`` does the second half of the recipe.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import torch
import torch.nn.functional as F  # noqa: N812
from msgspec import Struct
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from transformers import AutoModelForImageTextToText, AutoTokenizer

from training.atlas import load_atlas
from training.batches import Batch, Rows, RowWriter, SceneSource, Stage, on_device, read_rows
from training.model import (
    Heads,
    NanoSize,
    build_model,
    build_processor,
    save_checkpoint,
    see,
    see_larger,
    to_pixels,
    train_tokenizer,
)
from training.questions import MOST, QuestionMix
from training.scenes import SceneStyle

OBJECT_WEIGHT = 5.0
"""Patches of objects against those of the background: most of a scene is background."""
PATCH_WEIGHT, OWN_PLACE_WEIGHT, WORD_PLACE_WEIGHT, WORD_EXTENT_WEIGHT, WORD_AMOUNT_WEIGHT = 0.3, 0.1, 0.3, 0.1, 0.3
"""Of the throw-away losses; the answers' loss has weight 1."""
PATCH_AMOUNT_WEIGHT, PATCH_EXTENT_WEIGHT = 1.0, 0.3
"""Inside the patches' loss."""
NAME_SHARPNESS = 20.0
"""Factor on the cosine between a projected patch and a category's word."""
LOG_STEPS = 100

SEEING = SceneStyle(n_objects=(3, 8), repeat=(0.0, 1.0), longest=(0.13, 0.45))
"""For the tower alone: more objects a picture teach more."""
EASY = SceneStyle(n_objects=(1, 4), max_distractors=1, repeat=(0.0, 1.0), longest=(0.2, 0.42))
MEDIUM = SceneStyle(n_objects=(1, 6), repeat=(0.0, 1.0), longest=(0.16, 0.42))
HARD = SceneStyle(n_objects=(1, 8), repeat=(0.0, 1.0), longest=(0.13, 0.45))


class Plan(Struct, frozen=True, kw_only=True):
    """The recipe. Shares are of the whole of it, wherever this command starts and ends.

    Attributes:
        seconds: Wall-clock budget of this command.
        shares: Where this command starts and ends.
        vision_share: Until here the tower learns alone.
        medium_from: From here on up to six objects, more distractors and teacher's wording, blank pictures.
        hard_from: From here on up to eight objects, and captions.
        decay_from: From here on the learning rate falls to 2 %.
        batch: Scenes a step.
    """

    seconds: float
    shares: tuple[float, float] = (0.0, 1.0)
    vision_share: float = 0.15
    medium_from: float = 0.4
    hard_from: float = 0.6
    decay_from: float = 0.78
    peak_rate: float = 1.5e-3
    warm_up_steps: int = 60
    batch: int = 16
    blank_share: float = 0.06
    save_every_s: float = 180

    def share_at(self, spent_s: float) -> float:
        """How much of the recipe is done."""
        start, end = self.shares
        return start + (end - start) * spent_s / self.seconds

    def stage(self, share: float) -> Stage:
        """Scenes and questions at a point of the recipe."""
        if share < self.vision_share:
            return Stage(self.batch, SEEING)
        if share < self.medium_from:
            return Stage(self.batch, EASY, QuestionMix(count=4, lone=0.4, probes=0.85))
        if share < self.hard_from:
            return Stage(self.batch, MEDIUM, QuestionMix(count=5, lone=0.4, probes=0.6), self.blank_share)
        mix = QuestionMix(presence=3, count=6, lone=0.5, probes=0.7, caption=0.15)
        return Stage(self.batch, HARD, mix, self.blank_share)

    def rate(self, share: float, step: int) -> float:
        """Learning rate: warm-up, constant, linear to 2 %; ``step`` counts those of this phase."""
        fall = min(1.0, max(0.0, (share - self.decay_from) / (1 - self.decay_from)))
        return self.peak_rate * min(1.0, (step + 1) / self.warm_up_steps) * (1 - 0.98 * fall)


class Trainer:
    """Model, throw-away heads and optimiser.

    Args:
        size: Shape of the model; taken from the checkpoint where one is given, but for larger pictures.
        categories: What the model shall know.
        device: ``cpu`` or ``cuda``.
        seed: Decides the first weights.
        start_from: Checkpoint to go on from, or None for new weights and a new tokenizer.
    """

    def __init__(
        self, size: NanoSize, categories: tuple[str, ...], device: str, seed: int, start_from: Path | None = None
    ) -> None:
        self.device = device
        torch.manual_seed(seed)
        self.model: Any
        if start_from is None:
            self.tokenizer = train_tokenizer(load_atlas(), size.vocabulary, seed=0)
            self.model = build_model(size, self.tokenizer)
        else:
            self.tokenizer = AutoTokenizer.from_pretrained(start_from)
            self.model = AutoModelForImageTextToText.from_pretrained(start_from, dtype=torch.float32)
            if size.image_px > self.model.config.vision_config.image_size:
                self.model = see_larger(self.model, size.image_px)
            size = NanoSize.of(self.model)
        self.size = size
        self.model.to(device).train()
        # At 64 to 250 tokens the plain matrix products are 1.4 times faster on a CPU than the fused kernel.
        self.model.set_attn_implementation("eager" if device == "cpu" else "sdpa")
        self.heads = Heads(size, len(categories)).to(device)
        self.parameters = [*self.model.parameters(), *self.heads.parameters()]
        ids = [self.tokenizer(f" {name}", add_special_tokens=False).input_ids for name in categories]
        self._name_ids = [torch.tensor(held, device=device) for held in ids]
        self.optimiser = torch.optim.AdamW(self.parameters, lr=0, betas=(0.9, 0.98), weight_decay=0.02)

    def step(self, batch: Batch, rate: float) -> dict[str, float]:
        """Learn from one batch.

        Returns:
            Losses, and accuracies as they were before the step: of scenes that were never seen.
        """
        batch = on_device(batch, self.device)
        pixels, shown = to_pixels(batch.frames), batch.is_shown
        with torch.autocast(self.device, torch.bfloat16):
            if batch.rows is None:
                seen, projected = see(self.model, pixels)
            else:
                seen, projected, for_places, for_amounts, last = read_rows(self.model, batch.rows, pixels)
        loss, told = self._patch_loss(
            seen.float()[shown], batch.category[shown], batch.centre[shown], batch.amount[shown], batch.extent[shown]
        )
        names, named = self._name_loss(projected[shown], batch.category[shown])
        told |= named
        loss = loss + names
        if batch.rows is not None:
            answers, answered = answer_loss(self.model, batch.rows, last, shown)
            words, told_words = word_loss(self.heads, batch.rows, for_places, for_amounts, shown)
            own = self._own_place_loss(projected[shown])
            loss = answers + PATCH_WEIGHT * loss + OWN_PLACE_WEIGHT * own + words
            told |= answered | told_words
        self._update(loss, rate)
        return told

    def _patch_loss(
        self, seen: Tensor, category: Tensor, centre: Tensor, amount: Tensor, extent: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        logits, is_object = self.heads.category(seen), category > 0
        weights = torch.where(is_object, OBJECT_WEIGHT, 1.0)
        named = F.cross_entropy(logits.flatten(0, 1), category.flatten(), reduction="none") * weights.flatten()
        held = F.binary_cross_entropy_with_logits(self.heads.centre(seen)[..., 0], centre, weight=weights)
        # How many of its kind there are, asked of every patch of an object: counting is learned by the tower, where
        # each scene has many places to learn it from, and the language model only has to read it off.
        amounts = amount[is_object].clamp(max=MOST)
        guessed = self.heads.patch_amount(seen[is_object])
        loss = named.sum() / weights.sum() + held + PATCH_AMOUNT_WEIGHT * F.cross_entropy(guessed, amounts)
        loss = loss + PATCH_EXTENT_WEIGHT * F.cross_entropy(self.heads.patch_extent(seen[is_object]), extent[is_object])
        told = {"patch_loss": loss.item(), "patches": (logits.argmax(-1) == category)[is_object].float().mean().item()}
        if (several := amounts > 1).any():
            told["patches_counted"] = (guessed.argmax(-1) == amounts)[several].float().mean().item()
        return loss, told

    def _name_loss(self, projected: Tensor, category: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Turn an object's patches towards the word for it: then one match of query and key serves all categories."""
        embed = self.model.get_input_embeddings().weight.detach()
        words = F.normalize(torch.stack([embed[ids].mean(0) for ids in self._name_ids]), dim=-1)
        is_object = category > 0
        logits = NAME_SHARPNESS * F.normalize(projected[is_object].float(), dim=-1) @ words.T
        right = (logits.argmax(-1) == category[is_object] - 1).float().mean()
        return F.cross_entropy(logits, category[is_object] - 1), {"patches_named": right.item()}

    def _own_place_loss(self, projected: Tensor) -> Tensor:
        grid = self.size.grid
        patch = torch.arange(grid**2, device=self.device)
        cells = torch.stack([patch // grid, patch % grid], -1).expand(len(projected), -1, -1)
        return F.cross_entropy(self.heads.place_of_patches(projected).flatten(0, 2), cells.flatten())

    def _update(self, loss: Tensor, rate: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)

    def save(self, folder: Path, progress: dict[str, float] | None = None) -> None:
        """Write the checkpoint and, with ``progress``, what ``--resume`` needs beside it."""
        save_checkpoint(self.model, build_processor(self.tokenizer, self.size), folder)
        if progress is not None:
            held = {name: getattr(self, name).state_dict() for name in ("model", "heads", "optimiser")}
            torch.save(held | {"progress": progress}, folder / "resume.part")
            (folder / "resume.part").replace(folder / "resume.pt")

    def load(self, folder: Path) -> dict[str, float]:
        """Take up what ``save`` wrote, and return the progress."""
        held = torch.load(folder / "resume.pt", map_location=self.device, weights_only=True)
        for name in ("model", "heads", "optimiser"):
            getattr(self, name).load_state_dict(held[name])
        progress: dict[str, float] = held["progress"]
        return progress


def answer_loss(
    model: Any, rows: Rows, last: Tensor, shown: Tensor, but: Tensor | None = None
) -> tuple[Tensor, dict[str, float]]:
    """Loss of the answers' tokens, and the share of probes answered right, by kind.

    Args:
        model: The language model.
        rows: Questions and answers.
        last: Its last hidden states.
        shown: Which pictures are shown.
        but: True at tokens that something else teaches.
    """
    row, at = rows.weights.nonzero(as_tuple=True)
    weights, owner, targets = rows.weights[row, at], rows.owner[row, at], rows.ids[row, at]
    logits = model.lm_head(last[row, at - 1].float())
    taught = weights if but is None else weights * ~but[row, at]
    loss = (F.cross_entropy(logits, targets, reduction="none") * taught).sum() / weights.sum()
    # "Yes" is right whether a full stop follows or a comma; what was asked of a blank picture does not count.
    wrong = ((logits.argmax(-1) != targets) & (weights == 1)) | ~shown[row]
    n_wrong = torch.zeros(len(rows.questions), device=last.device).index_add_(0, owner, wrong.float()).tolist()
    right: dict[str, list[bool]] = defaultdict(list)
    is_seen = torch.ones(len(rows.questions), dtype=torch.bool, device=last.device)
    is_seen[owner] = shown[row]
    for one, n, is_counted in zip(rows.questions, n_wrong, is_seen.tolist(), strict=True):
        if one.is_probe and is_counted:
            right[one.kind].append(n == 0)
    return loss, {kind: sum(held) / len(held) for kind, held in right.items()} | {"answer_loss": loss.item()}


def word_loss(
    heads: Heads, rows: Rows, for_places: Tensor, for_amounts: Tensor, shown: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """Loss of what the throw-away heads read from a question's words: a thing's place, its extent, how many there."""
    words = rows.words[shown[rows.words[:, 0]]]
    if not len(words):
        return for_places.sum() * 0, {}
    amounts = words[:, 5].clamp(max=MOST)
    guessed = heads.amount_of_words(for_amounts[words[:, 0], words[:, 1]])
    loss = WORD_AMOUNT_WEIGHT * F.cross_entropy(guessed, amounts)
    told = {}
    if (several := amounts > 1).any():
        told["several_counted"] = (guessed.argmax(-1) == amounts)[several].float().mean().item()
    alone = words[:, 2] >= 0
    if alone.any():
        at_words = for_places[words[alone, 0], words[alone, 1]]
        placed, cells = heads.place_of_words(at_words), words[alone, 2:4]
        loss = loss + WORD_PLACE_WEIGHT * F.cross_entropy(placed.flatten(0, 1), cells.flatten())
        measured, extents = heads.extent_of_words(at_words), words[alone, 4]
        loss = loss + WORD_EXTENT_WEIGHT * F.cross_entropy(measured, extents)
        told["words_measured"] = (measured.argmax(-1) == extents).float().mean().item()
        told["words_placed"] = (placed.argmax(-1) == cells).all(-1).float().mean().item()
    return loss, told


class BatchStream(IterableDataset[Batch]):
    """Batches without end, each of the stage that the training has reached.

    Args:
        plan: The recipe.
        trainer: Lends its tokenizer and shape.
        categories: To draw from.
        seed: Every worker process makes its own from it.

    Attributes:
        share: How much of the recipe is done; worker processes read it.
    """

    def __init__(self, plan: Plan, trainer: Trainer, categories: tuple[str, ...], seed: int) -> None:
        self._plan, self._categories, self._seed = plan, categories, seed
        self._writer = RowWriter(trainer.tokenizer, trainer.size)
        self.share = multiprocessing.Value("d", plan.shares[0])

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        source = SceneSource(load_atlas(), self._categories, 1000 * self._seed + (worker.id if worker else 0))
        while True:
            yield source.batch(self._plan.stage(self.share.value), self._writer)


def train(trainer: Trainer, plan: Plan, stream: BatchStream, folder: Path, options: argparse.Namespace) -> None:
    """Train until the time is over; ``folder`` gets the checkpoint, ``log.jsonl`` and ``resume.pt``."""
    folder.mkdir(parents=True, exist_ok=True)
    progress = {"spent_s": 0.0, "step": 0.0, "joint": 0.0, "scenes": 0.0}
    if options.resume:
        progress = trainer.load(folder)
    start = time.monotonic() - progress["spent_s"]
    saved_s = progress["spent_s"]
    seen: dict[str, list[float]] = defaultdict(list)
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        for batch in DataLoader(stream, batch_size=None, num_workers=options.workers):
            progress["spent_s"] = time.monotonic() - start
            share = stream.share.value = plan.share_at(progress["spent_s"])
            if progress["spent_s"] >= plan.seconds:
                break
            phase = "step" if batch.rows is None else "joint"
            for name, value in trainer.step(batch, plan.rate(share, int(progress[phase]))).items():
                seen[name].append(value)
            progress["joint"] += batch.rows is not None
            progress["step"] += 1
            progress["scenes"] += len(batch.frames)
            if progress["step"] % LOG_STEPS == 0:
                _write_log(log, progress, seen)
                seen.clear()
            if progress["spent_s"] - saved_s > plan.save_every_s:
                trainer.save(folder, None if options.weights_only else progress)
                saved_s = progress["spent_s"]
        _write_log(log, progress, seen)
    trainer.save(folder, None if options.weights_only else progress)


def _write_log(log: TextIO, progress: dict[str, float], seen: dict[str, list[float]]) -> None:
    means = {name: round(sum(values) / len(values), 4) for name, values in sorted(seen.items())}
    log.write(json.dumps({name: round(value, 1) for name, value in progress.items()} | means) + "\n")
    log.flush()


def read_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path, help="folder for the checkpoint")
    parser.add_argument("--seconds", type=float, default=3500, help="wall-clock budget of this command")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--batch", type=int, default=16, help="scenes a step; 256 suits a GPU")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="peak learning rate")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4, help="of the tower, and of the language model")
    parser.add_argument("--image-px", type=int, default=128, help="with --start-from it may be larger than before")
    parser.add_argument("--categories", type=int, help="only the first so many of the atlas, for quick trials")
    parser.add_argument("--shares", type=float, nargs=2, default=(0.0, 1.0), help="the part of the recipe to do")
    parser.add_argument("--start-from", type=Path, help="checkpoint whose weights to go on from")
    parser.add_argument("--resume", action="store_true", help="go on from OUT, optimiser included")
    parser.add_argument("--weights-only", action="store_true", help="keep nothing for --resume")
    parser.add_argument("--threads", type=int, default=1, help="of the training process")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw scenes; 14 beside a GPU")
    parser.add_argument("--seed", type=int, default=0, help="of weights and scenes; change it with --resume")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Train as the command line says."""
    options = read_options(arguments)
    torch.set_num_threads(options.threads)
    categories = load_atlas().categories[: options.categories]
    size = NanoSize(
        width=options.width,
        image_px=options.image_px,
        vision_layers=options.layers,
        text_layers=options.layers,
        n_heads=options.width // 32,
    )
    start_from = options.out if options.resume else options.start_from
    trainer = Trainer(size, categories, options.device, options.seed, start_from)
    plan = Plan(seconds=options.seconds, shares=tuple(options.shares), peak_rate=options.rate, batch=options.batch)
    train(trainer, plan, BatchStream(plan, trainer, categories, options.seed), options.out, options)


if __name__ == "__main__":
    main()
