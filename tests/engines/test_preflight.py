"""What is cheap to check is refused before annotations are read and pictures opened, and leaves no folder behind."""

from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles
from loopback import LoopbackServer, error_answer

import datagen
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
