"""Questions about scenes: true, worded without doubt, yes as often as no."""

import random
from collections import Counter

import numpy as np
import pytest

from datagen.lexicon import Lexicon
from training.atlas import load_atlas
from training.questions import JUDGED, MOST, QuestionMix, ask, probe
from training.scenes import Backdrop, Placed, Scene, SceneStyle, draw_scene

ATLAS = load_atlas()
LEXICON = Lexicon(ATLAS.categories)
SPRITE = {category: ATLAS.variants(category)[0] for category in ATLAS.categories}


def scene_of(**boxes):
    objects = tuple(Placed(SPRITE[name.rstrip("12")], name.rstrip("12"), box) for name, box in boxes.items())
    return Scene(1.0, Backdrop("plain", ((0, 0, 0), (0, 0, 0))), (), objects)


PETS = scene_of(
    dog=(0.05, 0.05, 0.3, 0.3), cat=(0.62, 0.57, 0.98, 0.95), cup1=(0.4, 0.4, 0.5, 0.5), cup2=(0.5, 0.6, 0.6, 0.7)
)


def questions(scene, *, seeds=40, **mix):
    return [
        one for seed in range(seeds) for one in ask(scene, ATLAS.categories, random.Random(seed), QuestionMix(**mix))
    ]


def random_scenes(n, **style):
    rng = np.random.default_rng(5)
    return [draw_scene(rng, ATLAS, style=SceneStyle(**style)) for _ in range(n)]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Is there a dog in the image?", "Yes."),
        ("How many cups are there?", "Two."),
        ("How many dogs are there?", "One."),
        ("Is the dog on the left or the right?", "Left."),
        ("Is the cat on the left or the right?", "Right."),
        ("Is the dog left of the cat?", "Yes."),
        ("Is the cat left of the dog?", "No."),
        ("Is the dog above the cat?", "Yes."),
        ("Is the dog below the cat?", "No."),
        ("Which quarter is the dog in?", "Upper left."),
        ("Which quarter is the cat in?", "Lower right."),
        ("Is the cat larger in the image than the dog?", "Yes."),
        ("Is the dog larger in the image than the cat?", "No."),
        ("Is the dog smaller in the image than the cat?", "Yes."),
        ("Is the cat smaller in the image than the dog?", "No."),
    ],
)
def test_probes_have_the_true_answer(question, answer):
    found = {one.question: one.answer for one in questions(PETS, seeds=100, probes=1, most=30)}
    assert found[question] == answer


def test_absent_things_are_denied_and_present_ones_confirmed():
    for one in questions(PETS, probes=0.5):
        if one.kind == "presence":
            is_there = one.mentions[0][0] in ("dog", "cat", "cup")
            assert one.answer.startswith("Yes") == is_there, one
            assert one.wrong[0].startswith("No") == is_there, one


@pytest.mark.parametrize("probes", [0, 1])
def test_true_answers_never_contradict_the_scene(probes):
    for scene in random_scenes(40):
        numbers = Counter(placed.category for placed in scene.objects)
        for one in ask(scene, ATLAS.categories, random.Random(1), QuestionMix(probes=probes)):
            assert one.answer not in one.wrong
            if one.kind in ("side", "relation", "quadrant"):
                assert all(numbers[name] == 1 for name, _ in one.mentions), one
            if one.kind == "count" and len(one.wrong) > 1:
                number = 1 + ("One Two Three Four Five Six Seven Eight".split()).index(_number(one.answer))
                assert number == numbers[one.mentions[0][0]] <= MOST, one


def _number(answer):
    words = "one two three four five six seven eight".split()
    return next(word.capitalize() for word in answer.lower().strip(".").split() if word in words)


def test_sizes_are_told_by_the_teacher_as_they_are_and_only_where_they_differ_clearly():
    told = [one for one in questions(PETS, probes=0) if one.kind == "size"]
    assert {LEXICON.find(one.answer)[0].category for one in told} == {"cat"}
    assert {LEXICON.find(one.wrong[0])[0].category for one in told} == {"dog"}
    alike = scene_of(dog=(0.05, 0.05, 0.3, 0.3), cat=(0.7, 0.65, 0.97, 0.92))
    assert not [one for one in questions(alike) if one.kind == "size"]


def test_wrong_answers_take_the_form_of_the_true_one():
    for one in questions(PETS, probes=0.3):
        is_closed = one.answer.startswith(("Yes", "No"))
        assert len({one.answer, *one.wrong}) == 1 + len(one.wrong) >= 2
        assert all(wrong.startswith(("Yes", "No")) == is_closed for wrong in one.wrong), one


def test_yes_and_no_are_equally_likely_whatever_is_shown():
    counts = Counter()
    for seed, scene in enumerate(random_scenes(300, n_objects=(1, 3))):
        for one in ask(scene, ATLAS.categories, random.Random(seed), QuestionMix(probes=1)):
            if one.kind == "presence":
                counts[one.answer] += 1
    assert counts["Yes."] == pytest.approx(counts["No."], rel=0.1)


def test_no_probe_comes_twice():
    for scene in random_scenes(40):
        asked = [one.question for one in ask(scene, ATLAS.categories, random.Random(3), QuestionMix(probes=1, most=20))]
        assert len(asked) == len(set(asked))


def test_mentions_point_at_the_whole_name():
    names = ("hot dog", "dog", "car", "carrot", "bear", "teddy bear")
    cells = [(n % 3 / 3, n // 3 / 2) for n in range(6)]
    scene = scene_of(
        **{name: (x + 0.02, y + 0.02, x + 0.25, y + 0.25) for name, (x, y) in zip(names, cells, strict=True)}
    )
    for one in questions(scene, probes=0.5):
        for category, last in one.mentions:
            ends = {mention.category: mention.end - 1 for mention in LEXICON.find(one.question)}
            if category == "orange" and category not in ends:
                continue  # taken for the colour
            assert ends[category] == last, (one.question, category, last)


def test_the_same_seed_asks_the_same():
    assert questions(PETS, seeds=3) == questions(PETS, seeds=3)
    assert {one.kind for one in questions(PETS)} == set(JUDGED)
    assert {one.kind for one in questions(PETS, caption=3)} == {*JUDGED, "caption"}


def test_a_lone_object_is_enough():
    lone = scene_of(dog=(0.1, 0.1, 0.4, 0.4))
    assert {one.kind for one in questions(lone)} == set(JUDGED) - {"relation", "size"}


def test_probe_spells_plurals():
    assert probe("presence", "scissors") == "Is there a pair of scissors in the image?"
    assert probe("count", "person") == "How many people are there?"
    assert probe("side", "scissors") == "Are the scissors on the left or the right?"
