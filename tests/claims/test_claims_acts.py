"""Verbs are read as actions in any form, those outside the table by what they are a way of doing."""

import pytest

from datagen.claims.acts import act_of, gerund


@pytest.mark.parametrize(
    ("word", "act"),
    [("sits", "sitting"), ("asleep", "sleeping"), ("saunters", "walking"), ("juggling", "juggling"), ("lies", "lying"),
     ("gobbles", "eating"), ("awake", "awake"), ("puts", None), ("is", None), ("table", None)],
)  # fmt: skip
def test_a_form_of_a_verb_names_an_action(word, act):
    assert act_of(word) == act


def test_a_gerund_doubles_and_drops_letters():
    assert [gerund(verb) for verb in ("sit", "tie", "ride", "ski", "row", "eat", "see")] == [
        "sitting", "tying", "riding", "skiing", "rowing", "eating", "seeing",
    ]  # fmt: skip
