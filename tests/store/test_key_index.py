"""The index beside a log saves reading it again, and is never believed where the log is not what it was."""

from pathlib import Path

import msgspec
import pytest

from datagen import compact_map
from datagen.records import Reply, TextScore, Usage
from datagen.store import ReplyStore, ScoreStore, append_log, cache_path, key_index


def reply(digest: str, text: str = "yes", **more: object) -> Reply:
    return msgspec.convert(
        {"request_digest": digest, "image_id": "1", "response_type": "t", "teacher": "m", "text": text, **more}, Reply
    )


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(key_index, "MIN_SAVED", 4)
    store = ReplyStore(tmp_path / "replies.jsonl")
    for n in range(20):
        store.add(reply(f"r{n}", f"text {n}", is_final=n != 7))
    store.close()
    assert cache_path(store.log.path).is_file()
    return store.log.path


def n_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many lines opening a store reads; the store must know what the log says."""
    reads = []
    plain = append_log.read_facts

    def counted(*asked: object) -> object:
        for found in plain(*asked):  # type: ignore[arg-type]
            reads.append(found)
            yield found

    with monkeypatch.context() as patch:
        patch.setattr(append_log, "read_facts", counted)
        store = ReplyStore(path)
    expected = {fact.request_digest: fact for _, fact in plain(path, Reply) if fact is not None}
    n = len(reads)
    for digest, fact in expected.items():
        assert store.get(digest) == fact
        assert store.is_settled(digest) == fact.is_final
    assert store.n_stored == len(expected)
    store.close()
    return n


def test_only_what_was_written_since_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert n_read(path, monkeypatch) <= 4
    before = n_read(path, monkeypatch)
    with path.open("ab") as file:
        file.write(msgspec.json.encode(reply("r7", "an answer at last")) + b'\nnot json\n{"torn')
    assert n_read(path, monkeypatch) == before + 2


@pytest.mark.parametrize("damage", ["gone", "torn", "another", "of another log"])
def test_an_index_that_does_not_fit_is_passed_over(path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    cache = cache_path(path)
    if damage == "gone":
        cache.unlink()
    elif damage == "torn":
        cache.write_bytes(cache.read_bytes()[:-9])
    elif damage == "another":
        cache.write_bytes(b"something else")
    else:
        store = ReplyStore(path.with_name("other.jsonl"))
        for n in range(20):
            store.add(reply(f"r{n}", f"test {n}", is_final=n != 7))
        store.close()
        cache_path(store.log.path).replace(cache)
    assert n_read(path, monkeypatch) == 20


def test_lines_taken_out_or_put_in_are_seen(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3] + lines[4:]))
    assert n_read(path, monkeypatch) == 19
    path.write_bytes(b"".join([*lines[:3], msgspec.json.encode(reply("new")) + b"\n", *lines[3:]]))
    assert n_read(path, monkeypatch) == 21


def test_a_fact_that_is_not_where_the_index_says_is_looked_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_index, "fingerprint", lambda path, end: "the same")
    store = ReplyStore(path)
    store.add(reply("r20"))
    store.close()
    for n in range(30, 40):
        store = ReplyStore(path)
        store.add(reply(f"r{n}"))
        store.close()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(reversed(lines)))
    store = ReplyStore(path)
    found = store.get("r2")
    assert found is not None
    assert found.text == "text 2"
    store.close()


def test_damaged_lines_are_counted_at_every_start(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with path.open("ab") as file:
        file.write(b"not json\n")
    for n in range(20, 30):
        store = ReplyStore(path)
        store.add(reply(f"r{n}"))
        store.close()
    assert n_read(path, monkeypatch) < 10
    store = ReplyStore(path)
    assert store.log.n_damaged == 1
    store.close()


def test_the_money_is_summed_without_reading(path: Path) -> None:
    store = ReplyStore(path)
    for n in range(20, 40):
        usage = Usage(100, 130, 10)
        store.add(msgspec.structs.replace(reply(f"r{n}"), usage=usage, cost_usd=0.5 if n % 2 else None))
    store.close()
    store = ReplyStore(path)
    assert store.spent.usd == 5.0
    assert store.spent.unpriced["m"] == Usage(1000, 1000, 100)
    store.close()


def test_a_log_with_no_index_beside_it_stays_alone(tmp_path: Path) -> None:
    store = ScoreStore(tmp_path / "scores.jsonl")
    store.add(TextScore("k", "1.jpg", -1.5, -3.0, -0.5, 7))
    store.close()
    assert [file.name for file in tmp_path.iterdir()] == ["scores.jsonl"]


def test_adding_does_not_merge_the_index_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n_merged = 0
    plain = compact_map.DigestMap._merge

    def counted(self: compact_map.DigestMap) -> None:
        nonlocal n_merged
        n_merged += 1
        plain(self)

    monkeypatch.setattr(compact_map.DigestMap, "_merge", counted)
    store = ReplyStore(tmp_path / "replies.jsonl")
    for n in range(1000):
        store.add(reply(f"r{n}"))
        assert store.is_settled(f"r{n}")
    assert n_merged == 0
    store.close()
