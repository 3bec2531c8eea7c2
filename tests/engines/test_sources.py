"""Runs on images that are not COCO's: guards, shards, card and report ask the source, whatever it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles, make_corpus, same
from loopback import LoopbackServer, reply_for
from started import Started, end_well
from typer.testing import CliRunner

import datagen
from datagen.cli import app
from datagen.config import load_settings
from datagen.corpus import FileSource, ImageRecords, load_corpus
from datagen.engines.local import run_local
from datagen.engines.plugs import Plugs, settings_of
from datagen.engines.progress import Silence
from datagen.engines.run_shards import merge_shards, run_shard
from datagen.errors import CorpusError, RunError, SettingsError
from datagen.store.shards import Shard, shard_folders

WIDTH, HEIGHT = 200, 100


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CorpusFiles:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def records(files: CorpusFiles) -> list[dict[str, Any]]:
    """The corpus of the files, as records."""
    corpus = load_corpus(load_settings(None, files.settings).corpus)
    return [
        {
            "file_name": image.file_name,
            "captions": list(image.captions),
            "boxes": [
                {
                    "category": box.category,
                    "bbox": [left * WIDTH, top * HEIGHT, (right - left) * WIDTH, (bottom - top) * HEIGHT],
                }
                for box in image.boxes
                for left, top, right, bottom in [box.box_unit]
            ],
            "licence": image.licence,
        }
        for image in corpus.images
    ]


def changed(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**records[0], "captions": ["A dog asleep on a lawn."]}, *records[1:]]


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, records)))
    return path


def questions(run: datagen.Run) -> list[Any]:
    return [[(turn.question, turn.answer) for turn in sample.turns] for sample in run.iter_samples()]


def test_three_sources_of_the_same_images_give_the_same_conversations(
    files: CorpusFiles, records: list[dict[str, Any]], tmp_path: Path
) -> None:
    given = {"types": ["conversation"]}
    tree = json.loads(
        files.instances.read_text()
    )  # records declare the categories of their boxes, and only they are denied
    used = {row["category_id"] for row in tree["annotations"]}
    tree["categories"] = [row for row in tree["categories"] if row["id"] in used]
    (tmp_path / "i.json").write_text(json.dumps(tree))
    own = CorpusFiles(files.captions, tmp_path / "i.json", files.images)
    coco = datagen.run({**own.settings, **given}, tmp_path / "coco")
    source = ImageRecords(records, files.images)
    memory = datagen.run(given, tmp_path / "memory", source=source)
    path = write(tmp_path / "images.jsonl", records)
    lines = datagen.run({"corpus.path": str(path), "corpus.images": str(files.images), **given}, tmp_path / "lines")
    assert questions(coco) == questions(memory) == questions(lines)
    same(tmp_path / "memory", tmp_path / "lines", "samples.jsonl", "dataset.json")


def test_what_the_images_come_from_stands_in_card_and_report(
    files: CorpusFiles, records: list[dict[str, Any]], tmp_path: Path
) -> None:
    source = ImageRecords(records, files.images)
    path = write(tmp_path / "images.jsonl", records)
    corpus = source.load()
    csv = FileSource(name="csv", files={"captions": (str(path),)}, read=lambda: corpus)
    (told,) = source.identity()
    for name, plugged, card, report in (
        ("memory", source, f"- made by a program: `{told}`", f"6 images of {told},"),
        ("csv", csv, "- captions: `images.jsonl`", "6 images of images.jsonl,"),
        ("lines", None, "- image records: `images.jsonl`", "6 images of images.jsonl,"),
    ):
        places = {} if plugged else {"corpus.path": str(path)}
        out = tmp_path / name
        datagen.run({"types": ["conversation"], "corpus.images": str(files.images), **places}, out, source=plugged)
        assert f"## Source\n\n{card}\n\n" in (out / "README.md").read_text()
        assert report in (out / "report.html").read_text()


def test_a_run_on_records_resumes_after_a_kill_and_only_on_the_same_records(
    files: CorpusFiles, records: list[dict[str, Any]], tmp_path: Path
) -> None:
    write(tmp_path / "records.jsonl", records)
    with LoopbackServer(reply=reply_for, delay_s=0.1) as server:
        teacher = {"name": "loopback", "base_url": server.base_url, "concurrency": 2}
        config: dict[str, Any] = {"types": ["conversation", "description"], "teacher": teacher}
        script = (
            "import json, datagen\n"
            f"records = [json.loads(line) for line in open({str(tmp_path / 'records.jsonl')!r})]\n"
            f"source = datagen.ImageRecords(records, {str(files.images)!r})\n"
            f"datagen.run({config!r}, {str(tmp_path / 'run')!r}, source=source)\n"
        )
        killed = Started([], tmp_path / "told", script)
        killed.wait_until(lambda: server.answered.total() >= 4)
        assert killed.kill() < 0
        others = ImageRecords(changed(records), files.images)
        with pytest.raises(RunError, match=r"holds a run on 6 image records \(\w+\), not on 6 image records"):
            datagen.run(config, tmp_path / "run", source=others)
        end_well([], tmp_path / "told", script)
        assert server.answered.total() - len(server.answered) <= 2
        datagen.run(config, tmp_path / "one", source=ImageRecords(records, files.images))
    same(tmp_path / "one", tmp_path / "run", "samples.jsonl", "dataset.json")


def test_a_run_on_records_is_opened_without_them(
    files: CorpusFiles, records: list[dict[str, Any]], tmp_path: Path
) -> None:
    datagen.run({"types": ["conversation"]}, tmp_path / "run", source=ImageRecords(records, files.images))
    run = datagen.open_run(tmp_path / "run")
    assert dict(run.images) == {}
    assert run.settings.corpus.images == str(files.images)
    assert "data:image" in run.show(next(run.iter_samples()).sample_id)._repr_html_()
    run.export("llava", tmp_path / "out", pictures="copy")
    assert (tmp_path / "out" / "images" / "000000000001.jpg").exists()
    for command in (["validate", "--validator", "nano"], ["find", "a dog"]):
        told = CliRunner().invoke(app, [command[0], str(tmp_path / "run"), *command[1:]])
        assert told.exit_code == 1, told.output
        assert "The images of this run come from records, in Python" in told.stderr


def test_a_source_says_what_settings_leave_open(
    files: CorpusFiles, records: list[dict[str, Any]], tmp_path: Path
) -> None:
    source = ImageRecords(records, files.images, is_exhaustive=False)
    settings = datagen.run({"types": ["conversation"]}, tmp_path / "run", source=source).settings
    assert settings.checks.exhaustive == "no"
    given = {"types": ["conversation"], "checks.exhaustive": "yes"}
    assert datagen.run(given, tmp_path / "own", source=source).settings.checks.exhaustive == "yes"
    with pytest.raises(SettingsError, match="A validator needs the pictures"):
        datagen.run({"validator": {"name": "nano"}}, tmp_path / "blind", source=ImageRecords([{"file_name": "1.jpg"}]))
    with pytest.raises(SettingsError, match=r"corpus\.captions, corpus\.instances: a program gives the images"):
        datagen.run(files.settings, tmp_path / "both", source=source)
    with pytest.raises(CorpusError, match=r"records\[1\] \(2\.jpg\): has boxes but no width"):
        box = {"category": "dog", "bbox": [0, 0, 1, 1]}
        frameless = ImageRecords([{"file_name": "1.jpg"}, {"file_name": "2.jpg", "boxes": [box]}])
        datagen.run({}, tmp_path / "frameless", source=frameless)


def test_shards_of_any_source_end_as_one_run(files: CorpusFiles, records: list[dict[str, Any]], tmp_path: Path) -> None:
    path = write(tmp_path / "images.jsonl", records)
    lines = load_settings(None, {"corpus.path": str(path), "corpus.images": str(files.images)})
    plugs = Plugs(source=ImageRecords(records, files.images))
    memory = load_settings(None, settings_of(plugs))
    for name, settings, plugged in (("lines", lines, Plugs()), ("memory", memory, plugs)):
        run_local(settings, tmp_path / name / "one", Silence(), plugs=plugged)
        split = tmp_path / name / "split"
        for number in (1, 2, 3):
            run_shard(settings, Shard(number, 3), split, Silence(), plugs=plugged)
        merge_shards(settings, shard_folders(split), split, Silence(), plugs=plugged)
        same(tmp_path / name / "one", split)


def test_shards_of_different_labels_are_not_merged(
    files: CorpusFiles, records: list[dict[str, Any]], tmp_path: Path
) -> None:
    for number, given in ((1, records), (2, changed(records))):
        path = write(tmp_path / str(number) / "images.jsonl", given)
        told = CliRunner().invoke(
            app,
            ["run", "--corpus", str(path), "--images", str(files.images), "--types", "conversation", "--shard", f"{number}/2", "--out", str(tmp_path / "lines")],
        )  # fmt: skip
        assert told.exit_code == 0, told.output
        plugs = Plugs(source=ImageRecords(given, files.images))
        run_shard(
            load_settings(None, settings_of(plugs)), Shard(number, 2), tmp_path / "memory", Silence(), plugs=plugs
        )
    told = CliRunner().invoke(app, ["merge", str(tmp_path / "lines")])
    assert told.exit_code == 1
    assert "shards 1/2 and 2/2 were not made alike: annotations (image records) (" in told.stderr
    with pytest.raises(RunError, match=r"were not made alike: image records \("):
        merge_shards(
            load_settings(None, settings_of(plugs)), shard_folders(tmp_path / "memory"), tmp_path / "memory", Silence(), plugs=plugs
        )  # fmt: skip


def test_another_file_is_refused_and_a_moved_one_is_not(
    files: CorpusFiles, records: list[dict[str, Any]], tmp_path: Path
) -> None:
    def run(path: Path, exit_code: int = 0) -> str:
        command = ["run", "--corpus", str(path), "--images", str(files.images), "--types", "conversation"]
        done = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "run")])
        assert done.exit_code == exit_code, done.output
        return done.output + done.stderr

    run(write(tmp_path / "images.jsonl", records))
    before = (tmp_path / "run" / "samples.jsonl").read_bytes()
    run(write(tmp_path / "moved" / "images.jsonl", records))
    assert (tmp_path / "run" / "samples.jsonl").read_bytes() == before
    told = run(write(tmp_path / "other.jsonl", records), exit_code=1)
    assert "holds a run on images.jsonl, not on other.jsonl; choose another --out" in told


def test_a_folder_of_an_older_version_resumes_and_is_guarded(files: CorpusFiles, tmp_path: Path) -> None:
    out = tmp_path / "run"
    datagen.run({**files.settings, "types": ["conversation"]}, out)
    stored = (out / "run.yaml").read_text()
    lines = stored.splitlines(keepends=True)
    at = lines.index("source:\n")
    older = "".join(lines[:at] + lines[at + 3 :])
    older = older.replace("    path: null\n", "").replace("    format: null\n", "")
    for resumes in (True, False):
        (out / "run.yaml").write_text(older)
        assert "6 images of captions.json, instances.json," in datagen.open_run(out).write_report().read_text()
        if resumes:
            before = (out / "samples.jsonl").read_bytes()
            datagen.run({**files.settings, "types": ["conversation"]}, out)
            assert (out / "samples.jsonl").read_bytes() == before
            assert (out / "run.yaml").read_text() == stored
    demo = datagen.demo_settings()
    with pytest.raises(RunError, match=r"holds a run on captions\.json, instances\.json, not on captions_demo\.json"):
        datagen.run(demo, out)
