"""What is cheap to check is refused before annotations are read and pictures opened, and leaves no folder behind."""

import errno
import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles
from loopback import Answer, LoopbackServer, error_answer, json_answer
from typer.testing import CliRunner

import datagen
from datagen.cli import app
from datagen.engines import inputs as inputs_module
from datagen.errors import DatagenError


class OpenedError(AssertionError):
    """The corpus was read."""


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be read of the corpus."""

    def refuse(*_: object) -> None:
        raise OpenedError

    monkeypatch.setattr(inputs_module, "load_corpus", refuse)


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "no key": ({"teacher": {"name": "gpt-4o"}}, "OPENAI_API_KEY is not set"),
    "nobody there": ({"teacher": {"name": "m", "base_url": "http://127.0.0.1:1/v1"}}, "Nothing answers at"),
    "no price": (
        {"teacher": {"name": "m", "base_url": "http://127.0.0.1:1/v1", "budget_usd": 1}},
        "teacher.budget_usd needs the price of 'm'",
    ),
    "no key for embeddings": ({"dedup": {"embeddings": {"model": "e"}}}, "OPENAI_API_KEY is not set"),
    "nobody to validate": ({"validator": {"name": "endpoint:http://127.0.0.1:1/v1#m"}}, "Nothing answers at"),
    "no such type": ({"types": ["poem"]}, "No response type 'poem'"),
}


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("name", CASES)
def test_it_is_told_before_the_corpus_is_read(
    name: str, corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datagen.endpoint import first_contact

    monkeypatch.setattr(first_contact, "FIRST_PAUSE_S", 0.001)
    given, told = CASES[name]
    with pytest.raises(DatagenError, match=told):
        datagen.run({**corpus_files.settings, **given}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("closed")
def test_a_key_that_is_refused_is_told_first_and_never_shown(
    corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-and-secret")
    with LoopbackServer(api_key="sk-right") as server:
        settings = {**corpus_files.settings, "teacher": {"name": "m", "base_url": server.base_url}}
        with pytest.raises(DatagenError, match="does not accept the key in OPENAI_API_KEY") as error:
            datagen.run(settings, tmp_path / "run")
    assert "secret" not in str(error.value)


UNKNOWN = error_answer(404, "The model `loopback` does not exist", "model_not_found")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (error_answer(401, "Incorrect API key provided: sk-wrong.", "invalid_api_key"), "does not accept the key"),
        (UNKNOWN, "has no model 'loopback'"),
        (error_answer(402, "Pay first."), "the quota is used up"),
    ],
)
def test_what_only_a_request_proves_is_told_before_the_pictures_are_opened(
    corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer, told: str
) -> None:
    def refuse(*_: object) -> None:
        raise OpenedError

    monkeypatch.setattr(inputs_module, "check_pictures", refuse)
    with LoopbackServer(intercept=lambda *_: answer) as server:
        settings = {**corpus_files.settings, "teacher": {"name": "loopback", "base_url": server.base_url}}
        with pytest.raises(DatagenError, match=told) as error:
            datagen.run(settings, tmp_path / "run")
        assert server.arrivals.total() == 1
    assert "sk-" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_the_reply_that_proves_the_endpoint_is_one_of_the_run_and_kept(
    corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with LoopbackServer() as server, monkeypatch.context() as patched:
        patched.setattr(inputs_module, "check_pictures", stop)
        settings = {**corpus_files.settings, "teacher": {"name": "loopback", "base_url": server.base_url}}
        with pytest.raises(KeyboardInterrupt, match="datagen resume"):
            datagen.run(settings, tmp_path)
        assert server.arrivals.total() == 1
        assert len((tmp_path / "replies.jsonl").read_text().splitlines()) == 1
        patched.undo()
        done = CliRunner().invoke(app, ["resume", str(tmp_path), "--limit", "5"])  # one reply is no dataset to lose
        assert done.exit_code == 0, done.output
        done = CliRunner().invoke(app, ["resume", str(tmp_path), "--limit", "4"])
        assert done.exit_code == 1 and "--limit  5 → 4" in done.output
        done = CliRunner().invoke(app, ["resume", str(tmp_path), "--limit", "6"])
        assert done.exit_code == 0, done.output
        assert set(server.arrivals.values()) == {1} and server.arrivals.total() == 18


def test_a_price_table_that_is_none_is_told_first(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.yaml"
    names = "abcdefg"
    bomb.write_text(
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{now}: &{now} [{', '.join([f'*{before}'] * 9)}]\n" for before, now in itertools.pairwise(names))
    )
    for path, told in ((bomb, "aliases stand for over"), (tmp_path / "none.yaml", "cannot be read")):
        with pytest.raises(DatagenError, match=told):
            datagen.run({**corpus_files.settings, "teacher": {"prices": str(path)}}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("answer", "n_asked", "told"),
    [
        ({"object": "response", "output": [{"type": "message"}], "usage": {"input_tokens": 9}}, 1, "Responses API"),
        ({"answer": "A dog.", "usage": {"input_tokens": 9}}, 4, "mostly ends in /v1"),
    ],
)
def test_what_an_answer_cost_that_nothing_understands_is_kept(
    corpus_files: CorpusFiles, tmp_path: Path, answer: object, n_asked: int, told: str
) -> None:
    with LoopbackServer(intercept=lambda *_: json_answer(200, answer)) as server:
        settings = {**corpus_files.settings, "teacher": {"name": "gpt-4o", "base_url": server.base_url}}
        with pytest.raises(DatagenError, match=told):
            datagen.run(settings, tmp_path / "run")
        assert server.arrivals.total() == n_asked
        stored = [json.loads(line) for line in (tmp_path / "run" / "replies.jsonl").read_text().splitlines()]
        assert sum(reply["usage"]["n_prompt_tokens"] for reply in stored) == 9 * n_asked
        with pytest.raises(DatagenError, match=told):  # the next start asks again, and is told the same
            datagen.run(settings, tmp_path / "run")


@pytest.mark.usefixtures("closed")
def test_an_endpoint_without_batches_is_told_first_and_a_model_that_it_does_not_list(
    corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackServer() as server:
        monkeypatch.setattr(server.desk, "answer", lambda *_: (404, b"{}"))
        teacher = {"name": "lopback", "base_url": server.base_url, "batch": True}
        with pytest.raises(DatagenError, match=r"offers no batches .*; leave out teacher\.batch"):
            datagen.run({**corpus_files.settings, "teacher": teacher}, tmp_path / "run", progress=True)
    assert "lists no model 'lopback', but loopback" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()


def test_a_folder_of_another_corpus_is_told_first(
    corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datagen.run({**corpus_files.settings, "types": ["description"]}, tmp_path)

    def refuse(*_: object) -> None:
        raise OpenedError

    monkeypatch.setattr(inputs_module, "load_corpus", refuse)
    with pytest.raises(DatagenError, match=r"holds a run on .*, not on captions_demo\.json"):
        datagen.run(datagen.demo_settings(), tmp_path)


def test_a_folder_that_cannot_be_written_is_told_first(
    corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")

    def refuse(*_: object) -> None:
        raise OpenedError

    monkeypatch.setattr(inputs_module, "load_corpus", refuse)
    with pytest.raises(DatagenError, match="cannot be written"):
        datagen.run(corpus_files.settings, tmp_path / "file" / "run")


def test_a_full_disk_is_told_before_anything_is_paid_for(
    corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def run_on_full_disk() -> None:
        with monkeypatch.context() as patched, pytest.raises(DatagenError, match="the disk is full"):
            patched.setattr(os, "write", refuse)
            datagen.run(settings, tmp_path / "run")

    with LoopbackServer() as server:
        teacher = {"name": "m", "base_url": server.base_url}
        settings = {**corpus_files.settings, "teacher": teacher}
        run_on_full_disk()
        assert server.arrivals.total() == 0 and not (tmp_path / "run").exists()
        datagen.run({**settings, "types": ["conversation"]}, tmp_path / "run")
        n_asked = server.arrivals.total()
        run_on_full_disk()  # more types; what is stored is no reason to pay for more
        assert server.arrivals.total() == n_asked > 0
        datagen.run(settings, tmp_path / "run")
        assert server.arrivals.total() == 18


def test_a_run_that_has_all_its_answers_is_finished_without_a_network(
    corpus_files: CorpusFiles, tmp_path: Path
) -> None:
    with LoopbackServer() as server:
        settings = {**corpus_files.settings, "teacher": {"name": "m", "base_url": server.base_url}}
        datagen.run(settings, tmp_path)
    before = (tmp_path / "dataset.json").read_bytes()
    (tmp_path / "summary.json").unlink()
    assert datagen.run(settings, tmp_path).summary.samples == 18
    assert (tmp_path / "dataset.json").read_bytes() == before


def test_a_key_that_may_not_list_models_may_still_ask() -> None:
    import asyncio

    from datagen.config import load_settings
    from datagen.endpoint.first_contact import require_contact
    from datagen.teacher.chat import target_of

    for status, words in ((404, "no such path"), (403, "no"), (500, "later"), (401, "Missing scopes: api.model.read")):
        answer = error_answer(status, words)
        with LoopbackServer() as server:
            server._answer = lambda *_, answer=answer: ("", answer)  # type: ignore[method-assign, misc]
            settings = load_settings(
                None, {"corpus.captions": ["c"], "teacher": {"name": "m", "base_url": server.base_url}}
            )
            asyncio.run(require_contact(target_of(settings.teacher)))
