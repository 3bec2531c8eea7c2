"""Results go to a URI whole, or the sentence says why not, before anything is paid for."""

from pathlib import Path

import pytest
from conftest import CorpusFiles
from typer.testing import CliRunner

from datagen.cli import app
from datagen.errors import ExportError, SettingsError
from datagen.export.copy_results import require_writable, send_results

NAMES = ("README.md", "dataset.json", "report.html", "run.yaml", "samples.jsonl", "summary.json")


def run(files: CorpusFiles, out: Path, results: str):
    return CliRunner().invoke(app, ["run", *files.options, "--out", str(out), "--results", results])


def test_a_finished_run_is_copied_and_copied_again(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    there = tmp_path / "far" / "away"
    for _ in range(2):
        ended = run(corpus_files, tmp_path / "run", there.as_uri())
        assert ended.exit_code == 0, ended.output
        assert f"results   {there.as_uri()}" in ended.output
        assert sorted(path.name for path in there.iterdir()) == list(NAMES)
        for name in NAMES:
            assert (there / name).read_bytes() == (tmp_path / "run" / name).read_bytes()
        (there / "samples.jsonl").write_bytes(b"")


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("s3://me:word@bucket/x", "holds a password or key"),
        ("s3://bucket/x?secret_key=abc", "holds a password or key"),
        ("/shared/folder", "expected a URI"),
        ("C:/shared", "expected a URI"),
        ("carrier-pigeon://bucket/x", "cannot be written"),
    ],
)
def test_a_uri_of_no_use_is_told_before_the_run(corpus_files: CorpusFiles, tmp_path: Path, uri: str, told: str) -> None:
    with pytest.raises((SettingsError, ExportError), match=told):
        require_writable(uri)
    ended = run(corpus_files, tmp_path / "run", uri)
    assert ended.exit_code in (1, 2) and told in ended.output
    assert not (tmp_path / "run").exists()


def test_a_place_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ExportError, match="cannot be written"):
        require_writable((tmp_path / "taken").as_uri())


def test_the_summary_goes_first_and_comes_last(tmp_path: Path) -> None:
    files = [tmp_path / "summary.json", tmp_path / "zebra"]
    for path in files:
        path.write_text("new")
    there = tmp_path / "there"
    (there / "zebra").mkdir(parents=True)  # so that it cannot be written
    (there / "summary.json").write_text("old")
    with pytest.raises(ExportError):
        send_results(files, there.as_uri())
    assert not (there / "summary.json").exists()
