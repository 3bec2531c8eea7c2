"""A log whose file is removed, moved, replaced or cut short meanwhile says so, and what it held is kept."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from datagen.errors import RunError
from datagen.records import Reply
from datagen.store import FactLog, read_facts

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows lets nobody remove an open file")


def reply(digest: str) -> Reply:
    return Reply(digest, "1", "t", "m", f"text of {digest}")


def digests(path: Path) -> list[str]:
    return [fact.request_digest if fact else "damaged" for _, fact in read_facts(path, Reply)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run" / "replies.jsonl"


def started(path: Path) -> FactLog[Reply]:
    log = FactLog(path, Reply)
    log.append(reply("a"))
    log.sync()
    return log


@pytest.mark.parametrize(
    ("take_away", "named"),
    [(Path.unlink, r"replies\.jsonl"), (lambda path: shutil.rmtree(path.parent), "run")],
)
def test_what_a_removed_file_held_is_written_anew(path: Path, take_away: Callable[[Path], None], named: str) -> None:
    log = started(path)
    take_away(path)
    with pytest.raises(RunError, match=f"/{named}: was removed while the run went on, so it stopped .* anew"):
        log.sync()
    log.append(reply("b"))  # in flight then
    log.close()
    assert digests(path) == ["a", "b"]


def test_a_loss_is_told_though_nothing_was_written_since(path: Path) -> None:
    log = started(path)
    path.unlink()
    with pytest.raises(RunError, match="was removed"):
        log.close()
    assert digests(path) == ["a"]


def test_a_moved_folder_is_told_with_its_place(path: Path) -> None:
    log = started(path)
    moved = path.parent.with_name("elsewhere")
    path.parent.rename(moved)
    log.append(reply("b"))
    told = f"was moved to {moved}" if Path("/proc/self/fd").is_dir() else "was moved"
    with pytest.raises(RunError, match=f"{path.parent}.*{told}.*nothing is lost"):
        log.sync()
    log.close()
    assert digests(moved / path.name) == ["a", "b"]
    assert not path.parent.exists()


def test_a_renamed_file_is_told_with_its_name(path: Path) -> None:
    log = started(path)
    path.rename(path.with_suffix(".bak"))
    with pytest.raises(RunError, match=r"replies\.jsonl: was moved.*nothing is lost"):
        log.sync()
    log.close()
    assert not path.exists()


def test_another_file_in_its_place_is_left_as_it_is(path: Path) -> None:
    log = started(path)
    path.unlink()
    path.write_bytes(msgspec.json.encode(reply("other")) + b"\n")
    log.append(reply("b"))
    with pytest.raises(RunError, match="was replaced by another file") as told:
        log.close()
    kept = path.with_name(f"replies.{os.getpid()}.kept.jsonl")
    assert kept.name in str(told.value)
    assert (digests(path), digests(kept)) == (["other"], ["a", "b"])


@pytest.mark.parametrize("n_left", [0, 5])
def test_a_file_that_was_cut_short_gets_no_zeros(path: Path, n_left: int) -> None:
    log = started(path)
    log.append(reply("b"))
    os.truncate(path, n_left)
    log.append(reply("c"))
    with pytest.raises(RunError, match="was cut short"):
        log.sync()
    log.append(reply("d"))
    log.close()
    assert b"\0" not in path.read_bytes()
    assert digests(path)[-1] == "d"


def test_a_file_that_was_cut_short_is_told_before_the_next_line(path: Path) -> None:
    log = started(path)
    os.truncate(path, 0)
    with pytest.raises(RunError, match="was cut short"):
        log.sync()
    log.close()


def test_a_file_with_another_number_and_the_same_end_is_the_same(path: Path, tmp_path: Path) -> None:
    """As some network disks number files anew."""
    log = started(path)
    copy = tmp_path / "copy"
    shutil.copy(path, copy)
    copy.replace(path)
    log.sync()
    log.append(reply("b"))
    with pytest.raises(RunError, match="was replaced"):
        log.sync()
    log.close()


def test_a_disk_that_does_not_answer_for_a_moment_is_no_loss(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = started(path)

    def fail(self: Path, **_: object) -> os.stat_result:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "stat", fail)
    log.sync()
    monkeypatch.undo()
    log.close()
