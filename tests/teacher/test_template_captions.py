"""Captions made into sentences, and which of them are trusted."""

from __future__ import annotations

import pytest

from datagen.teacher.template.captions import (
    Caption,
    _is_slip,
    agreed_colors,
    clash,
    clean_caption,
    rank_captions,
    stated_number,
    words_of,
)


def cleaned(raw: str) -> Caption:
    caption = clean_caption(raw)
    assert caption is not None
    return caption


@pytest.mark.parametrize(
    "raw",
    [
        "A PIZZA ON A TABLE", "two dogs", "I took this of my cat on a bed", "there are two pictures of a dog here",
        "She is cutting the bread now", "a dog. a cat. a bird on a tree", "the caption of this dog is here", "",
        "a dog at [0.1, 0.2] of it", "a desk that holds only a lamp", "word " * 40,
    ],
)  # fmt: skip
def test_unfit_captions_are_left_out(raw: str) -> None:
    assert clean_caption(raw) is None


@pytest.mark.parametrize(
    ("raw", "text", "form"),
    [
        ("a dog  lying on the grass .", "A dog lying on the grass", "phrase"),
        ("there is a cat on a chair", "A cat on a chair", "phrase"),
        ("A picture of an old boat at sea", "An old boat at sea", "phrase"),
        ("a orange cat on a mat", "An orange cat on a mat", "phrase"),
        ("The man is riding a bike", "The man is riding a bike", "clause"),
        ("a woman walks along the shore", "A woman walks along the shore", "clause"),
        ("two girls sit at the desk", "Two girls sit at the desk", "plain"),
        ("Red car near the curb", "Red car near the curb", "fragment"),
        ("people waiting for a bus", "People waiting for a bus", "phrase"),
    ],
)  # fmt: skip
def test_spelling_and_form(raw: str, text: str, form: str) -> None:
    caption = cleaned(raw)
    assert (caption.text, caption.form) == (text, form)
    assert caption.sentence == f"{text}."


@pytest.mark.parametrize(
    ("raw", "clause"),
    [
        ("a dog chasing a ball", "A dog is chasing a ball."),
        ("two women eating soup outside", "Two women are eating soup outside."),
        ("Men playing cards in the shade", "Men are playing cards in the shade."),
        ("a patio setting near the sea", None),
        ("a group of men playing cards", None),
        ("A silver parking meter and a car", None),
    ],
)  # fmt: skip
def test_phrase_with_a_doer_becomes_a_clause(raw: str, clause: str | None) -> None:
    assert cleaned(raw).as_clause == clause


def test_inner_form_lowers_only_what_is_safe() -> None:
    assert cleaned("A dog lying on grass").inner == "a dog lying on grass"
    assert cleaned("London bus in the rain").inner == "London bus in the rain"


@pytest.mark.parametrize(
    ("before", "number"),
    [("there are three large", 3), ("a couple of", 2), ("a herd of", -3), ("a dog and", None), ("4", 4), ("the", None)],
)
def test_stated_number(before: str, number: int | None) -> None:
    words = words_of(before)
    assert stated_number(words, len(words)) == number


def test_colors_need_two_captions_that_agree() -> None:
    red, also_red, blue = (cleaned(f"a {color} bus on the street") for color in ("red", "red", "blue"))
    assert agreed_colors((red, also_red)) == {"bus": ("red",)}
    assert agreed_colors((red, also_red, blue)) == {}
    assert clash(red, blue)
    assert not clash(red, also_red)


def test_the_most_agreed_caption_comes_first_and_strays_fall() -> None:
    raws = [
        "Two zebras eating grass in a field",
        "Two zebras standing on a grass field",
        "Two giraffes eating grass far away",
    ]
    named = [{"zebra"}, {"zebra"}, {"giraffe"}]
    ranked = rank_captions(
        [(cleaned(raw), names, False) for raw, names in zip(raws, named, strict=True)], frozenset({"zebra"})
    )
    assert [caption.text[:10] for caption in ranked] == ["Two zebras", "Two zebras"]


def test_a_misspelled_caption_comes_last_and_inflections_do_not() -> None:
    raws = ["A dog stranding on a wide lawn", "A dog standing on a lawn", "A big dog is standing there on grass"]
    ranked = rank_captions([(cleaned(raw), {"dog"}, False) for raw in raws], frozenset({"dog"}))
    assert ranked[-1].text == raws[0]
    raws[0] = "A dog stands on a wide lawn"
    ranked = rank_captions([(cleaned(raw), {"dog"}, False) for raw in raws], frozenset({"dog"}))
    assert ranked[-1].text == raws[2]


@pytest.mark.parametrize(
    ("word", "meant", "is_slip"),
    [
        ("restaraunt", "restaurant", True), ("standihng", "standing", True), ("girafe", "giraffe", True),
        ("vegatable", "vegetable", True), ("skate", "skater", False), ("waved", "waves", False),
        ("table", "cable", False), ("horse", "hydrant", False), ("walk", "walking", False),
    ],
)  # fmt: skip
def test_slips_of_the_pen(word: str, meant: str, is_slip: bool) -> None:
    assert _is_slip(word, meant) is is_slip


def test_contradicted_and_minority_captions_fall() -> None:
    told = [
        (cleaned("A man riding a wave today"), {"person"}, False),
        (cleaned("A man on a big wave"), {"person"}, False),
    ]
    other = (cleaned("A woman surfing in the sea"), {"person"}, False)
    wrong = (cleaned("Five men surfing in the sea"), {"person"}, True)
    ranked = rank_captions([*told, other, wrong], frozenset({"person"}))
    assert {caption.text for caption in ranked} == {caption.text for caption, _, _ in told}
