"""What workers stored counts once: while it lies in their files, while it is taken in, and afterwards."""

from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from datagen.records import Reply
from datagen.store import ReplyStore, RunFolder, shard_file, shard_files, stored_replies, take_in_replies


def reply(number: int, text: str = "words") -> Reply:
    return Reply(f"digest{number}", str(number), "conversation", "m", text)


def write(path: Path, *replies: Reply, torn: bytes = b"") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in replies) + torn)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Two attempts at one shard, the first killed while it wrote; another shard; and a run with a reply of its own."""
    folder = RunFolder(tmp_path)
    write(folder.replies, reply(1))
    write(shard_file(folder, "session", 1, 1), reply(2), reply(3), torn=b'{"request_dig')
    write(shard_file(folder, "session", 1, 2), reply(4))
    write(shard_file(folder, "session", 2, 1), reply(5))
    return folder


def numbers(folder: RunFolder) -> list[int]:
    return [int(one.image_id) for one in stored_replies(folder)]


def test_what_workers_hold_counts_until_it_is_taken_in_and_then_once(folder: RunFolder) -> None:
    assert numbers(folder) == [1, 2, 3, 4, 5]
    with closing(ReplyStore(folder.replies)) as replies:
        assert take_in_replies(shard_files(folder), replies) == 4
    assert shard_files(folder) == []
    assert numbers(folder) == [1, 2, 3, 4, 5]


def test_a_file_that_was_taken_in_but_not_removed_counts_once(folder: RunFolder) -> None:
    left = shard_files(folder)[0]
    before = left.read_bytes()
    with closing(ReplyStore(folder.replies)) as replies:
        take_in_replies(shard_files(folder), replies)
        left.write_bytes(before)
        assert sorted(numbers(folder)) == [1, 2, 3, 4, 5]
        assert take_in_replies(shard_files(folder), replies) == 0


def test_a_reply_that_was_paid_for_twice_counts_twice(folder: RunFolder) -> None:
    write(shard_file(folder, "session", 2, 2), reply(5, text="other words"))
    assert numbers(folder) == [1, 2, 3, 4, 5, 5]


def test_a_folder_without_replies_has_none(tmp_path: Path) -> None:
    assert numbers(RunFolder(tmp_path / "nowhere")) == []
