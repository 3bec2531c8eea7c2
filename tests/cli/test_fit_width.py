"""Long lines go on under their text."""

import pytest

from datagen.cli.fit_width import echo_fitted, fitted


def test_a_labelled_line_goes_on_under_its_text() -> None:
    line = "lost      37 cut, 30 in rejected samples; 34 of these at fault"
    assert fitted(line, 60) == "lost      37 cut, 30 in rejected samples; 34 of these at\n          fault"
    assert fitted(line, 62) == line
    assert fitted("wrong     between 1.5 and 3.5 %", 30) == "wrong     between 1.5 and\n          3.5 %"


def test_an_indented_line_keeps_its_indent_and_a_path_stays_whole() -> None:
    assert fitted("   A: one two three", 12) == "   A: one\n   two three"
    path = "dataset   /a/long/way/to/the/folder/of-a-run/dataset.json"
    assert fitted(path, 40) == path
    assert fitted("Words that follow no label at all", 20) == "Words that follow no\nlabel at all"


def test_lines_inside_a_line_are_kept() -> None:
    assert fitted("one two\n\nthree four", 7) == "one two\n\nthree\nfour"


def test_only_a_terminal_gets_broken_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    line = "lacks     " + "word " * 20
    monkeypatch.setenv("COLUMNS", "60")
    echo_fitted([line])
    assert capsys.readouterr().out == f"{line}\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    echo_fitted([line])
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 2
    assert all(len(one) <= 60 for one in told)
