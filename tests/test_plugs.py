"""Python objects take the place of what settings name: typed, resumed, told in run.yaml, refused when missing."""

import asyncio
import importlib.util
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles, make_corpus
from PIL import Image

import datagen
from datagen.errors import ExportError, RunError, SettingsError, TeacherError, ValidatorError

SCRIPT = Path(__file__).resolve().parent.parent / "docs" / "own_parts.py"


def settings_of(files: CorpusFiles, **more: object) -> dict[str, Any]:
    return {**files.settings, "types": ["conversation"], "dedup": {"over_set": False}, **more}


def say(text: str) -> str:
    return f"Question:\nWhat is here?\n===\nAnswer:\n{text}"


def caption_of(request: datagen.Request) -> str:
    return say(request.image.captions[0])


def test_a_function_is_a_teacher_and_a_second_start_asks_nothing(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    asked: list[str] = []

    def counting(request: datagen.Request) -> str:
        asked.append(request.image.image_id)
        return caption_of(request)

    for _ in range(2):
        run = datagen.run(settings_of(corpus_files), tmp_path, teacher=counting)
    assert sorted(asked) == [str(n) for n in range(1, 7)]
    assert run.settings.teacher.name == "python:counting"
    assert run.samples().status.eq("accepted").all()
    assert {sample.provenance.teacher for sample in run.iter_samples()} == {"python:counting"}


def test_a_coroutine_function_is_asked_many_times_at_once(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    under_way, most = 0, 0

    async def slow(request: datagen.Request) -> str:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        return caption_of(request)

    datagen.run(settings_of(corpus_files), tmp_path, teacher=slow)
    assert most == 6


def test_a_reply_may_tell_its_cost(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    def priced(request: datagen.Request) -> datagen.Reply:
        return datagen.Reply(
            request_digest=request.digest, image_id=request.image.image_id, response_type=request.response_type,
            teacher="priced", text=caption_of(request), finish_reason="stop", usage=datagen.Usage(10, 0, 5), cost_usd=0.5,
        )  # fmt: skip

    run = datagen.run(settings_of(corpus_files), tmp_path, teacher=priced)
    assert run.samples().cost_usd.sum() == 3.0


def test_what_a_teacher_raises_costs_its_request_and_is_asked_again(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    is_broken = True

    def shaky(request: datagen.Request) -> Any:
        if is_broken and request.image.image_id == "2":
            raise KeyError("two")
        if is_broken and request.image.image_id == "3":
            return None
        return caption_of(request)

    run = datagen.run(settings_of(corpus_files), tmp_path, teacher=shaky)
    told = ((one.image_id, re.sub(r"line \d+", "line N", str(one.detail))) for one in run.iter_samples() if one.reason)
    assert dict(told) == {
        "2": "python:shaky raised KeyError: 'two' (test_plugs.py, line N)",
        "3": "python:shaky gave NoneType, expected the reply's text",
    }
    is_broken = False
    again = datagen.run(settings_of(corpus_files), tmp_path, teacher=shaky)
    assert again.samples().status.eq("accepted").all()


def test_a_teacher_error_stops_the_run(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    def locked_out(request: datagen.Request) -> str:
        raise TeacherError("the model is gone")

    with pytest.raises(TeacherError, match="the model is gone"):
        datagen.run(settings_of(corpus_files), tmp_path, teacher=locked_out)


def test_a_check_is_told_and_missed_when_it_is_not_there(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    def speaks_of_scene_four(turn: datagen.Turn, image: datagen.AnnotatedImage) -> str | None:
        return f"image {image.image_id}" if "number 4" in turn.answer else None

    run = datagen.run(settings_of(corpus_files), tmp_path, teacher=caption_of, checks=[speaks_of_scene_four])
    table = run.samples()
    assert table[table.status == "rejected"].reason.tolist() == ["speaks_of_scene_four"]
    assert run.summary.rejected_by_stage["checks"] == {"speaks_of_scene_four": 1}
    with pytest.raises(SettingsError, match=r"made with checks in Python \(speaks_of_scene_four\)"):
        datagen.run(run.settings, tmp_path, teacher=caption_of)
    with pytest.raises(SettingsError, match="expected a list of functions"):
        datagen.run(settings_of(corpus_files), tmp_path / "x", checks=speaks_of_scene_four)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="two are called 'speaks_of_scene_four'"):
        datagen.run(settings_of(corpus_files), tmp_path / "x", checks=[speaks_of_scene_four] * 2)


def test_a_check_that_gives_no_sentence_costs_its_turn(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    checks: Any = [lambda turn, image: 5 if "number 4" in turn.answer else None]
    run = datagen.run(settings_of(corpus_files), tmp_path, teacher=caption_of, checks=checks)
    assert run.summary.rejected_by_stage["checks"] == {"check_raised": 1}
    (fallen,) = (sample for sample in run.iter_samples() if sample.status == "rejected")
    assert "<lambda> gave int, expected a sentence or None" in str(fallen.detail)


def fails_deep_down(turn: datagen.Turn, image: datagen.AnnotatedImage) -> str | None:
    return str(json.loads("{"))


def test_the_first_that_a_function_raises_is_told_once_with_its_place(
    corpus_files: CorpusFiles, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def shaky(request: datagen.Request) -> str:
        if request.image.image_id in ("2", "3"):
            raise ValueError("no\nsuch thing")
        return caption_of(request)

    datagen.run(settings_of(corpus_files), tmp_path / "teacher", teacher=shaky)
    run = datagen.run(settings_of(corpus_files), tmp_path / "check", teacher=caption_of, checks=[fails_deep_down])
    of_teacher, of_check = (record.getMessage() for record in caplog.records)
    line = fails_deep_down.__code__.co_firstlineno + 1  # not the line of json's decoder
    assert re.match(r"python:shaky raised ValueError: no such thing \(test_plugs\.py, line \d+\);", of_teacher)
    assert of_check.startswith("fails_deep_down raised JSONDecodeError: ")
    assert f"(test_plugs.py, line {line}); this costs" in of_check
    assert run.summary.rejected_by_stage["checks"] == {"check_raised": 6}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_function_that_always_raises_stops_the_run(tmp_path: Path, workers: int) -> None:
    settings = {**settings_of(make_corpus(tmp_path / "corpus", n_images=30)), "workers": workers}
    n_asked = 0

    def broken(request: datagen.Request) -> str:
        nonlocal n_asked
        n_asked += 1
        raise ZeroDivisionError

    with pytest.raises(
        TeacherError, match=r"teacher_raised: python:broken raised ZeroDivisionError \(test_plugs"
    ) as told:
        datagen.run(settings, tmp_path / "teacher", teacher=broken)
    assert n_asked == 20 and "Mend the function" in str(told.value) and "no text" not in str(told.value)
    run = datagen.run(
        settings, tmp_path / "teacher", teacher=caption_of, change=True
    )  # the mended one is not held back
    assert run.summary.accepted
    told_of_check = r"fails_deep_down raised JSONDecodeError: .* about each of the first 20 samples"
    with pytest.raises(RunError, match=told_of_check):
        datagen.run(settings, tmp_path / "check", checks=[fails_deep_down])
    with pytest.raises(TeacherError, match="check_raised: turn 1: fails_deep_down raised"):  # before more is asked
        datagen.run(settings, tmp_path / "both", teacher=caption_of, checks=[fails_deep_down])


async def _awaited(turn: datagen.Turn, image: datagen.AnnotatedImage) -> None:
    pass


class Empty:
    """Has nothing that is asked for."""


@pytest.mark.parametrize(
    ("plugs", "told"),
    [
        (
            {"teacher": "gpt-4o"},
            "teacher: a Python object is meant here; a name stands in the settings, as teacher.name",
        ),
        ({"teacher": Empty}, "teacher: expected a function"),
        ({"validator": "nano"}, "validator: a Python object is meant here"),
        ({"validator": Empty}, "validator: Empty is a class; make one of it"),
        ({"source": [1]}, "source: list lacks name"),
        ({"checks": [_awaited]}, "is no plain function"),
        ({"checks": [partial(say, "x")]}, "is no plain function"),
        ({"writers": [Empty]}, "expected a mapping"),
        ({"writers": {"w": Empty}}, "w lacks has_pixels, add, close"),
        ({"writers": {"w": 5}}, "w lacks __call__"),
        *(({"writers": {name: print}}, "is no name for a folder") for name in ("", ".", "..", "a/b", "\0", 5)),
    ],
)
def test_what_is_no_plug_is_refused_before_anything_is_asked(
    corpus_files: CorpusFiles, tmp_path: Path, plugs: dict[str, Any], told: str
) -> None:
    with pytest.raises(SettingsError, match=told):
        datagen.run(settings_of(corpus_files), tmp_path / "run", **{"teacher": caption_of, **plugs})
    assert not (tmp_path / "run").exists()


def test_a_writer_that_raises_leaves_the_run_whole(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    class Torn:
        has_pixels = False

        def __init__(self, folder: Path, split: str, settings: datagen.ExportSettings) -> None:
            pass

        def add(self, row: datagen.ExportRow) -> None:
            raise ValueError("no such column")

        def close(self) -> None:
            pass

    with pytest.raises(ExportError, match="torn: the writer raised ValueError: no such column"):
        datagen.run(settings_of(corpus_files), tmp_path, teacher=caption_of, writers={"torn": Torn})
    assert datagen.open_run(tmp_path).summary.accepted == 6
    assert not list((tmp_path / "exports").iterdir())


def test_a_run_of_a_source_is_judged_again_with_the_source(tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "1.png")
    records = [{"file_name": "1.png", "captions": ["A dog sits on a mat."]}]
    source = datagen.ImageRecords(records, tmp_path)
    run = datagen.run({"types": ["conversation"]}, tmp_path / "run", source=source, teacher=caption_of)
    spec = importlib.util.spec_from_file_location("own_parts", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    parts = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(parts)
    with pytest.raises(datagen.DatagenError, match=r"Run\.validate \(source="):
        run.validate(parts.LengthValidator())
    assert run.validate(parts.LengthValidator(), source=source).settings.validator.name == "python:length-1"


def test_objects_that_are_missing_are_named(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    run = datagen.run(settings_of(corpus_files), tmp_path, teacher=caption_of)
    run.folder.replies.unlink()
    (tmp_path / ".watermark.cache").unlink(missing_ok=True)
    with pytest.raises(TeacherError, match=r"is caption_of, in Python; start it again from"):
        datagen.run(run.settings, tmp_path)
    with pytest.raises(ValidatorError, match=r"is seer-1, in Python; give it to datagen.run"):
        datagen.run(settings_of(corpus_files, **{"validator.name": "python:seer-1"}), tmp_path / "other")


def test_the_example_survives_a_kill(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    texts = {
        n: f"A {colour} dog is by {n} cups." for n, colour in enumerate(("brown", "black", "white", "grey"), start=1)
    }
    records = [
        {"file_name": f"{n:012}.jpg", "captions": [text], "boxes": [{"category": "dog", "bbox": [10, 40, 50, 50]}]}
        for n, text in texts.items()
    ]
    (tmp_path / "records.json").write_text(json.dumps(records))
    out = tmp_path / "run"
    command = [sys.executable, str(SCRIPT), str(tmp_path / "records.json"), str(corpus_files.images), str(out)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as killed:
        for _ in wait_for(out / "replies.jsonl"):
            pass
        killed.kill()
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    run = datagen.open_run(out)
    assert done.stdout.strip() == repr(run) == f"<Run {out}: 4 of 4 samples accepted, 4 turns>"
    assert run.settings.validator.name == "python:length-1"
    assert len(run.folder.scores.read_bytes().splitlines()) >= 4
    assert (out / "exports" / "table" / "train.csv").read_text().count("What can be seen here?") == 4


def wait_for(path: Path) -> Iterator[None]:
    deadline = time.monotonic() + 60
    while not (path.is_file() and path.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
        yield


def test_public_names_have_one_home() -> None:
    homes = [name for names in datagen._HOME.values() for name in names.split()]
    assert sorted([*homes, "__version__"]) == sorted(datagen.__all__) == dir(datagen)
