"""How well missing boxes are found by pixels: some are hidden, and lint with a validator looks for them.

    python benchmarks/unboxed.py --instances FILE --images FOLDER [--captions FILE] [--hide 0.1] [--validator nano]

Of every image each boxed category is hidden with that chance, all boxes of it together. Prints, for several bars, how
many of the hidden ones are listed, how many others are, and the share of hidden ones in the list: a lower bound of its
precision at this rate of missing boxes, as an annotator forgot some himself. ``--json`` keeps what was listed.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

from msgspec.structs import replace

from datagen.config import load_settings
from datagen.corpus import PictureChecker, load_corpus
from datagen.records import AnnotatedImage
from datagen.validator import open_validator
from datagen.validator.unboxed import Looked, look_for_unboxed

BARS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)


def hide(image: AnnotatedImage, share: float) -> tuple[AnnotatedImage, set[str]]:
    """Take all boxes of some of an image's categories away."""
    dice = random.Random(image.image_id)
    gone = {name for name in dict.fromkeys(box.category for box in image.boxes) if dice.random() < share}
    return replace(image, boxes=tuple(box for box in image.boxes if box.category not in gone)), gone


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--captions")
    parser.add_argument("--instances", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--hide", type=float, default=0.1)
    parser.add_argument("--validator", default="nano")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    given = {"corpus.instances": [options.instances], "corpus.images": options.images, "validator.device": "cpu"}
    settings = load_settings(
        None,
        {**given, "validator.name": options.validator}
        | ({"corpus.captions": [options.captions]} if options.captions else {}),
    )
    corpus = load_corpus(settings.corpus)
    shown = [hide(image, options.hide) for image in corpus.images if image.boxes]
    hidden = {(image.image_id, name) for image, gone in shown for name in gone}
    start = time.process_time()
    validator = open_validator(settings.validator)
    looked = look_for_unboxed(
        [image for image, _ in shown], corpus.categories, validator, PictureChecker(settings.corpus).read
    )
    spent = time.process_time() - start
    known = validator.abilities.categories
    hidden = {pair for pair in hidden if known is None or pair[1] in known}
    print(f"{len(shown)} images, {len(hidden)} categories of an image hidden, {spent:.0f} CPU s")
    _tell(looked, hidden)
    if options.json:
        told = [(image_id, one.category, one.chance, one.is_captioned, (image_id, one.category) in hidden)
                for image_id, one in looked.found]  # fmt: skip
        options.json.write_text(json.dumps({"found": told, "of_boxed": looked.of_boxed}), encoding="utf-8")


def _tell(looked: Looked, hidden: set[tuple[str, str]]) -> None:
    for is_captioned in (False, True):
        print("captions name it" if is_captioned else "no caption names it")
        for bar in BARS:
            listed = [(i, one.category) in hidden for i, one in looked.found
                      if one.chance >= bar and one.is_captioned == is_captioned]  # fmt: skip
            share = sum(listed) / len(listed) if listed else float("nan")
            print(f"  {bar:4}  hidden ones {sum(listed):4}  others {len(listed) - sum(listed):4}  share {share:.2f}")


if __name__ == "__main__":
    main()
