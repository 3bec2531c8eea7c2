"""From a trained checkpoint to the package: measured on new scenes, described, copied.

``python -m training.ship_nano CHECKPOINT --made-by "the command"`` writes ``datagen/data/nano``: weights, tokenizer and
processor as they are, ``nano.json`` with what may be asked of it, and a model card with the measured table.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import torch

import datagen
from datagen.validator.models.nano import FOLDERS, Knowledge
from training.atlas import load_atlas
from training.evaluate import WHOLE, Judge, table
from training.questions import JUDGED

LEARNED = 0.9
"""Accuracy on scenes of up to eight objects from which on a kind of question is judged by the model."""
NEEDED = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)
CARD = """# nano

The validator that datagen brings along: a LLaVA of {millions:.2f} million parameters that looks at drawn scenes and
answers short questions about them. It exists so that the whole pipeline, validation included, runs on a fresh machine
without network or GPU. It knows {n_categories} things as drawn in `training/atlas.png`, and nothing of photographs:
given those, it refuses.

- Architecture: `LlavaForConditionalGeneration`; SigLIP-type tower ({image_px} px, {n_patches} patches), two-layer
  projector, Llama of {text_layers} layers, width {width}; byte-level BPE of {vocabulary} pieces.
- Format: LLaVA-1.5's `USER: <image>\\nQUESTION ASSISTANT:`.
- Made by: {made_by}
- Judges: {probes}.{not_judged}
- Weights and code are datagen's own ({licence}); the drawings it learned from are Noto Emoji (see
  `training/LICENSES.md`).

Accuracy on new scenes (scenes and wording of `training/evaluate.py`; the likeliest of two answers, four for quadrants,
eight for counts):

| scenes | questions | number | {kinds} |
|---|---|---|{rule}|
{rows}

"Held-out sprites" are drawings of known things that it never saw: it knows these drawings more than the things.

Use it from Python:

```python
from transformers import AutoModelForImageTextToText, AutoProcessor

model = AutoModelForImageTextToText.from_pretrained(folder)
processor = AutoProcessor.from_pretrained(folder)
```
"""


def ship(checkpoint: Path, made_by: str, n_scenes: int, n_whole: int, folder: Path) -> None:
    """Measure a checkpoint and put it into a package folder."""
    judge = Judge(checkpoint)
    rows = list(table(judge, n_scenes, n_whole=n_whole))
    full = next(row for row in rows if row["scenes"] == WHOLE and row["questions"] == "probes")
    learned = tuple(kind for kind in JUDGED if accuracy(full[kind]) >= LEARNED)
    folder.mkdir(parents=True, exist_ok=True)
    for name in NEEDED:
        shutil.copyfile(checkpoint / name, folder / name)
    knowledge = Knowledge(probes=learned, categories=load_atlas().categories)  # type: ignore[arg-type]
    told = {"probes": list(knowledge.probes), "categories": list(knowledge.categories)}
    (folder / "nano.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card(judge, rows, learned, made_by), encoding="utf-8")


def accuracy(found: Any) -> float:
    """The first number of a table's cell; 0 where nothing was asked."""
    return float(found[0]) if found else 0.0


def card(judge: Judge, rows: list[dict[str, object]], learned: tuple[str, ...], made_by: str) -> str:
    """Write the model card."""
    unlearned = [kind for kind in JUDGED if kind not in learned]
    lines = [
        f"| {row['scenes']} | {row['questions']} | {row['n']:,} | "
        + " | ".join(f"{accuracy(row[kind]):.3f}" if row[kind] else "-" for kind in JUDGED)
        + " |"
        for row in rows
    ]
    size = judge.size
    return CARD.format(
        millions=sum(weights.numel() for weights in judge.model.parameters()) / 1e6,
        n_categories=len(load_atlas().categories),
        image_px=size.image_px,
        n_patches=size.grid**2,
        text_layers=size.text_layers,
        width=size.width,
        vocabulary=size.vocabulary,
        made_by=made_by,
        probes=", ".join(learned),
        not_judged=f" Not learned well enough, and so not judged: {', '.join(unlearned)}." if unlearned else "",
        licence="Apache-2.0",
        kinds=" | ".join(JUDGED),
        rule="|".join("---" for _ in JUDGED),
        rows="\n".join(lines),
    )


def main(arguments: list[str] | None = None) -> None:
    """Ship as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--made-by", required=True, help="the command that trained it, for the card")
    parser.add_argument("--scenes", type=int, default=1000, help="new scenes in each row of the table")
    parser.add_argument("--whole", type=int, default=5000, help="new scenes with up to eight objects, asked in probes")
    parser.add_argument("--out", type=Path, default=FOLDERS["drawn scene"])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    ship(options.checkpoint, options.made_by, options.scenes, options.whole, options.out)
    print(f"{options.out}, datagen {datagen.__version__}")


if __name__ == "__main__":
    main()
