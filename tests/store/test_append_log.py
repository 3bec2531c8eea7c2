"""Facts survive kills, torn lines and damage, and a later line wins."""

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.errors import RunError
from datagen.records import Decision, Reply, TextScore
from datagen.store import FactLog, ReplyStore, ScoreStore, add_decision, read_decisions, read_facts


def reply(digest: str, text: str = "yes", **more: object) -> Reply:
    return msgspec.convert(
        {"request_digest": digest, "image_id": "1", "response_type": "t", "teacher": "m", "text": text, **more}, Reply
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replies.jsonl"


def test_what_is_written_is_read_back(path: Path) -> None:
    store = ReplyStore(path)
    store.add(reply("a", "line\nbreak \u2028 ü"))
    store.add(reply("b"))
    assert store.get("a") == reply("a", "line\nbreak \u2028 ü")
    assert store.get("c") is None
    store.close()
    again = ReplyStore(path)
    assert again.get("a") == reply("a", "line\nbreak \u2028 ü")
    assert again.is_settled("b")
    assert not again.is_settled("c")
    again.close()


@pytest.mark.parametrize("torn", [b"\xff\xfe", b'{"text":"\xff\xff"}', b"\x00" * 300_000])
def test_a_torn_line_of_any_bytes_is_taken_off(path: Path, torn: bytes) -> None:
    whole = msgspec.json.encode(reply("a")) + b"\n"
    path.write_bytes(whole + torn)
    FactLog(path, Reply).close()
    assert path.read_bytes() == whole


@pytest.mark.parametrize("n_kept", range(1, 40, 3))
def test_a_torn_last_line_is_taken_off(path: Path, n_kept: int) -> None:
    log = FactLog(path, Reply)
    log.append(reply("a"))
    whole = path.read_bytes()
    log.append(reply("b"))
    log.close()
    path.write_bytes(path.read_bytes()[: len(whole) + n_kept])
    mended = FactLog(path, Reply)
    mended.append(reply("c"))
    mended.close()
    assert [fact.request_digest for _, fact in read_facts(path, Reply) if fact] == ["a", "c"]
    assert mended.n_damaged == 0


def test_a_whole_line_that_lacks_only_its_end_is_kept(path: Path) -> None:
    path.write_bytes(msgspec.json.encode(reply("a")))
    log = FactLog(path, Reply)
    log.append(reply("b"))
    log.close()
    assert [fact.request_digest for _, fact in read_facts(path, Reply) if fact] == ["a", "b"]


def test_a_torn_line_longer_than_one_block(path: Path) -> None:
    whole = msgspec.json.encode(reply("a")) + b"\n"
    path.write_bytes(whole + b'{"text":"' + b"x" * 200_000)
    FactLog(path, Reply).close()
    assert path.read_bytes() == whole


def test_a_damaged_line_is_passed_over_and_counted(path: Path) -> None:
    lines = [msgspec.json.encode(reply(name)) for name in "abc"]
    path.write_bytes(lines[0] + b"\n\xff\x00 not json\n" + lines[2] + b"\n")
    store = ReplyStore(path)
    assert store.log.n_damaged == 1
    assert store.is_settled("a")
    assert store.is_settled("c")
    store.close()


def test_an_answer_replaces_a_passing_failure(path: Path) -> None:
    store = ReplyStore(path)
    store.add(reply("a", "", error="gave_up", is_final=False))
    assert not store.is_settled("a")
    store.add(reply("a", "at last"))
    assert store.is_settled("a")
    store.close()
    again = ReplyStore(path)
    found = again.get("a")
    assert found is not None
    assert found.text == "at last"
    again.close()


def test_watching_does_not_touch_a_run_at_work(path: Path) -> None:
    path.write_bytes(msgspec.json.encode(reply("a")) + b'\n{"torn')
    before = path.read_bytes()
    assert [fact is None for _, fact in read_facts(path, Reply)] == [False, True]
    assert path.read_bytes() == before


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), max_size=8), st.integers(0, 2000))
def test_cut_anywhere_the_log_holds_a_prefix(texts: list[str], cut: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        log = FactLog(path, Reply)
        for number, text in enumerate(texts):
            log.append(reply(str(number), text))
        log.close()
        path.write_bytes(path.read_bytes()[:cut])
        FactLog(path, Reply).close()
        kept = [fact.text for _, fact in read_facts(path, Reply) if fact is not None]
        assert kept == texts[: len(kept)]
        assert not path.read_bytes() or path.read_bytes().endswith(b"\n")


def test_a_full_disk_is_told_in_a_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ReplyStore(path)
    store.add(reply("a"))

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(RunError, match="disk is full"):
        store.add(reply("b"))
    monkeypatch.undo()
    assert not store.is_settled("b")
    store.close()
    assert ReplyStore(path).is_settled("a")


def test_scores_are_kept_by_key(tmp_path: Path) -> None:
    score = TextScore("k", "1.jpg", -1.5, -3.0, -0.5, 7)
    store = ScoreStore(tmp_path / "scores.jsonl")
    store.add(score)
    store.close()
    again = ScoreStore(tmp_path / "scores.jsonl")
    assert again.get("k") == score
    assert "k" in again
    assert "l" not in again
    again.close()


def test_lines_are_picked_by_what_they_hold_unread(path: Path) -> None:
    path.write_bytes(b"".join(msgspec.json.encode(reply(name)) + b"\n" for name in "abc") + b"b not json\n")
    found = list(read_facts(path, Reply, holding=b'"b"'))
    assert [fact and fact.request_digest for _, fact in found] == ["b"]
    (start, end), _ = found[0]
    assert path.read_bytes()[start:end] == msgspec.json.encode(reply("b"))
    assert [fact and fact.request_digest for _, fact in read_facts(path, Reply, start)] == ["b", "c", None]


def test_damaged_decisions_are_told_and_the_others_kept(path: Path) -> None:
    add_decision(path, Decision("1-a", "1", "accept", "d"))
    with path.open("ab") as file:
        file.write(b'{"sample_id": 7}\n' + b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n")
    add_decision(path, Decision("2-a", "2", "reject", "d"))
    told: list[str] = []
    assert set(read_decisions(path, told.append)) == {"1-a", "2-a"}
    assert len(told) == 1
    assert "2 damaged lines passed over; what was decided there is lost" in told[0]


def test_a_line_nested_beyond_reason_is_a_damaged_one(path: Path) -> None:
    log = FactLog(path, Reply)
    log.append(reply("a"))
    log.close()
    sound = path.read_bytes()
    nested = sound.rstrip(b"}\n") + b',"more":' + 100_000 * b"[" + 100_000 * b"]" + b"}\n"
    path.write_bytes(nested + sound + nested.rstrip(b"\n"))
    assert [fact is None for _, fact in read_facts(path, Reply)] == [True, False, True]
    again = FactLog(path, Reply)
    assert ([fact.request_digest for _, fact in again.scan()], again.n_damaged) == (["a"], 1)
    again.close()
