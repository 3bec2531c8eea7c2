"""Packs a checkpoint of the entailment judge into the package, with its threshold and its card.

python -m training.ship_entailment CHECKPOINT OUT --threshold 0.97 --temperature 1.3 --made-by "..." [--card card.md]
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import msgspec
import torch
from safetensors.torch import load_file, save_file

from datagen.checks.entailment import Shipped, packed

GROUP = 128
"""Numbers that share a scale: 4.125 bits a number; the width 384 is three of them."""


def pack_state(state: dict[str, torch.Tensor], group: int = GROUP) -> dict[str, torch.Tensor]:
    """Matrices whose rows are whole groups in four bits, all else in half precision."""
    found: dict[str, torch.Tensor] = {}
    for name, value in state.items():
        if value.ndim == 2 and value.shape[1] % group == 0 and len(value) > 8:
            found[f"{name}.codes"], found[f"{name}.scale"] = packed(value, group)
        elif "position_ids" not in name and "token_type_ids" not in name:
            found[name] = value.half()
    return {name: value.contiguous() for name, value in found.items()}


def ship(checkpoint: Path, out: Path, shipped: Shipped) -> int:
    """Write the folder that ``EntailmentJudge`` loads; returns its size in bytes."""
    out.mkdir(parents=True, exist_ok=True)
    state = pack_state(load_file(checkpoint / "model.safetensors"))
    save_file(state, out / "model.safetensors", metadata={"format": "pt", "bits": "4", "group": str(GROUP)})
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    for name in ("transformers_version", "dtype", "torch_dtype"):
        config.pop(name, None)
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    tokenizer = json.loads((checkpoint / "tokenizer.json").read_text(encoding="utf-8"))
    (out / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    (out / "entailment.json").write_bytes(msgspec.json.format(msgspec.json.encode(shipped)) + b"\n")
    return sum(path.stat().st_size for path in out.iterdir())


def main() -> None:
    """Pack and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threshold", type=float, required=True)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--made-by", default="")
    parser.add_argument("--card", type=Path, help="text of README.md")
    options = parser.parse_args()
    size = ship(options.checkpoint, options.out, Shipped(options.threshold, options.temperature, options.made_by))
    if options.card:
        shutil.copyfile(options.card, options.out / "README.md")
    print(f"{options.out}: {size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
