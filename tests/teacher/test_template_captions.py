"""Captions made into sentences, and which of them are trusted."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from datagen.teacher.template.captions import (
    Caption,
    agreed_colors,
    clash,
    clean_caption,
    content_of,
    is_slip,
    rank_captions,
    second_caption,
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
        "A PIZZA IN LONDONS CAFFE", "Quality issues are too severe to recognize visual content", "two dogs", "I took this of my cat on a bed", "there are two pictures of a dog here",
        "She is cutting the bread now", "a dog. a cat. a bird on a tree", "the caption of this dog is here", "",
        "a dog at [0.1, 0.2] of it", "dog on desk", "Sheep grazing by itself", "View from gate of a jet", "a dog under a \u201ctable\u201d here", "a desk that holds only a lamp", "word " * 40,
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
        ("two girls sit at the desk", "Two girls sit at the desk", "clause"),
        ("Red car near the curb", "A red car near the curb", "phrase"),
        ("Black and brown dog running on grass", "A black and brown dog running on grass", "phrase"),
        ("Asian woman in a hat", "An Asian woman in a hat", "phrase"),
        ("Chefs in a kitchen", "Chefs in a kitchen", "phrase"),
        ("A PIZZA ON A TABLE.", "A pizza on a table", "phrase"),
        ("A Dog On A Red Couch", "A dog on a red couch", "phrase"),
        ("a man\u2019s dog in a caf\u00e9", "A man's dog in a cafe", "phrase"),
        ("A cat sits on a wall. It is grey.", "A cat sits on a wall", "clause"),
        ("a young man at his desk examines a stone", "A young man at his desk examines a stone", "clause"),
        ("A woman forks greens out of a bowl", "A woman forks greens out of a bowl", "clause"),
        ("A close up image of a half eaten pizza", "A half eaten pizza", "phrase"),
        ("A young man and his cat enjoy a nap", "A young man and his cat enjoy a nap", "clause"),
        ("A sandy beach next to a sea filled with waves", "A sandy beach next to a sea filled with waves", "phrase"),
        ("A large ship with giant sails", "A large ship with giant sails", "phrase"),
        ("A man with glasses rides a bike", "A man with glasses rides a bike", "clause"),
        ("Three boxes holding vegetables, fruit and nuts", "Three boxes holding vegetables, fruit and nuts", "phrase"),
        ("A display of items like scissors", "A display of items like scissors", "phrase"),
        ("Blue canisters on a wooden shelf", "Blue canisters on a wooden shelf", "phrase"),
        ("A woman in red wears a hat", "A woman in red wears a hat", "clause"),
        ("A woman dressed in leather poses on a bike", "A woman dressed in leather poses on a bike", "clause"),
        ("A man and his dog cross country skiing", "A man and his dog cross country skiing", "phrase"),
        ("A red sign next to red flowers", "A red sign next to red flowers", "phrase"),
        ("A swimmer doing backstrokes in a pool", "A swimmer doing backstrokes in a pool", "phrase"),
        ("People in hats and a shirt dance outside", "People in hats and a shirt dance outside", "clause"),
        ("A woman and dog do tricks in a show", "A woman and dog do tricks in a show", "clause"),
        ("Lights shine on a wooden table", "Lights shine on a wooden table", "clause"),
        ("two different bears fight behind a log", "Two different bears fight behind a log", "clause"),
        ("people waiting for a bus", "People waiting for a bus", "phrase"),
        ("A couple in a red canoe paddle down a river", "A couple in a red canoe paddle down a river", "clause"),
        ("A group of people enjoying a boat ride", "A group of people enjoying a boat ride", "phrase"),
        ("A group of children in blue clothes stand by a gate", "A group of children in blue clothes stand by a gate", "clause"),
        ("People in dark clothing sit together", "People in dark clothing sit together", "clause"),
        ("Two boys of baseball teams arguing", "Two boys of baseball teams arguing", "phrase"),
        ("A dog swims holding a stick", "A dog swims holding a stick", "clause"),
        ("A boy wearing a helmet flips up his scooter", "A boy wearing a helmet flips up his scooter", "clause"),
        ("A man in a shirt dribbles the ball", "A man in a shirt dribbles the ball", "clause"),
        ("two white swans swim in a lake", "Two white swans swim in a lake", "clause"),
        ("The children of a family play while they wait", "The children of a family play while they wait", "clause"),
    ],
)  # fmt: skip
def test_spelling_and_form(raw: str, text: str, form: str) -> None:
    caption = cleaned(raw)
    assert (caption.text, caption.reading.form) == (text, form)
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
        ("a child wearing green boots playing in mud", None),
        ("a child wearing green boots and playing in mud", "A child is wearing green boots and playing in mud."),
        ("a man holding a fishing pole", "A man is holding a fishing pole."),
        ("a girl bending backwards holding her hat", "A girl is bending backwards holding her hat."),
    ],
)  # fmt: skip
def test_phrase_with_a_doer_becomes_a_clause(raw: str, clause: str | None) -> None:
    assert cleaned(raw).as_clause == clause


def test_a_singular_with_a_bare_verb_is_not_quoted() -> None:
    assert clean_caption("A man in a hat dressed warmly pose for a picture") is None
    assert clean_caption("Two men dressed warmly pose for a picture") is not None


@pytest.mark.parametrize(
    ("raw", "form"),
    [
        ("A man on Rollerblades glides down a path", "clause"),
        ("A female batter misses a yellow ball", "clause"),
        ("Four young kids have a picture taken", "clause"),
        ("A little boy spilled his milk from the cup", "clause"),
        ("Two men handle a gray dog", "clause"),
        ("A couple and a dog pose in front of a car", "clause"),
        ("Several orange kayakers row in a lake", None),
        ("A boy holding a tennis ball in his hand", "phrase"),
        ("A man in a hat on a street", "phrase"),
        ("Three women with umbrellas in the rain", "phrase"),
        ("A red shirt and a hat on a bed", "phrase"),
    ],
)
def test_a_verb_that_may_be_a_noun_makes_no_phrase(raw: str, form: str | None) -> None:
    caption = clean_caption(raw)
    assert (caption.reading.form if caption else None) == form


def test_inner_form_lowers_only_what_is_safe() -> None:
    assert cleaned("A dog lying on grass").inner == "a dog lying on grass"
    assert cleaned("London bus in the rain").inner == "a London bus in the rain"
    assert cleaned("Chefs preparing food in a kitchen").inner == "chefs preparing food in a kitchen"


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


def reading(raw: str, *named: str, **numbers: int) -> Caption:
    spans = {name: (float(n), float(n)) for name, n in numbers.items()}
    return replace(cleaned(raw), named=frozenset(named), numbers=spans)


def ranked(captions: list[Caption], boxed: tuple[str, ...] = (), contradicted: tuple[str, ...] = ()) -> list[str]:
    return [one.text for one in rank_captions(captions, captions, frozenset(boxed), frozenset(contradicted))]


def test_the_most_agreed_caption_comes_first_and_strays_fall() -> None:
    told = [
        reading("Two zebras standing on a grass field", "zebra"),
        reading("Two zebras eating grass in a field", "zebra"),
        reading("Two zebras eating grass near a tree", "zebra"),
        reading("Two zebras and a bench on a wide grass field", "zebra", "bench"),
    ]
    assert ranked(told, boxed=("zebra",)) == [told[n].text for n in (1, 0, 2)]


@pytest.mark.parametrize(
    ("most", "one"),
    [
        (reading("A man riding a big wave", "person"), reading("A woman surfing in the sea", "person")),
        (reading("A red bus in a street"), reading("A blue bus in a street")),
        (reading("A dog on a lawn", "dog", dog=1), reading("Two dogs on a lawn", "dog", dog=2)),
        (reading("A dog on a lawn", "dog"), reading("A cat on a lawn", "cat")),
        (reading("A little girl in a bed"), reading("A woman lies in a bed")),
        (reading("A man sitting on a wall"), reading("A man standing at a wall")),
        (reading("There are two buckets in a room"), reading("There are three buckets in a room")),
    ],
)
def test_no_caption_against_most_others(most: Caption, one: Caption) -> None:
    again = replace(most, text=f"{most.text} today")
    assert ranked([most, again, one]) == [most.text, again.text]
    assert ranked([most, one]) == []  # nobody can tell which of them is right
    assert ranked([one]) == [one.text]


@pytest.mark.parametrize(
    ("raw", "others", "names", "slipped"),
    [
        ("A man with a surf boar", ["a man with a board", "a board and a man"], (), True),
        ("A man with a surf boar", ["a man with a board"], (), False),
        ("A man with a surf boar", [], ("board",), True),
        ("A man catches a ball", ["a catcher in a field", "a catcher"], (), True),
        ("A catcher catches a ball", ["a catcher in a field", "a catcher"], (), False),
        ("A man walks on a street", ["a man walking", "they walk on streets", "streets to walk on"], (), False),
        ("Flowers in a vase", ["a flower in a vase", "one flower"], (), False),
    ],
)
def test_words_that_are_one_letter_off_what_others_say(
    raw: str, others: list[str], names: tuple[str, ...], slipped: bool
) -> None:
    assert is_slip(cleaned(raw), [frozenset(words_of(other)) for other in others], frozenset(names)) is slipped


def test_captions_unfit_to_quote_have_a_say() -> None:
    one, other = reading("A man riding a wave today", "person"), reading("A woman on a big wave", "person")
    assert [
        c.text
        for c in rank_captions((one, other), (one, other, replace(other, text="unfit")), frozenset(), frozenset())
    ] == [other.text]


def test_captions_against_the_boxes_fall() -> None:
    told, wrong = reading("A man riding a wave today"), reading("Five men surfing in the sea")
    assert ranked([told, wrong], boxed=("person",), contradicted=(wrong.text,)) == [told.text]


def test_the_second_caption_adds_something() -> None:
    names = {"plane": "airplane", "jet": "airplane"}
    told, same, more = (
        replace(cleaned(raw), content=content_of(words_of(raw), names))
        for raw in (
            "A gray airplane is flying high in the sky",
            "A large gray plane is flying in the sky",
            "A jet lands behind tall green trees and houses",
        )
    )
    assert second_caption((told, same), told) is None
    assert second_caption((told, same, more), told) is more
    assert second_caption((told, same, more), told, more) is None
    assert second_caption((told, replace(more, is_backed=False)), told) is None


def test_a_caption_that_tells_of_another_scene_is_not_backed() -> None:
    told = [
        reading("Two people carrying a kite through a lot"),
        reading("Two men carrying a kite to be flown"),
        reading("Two men walking barefoot over warm yellow sand"),
    ]
    ranked = rank_captions(told, told, frozenset(), frozenset())
    assert {caption.text: caption.is_backed for caption in ranked} == {
        told[0].text: True, told[1].text: True, told[2].text: False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("a", "b", "is_clash"),
    [
        ("A man is pushing his bike", "A man riding a bicycle", False),
        ("A man is walking beside his bike", "A man riding a bicycle", True),
        ("A dog sits on a rug", "A dog wearing a hat and lying on a rug", True),
        ("A dog sits on a rug", "A man lying on a rug", False),
        ("A man sits on a horse", "A man rides a horse", False),
        ("A boy throws sand by the ocean", "A boy stands in the mud", True),
        ("A woman stretches at sunset", "A woman stretches at sunrise", True),
        ("A man rides a wakeboard over a wave", "A waterskier jumps over a wave", True),
        ("Men playing polo in a field", "Men playing rugby in a field", True),
        ("A man and a woman stare at the ground", "Two men talk and laugh", True),
        ("A man and a woman stare at the ground", "A man talks and laughs", False),
        ("A dog hides in the bushes", "A horse on the shore of a stream", True),
        ("A terrier jumps over a wall", "A dog jumps over a wall", False),
        ("A girl blows on a dandelion", "A blond gear blows on a dandelion", True),
    ],
)
def test_captions_that_tell_one_or_the_other_clash(a: str, b: str, is_clash: bool) -> None:
    assert clash(cleaned(a), cleaned(b)) is is_clash
