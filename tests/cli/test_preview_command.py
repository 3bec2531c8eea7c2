"""A preview shows replies beside verdicts, keeps nothing unless asked, and may be gone on with."""

import re
from pathlib import Path

import pytest
from conftest import CorpusFiles
from loopback import LoopbackServer
from typer.testing import CliRunner

import datagen
from datagen.cli import app


def preview(*args: str, columns: str = "120") -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["preview", *args], env={"COLUMNS": columns})
    return done.exit_code, done.stdout, done.stderr


def test_it_shows_replies_and_verdicts_and_keeps_nothing(
    corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    status, out, _ = preview(*corpus_files.options, "--types", "description,conversation")
    assert status == 0
    assert out.count("reply ") == out.count("verdict") == 6
    assert "1-conversation  000000000001.jpg  accepted" in out
    assert "supported_by_" in out
    assert "about the first 3 images" in out
    assert "kept      nothing" in out
    assert list(tmp_path.iterdir()) == []
    _, narrow, _ = preview(*corpus_files.options, "--types", "description", "--limit", "1", columns="60")
    assert max(map(len, narrow.splitlines())) <= 61
    assert "about the first image" in narrow


def test_it_shows_what_the_teacher_is_told_and_sends_nothing(corpus_files: CorpusFiles) -> None:
    status, out, _ = preview(*corpus_files.options, "--types", "description", "--messages")
    assert status == 0
    assert out.startswith("## description: system\n")
    assert "A dog near 1 small cups" in out


def test_a_kept_preview_becomes_a_run(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer() as server:
        given = [*corpus_files.options, "--types", "description", "--teacher", "m", "--base-url", server.base_url]
        assert preview(*given, "--limit", "2", "--keep", str(tmp_path / "run"))[0] == 0
        assert server.arrivals.total() == 2
        _, out, _ = preview(*given, "--limit", "1")
        assert re.search(r"tokens    \d+ in \(\d+ cached\), \d+ out\ncost      unknown", out)
        priced = ("--set", "teacher.price_in_usd_per_mtok=10", "--set", "teacher.price_out_usd_per_mtok=0")
        _, out, _ = preview(*given, "--limit", "1", *priced)
        assert re.search(r"\ncost      \$0\.0\d+\n", out)
        server.arrivals.clear()
        done = CliRunner().invoke(app, ["run", *given, "--out", str(tmp_path / "run")])
        assert done.exit_code == 0, done.output
        assert server.arrivals.total() == 4
    assert datagen.open_run(tmp_path / "run").summary.samples == 6


def test_replies_of_no_use_are_shown_safely(corpus_files: CorpusFiles) -> None:
    with LoopbackServer(reply=lambda body: "\x1b[31mSure! [bold]no[/bold] :smile:") as server:
        given = ["--types", "conversation", "--teacher", "m", "--base-url", server.base_url]
        status, out, _ = preview(*corpus_files.options, *given)
    assert status == 3
    assert "\x1b" not in out
    assert "\\x1b[31mSure! [bold]no[/bold] :smile:" in out
    assert "rejected in parse: no_turns" in out
