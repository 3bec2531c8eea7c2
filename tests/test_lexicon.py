"""Category names in running text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.lexicon import Lexicon, as_prose, counted, lexicon_for, number_word, plural, with_article

NAMES = (
    "person bicycle car airplane bus train truck boat bird cat dog horse sheep cow elephant bear zebra skis mouse "
    "orange banana broccoli scissors toilet oven knife chair clock cup remote"
).split()
NAMES += ["hot dog", "teddy bear", "wine glass", "sports ball", "baseball bat", "dining table", "cell phone", "kite"]
LEXICON = Lexicon(NAMES)


def named(text: str) -> list[str]:
    return [mention.category for mention in LEXICON.find(text)]


@pytest.mark.parametrize(
    ("text", "categories"),
    [
        ("A dog eats a hot dog.", ["dog", "hot dog"]),
        ("Two Hot Dogs and a BEAR", ["hot dog", "bear"]),
        ("a teddy bear by two teddy bears", ["teddy bear", "teddy bear"]),
        ("a polar bear", ["bear"]),
        ("an adult polar bear", ["bear"]),
        ("baby elephants with a baby", ["elephant", "person"]),
        ("mice and a mouse on a mouse pad", ["mouse", "mouse"]),
        ("men, women, children and babies", ["person"] * 4),
        ("a baseball player with a baseball bat plays baseball", ["person", "baseball bat"]),
        ("a ball and a ball boy", ["sports ball"]),
        ("glasses of red wine, a wine glass", ["wine glass", "wine glass"]),
        ("double-decker buses pass a bus stop", ["bus"]),
        ("a fire truck near train tracks", ["truck"]),
        ("a picnic table and a table", ["dining table"]),
        ("puppies, ponies, oxen and geese", ["dog", "horse", "cow", "bird"]),
        ("a rattlesnake in a scarf by a cardboard dogma", []),
        ("cat-like, the wildcat", []),
        ("toilet paper and orange juice", []),
        ("İstanbul dogs", ["dog"]),
    ],
)
def test_mentions(text, categories):
    assert named(text) == categories


@pytest.mark.parametrize(
    ("text", "n_fruits"),
    [
        ("an orange and a banana", 1),
        ("an orange on a plate", 1),
        ("the orange is peeled", 1),
        ("three oranges", 1),
        ("an orange cat", 0),
        ("an orange and white cat", 0),
        ("the kite is orange", 0),
        ("red and orange kites", 0),
        ("dressed in orange", 0),
    ],
)
def test_orange_is_a_fruit_only_with_a_determiner_and_no_noun_after_it(text, n_fruits):
    assert named(text).count("orange") == n_fruits


def test_a_mention_says_where_how_many_and_how_sure():
    text = "A man walks dogs"
    man, dogs = LEXICON.find(text)
    assert (text[man.start : man.end], man.is_plural, man.is_loose) == ("man", False, True)
    assert (text[dogs.start : dogs.end], dogs.is_plural, dogs.is_loose) == ("dogs", True, False)
    people, person = LEXICON.find("people around one person")
    assert people.is_plural and not person.is_plural and not person.is_loose


def test_names_of_the_corpus_win_over_synonyms_and_decoys():
    own = Lexicon(["person", "man", "picnic table", "traffic cone"])
    mentions = own.find("A man at a picnic table, two traffic cones")
    assert [m.category for m in mentions] == ["man", "picnic table", "traffic cone"]
    assert not mentions[0].is_loose
    assert Lexicon([]).find("a dog") == []
    assert own.named("a woman and a man") == {"person", "man"}


def test_lexicons_are_built_once():
    assert lexicon_for(("dog",)) is lexicon_for(("dog",))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dog", "dogs"), ("bus", "buses"), ("person", "people"), ("mouse", "mice"), ("knife", "knives"),
        ("sheep", "sheep"), ("skis", "skis"), ("hot dog", "hot dogs"), ("wine glass", "wine glasses"),
        ("toothbrush", "toothbrushes"), ("couch", "couches"), ("teddy bear", "teddy bears"), ("toy", "toys"),
        ("berry", "berries"), ("glass of wine", "glasses of wine"), ("computer mouse", "computer mice"), ("ox", "oxen"),
    ],
)  # fmt: skip
def test_plurals(name, expected):
    assert plural(name) == expected


def test_articles_and_counts():
    assert [with_article(name) for name in ("dog", "airplane", "umbrella", "scissors", "broccoli", "unicycle")] == [
        "a dog", "an airplane", "an umbrella", "a pair of scissors", "some broccoli", "a unicycle",
    ]  # fmt: skip
    assert counted("dog", 1) == "one dog"
    assert counted("person", 3) == "three people"
    assert counted("scissors", 2) == "two pairs of scissors"
    assert counted("skis", 1) == "one pair of skis"
    assert counted("broccoli", 2) == "two pieces of broccoli"
    assert (number_word(0), number_word(12), number_word(13)) == ("zero", "twelve", "13")


@settings(deadline=None)
@given(st.text())
def test_mentions_lie_in_order_inside_any_text(text):
    ends = [0]
    for mention in LEXICON.find(text):
        assert ends[-1] <= mention.start < mention.end <= len(text)
        ends.append(mention.end)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_and_plural_is_found_again(name):
    assert LEXICON.named(f"look: {with_article(name)}!") == {name}
    assert LEXICON.named(f"some {plural(name)}") == {name}


def test_prose_spells_tv_with_capitals():
    assert [as_prose(text) for text in ("a tv", "two tvs", "a TV", "tvset")] == ["a TV", "two TVs", "a TV", "tvset"]
