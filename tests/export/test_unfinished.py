"""What an export writes stays out of sight until it is whole, and what a killed one left goes with the next."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from datagen.export.dataset_folder import unfinished_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def die_in(out: Path) -> None:
    with unfinished_folder(out) as folder:
        (folder / "train.json").write_text("half a li")
        os.kill(os.getpid(), signal.SIGKILL)


def killed(out: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=die_in, args=(out,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX")
def test_what_a_killed_export_left_goes_with_the_next_of_its_name(tmp_path: Path) -> None:
    killed(tmp_path / "set")
    (left,) = names(tmp_path)
    assert left.startswith(".set.") and (tmp_path / left / "export" / "train.json").is_file()
    with unfinished_folder(tmp_path / "other"):
        pass
    assert names(tmp_path) == [left]
    with unfinished_folder(tmp_path / "set") as folder:
        folder.rename(tmp_path / "set")
    assert names(tmp_path) == ["set"]


def test_what_a_living_export_works_in_stays(tmp_path: Path) -> None:
    with unfinished_folder(tmp_path / "set") as first:
        (first / "train.json").write_text("half a li")
        with unfinished_folder(tmp_path / "set") as second:
            assert second != first
        assert names(first) == ["train.json"]
    assert names(tmp_path) == []


def test_what_only_has_such_a_name_stays(tmp_path: Path) -> None:
    (tmp_path / ".set.mine.unfinished").mkdir()
    (tmp_path / ".set.note.unfinished").write_text("a file of somebody's")
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "lock").touch()
    (tmp_path / ".set.link.unfinished").symlink_to(kept)
    with unfinished_folder(tmp_path / "set"):
        pass
    assert names(tmp_path) == [".set.link.unfinished", ".set.mine.unfinished", ".set.note.unfinished", "kept"]
    assert names(kept) == ["lock"]


def test_nothing_stays_of_an_export_that_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), unfinished_folder(tmp_path / "set") as folder:
        (folder / "train.json").write_text(str(1 / 0))
    assert names(tmp_path) == []
