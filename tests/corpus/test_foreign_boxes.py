"""Boxes that other model families write come back as shares, and claims judge them."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import CorpusFiles
from typer.testing import CliRunner

from datagen.api import open_run
from datagen.box_text import boxes_in, in_another_form
from datagen.cli import app
from datagen.corpus.foreign_boxes import READERS, reader_of
from datagen.errors import SettingsError
from datagen.export.coordinates import COORDINATES, Pointed, family_of
from datagen.geometry import iou

BOXES = ((0.123, 0.2, 0.456, 0.9), (0.7, 0.6, 1.0, 1.0))
SIZE = (640, 427)
ONE = "[0.123, 0.200, 0.456, 0.900]"
BOTH = f"{ONE}, [0.700, 0.600, 1.000, 1.000]"


def test_every_family_that_is_written_is_read() -> None:
    assert [*READERS] == [*COORDINATES]


@pytest.mark.parametrize("family", [*COORDINATES, "qwen2.5-vl:100352"])
@pytest.mark.parametrize(
    ("words", "text", "boxes", "is_alone"), [("the dog", ONE, 1, False), ("", ONE, 1, True), ("", BOTH, 2, True)]
)
def test_what_a_family_writes_comes_back(family: str, words: str, text: str, boxes: int, is_alone: bool) -> None:
    written = family_of(family).write(Pointed(words, "dog", BOXES[:boxes], text, is_alone, SIZE))
    read = reader_of(family)(written if is_alone else f"{written} sleeps.", SIZE)
    assert in_another_form(read) is None and read.startswith(f"{words} [" if words else "[")
    found = [one.box for one in boxes_in(read)]
    least = 0.75 if family == "kosmos-2" else 0.97
    assert len(found) == boxes and all(iou(a, b) > least for a, b in zip(found, BOXES, strict=False))


def test_what_is_none_of_theirs_stays() -> None:
    for family in READERS:
        for text in ("A dog sleeps.", "In [1] it is told.", '{"bbox_2d": 3}', "<box>[[1, 2]]</box>", "<loc0001>"):
            assert reader_of(family)(text, SIZE).replace("<box></box>", text) in (text, "")


@pytest.mark.parametrize("family", ["florence", "qwen3-vl:99", "qwen2.5-vl:12", ""])
def test_families_that_are_none_are_told(family: str) -> None:
    with pytest.raises(SettingsError, match=r"--coordinates .*: expected one of shares, llava-1\.5"):
        reader_of(family)


@pytest.mark.parametrize(
    ("form", "family"),
    [("llava", "qwen3-vl"), ("messages", "qwen2.5-vl"), ("parquet", "paligemma"), ("llava", "llava-1.5")],
)
def test_an_export_of_another_form_is_taken_in_and_its_boxes_judged(
    form: str, family: str, corpus_files: CorpusFiles, tmp_path: Path
) -> None:
    def do(*args: str) -> str:
        done = CliRunner().invoke(app, [*args])
        assert done.exit_code == 0, done.output
        return done.output

    types = ("--types", "grounding,grounded_description", "--validator", "none")
    do("run", *corpus_files.options, *types, "--out", str(tmp_path / "first"))
    do("export", str(tmp_path / "first"), "--format", form, "--coordinates", family, "--out", str(tmp_path / "x"))
    images = [] if form == "parquet" else ["--images", str(corpus_files.images)]
    annotated = ["--captions", str(corpus_files.captions), "--instances", str(corpus_files.instances)]
    do("import", str(tmp_path / "x"), *images, *annotated, "--out", str(tmp_path / "again"))
    before = {one.sample_id: one for one in open_run(tmp_path / "first").iter_samples() if one.status == "accepted"}
    after = {one.sample_id: one for one in open_run(tmp_path / "again").iter_samples()}
    assert before.keys() == after.keys() and {one.status for one in after.values()} == {"accepted"}
    judged = [c.verdict for one in after.values() for turn in one.turns for c in turn.claims if c.kind == "box"]
    assert judged and {*judged} == {"supported_by_boxes"}
    (tmp_path / "x" / "manifest.json").unlink()
    do("import", str(tmp_path / "x"), *images, "--coordinates", family, "--out", str(tmp_path / "told"))
    told = {one.sample_id: one for one in open_run(tmp_path / "told").iter_samples()}
    assert [t.answer for one in told.values() for t in one.turns] == [
        t.answer for one in after.values() for t in one.turns
    ]
