"""How many wrong boxes claims and checks find: boxes of the embedded teacher's answers shifted, scaled and swapped.

``python benchmarks/wrong_boxes.py --captions F --instances F`` writes grounding, referring and grounded descriptions
for every image, spoils one box of each turn in every way of ``WAYS``, and counts what falls, by claims (IoU with the
boxes of the thing named) and by all (claims, or a box that was never given). Intervals are over images.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from msgspec.structs import replace

from datagen import claims
from datagen.box_text import BoxInText, boxes_in, tell_box
from datagen.checks import first_bad_box
from datagen.config import ChecksSettings, CorpusSettings, Settings
from datagen.corpus import load_corpus
from datagen.geometry import iou
from datagen.parsing import parse_reply
from datagen.recipes import build_request, load_recipes
from datagen.records import AnnotatedImage, BoxUnit, Turn
from datagen.teacher.template import write_reply

TYPES = ("grounding", "referring", "grounded_description")
Spoil = Callable[[BoxUnit, AnnotatedImage, random.Random], str | None]


def told(box: Sequence[float]) -> str | None:
    """A spoilt box as text; None where it left the picture and would fall for that alone."""
    left, top, right, bottom = box
    return (
        tell_box((left, top, right, bottom))
        if min(box) >= 0 and max(box) <= 1 and left < right and top < bottom
        else None
    )


def shift(by: float) -> Spoil:
    """Shift sideways, or up and down, by a share of the width or height."""

    def spoil(box: BoxUnit, image: AnnotatedImage, rng: random.Random) -> str | None:
        width, height, sign = box[2] - box[0], box[3] - box[1], rng.choice((-1, 1))
        dx, dy = (sign * by * width, 0.0) if rng.random() < 0.5 else (0.0, sign * by * height)
        return told((box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy))

    return spoil


def scale(by: float) -> Spoil:
    """Scale width and height about the centre, cut at the frame."""

    def spoil(box: BoxUnit, image: AnnotatedImage, rng: random.Random) -> str | None:
        x, y, width, height = (
            (box[0] + box[2]) / 2,
            (box[1] + box[3]) / 2,
            by * (box[2] - box[0]),
            by * (box[3] - box[1]),
        )
        corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        return told([min(1.0, max(0.0, corner)) for corner in corners])

    return spoil


def swap(of_same_kind: bool) -> Spoil:
    """Give another thing's box."""

    def spoil(box: BoxUnit, image: AnnotatedImage, rng: random.Random) -> str | None:
        own = max(image.boxes, key=lambda one: iou(one.box_unit, box))
        others = [
            one.box_unit for one in image.boxes
            if one is not own and (one.category == own.category) == of_same_kind and not one.is_crowd
            and iou(one.box_unit, box) < 0.5
        ]  # fmt: skip
        return told(rng.choice(others)) if others else None

    return spoil


WAYS: dict[str, Spoil] = {
    "as it was": lambda box, image, rng: told(box),
    "two decimals": lambda box, image, rng: told([round(share, 2) for share in box]),
    "shifted by 0.1": shift(0.1),
    "shifted by 0.2": shift(0.2),
    "shifted by 0.3": shift(0.3),
    "shifted by 0.5": shift(0.5),
    "shifted by 1": shift(1.0),
    "scaled by 0.9": scale(0.9),
    "scaled by 0.8": scale(0.8),
    "scaled by 0.7": scale(0.7),
    "scaled by 0.5": scale(0.5),
    "scaled by 1.25": scale(1.25),
    "scaled by 1.5": scale(1.5),
    "another kind's": swap(of_same_kind=False),
    "another one's of its kind": swap(of_same_kind=True),
    "mirrored": lambda box, image, rng: told((1 - box[2], box[1], 1 - box[0], box[3])),
    "x and y exchanged": lambda box, image, rng: told((box[1], box[0], box[3], box[2])),
    "width and height for right and bottom": lambda box, image, rng: told(
        (box[0], box[1], box[2] - box[0], box[3] - box[1])
    ),
}


def spoilt(turn: Turn, found: BoxInText, in_question: bool, new: str) -> Turn:
    """The turn with one box replaced."""
    text = turn.question if in_question else turn.answer
    text = text[: found.start] + new + text[found.end :]
    return replace(turn, question=text) if in_question else replace(turn, answer=text)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captions", nargs="*", default=())
    parser.add_argument("--instances", nargs="+", required=True)
    parser.add_argument("--limit", type=int)
    given = parser.parse_args()
    files = CorpusSettings(captions=tuple(given.captions), instances=tuple(given.instances))
    corpus = load_corpus(files).first(given.limit)
    settings, checks = Settings(types=TYPES), ChecksSettings()
    rows: dict[str, dict[str, list[tuple[bool, bool, float]]]] = {way: defaultdict(list) for way in WAYS}
    for recipe in load_recipes(settings):
        for image in corpus.images:
            request = build_request(recipe, image, settings)
            reply = None if request is None else write_reply(request, 0)
            if reply is None or reply.error:
                continue
            for turn in parse_reply(reply.text, recipe.settings.reply_format, "stop", "Describe it with boxes.").turns:
                rng = random.Random(f"{image.image_id} {turn.question} {turn.answer}")
                every = [
                    (q, one) for q, text in ((True, turn.question), (False, turn.answer)) for one in boxes_in(text)
                ]
                if not every:
                    continue
                in_question, found = rng.choice(every)
                for way, spoil in WAYS.items():
                    new = spoil(found.box, image, rng)
                    if new is None:
                        continue
                    wrong = (spoilt(turn, found, in_question, new),)
                    read = claims.judge_turns(wrong, image, corpus.categories, checks)
                    by_claims = any(one.kind == "box" and one.verdict == "contradicted" for one in read[0].claims)
                    by_any = by_claims or first_bad_box(wrong, image) is not None
                    overlap = iou(next(boxes_in(new)).box, found.box)
                    rows[way][image.image_id].append((by_claims, by_any, overlap))
    print("| box | IoU with the right one | cases (images) | found by claims | by claims and checks |")
    print("|---|---|---|---|---|")
    for way, by_image in rows.items():
        of_images = [np.array(cases, dtype=float) for cases in by_image.values()]
        if of_images:
            every_case = np.concatenate(of_images)
            low, mid, high = np.quantile(every_case[:, 2], (0.1, 0.5, 0.9))
            print(
                f"| {way} | {mid:.2f} ({low:.2f} to {high:.2f}) | {len(every_case)} ({len(of_images)}) "
                f"| {share(of_images, 0)} | {share(of_images, 1)} |"
            )


def share(of_images: list[np.ndarray], column: int) -> str:
    """A share with its 95 % interval: images drawn with replacement."""
    sums, sizes = (
        np.array([cases[:, column].sum() for cases in of_images]),
        np.array([len(cases) for cases in of_images]),
    )
    drawn = np.random.default_rng(0).integers(0, len(sums), (2000, len(sums)))
    low, high = np.quantile(sums[drawn].sum(1) / sizes[drawn].sum(1), (0.025, 0.975))
    return f"{sums.sum() / sizes.sum():.1%} ({low:.1%} to {high:.1%})"


if __name__ == "__main__":
    main()
