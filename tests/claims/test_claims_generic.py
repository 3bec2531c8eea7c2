"""Generic sentences: what is told of a kind of thing is told of none in the picture."""

import pytest

from datagen.claims import judge_turns
from datagen.claims.generic import generic_spans, is_explaining
from datagen.claims.syntax import Sentence
from datagen.config import ChecksSettings
from datagen.records import AnnotatedImage, Box, Turn

WHY = "Why is the dog here?"
REST = " The dog is at rest. It waits for its owner."


def generic_parts(text: str) -> list[str]:
    written = text.lower()  # patterns read small letters
    sentence = Sentence(written, 0, len(text))
    return [text[a:b].strip(" ,.") for a, b in generic_spans(sentence, written, 0, len(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hotels keep a dryer in the bathroom.", ["Hotels keep a dryer in the bathroom"]),
        ("Many houseplants come from humid places.", ["Many houseplants come from humid places"]),
        ("Most televisions have their place in a room.", ["Most televisions have their place in a room"]),
        ("A large jet carries many passengers.", ["A large jet carries many passengers"]),
        ("A cat that walks across keys presses them.", ["A cat that walks across keys presses them"]),
        ("A herd belongs on a pasture.", ["A herd belongs on a pasture"]),
        ("so that a movement becomes a stroke with a racket", ["so that a movement becomes a stroke with a racket"]),
        ("which many houseplants like", ["which many houseplants like"]),
        ("where people sit or lie down", ["where people sit or lie down"]),
        ("A huge pan is heavy, and the man holds it.", ["A huge pan is heavy"]),
        ("The hotel keeps a dryer.", []),
        ("There is a dryer.", []),
        ("Two dogs need water.", ["Two dogs need water"]),
        ("Two dogs drink water.", []),
        ("You can see two dogs.", []),
        ("A man is waiting.", []),
        ("A man sits on a bench.", []),
        ("People have gathered at the corner.", []),
        ("A man has a hat.", []),
        ("A woman is right beside it.", []),
        ("A bunch of knives is kept there.", []),
        ("Trees line a street.", []),
        ("A large jet carries a man.", []),
        ("Hers is a large dog.", []),
        ("A pan is heavy in this picture.", []),
        ("In a kitchen a pan is heavy.", ["In a kitchen a pan is heavy"]),
        ("Two more spoons solve all of this.", ["Two more spoons solve all of this"]),
        ("With mirrors on the wall, a person can see more.", ["With mirrors on the wall, a person can see more"]),
        ("When two people share one stove", ["When two people share one stove"]),
        ("When two people stand by one stove", []),
    ],
)  # fmt: skip
def test_which_clauses_tell_of_a_kind(text, expected):
    assert generic_parts(text) == expected


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        (WHY, "It rests. It is old. Old dogs rest.", True),
        (WHY, "It rests. It is old.", False),
        ("Describe the image.", "It rests. It is old. Old dogs rest.", False),
        ("What is happening here?", "It rests. It is old. Old dogs rest.", False),
    ],
)
def test_long_answers_explain_unless_a_description_is_asked(question, answer, expected):
    assert is_explaining(question, answer) is expected


def contradicted(text: str, question: str = WHY) -> list[str]:
    image = AnnotatedImage("1", "1.jpg", 100, 100, ("a dog in a kitchen", "a kitchen"),
                           (Box("dog", (0.1, 0.1, 0.6, 0.9), 0.4),))  # fmt: skip
    (turn,) = judge_turns(
        (Turn(question, text),), image, ("dog", "cat", "person", "bear", "sink", "train"), ChecksSettings()
    )
    return [text[claim.start : claim.end] for claim in turn.claims if claim.verdict == "contradicted"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A train keeps to tracks." + REST, []),
        ("Trains stay for most of the day." + REST, []),
        ("There is a train." + REST, ["a train"]),
        ("A train sits beside the dog." + REST, ["A train"]),
        ("The train is old." + REST, ["The train"]),
        ("Hotels keep dogs on a beach." + REST, []),
        ("Whoever comes in greets the person, who may be busy." + REST, []),
        ("A foot hardly sinks in." + REST, []),
        ("Two more cats solve this." + REST, []),
        ("What backs this up is in view: a dining table and a bear." + REST, ["a bear"]),
        ("A train can wait, so a bear and two cats need not share one." + REST, []),
        ("Dogs keep to themselves: they are out of sight." + REST, []),
        ("A cat is different: the dog is out of sight." + REST, ["the dog is out of sight"]),
        ("A dog that has been put down is different: it is out of sight." + REST, []),
        ("So the bear decides whether it fits." + REST, []),
        ("So the bear is waiting." + REST, ["the bear"]),
        ("It is put there, so that they save the bear and people the sum." + REST, []),
        ("Next cut a train off while the bear sits there." + REST, []),
        ("A cat or train sits beside the dog." + REST, []),
        ("_ . Then. " + REST, []),
        ("The stone has a use. It is hard and bears heat well." + REST, []),
    ],
)
def test_only_what_is_told_of_the_picture_is_contradicted(text, expected):
    assert contradicted(text) == expected


def test_a_description_tells_of_the_picture():
    assert contradicted("A train keeps to tracks." + REST, "Describe the image.") == ["A train"]
