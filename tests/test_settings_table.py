"""Sentences name options at a terminal, and settings to whoever called a function."""

import pytest

from datagen.errors import RunError
from datagen.settings_table import at_terminal, in_python, name_for_user, told_in_python


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("give the right folder with --images.", "give the right folder with corpus.images."),
        ("did you mean --images /a/--images/b?", "did you mean corpus.images /a/--images/b?"),
        ("choose another --out, or say --change.", "choose another out, or say change=True."),
        ("--set max_unreadable=null goes on", "max_unreadable=null goes on"),
        ("'datagen merge --nothing'", "'datagen merge --nothing'"),
        ("a--limit and --limits stay", "a--limit and --limits stay"),
        ("--ray-address x: --teacher", "ray.address x: teacher.name"),
    ],
)
def test_a_sentence_in_python_names_settings(said: str, told: str) -> None:
    assert in_python(said) == told


def test_a_setting_is_called_as_one_types_it() -> None:
    assert name_for_user("teacher.name") == "--teacher"
    assert name_for_user("checks.skip") == "--set checks.skip"


def test_only_a_command_says_options() -> None:
    @told_in_python
    def fail() -> None:
        raise RunError("give --images")

    with pytest.raises(RunError, match=r"^give corpus\.images$"):
        fail()
    with at_terminal(), pytest.raises(RunError, match=r"^give --images$"):
        fail()
    with pytest.raises(RunError, match=r"^give corpus\.images$"):
        fail()
