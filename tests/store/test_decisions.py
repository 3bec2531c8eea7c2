"""Decisions are on disk when they count, survive a torn line, and the last one about a sample wins."""

import os
import threading
from pathlib import Path

import pytest

from datagen.errors import RunError
from datagen.records import Decision
from datagen.store import add_decision, read_decisions


def decision(sample_id: str, verb: str = "reject") -> Decision:
    return Decision(sample_id, "1", verb, "0" * 16)  # type: ignore[arg-type]


def test_without_a_file_nobody_decided(tmp_path: Path) -> None:
    assert read_decisions(tmp_path / "decisions.jsonl") == {}
    assert not list(tmp_path.iterdir())


def test_the_last_one_wins_and_a_torn_line_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    add_decision(path, decision("a"))
    add_decision(path, decision("b"))
    with path.open("ab") as file:
        file.write(b'{"sample_id":"c","verb":"acc')
    assert read_decisions(path).keys() == {"a", "b"}
    add_decision(path, decision("a", "accept"))
    assert {name: one.verb for name, one in read_decisions(path).items()} == {"a": "accept", "b": "reject"}
    assert path.read_bytes().count(b"\n") == 3


def test_several_pages_do_not_write_over_each_other(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"

    def many(name: str) -> None:
        for n in range(10):
            add_decision(path, decision(f"{name}{n}"))

    threads = [threading.Thread(target=many, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_decisions(path)) == 40


@pytest.mark.skipif(os.name != "posix", reason="links are made differently elsewhere")
def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "decisions.jsonl").mkdir()
    with pytest.raises(RunError, match="cannot be written"):
        add_decision(tmp_path / "decisions.jsonl", decision("a"))
