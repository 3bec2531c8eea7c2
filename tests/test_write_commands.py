"""The command reference is what the code would write, and says something of everything."""

import re
from pathlib import Path

import pytest
import write_commands
from typer.testing import CliRunner

from datagen.cli import app
from datagen.config import settings_table

PAGE = write_commands.render_page()
SECTIONS = dict(re.findall(r"^## `datagen ([\w-]+)`\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL))


def test_the_page_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert write_commands.PAGE.read_text(encoding="utf-8") == PAGE, "run: python docs/write_commands.py"
    write_commands.main(check=True)


def test_a_stale_page_is_found_and_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_commands, "PAGE", tmp_path / "commands.md")
    with pytest.raises(SystemExit, match="out of date"):
        write_commands.main(check=True)
    write_commands.main()
    write_commands.main(check=True)
    (tmp_path / "commands.md").write_text(PAGE + "more\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="out of date"):
        write_commands.main(check=True)


@pytest.mark.parametrize("command", sorted(SECTIONS))
def test_each_command_tells_what_its_help_tells(command: str) -> None:
    told = " ".join(CliRunner().invoke(app, [command, "--help"], terminal_width=1000).stdout.split())
    options = set(re.findall(r"^\| `(--[\w-]+)", SECTIONS[command], re.MULTILINE))
    assert options == set(re.findall(r" (--[a-z][\w-]+)", told.partition("Options:")[2])) - {"--help"}
    for row in re.findall(r"^\| `(.*?)` \|(.*)\|$", SECTIONS[command], re.MULTILINE):
        assert row[1].split("|")[-1].strip(), f"{row[0]} has no help"


def test_every_command_and_every_setting_has_its_row() -> None:
    assert set(re.findall(r"^\| \[`([\w-]+)`\]", PAGE, re.MULTILINE)) == set(SECTIONS)
    rows = re.findall(r"^\| `([a-z_.]+)` \|.*?\| (.*?) \| (.*?) \|$", PAGE.partition("## Settings")[2], re.MULTILINE)
    assert [name for name, _, _ in rows] == list(settings_table().rows)
    assert [name for name, takes, meaning in rows if not (takes.strip() and meaning.strip())] == []


def test_defaults_come_from_the_settings() -> None:
    assert (
        "| `--alpha X` | `0.05` | Share of correct answers that the validator may lose. From 0 to 1. |"
        in SECTIONS["run"]
    )
    assert "| `--alpha X` | the run's |" in SECTIONS["validate"]
    assert "| `--judge MODEL` |  | Judge over text" in SECTIONS["run"]  # what its setting needs, an option need not
    assert "| `checks.judge.model` | needed with `checks.judge` |" in PAGE
    assert "| `--out PATH` | needed |" in SECTIONS["run"]
    assert "| `--mix TYPE=N,TYPE=N` |  |" in SECTIONS["run"]
    assert "| `--validator TEXT` | the run's | Who answers questions; by default the run's own. |" in SECTIONS["view"]
    assert "| `--pictures copy\\|link\\|leave` |" in SECTIONS["export"]
    assert "| `--shard-mb N` | `512` | Size of a file, of forms cut into shards. At least 1. |" in SECTIONS["export"]
    assert "datagen import PATH --out PATH [OPTIONS]" in SECTIONS["import"]
