"""A working run says so; a killed, a stopped and a finished one are told apart."""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import CorpusFiles
from loopback import LoopbackServer
from started import Started
from typer.testing import CliRunner

import datagen
from datagen.cli import app
from datagen.engines import inputs, local, progress
from datagen.engines.progress import Heartbeat, Pulse, Silence, beating, read_heartbeat
from datagen.errors import RunError
from datagen.store import RunFolder

posix = pytest.mark.skipif(os.name != "posix", reason="asks the system for a process")


def beat(**more: Any) -> Heartbeat:
    now = time.time()
    told = {"pid": os.getpid(), "host": platform.node(), "born": progress._born(os.getpid()), "since": now, "at": now}
    return Heartbeat(**{**told, **more})


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    return process.pid


@posix
def test_a_process_that_is_gone_or_another_of_its_number_is_no_work() -> None:
    assert beat().state == "working"
    assert beat(pid=dead_pid()).state == "killed"
    if Path("/proc/self/stat").exists():
        assert beat(born="1").state == "killed"
    assert beat(ended="interrupted").state == "stopped"


def test_another_machine_is_believed_for_a_while() -> None:
    assert beat(host="elsewhere", pid=1).state == "working"
    assert beat(host="elsewhere", pid=1, at=time.time() - 1000).state == "silent"


def test_what_is_noted_twice_is_told_once() -> None:
    notes: list[str] = []

    class Heard(Silence):
        def note(self, sentence: str) -> None:
            notes.append(sentence)

    pulse = Pulse(Heard())
    for sentence in ("One.", "Two.", "One."):
        pulse.note(sentence)
    assert notes == ["One.", "Two."]


def test_the_time_left_follows_from_what_this_start_did() -> None:
    told = beat(total=100, n_done=40, n_before=20, at=1000.0, task_since=980.0)
    assert told.left_s == pytest.approx(60)
    assert beat(total=100).left_s is None
    assert beat(total=100, n_done=1, at=1000.0, task_since=999.9).left_s is None  # too early to tell


def test_what_is_stored_after_the_beat_is_counted_while_the_teacher_is_asked() -> None:
    told = beat(task="asking the teacher", total=12, n_done=8, at=1000.0)
    told.count_since([999.0, 1001.0, 1002.0])
    assert (told.n_done, told.at) == (10, 1002.0)
    other = beat(task="checking the pictures", total=12, n_done=8, at=1000.0)
    other.count_since([1001.0])
    assert other.n_done == 8


def test_it_counts_and_goes_when_the_work_is_done(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with beating(folder, Silence()) as pulse:
        pulse.begin("asking", 10, 2)
        pulse.step()
        told = msgspec.json.decode(pulse.encode(), type=Heartbeat)
        assert (told.task, told.n_done, told.n_before, told.total) == ("asking", 3, 2, 10)
    assert read_heartbeat(folder) is None


def test_a_failure_says_why_where_there_is_something_to_go_on_with(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with pytest.raises(RunError), beating(folder, Silence()):
        raise RunError("the disk is full\nand more")
    assert read_heartbeat(folder) is None
    folder.settings.write_text("datagen: 1\n")
    with pytest.raises(RunError), beating(folder, Silence()):
        raise RunError("the disk is full\nand more")
    told = read_heartbeat(folder)
    assert told is not None and told.ended == "the disk is full and more"
    folder.heartbeat.write_text("{half")
    assert read_heartbeat(folder) is None


def test_an_interrupt_in_a_program_says_how_to_go_on(
    corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(local, "finish", stop)
    with pytest.raises(KeyboardInterrupt, match=f"'datagen resume {tmp_path}' goes on where it stopped"):
        datagen.run(corpus_files.settings, tmp_path)
    with pytest.raises(KeyboardInterrupt, match="start the program again"):
        datagen.run(corpus_files.settings, tmp_path / "own", teacher=lambda request: "A dog sits on a lawn.")
    out = CliRunner().invoke(app, ["status", str(tmp_path)]).stdout
    assert "stopped   " in out and "ago: interrupted" in out
    assert f"next      datagen resume {tmp_path}" in out
    monkeypatch.undo()
    assert CliRunner().invoke(app, ["resume", str(tmp_path)]).exit_code == 0
    assert "stopped" not in CliRunner().invoke(app, ["status", str(tmp_path)]).stdout


@posix
def test_status_tells_a_working_run_from_a_killed_one(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with LoopbackServer({"rate_limited": 0.9}, max_faults=2, delay_s=0.2, retry_after_s=0.01) as server:
        command = ["run", *corpus_files.options, "--out", str(out)]
        asked = ["--teacher", "loopback", "--base-url", server.base_url, "--concurrency", "1"]
        process = Started([*command, *asked], tmp_path / "told")

        def is_asking() -> bool:
            told = read_heartbeat(RunFolder(out))
            return told is not None and told.task == "asking the teacher" and told.n_done >= 2 and told.n_refusals > 0

        process.wait_until(is_asking)
        working = CliRunner().invoke(app, ["status", str(out)]).stdout
        process.kill()
        killed = CliRunner().invoke(app, ["status", str(out)]).stdout
    assert f"working   process {process.pid} on " in working
    assert "asking the teacher: " in working and " of 18 (" in working and " left" in working
    assert "answers asked for fewer requests (429)" in working
    assert "next " not in working
    assert f"stopped   process {process.pid} on " in killed and "was killed" in killed
    assert f"next      datagen resume {out}" in killed


def test_status_before_the_run_has_its_settings(tmp_path: Path) -> None:
    now = time.time()
    told = beat(task="checking the pictures", total=118_000, n_done=590, host="else\x1bwhere", task_since=now, at=now)
    (tmp_path / ".working.json").write_bytes(msgspec.json.encode(told))
    out = CliRunner().invoke(app, ["status", str(tmp_path)]).stdout
    assert "stage     checking the pictures: 590 of 118,000 (0.5 %), time left not yet known" in out
    assert "\x1b" not in out
    assert json.loads((tmp_path / ".working.json").read_bytes())["total"] == 118_000


@posix
def test_status_while_the_pictures_are_checked_tells_stage_money_and_retries(
    corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def look(*_: object) -> None:
        told = msgspec.json.decode(local_beat(tmp_path), type=Heartbeat)
        told.task, told.total, told.n_done, told.task_since = "checking the pictures", 80, 40, told.at - 10
        (tmp_path / ".working.json").write_bytes(msgspec.json.encode(told))
        seen.append(CliRunner().invoke(app, ["status", str(tmp_path)]).stdout)
        raise RunError("enough")

    monkeypatch.setattr(inputs, "check_pictures", look)
    with LoopbackServer({"rate_limited": 1.0}, max_faults=1, retry_after_s=0.01) as server:
        teacher = {"name": "loopback", "base_url": server.base_url, "price_in_usd_per_mtok": 1000}
        teacher["price_out_usd_per_mtok"] = 0
        with pytest.raises(RunError, match="enough"):
            datagen.run({**corpus_files.settings, "teacher": teacher}, tmp_path)
    assert "stage     checking the pictures: 40 of 80 (50.0 %), about 10 s left of this stage" in seen[0]
    assert "replies   1 stored, 18 samples planned" in seen[0] and "cost      $2." in seen[0]
    assert "retries   " in seen[0] and "rate " not in seen[0] and "next " not in seen[0]
    stopped = CliRunner().invoke(app, ["status", str(tmp_path)]).stdout
    assert "ago: enough" in stopped and "retries   1; 1 answers asked for fewer requests (429)" in stopped


def local_beat(folder: Path) -> bytes:
    return (folder / ".working.json").read_bytes()
