"""A run in shards ends as one run does; shards that do not belong together are not merged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from conftest import CorpusFiles, make_shards, same
from hypothesis import given
from hypothesis import strategies as st
from loopback import LoopbackServer, reply_for
from oracle import Oracle
from typer.testing import CliRunner

import datagen
from datagen.cli import app
from datagen.config import Settings, dump_settings, load_settings
from datagen.corpus import load_corpus
from datagen.engines import local, run_shards
from datagen.engines.local import run_local
from datagen.engines.progress import Silence
from datagen.engines.run_shards import merge_shards, run_shard
from datagen.errors import RunError, SettingsError
from datagen.records import Sample
from datagen.store import RunFolder
from datagen.store.shards import Shard, changed_since_merge, read_candidates, shard_folders

DERIVED = ("samples.jsonl", "dataset.json", "summary.json", "README.md", "run.yaml")


def demo_settings(**overrides: object) -> Settings:
    plain = dump_settings(datagen.demo_settings())
    plain["validator"]["name"] = "none"
    return load_settings(None, {**plain, **overrides})


@pytest.fixture(scope="module")
def made_in_three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo in three shards that are not merged; not to be changed."""
    out = tmp_path_factory.mktemp("three") / "run"
    make_shards(demo_settings(), 3, out)
    return out


@pytest.fixture
def three(made_in_three: Path, tmp_path: Path) -> Path:
    """A copy of it of the test's own."""
    return shutil.copytree(made_in_three, tmp_path / "three")


def merged(settings: Settings, out: Path) -> datagen.Run:
    merge_shards(settings, shard_folders(out), out, Silence())
    return datagen.open_run(out)


@pytest.mark.parametrize("count", [1, 5, 24, 30])
def test_shards_merge_into_the_bytes_of_one_run(tmp_path: Path, count: int) -> None:
    settings = demo_settings(**{"balance.yes_share": 0.5})
    run_local(settings, tmp_path / "one", Silence())
    make_shards(settings, count, tmp_path / "split")
    run = merged(settings, tmp_path / "split")
    same(tmp_path / "one", tmp_path / "split")
    assert run.summary.samples == 96


def test_shards_of_a_mix_merge_into_the_bytes_of_one_run(tmp_path: Path) -> None:
    settings = demo_settings(types=None, mix="conversation=2,negation=1,reasoning=3")
    run_local(settings, tmp_path / "one", Silence())
    make_shards(settings, 5, tmp_path / "split")
    assert merged(settings, tmp_path / "split").summary.samples == 47
    same(tmp_path / "one", tmp_path / "split")


def test_copies_are_found_across_shards(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    same_reply = "Question:\nHow does the scene feel today?\n===\nAnswer:\nIt all feels calm and bright, rather warm than cold, with a quiet mood."
    with LoopbackServer(reply=lambda _: same_reply) as server:
        asked = {"teacher.name": "m", "teacher.base_url": server.base_url, "types": ["conversation"]}
        settings = load_settings(None, {**corpus_files.settings, **asked})
        make_shards(settings, 3, tmp_path / "split")
        run = merged(settings, tmp_path / "split")
        assert run.summary.accepted == 1
        assert run.summary.rejected_by_stage == {"dedup": {"exact_copy": 5}}
        n_asked = server.answered.total()
        run_local(settings, tmp_path / "one", Silence())
        assert server.answered.total() == 2 * n_asked == 12
    for name in ("samples.jsonl", "dataset.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "split" / name).read_bytes()


@pytest.fixture
def oracle(monkeypatch: pytest.MonkeyPatch) -> Oracle:
    corpus = load_corpus(datagen.demo_settings().corpus)
    oracle = Oracle(corpus.images, corpus.categories)
    monkeypatch.setattr(local, "open_validator", lambda settings: oracle)
    return oracle


def test_verdicts_are_those_of_one_run(tmp_path: Path, oracle: Oracle, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = demo_settings(
        **{"validator.name": "oracle", "validator.calibration_images": 9, "checks.contradicted": "keep"}
    )
    run_local(settings, tmp_path / "one", Silence())
    make_shards(settings, 4, tmp_path / "split")

    def no_score(*_: object) -> None:
        raise AssertionError("the merge computed a score")

    monkeypatch.setattr(run_shards.ScoreStore, "add", no_score)  # type: ignore[attr-defined]
    assert merged(settings, tmp_path / "split").summary.calibration.judged
    same(tmp_path / "one", tmp_path / "split")


def test_a_shard_asks_nothing_twice_and_resumes(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    with LoopbackServer(reply=reply_for) as server:
        asked = {"teacher.name": "m", "teacher.base_url": server.base_url, "types": ["conversation"]}
        settings = load_settings(None, {**corpus_files.settings, **asked})
        run_shard(settings, Shard(2, 3), tmp_path, Silence())
        assert server.answered.total() == 2
        before = Shard(2, 3).folder_in(tmp_path).candidates.read_bytes()
        tally = run_shard(settings, Shard(2, 3), tmp_path, Silence())
        assert server.answered.total() == 2
        assert tally.n_samples == 2
        assert Shard(2, 3).folder_in(tmp_path).candidates.read_bytes() == before


def test_a_merge_keeps_what_the_run_has(three: Path) -> None:
    settings, out = demo_settings(), three
    merged(settings, out)
    with (out / "replies.jsonl").open("ab") as file:
        file.write(b'{"request_digest":"ours","image_id":"1","response_type":"x","teacher":"t","text":"mine"}\n')
    before = sorted((out / "replies.jsonl").read_bytes().splitlines())
    first = {name: (out / name).read_bytes() for name in DERIVED}
    merged(settings, out)
    assert sorted((out / "replies.jsonl").read_bytes().splitlines()) == before
    assert {name: (out / name).read_bytes() for name in DERIVED} == first
    run_local(settings, out, Silence())  # it is a run like any other
    assert {name: (out / name).read_bytes() for name in DERIVED} == first


def remove(out: Path) -> None:
    shutil.rmtree(Shard(2, 3).folder_in(out).path)


def leave_unfinished(out: Path) -> None:
    Shard(2, 3).folder_in(out).shard.unlink()


def change(out: Path) -> None:
    run_shard(demo_settings(rng_seed=5), Shard(2, 3), out, Silence(), may_change=True)


def double(out: Path) -> None:
    shutil.copytree(Shard(2, 3).folder_in(out).path, out / "shards" / "9-of-3")


def mix(out: Path) -> None:
    run_shard(demo_settings(), Shard(1, 2), out, Silence())


def damage(out: Path) -> None:
    candidates = Shard(2, 3).folder_in(out).candidates
    candidates.write_bytes(candidates.read_bytes()[:-20])


def damage_record(out: Path) -> None:
    Shard(2, 3).folder_in(out).shard.write_text("{")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (remove, "shards 2/3 are missing"),
        (leave_unfinished, "not finished"),
        (change, r"1/3 and 2/3 were not made alike: rng_seed \(0 and 5\)"),
        (double, "name one"),
        (mix, "merge shards of one run"),
        (damage, "is damaged"),
        (damage_record, "cannot be read"),
    ],
)
def test_what_does_not_belong_together_is_told(three: Path, spoil: Callable[[Path], None], told: str) -> None:
    spoil(three)
    with pytest.raises(RunError, match=told):
        merged(demo_settings(), three)
    assert not (three / "summary.json").exists()


def test_shards_of_a_datagen_that_knew_fewer_settings_merge(tmp_path: Path) -> None:
    settings = demo_settings(types=["description"])
    make_shards(settings, 2, tmp_path)
    for n in (1, 2):
        path = Shard(n, 2).folder_in(tmp_path).shard
        record = msgspec.json.decode(path.read_bytes())
        del record["common"]["python_checks"]
        record["common"]["validator.timeout_s"] = None  # of the time when it had no default
        path.write_bytes(msgspec.json.encode(record))
    merged(settings, tmp_path)
    assert (tmp_path / "summary.json").exists()


def test_a_shard_changed_after_the_merge_is_noticed(tmp_path: Path) -> None:
    settings = demo_settings(types=["description"])
    make_shards(settings, 3, tmp_path)
    merged(settings, tmp_path)
    assert changed_since_merge(RunFolder(tmp_path)) == []
    leave_unfinished(tmp_path)
    assert changed_since_merge(RunFolder(tmp_path)) == ["2-of-3"]


def test_the_commands(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    def call(*words: object) -> str:
        done = CliRunner().invoke(app, [str(word) for word in words])
        assert done.exit_code == 0, done.output
        return done.output

    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    assert "2/2" in call("run", *corpus_files.options, "--out", run, "--shard", "2/2")
    call("run", *corpus_files.options, "--out", elsewhere, "--shard", "1/2")
    assert "2-of-2  done" in call("status", run)
    Shard(2, 2).folder_in(elsewhere).path.mkdir()
    assert "2-of-2  0 replies stored for ? samples" in call("status", elsewhere)
    assert "accepted" in call("merge", run, Shard(1, 2).folder_in(elsewhere).path)
    call("run", *corpus_files.options, "--out", tmp_path / "one")
    same(tmp_path / "one", run)
    assert (run / "report.html").exists()
    lost = CliRunner().invoke(app, ["merge", str(tmp_path / "nowhere")])
    assert lost.exit_code == 1
    assert "holds no shards" in lost.output


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/2", "1/2/3", ""])
def test_a_shard_that_cannot_be_is_told(text: str) -> None:
    with pytest.raises(SettingsError, match="expected K/N"):
        Shard.parse(text)


@given(n=st.integers(0, 300), count=st.integers(1, 40))
def test_shards_share_everything_evenly(n: int, count: int) -> None:
    shares = [range(n)[Shard(number, count).cut(n)] for number in range(1, count + 1)]
    assert [one for share in shares for one in share] == list(range(n))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert Shard.parse(f" {count}/{count} ") == Shard(count, count)


def test_candidates_are_samples_that_were_not_compared(tmp_path: Path) -> None:
    settings = demo_settings()
    make_shards(settings, 2, tmp_path)
    found = [one for folder in shard_folders(tmp_path) for one in read_candidates(folder)]
    assert all(isinstance(one, Sample) and one.stage != "dedup" for one in found)
    record = json.loads(Shard(1, 2).folder_in(tmp_path).shard.read_text())
    assert record["shard"] == "1/2"
    assert record["n_samples"] == 48


def test_a_shard_is_not_spread_over_a_cluster(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    told = CliRunner().invoke(
        app, ["run", *corpus_files.options, "--out", str(tmp_path / "run"), "--shard", "1/2", "--engine", "ray"]
    )
    assert told.exit_code == 2
    assert told.stderr == (
        "datagen: --shard 1/2: a shard is made on one machine, so it cannot be spread by --engine ray; "
        "leave one of them out.\n"
    )
    assert not (tmp_path / "run").exists()


def test_a_dataset_made_elsewhere_is_not_split(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text("[]")
    settings = load_settings(None, {"corpus.dataset": str(tmp_path / "data.json"), "corpus.images": str(tmp_path)})
    with pytest.raises(SettingsError, match="taken in as a whole"):
        run_shard(settings, Shard(1, 2), tmp_path / "run", Silence())
