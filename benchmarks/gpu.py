"""All that wants a GPU, in one command: exactness against the CPU, speed, share of the matrix peak and memory.

    python benchmarks/gpu.py [--device cuda] [--shape llava-1.5-7b] [--conversations 200] [--json FILE]

For a machine with one NVIDIA GPU and no network, in under eight minutes; weights are random, of the shapes named.
Tiny models of every family are scored on the CPU and on the device in fp32 (they must agree within 1e-3), and in the
precisions that the device has. Then LLaVA of a real shape: conversations a second, the ratio to asking one by one, the
share of the measured matrix peak, peak memory and its heaviest kernels; last the bundled model.
Ends with status 1 where the device and the CPU do not agree. With ``--device cpu --shape tiny --conversations 2`` it is
tried where there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")]

import tiny_chat_models  # noqa: E402
import tiny_checkpoints  # noqa: E402
import tiny_detectors  # noqa: E402
import tiny_models  # noqa: E402
import validate  # noqa: E402

from datagen.config import ValidatorSettings  # noqa: E402
from datagen.errors import ValidatorError  # noqa: E402
from datagen.records import ProbeScore, SimilarityScore, TextScore  # noqa: E402
from datagen.validator import Look, Probe, Text, open_validator, score_key  # noqa: E402

AGREE_TO = 1e-3
MODELS: dict[str, Callable[[Path], object]] = {
    **{kind: partial(tiny_checkpoints.write_checkpoint, kind=kind) for kind in tiny_checkpoints.KINDS},
    "imp": lambda folder: tiny_models.write_imp(folder, "new"),
    **tiny_chat_models.WRITERS,
    "similarity": tiny_models.write_similarity,
    **tiny_detectors.WRITERS,
}
TEXT = Text("What?", "A red cup stands on the table.")
PROBES = (Probe("Is there a cup in the image?", ("Yes", "No"), "a cup"), Probe("Is it left?", ("Yes", "No"), "a cup"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--shape", default="llava-1.5-7b", choices=tuple(validate.SHAPES))
    parser.add_argument("--conversations", type=int, default=200)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    torch.backends.cudnn.allow_tf32 = False  # else convolutions of fp32 keep ten bits, and 1e-3 says nothing
    began, told = time.perf_counter(), dict[str, object]()
    for name, value in figures(options):
        told[name] = value
        shown = f"{value:,.4g}" if isinstance(value, float) else value
        print(f"[{time.perf_counter() - began:4.0f} s] {name:44} {shown}", flush=True)
        if options.json:  # after each, so that a machine that is taken away loses little
            options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    worst = max(
        (value for name, value in told.items() if name.endswith("fp32") and isinstance(value, float)), default=1.0
    )
    if worst > AGREE_TO:
        raise SystemExit(f"{options.device} and the CPU differ by {worst:.1e} in fp32, more than {AGREE_TO:g}.")


def figures(options: argparse.Namespace) -> Iterator[tuple[str, object]]:
    """Everything that is measured, the surest and shortest first."""
    is_cuda = options.device.startswith("cuda")
    yield "torch; device", f"{torch.__version__}; {torch.cuda.get_device_name() if is_cuda else options.device}"
    with tempfile.TemporaryDirectory() as folder:
        for name, write in MODELS.items():
            yield from exactness(name, write, Path(folder) / name.replace(" ", "-"), options.device, has_fp16=is_cuda)
    for shape, n in ((options.shape, options.conversations), ("nano", min(100, options.conversations))):
        with tempfile.TemporaryDirectory() as folder:
            asked = argparse.Namespace(
                device=options.device, shape=shape, conversations=n, baseline=min(5, n), batch_tokens=32_768
            )
            for name, value in validate.measure(asked, Path(folder)).items():
                yield f"{shape}: {name}", value
        if is_cuda:
            torch.cuda.empty_cache()
    if is_cuda:
        with tempfile.TemporaryDirectory() as folder:
            asked = argparse.Namespace(
                device=options.device, shape=options.shape, conversations=12, baseline=1, batch_tokens=32_768
            )
            with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
                validate.measure(asked, Path(folder))
        table = profile.key_averages().table(sort_by="cuda_time_total", row_limit=12, max_name_column_width=60)
        yield "kernels", "\n" + table


def exactness(
    name: str, write: Callable[[Path], object], folder: Path, device: str, *, has_fp16: bool
) -> Iterator[tuple[str, object]]:
    """How far a tiny model's numbers on the device lie from those of the CPU in fp32."""
    torch.manual_seed(0)
    try:
        write(folder)
        on_cpu = numbers_of(folder, "cpu", "fp32")
        for precision in ("fp32", "bf16", *(("fp16",) if has_fp16 else ())):
            found = numbers_of(folder, device, precision)
            apart = max(abs(one - other) for one, other in zip(on_cpu, found, strict=True))
            yield f"{name}: off by at most, {precision}", apart
    except (ImportError, ValidatorError) as error:
        yield f"{name}: left out", str(error)[:100]


def numbers_of(folder: Path, device: str, precision: str) -> list[float]:
    """All numbers that a model gives about two pictures, in the order of what is asked."""
    validator = open_validator(ValidatorSettings(name=str(folder), device=device, precision=precision))  # type: ignore[arg-type]
    abilities = validator.abilities
    probes = tuple(one for one in PROBES if "presence" in abilities.probes and (one is PROBES[0] or abilities.texts))
    asked = ((TEXT,) if abilities.texts else ()) + probes
    looks = [Look(picture, asked) for picture in "ab"]
    if abilities.blanks:
        looks += [Look(picture, (TEXT,), is_blank=True) for picture in "ab"]
    scores = list(validator.score(looks, lambda name: tiny_checkpoints.picture(name, (60, 40))))
    found: dict[str, tuple[float, ...]] = {}
    for score in scores:
        if isinstance(score, ProbeScore):
            found[score.key] = score.chances
        elif isinstance(score, TextScore):
            found[score.key] = (score.logprob_mean, score.logprob_min, score.margin_mean)
        elif isinstance(score, SimilarityScore):
            found[score.key] = (score.similarity,)
        else:
            raise ValidatorError(f"nothing is scored: {score}")
    # Keys change with the precision, so what was asked decides the order.
    kept = [(look, item) for look in looks for item in look.items]
    return [value for look, item in kept for value in found[score_key(validator.identity, look, item)]]


if __name__ == "__main__":
    main()
