"""Claims of boxes: whose a box is said to be, and what IoU with the annotated boxes makes of it."""

import random

import pytest
from msgspec import UNSET

from datagen.claims import claim_lexicon, first_contradiction, judge_turns
from datagen.claims.kind import Spoiling
from datagen.claims.kinds.box import move_box
from datagen.config import ChecksSettings
from datagen.records import AnnotatedImage, Box, Claim, Turn

CATEGORIES = ("dog", "cat", "person", "cup", "sheep", "couch", "tv")
DOG, CAT, LEFT_CUP, RIGHT_CUP = (0.1, 0.2, 0.4, 0.6), (0.5, 0.2, 0.8, 0.6), (0.1, 0.7, 0.2, 0.9), (0.7, 0.7, 0.9, 0.95)
FLOCK = (0.4, 0.0, 0.9, 0.18)
IMAGE = AnnotatedImage(
    "1", "1.jpg", 640, 480, ("A dog and a cat with two cups.",),
    (
        Box("dog", DOG, 0.12), Box("cat", CAT, 0.12), Box("cup", LEFT_CUP, 0.02), Box("cup", RIGHT_CUP, 0.05),
        Box("sheep", FLOCK, 0.09, is_crowd=True), Box("sheep", (0.0, 0.0, 0.1, 0.15), 0.015),
    ),
)  # fmt: skip
D, C, L, R = (
    "[0.100, 0.200, 0.400, 0.600]",
    "[0.500, 0.200, 0.800, 0.600]",
    "[0.1, 0.7, 0.2, 0.9]",
    "[0.7, 0.7, 0.9, 0.95]",
)


def boxes_of(question: str, answer: str, image: AnnotatedImage = IMAGE) -> list[Claim]:
    (turn,) = judge_turns((Turn(question, answer),), image, CATEGORIES, ChecksSettings())
    return [claim for claim in turn.claims if claim.kind == "box"]


def verdicts(question: str, answer: str) -> list[tuple[str, str]]:
    return [(one.category, one.verdict.partition("_")[0]) for one in boxes_of(question, answer)]


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("Describe it.", f"A dog {D} lies beside a cat {C}.", [("dog", "supported"), ("cat", "supported")]),
        ("Describe it.", f"A dog {C} lies beside a cat {D}.", [("dog", "contradicted"), ("cat", "contradicted")]),
        ("Describe it.", f"This is a picture of a dog {C}.", [("dog", "contradicted")]),
        ("Describe it.", f"The dog is at {D}.", [("dog", "supported")]),
        ("Describe it.", f"Two cups {L} and {R} stand below.", [("cup", "supported")]),
        ("Describe it.", f"Two cups {L} and {L} stand below.", [("cup", "contradicted")]),
        ("Describe it.", f"The cup on the right {R} is large.", [("cup", "supported")]),
        ("Describe it.", f"The cup on the right {L} is large.", [("cup", "contradicted")]),
        ("Describe it.", f"The left cup {R} is large.", [("cup", "contradicted")]),
        ("Describe it.", f"The larger cup {R} is white.", [("cup", "supported")]),
        ("Describe it.", f"The larger cup {L} is white.", [("cup", "contradicted")]),
        ("Describe it.", f"A cup {L} stands below.", [("cup", "supported")]),
        ("Describe it.", f"A couch {D} stands there.", [("couch", "contradicted")]),
        ("Describe it.", "The dog [0.2, 0.2, 1.4, 0.6] lies there.", [("dog", "contradicted")]),
        ("Describe it.", "The dog [0.6, 0.2, 0.4, 0.6] lies there.", [("dog", "contradicted")]),
        ("Describe it.", f"There is no dog at {C}.", []),
        ("Describe it.", f"The dog beside the cat is at {D}.", [("dog", "supported")]),
        ("Describe it.", f"Two cups stand there, the dog is at {C}.", [("dog", "contradicted")]),
        ("Where is the dog?", D, [("dog", "supported")]),
        ("Where is the dog?", f"It is at {D}.", [("dog", "supported")]),
        ("Where is the dog?", C, [("dog", "contradicted"), ("dog", "unknown")]),  # the box; whether it is every dog
        ("Where are the two cups?", f"{L} and {R}", [("cup", "supported")]),
        ("What is at [0.1, 0.2, 0.4, 0.6]?", "A dog, asleep.", [("dog", "supported")]),
        ("What is at [0.1, 0.2, 0.4, 0.6]?", "That is a cat.", [("cat", "contradicted")]),
        ("What is at [0.1, 0.2, 0.4, 0.6]?", "The cat's dog.", []),
        (f"Is there a dog at {D}?", "Yes, there is.", [("dog", "supported")]),
        (f"Does the region {D} show a cat?", "Yes, it does.", [("cat", "contradicted")]),
        (f"Is it a cat that is at {D}?", "No, that is a dog.", [("dog", "supported")]),
        (f"What is at {L} and at {R}?", "Two cups.", [("cup", "supported")]),
    ],
)
def test_whose_box_it_is_decides(question: str, answer: str, expected: list[tuple[str, str]]) -> None:
    assert set(verdicts(question, answer)) == set(expected)


@pytest.mark.parametrize(
    ("question", "answer", "is_contradicted"),
    [
        ("Where is the cup?", f"The cup is at {L}.", True),  # which one?
        ("Where is the cup?", L, True),
        ("Where are the cups?", f"A cup is at {L}.", True),  # and the other one?
        ("Where are the cups?", f"The cups are at {L} and {R}.", False),
        ("Where is the cup on the left?", f"The cup is at {L}.", False),
        ("Where is the cup on the left?", R, True),
        ("Where is the white cup?", f"The cup is at {L}.", False),  # nobody tells which one is white
        ("Can you point at a cup?", f"There is a cup at {L}.", False),
        ("Where is the dog in this picture?", f"The dog is at {D}.", False),
    ],
)
def test_of_several_the_question_must_name_which_or_all_are_pointed_at(
    question: str, answer: str, is_contradicted: bool
) -> None:
    assert any(verdict == "contradicted" for _, verdict in verdicts(question, answer)) == is_contradicted


@pytest.mark.parametrize(
    ("box", "verdict"),
    [
        ("[0.100, 0.200, 0.400, 0.600]", "supported_by_boxes"),
        ("[0.130, 0.200, 0.430, 0.600]", "supported_by_boxes"),  # IoU .82
        ("[0.160, 0.200, 0.460, 0.600]", "unknown"),  # .67
        ("[0.210, 0.200, 0.510, 0.600]", "contradicted"),  # .46
    ],
)
def test_iou_decides(box: str, verdict: str) -> None:
    assert [one.verdict for one in boxes_of("Describe it.", f"The dog {box} sleeps.")] == [verdict]


def test_who_may_stand_in_a_group_or_be_unannotated_is_unknown() -> None:
    assert verdicts("Describe it.", "A sheep [0.5, 0.02, 0.6, 0.16] stands there.") == [("sheep", "unknown")]
    for unfinished, absent in ((("dog",), UNSET), (("dog",), ("couch",))):
        image = AnnotatedImage("2", "2.jpg", 640, 480, (), IMAGE.boxes, absent=absent, unfinished=unfinished)
        (claim,) = boxes_of("Describe it.", f"A dog {C} lies there.", image)
        assert claim.verdict == "unknown"


def test_a_word_that_may_mean_something_else_is_not_held_against_it() -> None:
    image = AnnotatedImage("3", "3.jpg", 640, 480, (), (*IMAGE.boxes, Box("tv", (0.0, 0.5, 0.1, 0.7), 0.02)))
    (claim,) = boxes_of("Describe it.", f"A screen {C} shines.", image)
    assert claim.verdict == "unknown"


def test_a_wrong_box_cuts_the_conversation_and_names_the_other_thing() -> None:
    turns = judge_turns((Turn("Where is the dog?", f"The dog is at {C}."),), IMAGE, CATEGORIES, ChecksSettings())
    found = first_contradiction(turns)
    assert found is not None and found[1].reason == "box_contradicted"
    assert "it is that of a cat" in found[1].detail


def test_boxes_do_not_change_what_the_rest_of_a_text_says() -> None:
    for text, bare in (
        (f"Two cups {L} and {R} and a dog {D} are there.", "Two cups and a dog are there."),
        (f"The dog {D} is to the left of the cat {C}.", "The dog is to the left of the cat."),
    ):
        (turn,), (plain,) = (
            judge_turns((Turn("Describe it.", said),), IMAGE, CATEGORIES, ChecksSettings()) for said in (text, bare)
        )
        assert {(one.kind, one.category, one.number, one.relation) for one in turn.claims if one.kind != "box"} == {
            (one.kind, one.category, one.number, one.relation) for one in plain.claims
        }


def test_asking_for_a_box_names_no_thing() -> None:
    image = AnnotatedImage("4", "4.jpg", 640, 480, ("A dog.", "A dog lies there.", "The dog.", "One dog."), IMAGE.boxes)
    for question in ("Where is the dog? Answer with the box alone.", "Give the box of the dog and nothing else."):
        (turn,) = judge_turns((Turn(question, D),), image, CATEGORIES, ChecksSettings())
        assert [one for one in turn.claims if one.kind == "thing"] == []


def test_a_moved_box_is_contradicted() -> None:
    answer = f"The dog {D} sleeps."
    (claim,) = boxes_of("Describe it.", answer)
    wrong = move_box(answer, claim, Spoiling(claim_lexicon(CATEGORIES), lambda name: (), random.Random(0)))
    assert wrong is not None and wrong != answer
    assert [one.verdict for one in boxes_of("Describe it.", wrong)] == ["contradicted"]
