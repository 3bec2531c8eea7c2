"""Facts that were paid for or decided by hand do not go in silence between two starts."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import CorpusFiles, make_corpus, make_shards
from loopback import LoopbackServer

import datagen
from datagen.config import load_settings
from datagen.engines.progress import Silence
from datagen.engines.run_shards import merge_shards
from datagen.errors import RunError
from datagen.store.shards import shard_folders

DAMAGES: dict[str, Callable[[Path], object]] = {
    "emptied": lambda path: path.write_bytes(b""),
    "filled with zeros": lambda path: path.write_bytes(b"\0" * path.stat().st_size),
    "removed": lambda path: path.unlink(),
    "cut to half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "its second half filled with zeros": lambda path: path.write_bytes(
        path.read_bytes()[: path.stat().st_size // 2] + b"\0" * (path.stat().st_size - path.stat().st_size // 2)
    ),
    "written in another encoding": lambda path: path.write_text(path.read_text("utf-8"), encoding="utf-16"),
    "of another program": lambda path: path.write_bytes(b"hello\n" * 4000),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CorpusFiles:
    return make_corpus(tmp_path_factory.mktemp("corpus"), 4)


def go(files: CorpusFiles, server: LoopbackServer, out: Path, **more: object) -> datagen.Run:
    teacher = {"name": "loopback", "base_url": server.base_url}
    return datagen.run({**files.settings, "teacher": teacher, "types": ["conversation"]}, out, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", DAMAGES)
def test_lost_replies_are_not_paid_again_unsaid(damage: str, files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer() as server:
        before = go(files, server, tmp_path / "run").summary
        path, n_asked = tmp_path / "run" / "replies.jsonl", server.answered.total()
        sound = path.read_bytes()
        DAMAGES[damage](path)
        for _ in range(2):  # being refused once is no leave
            with pytest.raises(RunError, match=r"replies\.jsonl: of the .* can be read: .* Put the file back") as told:
                go(files, server, tmp_path / "run")
            assert "\n" not in str(told.value)
        assert server.answered.total() == n_asked
        path.write_bytes(sound)
        assert go(files, server, tmp_path / "run").summary == before
        assert server.answered.total() == n_asked


def test_whoever_means_it_goes_on_and_is_not_asked_twice(files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer() as server:
        go(files, server, tmp_path / "run")
        (tmp_path / "run" / "replies.jsonl").unlink()
        go(files, server, tmp_path / "run", change=True)
        assert set(server.answered.values()) == {2}
        go(files, server, tmp_path / "run")
        assert set(server.answered.values()) == {2}


def test_what_was_decided_by_hand_is_not_lost_unsaid(files: CorpusFiles, tmp_path: Path) -> None:
    run = datagen.run({**files.settings, "types": ["conversation"]}, tmp_path / "run")
    settings = run.settings
    (tmp_path / "run" / "decisions.jsonl").write_text('{"sample_id":"1-conversation","image_id":"1"}\n')
    datagen.run(settings, tmp_path / "run", change=True)
    (tmp_path / "run" / "decisions.jsonl").write_text("")
    with pytest.raises(RunError, match=r"what was accepted, rejected or corrected by hand is gone"):
        datagen.run(settings, tmp_path / "run")


def test_one_line_of_many_costs_itself(files: CorpusFiles, tmp_path: Path) -> None:
    many = make_corpus(tmp_path / "corpus", 14)
    with LoopbackServer() as server:
        go(many, server, tmp_path / "run")
        path = tmp_path / "run" / "replies.jsonl"
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
        go(many, server, tmp_path / "run")
        assert server.answered.total() == 15


def test_other_line_ends_are_no_loss_and_embedded_replies_cost_nothing(files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer() as server:
        go(files, server, tmp_path / "run")
        path, n_asked = tmp_path / "run" / "replies.jsonl", server.answered.total()
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        go(files, server, tmp_path / "run")
        assert server.answered.total() == n_asked
    made = datagen.run({**files.settings, "types": ["conversation"]}, tmp_path / "embedded").summary
    (tmp_path / "embedded" / "replies.jsonl").unlink()
    assert datagen.run({**files.settings, "types": ["conversation"]}, tmp_path / "embedded").summary == made


def test_a_merge_does_not_leave_paid_replies_behind(files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer() as server:
        given = {"teacher": {"name": "loopback", "base_url": server.base_url}, "types": ["conversation"]}
        settings = load_settings(None, {**files.settings, **given})
        make_shards(settings, 2, tmp_path / "run")
        folders = shard_folders(tmp_path / "run")
        sound = folders[1].replies.read_bytes()
        folders[1].replies.write_bytes(b"")
        with pytest.raises(RunError, match=r"2-of-2/replies\.jsonl: of the .* 0 can be read"):
            merge_shards(settings, folders, tmp_path / "run", Silence())
        folders[1].replies.write_bytes(sound)
        assert merge_shards(settings, folders, tmp_path / "run", Silence()).summary.samples == 4
