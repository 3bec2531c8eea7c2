"""The embedded teacher about categories that COCO does not have: its answers are English, and hold against the boxes."""

import json
import re

import pytest

from datagen.claims import judge_turns
from datagen.config import ChecksSettings
from datagen.corpus.category_names import names_in_sentences
from datagen.records import AnnotatedImage, Box, Request, Turn
from datagen.teacher.template import WRITERS, write_reply

NAMES = names_in_sentences(
    ["Person", "Sneakers", "Street Lights", "Cabinet/shelf", "Apple", "Gloves", "Elephant", "Sheep", "Grapes", "Bread",
     "Wine Glasses", "SUV", "Hourglass", "French Fries", "Knife", "Glass of water", "Fireman"]
)  # fmt: skip


def image_of(number: int) -> AnnotatedImage:
    """Three things beside each other, two of them twice."""
    boxes = []
    for place in range(3):
        name = NAMES[(number + 4 * place) % len(NAMES)]
        left = 0.02 + 0.33 * place
        boxes.append(Box(name, (left, 0.1, left + 0.12, 0.5), 0.05))
        if place != 1:
            boxes.append(Box(name, (left + 0.15, 0.4, left + 0.28, 0.9), 0.06))
    return AnnotatedImage(str(number), f"{number}.jpg", 640, 480, (), tuple(boxes))


def turns_about(image: AnnotatedImage, template: str, seed: int) -> tuple[Turn, ...]:
    request = Request("d", image, template, "r", (), 0.7, 512, "json", template, tuple(NAMES))
    text = write_reply(request, seed).text
    return tuple(Turn(turn["question"], turn["answer"]) for turn in json.loads(text)["turns"]) if text else ()


@pytest.mark.parametrize("template", sorted(WRITERS))
def test_answers_are_english_and_hold(template: str) -> None:
    n_turns = 0
    for number in range(len(NAMES)):
        for seed in range(3):
            image = image_of(number)
            for turn in judge_turns(turns_about(image, template, seed), image, tuple(NAMES), ChecksSettings()):
                n_turns += 1
                text = f"{turn.question} {turn.answer}"
                assert not re.search(
                    r"\b(?:sneakerses|gloveses|grapeses|frieses|peoples|breads|sheeps|knifes|waters)\b", text
                )
                assert not re.search(r"\b(?:[Aa] (?:apple|elephant|SUV|hourglass)|[Aa]n (?:knife|shelf))\b", text), text
                assert not re.search(
                    r"\b[Aa]n? (?:sneakers|gloves|grapes|bread|French fries|people|shelves)\b", text
                ), text
                assert not re.search(r"\b(?:sneakers|gloves|grapes) (?:is|appears|covers|takes)\b", text), text
                assert not re.search(r"\b(?:two|three) (?:grapes|French fries|bread)\b", text), text
                assert all(claim.verdict != "contradicted" for claim in turn.claims), (text, turn.claims)
    assert n_turns > 30
