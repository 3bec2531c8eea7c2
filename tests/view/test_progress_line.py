"""A program is told how far a run is where somebody can see it: at a terminal, in a notebook, nowhere else."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import CorpusFiles, Terminal

import datagen
from datagen.engines.progress import Silence
from datagen.view import progress_line
from datagen.view.progress_bar import BarProgress
from datagen.view.progress_line import NotebookLine, progress_here


def test_the_place_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(progress_here(), Silence)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert isinstance(progress_here(), BarProgress)
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[misc]
    assert isinstance(progress_here(), NotebookLine)
    monkeypatch.setattr(sys, "stderr", None)
    del shell.kernel
    assert isinstance(progress_here(), Silence)


def test_a_line_in_a_notebook_counts_and_goes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[str] = []

    class Handle:
        def update(self, content: dict[str, str], raw: bool) -> None:
            shown.append(content["text/plain"])

    def display(content: dict[str, str], **_: Any) -> Handle:
        shown.append(content["text/plain"])
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr(progress_line, "DRAW_INTERVAL_S", 0.0)
    line = NotebookLine()
    line.begin("asking the teacher", 1200, 10)
    line.step(0.5)
    line.note("a sentence")
    line.end()
    assert shown[0].startswith("asking the teacher: 10 of 1,200, 0.0/s")
    assert "11 of 1,200" in shown[1] and "$0.50" in shown[1]
    assert shown[-1] == ""
    assert capsys.readouterr().out == "a sentence\n"


def test_true_and_false_have_their_way(
    corpus_files: CorpusFiles, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = {**corpus_files.settings, "types": ["description"]}
    datagen.run(settings, tmp_path / "a")
    datagen.run(settings, tmp_path / "b", progress=False)
    assert capfd.readouterr().err == ""
    datagen.run(settings, tmp_path / "c", progress=True)
    assert "writing the dataset: 6 in all" in capfd.readouterr().err
