"""The messages, reasons and findings on the page of troubles are those that the code gives."""

import ast
import re
from pathlib import Path

import pytest

from datagen.corpus.lint import level_of

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
TEXTS = [
    node.value
    for path in (ROOT / "datagen").rglob("*.py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.Constant) and isinstance(node.value, str)
]
CODES = set(re.findall(r"\bdef (\w+)\(", "".join(p.read_text() for p in (ROOT / "datagen" / "checks").glob("*.py"))))
CODES |= {text for text in TEXTS if re.fullmatch(r"\w+", text)}
OF_OTHERS = {"datagen: command not found", "nvidia-...", "lost", "killed", "Killed"}


def first_cells(heading: str) -> list[str]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| ")]
    assert len(rows) > 4, heading
    return [named for row in rows[1:] for named in re.findall(r"`([^`]+)`", row)]


@pytest.mark.parametrize(
    "heading",
    ["Installing and starting", "Images and annotations", "The teacher", "The validator", "Runs, exports, the page"],
)
def test_every_message_is_one_of_the_codes(heading: str) -> None:
    for message in set(first_cells(heading)) - OF_OTHERS:
        if message.startswith("datagen "):
            continue  # a command
        for part in re.split(r"\s*\.\.\.\s*", message):
            assert any(part in text for text in TEXTS), part


def test_every_reason_is_one_of_the_codes() -> None:
    for reason in first_cells("Why did a sample fall?"):
        assert any(text.endswith(reason.removeprefix("...")) for text in CODES | set(TEXTS)), reason


def test_lint_finds_what_the_table_says_and_nothing_else() -> None:
    section = PAGE.partition("\n## What lint finds\n")[2]
    told = {
        kind: row[1]
        for row in re.findall(r"^\| (`.+?) \| (error|warning|note) \|", section, re.MULTILINE)
        for kind in re.findall(r"`(\w+)`", row[0])
    }
    assert {kind: level_of(kind) for kind in told} == told
    assert set(told) <= CODES
    corpus = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "datagen" / "corpus").rglob("*.py"))
    found = set(re.findall(r"(?:Finding|PictureError|MaskError)\(\s*\"(\w+)\"", corpus))
    found |= set(re.findall(r"\(?\(\"(box_\w+|unknown_\w+|empty_\w+)\", f?\"", corpus))
    assert found <= set(told)
