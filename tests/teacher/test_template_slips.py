"""Spelling and grammar of captions: what is mended, what is given up, and what nobody wants to read."""

from __future__ import annotations

import pytest

from datagen.teacher.template.slips import is_english, is_rude, without_slips, word_meant
from datagen.words import COCO_CATEGORIES, built_in_words


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("Cars on the the street", "Cars on the street"),
        ("A elephant drinks with a other elephant", "An elephant drinks with an other elephant"),
        ("An big dog", "A big dog"),
        ("A dog in an unusual hour of a honest day", "A dog in an unusual hour of an honest day"),
        ("A dinning room and a lap top", "A dining room and a laptop"),
        ("A smiling asian woman at christmas", "A smiling Asian woman at Christmas"),
        ("A cup of tea, And a plate,fork", "A cup of tea, and a plate, fork"),
        ("A vase on to of a wii in a dim lit room", "A vase on top of a Wii in a dimly lit room"),
        ("Childern in a feild", "Children in a field"),
        ("A man 's leg", "A man's leg"),
        ("A man jumping to a roof closeby", "A man jumping to a roof close by"),
        ("A cat underthe bed beside thedog", "A cat under the bed beside the dog"),
        ("A girl laying in bed with a dust pale", "A girl lying in bed with a dust pail"),
        ("A man laying bricks", "A man laying bricks"),
        ("A dog laying and a dog that lays", "A dog lying and a dog that lies"),
        ("A Man by a white Pelican and a Jack Russell", "A man by a white pelican and a Jack Russell"),
        ("A Arabian horse walks passed", "An Arabian horse walks past"),
        ("Friends sitting in the rocks", "Friends sitting on the rocks"),
        ("A waterskier waterskies in wetsuits", "A waterskier waterskies in wetsuits"),
    ],
)
def test_what_is_sure_is_mended(text: str, mended: str) -> None:
    assert without_slips(text) == mended


def test_a_doubled_letter_is_one_too_many_first() -> None:
    assert (word_meant("skiier"), word_meant("peopple"), word_meant("xqqzv")) == ("skier", "people", None)


def test_the_other_captions_tell_what_was_meant() -> None:
    assert word_meant("stret") is None  # street, strut or strew
    assert without_slips("A toy in a stret", frozenset({"street"})) == "A toy in a street"
    assert word_meant("balck") is None  # black or balk
    assert word_meant("balck", frozenset({"black", "dog"})) == "black"
    assert word_meant("xqzv") is word_meant("mna", frozenset({"man"})) is None


@pytest.mark.parametrize(
    "text",
    [
        "A dog on a balck couch", "Peopel in a room", "A woman under it's window", "A large large dog",
        "A boat filled with mean", "A man standing in of a house", "A cat standing on back of a toilet",
        "A man jumps then a dog", "A fat man on a bench",
    ],
)  # fmt: skip
def test_what_cannot_be_mended_is_given_up(text: str) -> None:
    assert without_slips(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "A man and woman walk hand-in-hand", "A man in orange is skiing down a snow-covered hill", "A girl lying in bed",
        "A few men in a boat", "A t-shirt with a dog's face", "London in the rain", "A man isn't wearing a hat",
        "A brown dog runs while a cat sits on a wall",
        "A car is parked and a man sits in it", "A two story house with one person and two train stations",
        "A women's room",
        "A dog in the air above a ramp leaps to catch a ball", "A dog catches a ball", "A man riding a horse with a bag on a lake", "A couple of people in front of a house", "A flat screen TV by a window",
    ],
)  # fmt: skip
def test_good_english_stays(text: str) -> None:
    assert without_slips(text) == text


def test_rude_words_are_kept_out_and_not_spelled_out() -> None:
    assert is_rude("stupid")
    assert without_slips("A stupid dog on a bench") is None
    assert not any(is_rude(word) for word in ("man", "dog", "cracker", "pansy", "hoe", "coon", "black"))
    table = built_in_words()
    words = [word for row in (*table.synonyms.values(), *table.kinds.values()) for word in row]
    assert [word for word in (*COCO_CATEGORIES, *words) if is_rude(word)] == []
    insult = "".join(reversed("toggaf"))
    assert is_rude(insult)


def test_words_of_the_tables_are_english() -> None:
    table = built_in_words()
    names = " ".join((*COCO_CATEGORIES, *table.synonyms, *(word for row in table.synonyms.values() for word in row)))
    unknown = {part for word in names.split() for part in word.split("-") if len(part) > 2 and not is_english(part)}
    assert unknown <= {"cctv", "lcd", "hdtv"}
