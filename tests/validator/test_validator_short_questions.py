"""A person's question is read as a probe, word for word the validator's, or not at all."""

import pytest

from datagen.claims.kind import presence_question
from datagen.claims.kinds.count import count_question
from datagen.claims.kinds.place import quarter_question, side_question
from datagen.claims.kinds.relation import relation_question, size_question
from datagen.lexicon import lexicon_for
from datagen.validator.models.nano import read_short_question

NAMES = ("dog", "hot dog", "person", "skis", "wine glass")
LEXICON = lexicon_for(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("other", ["person", "hot dog"])
def test_probes_read_as_themselves(name, other):
    asked = [
        ("presence", presence_question(name), (name,)),
        ("count", count_question(name), (name,)),
        ("side", side_question(name), (name,)),
        ("quadrant", quarter_question(name), (name,)),
        *(("relation", relation_question(name, how, other), (name, other)) for how in ("left of", "above")),
        *(("size", size_question(name, how, other), (name, other)) for how in ("larger", "smaller")),
    ]
    for kind, question, names in asked:
        read = read_short_question(question, LEXICON)
        assert read is not None, question
        assert (read.kind, read.probe.question, read.categories) == (kind, question, names)


@pytest.mark.parametrize(
    ("question", "probe"),
    [
        ("is there any dog?", "Is there a dog in the image?"),
        ("Do you see dogs in this picture", "Is there a dog in the image?"),
        ("Does the image show a man?", "Is there a person in the image?"),
        ("How many people are in the photo?", "How many people are there?"),
        ("Where is the hot dog?", "Which quarter is the hot dog in?"),
        ("On which side is the dog?", "Is the dog on the left or the right?"),
        ("Is the dog to the left of the person?", "Is the dog left of the person?"),
        ("Is the dog bigger than the person?", "Is the dog larger in the image than the person?"),
    ],
)
def test_other_words_for_the_same(question, probe):
    read = read_short_question(question, LEXICON)
    assert read is not None and read.probe.question == probe


@pytest.mark.parametrize(
    "question",
    [
        "",
        "What is shown?",
        "Is there a red dog in the image?",
        "Is there a dog on the sofa?",
        "Is there a zeppelin in the image?",
        "How many legs does the dog have?",
        "Is there a dog and a person?",
        "Is the dog left of the zeppelin?",
        "Is there no dog?",
    ],
)
def test_what_asks_for_more_is_not_read(question):
    assert read_short_question(question, LEXICON) is None
