"""A second start of a finished run: nothing is done where nothing changed, and whatever changed is noticed."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import RESULTS, CorpusFiles, make_corpus, same
from loopback import Answer, LoopbackServer, error_answer
from oracle import Oracle
from typer.testing import CliRunner

import datagen
from datagen.cli.app import app
from datagen.config import load_settings
from datagen.corpus import load_corpus
from datagen.engines import finished_mark, local
from datagen.engines.finish_run import Outcome
from datagen.engines.local import run_local
from datagen.engines.progress import Silence
from datagen.recipes import bundled_folder, picture_prompt
from datagen.records import AnnotatedImage, Turn
from datagen.validator import Abilities


@pytest.fixture
def made(tmp_path: Path) -> tuple[CorpusFiles, Path]:
    """A finished run over files of its own."""
    files = make_corpus(tmp_path / "corpus")
    datagen.run(files.settings, tmp_path / "run")
    return files, tmp_path / "run"


def again(files: CorpusFiles, out: Path, **more: Any) -> Outcome:
    return run_local(load_settings(None, {**files.settings, **more}), out, Silence(), may_change=True)


def test_nothing_is_done_where_nothing_changed(made: tuple[CorpusFiles, Path]) -> None:
    files, out = made
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir() if path.name[0] != "."}
    outcome = again(files, out)
    assert outcome.is_unchanged and outcome.summary == datagen.open_run(out).summary
    assert datagen.run(files.settings, out).summary == outcome.summary
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir() if path.name[0] != "."} == before


def test_the_command_says_so_and_tells_the_summary_again(made: tuple[CorpusFiles, Path]) -> None:
    files, out = made
    words = ["run", "--captions", files.captions, "--instances", files.instances, "--images", files.images]
    fresh = CliRunner().invoke(app, [*map(str, words), "--out", str(out.parent / "other")])
    told = CliRunner().invoke(app, [*map(str, words), "--out", str(out.parent / "other")])
    assert fresh.exit_code == told.exit_code == 0
    assert "nothing to do" in told.stderr and "nothing to do" not in fresh.stderr
    assert told.stdout == fresh.stdout


def _edit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    stamp = path.stat()
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # as a disk that fails does


@pytest.mark.parametrize("name", RESULTS)
def test_a_damaged_result_is_made_anew(made: tuple[CorpusFiles, Path], name: str) -> None:
    files, out = made
    datagen.run(files.settings, out.parent / "sound")
    _edit(out / name)
    assert not again(files, out).is_unchanged
    same(out, out.parent / "sound", *RESULTS)
    assert again(files, out).is_unchanged


CHANGES: dict[str, Callable[[CorpusFiles, Path], object]] = {
    "a result is gone": lambda files, out: (out / "dataset.json").unlink(),
    "a fact is gone": lambda files, out: (out / "replies.jsonl").unlink(),
    "a fact is damaged": lambda files, out: _edit(out / "replies.jsonl"),
    "settings were edited": lambda files, out: _edit(out / "run.yaml"),
    "somebody decided": lambda files, out: (out / "decisions.jsonl").write_text("\n"),
    "the mark is damaged": lambda files, out: _edit(out / ".finished.cache"),
    "captions were edited": lambda files, out: os.utime(files.captions, ns=(1, 1)),
    "a picture was exchanged": lambda files, out: os.utime(Path(files.images) / "000000000003.jpg", ns=(1, 1)),
    "a picture is gone": lambda files, out: (Path(files.images) / "000000000003.jpg").unlink(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_noticed(made: tuple[CorpusFiles, Path], change: Callable[[CorpusFiles, Path], object]) -> None:
    files, out = made
    change(files, out)
    assert not again(files, out).is_unchanged


@pytest.mark.parametrize(
    "more",
    [{"rng_seed": 7}, {"workers": 1}, {"types": ["description"]}, {"checks": {"min_answer_words": 3}},
     {"retry": ["gave_up"]}],
    ids=str,
)  # fmt: skip
def test_other_settings_are_noticed(made: tuple[CorpusFiles, Path], more: dict[str, Any]) -> None:
    files, out = made
    assert not again(files, out, **more).is_unchanged


def test_another_version_is_noticed(made: tuple[CorpusFiles, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    files, out = made
    monkeypatch.setattr(finished_mark, "version", lambda name: "0.0.1")
    assert not again(files, out).is_unchanged


def test_a_picture_that_was_missing_is_looked_for_again(tmp_path: Path) -> None:
    files = make_corpus(tmp_path / "corpus")
    picture = Path(files.images) / "000000000003.jpg"
    held = picture.read_bytes()
    picture.unlink()
    datagen.run({**files.settings, "max_failed": 1}, tmp_path / "run")
    assert not (tmp_path / "run" / ".finished.cache").exists()
    picture.write_bytes(held)
    assert again(files, tmp_path / "run", max_failed=1).summary.rejected_by_stage == {}


def answered(body: Mapping[str, Any]) -> str:
    """Sound turns, of which captions and boxes contradict the second where it counts cups."""
    told = str(body["messages"][-1]["content"])
    if "speaks against it" in told:
        return "1. A dog sits beside them."
    (n,) = re.findall(r"scene number (\d+)", told)
    pairs = (
        (f"Which animal sits in garden {n}?", f"A dog sits on the lawn of garden {n}."),
        (f"How many cups are in garden {n}?", f"There are {int(n) + 3} cups in garden {n}."),
    )
    return "\n===\n".join(f"Question:\n{question}\n===\nAnswer:\n{answer}" for question, answer in pairs)


class Asked:
    """Runs of an LLM on loopback that refuses what it is asked about some scenes, and is not there for others."""

    def __init__(self, files: CorpusFiles, out: Path) -> None:
        self.files, self.out, self.url = files, out, ""
        self.sent: list[str] = []
        self.refused: set[str] = set()
        self.lost: set[str] = set()
        self.lost_repairs = False

    def intercept(self, body: Mapping[str, Any], _: int) -> Answer | None:
        told = str(body["messages"][-1]["content"])
        self.sent.append(told)
        if "speaks against it" in told:
            return error_answer(500, "out of order") if self.lost_repairs else None
        (n,) = re.findall(r"scene number (\d+)", told)
        if n in self.refused:
            return error_answer(400, "content management policy", "content_filter")
        return error_answer(400, "strange", "strange") if n in self.lost else None

    def start(self, **more: Any) -> Outcome:
        """Start it, or go on."""
        self.sent.clear()
        teacher = {"name": "gpt-4o", "base_url": self.url, "max_attempts": 1, "concurrency": 1}
        given = {"teacher": {**teacher, **more.pop("teacher", {})}, "types": ["conversation"], "max_unreadable": None}
        return again(self.files, self.out, **{**given, "workers": 1, "dedup": {"over_set": False}, **more})


@pytest.fixture
def asked(corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    asked = Asked(corpus_files, tmp_path / "run")
    with LoopbackServer(reply=answered, intercept=asked.intercept) as server:
        asked.url = server.base_url
        yield asked


def test_a_final_refusal_is_settled(asked: Asked) -> None:
    asked.refused = {"3", "5"}
    first = asked.start()
    assert first.summary.rejected_by_stage["teacher"].keys() == {"content_filter"} and not first.is_unchanged
    second = asked.start()
    assert second.is_unchanged and not asked.sent and second.summary == first.summary
    assert (second.share_failed, second.failure) == (first.share_failed, first.failure)
    assert not asked.start(retry=["teacher_raised"]).is_unchanged, "another reason is named, and looked for"
    asked.refused.clear()
    told = asked.start(retry=["content_filter"])
    assert not told.is_unchanged and len(asked.sent) == 2 and not told.summary.rejected_by_stage.get("teacher")
    assert asked.start().is_unchanged and not asked.sent


def test_what_a_resume_asks_again_is_not(asked: Asked) -> None:
    asked.refused, asked.lost = {"3"}, {"4"}
    assert asked.start().summary.rejected_by_stage["teacher"].keys() > {"content_filter"}
    assert not asked.start().is_unchanged and asked.sent
    asked.lost.clear()
    assert not asked.start().is_unchanged and len(asked.sent) == 1
    assert asked.start().is_unchanged and not asked.sent


def test_repairs_are_settled_once_all_are_answered(asked: Asked) -> None:
    asked.lost_repairs = True
    asked.start(repair=1)
    assert len(asked.sent) > 6
    asked.lost_repairs = False
    first = asked.start(repair=1)
    assert not first.is_unchanged and asked.sent
    assert asked.start(repair=1).is_unchanged and not asked.sent
    assert not asked.start(repair=2).is_unchanged
    assert not asked.start(repair=2, retry=["remark_as_repair"]).is_unchanged


def test_another_price_or_more_samples_are_noticed(asked: Asked) -> None:
    asked.refused = {"3"}
    asked.start()
    for change in ({"teacher": {"price_in_usd_per_mtok": 1.0}}, {"more": 2}, {"more": 0}):
        assert asked.start().is_unchanged
        assert not asked.start(**change).is_unchanged
        asked.start()


@pytest.mark.parametrize("name", ["conversation/system.txt", "repair.txt", "shown.txt"])
def test_another_prompt_is_noticed(asked: Asked, tmp_path: Path, name: str) -> None:
    own = tmp_path / "own"
    for part in ("prompts", "seeds"):
        shutil.copytree(bundled_folder(part), own / part)
    given: dict[str, Any] = {"repair": 1, "recipes_dir": str(own), "teacher": {"show_images": True}}
    picture_prompt.cache_clear()
    asked.start(**given)
    assert asked.start(**given).is_unchanged
    prompt = own / "prompts" / name
    prompt.write_text(f"{prompt.read_text()}\nMind the names of things.\n")
    picture_prompt.cache_clear()
    assert not asked.start(**given).is_unchanged and len(asked.sent) == (6 if name == "repair.txt" else 12)


@pytest.fixture
def oracle(corpus_files: CorpusFiles, monkeypatch: pytest.MonkeyPatch) -> Oracle:
    """A validator that is not opened where nothing is to do."""
    corpus = load_corpus(load_settings(None, corpus_files.settings).corpus)
    found = Oracle(corpus.images, corpus.categories, Abilities(texts=True, blanks=False))
    monkeypatch.setattr(local, "open_validator", lambda settings: found)
    return found


def test_a_validator_is_not_opened_again(
    corpus_files: CorpusFiles, tmp_path: Path, oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "model.safetensors").write_bytes(b"weights")
    told = {"validator": {"name": str(checkpoint)}}
    first = again(corpus_files, tmp_path / "run", **told)
    assert oracle.n_scored and not first.is_unchanged
    with monkeypatch.context() as patched:
        patched.delattr(local, "open_validator")
        second = again(corpus_files, tmp_path / "run", **told)
    assert second.is_unchanged and second.summary == first.summary
    os.utime(checkpoint / "model.safetensors", ns=(1, 1))
    assert not again(corpus_files, tmp_path / "run", **told).is_unchanged
    assert not again(corpus_files, tmp_path / "run", validator={"name": "oracle"}).is_unchanged


def test_what_could_not_be_scored_is_looked_at_again(corpus_files: CorpusFiles, tmp_path: Path, oracle: Oracle) -> None:
    told = {"validator": {"name": "oracle"}}
    plain = again(corpus_files, tmp_path / "plain", **told)
    assert plain.is_settled
    accepted = (one for one in datagen.open_run(tmp_path / "plain").samples().itertuples() if one.status == "accepted")
    oracle.blind_to = str(next(accepted).question)
    assert not again(corpus_files, tmp_path / "run", **told).is_settled
    oracle.blind_to, oracle.n_scored = None, 0
    assert not again(corpus_files, tmp_path / "run", **told).is_unchanged and oracle.n_scored
    assert again(corpus_files, tmp_path / "run", **told).is_unchanged
    same(tmp_path / "run", tmp_path / "plain", *RESULTS)


def test_judge_and_vectors_are_settled_once_all_is_answered(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    broken = [True]
    verdicts = json.dumps({"verdicts": [{"n": 1, "verdict": "unknown", "quote": ""}]})

    def intercept(body: Mapping[str, Any], _: int) -> Answer | None:
        if "messages" in body and broken:
            broken.clear()
            return error_answer(500, "out of order")
        return None

    with LoopbackServer(reply=lambda body: verdicts, intercept=intercept) as server:
        address = {"base_url": server.base_url}
        judge = {"model": "wise", "max_attempts": 1, **address}
        vectors = {"model": "small", "threshold": 0.99, **address}
        told = {"workers": 1, "checks": {"judge": judge}, "dedup": {"embeddings": vectors}}
        told["recipes_dir"] = str(tmp_path / "own")
        for part in ("prompts", "seeds"):
            shutil.copytree(bundled_folder(part), tmp_path / "own" / part)
        assert not again(corpus_files, tmp_path / "run", **told).is_settled and not broken
        server.arrivals.clear()
        assert not again(corpus_files, tmp_path / "run", **told).is_unchanged
        assert server.arrivals.total() == 1
        assert again(corpus_files, tmp_path / "run", **told).is_unchanged
        assert server.arrivals.total() == 1
        prompt = tmp_path / "own" / "prompts" / "judge" / "system.txt"
        prompt.write_text(f"{prompt.read_text()}\nMind the names of things.\n")
        assert not again(corpus_files, tmp_path / "run", **told).is_unchanged
        assert server.arrivals.total() > 10


def test_checks_in_python_are_run_again(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    seen = []

    def look(turn: Turn, image: AnnotatedImage) -> str | None:
        seen.append(turn)
        return None

    for _ in range(2):
        datagen.run(corpus_files.settings, tmp_path / "run", checks=[look])
        assert seen
        seen.clear()


def test_an_older_report_is_written_anew(made: tuple[CorpusFiles, Path]) -> None:
    files, out = made
    os.utime(out / "report.html", ns=(1, 1))
    datagen.run(files.settings, out)
    assert (out / "report.html").stat().st_mtime_ns > 1
