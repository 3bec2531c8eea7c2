"""Teach ``nano``'s language model to read the tower's tokens of photographs; resumable.

``python -m training.train_photo_nano OUT CACHE FOLDER … --tower TOWER --words-of datagen/data/nano --seconds 3000``.
The tower is frozen: its tokens are computed once, and a step costs what the language model costs. Seconds are CPU
seconds of this process. OUT always holds a checkpoint; the same command with ``--resume`` goes on.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from msgspec import Struct
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoTokenizer

from datagen.validator.models.grid_tower import LARGE_AT, MANY_AT, SURE_AT, GridTower, GridTowerConfig
from datagen.words import COCO_CATEGORIES
from training.batches import Rows, RowWriter, read_projected
from training.model import Heads, NanoSize, save_checkpoint
from training.photo_cache import PhotoCache, to_pixels
from training.photo_model import build_photo_model, build_photo_processor
from training.photo_questions import Album, Names, ask_about, lay_out, make_album
from training.photographs import presence_of, read_folders
from training.questions import QuestionMix
from training.train_nano import answer_loss, word_loss

MIX = QuestionMix(presence=4, count=4, lone=0.5, probes=0.85)
DEALT_SHARE, MIRROR_SHARE = 0.5, 0.5
GREY_SHARE = 0.06
"""Share of photographs whose tokens are those of plain grey, their answers kept: so the model learns what is likely."""
HALF_SURE, STEEPNESS = -2.3, 0.8
"""Log-odds of the tower at which "Is there a ...?" is to be answered with yes and no alike, and how fast that changes.

The tower is surer of photographs that it learned from than of others. Taught by the truth about these alone, the
language model answers yes or no of all, and of what is hard to see no longer tells the likelier from the unlikelier.
"""
DEGREE_WEIGHT = 4.0
PLACE_PX = 16
"""Side of the cells in which the throw-away heads tell where a question's words lie."""
PER_OCTAVE = 1.5
"""Steps of an extent: things on photographs are up to as large as the frame."""
_AT_ONCE, _SAVE_STEPS, _LOG_STEPS = 16, 100, 50


class Plan(Struct, frozen=True, kw_only=True):
    """The recipe of one command; its seconds are CPU seconds."""

    seconds: float
    peak_rate: float = 1e-3
    warm_up_steps: int = 60
    decay_from: float = 0.6
    batch: int = 16

    def rate(self, spent_s: float, step: int) -> float:
        """Learning rate: warm-up, constant, linear to 2 %."""
        fall = min(1.0, max(0.0, (spent_s / self.seconds - self.decay_from) / (1 - self.decay_from)))
        return self.peak_rate * min(1.0, (step + 1) / self.warm_up_steps) * (1 - 0.98 * fall)


class TokenStore:
    """The tower's tokens of every photograph, and of plain grey.

    Args:
        tower: Frozen.
        pixels: uint8 (photographs, side, side, 3).
        numbers: Of the photographs wanted.
        kept: File that keeps the tokens for the next time, of the same tower.
    """

    def __init__(
        self, tower: GridTower, pixels: NDArray[np.uint8], numbers: Sequence[int], kept: Path | None = None
    ) -> None:
        self.config: GridTowerConfig = tower.config
        nn.Module.to(tower, torch.bfloat16, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self._at = {n: row for row, n in enumerate(numbers)}
        n_names = self.config.categories
        self._names = torch.eye(n_names)
        if kept is not None and kept.exists():
            held = torch.load(kept, weights_only=True)
            if held["numbers"] == list(numbers):
                self._held = held["tokens"]
                return
        width = self.config.hidden_size - n_names
        self._held = torch.zeros(len(numbers) + 1, n_names, width, dtype=torch.bfloat16)
        grey = np.full_like(pixels[:1], 127)
        with torch.inference_mode():
            for first in range(0, len(numbers), _AT_ONCE):
                some = list(numbers[first : first + _AT_ONCE])
                self._held[first : first + len(some)] = _evidence(tower, pixels[some])
            self._held[-1:] = _evidence(tower, grey)
        if kept is not None:
            torch.save({"numbers": list(numbers), "tokens": self._held}, kept)

    def tokens(self, number: int | None, names: Names, *, mirror: bool) -> Tensor:
        """Tokens of a photograph, or of grey for None, mirrored and with the names that a sheet gives."""
        told = self._held[-1 if number is None else self._at[number]].float()
        columns = 2 * self.config.cells
        if mirror:
            told = torch.cat([told[:, :columns].flip(1), told[:, columns:]], dim=1)
        dealt = torch.empty_like(told)
        dealt[list(names.place)] = told
        return torch.cat([self._names, dealt], dim=1)


def _evidence(tower: GridTower, frames: NDArray[np.uint8]) -> Tensor:
    tokens = tower(to_pixels(frames).to(torch.bfloat16)).last_hidden_state
    return tokens[:, :, tower.config.categories :]


class PhotoTrainer:
    """Projector, language model, throw-away heads and optimiser.

    Args:
        model: As ``photo_model.build_photo_model`` joins it.
        tokenizer: Of the language model.
        store: The tower's tokens.
        album: Photographs to ask about.
    """

    def __init__(self, model: Any, tokenizer: Any, store: TokenStore, album: Album) -> None:
        self.model, self.tokenizer, self.store, self.album = model.train(), tokenizer, store, album
        model.model.vision_tower.requires_grad_(False)
        model.model.language_model.set_attn_implementation("eager")  # faster at these lengths, as for drawn scenes
        text = model.config.text_config
        self.size = NanoSize(
            image_px=store.config.image_size,
            patch_px=PLACE_PX,
            width=text.hidden_size,
            n_heads=text.num_attention_heads,
            text_layers=text.num_hidden_layers,
            vocabulary=text.vocab_size,
        )
        self.heads = Heads(self.size, len(COCO_CATEGORIES))
        self.writer = RowWriter(tokenizer, self.size, n_tokens=store.config.categories, per_octave=PER_OCTAVE)
        self.parameters = [weights for weights in model.parameters() if weights.requires_grad]
        self.parameters += self.heads.parameters()
        self.optimiser = torch.optim.AdamW(self.parameters, lr=0, betas=(0.9, 0.98), weight_decay=0.02)

    def batch(self, numbers: Sequence[int], rng: random.Random) -> tuple[Tensor, Rows, Tensor]:
        """Tokens, questions, and which photographs are shown; one of which nothing can be asked is left out."""
        tokens, sheets, asked, is_shown = [], [], [], []
        for number in numbers:
            mirror = rng.random() < MIRROR_SHARE
            names = Names.dealt(COCO_CATEGORIES, rng) if rng.random() < DEALT_SHARE else Names.own(COCO_CATEGORIES)
            questions = ask_about(self.album, number, names, rng, MIX, mirror=mirror)
            if not questions:
                continue
            is_shown.append(rng.random() >= GREY_SHARE)
            tokens.append(self.store.tokens(number if is_shown[-1] else None, names, mirror=mirror))
            sheets.append(lay_out(self.album.photographs[number], names, mirror=mirror))
            asked.append(questions)
        return torch.stack(tokens), self.writer.write(sheets, asked), torch.tensor(is_shown)

    def step(self, numbers: Sequence[int], rate: float, rng: random.Random) -> dict[str, float]:
        """Learn from photographs; returns losses and accuracies."""
        tokens, rows, shown = self.batch(numbers, rng)
        with torch.autocast("cpu", torch.bfloat16):
            projected = self.model.model.multi_modal_projector(tokens)
            for_places, for_amounts, last = read_projected(self.model, rows, projected)
        graded = self._graded(rows)
        answers, told = answer_loss(self.model, rows, last, shown, graded)
        degrees = self._degree_loss(tokens, rows, last, graded)
        words, told_words = word_loss(self.heads, rows, for_places, for_amounts, shown)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        (answers + words + DEGREE_WEIGHT * degrees).backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return told | told_words | {"degrees": degrees.item()}

    def _graded(self, rows: Rows) -> Tensor:
        """Yes and no of probes of presence: they are taught as degrees, and not by the truth beside."""
        asked = [one.kind == "presence" and one.is_probe for one in rows.questions]
        return torch.tensor([*asked, False])[rows.owner] & (rows.weights == 1)

    def _degree_loss(self, tokens: Tensor, rows: Rows, last: Tensor, graded: Tensor) -> Tensor:
        """How far probes of presence are from being answered as surely as the tower is sure."""
        row, at = graded.nonzero(as_tuple=True)
        numbers = [COCO_CATEGORIES.index(one.mentions[0][0]) for one in rows.questions if one.mentions]
        if not len(row) or len(numbers) < len(rows.questions):
            return last.sum() * 0
        named = torch.tensor(numbers)[rows.owner[row, at]]
        sure = tokens.shape[-1] - len(SURE_AT) - len(MANY_AT) - len(LARGE_AT)
        log_odds = tokens[row, named, sure : sure + len(SURE_AT)] @ torch.tensor(SURE_AT)
        yes, no = (self.tokenizer(f" {word}", add_special_tokens=False).input_ids[0] for word in ("Yes", "No"))
        logits = self.model.lm_head(last[row, at - 1].float())
        wanted = (STEEPNESS * (log_odds - HALF_SURE)).sigmoid()
        return torch.nn.functional.binary_cross_entropy_with_logits(logits[:, yes] - logits[:, no], wanted)

    def save(self, folder: Path, progress: dict[str, float]) -> None:
        """Write the checkpoint, and what ``--resume`` needs beside it."""
        save_checkpoint(self.model, build_photo_processor(self.tokenizer, self.store.config), folder)
        held = {name: getattr(self, name).state_dict() for name in ("model", "heads", "optimiser")}
        torch.save(held | {"progress": progress}, folder / "resume.part")
        (folder / "resume.part").replace(folder / "resume.pt")

    def load(self, folder: Path) -> dict[str, float]:
        """Take up what ``save`` wrote, and return the progress."""
        held = torch.load(folder / "resume.pt", weights_only=True)
        for name in ("model", "heads", "optimiser"):
            getattr(self, name).load_state_dict(held[name])
        progress: dict[str, float] = held["progress"]
        return progress


def train(trainer: PhotoTrainer, plan: Plan, numbers: Sequence[int], folder: Path, *, resume: bool, seed: int) -> None:
    """Teach until the time is over; ``folder`` gets the checkpoint, ``log.jsonl`` and ``resume.pt``."""
    folder.mkdir(parents=True, exist_ok=True)
    progress = {"cpu_s": 0.0, "step": 0.0}
    if resume and (folder / "resume.pt").exists():
        progress = trainer.load(folder)
    rng = random.Random(f"{seed} {progress['step']}")
    start = time.process_time() - progress["cpu_s"]
    seen: dict[str, list[float]] = defaultdict(list)
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        while (spent := time.process_time() - start) < plan.seconds:
            drawn = rng.sample(range(len(numbers)), min(plan.batch, len(numbers)))
            told = trainer.step([numbers[n] for n in drawn], plan.rate(spent, int(progress["step"])), rng)
            for name, value in told.items():
                seen[name].append(value)
            progress = {"cpu_s": spent, "step": progress["step"] + 1}
            if progress["step"] % _LOG_STEPS == 0:
                means = {name: round(sum(values) / len(values), 4) for name, values in sorted(seen.items())}
                log.write(json.dumps({name: round(value) for name, value in progress.items()} | means) + "\n")
                log.flush()
                seen.clear()
            if progress["step"] % _SAVE_STEPS == 0:
                trainer.save(folder, progress)
    trainer.save(folder, progress)


def main(arguments: list[str] | None = None) -> None:
    """Teach as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "cache", type=Path, help="of training.photo_cache, made from the same folders in the same order"
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--tower", type=Path, required=True)
    parser.add_argument("--words-of", type=Path, required=True, help="checkpoint whose language model is gone on from")
    parser.add_argument("--pseudo", type=Path, help="folder with a detector's findings")
    parser.add_argument("--detected", nargs="*", default=(), help="names of the folders that it has looked through")
    parser.add_argument("--only", nargs="*", default=(), help="names of the folders to ask about")
    parser.add_argument("--most", type=int, default=4000, help="photographs to ask about; each costs the tower 0.04 s")
    parser.add_argument("--seconds", type=float, default=3000)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    photographs = read_folders(options.folders, COCO_CATEGORIES, options.pseudo)
    album = make_album(photographs, presence_of(photographs, COCO_CATEGORIES, frozenset(options.detected)))
    numbers = [
        n
        for n, one in enumerate(photographs)
        if not one.is_kept_back and one.found and (not options.only or one.folder in options.only)
    ]
    random.Random(0).shuffle(numbers)
    del numbers[options.most :]
    options.out.mkdir(parents=True, exist_ok=True)
    tower = GridTower.from_pretrained(options.tower)
    model = build_photo_model(tower, options.words_of)
    store = TokenStore(tower, PhotoCache(options.cache).pixels, numbers, options.out / "tokens.pt")
    tokenizer = AutoTokenizer.from_pretrained(options.words_of)
    trainer = PhotoTrainer(model, tokenizer, store, album)
    plan = Plan(seconds=options.seconds, peak_rate=options.rate)
    train(trainer, plan, numbers, options.out, resume=options.resume, seed=options.seed)


if __name__ == "__main__":
    main()
