"""Captions of random scenes name only what is there, in the right number, on the right side."""

import re

import numpy as np

from datagen.geometry import contradicts_place, count_objects, unique_boxes
from datagen.lexicon import Lexicon, counted, with_article
from datagen.words import NUMBER_WORDS
from training.atlas import load_atlas
from training.captions import join_words, write_captions
from training.scenes import draw_scene

ATLAS = load_atlas()
LEXICON = Lexicon(ATLAS.categories)
_PLACE = re.compile(r"(?:in the|on the|near the) (?:(upper|lower) )?(left|right|middle|top|bottom)")


def captioned_scenes(n_scenes):
    rng = np.random.default_rng(3)
    for _ in range(n_scenes):
        scene = draw_scene(rng, ATLAS)
        yield scene, write_captions(scene, rng)


def test_counts_are_true():
    for scene, captions in captioned_scenes(200):
        counts = count_objects(scene.annotated().boxes)
        for caption in captions:
            for mention in LEXICON.find(caption):
                number = counts[mention.category].at_least
                words = caption[: mention.end].lower()
                named = words.endswith(
                    with_article(mention.category) if number == 1 else counted(mention.category, number)
                )
                assert named or re.search(r"\b(large|big)\b", caption), (caption, mention)
                assert number > 0


def test_first_caption_names_every_category():
    for scene, captions in captioned_scenes(100):
        assert LEXICON.named(captions[0]) == {placed.category for placed in scene.objects}


def test_places_are_true():
    n_checked = 0
    for scene, captions in captioned_scenes(200):
        single = unique_boxes(scene.annotated())
        for caption in captions:
            mentions = LEXICON.find(caption)
            for mention, following in zip(mentions, [*mentions[1:], None], strict=True):
                match = _PLACE.match(caption, mention.end + 1)
                if match is None or (following and match.start() > following.start):
                    continue
                box = single[mention.category].box_unit
                height = {"upper": "top", "lower": "bottom"}.get(match[1])
                assert not contradicts_place(box, match[2]), caption  # type: ignore[arg-type]
                assert height is None or not contradicts_place(box, height), caption  # type: ignore[arg-type]
                n_checked += 1
    assert n_checked > 50


def test_relations_are_true():
    n_checked = 0
    axes = {"to the left of": (0, 1), "to the right of": (0, -1), "above": (1, 1), "below": (1, -1)}
    for scene, captions in captioned_scenes(200):
        single = unique_boxes(scene.annotated())
        for caption in captions:
            found = [words for words in axes if f" {words} " in caption]
            if not found:
                continue
            first, second = (single[mention.category].box_unit for mention in LEXICON.find(caption))
            axis, sign = axes[found[0]]
            assert sign * (second[axis] + second[axis + 2] - first[axis] - first[axis + 2]) > 0, caption
            n_checked += 1
    assert n_checked > 50


def test_captions_vary_and_repeat_from_the_same_seed():
    all_captions = [caption for _, captions in captioned_scenes(40) for caption in captions]
    assert all_captions == [caption for _, captions in captioned_scenes(40) for caption in captions]
    assert len(all_captions) == 200
    assert len(set(all_captions)) > 150
    assert any(caption[0].islower() for caption in all_captions)


def test_join_words():
    assert join_words(["a cat"]) == "a cat"
    assert join_words(["a", "b", "c"]) == "a, b and c"
    assert NUMBER_WORDS[2] == "two"
