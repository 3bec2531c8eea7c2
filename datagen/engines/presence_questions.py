"""From a corpus's boxes to yes/no questions about what is there and what is not, as POPE asks them (arXiv 2305.10355).

Asked after is a category whose every object is boxed in the image, so that the answer does not hang on an annotator's
patience: what is boxed and large enough to be seen, and as many that nobody boxed and no caption leaves open.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from datagen import claims
from datagen.claims.kind import presence_question
from datagen.companions import Companions, count_companions, surely_absent
from datagen.config import Settings
from datagen.corpus import Corpus
from datagen.errors import ExportError
from datagen.export.pope import Negatives, PresenceQuestion
from datagen.randomness import rng_for
from datagen.records import AnnotatedImage, Provenance, Turn

N_ASKED = 3
"""Things that are there, and things that are not, per image and kind of question: POPE's number."""
SEEN = 0.001
"""Share of the image that things of a kind cover at least: 10 by 10 pixels where 336 by 336 are looked at."""


def presence_questions(corpus: Corpus, settings: Settings) -> Iterator[PresenceQuestion]:
    """List the questions, in corpus order; of each image and kind as many are answered Yes as No.

    Args:
        corpus: Of the run.
        settings: Of the run; uses ``checks`` and ``rng_seed``.

    Raises:
        ExportError: There is none.
    """
    companions = count_companions(corpus.whole)
    n_questions = 0
    for image in corpus.images:
        for question in _about(image, companions, corpus.categories, settings):
            n_questions += 1
            yield question
    if not n_questions:
        why = "."
        if not corpus.images:
            why = " (the run's annotations are gone)."
        elif not claims.is_exhaustive(corpus.categories, settings.checks):
            why = "; not every object of a category is boxed, say the settings (checks.exhaustive)."
        told = "no image has a box of one category and surely nothing of another"
        raise ExportError(f"There is nothing to ask: {told}{why}")


def _about(
    image: AnnotatedImage, companions: Companions, categories: tuple[str, ...], settings: Settings
) -> Iterator[PresenceQuestion]:
    rng = rng_for(settings.rng_seed, image.image_id, "presence questions")
    areas: defaultdict[str, float] = defaultdict(float)
    for box in image.boxes:
        areas[box.category] += box.area_unit
    present = sorted(name for name, area in areas.items() if area >= SEEN)
    rng.shuffle(present)
    absent = _absent(image, companions, categories, settings) if present else []
    asked_after: dict[Negatives, list[str]] = {
        "random": rng.sample(absent, len(absent)),
        "popular": sorted(absent, key=lambda name: (-companions.alone[name], name)),
        "adversarial": _going_along(sorted(areas), absent, companions),
    }
    for kind, ranked in asked_after.items():
        for n, (there, not_there) in enumerate(zip(present[:N_ASKED], ranked, strict=False)):
            for label, name in (("yes", there), ("no", not_there)):
                yield PresenceQuestion(
                    sample_id=f"{image.image_id}-{kind}{n + 1}-{label}",
                    image_id=image.image_id,
                    image=image.file_name,
                    response_type="presence",
                    turns=(Turn(presence_question(name), "Yes." if label == "yes" else "No."),),
                    status="accepted",
                    provenance=Provenance("annotations", "", "", "", licence=image.licence),
                    negatives=kind,
                    label=label,  # type: ignore[arg-type]
                )


def _absent(
    image: AnnotatedImage, companions: Companions, categories: tuple[str, ...], settings: Settings
) -> list[str]:
    """Categories that are boxed on other images and surely not in this one, in the corpus's order.

    A wider or narrower name of what is there is no other thing: "vehicle" beside a boxed car, "man" beside a person.
    """
    looked_for = claims.deniable(image, categories, settings.checks)
    vocabulary = claims.vocabulary_for(categories, settings.checks.words)
    boxed = {box.category for box in image.boxes}
    narrower = {name for one in boxed for name in vocabulary.hypernyms.get(one.lower(), ())}
    return [
        name
        for name in surely_absent(looked_for, image, categories, settings.checks)
        if name in companions.alone and name not in narrower
        and boxed.isdisjoint(vocabulary.hypernyms.get(name.lower(), ()))
    ]  # fmt: skip


def _going_along(boxed: Sequence[str], absent: Sequence[str], companions: Companions) -> list[str]:
    """Those of the absent that share images with something boxed, the one that shares most first, as POPE has it."""
    shared = {name: max(companions.together.get(one, {}).get(name, 0) for one in boxed) for name in absent}
    return sorted(filter(shared.__getitem__, absent), key=lambda name: (-shared[name], name))
