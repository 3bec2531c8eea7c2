"""The embedded teacher's replies: formats, reproducibility, refusals to guess, and what never leaks."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import subprocess
import sys

import pytest

from datagen.config import ChecksSettings
from datagen.errors import TeacherError
from datagen.records import AnnotatedImage, Box, Request
from datagen.teacher.template import TemplateTeacher, write_reply
from datagen.teacher.template.captions import Caption, clean_caption
from datagen.teacher.template.shared_wording import SHARED, tell_more
from datagen.words import COCO_CATEGORIES

TYPES = ("conversation", "description", "reasoning", "negation")
CAPTIONS = (
    "A brown dog sitting on a couch next to a cat.",
    "a brown dog is sitting near a cat in a living room",
    "The dog and the cat rest on furniture in a living room.",
)
BOXES = (
    Box("couch", (0.1, 0.4, 0.9, 0.95), 0.35),
    Box("dog", (0.15, 0.3, 0.4, 0.7), 0.07),
    Box("cat", (0.62, 0.35, 0.8, 0.6), 0.03),
    Box("vase", (0.85, 0.1, 0.95, 0.3), 0.015),
    Box("vase", (0.72, 0.1, 0.82, 0.3), 0.015),
)
ROOM = AnnotatedImage("7", "room.jpg", 640, 480, CAPTIONS, BOXES)


def request_for(image: AnnotatedImage, template: str | None, reply_format: str = "delimited") -> Request:
    return Request("d" * 8, image, template or "poem", "r", (), 0.7, 512, reply_format, template, COCO_CATEGORIES)  # type: ignore[arg-type]


def turns_of(image: AnnotatedImage, template: str, rng_seed: int) -> list[tuple[str, str]]:
    reply = write_reply(request_for(image, template, "json"), rng_seed)
    return [(turn["question"], turn["answer"]) for turn in json.loads(reply.text)["turns"]] if reply.text else []


@pytest.mark.parametrize("template", TYPES)
def test_reply_is_a_free_and_finished_fact(template: str) -> None:
    reply = write_reply(request_for(ROOM, template), 1)
    assert (reply.finish_reason, reply.cost_usd, reply.error, reply.is_final) == ("stop", 0.0, None, True)
    assert (reply.request_digest, reply.image_id, reply.teacher) == ("d" * 8, "7", "template")
    assert reply.usage.n_prompt_tokens == reply.usage.n_completion_tokens == 0
    assert reply.at > 0


def test_delimited_form_is_llavas() -> None:
    text = write_reply(request_for(ROOM, "conversation"), 1).text
    parts = text.split("\n===\n")
    assert len(parts) % 2 == 0
    assert all(part.startswith("Question:\n") for part in parts[::2])
    assert all(part.startswith("Answer:\n") for part in parts[1::2])


def test_json_and_delimited_hold_the_same_turns() -> None:
    turns = turns_of(ROOM, "negation", 3)
    delimited = write_reply(request_for(ROOM, "negation"), 3).text
    assert delimited == "\n===\n".join(f"Question:\n{q}\n===\nAnswer:\n{a}" for q, a in turns)


def test_text_form_is_the_bare_answer() -> None:
    text = write_reply(request_for(ROOM, "description", "text"), 1).text
    assert "Question" not in text
    assert "===" not in text
    assert 4 <= len(re.findall(r"\.(?: |$)", text)) <= 9


@pytest.mark.parametrize("template", TYPES)
def test_same_seed_same_text_and_other_seed_other_text(template: str) -> None:
    texts = [write_reply(request_for(ROOM, template), 5).text for _ in range(2)]
    assert texts[0] == texts[1]
    assert len({write_reply(request_for(ROOM, template), seed).text for seed in range(20)}) > 12


@pytest.mark.parametrize(
    ("template", "lowest", "highest"), [("conversation", 3, 6), ("reasoning", 1, 1), ("negation", 3, 5)]
)
def test_number_of_turns(template: str, lowest: int, highest: int) -> None:
    for seed in range(60):
        assert lowest <= len(turns_of(ROOM, template, seed)) <= highest


def test_questions_of_a_conversation_differ() -> None:
    for seed in range(60):
        questions = [question for question, _ in turns_of(ROOM, "conversation", seed)]
        assert len(set(questions)) == len(questions)


@pytest.mark.parametrize("template", TYPES)
def test_nothing_leaks_and_everything_is_punctuated(template: str) -> None:
    for seed in range(80):
        for question, answer in turns_of(ROOM, template, seed):
            assert not re.search(
                r"caption|bounding|\bbox|annotat|coordinate|\d\.\d|[{}\[\]<>]|  ", question + answer, re.I
            )
            assert answer[0].isupper()
            assert answer.endswith(".")
            assert not question or (question[0].isupper() and question[-1] in "?.")


def test_yes_and_no_are_balanced() -> None:
    answers = [answer for seed in range(300) for _, answer in turns_of(ROOM, "conversation", seed)]
    n_yes, n_no = (sum(answer.startswith(word) for answer in answers) for word in ("Yes,", "No,"))
    assert n_yes + n_no > 150
    assert 0.4 < n_yes / (n_yes + n_no) < 0.6


def test_negation_confirms_one_turn_in_four_wherever_it_stands() -> None:
    sets = [[answer.startswith("Yes,") for _, answer in turns_of(ROOM, "negation", seed)] for seed in range(200)]
    assert all(sum(yes) == 1 for yes in sets)
    assert 0.2 < sum(map(sum, sets)) / sum(map(len, sets)) < 0.3
    assert {yes.index(True) for yes in sets} == {0, 1, 2, 3, 4}


def test_negation_without_a_false_question_is_not_written() -> None:
    crowd = Box("gizmo", (0.1, 0.1, 0.9, 0.9), 0.6, is_crowd=True)
    pair = tuple(Box("gizmo", (0.1 * n, 0.1, 0.1 * n + 0.08, 0.2), 0.006) for n in range(3))
    assert turns_of(AnnotatedImage("4", "x.jpg", 10, 10, (), (crowd, *pair)), "negation", 1) == []


PRINT_ALL = """
import hashlib
from datagen.api import demo_settings
from datagen.corpus import load_corpus
from datagen.records import AnnotatedImage, Box, Request
from datagen.teacher.template import write_reply
from datagen.words import COCO_CATEGORIES

captions = ("A red bike by a wall", "A red bike near a wall", "A blue bicycle by a wall", "a blue bicycle, a wall",
            "two gizmos, three widgets and a doodad")
names = ("bicycle", "gizmo", "widget", "doodad", "widget")
boxes = tuple(Box(name, (n / 6, 0.3, n / 6 + 0.1, 0.6), 0.03) for n, name in enumerate(names))
images = [*load_corpus(demo_settings().corpus).images, AnnotatedImage("b", "b.jpg", 10, 10, captions, boxes)]
for template in ("conversation", "description", "reasoning", "negation"):
    requests = [Request("d", image, template, "r", (), 0.7, 512, "json", template, COCO_CATEGORIES) for image in images]
    text = "\\n".join(write_reply(request, seed).text for request in requests for seed in range(8))
    print(template, len(text), hashlib.sha256(text.encode()).hexdigest())
"""


def test_hash_seeds_decide_nothing() -> None:
    seen = set()
    for hash_seed in "0123":
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run([sys.executable, "-c", PRINT_ALL], env=environment, capture_output=True, check=True)
        seen.add(done.stdout)
    assert len(seen) == 1
    assert len(seen.pop().splitlines()) == len(TYPES)


def test_teacher_answers_like_the_function() -> None:
    async def both() -> str:
        teacher = TemplateTeacher(2)
        reply = await teacher.answer(request_for(ROOM, "reasoning"))
        await teacher.close()
        return reply.text

    assert TemplateTeacher.name == "template"
    assert asyncio.run(both()) == write_reply(request_for(ROOM, "reasoning"), 2).text


@pytest.mark.parametrize("template", [None, "sonnet"])
def test_type_without_writer_says_what_to_do(template: str | None) -> None:
    with pytest.raises(TeacherError, match=r"template: in its recipe\.yaml"):
        write_reply(request_for(ROOM, template), 1)


@pytest.mark.parametrize("template", TYPES)
def test_image_without_sure_facts_is_refused(template: str) -> None:
    crowd_only = AnnotatedImage("9", "x.jpg", 10, 10, ("LOOK AT MY PHOTO",), (Box("gizmo", (0, 0, 1, 1), 1.0, True),))
    reply = write_reply(request_for(crowd_only, template), 1)
    assert (reply.error, reply.is_final, reply.text, reply.finish_reason) == ("nothing_to_say", True, "", None)
    assert reply.detail is not None
    assert "image 9" in reply.detail


@pytest.mark.parametrize("template", ["conversation", "description"])
def test_captions_alone_are_enough(template: str) -> None:
    captions = (*CAPTIONS, "A brown dog waits near a cat on a couch between red pillows.")
    assert turns_of(AnnotatedImage("8", "x.jpg", 10, 10, captions), template, 1)


def test_captions_alone_are_no_reasons() -> None:
    for seed in range(20):
        reply = write_reply(request_for(AnnotatedImage("8", "x.jpg", 10, 10, CAPTIONS), "reasoning"), seed)
        assert reply.error == "nothing_to_say"


@pytest.mark.parametrize("template", TYPES)
def test_boxes_alone_are_enough(template: str) -> None:
    assert turns_of(AnnotatedImage("8", "x.jpg", 10, 10, (), BOXES), template, 1)


def test_boxes_alone_are_evidence_of_nothing_and_are_told_once() -> None:
    horses = tuple(Box("horse", (0.15 * n, 0.3, 0.15 * n + 0.12, 0.7), 0.05) for n in range(5))
    images = [AnnotatedImage("3", "x.jpg", 10, 10, (), boxes) for boxes in (horses, (*horses, BOXES[0]), BOXES)]
    told = [turn for image in images for seed in range(60) for turn in turns_of(image, "reasoning", seed)]
    assert any("more horses" in question for question, _ in told)
    for _, answer in told:
        assert not re.search(r"backs this up|fit this|This is supported|evidence", answer), answer
        assert not re.match(r"The \w+ (?:shows|holds) five horses\. .*five horses", answer), answer


def test_tv_is_spelled_as_people_do() -> None:
    image = AnnotatedImage("3", "x.jpg", 10, 10, (), (Box("tv", (0.1, 0.1, 0.4, 0.4), 0.08),))
    text = " ".join(write_reply(request_for(image, "conversation"), seed).text for seed in range(10))
    assert "TV" in text
    assert "tv" not in text


def test_what_is_wrong_english_is_not_quoted() -> None:
    raws = ("View from gate of a red car", "a stupid red car", "A red car on a stret corne", "A car are on teh street")
    image = AnnotatedImage("5", "x.jpg", 10, 10, raws, (Box("car", (0.1, 0.1, 0.4, 0.4), 0.08),))
    for seed in range(5):
        text = " ".join(write_reply(request_for(image, template), seed).text for template in TYPES)
        assert not re.search("View|stupid|stret|corne|teh|red car", text)


@pytest.mark.parametrize(
    ("raw", "form"), [("a brown dog on a green lawn", "phrase"), ("a dog runs after a ball", "clause")]
)
def test_no_two_sentences_open_alike(raw: str, form: str) -> None:
    (caption,) = read_captions(raw)
    rng, said = random.Random(0), []
    for _ in SHARED["shown"][f"more_{form}"]:
        said.append(tell_more(rng, caption, (), said))
    assert len(set(said)) == len(SHARED["shown"][f"more_{form}"])


def read_captions(*raws: str) -> list[Caption]:
    read = [clean_caption(raw) for raw in raws]
    assert None not in read
    return [one for one in read if one is not None]


def test_a_further_sentence_speaks_of_the_same_man() -> None:
    told, more = read_captions("A man on a red bike", "A young man riding to town")
    assert tell_more(random.Random(0), more, (told,)) == "The man is riding to town."


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("A dog runs after it", "A young man riding to town"),
        ("A guy is grinding a rail on his snowboard", "A snowboarder is grinding up a ramp"),
        ("A dog running with a stick", "A black dog and a brown dog are running in the field"),
        ("A man on a red bike", "A man is taking a picture of a bicyclist"),
        ("Two people sit on a dock", "Two people are watching the sunset"),
    ],
)
def test_nobody_is_told_of_twice_as_of_two(first: str, second: str) -> None:
    told, more = read_captions(first, second)
    for seed in range(10):
        sentence = tell_more(random.Random(seed), more, (told,))
        assert sentence.startswith(
            ("One could", "Another way", "It would be", "The scene can", "It can", "The picture c")
        )
        assert sentence.endswith(f"{more.inner}.")


def test_people_do_not_stand_out_by_size_and_fractions_are_near() -> None:
    from datagen.teacher.template.description import _fraction

    image = AnnotatedImage("5", "x.jpg", 100, 100, (), (Box("person", (0.1, 0.1, 0.7, 0.9), 0.3),))
    texts = " ".join(write_reply(request_for(image, "description"), seed).text for seed in range(20))
    assert re.search("large part of the (frame|picture)|good part of the view", texts)
    assert not re.search("stands? out|sheer|share of the picture", texts)
    assert [_fraction(share) for share in (0.16, 0.2, 0.22, 0.5, 0.59)] == [None, None, "a quarter", "half", None]


def test_where_is_answered_by_where() -> None:
    boxes = (Box("oven", (0.1, 0.1, 0.7, 0.9), 0.3), Box("sink", (0.7, 0.1, 0.9, 0.9), 0.1))
    image = AnnotatedImage("5", "x.jpg", 100, 100, ("A stove in a kitchen", "A clean kitchen at night"), boxes)
    found = [
        (question, answer)
        for seed in range(100)
        for question, answer in turns_of(image, "conversation", seed)
        if re.search("kind of place|setting of|take place|picture taken", question)
    ]
    assert len(found) > 5
    for question, answer in found:
        assert ("in a kitchen" in answer) is question.startswith("Where"), (question, answer)


def test_a_sentence_names_the_picture_once() -> None:
    from datagen.teacher.template import _polish

    asked = "In the picture, is the dog higher up in the picture than the cat?"
    assert _polish(asked) == "Is the dog higher up in the picture than the cat?"
    two = "In the picture, a dog runs. It is in the picture."
    assert _polish(two) == two


BARE_SCENES = (
    (Box("bear", (0.2, 0.1, 0.9, 0.9), 0.3),),
    tuple(Box("suitcase", (x, 0.1, x + 0.1, 0.3), 0.02) for x in (0.02, 0.2, 0.6, 0.85)),
    (
        *(Box("horse", (x, 0.4, x + 0.1, 0.6), 0.015) for x in (0.0, 0.3, 0.8)),
        Box("horse", (0, 0.3, 1, 0.5), 0.1, True),
    ),
    (Box("skis", (0.3, 0.3, 0.7, 0.7), 0.05),),
    (Box("bed", (0.0, 0.3, 1.0, 1.0), 0.6),),
    (Box("broccoli", (0.3, 0.3, 0.7, 0.9), 0.2),),
)


@pytest.mark.parametrize("boxes", BARE_SCENES, ids=lambda boxes: boxes[0].category)
def test_a_description_from_few_boxes_is_long_enough(boxes: tuple[Box, ...]) -> None:
    image = AnnotatedImage("5", "x.jpg", 100, 100, (), boxes)
    for seed in range(20):
        text = write_reply(request_for(image, "description", "text"), seed).text
        assert len(text.split()) >= ChecksSettings().min_description_words, text
        assert len(set(text.split(". "))) == text.count(". ") + 1


def test_every_table_of_wordings_is_used_and_its_braces_are_names() -> None:
    import inspect
    import string

    from datagen.teacher.template import conversation, description, negation, pointing, puzzles, shared_wording

    for module in (conversation, description, negation, pointing, puzzles):
        source = inspect.getsource(module)
        section = module.__name__.rpartition(".")[2]
        assert [kind for kind in shared_wording.wordings(section) if f'SAID["{kind}"]' not in source] == []
    assert [kind for kind in negation.CLAIMS if f'CLAIMS["{kind}"]' not in inspect.getsource(negation)] == []
    for section in ("shared", "conversation", "description", "puzzles", "negation", "claims", "pointing"):
        for kind, roles in shared_wording.wordings(section).items():
            for role, wordings in roles.items():
                assert len(set(wordings)) == len(wordings) > 0, f"{section}.{kind}.{role}"
                fields = {
                    field for text in wordings for _, field, _, _ in string.Formatter().parse(text) if field is not None
                }
                assert all(map(str.isidentifier, fields)), f"{section}.{kind}.{role}: {fields}"
