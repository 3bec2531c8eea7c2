"""A dataset made elsewhere as a run: nothing disappears, everything resumes, annotations judge its claims."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from itertools import cycle, product
from pathlib import Path
from typing import Any, Literal, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CorpusFiles
from msgspec.structs import replace
from typer.testing import CliRunner
from written_corpora import WRITERS

from datagen.api import open_run
from datagen.cli import app
from datagen.config import load_settings
from datagen.corpus import load_corpus
from datagen.engines import gather_facts
from datagen.errors import RunError
from datagen.export import FORMS, ExportSettings, RowChoice, Writer, export_folder
from datagen.records import Sample, Validation

RUNNER = CliRunner()
FILES = ("samples.jsonl", "dataset.json", "summary.json", "README.md", "run.yaml")


def record(image: object, *values: str) -> dict[str, Any]:
    turns = [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(values)]
    return {"id": "x", "image": image, "conversations": turns}


RECORDS = [
    record("000000000001.jpg", "<image>\nWhat is on the lawn?", "A dog stands near a cup.", "Is there a cat?", "No, I see no cat."),
    record("000000000002.jpg", "How many dogs are there?\n<image>", "There are three dogs on the grass."),
    record("000000000001.jpg", "<image>\nDescribe the scene.", "A brown dog sits on a lawn beside one small cup."),
    record("000000000077.jpg", "<image>\nWhat is it?", "A large bird on a branch."),
    record("../secret.jpg", "<image>\nWhat is it?", "A hidden thing of great value."),
    record(None, "What is the capital of France?", "It is Paris, a city."),
    record("000000000003.jpg", "What is it?", "The token of the image is missing."),
    record("000000000004.jpg", "<image>\nWho is there?", "Nobody but a dog is there."),
    record("000000000004.jpg", "<image>\nWho is there?", "Nobody but a dog is there."),
]  # fmt: skip


def run(*args: str, exit_code: int = 0) -> str:
    allowed = ["--set", "max_failed=1"] if args[0] == "import" else []  # pictures fail here on purpose
    result = RUNNER.invoke(app, [*args, *allowed])
    assert result.exit_code == exit_code, result.output
    return result.output


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    path = tmp_path / "llava.json"
    path.write_text(json.dumps(RECORDS))
    return path


def samples_of(out: Path) -> dict[str, Sample]:
    return {sample.sample_id: sample for sample in open_run(out).iter_samples()}


def test_every_record_becomes_a_sample_with_a_fate(dataset: Path, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    out = tmp_path / "run"
    told = run("import", str(dataset), "--images", str(corpus_files.images), "--out", str(out))
    assert "imported: 4 samples accepted, 5 rejected" in told
    samples = samples_of(out)
    fates = {name: sample.reason for name, sample in samples.items()}
    assert (
        fates
        == {
            "1-imported": None,
            "1-imported-2": None,
            "2-imported": None,
            "77-imported": "image_missing",
            "secret-imported": "image_outside_folder",
            "3-imported": "no_image_token",
            "4-imported": None,
            "4-imported-2": "question_asked_again",
            "record6-imported": "no_image_named",
        }
        or fates | {"4-imported-2": None} == fates
    )
    assert len(samples) == len(RECORDS)
    assert {claim.verdict for one in samples.values() for turn in one.turns for claim in turn.claims} == {"unknown"}
    exported = json.loads((out / "dataset.json").read_bytes())
    assert [one["id"] for one in exported] == [name for name, one in samples.items() if one.status == "accepted"]
    assert all(one["conversations"][0]["value"].count("<image>") == 1 for one in exported)
    assert open_run(out).settings.teacher.name == "imported"


def test_annotations_judge_the_claims(dataset: Path, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run("import", str(dataset), *corpus_files.options, "--out", str(out))
    samples = samples_of(out)
    assert samples["2-imported"].reason == "count_contradicted"
    verdicts = {claim.verdict for turn in samples["1-imported-2"].turns for claim in turn.claims}
    assert verdicts & {"supported_by_both", "supported_by_boxes"}
    assert samples["1-imported"].provenance.licence == "CC-BY-2.0"


ANY_CORPUS = ("yolo", "voc", "open_images", "webdataset", "datasets", "coco in a folder")


@pytest.mark.parametrize("kind", [*ANY_CORPUS, "a mix"])
def test_a_corpus_of_any_format_judges_the_claims(kind: str, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    whole = load_corpus(load_settings(None, corpus_files.settings).corpus)
    corpora = []
    for label in ("yolo", "voc") if kind == "a mix" else (kind,):
        folder = tmp_path / "data" / label.replace(" ", "_")
        corpora += ["--corpus", str(WRITERS[label].write(whole.images, whole.categories, folder))]
        shutil.copytree(corpus_files.images, folder / WRITERS[label].pictures, dirs_exist_ok=True)
    images = ["--images", str(folder)] if kind == "coco in a folder" else []
    run("run", *corpora, *images, "--types", "conversation", "--validator", "none", "--out", str(tmp_path / "first"))
    run("export", str(tmp_path / "first"), "--format", "llava", "--out", str(tmp_path / "export"))
    run("import", str(tmp_path / "export"), *corpora, *images, "--out", str(tmp_path / "again"))
    before, after = samples_of(tmp_path / "first"), samples_of(tmp_path / "again")
    decided = [
        claim for one in after.values() for turn in one.turns for claim in turn.claims if claim.verdict != "unknown"
    ]
    assert decided and before.keys() == after.keys()
    for name, sample in before.items():
        assert after[name].turns == sample.turns and after[name].image == sample.image
    told = json.loads((tmp_path / "export" / "train.json").read_text())
    told[0]["conversations"][1]["value"] = "There are nine dogs and a zebra in it."
    (tmp_path / "export" / "train.json").write_text(json.dumps(told))
    run("import", str(tmp_path / "export"), *corpora, *images, "--out", str(tmp_path / "again"))
    wrong = samples_of(tmp_path / "again")[told[0]["id"]]
    assert "contradicted" in {
        claim.verdict
        for turn in (*wrong.turns, *(turn for one in wrong.cuts for turn in one.turns))
        for claim in turn.claims
    }


def test_annotations_of_other_pictures_are_told(dataset: Path, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("street.jpg\tA bus.\nroad.jpg\tA car.\n")
    images = ["--images", str(corpus_files.images)]
    told = run(
        "import",
        str(dataset),
        "--corpus",
        str(tmp_path / "other.txt"),
        *images,
        "--out",
        str(tmp_path / "a"),
        exit_code=1,
    )
    assert "its annotations tell of none of them: theirs are called as street.jpg is" in " ".join(told.split())


def test_where_pictures_are_is_found_out_before_it_is_asked(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    shutil.copytree(corpus_files.images, tmp_path / "beside")
    (tmp_path / "beside" / "train.json").write_text(json.dumps(RECORDS[:3]))
    for n, path in enumerate((tmp_path / "beside", tmp_path / "beside" / "train.json")):
        run("import", str(path), "--out", str(tmp_path / f"run{n}"))
        assert not any(one.stage == "teacher" for one in samples_of(tmp_path / f"run{n}").values())
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "train.json").write_text(json.dumps(RECORDS[:3]))
    told = run("import", str(tmp_path / "alone"), "--out", str(tmp_path / "run2"), exit_code=2)
    assert "--images: name the folder of the pictures; the pictures are neither in 'images' beside" in told
    for name, row, said in (
        ("pope", {"question_id": 1, "image": "1.jpg"}, "holds questions that measure a model"),
        ("claims", {"verdict": "unknown"}, "holds claims, and no conversations"),
    ):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row))
        assert said in run("import", str(tmp_path / f"{name}.jsonl"), "--out", str(tmp_path / "run2"), exit_code=1)


def test_it_is_a_run_like_any_other(dataset: Path, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["import", str(dataset), *corpus_files.options, "--out", str(out)]
    run(*command)
    before = {name: (out / name).read_bytes() for name in (*FILES, "replies.jsonl")}
    run(*command)
    assert {name: (out / name).read_bytes() for name in before} == before
    told = run("status", str(out))
    assert "teacher   imported" in told and "tokens" not in told
    story = run("show", str(out), "1-imported-2")
    assert "what its teacher was told is not known" in story and "beside one small cup" in story
    assert "A brown dog sits" in run("show", str(out), "1-imported-2")
    assert "written to" in run("export", str(out), "--out", str(tmp_path / "again.json"))
    assert len(open_run(out).samples()) == len(RECORDS)


def test_a_record_without_a_picture_takes_no_picture_s_id(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    path, images = tmp_path / "llava.json", tmp_path / "images"
    path.write_text(json.dumps([record("record2.jpg", "<image>\nWhat is it?", "A bird."), record(None, "Hm?", "Yes.")]))
    images.mkdir()
    shutil.copy(corpus_files.images / "000000000001.jpg", images / "record2.jpg")
    run("import", str(path), "--images", str(images), "--out", str(tmp_path / "run"))
    assert list(samples_of(tmp_path / "run")) == ["record2-imported", "record2_-imported"]


def test_an_import_that_was_killed_goes_on(
    dataset: Path, corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["import", str(dataset), *corpus_files.options, "--out"]
    run(*command, str(tmp_path / "whole"))
    read = gather_facts.read_records  # type: ignore[attr-defined]

    def killed(path: Path, *translate: Any) -> Any:
        for n, one in enumerate(read(path, *translate)):
            if n == 4:
                raise RunError("killed")
            yield one

    monkeypatch.setattr(gather_facts, "read_records", killed)
    run(*command, str(tmp_path / "cut"), exit_code=1)
    assert len((tmp_path / "cut" / "replies.jsonl").read_text().splitlines()) == 4
    told = run("validate", str(tmp_path / "cut"), "--validator", "none", exit_code=1)
    assert "finish the run" in told
    monkeypatch.setattr(gather_facts, "read_records", read)
    run(*command, str(tmp_path / "cut"))
    for name in (*FILES, "replies.jsonl"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_an_edited_dataset_stores_only_what_changed(dataset: Path, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    command = ["import", str(dataset), "--images", str(corpus_files.images), "--out", str(tmp_path / "run")]
    run(*command)
    dataset.write_text(json.dumps([*RECORDS[1:], record("000000000005.jpg", "<image>\nWhat?", "A new one.")], indent=2))
    run(*command)
    assert len((tmp_path / "run" / "replies.jsonl").read_text().splitlines()) == len(RECORDS) - 1 + 1
    assert "1-imported-2" not in samples_of(tmp_path / "run")


def test_wrong_inputs_are_said(dataset: Path, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    images = ["--images", str(corpus_files.images)]
    for where in (images, []):
        assert "no such dataset file" in run(
            "import", str(tmp_path / "no.json"), *where, "--out", str(tmp_path / "a"), exit_code=1
        )
    told = run("import", str(corpus_files.captions), *images, "--out", str(tmp_path / "b"), exit_code=1)
    assert "looks like a COCO file" in told
    told = run("import", str(dataset), "--images", str(tmp_path), "--out", str(tmp_path / "c"), exit_code=1)
    assert "Did you mean --images" in told or "Give the right folder" in told
    run("import", str(dataset), *images, "--out", str(tmp_path / "d"))
    other = tmp_path / "other.json"
    other.write_text(json.dumps(RECORDS))
    told = run("import", str(other), *images, "--out", str(tmp_path / "d"), exit_code=1)
    assert "holds a run on llava.json, not on other.json" in told


def judged(samples: Iterable[Sample]) -> list[Sample]:
    """Accepted samples with a verdict on every turn but each third."""
    words = cycle(("supported", "not doubted", "not judged"))
    told = []
    for sample in samples:
        if sample.status == "accepted":
            turns = tuple(replace(turn, validation=Validation(next(words))) for turn in sample.turns)  # type: ignore[arg-type]
            told.append(replace(sample, turns=turns))
    return told


def carried(samples: Iterable[Sample], is_named: bool = True) -> list[tuple[object, ...]]:
    """What an export carries of samples: ids, types, names, licences, turns with verdicts."""
    return [
        (
            [(turn.question, turn.answer) for turn in one.turns],
            *(
                (one.sample_id, one.image_id, one.image, one.response_type, one.provenance.licence, verdicts_of(one))
                if is_named
                else ()
            ),
        )
        for one in samples
        if one.status == "accepted"
    ]


def verdicts_of(sample: Sample) -> list[str]:
    return [turn.validation.verdict if turn.validation else "not judged" for turn in sample.turns]


@pytest.mark.parametrize(
    ("form", "pictures"),
    [
        *product(("llava", "messages", "swift", "internvl"), ("copy", "leave")),
        *product(("openai", "parquet", "webdataset"), ("leave",)),
    ],
)
def test_an_export_comes_in_again(
    form: str, pictures: Literal["copy", "leave"], finished: Path, corpus_files: CorpusFiles, tmp_path: Path
) -> None:
    writer = cast("type[Writer]", FORMS[form])
    samples, again = judged(open_run(finished).iter_samples()), tmp_path / "again"
    assert len({one.response_type for one in samples}) > 1

    def export_to(out: Path, given: Iterable[Sample]) -> None:
        choice = RowChoice(validation_share=0.4)
        settings = ExportSettings(form=form, choice=choice, pictures=pictures, shard_bytes=20_000)
        export_folder(given, out, writer, settings, lambda name: corpus_files.images / name, {})

    export_to(tmp_path / "x", samples)
    where = tmp_path / "unpacked" if writer.has_pixels else corpus_files.images
    named = [] if pictures == "copy" else ["--images", str(where)]
    workers = ["--set", f"workers={2 if form == 'messages' else 1}"]
    told = RUNNER.invoke(app, ["import", str(tmp_path / "x"), *named, "--out", str(again), *workers])
    assert told.exit_code == 0, told.output
    found = list(open_run(again).iter_samples())
    order = {text: n for n, text in enumerate(map(repr, carried(found, form != "openai")))}
    expected = sorted(map(repr, carried(samples, form != "openai")), key=order.__getitem__)
    assert expected == list(order)
    if form == "openai":
        assert {one.response_type for one in found} == {"imported"}
    elif pictures == "leave" and not writer.has_pixels:
        by_id = {one.sample_id: one for one in found}
        export_to(tmp_path / "y", [by_id[one.sample_id] for one in samples])
        names = {path.name for path in (tmp_path / "x").iterdir() if path.is_file()}
        assert all((tmp_path / "x" / name).read_bytes() == (tmp_path / "y" / name).read_bytes() for name in names)


def test_pictures_inside_a_file_overwrite_none(finished: Path, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["export", str(finished), "--format", "parquet", "--out", str(tmp_path / "x")])
    assert done.exit_code == 0, done.output
    run("import", str(tmp_path / "x"), "--out", str(tmp_path / "unpacked"))
    names = {one.image for one in samples_of(tmp_path / "unpacked").values()}
    assert {path.name for path in (tmp_path / "unpacked" / "pictures").iterdir()} == names
    assert open_run(tmp_path / "unpacked").summary.accepted == open_run(finished).summary.accepted
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "000000000001.jpg").write_bytes(b"mine")
    told = run("import", str(tmp_path / "x"), "--images", str(folder), "--out", str(tmp_path / "again"), exit_code=1)
    assert "is another picture than the one of that name" in told
    assert (folder / "000000000001.jpg").read_bytes() == b"mine"


def test_rows_cannot_write_outside_or_lie_about_their_ids(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    pixels = (corpus_files.images / "000000000001.jpg").read_bytes()
    talk = [{"role": "user", "content": "<image>What is it?"}, {"role": "assistant", "content": "A dog on a lawn."}]
    named = (
        ("../out.jpg", "a"),
        ("/tmp/out.jpg", "a"),
        ("5.jpg", "a"),
        ("5.jpg", "a"),
        ("5.jpg", "a-2"),
        (None, "../b"),
    )
    rows = [
        {"id": f"5-{kind}", "image_id": "5", "response_type": kind, "messages": talk, "images": [{"bytes": pixels, "path": name}]}
        for name, kind in named
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "d.parquet")
    images = tmp_path / "deep" / "images"
    run("import", str(tmp_path / "d.parquet"), "--images", str(images), "--out", str(tmp_path / "run"))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["images"]
    found = samples_of(tmp_path / "run")
    assert len(found) == len(rows)
    assert [one.reason for one in found.values()].count("image_outside_folder") == 2
    assert {one.response_type for one in found.values()} == {"a", "imported"}
    assert [one.image_id for one in found.values()].count("5") == 3  # four pictures say it is theirs, one is named so


def test_an_export_of_its_own_with_links_is_taken_in(dataset: Path, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    run("import", str(dataset), "--images", str(corpus_files.images), "--out", str(tmp_path / "first"))
    told = ["--format", "llava", "--pictures", "link", "--out", str(tmp_path / "export")]
    done = RUNNER.invoke(app, ["export", str(tmp_path / "first"), *told])
    assert done.exit_code == 0, done.output
    files = tmp_path / "export" / "train.json"
    assert any(path.is_symlink() for path in (tmp_path / "export" / "images").iterdir())
    done = RUNNER.invoke(
        app, ["import", str(files), "--images", str(tmp_path / "export" / "images"), "--out", str(tmp_path / "again")]
    )
    assert done.exit_code == 0, done.output
    again = open_run(tmp_path / "again")
    assert not any(sample.stage == "teacher" for sample in again.iter_samples())
