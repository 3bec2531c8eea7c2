"""Answers read back and held against the scene they were written from: counts, sides, relations, absence."""

from __future__ import annotations

import json
import random
import re
from itertools import product

import pytest
from msgspec.structs import replace

from datagen.api import demo_settings
from datagen.corpus import load_corpus
from datagen.corpus.lint import lint_text
from datagen.geometry import count_objects, relation_between, unique_boxes
from datagen.lexicon import counted, lexicon_for, plural
from datagen.records import AnnotatedImage, Box, Request
from datagen.teacher.template import write_reply
from datagen.teacher.template.image_facts import gather_facts
from datagen.teacher.template.scenes import DENIABLE
from datagen.words import COCO_CATEGORIES, NUMBER_WORDS

TYPES = ("conversation", "description", "reasoning", "negation")
NUMBERS = "|".join(NUMBER_WORDS[1:])
LEXICON = lexicon_for(COCO_CATEGORIES)


def scene_at(n: int) -> AnnotatedImage:
    """A scene of one to nine objects of a few categories, some doubled, some crowds, some tiny."""
    rng = random.Random(n)
    names = rng.sample(COCO_CATEGORIES, rng.randint(1, 5))
    boxes: list[Box] = []
    for _ in range(rng.randint(1, 9)):
        width, height = rng.uniform(0.02, 0.4), rng.uniform(0.02, 0.4)
        left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
        corners = (left, top, left + width, top + height)
        boxes.append(Box(rng.choice(names), corners, width * height * 0.7, is_crowd=rng.random() < 0.08))
        if rng.random() < 0.08:
            boxes.append(Box(rng.choice(names), corners, width * height * 0.7))
    return AnnotatedImage(str(n), f"{n}.png", 100, 100, (), tuple(boxes))


SCENES = [scene_at(n) for n in range(150)]
DEMO = load_corpus(demo_settings().corpus).images


def answers(image: AnnotatedImage, template: str, rng_seed: int) -> list[tuple[str, str]]:
    request = Request("d", image, template, "r", (), 0.7, 512, "json", template, COCO_CATEGORIES)
    text = write_reply(request, rng_seed).text
    return [(turn["question"], turn["answer"]) for turn in json.loads(text)["turns"]] if text else []


def all_turns(template: str) -> list[tuple[AnnotatedImage, str, str]]:
    return [(image, q, a) for image in SCENES for seed in (1, 2, 3) for q, a in answers(image, template, seed)]


def category_of(words: str) -> str:
    found = LEXICON.find(words)
    assert found, words
    return found[0].category


@pytest.mark.parametrize("template", TYPES)
def test_numbers_are_exact_or_lower_bounds(template: str) -> None:
    n_checked = 0
    for image, question, answer in all_turns(template):
        if template == "reasoning" and re.search(r"remain|left|added|more|not there", question):
            continue
        counts = count_objects(image.boxes)
        said = re.sub(rf"\b(not|than) ({NUMBERS})(?: [a-z ]+)?", "", answer)
        for match in re.finditer(rf"(at least )?\b({NUMBERS}) (?:pairs? of |pieces? of )?([a-z]+(?: [a-z]+)?)", said):
            found = LEXICON.find(match[3])
            if not found or found[0].start:
                continue
            number, count = NUMBER_WORDS.index(match[2]), counts.get(found[0].category)
            if "not show" in answer or count is None:
                continue
            n_checked += 1
            open_list = "at least" in answer.lower()
            assert count.at_least >= number if open_list else (count.is_exact and count.at_least == number), (
                answer,
                count,
            )
    assert n_checked > 15


def test_each_lower_bound_in_a_list_says_so() -> None:
    said = " ".join(answer for _, _, answer in all_turns("description"))
    assert len(re.findall(r"[Aa]t least [a-z ]+ and at least ", said)) > 2
    assert not re.search(r"[Aa]t least [a-z ]+? and (?!at least)", said)


def test_wrong_numbers_are_wrong_and_put_right() -> None:
    n_checked = 0
    for image, question, answer in all_turns("negation"):
        if answer.startswith("Yes,"):
            continue
        for name, count in count_objects(image.boxes).items():
            asked = re.search(rf"\b({NUMBERS}) (?:pairs? of |pieces? of )?{plural(name)}\b", question)
            if asked is None:
                continue
            n_checked += 1
            assert count.is_exact
            assert NUMBER_WORDS.index(asked[1]) != count.at_least
            assert counted(name, count.at_least) in answer
    assert n_checked > 20


PLACES = re.compile(
    r"\b[Tt]he ([a-z ]+?) (?:is|are|can be found|can be seen|appears?|would) "
    r"(?:on the|in the|toward the|over on the) (?:(upper|lower) )?(left|right)\b"
)


@pytest.mark.parametrize("template", TYPES)
def test_sides_are_where_the_boxes_are(template: str) -> None:
    n_checked = 0
    for image, _, answer in all_turns(template):
        boxes = unique_boxes(image)
        for match in PLACES.finditer(answer):
            if match[1] not in boxes or "would be on" in answer[: match.end()]:
                continue
            left, top, right, bottom = boxes[match[1]].box_unit
            n_checked += 1
            assert right <= 0.62 if match[3] == "left" else left >= 0.38, (answer, boxes[match[1]])
            assert right <= 0.5 if match[3] == "left" else left >= 0.5, (answer, boxes[match[1]])
            assert match[2] != "upper" or bottom <= 0.5
            assert match[2] != "lower" or top >= 0.5
    assert n_checked > 10


RELATIONS = (
    (r"to the left of|left of|farther left than", "left of"),
    (r"to the right of|right of|farther right than", "right of"),
    (r"higher up in the picture than|higher in the frame than", "above"),
    (r"lower down in the picture than|lower in the frame than", "below"),
)


@pytest.mark.parametrize("template", TYPES)
def test_relations_hold(template: str) -> None:
    n_checked = 0
    for image, _, answer in all_turns(template):
        boxes = unique_boxes(image)
        for pattern, relation in RELATIONS:
            for match in re.finditer(
                rf"the ([a-z ]+?) (?:(?:is|are|can be seen) )?(?:{pattern}) the ([a-z ]+?)[.,;]", answer, re.I
            ):
                a, b = match[1].split(" the ")[-1], match[2].split(" and ")[0].split(" while ")[0]
                if a in boxes and b in boxes:
                    n_checked += 1
                    assert relation in relation_between(boxes[a].box_unit, boxes[b].box_unit), answer
    assert n_checked > 2


@pytest.mark.parametrize("template", ["conversation", "negation"])
def test_what_is_denied_is_neither_shown_nor_confusable(template: str) -> None:
    n_checked = 0
    for image, _, answer in all_turns(template):
        boxed = {box.category for box in image.boxes}
        for match in re.finditer(
            r"\bno ([a-z]+(?: [a-z]+)?)|does not (?:show|include) ((?:an? |any )[a-z ]+)", answer, re.I
        ):
            found = LEXICON.find(match[1] or match[2])
            if found:
                n_checked += 1
                assert found[0].category not in boxed, answer
                assert DENIABLE[found[0].category][0].isdisjoint(boxed), answer
    assert n_checked > 50


@pytest.mark.parametrize("template", ["conversation", "negation"])
def test_what_is_affirmed_is_shown(template: str) -> None:
    n_checked = 0
    for image, question, answer in all_turns(template):
        if answer.startswith("Yes,"):
            n_checked += 1
            named = LEXICON.named(question + answer)
            assert named
            assert named <= {box.category for box in image.boxes}
            for number in re.findall(rf"\b({NUMBERS}) [a-z]+", question):
                assert re.search(rf"\b{number}\b", answer), (question, answer)
            side = re.search(r"(left|right)(?: side of the picture)?\?", question)
            assert side is None or side[1] in answer
            assert not list(lint_text(answer, image, LEXICON))
    assert n_checked > 50


@pytest.mark.parametrize("template", TYPES)
def test_no_answer_claims_that_nothing_else_is_there(template: str) -> None:
    for image in (*SCENES, *DEMO):
        for rng_seed in (1, 2, 3):
            for _, answer in answers(image, template, rng_seed):
                said = re.sub(rf"(?i)\b(only|just) (a small|{NUMBERS}) |\bno other [a-z ]+ can be seen", "", answer)
                assert not re.search(
                    r"\b(only|just|solely|merely|nothing (but|else)|no other|in all|all there is|everything|"
                    r"complete[sd]?|what the picture shows|other things in view are)\b",
                    said,
                    re.I,
                ), answer


def test_larger_things_are_larger() -> None:
    n_checked = 0
    for image, _, answer in all_turns("conversation"):
        boxes = unique_boxes(image)
        match = re.match(
            r"The ([a-z ]+?) (?:takes?|fills?|appears?) (?:up more|more|larger).* than the ([a-z ]+)\.", answer
        )
        if match and match[1] in boxes and match[2] in boxes:
            n_checked += 1
            assert boxes[match[1]].area_unit >= 2 * boxes[match[2]].area_unit
    assert n_checked > 5


BAD_GRAMMAR = re.compile(
    r"\b(a|one|second|other|is no) (scissors|skis|broccoli)\b|"
    r"(?<!pair of )\b(scissors|skis) (is|takes|appears|covers|fills|comes)\b|(skis|scissors)[^.?]*; it is\b|"
    r"\b(is|does) (the|any|no) ([a-z]+ )?(skis|scissors)\b|\bare there (any|some|more) broccoli\b|"
    r"(?<!and )\b(the|both|all|some) broccoli are\b|\bmore broccoli\b|broccolis|skises|persons",
    re.IGNORECASE,
)
DOG = Box("dog", (0.6, 0.5, 0.9, 0.9), 0.06)
FAR_SKIS, FAR_SCISSORS = Box("skis", (0.3, 0.7, 0.5, 0.9), 0.02), Box("scissors", (0.35, 0.1, 0.45, 0.25), 0.01)


def test_grammar_of_plural_only_and_uncounted_names() -> None:
    boxes = (
        Box("scissors", (0.1, 0.1, 0.3, 0.3), 0.03), Box("skis", (0.6, 0.5, 0.9, 0.9), 0.04),
        Box("broccoli", (0.7, 0.1, 0.9, 0.3), 0.03), Box("person", (0.1, 0.5, 0.3, 0.9), 0.06),
    )  # fmt: skip
    image = AnnotatedImage("1", "x.png", 10, 10, (), boxes)
    colored = replace(image, captions=("A person with red scissors and blue skis", "Red scissors and blue skis here"))
    several = replace(image, boxes=(*boxes, Box("broccoli", (0.5, 0.05, 0.65, 0.2), 0.015), FAR_SCISSORS, FAR_SKIS))
    slope = AnnotatedImage(
        "2", "x.png", 10, 10, ("A dog on a snowy slope", "A dog up on the snowy slope"), (boxes[3], DOG)
    )
    assert gather_facts(colored).colors == {"scissors": "red", "skis": "blue"}
    assert "skis" in gather_facts(slope).absent
    for template, shown, seed in product(TYPES, (image, colored, several, slope), range(60)):
        for turn in answers(shown, template, seed):
            assert not BAD_GRAMMAR.search(" ".join(turn)), turn


def test_unknown_corpus_gets_no_denials() -> None:
    boxes = (Box("gizmo", (0.1, 0.1, 0.3, 0.3), 0.03), Box("widget", (0.6, 0.5, 0.9, 0.9), 0.08))
    image = AnnotatedImage("1", "x.png", 10, 10, ("A gizmo next to a widget.",), boxes)
    for seed in range(20):
        for _, answer in answers(image, "conversation", seed):
            assert not LEXICON.named(answer)
    assert any("gizmo" in a for _, a in answers(image, "negation", 1))
