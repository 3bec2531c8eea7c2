"""The embedded teacher's turns that point: every box is an annotated one, of the thing named, and passes all checks."""

import re
from pathlib import Path

import pytest

import datagen
from datagen.box_text import BOXES, boxes_in, tell_box
from datagen.config import CorpusSettings, Settings
from datagen.corpus import Corpus, load_corpus
from datagen.pipeline import make_sample, plan_samples
from datagen.recipes import load_recipes
from datagen.records import AnnotatedImage, Box, Sample
from datagen.teacher.template import write_reply

TYPES = ("grounding", "referring", "grounded_description")
SETTINGS = Settings(types=TYPES)
DEMO = Path(datagen.__file__).parent / "data" / "demo" / "annotations"


def samples_of(corpus: Corpus, seed: int = 0) -> list[tuple[AnnotatedImage, Sample]]:
    planned = plan_samples(corpus.images, load_recipes(SETTINGS), SETTINGS, lambda image: None, corpus.categories)
    return [
        (one.image, make_sample(one, write_reply(one.request, seed), SETTINGS, "x"))
        for one in planned
        if one.request is not None
    ]


@pytest.mark.parametrize("seed", range(3))
def test_every_box_is_one_that_was_drawn_and_every_claim_is_borne_out(seed: int) -> None:
    files = (str(DEMO / "captions_demo.json"),), (str(DEMO / "instances_demo.json"),)
    demo = load_corpus(CorpusSettings(captions=files[0], instances=files[1]))
    n_boxes = dict.fromkeys(TYPES, 0)
    for image, sample in samples_of(demo, seed):
        assert sample.status == "accepted" or sample.reason == "nothing_to_say", (sample.sample_id, sample.detail)
        assert not sample.cuts
        drawn = {tell_box(box.box_unit) for box in image.boxes if not box.is_crowd}
        for turn in sample.turns:
            told = [tell_box(one.box) for text in (turn.question, turn.answer) for one in boxes_in(text)]
            assert set(told) <= drawn
            n_boxes[sample.response_type] += len(told)
            claims = [claim for claim in turn.claims if claim.kind == "box"]
            assert all(claim.verdict == "supported_by_boxes" for claim in claims)
            lists = [found for text in (turn.question, turn.answer) for found in BOXES.finditer(text)]
            if "orange" not in turn.question:  # "the leftmost orange at" may be a color
                assert len(claims) >= len(lists), turn
    assert min(n_boxes.values()) > 40  # of 24 images


def image_with(*boxes: Box, captions: tuple[str, ...] = ()) -> AnnotatedImage:
    return AnnotatedImage("7", "7.jpg", 640, 480, captions, boxes)


def turns_about(image: AnnotatedImage) -> list[str]:
    corpus = Corpus((image,), ("dog", "cat", "sheep", "cup", "tv", "person"))
    return [
        f"{turn.question} {turn.answer}"
        for seed in range(20)
        for _, sample in samples_of(corpus, seed)
        for turn in sample.turns
    ]


def test_nothing_points_at_crowds_doubles_or_what_is_tiny() -> None:
    told = turns_about(
        image_with(
            Box("sheep", (0.0, 0.0, 0.6, 0.3), 0.18, is_crowd=True),
            Box("dog", (0.1, 0.4, 0.4, 0.8), 0.12),
            Box("cup", (0.9, 0.9, 0.92, 0.93), 0.0006),
            Box("cat", (0.6, 0.4, 0.9, 0.8), 0.12),
            Box("cat", (0.6, 0.4, 0.89, 0.8), 0.11),
        )
    )
    assert told
    assert {tell_box(one.box) for text in told for one in boxes_in(text)} == {tell_box((0.1, 0.4, 0.4, 0.8))}


def test_of_several_all_are_given_or_one_is_singled_out() -> None:
    left, right = Box("dog", (0.05, 0.4, 0.35, 0.8), 0.12), Box("dog", (0.6, 0.5, 0.75, 0.7), 0.03)
    near = Box("dog", (0.6, 0.4, 0.9, 0.8), 0.11)
    assert any("the dog on the right" in text for text in turns_about(image_with(left, near)))
    assert not any(
        "the dog on the right" in text for text in turns_about(image_with(left, right))
    )  # "the dog" is the left
    where = [
        text for text in turns_about(image_with(left, right)) if re.search(r"\bthe (?:two )?(?:larger )?dogs?\b", text)
    ]
    assert where
    for text in where:
        told = {tell_box(one.box) for one in boxes_in(text)}
        if "two dogs" in text.lower():
            assert told == {tell_box(left.box_unit), tell_box(right.box_unit)}
        elif "on the left" in text or "larger dog" in text:
            assert told == {tell_box(left.box_unit)}
        elif "dog on the right" in text:
            assert told == {tell_box(right.box_unit)}


def test_a_caption_gets_its_boxes_in_place() -> None:
    image = image_with(
        Box("dog", (0.1, 0.4, 0.4, 0.8), 0.12), Box("cat", (0.6, 0.4, 0.9, 0.8), 0.12),
        captions=("A dog lies next to a cat on the floor of a hall.",) * 2,
    )  # fmt: skip
    assert any(
        "dog [0.100, 0.400, 0.400, 0.800] lies next to a cat [0.600, 0.400, 0.900, 0.800] on" in text
        for text in turns_about(image)
    )


def test_an_image_without_a_box_to_point_at_is_not_asked() -> None:
    image = image_with(Box("cup", (0.9, 0.9, 0.92, 0.93), 0.0006), captions=("A tiny cup.",))
    for planned in plan_samples((image,), load_recipes(SETTINGS), SETTINGS, lambda _: None, ("cup",)):
        assert planned.request is None and planned.drop is not None
        assert planned.drop.reason == "nothing_annotated"
        assert "large enough to be pointed at" in planned.drop.detail
