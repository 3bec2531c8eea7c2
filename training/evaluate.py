"""From a saved checkpoint to its accuracy per kind of question, on scenes it never saw.

``python -m training.evaluate CHECKPOINT --scenes 1000``. Each question's true answer stands against false ones in the
same wording; the answer with the highest likelihood is the model's choice.
"""

from __future__ import annotations

import argparse
import io
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from msgspec.structs import replace
from PIL import Image
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoProcessor

from training.atlas import load_atlas
from training.batches import Rows, RowWriter, SceneSource, draw_frames, moved, read_rows
from training.model import NanoSize, to_pixels
from training.questions import JUDGED, Question, QuestionMix
from training.render import render
from training.scenes import Scene, SceneStyle

SEED = 909_090
"""Far from the seeds that training uses."""
BATCH = 8
SETS = {
    "1-3 objects": SceneStyle(n_objects=(1, 3)),
    "1-5 objects": SceneStyle(n_objects=(1, 5)),
    "1-8 objects": SceneStyle(n_objects=(1, 8)),
    "1-3, held-out sprites": SceneStyle(n_objects=(1, 3), held_out=True),
}
WHOLE = "1-8 objects"
WORDINGS = {"probes": 1.0, "teacher's wording": 0.0}
Tally = dict[str, list[bool]]


class Judge:
    """A checkpoint, asked which of several answers it finds likeliest.

    Args:
        folder: An ordinary checkpoint, as ``training.train_nano`` leaves it.
        device: Where to run.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        self.device = device
        attention = "eager" if device == "cpu" else "sdpa"
        load: Any = AutoModelForImageTextToText.from_pretrained
        self.model = load(folder, dtype=torch.float32, attn_implementation=attention).to(device).eval()
        self.processor: Any = AutoProcessor.from_pretrained(folder)
        self.size = NanoSize.of(self.model)
        self._writer = RowWriter(self.processor.tokenizer, self.size)

    @torch.inference_mode()
    def choose(self, scenes: Sequence[Scene], asked: Sequence[Sequence[Question]], pixels: Tensor) -> list[int]:
        """Index of the likeliest answer of every question, scene by scene; 0 is the true one."""
        branches = [
            [replace(one, answer=answer, wrong=()) for one in questions for answer in (one.answer, *one.wrong)]
            for questions in asked
        ]
        rows = moved(self._writer.write(scenes, branches), self.device)
        *_, last = read_rows(self.model, rows, pixels.to(self.device))
        scores = iter(_scores(self.model.lm_head, rows, last).tolist())
        return [
            max(range(len(held)), key=held.__getitem__)
            for questions in asked
            for one in questions
            for held in [[next(scores) for _ in range(1 + len(one.wrong))]]
        ]


def _scores(head: torch.nn.Module, rows: Rows, last: Tensor) -> Tensor:
    """Log-likelihood of every branch's answer without its full stop and end mark, shape (branches,)."""
    at = (rows.weights == 1).nonzero()
    logits = head(last[at[:, 0], at[:, 1] - 1]).log_softmax(-1)
    held = logits.gather(1, rows.ids[at[:, 0], at[:, 1]][:, None])[:, 0]
    return torch.zeros(len(rows.questions), device=held.device).index_add_(0, rows.owner[at[:, 0], at[:, 1]], held)


def measure(
    judge: Judge, n_scenes: int, style: SceneStyle, probes: float, *, frame_px: int | None = None, n_categories: int = 0
) -> dict[str, tuple[float, int]]:
    """Ask about new scenes.

    Args:
        judge: The checkpoint.
        n_scenes: How many.
        style: Of the scenes.
        probes: Share of questions in canonical form.
        frame_px: Height of the frame; the picture then goes through a JPEG and the processor, as a user's
            would. None renders at the model's size.
        n_categories: The first so many of the atlas; 0 takes all.

    Returns:
        Kind of question to accuracy and number of questions.
    """
    atlas = load_atlas()
    source = SceneSource(atlas, atlas.categories[: n_categories or None], SEED)
    mix = QuestionMix(probes=probes, most=6)
    tally: Tally = defaultdict(list)
    for first in range(0, n_scenes, BATCH):
        scenes = source.scenes(min(BATCH, n_scenes - first), style)
        asked = source.questions(scenes, mix)
        pixels = (
            _through_files(judge, scenes, frame_px) if frame_px else to_pixels(draw_frames(scenes, judge.size, atlas))
        )
        chosen = judge.choose(scenes, asked, pixels)
        for one, choice in zip((one for questions in asked for one in questions), chosen, strict=True):
            tally[one.kind].append(choice == 0)
    return {kind: (sum(right) / len(right), len(right)) for kind in JUDGED if (right := tally[kind])}


def _through_files(judge: Judge, scenes: Sequence[Scene], frame_px: int) -> Tensor:
    pictures = []
    for scene in scenes:
        kept = io.BytesIO()
        frame = render(scene, (round(frame_px * scene.aspect), frame_px), load_atlas())
        Image.fromarray(frame).save(kept, "JPEG", quality=90)
        pictures.append(Image.open(kept).convert("RGB"))
    pixels: Tensor = judge.processor.image_processor(pictures, return_tensors="pt")["pixel_values"]
    return pixels


def table(
    judge: Judge, n_scenes: int, n_categories: int = 0, n_whole: int | None = None
) -> Iterator[dict[str, object]]:
    """Measure every set in both wordings, and the last as users' files.

    Args:
        judge: The checkpoint.
        n_scenes: New scenes of each set.
        n_categories: The first so many of the atlas; 0 takes all.
        n_whole: New scenes of the set with up to eight objects, asked in probes, where it is not ``n_scenes``.
    """
    for wording, probes in WORDINGS.items():
        for name, style in SETS.items():
            is_whole = (name, wording) == (WHOLE, "probes")
            n = n_whole if n_whole and is_whole else n_scenes
            found = measure(judge, n, style, probes, n_categories=n_categories)
            yield {"scenes": name, "questions": wording, "n": n} | {kind: found.get(kind) for kind in JUDGED}
    found = measure(judge, n_scenes, SETS[WHOLE], 1.0, frame_px=480, n_categories=n_categories)
    told = {"scenes": "1-8, JPEG of 480 px", "questions": "probes", "n": n_scenes}
    yield told | {kind: found.get(kind) for kind in JUDGED}


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--scenes", type=int, default=1000, help="new scenes in each row of the table")
    parser.add_argument("--categories", type=int, default=0, help="only the first so many of the atlas")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="also write the rows here, with the number of questions")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    judge = Judge(options.checkpoint, options.device)
    print(f"{'scenes':22} {'questions':18}" + "".join(f"{kind:>10}" for kind in JUDGED))
    rows = []
    for row in table(judge, options.scenes, options.categories):
        cells = "".join(f"{found[0]:10.3f}" if (found := row[kind]) else f"{'-':>10}" for kind in JUDGED)  # type: ignore[index]
        print(f"{row['scenes']:22} {row['questions']:18}{cells}", flush=True)
        rows.append(row)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
