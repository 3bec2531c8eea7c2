"""Boxes that are named, or laid, one row off against the captions are found; sound and small corpora are left alone."""

import random

import pytest
from msgspec.structs import replace

from datagen.corpus.caption_agreement import with_agreement
from datagen.corpus.source import Corpus
from datagen.records import AnnotatedImage, Box

CATEGORIES = ("dog", "chair", "cat", "couch", "person", "bicycle", "car", "apple", "bowl", "clock", "horse", "bus")


def corpus_of(n_images: int, n_each: int = 2, seed: int = 0) -> Corpus:
    rng = random.Random(seed)
    images = []
    for number in range(n_images):
        things = rng.sample(CATEGORIES, n_each + 1)
        boxes = tuple(Box(name, (0.1, 0.1, 0.4, 0.4), 0.09, False) for name in things)
        captions = (f"A {things[0]} beside a {things[1]}.", f"There is a {things[0]}.")
        images.append(AnnotatedImage(f"{number}", f"{number}.jpg", 100, 100, captions, boxes))
    return Corpus(tuple(images), CATEGORIES)


def renamed(corpus: Corpus, names: dict[str, str]) -> Corpus:
    images = tuple(
        replace(image, boxes=tuple(replace(box, category=names[box.category]) for box in image.boxes))
        for image in corpus.images
    )
    return replace(corpus, images=images)


def shifted(by: int) -> dict[str, str]:
    return {name: CATEGORIES[(row + by) % len(CATEGORIES)] for row, name in enumerate(CATEGORIES)}


@pytest.mark.parametrize("n_images", [1, 5, 20, 2000])
def test_sound_corpora_pass(n_images: int) -> None:
    corpus = corpus_of(n_images)
    assert with_agreement(corpus) is corpus


@pytest.mark.parametrize("n_images", [8, 40, 2000])
@pytest.mark.parametrize(("by", "told"), [(1, "the category after its own"), (-1, "the category before its own")])
def test_names_one_row_off_are_refused(n_images: int, by: int, told: str) -> None:
    refusal = with_agreement(renamed(corpus_of(n_images), shifted(by))).refusal
    assert refusal is not None and told in refusal and refusal.startswith("Captions and boxes disagree: of ")


@pytest.mark.parametrize(("by", "told"), [(1, "the boxes of the one before it"), (-1, "the boxes of the one after it")])
def test_boxes_of_the_next_image_are_refused(by: int, told: str) -> None:
    corpus = corpus_of(60)
    images = tuple(replace(image, boxes=corpus.images[(at - by) % 60].boxes) for at, image in enumerate(corpus.images))
    refusal = with_agreement(replace(corpus, images=images)).refusal
    assert refusal is not None and told in refusal


def test_names_in_another_order_are_a_warning() -> None:
    names = dict(zip(CATEGORIES, (*CATEGORIES[6:], *CATEGORIES[:6]), strict=True))
    corpus = corpus_of(60)
    one_each = tuple(replace(one, captions=one.captions[1:], boxes=one.boxes[:1]) for one in corpus.images)
    judged = with_agreement(renamed(replace(corpus, images=one_each), names))
    assert judged.refusal is None
    assert [finding.kind for finding in judged.findings] == ["captions_unlike_boxes"]


def test_boxes_of_few_kinds_are_no_disagreement() -> None:
    """Captions name much that nobody boxed, where few categories are."""
    corpus = corpus_of(200)
    images = tuple(
        replace(image, boxes=tuple(box for box in image.boxes if box.category in ("person", "car")))
        for image in corpus.images
    )
    assert with_agreement(replace(corpus, images=images)).refusal is None


def test_captions_alone_boxes_alone_and_other_languages_say_nothing() -> None:
    corpus = corpus_of(50)
    for change in ({"captions": ()}, {"boxes": ()}, {"captions": ("Ein Hund sitzt neben einem Stuhl.",)}):
        images = tuple(replace(image, **change) for image in corpus.images)  # type: ignore[arg-type]
        judged = with_agreement(replace(corpus, images=images))
        assert judged.refusal is None and not judged.findings
