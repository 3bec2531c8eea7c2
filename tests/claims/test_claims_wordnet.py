"""WordNet's table tells kinds, relatives, distances and plain forms; what it does not know it leaves alone."""

import pytest

from datagen.claims.wordnet import Nearest, are_kin, distance, is_a, is_adjective, is_usual, senses, verb_of


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("tram", "streetcar", True),  # one thing
        ("tram", "vehicle", True),  # a kind of it
        ("tram", "bus", False),
        ("dog", "animal", True),
        ("dog", "goat", False),
        ("zzyzx", "zzyzx", True),
        ("zzyzx", "dog", False),
    ],
)
def test_kin_are_the_same_or_one_is_a_kind_of_the_other(a, b, expected):
    assert are_kin(a, b) is are_kin(b, a) is expected


def test_what_is_alike_lies_near():
    assert distance("axe", "scissors") < distance("axe", "bus") < distance("axe", "zzyzx") == 99
    assert distance("axe", "ax") == 0


def test_a_word_is_of_a_kind_by_its_usual_senses():
    assert is_a("goat", "animal") and is_a("jet", "aircraft") and not is_a("axe", "animal")
    assert is_usual("axe") and not is_usual("row") and not is_usual("zzyzx")
    assert senses("zzyzx") == ()


@pytest.mark.parametrize(
    ("form", "plain"),
    [("sits", "sit"), ("sitting", "sit"), ("wading", "wade"), ("lying", "lie"), ("carries", "carry"), ("swam", "swim"),
     ("hopped", "hop"), ("juggle", None), ("dog's", None)],
)  # fmt: skip
def test_a_verb_has_a_plain_form(form, plain):
    assert verb_of(form) == plain


def test_the_nearest_word_of_a_table_is_found_by_what_a_word_is_a_kind_of():
    places = Nearest({"water": "sea", "street": "town"})
    assert (places.of("boulevard"), places.of("water"), places.of("axe"), places.of("zzyzx")) == (
        "town",
        "sea",
        None,
        None,
    )
    acts = Nearest({"walk": "walking"}, "verb")
    assert acts.of("saunter") == "walking" and acts.of("eat") is None


def test_adjectives_are_those_with_an_opposite():
    assert is_adjective("soggy") and not is_adjective("axe")
