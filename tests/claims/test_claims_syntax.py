"""Words get their class, noun phrases their head, and verbs their subject, in sentences that an LLM writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.claims.syntax import Sentence, class_of, singular


def parsed(text: str) -> Sentence:
    return Sentence(text, 0, len(text))


@pytest.mark.parametrize(
    ("word", "tag"),
    [("the", "D"), ("beside", "P"), ("and", "C"), ("who", "W"), ("it", "O"), ("is", "V"), ("sits", "F"), ("quickly", "R"),
     ("three", "M"), ("12", "M"), ("blue", "A"), ("colourful", "A"), ("smiling", "G"), ("building", "n"), ("painted", "E"),
     ("lamp", "n"), (",", "X"), ("messy", "A"), ("hilly", "A"), ("butterfly", "n"), ("family", "n"), ("tidy", "A")],
)  # fmt: skip
def test_each_class_of_words(word: str, tag: str):
    assert class_of(word) == tag


@pytest.mark.parametrize(
    ("many", "one"),
    [("buses", "bus"), ("men", "man"), ("berries", "berry"), ("benches", "bench"), ("grass", "grass"), ("bus", "bus"),
     ("people", "person"), ("dog", "dog"), ("horses", "horse"), ("noses", "nose"), ("houses", "house"),
     ("vases", "vase"), ("glasses", "glass"), ("boxes", "box"), ("sizes", "size"), ("lenses", "lens")],
)  # fmt: skip
def test_singular(many: str, one: str):
    assert singular(many) == one


@pytest.mark.parametrize(
    ("text", "heads"),
    [
        ("A black and white cat watches the brightly painted wall.", ["cat", "wall"]),
        ("The drawback concerns people on foot.", ["drawback", "person", "foot"]),
        ("The bedding is pink.", ["bedding"]),
        ("Two polar bears are swimming.", ["bear"]),
        ("There is a clock tower.", ["tower"]),
        ("They stand in a cluttered living room.", ["room"]),
        ("The colored brushes are there.", ["brush"]),
        ("A smiling child holds two watches.", ["child", "watch"]),
        ("A slender candle in a silver holder lends a touch.", ["candle", "holder", "touch"]),
        ("The dog's bowl is empty.", ["dog", "bowl"]),
        ("It's a large, almost empty room.", ["room"]),
    ],
)
def test_heads_of_noun_phrases(text: str, heads: list[str]):
    assert [noun.head for noun in parsed(text).nouns] == heads


@pytest.mark.parametrize(
    ("text", "verb", "subject"),
    [
        ("A man in a helmet is bending over.", "is", "man"),
        ("The sign, which is green, points there.", "is", "sign"),
        ("The fence next to her is white.", "is", "fence"),
        ("All of the brushes are white.", "are", "brush"),
        ("The bowl itself is white.", "is", "bowl"),
        ("A plate that holds a pizza is white.", "holds", "plate"),
        ("On the table lies a fork.", "lies", None),
        ("It is red.", "is", None),
    ],
)
def test_subjects(text: str, verb: str, subject: str | None):
    sentence = parsed(text)
    found = sentence.subject_before(sentence.words.index(verb))
    assert (found.head if found else None) == subject


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("On the table lies a fork.", "fork"),
        ("To the left of the man stands a dog.", "dog"),
        ("What colour is the bus in the picture?", "bus"),
        ("What colour is the man's shirt?", "shirt"),
        ("Which side of the picture is the dog on?", "dog"),
        ("What is on the table?", None),
    ],
)
def test_topics(text: str, topic: str | None):
    found = parsed(text).topic()
    assert (found.head if found else None) == topic


def test_a_pronoun_goes_back_to_the_last_topic():
    first = "The red car stands there."
    second = "It is old."
    text = f"{first} {second} Its door is open."
    one = Sentence(text, 0, len(first))
    two = Sentence(text, len(first), len(first) + 1 + len(second), one)
    three = Sentence(text, len(first) + 1 + len(second), len(text), two)
    assert not one.goes_on() and two.goes_on() and three.goes_on()
    assert three.meant() == one.topic()
    assert one.meant() is None


@given(st.text())
def test_any_text_is_parsed(text: str):
    sentence = parsed(text)
    assert len(sentence.words) == len(sentence.starts) == len(sentence.ends) == len(sentence.tags)
    for noun in sentence.nouns:
        assert 0 <= noun.start < noun.end <= len(text)
