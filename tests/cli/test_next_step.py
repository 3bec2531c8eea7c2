"""The next command is told at a terminal alone, as it can be typed there."""

import io
import os
import shutil
import sys
from pathlib import Path

import pytest
from conftest import Terminal

from datagen.cli import next_step


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Take pytest's streams away; in a fixture it would put them back before the test."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr(sys, "stderr", screen)
    return screen


def installed(monkeypatch: pytest.MonkeyPatch, folder: Path, on_path: Path | None) -> None:
    folder.mkdir(parents=True)
    for name in ("datagen", "datagen.exe"):
        (folder / name).touch()
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setattr(shutil, "which", lambda name: None if on_path is None else str(on_path / name))


def test_steps_are_told_with_the_folder_as_a_shell_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    monkeypatch.setattr(next_step, "called_here", lambda: "datagen")
    next_step.tell_next("datagen view {}", "datagen export {} --out FOLDER", at=Path("my runs/one"))
    assert screen.getvalue().splitlines() == [
        "next      datagen view 'my runs/one'",
        "          datagen export 'my runs/one' --out FOLDER",
    ]


def test_nothing_is_told_where_no_person_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    next_step.tell_next("datagen view {}", at=Path("run"))
    assert not screen.getvalue()


def test_an_environment_that_is_not_active_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed(monkeypatch, tmp_path / ".venv" / "bin", on_path=None)
    monkeypatch.chdir(tmp_path)
    assert Path(next_step.called_here()).parent == Path(".venv/bin")
    monkeypatch.chdir(tmp_path / ".venv")
    assert Path(next_step.called_here()).parent == Path("bin")


def test_another_datagen_on_the_path_is_not_taken_for_this_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "datagen").touch()
    installed(monkeypatch, tmp_path / "own", on_path=other)
    monkeypatch.chdir(other)
    assert Path(next_step.called_here()).parent == tmp_path / "own"


def test_where_the_shell_finds_it_its_name_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed(monkeypatch, tmp_path / "own", on_path=tmp_path / "own")
    if os.name != "nt":  # it is datagen.exe there
        assert next_step.called_here() == "datagen"


def test_without_a_script_the_module_is_called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert next_step.called_here().endswith(" -m datagen")
