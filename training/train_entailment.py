"""Teaches the entailment judge on pairs, in bf16 on a CPU; may be killed, and goes on with the same command.

python -m training.train_entailment OUT PAIRS.jsonl ... --base FOLDER [--words TEXT ...] [--epochs 1] [--rate 1e-4]
python -m training.train_entailment OUT PAIRS.jsonl ... --start-from OTHER [--bits 4]
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn
from torch.nn.utils import parametrize
from transformers import BertConfig, BertForSequenceClassification

from datagen.checks.entailment import Pieces, nearest_codes, padded, token_ids
from training.entailment_model import first_model

CHUNK = 8192
"""Rows that are sorted by length together, so that little of a batch is padding."""
SAVE_EVERY_S = 240
Row = dict[str, Any]


class FakeQuantised(nn.Module):
    """A weight as it will be after packing; gradients pass as if it were not rounded."""

    def __init__(self, bits: int, group: int) -> None:
        super().__init__()
        self.bits, self.group = bits, group

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Round in groups along the last dimension."""
        return weight + (rounded(weight.detach(), self.bits, self.group) - weight.detach())


def rounded(weight: torch.Tensor, bits: int, group: int) -> torch.Tensor:
    """A matrix as ``packed`` leaves it."""
    codes, scale = nearest_codes(weight, bits, group)
    return (codes * scale).reshape(weight.shape)


def quantised(model: nn.Module, bits: int, group: int) -> None:
    """Let every matrix of the model be rounded in the forward pass."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)) and module.weight.shape[-1] % group == 0:
            parametrize.register_parametrization(module, "weight", FakeQuantised(bits, group))


def read_rows(paths: Sequence[Path]) -> list[Row]:
    """All pairs of files of JSON lines."""
    return [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


def batches(
    rows: Sequence[Row], pieces: Pieces, dice: random.Random, n_tokens: int
) -> Iterator[tuple[int, dict[str, torch.Tensor], list[Row]]]:
    """Batches of rows of about the same length; with each the number of rows up to the end of its chunk."""
    for start in range(0, len(rows), CHUNK):
        made = [
            (token_ids(pieces, row["notes"], row["context"], row["sentence"]), row)
            for row in rows[start : start + CHUNK]
        ]
        made.sort(key=lambda one: len(one[0][0]))
        found: list[list[Any]] = []
        batch: list[Any] = []
        for one in made:
            if batch and len(one[0][0]) * (len(batch) + 1) > n_tokens:
                found.append(batch)
                batch = []
            batch.append(one)
        found.append(batch)
        dice.shuffle(found)
        for n, batch in enumerate(found):
            done = start + (len(made) * (n + 1)) // len(found)
            yield done, padded([ids for ids, _ in batch], pieces.pad), [row for _, row in batch]


def loss_of(logits: torch.Tensor, rows: Sequence[Row]) -> torch.Tensor:
    """Cross entropy; where it is open whether the notes bear a sentence out, of the sum of both."""
    logs = logits.float().log_softmax(1)
    either = torch.logaddexp(logs[:, 0], logs[:, 1])
    target = torch.tensor([row["label"] for row in rows])
    weight = torch.tensor([float(row.get("weight", 1.0)) for row in rows])
    smooth = 0.02
    exact = logs.gather(1, target.clamp(max=2)[:, None])[:, 0]
    right = torch.where(target == 3, either, exact)
    wrong = torch.where(target == 2, either, logs[:, 2])
    return -((1 - smooth) * right + smooth * wrong).mul(weight).sum() / weight.sum()


def probabilities(model: nn.Module, rows: Sequence[Row], pieces: Pieces) -> list[float]:
    """The chance of a contradiction for each row."""
    model.eval()
    made = [token_ids(pieces, row["notes"], row["context"], row["sentence"]) for row in rows]
    order = sorted(range(len(rows)), key=lambda n: len(made[n][0]))
    found = [0.0] * len(rows)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(order), 48):
            chosen = order[start : start + 48]
            logits = model(**padded([made[n] for n in chosen], pieces.pad)).logits.float()
            for n, p in zip(chosen, logits.softmax(1)[:, 2].tolist(), strict=True):
                found[n] = p
    model.train()
    return found


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Chance that a contradicted one scores above one that is not."""
    scores = torch.tensor([*positive, *negative])
    ranks = torch.empty(len(scores), dtype=torch.float64)
    ranks[scores.argsort()] = torch.arange(1, len(scores) + 1, dtype=torch.float64)
    n = len(positive)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / max(1, n * len(negative)))


def report(model: nn.Module, rows: Sequence[Row], pieces: Pieces) -> str:
    """How well rows kept back are told apart, by where they come from."""
    scores = probabilities(model, rows, pieces)
    of: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for row, p in zip(rows, scores, strict=True):
        for name in ("all", row["source"].split("-")[0]):
            of[name][0 if row["label"] == 2 else 1].append(p)
    sound = sorted(of["all"][1])
    edge = sound[int(len(sound) * 0.99)]
    told = [f"{name} {auroc(*pair):.3f}" for name, pair in of.items() if min(map(len, pair)) > 9]
    caught = [
        f"{name} {sum(p > edge for p in pair[0]) / len(pair[0]):.2f}" for name, pair in of.items() if len(pair[0]) > 9
    ]
    return f"AUROC {', '.join(told)}; caught at 1 % {', '.join(caught)}"


def save(folder: Path, model: BertForSequenceClassification, tokenizer: Tokenizer) -> None:
    """Write a checkpoint in single precision, without what only training needs."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name.replace("parametrizations.", "").replace(".original", ""): value.contiguous()
        for name, value in model.state_dict().items()
    }
    save_file({name: value for name, value in state.items() if "position_ids" not in name}, folder / "new.safetensors")
    (folder / "new.safetensors").replace(folder / "model.safetensors")
    model.config.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))


def load(folder: Path) -> tuple[BertForSequenceClassification, Tokenizer]:
    """Read a checkpoint of ``save``."""
    config = BertConfig.from_pretrained(folder)
    model = BertForSequenceClassification(config)
    model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    return model, Tokenizer.from_file(str(folder / "tokenizer.json"))


def texts_of(paths: Sequence[Path], rows: Sequence[Row]) -> list[str]:
    """What the vocabulary is to be of: pairs, and further texts a line each."""
    found = [text for row in rows[::4] for text in (row["sentence"], row["context"], row["notes"][-1])]
    return found + [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


def options_of() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("pairs", type=Path, nargs="+")
    parser.add_argument("--base", type=Path, help="folder of the sentence encoder to begin with")
    parser.add_argument("--start-from", type=Path, help="folder of a checkpoint to begin with")
    parser.add_argument("--words", type=Path, nargs="*", default=[], help="texts whose words are to be known")
    parser.add_argument("--n-words", type=int, default=7400)
    parser.add_argument("--neurons", type=int, default=1152)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--rate", type=float, default=1.5e-4)
    parser.add_argument("--batch-tokens", type=int, default=3600)
    parser.add_argument("--bits", type=int, default=0, help="round matrices to so many bits while training")
    parser.add_argument("--group", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kept-back", type=int, default=1500)
    return parser.parse_args()


def beginning(
    options: argparse.Namespace, rows: Sequence[Row]
) -> tuple[BertForSequenceClassification, Tokenizer, torch.optim.Optimizer, int]:
    """The model, its tokenizer and optimiser, and how many rows are done: as they were left, or new."""
    left = options.out / "training.pt"
    folder = options.out if left.exists() else options.start_from
    if folder:
        model, tokenizer = load(folder)
    else:
        texts = texts_of(options.words, rows)
        model, tokenizer = first_model(options.base, texts, options.n_words, options.neurons, options.layers)
    if options.bits:
        quantised(model, options.bits, options.group)
    decayed = [value for value in model.parameters() if value.ndim > 1]
    plain = [value for value in model.parameters() if value.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=options.rate, betas=(0.9, 0.98), fused=True)
    if not left.exists():
        return model, tokenizer, optimiser, 0
    known = torch.load(left, weights_only=True)
    optimiser.load_state_dict(known["optimiser"])
    return model, tokenizer, optimiser, known["done"]


def rate_at(share: float) -> float:
    """The learning rate as a share of its peak: up over 5 % of the way, then down along a cosine to 2 %."""
    return min(1.0, share / 0.05 + 0.02) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))


def step(model: nn.Module, optimiser: torch.optim.Optimizer, inputs: dict[str, torch.Tensor], rows: list[Row]) -> float:
    """One step in bf16; returns its loss."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(**inputs).logits
    loss = loss_of(logits, rows)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    optimiser.zero_grad()
    return loss.item()


def main() -> None:
    """Teach."""
    options = options_of()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    rows = read_rows(options.pairs)
    random.Random(0).shuffle(rows)
    kept, rows = rows[: options.kept_back], rows[options.kept_back :]
    model, tokenizer, optimiser, done = beginning(options, rows)
    pieces, total, first = Pieces(tokenizer), int(len(rows) * options.epochs), done
    print(f"{len(rows)} pairs, {sum(one.numel() for one in model.parameters())} parameters, {done} of {total} done")
    model.train()
    began = saved = told = time.monotonic()
    mean, n_steps = 0.0, 0
    while done < total:
        epoch, within = divmod(done, len(rows))
        order = rows[:]
        random.Random(options.seed * 1000 + epoch).shuffle(order)
        for at, inputs, batch in batches(order[within:], pieces, random.Random(done), options.batch_tokens):
            done = min(epoch * len(rows) + within + at, total)
            for group in optimiser.param_groups:
                group["lr"] = options.rate * rate_at(done / total)
            n_steps += 1
            mean += (step(model, optimiser, inputs, batch) - mean) / min(n_steps, 50)
            if time.monotonic() - told > 30:
                told = time.monotonic()
                print(f"{done:8} loss {mean:.3f} {(done - first) / (told - began):.0f}/s", flush=True)
            if time.monotonic() - saved > SAVE_EVERY_S and at % CHUNK == 0:  # within a chunk nobody knows what is left
                save(options.out, model, tokenizer)
                torch.save({"optimiser": optimiser.state_dict(), "done": done}, options.out / "training.pt")
                saved = time.monotonic()
            if done >= total:
                break
    save(options.out, model, tokenizer)
    (options.out / "training.pt").unlink(missing_ok=True)
    if kept:
        print(report(model, kept, pieces))


if __name__ == "__main__":
    main()
