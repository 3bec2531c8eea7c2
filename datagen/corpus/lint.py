"""Lint: finds what is wrong with the annotations, such as boxes out of frame, before a token is paid for.

Precise rather than complete: a sentence is judged only where its grammar is plain, a count only
where it is stated of the whole image, a place only where nobody would say it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Literal

from datagen.claims import gather_evidence, read_answer, unknown_names, verify
from datagen.claims.kinds import kind_of
from datagen.corpus.caption_faults import N_SAMPLED, said_of_most
from datagen.geometry import DOUBLED_IOU, doubled_pairs
from datagen.languages import ENGLISH, other_language
from datagen.lexicon import Lexicon, lexicon_for
from datagen.records import AnnotatedImage, Finding
from datagen.words import NO_WORDS, Words

Level = Literal["error", "warning", "note"]
"""How much a finding weighs: an error costs the image its samples, a warning says that an annotation was mended or may
be wrong, a note is what ordinary corpora are full of."""
ERRORS = frozenset(
    {
        "image_missing",
        "image_outside_folder",
        "image_size_differs",
        "image_too_large",
        "image_unreadable",
        "nothing_annotated",
    }
)
NOTES = frozenset({"box_never_captioned", "crowd", "image_not_looked_at"})
"""Captions name the few things that matter and crowds are boxed as one: 160 of the 174 findings in 80 COCO images."""


def level_of(kind: str) -> Level:
    """How much the findings of a kind weigh."""
    return "error" if kind in ERRORS else "note" if kind in NOTES else "warning"


def lint_corpus(
    images: Iterable[AnnotatedImage],
    categories: Sequence[str],
    check_image: Callable[[AnnotatedImage], tuple[str, str] | None] | None = None,
    words: Words = NO_WORDS,
    explain_turned: Callable[[AnnotatedImage], str | None] | None = None,
) -> Iterator[Finding]:
    """Lint every image of a corpus.

    Images without captions (or boxes) are told last, and in one finding when none has any: a
    corpus of captions alone is not thousands of faults.

    Args:
        images: The corpus, in its order.
        categories: Its category names.
        check_image: Says what is wrong with an image's file, as (kind, sentence), such as
            ``("image_missing", ...)``; None leaves the pictures unread.
        words: Laid over the built-in words.
        explain_turned: Says that viewers show a picture otherwise than it is stored.
    """
    lexicon = lexicon_for(tuple(categories), words)
    for name in unknown_names(tuple(categories), words):
        yield Finding(
            "word_without_category", None, f"the words speak of '{name}', which is no category of this corpus"
        )
    spoken = language_of_captions(images) if isinstance(images, Sequence) else None
    if spoken is not None:
        read = "claims and lint read English ones, and those of the run's --language"
        yield Finding("captions_not_english", None, f"captions seem to be in {spoken}; {read}")
    if isinstance(images, Sequence):
        yield from _lint_headings(images)
    lacking: dict[str, list[Finding]] = {"no_captions": [], "no_boxes": []}
    n_annotated = 0
    for image in images:
        n_annotated += bool(image.captions or image.boxes)
        fault = check_image(image) if check_image is not None else None
        if fault is not None:
            yield Finding(fault[0], image.image_id, fault[1])
        elif explain_turned is not None and (told := explain_turned(image)) is not None:
            yield Finding("picture_turned", image.image_id, told)
        for finding in lint_image(image, lexicon):
            if finding.kind in lacking:
                lacking[finding.kind].append(finding)
            else:
                yield finding
    for kind, findings in lacking.items():
        if findings and len(findings) == n_annotated:
            yield Finding(kind, None, f"none of the {n_annotated} images has {kind.removeprefix('no_')}")
        else:
            yield from findings


MIN_ALIKE = 4
"""Images with captions, before one caption under most of them is told; of more of them loading leaves it out."""


def _lint_headings(images: Sequence[AnnotatedImage]) -> Iterator[Finding]:
    told = [image for image in islice(images, N_SAMPLED) if image.captions]
    heard = ((image.image_id, caption) for image in told for caption in image.captions)
    for text in said_of_most(heard, len(told), MIN_ALIKE):
        yield Finding("captions_alike", None, f"most images have the same caption: '{text[:60]}'")


MAX_CAPTIONS = 300
"""So many captions tell what language they are in."""


def language_of_captions(images: Sequence[AnnotatedImage]) -> str | None:
    """Tell the language that most captions are in, such as "Korean"; None where that is English, or open.

    Args:
        images: The corpus; a few hundred captions all over it are looked at.
    """
    step = max(1, len(images) // MAX_CAPTIONS)
    captions = [image.captions[0] for image in islice(images, 0, None, step) if image.captions]
    others = Counter(found for caption in captions if (found := other_language(caption, ENGLISH)) is not None)
    if 2 * others.total() <= len(captions):
        return None
    return others.most_common(1)[0][0]


def lint_image(image: AnnotatedImage, lexicon: Lexicon) -> Iterator[Finding]:
    """Find what is wrong or open in one image's annotations."""
    if not image.captions and not image.boxes and not image.regions:
        yield Finding("nothing_annotated", image.image_id, "neither caption nor box, so nothing can be told of it")
        return
    named = {category for caption in image.captions for category in lexicon.named(caption)}
    if not image.captions:
        yield Finding("no_captions", image.image_id, "no caption describes the image")
    if not image.boxes:
        names = f", though captions name {', '.join(sorted(named))}" if named else ""
        yield Finding("no_boxes", image.image_id, f"no object is boxed{names}")
    yield from _lint_boxes(image)
    if image.captions and image.boxes:
        boxed = dict.fromkeys(box.category for box in image.boxes)
        for category in boxed:
            if category not in named:
                yield Finding("box_never_captioned", image.image_id, f"{category} is boxed, no caption names it")
        for category in sorted(named):
            if category not in boxed:
                yield Finding("caption_names_unboxed", image.image_id, f"captions name {category}, no box shows one")
        for caption in image.captions:
            yield from lint_text(caption, image, lexicon)


def _lint_boxes(image: AnnotatedImage) -> Iterator[Finding]:
    for i, j, overlap in doubled_pairs(image.boxes):
        if overlap <= DOUBLED_IOU:  # many of these are two things
            continue
        names = f"{image.boxes[i].category} and {image.boxes[j].category}"
        yield Finding("doubled_box", image.image_id, f"{names} are boxed around one object, IoU {overlap:.2f}")
    crowds = [box.category for box in image.boxes if box.is_crowd]
    for category in dict.fromkeys(crowds):
        n_regions = crowds.count(category)
        regions = "1 crowd region" if n_regions == 1 else f"{n_regions} crowd regions"
        yield Finding("crowd", image.image_id, f"{category}: {regions}, members not counted")


def lint_text(text: str, image: AnnotatedImage, lexicon: Lexicon) -> Iterator[Finding]:
    """Find counts and places in a text that the image's boxes contradict.

    Reads and judges as the claims check does, by the boxes alone: questions, denials and hedged
    clauses are passed over.

    Yields:
        ``caption_count_disagrees`` and ``caption_side_disagrees``.
    """
    if not image.boxes:
        return
    for statement in read_answer(text, lexicon, of_caption=True):
        fault = kind_of(statement.kind).caption_fault
        if fault is None:
            continue
        claim = verify(statement, gather_evidence(image, (), is_exhaustive=False, with_captions=False))
        if claim.verdict == "contradicted":
            yield Finding(fault, image.image_id, f"{claim.evidence}: '{_sentence_at(text, claim.start)}'")


def _sentence_at(text: str, position: int) -> str:
    start = max(text.rfind(mark, 0, position) for mark in ".!?;\n") + 1
    ends = [text.find(mark, position) for mark in ".!?;\n"]
    end = min((found for found in ends if found >= 0), default=len(text) - 1) + 1
    return text[start:end].strip()
