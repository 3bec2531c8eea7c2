"""What the README and the pages beside it name is there."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from datagen.cli import app
from datagen.export import FORMS
from datagen.pipeline import STAGE_NAMES

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
PROMISED = README.partition("## Not there yet")[0] + README.partition("## Licences")[2] + "".join(PAGES.values())
SHELL = "".join(re.findall(r"^```\n(.*?)^```", PROMISED, re.MULTILINE | re.DOTALL))
COMMANDS = sorted(
    set(re.findall(r"^datagen (\w+)", SHELL, re.MULTILINE)) | set(re.findall(r"`datagen (\w+)", PROMISED))
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_exists(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0


def test_every_option_exists() -> None:
    helps = "".join(CliRunner().invoke(app, [command, "--help"]).stdout for command in COMMANDS)
    ours = re.sub(
        r"python benchmarks/[^`]*|(?:ray start|sbatch|#SBATCH)[^`\n]*", "", PROMISED
    )  # these have options of their own
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", ours))
    assert named
    for option in named - {"--help"}:
        assert re.search(rf"{option}\b", helps), f"no command has {option}"


def test_every_file_exists() -> None:
    named = {
        name.strip("/") for name in re.findall(r"`((?:datagen|tests|training|benchmarks|notebooks)/[\w./]*)`", README)
    }
    named |= set(re.findall(r"\]\(([\w./]+)\)", README))
    assert len(named) > 10
    for name in named:
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_linked_and_links_well(page: str) -> None:
    assert f"](docs/{page})" in README
    for name in re.findall(r"\]\(([\w./]+)\)", PAGES[page]):
        assert (ROOT / "docs" / name).exists(), name


def test_it_is_short_and_names_the_two_commands() -> None:
    assert len(README.splitlines()) <= 250
    for command in ("make demo", "make test"):
        assert command in README


def test_the_changelog_knows_this_version_is_unreleased() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_tables_of_stages_and_forms_are_whole() -> None:
    stages = re.findall(r"^\| (\w+) \|", README.partition("## The stages")[2].partition("\n## ")[0], re.MULTILINE)
    named = [name for name in STAGE_NAMES if name != "review"]  # README tells of it under export
    assert [name for name in stages if name in named] == named
    forms = README.partition("`datagen export RUN --format F --out DIR`")[2].partition("\n\n")[0]
    assert [name for name in FORMS if f"`{name}`" not in forms] == ["claims"]  # told of elsewhere
