"""A program is told how far a run is where somebody can see it: at a terminal, in a notebook, nowhere else."""

import io
import re
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


@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_the_last_state_of_a_bar_is_not_cut(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "xterm")
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    bar = BarProgress()
    bar.begin("looking at the pictures", 118_000)
    bar._n_done, bar._n_judged, bar._n_accepted, bar._cost_usd = 118_000, 118_000, 110_000, 12.34
    bar.end()
    last = " ".join(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue()).rpartition("\r")[2].split())
    assert "…" not in last and "looking at the pictures" in last
    assert "118000/118000" in last and "$12.34" in last and "93.2 % accepted" in last


@pytest.mark.parametrize(
    ("total", "n_done", "told"), [(18, 6, "18 in all, 12 to do"), (18, 0, "18 in all"), (None, 6, "? in all")]
)
def test_a_log_tells_what_is_left(
    capsys: pytest.CaptureFixture[str], total: int | None, n_done: int, told: str
) -> None:
    bar = BarProgress()
    bar.begin("asking the teacher", total, n_done)
    bar.end()
    assert f"asking the teacher: {told}\n" in capsys.readouterr().err


def test_a_reader_that_goes_away_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    bar = BarProgress()
    bar.begin("looking at the pictures", 2)  # rich would end the program
    bar.note("a sentence")
    bar.step()
    bar.end()
    assert bar._console.quiet
