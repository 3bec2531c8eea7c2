"""The bundled few-shots: held to the same rules as a corpus, and to more."""

import re
from pathlib import Path

import pytest

from datagen.box_text import boxes_in
from datagen.checks import check_turns, first_bad_box
from datagen.claims import judge_turns
from datagen.companions import Companions, plausibly_absent
from datagen.config import ChecksSettings, ContextSettings, Settings
from datagen.context import render_context
from datagen.corpus.lint import lint_image, lint_text
from datagen.lexicon import Lexicon
from datagen.parsing import parse_reply
from datagen.recipes import Fewshot, Recipe, bundled_folder, load_recipes
from datagen.wishes import count_facts, needs_met_by
from datagen.words import COCO_CATEGORIES

TYPES = ("conversation", "description", "reasoning", "negation")
RECIPES = {recipe.name: recipe for recipe in load_recipes(Settings(types=TYPES))}
SHOTS = [(recipe, shot) for recipe in RECIPES.values() for shot in recipe.fewshots]
NAMES = [f"{recipe.name}-{shot.name}" for recipe, shot in SHOTS]
LEXICON = Lexicon(dict.fromkeys([*COCO_CATEGORIES, *(box.category for _, shot in SHOTS for box in shot.image.boxes)]))
DOUBLED = {"conversation-03", "description-03", "reasoning-03", "negation-03"}
LEAKS = re.compile(
    r"\b(captions?|boxe[sd]|bounding|coordinates?|annotat\w+|sentences?|descriptions?|listed|given|according|"
    r"mention\w*|0\.\d+|seems?|appears to)\b",
    re.IGNORECASE,
)
DENIAL = re.compile(r"\b(no|not|nothing|nobody)\b", re.IGNORECASE)

for_every_shot = pytest.mark.parametrize(("recipe", "shot"), SHOTS, ids=NAMES)


def turns(recipe: Recipe, reply: str) -> list[tuple[str, str]]:
    if recipe.settings.reply_format == "text":
        return [("", reply)]
    parts = reply.split("\n===\n")
    assert len(parts) % 2 == 0
    questions, answers = parts[::2], parts[1::2]
    assert all(part.startswith("Question:\n") for part in questions)
    assert all(part.startswith("Answer:\n") for part in answers)
    return [
        (q.removeprefix("Question:\n"), a.removeprefix("Answer:\n")) for q, a in zip(questions, answers, strict=True)
    ]


def seed_file(recipe: Recipe, name: str) -> Path:
    return bundled_folder("seeds") / recipe.name / name


@pytest.mark.parametrize("name", TYPES)
def test_each_type_has_enough_varied_examples(name):
    shots = RECIPES[name].fewshots
    assert len(shots) >= 8
    assert any(box.is_crowd for shot in shots for box in shot.image.boxes)
    assert len({len(shot.image.captions) for shot in shots}) > 1
    assert len({" ".join(shot.reply.split()[1:4]) for shot in shots}) > 5  # they open in different ways
    assert all(4 <= len(shot.image.captions) <= 6 and 3 <= len(shot.image.boxes) <= 14 for shot in shots)


@for_every_shot
def test_the_context_file_is_what_the_context_renders(recipe: Recipe, shot: Fewshot):
    text = seed_file(recipe, f"{shot.name}.context.txt").read_text(encoding="utf-8")
    told = render_context(shot.image, ("captions", "boxes", "absent"), ContextSettings(), shot.image.absent or ())
    assert text == f"{told}\n\n{shot.wanted}\n"


@for_every_shot
def test_what_is_wanted_is_what_a_run_might_draw(recipe: Recipe, shot: Fewshot):
    parts = recipe.settings.context_parts
    asked = shot.wanted.removeprefix("Wanted: ").removesuffix(".").split("; ")
    needs_met, facts = needs_met_by(shot.image, parts), count_facts(shot.image, parts)
    for wish in recipe.settings.wanted:
        assert sum(one in asked for one in wish.open_to(needs_met, facts)) == wish.draw
    assert len(asked) == sum(wish.draw for wish in recipe.settings.wanted)


@for_every_shot
def test_replies_are_as_long_as_wanted(recipe: Recipe, shot: Fewshot):
    found = turns(recipe, shot.reply)
    n_words = sum(len(answer.split()) for _, answer in found)
    for number in re.findall(r"(\d+) questions", shot.wanted):
        assert len(found) == int(number)
    for number in re.findall(r"some (\d+) words", shot.wanted):
        told = n_words if len(found) == 1 else len(found[-1][1].split())
        assert 0.75 * int(number) <= told <= 1.25 * int(number)
    for word in re.findall(r"in (one|two|three) paragraphs?", shot.wanted):
        assert shot.reply.count("\n\n") + 1 == {"one": 1, "two": 2, "three": 3}[word]


@for_every_shot
def test_what_is_told_as_absent_is_what_a_run_might_tell(recipe: Recipe, shot: Fewshot):
    told = shot.image.absent or ()
    assert bool(told) == ("absent" in recipe.settings.context_parts)
    boxed = shot.image.boxes[0].category
    often = Companions(100, dict.fromkeys((boxed, *told), 10), {boxed: dict.fromkeys(told, 9)})
    found = plausibly_absent(shot.image, COCO_CATEGORIES, often, COCO_CATEGORIES, ChecksSettings())
    assert sorted(found) == sorted(told)


def test_yes_and_no_come_up_alike_and_denials_use_what_is_told_as_absent():
    recipe = RECIPES["conversation"]
    answers = [(shot, answer) for shot in recipe.fewshots for _, answer in turns(recipe, shot.reply)]
    n_yes = sum(answer.startswith("Yes") for _, answer in answers)
    n_no = sum(answer.startswith(("No,", "Nobody ")) for _, answer in answers)
    assert abs(n_yes - n_no) <= 2, (n_yes, n_no)
    denied = [
        (shot.name, name)
        for shot, answer in answers
        for name in re.findall(r"\bthere is no (\w+)", answer, re.IGNORECASE)
    ]
    assert len(denied) >= 4
    assert all(name in (recipe.fewshots[int(shot) - 1].image.absent or ()) for shot, name in denied)


@for_every_shot
def test_boxes_are_doubled_only_where_it_is_meant(recipe: Recipe, shot: Fewshot):
    found = [finding.kind for finding in lint_image(shot.image, LEXICON)]
    assert found.count("doubled_box") == (f"{recipe.name}-{shot.name}" in DOUBLED)
    assert not [kind for kind in found if kind.endswith("_disagrees")]


@for_every_shot
def test_replies_agree_with_the_boxes(recipe: Recipe, shot: Fewshot):
    for _, answer in turns(recipe, shot.reply):
        assert list(lint_text(answer, shot.image, LEXICON)) == []


@for_every_shot
def test_answers_name_only_what_is_there(recipe: Recipe, shot: Fewshot):
    there = {box.category for box in shot.image.boxes}.union(*map(LEXICON.named, shot.image.captions))
    for _, answer in turns(recipe, shot.reply):
        for sentence in re.split(r"(?<=[.!?])\s+", answer):
            assert DENIAL.search(sentence) or LEXICON.named(sentence) <= there, sentence


@for_every_shot
def test_replies_read_as_if_written_in_front_of_the_image(recipe: Recipe, shot: Fewshot):
    assert LEAKS.search(shot.reply) is None
    assert shot.reply.isascii()
    assert "  " not in shot.reply


@for_every_shot
def test_replies_keep_the_form_that_the_prompt_asks_for(recipe: Recipe, shot: Fewshot):
    found = turns(recipe, shot.reply)
    low, high = {"conversation": (3, 7), "description": (1, 1), "reasoning": (1, 1), "negation": (3, 5)}[recipe.name]
    assert low <= len(found) <= high
    assert len({question for question, _ in found}) == len(found)
    assert all(question.endswith("?") for question, _ in found if question)
    assert all(answer.endswith((".", "!")) for _, answer in found)
    n_words = sum(len(answer.split()) for _, answer in found)
    assert recipe.name not in ("description", "reasoning") or 55 <= n_words <= 200


def test_negation_confirms_one_true_premise_in_each_example():
    for shot in RECIPES["negation"].fewshots:
        answers = [answer for _, answer in turns(RECIPES["negation"], shot.reply)]
        assert sum(answer.startswith("Yes") for answer in answers) == 1
        assert all(DENIAL.search(answer) for answer in answers if not answer.startswith("Yes"))


@pytest.mark.parametrize("name", TYPES)
def test_the_prompts_show_their_form_and_forbid_leaks(name):
    recipe = RECIPES[name]
    assert "Never mention or hint at" in recipe.system
    assert ("Question:\n<" in recipe.system) == (recipe.settings.reply_format == "delimited")
    assert recipe.settings.template == name
    assert recipe.settings.summary
    assert len(recipe.system.split()) < 890


def test_the_prompts_share_one_account_of_what_is_given_and_what_is_true():
    blocks = {RECIPES[name].system.partition("Write as someone")[2].partition("Your task")[0] for name in TYPES}
    (block,) = {re.sub(r"\n- `Absent:`.*", "", block) for block in blocks}
    assert len(blocks) == 2  # with and without that line
    assert block.index("What you are given") < block.index("What is true")
    assert len(block.split()) > 200


def test_examples_do_not_claim_that_nothing_else_is_there():
    exclusive = re.compile(r"\b(only|nothing (but|else|stands)|no other|all there is|everything)\b", re.IGNORECASE)
    told = {NAMES[n]: shot.reply for n, (_, shot) in enumerate(SHOTS)}
    assert [name for name, reply in told.items() if exclusive.search(reply)] == []


def test_description_questions_are_many_and_different():
    questions = RECIPES["description"].questions
    assert len(set(questions)) == len(questions) >= 16
    assert all(question[0].isupper() and question[-1] in ".?" for question in questions)


POINTING = ("grounding", "referring", "grounded_description")
POINTED = [(recipe, shot) for recipe in load_recipes(Settings(types=POINTING)) for shot in recipe.fewshots]


@pytest.mark.parametrize(("recipe", "shot"), POINTED, ids=[f"{recipe.name}-{shot.name}" for recipe, shot in POINTED])
def test_examples_that_point_are_what_a_perfect_teacher_writes(recipe: Recipe, shot: Fewshot) -> None:
    text = seed_file(recipe, f"{shot.name}.context.txt").read_text(encoding="utf-8")
    told = render_context(shot.image, recipe.settings.context_parts, ContextSettings(), shot.image.absent or ())
    assert text == f"{told}\n\n{shot.wanted}\n"
    found = parse_reply(shot.reply, recipe.settings.reply_format, "stop", "Describe it.").turns
    for number in re.findall(r"(\d+) questions", shot.wanted):
        assert len(found) == int(number)
    assert first_bad_box(found, shot.image) is None
    checked = check_turns(found, recipe.settings.reply_format == "text", ChecksSettings(), points=True)
    assert checked.drop is None
    for turn in judge_turns(found, shot.image, COCO_CATEGORIES, ChecksSettings()):
        assert [claim for claim in turn.claims if claim.verdict == "contradicted"] == []
        if recipe.name != "grounded_description":
            assert any(boxes_in(turn.question)) == (recipe.name == "referring")
            assert not (recipe.name == "referring" and any(boxes_in(turn.answer)))


def test_the_prompts_that_point_show_the_form_of_a_box() -> None:
    for recipe in load_recipes(Settings(types=POINTING)):
        assert "[0.12, 0.28, 0.34, 0.67]" in recipe.system
        assert recipe.settings.template == recipe.name
        assert recipe.settings.points is True
        assert len(recipe.fewshots) >= 6
