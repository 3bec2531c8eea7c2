"""Every row of the grammar is shown by its own example; hedges, denials and questions claim nothing by themselves."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.claims import claim_lexicon, read_answer, read_turn
from datagen.claims.clause import Statement
from datagen.claims.grammar import ABSENCES, QUANTITIES, Quantity, Row
from datagen.claims.kinds.place import PLACES
from datagen.claims.kinds.relation import RELATIONS

LEXICON = claim_lexicon(
    ("person", "dog", "cat", "bed", "cup", "hot dog", "teddy bear", "bear", "horse", "train", "skis")
)


KINDS = ("count", "presence", "absence", "place", "relation")
"""Those that the tables of this file's subject read; the others have tests of their own."""


def told(statements: list[Statement]) -> list[tuple]:
    """Statements as short tuples: kind, category, and what else is said."""
    statements = [s for s in statements if s.kind in KINDS]
    more = [(s.number, s.comparison) if s.kind == "count" else (s.place or s.relation, *s.others) for s in statements]
    return [(s.kind, s.category, *(x for x in rest if x)) for s, rest in zip(statements, more, strict=True)]


def said(text: str) -> list[tuple]:
    return told(read_answer(text, LEXICON))


@pytest.mark.parametrize("row", QUANTITIES, ids=lambda row: row.example)
def test_each_quantity_is_read_as_its_row_says(row: Quantity):
    (statement,) = (s for s in read_answer(row.example, LEXICON) if s.kind in KINDS)
    kinds = {"none": "absence", "some": "presence"}
    assert (statement.kind, statement.category, statement.is_firm) == (kinds.get(row.measure, "count"), "dog", True)
    if statement.kind == "count":
        assert statement.comparison == ("at most" if row.measure == "others" else row.measure)
        assert statement.number == row.number or row.number is None


@pytest.mark.parametrize("row", PLACES, ids=lambda row: row.example)
def test_each_place_is_read_as_its_row_says(row: Row):
    places = [s.place for s in read_answer(row.example, LEXICON) if s.kind == "place"]
    assert places == row.meaning.split()


@pytest.mark.parametrize("row", RELATIONS, ids=lambda row: row.example)
def test_each_relation_is_read_as_its_row_says(row: Row):
    found = [(s.category, s.relation, s.others) for s in read_answer(row.example, LEXICON) if s.kind == "relation"]
    assert found == [("dog", row.meaning, ("cat", "bed") if row.meaning == "between" else ("cat",))]


@pytest.mark.parametrize("row", ABSENCES, ids=lambda row: row.example)
def test_each_denial_is_read_as_its_row_says(row: Row):
    both = row.example.endswith("nor a cat.")
    assert said(row.example) == [("absence", "dog"), ("absence", "cat")][: 1 + both]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The man holds a hot dog.", [("presence", "person"), ("presence", "hot dog"), ("relation", "person", "holding", "hot dog")]),
        ("There are three dogs and one cat.", [("count", "dog", 3, "exact"), ("count", "cat", 1, "exact")]),
        ("Three dogs are on the left.", [("count", "dog", 3, "at least"), ("place", "dog", "left")]),
        ("The two dogs run.", [("count", "dog", 2, "at least")]),
        ("There are two brown dogs.", [("count", "dog", 2, "at least")]),
        ("There are two men.", [("count", "person", 2, "at least")]),
        ("About three dogs run.", [("presence", "dog")]),
        ("two dogs lie here. There are three dogs.", [("count", "dog", 2, "at least"), ("count", "dog", 3, "at least")]),
        ("In the left half of the picture is the dog.", [("presence", "dog"), ("place", "dog", "left")]),
        ("The dog is on the left of the bed.", [("presence", "dog"), ("presence", "bed"), ("relation", "dog", "left of", "bed")]),
        ("A man with a dog on the left.", [("presence", "person"), ("presence", "dog")]),
        ("The dog is not on the left.", [("presence", "dog")]),
        ("The image does not show three dogs.", []),
        ("It shows a cat, but no dog.", [("presence", "cat"), ("absence", "dog")]),
        ("The dog might be waiting for a train.", [("presence", "dog")]),
        ("There is a dog, possibly waiting for a train.", [("presence", "dog")]),
        ("If a cat came, a dog would run.", []),
        ("Is there a dog?", []),
        ("There is no dog in it.", [("absence", "dog")]),
        ("There is no dog on the bed.", [("absence", "dog"), ("presence", "bed")]),
        ("The picture does not show any dogs.", [("absence", "dog")]),
        ("A cup stands next to three dogs.", [("presence", "cup"), ("count", "dog", 3, "at least"), ("relation", "cup", "next to", "dog")]),
        ("Two to three dogs run.", [("count", "dog", 2, "at least")]),
        ("Over on the left side, one sees the dog.", [("presence", "dog"), ("place", "dog", "left")]),
        ("The dog is in the background on the left.", [("presence", "dog"), ("place", "dog", "background"), ("place", "dog", "left")]),
        ("There is a dog, which is to the left of the cat.", [("presence", "dog"), ("presence", "cat"), ("relation", "dog", "left of", "cat")]),
        ("The dog runs in the sky above the cat.", [("presence", "dog"), ("presence", "cat"), ("relation", "dog", "above", "cat")]),
        ("The dog is between two cats.", [("presence", "dog"), ("count", "cat", 2, "at least"), ("relation", "dog", "between", "cat", "cat")]),
        ("Two kids and a man see glasses.", [("count", "person", 2, "at least"), ("presence", "person")]),
    ],
)  # fmt: skip
def test_sentences(text, expected):
    assert said(text) == expected


@pytest.mark.parametrize(
    "text", ["a dog bowl", "shaped like a bear", "a statue of a horse", "dogs are loyal", "taller than a horse"]
)
def test_loose_mentions_are_not_firm(text):
    assert [s.is_firm for s in read_answer(text, LEXICON) if s.kind == "presence"] == [False]


@pytest.mark.parametrize(
    "text",
    [
        "There is a dog partially hidden.",
        "Five dogs share a meal.",
        "The dog hangs its head.",
        "A train stands here as two dogs wait with a friend.",
        "It may offer comfort for the dog.",
        "The girl's dog might be a champion.",
        "She must beware of the dogs around her.",
        "A meal is ready, as a dog is also near.",
        "A black and white dog runs.",
        "A cup and dog are on view.",
    ],
)
def test_prose_that_takes_a_dog_for_granted_is_firm(text):
    assert {s.is_firm for s in read_answer(text, LEXICON) if s.category == "dog"} == {True}


def test_larger_is_firm_only_of_the_frame():
    for text, is_firm in (
        ("The dog is larger than the cat.", False),
        ("The dog is larger in the frame than the cat.", True),
    ):
        (relation,) = (s for s in read_answer(text, LEXICON) if s.kind == "relation")
        assert relation.is_firm is is_firm


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("What is the dog doing?", "It sleeps.", [("presence", "dog")]),
        ("What is the dog doing?", "There is no dog.", [("absence", "dog")]),
        ("What is a dog?", "Something alive.", []),
        ("Is there a dog in the image?", "Yes.", [("presence", "dog")]),
        ("Is there a dog in the image?", "No.", [("absence", "dog")]),
        ("Is there a dog on the bed?", "No.", []),
        ("Is there a dog?", "No.", [("absence", "dog")]),
        ("Are there three dogs?", "No.", []),
        ("Are there three dogs?", "Yes.", [("count", "dog", 3, "exact")]),
        ("Is the dog to the left of the cat?", "Yes, it is.", [("presence", "dog"), ("presence", "cat"), ("relation", "dog", "left of", "cat")]),
        ("How many dogs are there?", "Three.", [("count", "dog", 3, "exact")]),
        ("How many people are there?", "4", [("count", "person", 4, "exact")]),
        ("Where are the dogs?", "They are on the left.", [("presence", "dog"), ("place", "dog", "left")]),
        ("Which of these statements is right: the dog is above the cat, or below it?", "The dog is below the cat.", [("presence", "dog"), ("presence", "cat"), ("relation", "dog", "below", "cat")]),
        ("Which side would the dog be on in a mirror?", "The dog is on the left now, so it would be on the right.", [("presence", "dog"), ("place", "dog", "left")]),
        ("If two more dogs came, how many would there be?", "There would then be four dogs.", []),
        ("How many dogs remain after removing one?", "The image shows two dogs. That leaves one dog.", [("count", "dog", 2, "exact"), ("presence", "dog")]),
    ],
)  # fmt: skip
def test_turns(question, answer, expected):
    assert told(read_turn(question, answer, LEXICON)) == expected


def test_spans_and_sides_are_told():
    text = "Look: the two brown dogs are on the left side of the image."
    count, place = (s for s in read_answer(text, LEXICON) if s.kind in KINDS)
    assert text[count.start : count.end] == "two brown dogs"
    assert text[place.start : place.end] == "two brown dogs are on the left side of the image"
    asked, done = read_turn("What is the dog doing?", "Running.", LEXICON)
    assert asked.in_question and (asked.start, asked.end) == (8, 15)
    assert not done.in_question and (done.kind, done.value) == ("action", "running")


WORDS = "ſix two 3 no dogs the dog cat on left of is , . ? ; yes not might a pair it they \ue000 İ between and".split()


@settings(deadline=None)
@given(st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join), st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_any_text_is_survived(question, answer):
    for statement in read_turn(question, answer, LEXICON):
        text = question if statement.in_question else answer
        assert 0 <= statement.start <= statement.end <= len(text)


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("On the right there's also a bus, partly cropped by the frame.", "place", "right bus"),
        ("The left third of the picture belongs to a cat.", "place", "left cat"),
        ("A woman anchors the right half of the shot.", "place", "right person"),
        ("Further back, a couple of people are waiting.", "place", "background person"),
        ("Two animals are shown: the dog on the left and the cat on the right.", "place", "right cat"),
        ("The woman is on the image's left side.", "place", "left person"),
        ("A bottle is just visible at the left margin.", "place", "left bottle"),
        ("The cat is sprawled across the top of the couch.", "relation", "on cat couch"),
        ("Next to the bicycle there's a dog.", "relation", "next to dog bicycle"),
        ("Between the cat and the horse stands a dog.", "relation", "between dog cat"),
        ("Standing to the right of the horse is a man.", "relation", "right of person horse"),
        ("The woman has an umbrella in her hand.", "relation", "holding person umbrella"),
        ("A woman clutches an umbrella.", "relation", "holding person umbrella"),
        ("The kite soars high above the man.", "relation", "above kite person"),
        ("The bench is unoccupied, and no people are nearby.", "absence", "person"),
        ("It is completely deserted, without a person in sight.", "absence", "person"),
        ("Neither of the women is holding an umbrella.", "absence", "umbrella"),
        ("She has no backpack with her.", "absence", "backpack"),
        ("No bicycles are parked here.", "absence", "bicycle"),
        ("The wall has no clock on it.", "absence", "clock"),
        ("The table is bare, without a single cup.", "absence", "cup"),
        ("You won't find a couch here.", "absence", "couch"),
        ("The sky is clear, with no birds flying.", "absence", "bird"),
    ],
)
def test_forms_that_no_row_spells_out(text, kind, says):
    words = ("person", "dog", "cat", "bus", "bottle", "couch", "bicycle", "horse", "umbrella", "backpack", "clock", "cup",
             "bird", "dining table", "kite", "bench")  # fmt: skip
    found = [s for s in read_answer(text, claim_lexicon(words)) if s.kind == kind and s.is_firm]
    assert any(
        says.startswith(" ".join(filter(None, (s.place or s.relation, s.category, *s.others[:1])))) for s in found
    ), found
