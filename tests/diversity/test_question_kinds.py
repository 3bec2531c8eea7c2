"""Questions fall into the right kinds, and yes/no answers are told from the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.claims.grammar import Row
from datagen.diversity.question_kinds import ALL_KINDS, KINDS, polarity, question_kind, refers_back


@pytest.mark.parametrize("row", KINDS, ids=lambda row: f"{row.meaning}: {row.example}")
def test_every_row_explains_its_example(row: Row) -> None:
    assert question_kind(row.example) == row.meaning


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Would you say that the plant is higher in the frame than the table?", "relation"),
        ("Is the couch to the left of the parking meter?", "relation"),
        ("What is the position of the hair drier compared with the sink?", "relation"),
        ("Is the kite near the center of the image?", "position"),
        ("Can you tell me where the racket is?", "position"),
        ("On the left of the image, what is shown?", "position"),
        ("In the picture, how many dogs can be seen?", "count"),
        ("Are there four bowls in the image?", "count"),
        ("Is it true that the picture shows two bears?", "count"),
        ("Is there one bear?", "existence"),
        ("Do you notice a boat here?", "existence"),
        ("Which of these is not in the image: a boat, a keyboard, or a backpack?", "existence"),
        ("What might have happened prior to this moment?", "reasoning"),
        ("What can be inferred about the giraffe's habitat from this image?", "reasoning"),
        ("If one of the dogs left, how many would remain?", "reasoning"),
        ("Can you describe what the dog is up to?", "activity"),
        ("What is the cat looking at?", "activity"),
        ("Can you describe the clock in the left half of the image?", "description"),
        ("What do you see happening in this image?", "description"),
        ("How would you describe the color of the cat?", "color"),
        ("Does the image show a scene in a kitchen?", "setting"),
        ("What is the pattern on her umbrella?", "attribute"),
        ("Is the sheep blue?", "color"),
        ("Is the sheep asleep?", "verification"),
        ("What objects are on the table in the image?", "identification"),
        ("Ahem.", "other"),
    ],
)
def test_a_question_is_of_its_kind(question: str, kind: str) -> None:
    assert question_kind(question) == kind


@pytest.mark.parametrize(
    ("question", "answer", "told"),
    [
        ("Is there a dog?", "Yes, there is one.", "yes"),
        ("Is there a dog?", "No.", "no"),
        ("Is there a dog?", "No dog can be seen here.", "no"),
        ("In this image, is there a dog?", "yes", "yes"),
        ("Would you say that there are seven dogs?", "There are six dogs, not seven.", "no"),
        ("Is the dog on the left?", "It sits on the left side.", "unclear"),
        ("Can you see a dog?", "Yes, by the fence.", "yes"),
        ("Are there any cats or dogs?", "Yes, two dogs.", "yes"),
        ("Is it a dog or a cat?", "It is a cat.", None),
        ("Can you describe the dog?", "No dog is shown.", None),
        ("Could you count the dogs?", "Two.", None),
        ("What color is the dog?", "No dog is shown.", None),
    ],
)
def test_yes_is_told_from_no_and_from_the_rest(question: str, answer: str, told: str | None) -> None:
    assert polarity(question, answer) == told


def test_a_question_that_leans_on_earlier_turns_is_known() -> None:
    for question in ("What color is it?", "What else is there?", "Are they asleep?", "Is her hat red?"):
        assert refers_back(question), question
    for question in (
        "Is it true that a dog is there?",
        "Which of these is not here: a dog or a cat?",
        "Is there a dog?",
    ):
        assert not refers_back(question), question


@given(st.text(max_size=600), st.text(max_size=200))
def test_any_text_has_a_kind(question: str, answer: str) -> None:
    assert question_kind(question) in ALL_KINDS
    assert polarity(question, answer) in ("yes", "no", "unclear", None)


def test_no_more_than_the_start_of_a_question_is_read() -> None:
    start = "Is the sheep asleep" + " and asleep" * 40
    assert question_kind(start) == question_kind(start + " why how many" * 20_000) == "verification"
    assert not refers_back(start + " else" * 20_000)
