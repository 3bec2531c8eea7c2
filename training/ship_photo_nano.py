"""From a trained checkpoint to the package: measured per category and per kind of question, described, copied.

``python -m training.ship_photo_nano CHECKPOINT FOLDER … --instances FILE --images FOLDER --made-by "..."`` writes
``datagen/data/nano_photos``. Categories are measured on the photographs of the folders that training keeps back, kinds
of question and the card's table on a corpus in which everything is boxed.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from msgspec import Struct
from PIL import Image

from datagen.claims.kind import YES_NO, presence_question
from datagen.config import ValidatorSettings, load_settings
from datagen.corpus import load_corpus
from datagen.records import AnnotatedImage, Probe, ProbeKind, ProbeScore
from datagen.validator.checkpoint import CheckpointValidator
from datagen.validator.models import load_checkpoint
from datagen.validator.models.nano import FOLDERS
from datagen.validator.protocol import Look, score_key
from datagen.words import COCO_CATEGORIES
from training.measure_photographs import MEASURES, Answered, answer, auroc, intervals, other_image, yes_f1
from training.photo_questions import ABSENT, FLOOR, Names, lay_out, make_album
from training.photographs import presence_of, read_folders
from training.questions import JUDGED
from training.ship_nano import NEEDED

ASKED_FROM = 0.8
"""A category is asked about from this AUROC of presence on, against things that often stand beside it, ..."""
LEAST_SHOWN = 5
"""... measured on at least so many photographs that show it."""
SURELY_SHOWN = 0.9
BY_CHANCE = {"presence": 0.6, "count": 0.6, "side": 0.6, "quadrant": 0.35, "relation": 0.6, "size": 0.6}
"""A kind of question is judged when the lower ends of its intervals all lie above this; "one" counts right for 0.6."""
SURE_SHARE = 0.9
"""Of answers that a person gets without a caveat so many shall be right."""
NAMES = Names.own(COCO_CATEGORIES)
BARRED = {name: one for name, one in MEASURES.items() if one[1] is not yes_f1}
"""All yes has an F1 of .67."""
N_ABSENT, MOST_KEPT = 10, 200
"""Absent things asked of a photograph, and photographs of a folder of which everything is asked."""
CARD = """# nano, the half for photographs

A LLaVA of {millions:.1f} million parameters that looks at everyday photographs and answers short questions about
{n_categories} of COCO's 80 things. It is small and knows common things: the calibration of each run decides what it may
judge. Drawn scenes go to the other half, `../nano`.

- Architecture: `LlavaForConditionalGeneration`; `GridTower` (EfficientNet-Lite2 at {image_px} px, a neck that says what
  covers a cell, how many centres lie in it and what is shown at all; {n_tokens} tokens), two-layer projector, Llama of
  {text_layers} layers, width {width}. `datagen.validator.models.grid_tower.register()` tells transformers of the tower.
- Format: LLaVA-1.5's `USER: <image>\\nQUESTION ASSISTANT:`.
- Made by: {made_by}
- Judges: {probes}.{not_judged}
- To a person it answers "Not sure" below these chances, above which nine answers of ten are right on photographs kept
  back: {sure_from}.
- Asked about: {categories}.
- Not asked about, being told apart with an AUROC below {asked_from} or shown by fewer than {least} photographs kept
  back: {others}.

## What it learned from

- The tower began as EfficientNet-Lite2, taught on ImageNet by Google (Apache-2.0); of its classes {n_classes} are kept.
- Photographs with boxes: PASCAL VOC 2007 and 2012 and some of COCO; with captions: Flickr8k. They belong to their
  makers on Flickr; VOC and COCO ask to follow Flickr's terms, Flickr8k is for research that is not commercial, COCO's
  annotations are CC BY 4.0. None of them is in the package. Presence also from 1,041 without boxes: one for each of
  ImageNet's classes, and fruit in shops.
- Boxes that nobody drew, for categories that those sets lack: found by small detectors, counted with the trust that
  their scores earned where the truth is known. The detectors are not in the package.
- The questions' grammar: the language model began as the half for drawn scenes.
- Weights and code are datagen's own (Apache-2.0).

## Measured

{n_photographs} photographs of COCO with every thing boxed that it never saw; 95 % intervals over photographs. First of
all 80 things, then of those that it is asked about.

| | all | 95 % interval | questions | asked about | 95 % interval | questions |
|---|---|---|---|---|---|---|
{rows}
| another photograph, told apart by three things named | {other:.3f} | | | {other_asked:.3f} | | |
"""


class CategoryWorth(Struct, frozen=True):
    """How well a category is told."""

    auroc: float
    n_shown: int

    @property
    def is_asked(self) -> bool:
        """Well enough to be asked about."""
        return self.n_shown >= LEAST_SHOWN and self.auroc >= ASKED_FROM


def measure_categories(
    validator: CheckpointValidator, folders: Sequence[Path], pseudo: Path | None, detected: frozenset[str]
) -> dict[str, CategoryWorth]:
    """Measure presence, category by category, on what training kept back."""
    read = read_folders(folders, COCO_CATEGORIES, pseudo)
    album = make_album(read, presence_of(read, COCO_CATEGORIES, detected))
    told: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for number, photograph in enumerate(album.photographs):
        if not photograph.is_kept_back:
            continue
        chance, weight = album.presence.chance[number], album.presence.weight[number]
        there = [int(n) for n in np.flatnonzero((weight > 0) & (chance > SURELY_SHOWN))]
        absent = [int(n) for n in np.flatnonzero((weight > 0) & (chance <= ABSENT))]
        if not there:
            continue
        beside = album.together[there].max(0)[absent] + FLOOR
        hard = [absent[n] for n in np.argsort(-beside)[:N_ABSENT]]
        probes = {n: Probe(presence_question(COCO_CATEGORIES[n]), YES_NO) for n in (*there, *hard)}
        look = Look(photograph.path.name, tuple(probes.values()))
        scores = validator.score([look], lambda _, path=photograph.path: Image.open(path))  # type: ignore[misc]
        found = {score.key: score.chances[0] for score in scores if isinstance(score, ProbeScore)}
        for n, probe in probes.items():
            told[COCO_CATEGORIES[n]][n in hard].append(found[score_key(validator.identity, look, probe)])
    return {
        name: CategoryWorth(auroc(*told[name]), len(told[name][0])) if all(told[name]) else CategoryWorth(0.0, 0)
        for name in COCO_CATEGORIES
    }


def ask_kept_back(validator: CheckpointValidator, folders: Sequence[Path]) -> Iterator[list[Answered]]:
    """Ask all that people's boxes decide of the photographs that training keeps back."""
    for folder in folders:
        kept = [one for one in read_folders([folder], COCO_CATEGORIES) if one.is_kept_back and one.decided]
        names = tuple(COCO_CATEGORIES[n] for n in sorted({n for one in kept for n in one.decided}))
        images = [
            AnnotatedImage(one.path.name, one.path.name, 0, 0, (), lay_out(one, NAMES, mirror=False).objects)
            for one in kept
            if one.boxed
        ][:MOST_KEPT]
        yield from answer(validator, images, folder / "images", names)


def sure_from(answered: Sequence[Answered]) -> dict[ProbeKind, float]:
    """By kind of question the chance from which on ``SURE_SHARE`` of the answers are right, each truth weighing alike.

    A kind of which even the surest answers are wrong too often gets no bar that any answer reaches.
    """
    bars: dict[ProbeKind, float] = {}
    for kind in {one.asked.kind for one in answered}:
        mine = sorted((one for one in answered if one.asked.kind == kind), key=lambda one: -max(one.chances))
        often = Counter(one.asked.truth for one in mine)
        weights = np.array([1 / often[one.asked.truth] for one in mine])
        right = (weights * [one.is_right for one in mine]).cumsum() / weights.cumsum()
        surest = np.array([max(one.chances) for one in mine])
        is_last = np.append(surest[1:] < surest[:-1], True)  # all answers of one chance stand or fall together
        enough = np.flatnonzero((right >= SURE_SHARE) & is_last)
        bars[kind] = math.floor(100 * surest[enough[-1]]) / 100 if len(enough) else 1.01
    return dict(sorted(bars.items()))


def _cells(one: dict[str, float]) -> str:
    return f"{one['value']:.3f} | {one['low']:.3f} to {one['high']:.3f} | {one['n']:,}"


def main(arguments: list[str] | None = None) -> None:
    """Ship as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folders", type=Path, nargs="+", help="as in training")
    parser.add_argument("--pseudo", type=Path, help="folder with a detector's findings")
    parser.add_argument("--detected", nargs="*", default=())
    parser.add_argument("--instances", required=True, help="COCO's, with every thing of every category boxed")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--made-by", required=True, help="the commands that trained it, for the card")
    parser.add_argument("--out", type=Path, default=FOLDERS["photograph"])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    checkpoint = load_checkpoint(ValidatorSettings(name=str(options.checkpoint), device="cpu"))
    validator = CheckpointValidator(checkpoint, 4096)
    worth = measure_categories(validator, options.folders, options.pseudo, frozenset(options.detected))
    given = {"corpus": {"instances": [options.instances], "images": str(options.images)}}
    corpus = load_corpus(load_settings(None, given).corpus)
    images = [image for image in corpus.images if image.boxes]
    answered = list(answer(validator, images, options.images, corpus.categories))
    figures = intervals(answered)
    kept = list(ask_kept_back(validator, options.folders))
    asked = tuple(name for name, one in worth.items() if one.is_asked)
    about_asked = [[one for one in photograph if one.asked.category in asked] for photograph in answered]
    of_asked = intervals(about_asked)
    learned = tuple(
        kind
        for kind in JUDGED
        if (lows := [figures[name]["low"] for name, (of, _) in BARRED.items() if of == kind and name in figures])
        and min(lows) > BY_CHANCE[kind]
    )
    options.out.mkdir(parents=True, exist_ok=True)
    for name in NEEDED:
        shutil.copyfile(options.checkpoint / name, options.out / name)
    bars = sure_from([one for photograph in kept for one in photograph if one.asked.category in asked])
    bars = {kind: bars[kind] for kind in learned if kind in bars}
    told = {"probes": learned, "categories": asked, "sure_from": bars}
    (options.out / "nano.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    model = checkpoint.model
    vision, text = model.config.vision_config, model.config.text_config
    unlearned = [kind for kind in JUDGED if kind not in learned]
    card = CARD.format(
        millions=sum(weights.numel() for weights in model.parameters()) / 1e6,
        n_categories=len(asked),
        image_px=vision.image_size,
        n_tokens=vision.categories,
        n_classes=len(vision.knows),
        text_layers=text.num_hidden_layers,
        width=text.hidden_size,
        made_by=options.made_by,
        probes=", ".join(learned),
        sure_from=", ".join(f"{kind} {bar:.2f}" for kind, bar in bars.items()),
        not_judged=f" Not learned well enough, and so not judged: {', '.join(unlearned)}." if unlearned else "",
        categories=", ".join(f"{name} ({worth[name].auroc:.2f})" for name in asked),
        asked_from=ASKED_FROM,
        least=LEAST_SHOWN,
        others=", ".join(f"{name} ({one.n_shown})" for name, one in worth.items() if not one.is_asked) or "none",
        n_photographs=len(images),
        rows="\n".join(f"| {name} | {_cells(one)} | {_cells(of_asked[name])} |" for name, one in figures.items()),
        other=other_image(answered),
        other_asked=other_image(about_asked),
    )
    (options.out / "README.md").write_text(card, encoding="utf-8")
    print(card)


if __name__ == "__main__":
    main()
