"""Whether captions and boxes speak of the same things: where they do not, boxes are named, or laid, one row off.

A category list that begins at 1 where ids begin at 0, or boxes that were joined to the next image, fit every form: all
ids are declared and all boxes lie in their frames. But what captions name is then hardly ever boxed, and under the
neighbouring name, or in the neighbouring image, it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from datagen.corpus.source import Corpus
from datagen.lexicon import lexicon_for
from datagen.records import AnnotatedImage, Finding

N_BLOCKS, BLOCK = 16, 16
"""Images looked at, all over the corpus and each beside its neighbours: 256 take 0.1 s."""
MAX_CAPTIONS = 2
MIN_NAMED, MIN_FOUND, MIN_KINDS = 8, 6, 3
"""Things that captions name, of these found one row off, and categories among them, before it is no chance."""
MIN_SHIFTED, MAX_AGREED = 0.4, 0.6
"""Share of the named things that must be found one row off, and of these the share that may be boxed as it stands. In
COCO 0.94 are boxed as it stands; with names one off 0.06 to 0.13, and 0.55 to 0.87 one row off."""
MIN_OPEN, MAX_OPEN = 30, 0.08
"""So many named things, of which less than this share is boxed, are worth a warning without a cause."""

_CAUSES = {
    ("name", 1): "each box is named by the category after its own",
    ("name", -1): "each box is named by the category before its own",
    ("image", 1): "each image has the boxes of the one before it",
    ("image", -1): "each image has the boxes of the one after it",
}


def with_agreement(corpus: Corpus) -> Corpus:
    """Refuse a corpus whose boxes are one row off against its captions, and warn where they just disagree."""
    if corpus.refusal is not None or len(corpus.categories) < MIN_KINDS:
        return corpus
    n_named, n_agreed, shifted = _compared(corpus.images, tuple(corpus.categories))
    (what, by), found = max(shifted.items(), key=lambda item: len(item[1]))
    told = f"Captions and boxes disagree: of {n_named} things that captions name, {n_agreed} have a box in their image"
    is_shifted = len(found) >= max(MIN_FOUND, MIN_SHIFTED * n_named) and len(set(found)) >= MIN_KINDS
    if n_named >= MIN_NAMED and is_shifted and n_agreed <= MAX_AGREED * len(found):
        cause = f"Likely cause: {_CAUSES[what, by]}, where {len(found)} of them are found"
        mend = (
            "ids and the list of categories may begin at different numbers" if what == "name" else "look at image ids"
        )
        return replace(corpus, refusal=f"{told}. {cause}; {mend}.")
    if n_named >= MIN_OPEN and n_agreed < MAX_OPEN * n_named:
        told += "; look whether categories, or images, are those of the boxes"
        return replace(corpus, findings=(*corpus.findings, Finding("captions_unlike_boxes", None, told)))
    return corpus


def _compared(
    images: Sequence[AnnotatedImage], categories: tuple[str, ...]
) -> tuple[int, int, dict[tuple[str, int], list[int]]]:
    """Count what captions name: in all, boxed, and for each shift the rows of categories that are found by it."""
    lexicon, row_of = lexicon_for(categories), {name: row for row, name in enumerate(categories)}
    n_named = n_agreed = 0
    shifted: dict[tuple[str, int], list[int]] = {cause: [] for cause in _CAUSES}
    for start in range(0, len(images), max(BLOCK, len(images) // N_BLOCKS)):
        block = [images[at] for at in range(start, min(len(images), start + BLOCK))]
        boxed = [{row_of[box.category] for box in image.boxes if box.category in row_of} for image in block]
        for at, image in enumerate(block):
            if not image.captions or not boxed[at]:
                continue
            named = {row_of[name] for caption in image.captions[:MAX_CAPTIONS] for name in lexicon.named(caption)}
            n_named, n_agreed = n_named + len(named), n_agreed + len(named & boxed[at])
            for (what, by), found in shifted.items():
                beside = boxed[at] if what == "name" else boxed[at + by] if 0 <= at + by < len(block) else set()
                found += [row for row in named if (row + by if what == "name" else row) in beside]
    return n_named, n_agreed, shifted
