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
INDEX = PAGES.pop("README.md")
PROMISED = README + INDEX + "".join(text for name, text in PAGES.items() if name != "measured.md")  # of benchmarks
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
        r"python benchmarks/[^`]*|python -m lmms_eval[^`]*|\(`--include_path`\)|(?:ray start|sbatch|#SBATCH|swift sft|torchrun|hf download)[^`\n]*",
        "",
        PROMISED,
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
def test_every_page_is_in_the_index_and_links_well(page: str) -> None:
    assert re.search(rf"\]\({page}[#)]", INDEX)
    assert_links_lead_somewhere(PAGES[page])


def test_the_index_links_well_and_the_readme_leads_to_it() -> None:
    assert "](docs/README.md)" in README
    assert_links_lead_somewhere(INDEX)


def assert_links_lead_somewhere(text: str) -> None:
    for name, mark in re.findall(r"\]\(([\w./]*)(?:#([\w-]+))?\)", text):
        assert (ROOT / "docs" / name).exists(), name
        if mark and name.endswith(".md"):
            headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / name).read_text(encoding="utf-8"), re.MULTILINE)
            assert mark in {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}, (name, mark)


def test_it_is_read_in_five_minutes_and_names_the_two_commands() -> None:
    assert len(README.splitlines()) <= 200
    for command in ("make demo", "make test"):
        assert command in README


def test_the_changelog_knows_this_version_is_unreleased() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_tables_of_stages_and_forms_are_whole() -> None:
    table = PAGES["run.md"].partition("## The stages")[2].partition("\n## ")[0]
    stages = re.findall(r"^\| (\w+) \|", table, re.MULTILINE)
    named = [name for name in STAGE_NAMES if name != "review"]  # it is told of under export
    assert [name for name in stages if name in named] == named
    forms = re.findall(r"^\| `(\w+)` \|", PAGES["exports.md"].partition("\n\n- ")[0], re.MULTILINE)
    assert forms == list(FORMS)
