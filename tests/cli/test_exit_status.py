"""Long lines go on under their text."""

import asyncio
import io
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from conftest import Terminal

from datagen.cli import exit_status
from datagen.cli.exit_status import echo, echo_fitted, fitted, in_sentences


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


def told_of(command: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(exit_status, "_forget_stdout", lambda: None)  # pytest's own is no file
    monkeypatch.setattr(sys, "stderr", heard := io.StringIO())
    with pytest.raises(typer.Exit):
        in_sentences(command)()
    return heard.getvalue()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("a" * 300, f"datagen: {'a' * 100}…: file name too long.\n"),
        ("no\x1b/there", "datagen: no\\x1b/there: no such file or directory.\n"),
    ],
)
def test_the_path_of_a_system_error_is_told(path: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told_of(lambda: (Path(path).stat(), None)[1], monkeypatch) == told


def test_a_system_error_without_a_path_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    assert told_of(fail, monkeypatch) == "datagen: No space left on device.\n"


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
    monkeypatch.setattr(exit_status, "called_here", lambda: "datagen")
    exit_status.tell_next("datagen view {}", "datagen export {} --out FOLDER", at=Path("my runs/one"))
    assert screen.getvalue().splitlines() == [
        "next      datagen view 'my runs/one'",
        "          datagen export 'my runs/one' --out FOLDER",
    ]


def test_nothing_is_told_where_no_person_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    exit_status.tell_next("datagen view {}", at=Path("run"))
    assert not screen.getvalue()


def test_an_environment_that_is_not_active_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed(monkeypatch, tmp_path / ".venv" / "bin", on_path=None)
    monkeypatch.chdir(tmp_path)
    assert Path(exit_status.called_here()).parent == Path(".venv/bin")
    monkeypatch.chdir(tmp_path / ".venv")
    assert Path(exit_status.called_here()).parent == Path("bin")


def test_another_datagen_on_the_path_is_not_taken_for_this_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "datagen").touch()
    installed(monkeypatch, tmp_path / "own", on_path=other)
    monkeypatch.chdir(other)
    assert Path(exit_status.called_here()).parent == tmp_path / "own"


def test_where_the_shell_finds_it_its_name_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed(monkeypatch, tmp_path / "own", on_path=tmp_path / "own")
    if os.name != "nt":  # it is datagen.exe there
        assert exit_status.called_here() == "datagen"


def test_without_a_script_the_module_is_called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert exit_status.called_here().endswith(" -m datagen")


def test_nothing_that_is_printed_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    echo("a\x1b]0;title\x07 b\x9b2J \u202ec\u3000d")
    echo_fitted(["x\x1b[8m", "two\nlines"])
    assert capsys.readouterr().out == "a\\x1b]0;title\\x07 b\\x9b2J \\x202ec\u3000d\nx\\x1b[8m\ntwo\nlines\n"


def test_all_that_commands_print_goes_through_echo() -> None:
    folder = Path(exit_status.__file__).parent
    own = {path.name for path in folder.glob("*.py") if "typer.echo(" in path.read_text(encoding="utf-8")}
    assert own == {"app.py", "exit_status.py"}  # the first prints the version alone


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_polite_end_is_an_interrupt(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    number = getattr(signal, name)
    usual = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
    inherited = signal.signal(number, usual)  # who starts the tests may have it ignored

    @in_sentences
    def work() -> None:
        signal.raise_signal(number)
        raise AssertionError("it went on")

    try:
        with pytest.raises(typer.Exit) as ended:
            work()
        assert ended.value.exit_code == 130 and "start the same command again" in capsys.readouterr().err
        assert signal.getsignal(number) is usual
    finally:
        signal.signal(number, inherited)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_in_the_background_of_a_script_a_polite_end_waits_for_what_is_in_flight() -> None:
    inherited = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for "datagen run ... &"
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    stored: list[str] = []

    async def in_flight() -> None:
        await asyncio.sleep(0.05)
        stored.append("an answer")

    async def ask() -> None:
        answer = asyncio.create_task(in_flight())
        await asyncio.sleep(0)
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)  # Ctrl-C stays unheard
        await asyncio.sleep(0)
        stored.append("went on")
        signal.raise_signal(signal.SIGTERM)
        try:
            await asyncio.sleep(60)
        finally:
            await answer

    @in_sentences
    def work() -> None:
        asyncio.run(ask())

    try:
        with pytest.raises(typer.Exit) as ended:
            work()
        assert (ended.value.exit_code, stored) == (130, ["went on", "an answer"])
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        for number, handler in inherited.items():
            signal.signal(number, handler)
