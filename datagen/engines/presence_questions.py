"""From a corpus's boxes to questions about what is there and what is not, as POPE asks them (arXiv 2305.10355).

Asked after is a category whose every object is boxed in the image, so that the answer does not hang on an annotator's
patience: what is boxed and large enough to be seen, and as many that nobody boxed and no caption leaves open.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import NamedTuple, get_args

from datagen import claims
from datagen.claims.kind import presence_question
from datagen.companions import Companions, count_companions, surely_absent
from datagen.config import Settings
from datagen.corpus import Corpus
from datagen.errors import ExportError
from datagen.export.choice import LETTERS, ChoiceQuestion
from datagen.export.pope import Negatives, PresenceQuestion
from datagen.lexicon import as_prose, with_article
from datagen.randomness import rng_for
from datagen.records import AnnotatedImage, Provenance, Sample, Turn

N_ASKED = 3
"""Things that are there, and things that are not, per image and kind of question: POPE's number."""
Letters = Mapping[str, Iterator[str]]
"""By kind of question, where the right option goes next."""
SEEN = 0.001
"""Share of the image that things of a kind cover at least: 10 by 10 pixels where 336 by 336 are looked at."""


class _AskedImage(NamedTuple):
    """What can be asked of one image.

    Attributes:
        present: What is boxed and large enough to be seen, shuffled.
        absent: By kind, what is surely not there, the first to be asked after first.
    """

    image: AnnotatedImage
    present: Sequence[str]
    absent: Mapping[Negatives, Sequence[str]]


def presence_questions(corpus: Corpus, settings: Settings, form: str = "pope") -> Iterator[Sample]:
    """List the questions of a form, in corpus order.

    Of yes/no questions about one image and kind as many are answered Yes as No; of the letters of choices of one kind,
    all four come before any comes again.

    Args:
        corpus: Of the run.
        settings: Of the run; uses ``checks`` and ``rng_seed``.
        form: Of ``QUESTIONS``.

    Raises:
        ExportError: There is none.
    """
    letters = {kind: _shuffled_letters(settings, kind) for kind in get_args(Negatives)}
    n_questions = 0
    for asked in _askable(corpus, settings):
        for ask in QUESTIONS[form]:
            for question in ask(asked, letters):
                n_questions += 1
                yield question
    if not n_questions:
        why = "."
        if not corpus.images:
            why = " (the run's annotations are gone)."
        elif not claims.is_exhaustive(corpus.categories, settings.checks):
            why = "; not every object of a category is boxed, say the settings (checks.exhaustive)."
        others = "another" if form == "pope" else "three others"
        told = f"no image has a box of one category and surely nothing of {others}"
        raise ExportError(f"There is nothing to ask: {told}{why}")


def _askable(corpus: Corpus, settings: Settings) -> Iterator[_AskedImage]:
    companions = count_companions(corpus.whole)
    for image in corpus.images:
        rng = rng_for(settings.rng_seed, image.image_id, "presence questions")
        areas: defaultdict[str, float] = defaultdict(float)
        for box in image.boxes:
            areas[box.category] += box.area_unit
        present = sorted(name for name, area in areas.items() if area >= SEEN)
        rng.shuffle(present)
        absent = _absent(image, companions, corpus.categories, settings) if present else []
        yield _AskedImage(
            image,
            present[:N_ASKED],
            {
                "random": rng.sample(absent, len(absent)),
                "popular": sorted(absent, key=lambda name: (-companions.alone[name], name)),
                "adversarial": _going_along(sorted(areas), absent, companions),
            },
        )


def _yes_no(asked: _AskedImage, letters: Letters) -> Iterator[PresenceQuestion]:
    del letters
    image = asked.image
    for kind, ranked in asked.absent.items():
        for n, (there, not_there) in enumerate(zip(asked.present, ranked, strict=False)):
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


def _choices(asked: _AskedImage, letters: Letters) -> Iterator[ChoiceQuestion]:
    image, n_others = asked.image, len(LETTERS) - 1
    for kind, ranked in asked.absent.items():
        for n, there in enumerate(asked.present):
            others = ranked[n * n_others : (n + 1) * n_others]
            if len(others) < n_others:
                break
            letter = next(letters[kind])
            place = LETTERS.index(letter)
            options = tuple(as_prose(with_article(name)) for name in (*others[:place], there, *others[place:]))
            listed = "\n".join(f"{each}. {option}" for each, option in zip(LETTERS, options, strict=True))
            yield ChoiceQuestion(
                sample_id=f"{image.image_id}-choice-{kind}{n + 1}",
                image_id=image.image_id,
                image=image.file_name,
                response_type="choice",
                turns=(Turn(f"Which of these is in the image?\n{listed}", letter),),
                status="accepted",
                provenance=Provenance("annotations", "", "", "", licence=image.licence),
                negatives=kind,
                options=options,
                letter=letter,
            )


def _shuffled_letters(settings: Settings, kind: str) -> Iterator[str]:
    """The letters over and over, all four before any comes again."""
    for number in count():
        rng = rng_for(settings.rng_seed, kind, f"letters {number}")
        yield from rng.sample(LETTERS, len(LETTERS))


QUESTIONS: dict[str, tuple[Callable[[_AskedImage, Letters], Iterator[Sample]], ...]] = {
    "pope": (_yes_no,),
    "choice": (_choices,),
    "lmms_eval": (_yes_no, _choices),
}
"""The forms whose rows are questions with the answers of the annotations, and no samples, and what asks them."""


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
