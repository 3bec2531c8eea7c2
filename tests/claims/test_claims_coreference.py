"""Pronouns, bare answers and clauses without a subject are read where one thing alone can be meant, and nowhere else."""

import pytest

from datagen.claims import claim_lexicon, read_turn
from datagen.claims.coreference import Discourse

LEXICON = claim_lexicon(("person", "dog", "cat", "bus", "cup", "bench", "bottle", "cake"))
PLACED = ("place", "relation")


def told(*turns: tuple[str, str]) -> list[tuple[str, str, str | None]]:
    """Places and relations of the last turn of a conversation."""
    discourse = Discourse(LEXICON)
    said = [read_turn(question, answer, LEXICON, discourse) for question, answer in turns]
    return [(s.kind, s.category, s.place or s.relation) for s in said[-1] if s.kind in PLACED]


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ((("Where is the bus?", "It's in the upper left corner."),), [("place", "bus", "top"), ("place", "bus", "left")]),
        ((("Where is the dog?", "On the left side of the picture."),), [("place", "dog", "left")]),
        ((("Which side is the dog on?", "The left."),), [("place", "dog", "left")]),
        ((("Where are the bottles?", "They're to the right of the cakes."),), [("relation", "bottle", "right of")]),
        ((("Is the cup left or right of the bottle?", "To the right."),), [("relation", "cup", "right of")]),
        ((("What is the woman doing?", "She sits on a bench."), ("Where is she?", "She is on the right side.")),
         [("place", "person", "right")]),
        ((("Tell me.", "A dog lies near a cat. It is on the left."),),
         [("relation", "dog", "next to"), ("place", "dog", "left")]),
        ((("Tell me.", "A man walks a dog. It is on the left."),), [("place", "dog", "left")]),
        ((("Tell me.", "The dog, which is brown, is on the left."),), [("place", "dog", "left")]),
        ((("Tell me.", "The dog is tall, taking up most of the left half."),), [("place", "dog", "left")]),
        ((("Tell me.", "A dog sits there, and a cup is visible above it."),), [("relation", "cup", "above")]),
        ((("Tell me.", "A cup is here. A dog sits there, and it is on the left."),), [("place", "dog", "left")]),
        ((("Where is the dog?", "You'll find it on the left."),), [("place", "dog", "left")]),
        ((("Is there a dog?", "Yes, it is on the left."),), [("place", "dog", "left")]),
        ((("Tell me.", "Two dogs run. One of them is on the left."),), [("place", "dog", "left")]),
        ((("Tell me.", "A man and a boy sit there. He is on the left."),), [("place", "person", "left")]),
        # nothing is read where it could be another thing
        ((("What is on the bench?", "It is on the left."),), []),
        ((("Tell me.", "The sign is near the dog. It is on the left."),), []),
        ((("Is there a dog?", "There is no dog. It is on the left."),), []),
        ((("Where are the dogs?", "It is on the left."),), []),
    ],
)  # fmt: skip
def test_what_is_meant(turns, expected):
    assert told(*turns) == expected


def test_what_stands_in_for_a_thing_says_not_again_that_it_is_there():
    said = read_turn("Where is the dog?", "It is on the left.", LEXICON)
    assert [(s.kind, s.in_question) for s in said] == [("presence", True), ("place", False)]
