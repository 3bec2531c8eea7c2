"""The split keeps an image on one side; a licence is never taken for a freer one."""

import pytest

from datagen.export.rows import RowChoice, has_licence, split_of


def test_the_split_depends_on_image_and_seed_alone() -> None:
    choice = RowChoice(rng_seed=3, validation_share=0.2)
    sides = [split_of(str(n), choice) for n in range(2000)]
    assert sides == [split_of(str(n), choice) for n in range(2000)]
    assert 330 < sides.count("validation") < 470
    assert sides != [split_of(str(n), RowChoice(rng_seed=4, validation_share=0.2)) for n in range(2000)]


def test_a_larger_share_keeps_what_a_smaller_one_held_out() -> None:
    few, many = RowChoice(validation_share=0.1), RowChoice(validation_share=0.3)
    held_out = [str(n) for n in range(300) if split_of(str(n), few) == "validation"]
    assert held_out
    assert {split_of(image_id, many) for image_id in held_out} == {"validation"}


def test_without_a_share_all_is_training() -> None:
    assert {split_of(str(n), RowChoice()) for n in range(50)} == {"train"}
    assert RowChoice().splits == ("train",)


@pytest.mark.parametrize(
    ("licence", "wanted", "expected"),
    [
        ("CC-BY-2.0", (), True),
        (None, (), True),
        ("CC-BY-2.0", ("cc-by",), True),
        ("CC-BY-2.0-UK", ("cc-by",), True),
        ("CC-BY-2.0", ("CC-BY-2.0",), True),
        ("CC-BY-NC-2.0", ("cc-by",), False),
        ("CC-BY-SA-2.0", ("cc-by",), False),
        ("CC-BY-SA-2.0", ("cc-by", "cc-by-sa"), True),
        ("CC-BY-2.0", ("cc",), False),
        (None, ("cc-by",), False),
        (None, ("not stated",), True),
    ],
)
def test_licences(licence: str | None, wanted: tuple[str, ...], expected: bool) -> None:
    assert has_licence(licence, wanted) is expected
