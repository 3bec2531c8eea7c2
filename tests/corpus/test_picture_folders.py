"""Folders of pictures: what is listed, in which order, and by which names from the image folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from datagen.corpus.picture_folders import is_text, name_from, pictures_in, pictures_of, rank_of, walked


def test_pictures_are_known_by_their_suffix_each_stem_once() -> None:
    assert pictures_of(["b.JPG", "a.png", "a.jpg", ".jpg", "a.txt", "c.v2.webp"]) == {
        "a": "a.jpg",
        "b": "b.JPG",
        "c.v2": "c.v2.webp",
    }


def test_a_folder_that_is_none_holds_none(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").touch()
    assert pictures_in(str(tmp_path)) == {"1": "1.jpg"}
    assert pictures_in(str(tmp_path / "1.jpg")) == pictures_in(str(tmp_path / "no")) == {}


def test_folders_are_walked_to_a_depth_and_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a/b/c/d/e/f").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path)
    found = [os.path.relpath(folder, tmp_path) for folder, _ in walked(tmp_path)]
    assert found == [".", "a", "a/b", "a/b/c", "a/b/c/d"]


@pytest.mark.parametrize(
    ("parts", "rank"), [(("images", "train"), 0), (("valid", "images"), 1), (("test",), 2), (("images",), 3)]
)
def test_splits_have_an_order(parts: tuple[str, ...], rank: int) -> None:
    assert rank_of([part.upper() for part in parts]) == rank


def test_names_lead_from_the_image_folder(tmp_path: Path) -> None:
    root, base = tmp_path / "set", tmp_path / "photos"
    (root / "images" / "train").mkdir(parents=True)
    (base / "images").mkdir(parents=True)
    assert name_from(root, root / "images" / "train", root) == "images/train/"
    assert name_from(root / "images" / "train", root / "images" / "train", root) == ""
    assert name_from(base, root / "images", root) == "images/"
    assert name_from(base, root / "images" / "train", root) == ""


def test_a_name_of_any_bytes_is_no_text() -> None:
    assert is_text("café.jpg")
    assert not is_text(os.fsdecode(b"caf\xe9.jpg"))
