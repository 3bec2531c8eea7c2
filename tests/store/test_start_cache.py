"""A cache is read as it was written, or taken for nothing."""

from pathlib import Path

import numpy as np
import pytest
from msgspec import Struct

from datagen.store import fingerprint, load_cache, save_cache


class Head(Struct):
    name: str
    number: int


class Other(Struct):
    other: str


ARRAYS = (np.arange(5, dtype=np.uint64), np.empty(0, np.uint32), np.array([7], np.uint32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / ".replies.cache"
    save_cache(path, Head("\n", 3), ARRAYS)
    return path


def test_it_is_read_as_it_was_written(path: Path) -> None:
    found = load_cache(path, Head)
    assert found is not None
    assert found[0] == Head("\n", 3)
    assert [array.tolist() for array in found[1]] == [[0, 1, 2, 3, 4], [], [7]]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_damage_anywhere_makes_it_nothing(path: Path) -> None:
    whole = path.read_bytes()
    for n in range(len(whole)):
        path.write_bytes(whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1 :])
        assert load_cache(path, Head) is None, n
        path.write_bytes(whole[:n])
        assert load_cache(path, Head) is None, n
    path.write_bytes(whole + b"x")
    assert load_cache(path, Head) is None
    path.unlink()
    assert load_cache(path, Head) is None


def test_one_of_another_kind_is_nothing(path: Path) -> None:
    assert load_cache(path, Other) is None


def test_where_none_can_be_written_none_is(tmp_path: Path) -> None:
    (tmp_path / ".a.cache").mkdir()
    save_cache(tmp_path / ".a.cache", Head("a", 1))
    save_cache(tmp_path / "missing" / ".a.cache", Head("a", 1))
    assert (tmp_path / ".a.cache").is_dir()


@pytest.mark.parametrize("size", [10, 5000, 400_000])
def test_a_file_is_told_by_what_stands_before_the_end(tmp_path: Path, size: int) -> None:
    path = tmp_path / "log"
    content = np.random.default_rng(0).bytes(size)
    path.write_bytes(content)
    told = fingerprint(path, size)
    assert told is not None
    path.write_bytes(content + b"more")
    assert fingerprint(path, size) == told
    assert fingerprint(path, size + 1) not in (told, None)
    path.write_bytes(content[:-1])
    assert fingerprint(path, size) is None
    for place in (0, size // 2, size - 1):
        path.write_bytes(content[:place] + b"\0new" + content[place:])
        assert fingerprint(path, size) != told
    path.unlink()
    assert fingerprint(path, size) is None
