"""Shards on disks and machines that are not as one would wish: read-only, killed, without pictures, damaged, mixed."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from pathlib import Path

import filelock
import pytest
from conftest import CATEGORIES, CorpusFiles, make_corpus, make_shards, same
from loopback import LoopbackServer, reply_for
from oracle import Oracle
from started import Started
from typer.testing import CliRunner

import datagen
from datagen.cli import app
from datagen.config import Settings, load_settings
from datagen.corpus import load_corpus
from datagen.engines import local
from datagen.engines.local import run_local
from datagen.engines.progress import Silence
from datagen.engines.run_shards import merge_shards, run_shard
from datagen.errors import RunError
from datagen.store.shards import Shard, shard_folders
from datagen.validator.protocol import Abilities


def merge(settings: Settings, out: Path) -> None:
    merge_shards(settings, shard_folders(out), out, Silence())


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def files(tmp_path: Path) -> CorpusFiles:
    return make_corpus(tmp_path / "corpus")


@pytest.fixture
def oracle(files: CorpusFiles, monkeypatch: pytest.MonkeyPatch) -> Oracle:
    """It reads whole answers, probes, and one question it cannot read."""
    corpus = load_corpus(load_settings(None, files.settings).corpus)
    oracle = Oracle(corpus.images, CATEGORIES, Abilities(texts=True, blanks=True))
    monkeypatch.setattr(local, "open_validator", lambda settings: oracle)
    return oracle


def judged(files: CorpusFiles, **more: object) -> Settings:
    return load_settings(None, {**files.settings, "validator.name": "oracle", "types": ["conversation"], **more})


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_shards_on_a_read_only_disk_are_merged_and_left_as_they_are(
    files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    settings = load_settings(None, files.settings)
    run_local(settings, tmp_path / "one", Silence())
    make_shards(settings, 3, tmp_path / "made")
    before, acquire = contents(tmp_path / "made"), filelock.FileLock.acquire

    def refuse(lock: filelock.BaseFileLock, *given: object, **named: object) -> object:
        if "made" in lock.lock_file:
            raise OSError(code, "no writing here")
        return acquire(lock, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    done = CliRunner().invoke(app, ["merge", str(tmp_path / "run"), str(tmp_path / "made")])
    assert done.exit_code == 0, done.output
    same(tmp_path / "one", tmp_path / "run")
    assert contents(tmp_path / "made") == before


def test_a_disk_that_fails_and_a_shard_at_work_are_told(
    files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, out = load_settings(None, files.settings), tmp_path / "split"
    make_shards(settings, 2, out)
    at_work = Shard(2, 2).folder_in(out)
    code = "import filelock, sys; held = filelock.FileLock(sys.argv[1]); held.acquire(); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(at_work.path / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(RunError, match="2-of-2: another datagen process is working on this run"):
            merge(settings, out)

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(filelock.FileLock, "acquire", fail)
    with pytest.raises(RunError, match=r"cannot be read \(Input/output error\)"), at_work.held_for_reading():
        pass
    assert not (out / "summary.json").exists()


def test_what_a_validator_could_not_score_stays_so_in_the_merge(
    files: CorpusFiles, tmp_path: Path, oracle: Oracle
) -> None:
    first = datagen.run(load_settings(None, {**files.settings, "types": ["conversation"]}), tmp_path / "words")
    oracle.blind_to = next(sample for sample in first.iter_samples()).turns[0].question
    settings = judged(files)
    run_local(settings, tmp_path / "one", Silence())
    make_shards(settings, 4, tmp_path / "split")
    merge(settings, tmp_path / "split")
    same(tmp_path / "one", tmp_path / "split")
    assert datagen.open_run(tmp_path / "split").summary.rejected_by_stage["validate"]["too_long"] >= 1


def test_every_shard_has_its_validator_glance_at_the_pictures_of_the_whole_run(
    files: CorpusFiles, tmp_path: Path, oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []  # or a shard of photographs alone would be refused where the run is not
    monkeypatch.setattr(oracle, "look_over", lambda names, load_picture: seen.append(list(names)))
    run_local(judged(files), tmp_path / "one", Silence())
    make_shards(judged(files), 2, tmp_path / "split")
    assert len(seen[0]) == 6 and seen == [seen[0]] * 3


def test_a_balanced_run_with_a_validator_ends_alike(files: CorpusFiles, tmp_path: Path, oracle: Oracle) -> None:
    settings = judged(
        files, **{"types": list(Settings().types), "balance.yes_share": 0.4, "balance.max_share_per_kind": 0.3}
    )
    run_local(settings, tmp_path / "one", Silence())
    make_shards(settings, 4, tmp_path / "split")
    merge(settings, tmp_path / "split")
    same(tmp_path / "one", tmp_path / "split")
    assert datagen.open_run(tmp_path / "split").summary.balance


def test_the_merge_needs_no_pictures(files: CorpusFiles, tmp_path: Path, oracle: Oracle) -> None:
    settings = judged(files)
    run_local(settings, tmp_path / "one", Silence())
    make_shards(settings, 3, tmp_path / "split")
    files.images.rename(tmp_path / "elsewhere")
    done = CliRunner().invoke(app, ["merge", str(tmp_path / "split")])
    assert done.exit_code == 0, done.output
    same(tmp_path / "one", tmp_path / "split")
    assert (tmp_path / "split" / "report.html").exists()


def test_a_missing_score_is_told_and_made_again(files: CorpusFiles, tmp_path: Path, oracle: Oracle) -> None:
    settings = judged(files)
    run_local(settings, tmp_path / "one", Silence())
    make_shards(settings, 3, tmp_path / "split")
    scores = Shard(2, 3).folder_in(tmp_path / "split").scores
    lines = scores.read_bytes().splitlines(keepends=True)
    scores.write_bytes(b"".join(lines[1:]))
    with pytest.raises(RunError, match=r"no shard has the score of .*start the shards' commands again"):
        merge(settings, tmp_path / "split")
    assert not (tmp_path / "split" / "summary.json").exists()
    run_shard(settings, Shard(2, 3), tmp_path / "split", Silence())
    assert sorted(scores.read_bytes().splitlines(keepends=True)) == sorted(lines)
    merge(settings, tmp_path / "split")
    same(tmp_path / "one", tmp_path / "split")


def test_a_whole_run_and_shards_are_not_mixed_in_one_folder(files: CorpusFiles, tmp_path: Path) -> None:
    settings = load_settings(None, {**files.settings, "types": ["conversation"]})
    whole, split = tmp_path / "whole", tmp_path / "split"
    run_local(settings, whole, Silence())
    make_shards(settings, 2, split)
    with pytest.raises(RunError, match="holds a run that was not split; choose another --out"):
        run_shard(settings, Shard(1, 2), whole, Silence())
    with pytest.raises(RunError, match="holds a run that was not split; choose another folder"):
        merge_shards(settings, shard_folders(split), whole, Silence())
    with pytest.raises(RunError, match="put them together with 'datagen merge' first"):
        run_local(settings, split, Silence())
    assert not (split / "run.yaml").exists()
    merge(settings, split)
    same(whole, split)


def test_a_shard_that_is_killed_goes_on_where_it_was(files: CorpusFiles, tmp_path: Path) -> None:
    out, concurrency = tmp_path / "split", 2
    with LoopbackServer(reply=reply_for, delay_s=0.1) as server:
        options = [*files.options, "--teacher", "loopback", "--base-url", server.base_url]
        options += ["--concurrency", str(concurrency), "--out", str(out), "--shard", "1/2"]
        shard = Started(["run", *options], tmp_path / "told")
        shard.wait_until(lambda: server.answered.total() >= 4)
        assert shard.kill() < 0
        told = CliRunner().invoke(app, ["status", str(out)]).output
        assert "replies stored for 9 samples\n" in told and f"process {shard.pid} on " in told and "was killed" in told
        assert f"next      datagen resume {Shard(1, 2).folder_in(out).path}" in told
        assert "not finished" in CliRunner().invoke(app, ["merge", str(out)]).stderr
        asked = {"teacher.name": "loopback", "teacher.base_url": server.base_url}
        settings = load_settings(None, {**files.settings, **asked})
        make_shards(settings, 2, out)
        assert server.answered.total() - len(server.answered) <= concurrency
        merge(settings, out)
        run_local(settings, tmp_path / "one", Silence())
    same(tmp_path / "one", out, "samples.jsonl", "dataset.json")
    shutil.rmtree(out / "shards")
    assert "18 stored, 18 samples planned" in CliRunner().invoke(app, ["status", str(out)]).output
