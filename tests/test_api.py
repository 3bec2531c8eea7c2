"""The Python interface: a run as a table, a sample as a card, errors as sentences."""

import json
import re
import shutil
from html import escape as html_escape
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import CorpusFiles

import datagen
from datagen.errors import RunError, SettingsError
from datagen.export import ExportRow, ExportSettings, LeftOut


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, corpus_files: CorpusFiles) -> datagen.Run:
    return datagen.run(corpus_files.settings, tmp_path_factory.mktemp("api") / "run")


def test_samples_are_a_table_with_one_row_each(run: datagen.Run) -> None:
    table = run.samples()
    assert len(table) == 18
    assert {"sample_id", "status", "stage", "reason", "question", "answer", "n_turns", "licence", "teacher"} <= set(
        table
    )
    assert set(table.status) <= {"accepted", "rejected"}
    assert (table.licence == "CC-BY-2.0").all()
    assert table.sample_id.is_unique


def test_a_run_can_be_made_from_a_file(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(
        f"corpus:\n  captions: ['{corpus_files.captions.as_posix()}']\n  images: '{corpus_files.images.as_posix()}'\n"
        "types: [description]\n"
    )
    made = datagen.run(config, tmp_path / "run")
    assert made.summary.samples == 6
    assert datagen.run(str(config), tmp_path / "run").summary == made.summary


def test_a_sample_shows_itself_in_a_notebook(run: datagen.Run) -> None:
    html = run.show("1-conversation")._repr_html_()
    assert html.count("<rect") == 3
    assert 'href="data:image/jpeg;base64,' in html
    answer = run.sample("1-conversation").turns[0].answer
    assert html_escape(answer) in re.sub(r"</?mark[^>]*>", "", html)


def test_the_story_behind_a_sample(run: datagen.Run) -> None:
    reply = run.reply_to(run.sample("2-description"))
    assert reply is not None
    assert reply.teacher == "template"
    assert run.images["2"].file_name == "000000000002.jpg"


def test_an_export_is_the_same_as_the_command_writes(run: datagen.Run, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from datagen.cli import app

    options = ["--format", "messages", "--validation-share", "0.4", "--pictures", "copy", "--licence", "cc-by"]
    CliRunner().invoke(app, ["export", str(run.folder.path), *options, "--out", str(tmp_path / "told")])
    exported = run.export("messages", tmp_path / "made", validation_share=0.4, pictures="copy", licences="cc-by")
    files = {path.relative_to(tmp_path / "made") for path in (tmp_path / "made").rglob("*") if path.is_file()}
    assert len(files) > 6
    assert all((tmp_path / "made" / name).read_bytes() == (tmp_path / "told" / name).read_bytes() for name in files)
    assert sum(exported.counts["rows"].values()) == run.summary.accepted
    claims = run.export("claims", tmp_path / "claims.jsonl")
    n_claims = len((tmp_path / "claims.jsonl").read_bytes().splitlines())
    assert claims.counts["rows"] == {"train": n_claims} and n_claims > run.summary.accepted


class QuestionList:
    """A form of a user's own: a question a line, but none about cats."""

    has_pixels = False

    def __init__(self, folder: Path, split: str, settings: ExportSettings) -> None:
        self.file = (folder / f"{split}.txt").open("w", encoding="utf-8")

    def add(self, row: ExportRow) -> LeftOut | None:
        if "cat" in row.sample.turns[0].question:
            return LeftOut("cat", "it is about a cat")
        self.file.writelines(f"{row.image}: {turn.question}\n" for turn in row.sample.turns)
        return None

    def close(self) -> None:
        self.file.close()


def test_a_form_of_ones_own_is_written_like_any_other(run: datagen.Run, tmp_path: Path) -> None:
    by_class = run.export(QuestionList, tmp_path / "a", pictures="copy")
    by_name = run.export("questions", tmp_path / "b", writers={"questions": QuestionList}, validation_share=0.5)
    manifests = [json.loads((tmp_path / name / "manifest.json").read_bytes()) for name in ("a", "b")]
    assert [manifest["format"] for manifest in manifests] == ["QuestionList", "questions"]
    assert "train.txt" in manifests[0]["files"] and "validation.txt" in manifests[1]["files"]
    accepted = [sample for sample in run.iter_samples() if sample.status == "accepted"]
    about_cats = [one.sample_id for one in accepted if "cat" in one.turns[0].question]
    assert [row["sample_id"] for row in by_class.left_out] == about_cats
    assert by_class.counts["rows"]["train"] == sum(by_name.counts["rows"].values()) == len(accepted) - len(about_cats)
    lines = (tmp_path / "a" / "train.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == sum(len(one.turns) for one in accepted if one.sample_id not in about_cats)
    assert (tmp_path / "a" / "images" / lines[0].partition(":")[0]).is_file()
    with pytest.raises(SettingsError, match=r"there is llava, .*, claims, questions"):
        run.export("pdf", tmp_path / "c", writers={"questions": QuestionList})


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"form": "pdf"}, "No export format 'pdf'; there is llava"),
        ({"form": "llava", "pictures": "paint"}, "expected copy, link or leave"),
        ({"form": "llava", "validation_share": 1.5}, "expected a share"),
        ({"form": "parquet", "shard_mb": 0}, "expected at least 1"),
    ],
)
def test_an_export_that_cannot_be_is_told(
    run: datagen.Run, tmp_path: Path, asked: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        run.export(out=tmp_path / "x", **asked)
    assert not (tmp_path / "x").exists()


def test_a_preview_is_what_the_teacher_is_told(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    from loopback import LoopbackServer

    settings: dict[str, Any] = {**corpus_files.settings, "types": ["reasoning", "negation"], "corpus.limit": 2}
    told = [{"role": one.role, "content": one.content} for one in datagen.preview(settings, "negation", "2")]
    with LoopbackServer() as server:
        datagen.run({**settings, "teacher": {"name": "loopback", "base_url": server.base_url}}, tmp_path / "run")
        assert told in [body["messages"] for _, body in server.seen]
    assert datagen.preview(settings)[0] == datagen.preview(settings, "reasoning", "1")[0]
    with pytest.raises(RunError, match="No response type 'poem'"):
        datagen.preview(settings, "poem")
    with pytest.raises(RunError, match="No image '99'"):
        datagen.preview(settings, image_id="99")


def test_a_run_without_its_corpus_can_still_be_read(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    moved = tmp_path / "corpus"
    shutil.copytree(corpus_files.captions.parent, moved)
    settings = {"corpus": {"captions": [str(moved / "captions.json")], "images": str(moved / "images")}}
    made = datagen.run(settings, tmp_path / "run")
    shutil.rmtree(moved)
    assert made.images == {}
    assert len(made.samples()) == 18
    assert "<image" not in made.show("1-description")._repr_html_()


def test_wrong_use_is_told_in_a_sentence(tmp_path: Path, run: datagen.Run) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        datagen.open_run(tmp_path)
    with pytest.raises(RunError, match="no sample '7-nothing'"):
        run.sample("7-nothing")
    with pytest.raises(SettingsError, match=r"no setting 'corpse'; did you mean corpus\?"):
        datagen.run({"corpse": {}}, tmp_path / "run")


@pytest.mark.parametrize("damage", ["emptied", "cut", "zeros", "one line", "of another program"])
def test_a_damaged_file_is_not_taken_for_a_wrong_name(damage: str, finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    path = tmp_path / "run" / "samples.jsonl"
    content = path.read_bytes()
    first, end = content.split(b"\n", 1)[0], len(content) // 2
    sample_id = msgspec.json.decode(first)["sample_id"]
    path.write_bytes(
        {
            "emptied": b"",
            "cut": content[end:],
            "zeros": b"\0" * end + content[end:],
            "one line": b"{" + content,
            "of another program": b"hello\n" * 9,
        }[damage]
    )
    with pytest.raises(RunError, match=r"samples\.jsonl: of \d+ samples .* 'datagen resume .*' writes it anew"):
        datagen.open_run(tmp_path / "run").sample(sample_id)


def test_damaged_run_files_are_told_in_a_sentence(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    made = datagen.run(corpus_files.settings, tmp_path / "run")
    made.folder.samples.write_text('{"sample_id": 3}\n')
    with pytest.raises(RunError, match=r"samples\.jsonl: .*line 1"):
        list(made.iter_samples())
    made.folder.samples.write_text("not json\n")
    with pytest.raises(RunError, match=r"samples\.jsonl"):
        list(made.iter_samples())
    made.folder.settings.write_text("settings: 3\n")
    with pytest.raises(RunError, match="holds no settings"):
        _ = datagen.open_run(tmp_path / "run").settings


@pytest.mark.parametrize(
    ("keyword", "told"),
    [
        ("limit", "there is no argument 'limit'; did you mean corpus.limit?"),
        ("budget_usd", "did you mean teacher.budget_usd?"),
        ("validatr", "did you mean validator?"),
        ("qwertz", "'datagen settings' lists them all."),
    ],
)
def test_an_unknown_keyword_names_the_setting_that_was_meant(
    keyword: str, told: str, tmp_path: Path, corpus_files: CorpusFiles
) -> None:
    call: Any = datagen.run
    with pytest.raises(SettingsError) as error:
        call(corpus_files.settings, tmp_path / "run", **{keyword: 3})
    assert told in str(error.value) and "Settings stand in the first argument" in str(error.value)
    assert not (tmp_path / "run").exists()


def test_shards_are_made_and_merged_in_python(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    whole = datagen.run(corpus_files.settings, tmp_path / "whole")
    first = datagen.run(corpus_files.settings, tmp_path / "cut", shard="1/2")
    assert "shard 1/2, 9 of 9 samples are candidates" in repr(first)
    assert f"datagen.merge(&#x27;{tmp_path / 'cut'}&#x27;)" in first._repr_html_()
    with pytest.raises(RunError, match="shards 2/2 are missing"):
        datagen.merge(tmp_path / "cut")
    datagen.run(corpus_files.settings, tmp_path / "cut", shard="2/2")
    merged = datagen.merge(tmp_path / "cut")
    assert merged.folder.dataset.read_bytes() == whole.folder.dataset.read_bytes()
    with pytest.raises(SettingsError, match="shard 3/2: expected K/N"):
        datagen.run(corpus_files.settings, tmp_path / "cut", shard="3/2")
    with pytest.raises(RunError, match="holds no shards"):
        datagen.merge(tmp_path / "whole")


def test_a_run_tells_in_a_notebook_how_far_it_is_and_what_comes_next(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    out = tmp_path / "<b>run"
    run = datagen.run(corpus_files.settings, out)
    shown = run._repr_html_()
    assert "<b>run" not in shown and "&lt;b&gt;run" in shown
    assert f"{run.summary.accepted} of 18 samples accepted" in shown and "run.browse()" in shown and "template" in shown
    run.folder.summary.write_bytes(b"{")
    assert "its summary is damaged" in repr(datagen.open_run(out))
    run.folder.summary.unlink()
    assert "not finished" in datagen.open_run(out)._repr_html_() and "datagen resume" in run._repr_html_()


def test_a_run_opens_by_its_run_yaml(run: datagen.Run) -> None:
    assert datagen.open_run(run.folder.settings).folder.path == run.folder.path
