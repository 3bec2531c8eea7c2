"""A key that stands twice in YAML is refused in one sentence, wherever a person writes YAML."""

from pathlib import Path

import msgspec
import pytest

from datagen.api import open_run
from datagen.config import load_settings
from datagen.errors import RecipeError, RunError, SettingsError
from datagen.recipes import load_recipe
from datagen.words import read_words
from datagen.yaml_text import RepeatedKeyError, decode_yaml


def test_yaml_is_read_as_before() -> None:
    assert decode_yaml(b"a: {b: 1}\nc: [1, {b: 2}, {b: 3}]\nd: null\n") == {
        "a": {"b": 1},
        "c": [1, {"b": 2}, {"b": 3}],
        "d": None,
    }
    assert decode_yaml(b"") is None
    assert decode_yaml(b"a: 3", dict[str, int]) == {"a": 3}
    with pytest.raises(msgspec.ValidationError):
        decode_yaml(b"a: x", dict[str, int])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", "'a' stands twice, in lines 1 and 3"),
        ("a:\n  b: {c: 1}\n  b: {c: 2}\n", "'a.b' stands twice, in lines 2 and 3"),
        ("a: [{b: 1, b: 2}]", "'a.b' stands twice, in lines 1 and 1"),
    ],
)
def test_a_key_that_stands_twice_is_told_with_its_lines(text: str, told: str) -> None:
    with pytest.raises(RepeatedKeyError, match=told):
        decode_yaml(text.encode())


def test_settings_words_and_recipes_refuse_it_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("teacher: {name: m}\ntypes: [description]\nteacher: {rpm: 3}\n")
    with pytest.raises(SettingsError, match=r"x\.yaml: not valid YAML \('teacher' stands twice, in lines 1 and 3"):
        load_settings(path, {})
    path.write_text("synonyms: {dog: [hound]}\nsynonyms: {cat: [moggy]}\n")
    with pytest.raises(SettingsError, match="'synonyms' stands twice"):
        read_words(path)
    recipe = tmp_path / "prompts" / "poem"
    recipe.mkdir(parents=True)
    (recipe / "recipe.yaml").write_text("reply_format: json\nmax_tokens: 3\nmax_tokens: 4\n")
    with pytest.raises(RecipeError, match="'max_tokens' stands twice, in lines 2 and 3"):
        load_recipe(recipe)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(9 * [f'*{before}'])}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize("text", [BOMB, "a: &a [*a]\n", "a: &a {b: *a}\n", "synonyms: &s {dog: [*s]}\n"])
def test_aliases_that_never_end_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    for read in (
        read_words,
        lambda path: load_settings(path, {}),
        lambda path: load_settings(None, {"checks.words": str(path)}),
    ):
        with pytest.raises(SettingsError, match=r"x\.yaml: not valid YAML \(.*alias"):
            read(path)
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(RunError, match="alias"):
        _ = open_run(tmp_path).manifest


def test_an_alias_that_ends_is_read() -> None:
    assert decode_yaml(b"a: &a {b: [1]}\nc: *a\nd: [*a, *a]\n")["d"] == [{"b": [1]}, {"b": [1]}]
