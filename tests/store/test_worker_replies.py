"""What Ray workers of an earlier version left counts once: while it lies in their files, while it is taken in, and afterwards."""

from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from datagen.records import Reply
from datagen.store import ReplyStore, RunFolder, stored_replies, take_in_replies


def reply(number: int, text: str = "words") -> Reply:
    return Reply(f"digest{number}", str(number), "conversation", "m", text)


def write(path: Path, *replies: Reply, torn: bytes = b"") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in replies) + torn)


def left(folder: RunFolder, shard: int, attempt: int) -> Path:
    return folder.asked / f"0badcafe-{shard:06}-{attempt:03}.jsonl"


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Two attempts at one shard, the first killed while it wrote; another shard; and a run with a reply of its own."""
    folder = RunFolder(tmp_path)
    write(folder.replies, reply(1))
    write(left(folder, 1, 1), reply(2), reply(3), torn=b'{"request_dig')
    write(left(folder, 1, 2), reply(4))
    write(left(folder, 2, 1), reply(5))
    (folder.asked / "0badcafe.here").touch()
    return folder


def numbers(folder: RunFolder) -> list[int]:
    return [int(one.image_id) for one in stored_replies(folder)]


def test_what_workers_hold_counts_until_it_is_taken_in_and_then_once(folder: RunFolder) -> None:
    assert numbers(folder) == [1, 2, 3, 4, 5]
    with closing(ReplyStore(folder.replies)) as replies:
        assert take_in_replies(folder, replies) == 4
    assert not folder.asked.exists()
    assert numbers(folder) == [1, 2, 3, 4, 5]


def test_a_file_that_was_taken_in_but_not_removed_counts_once(folder: RunFolder) -> None:
    first = left(folder, 1, 1)
    before = first.read_bytes()
    with closing(ReplyStore(folder.replies)) as replies:
        take_in_replies(folder, replies)
        write(first)
        first.write_bytes(before)
        assert sorted(numbers(folder)) == [1, 2, 3, 4, 5]
        assert take_in_replies(folder, replies) == 0


def test_a_reply_that_was_paid_for_twice_counts_twice(folder: RunFolder) -> None:
    write(left(folder, 2, 2), reply(5, text="other words"))
    assert numbers(folder) == [1, 2, 3, 4, 5, 5]


def test_a_folder_without_replies_has_none(tmp_path: Path) -> None:
    assert numbers(RunFolder(tmp_path / "nowhere")) == []
