"""The grammar of captions: what is a clause, what a phrase, and what is not understood."""

from __future__ import annotations

import pytest

from datagen.teacher.template.caption_reader import is_doer, one_of, read_caption


@pytest.mark.parametrize(
    ("text", "form", "doer", "verb"),
    [
        ("A man rides a bike down the street", "clause", "man", "ride"),
        ("A man riding a bike down the street", "phrase", "man", "ride"),
        ("The dogs with red collars are running in the field", "clause", "dog", "run"),
        ("Two men in black leather ride motorcycles", "clause", "man", "ride"),
        ("A dog, wearing a coat, looks up from the snow", "clause", "dog", "look"),
        ("A woman with a helmet and a backpack walks next to her bike", "clause", "woman", "walk"),
        ("A boy is jumping on a bed and a girl is watching him", "clause", "boy", "jump"),
        ("A man smiles as he rides his horse", "clause", "man", "smile"),
        ("A person is about to catch the ball", "clause", "person", "catch"),
        ("A child in a red striped shirt and blue jeans", "phrase", "child", None),
        ("Water in a glass", "phrase", "water", None),
        ("A couple of men who are playing cards", "phrase", "couple", None),
    ],
)
def test_clauses_and_phrases_with_their_doer_and_doing(text: str, form: str, doer: str, verb: str | None) -> None:
    reading = read_caption(text)
    assert reading is not None
    assert (reading.form, reading.doer, reading.verb) == (form, doer, verb)


@pytest.mark.parametrize(
    "text",
    [
        "A women in a room", "Two dog in a field", "A man ride a horse", "A man are riding a horse",
        "Two men is riding horses", "A dog is sit on a couch", "A man who sitting on a bench",
        "A girl with there mother", "Their is a dog", "A dog sitting on a the couch", "A bowl of banana's and milk",
        "A cat on desk", "A girl wearing purple jacket", "A dog next to a", "A man holding a brides veil",
        "A baby stares to the left with a bear lays beside it", "A man is on a rail is performing tricks",
        "A vase with purple iris's sitting on a table", "A toy that turning on the ground",
        "A bike with horses in background", "A desk with a light a chair a laptop and a map",
        "A man cuts fruit while a dog stand at his feet", "A man in woman dressed warmly",
        "Four persons sitting on dining table for cake", "A man in a purple had climbs a wall",
        "A person is a red hat and winter jacket is looking away", "The man on the bike just finished riding home",
        "A man in riding down a rocky trail", "A bunch on people are in a room", "A man wearing black, walks away",
        "A yellow car, a man in it looking to the back", "A railing that is protects falling into water",
    ],
)  # fmt: skip
def test_what_is_no_english_is_not_understood(text: str) -> None:
    assert read_caption(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "A young boy in orange swings in a playground",  # swings are there, or he swings
        "A man dressed for cold weather plays with a stick and a dog waves",
        "A white dog with black markings and red collar leaping over the grass",
    ],
)
def test_what_may_be_either_is_not_understood(text: str) -> None:
    assert read_caption(text) is None


def test_a_missing_article_is_told() -> None:
    told = {
        text: read_caption(text) for text in ("Small dog on a bed", "A small dog on a bed", "Sheep grazing by a wall")
    }
    assert [reading and reading.lacks_article for reading in told.values()] == [True, False, None]


def test_only_a_living_doer_has_a_doing_and_only_one_that_can_follow_is() -> None:
    texts = {
        "A man holding a rod": "holding a rod",
        "The man is holding a rod": "holding a rod",
        "A woman wearing a hat has a dog": None,
        "A girl wearing blue jumping over a stream": None,
        "A car standing on a road": None,
        "Several men in matching outfits": None,
    }
    for text, doing in texts.items():
        reading = read_caption(text)
        assert reading is not None
        assert (None if reading.doing is None else text[reading.doing :]) == doing


def test_groups_are_no_one() -> None:
    group, pair, one = map(read_caption, ("A group of men standing here", "A man and a woman sit", "A man sits"))
    assert group and pair and one
    assert (group.is_group, group.is_one) == (True, False)
    assert (pair.is_group, pair.is_one) == (False, False)
    assert one.is_one


def test_nouns_and_doers() -> None:
    assert [one_of(word) for word in ("leaves", "men", "glasses", "buses", "grass")] == [
        "leaf", "man", "glass", "bus", "grass",
    ]  # fmt: skip
    assert [word for word in ("men", "puppy", "red", "pole", "car", "joggers") if is_doer(word)] == [
        "men", "puppy", "joggers",
    ]  # fmt: skip
