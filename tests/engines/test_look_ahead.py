"""Overlap: what is looked at while the teacher is asked, that nothing but the time changes, and that it ends."""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import RESULTS, CorpusFiles, make_corpus, same, wait_for
from loopback import Answer, LoopbackServer, error_answer
from oracle import Oracle

import datagen
from datagen.config import Settings, load_settings
from datagen.corpus import load_corpus
from datagen.engines import local, score_run
from datagen.engines.chunks import derive_all
from datagen.engines.finish_run import Outcome
from datagen.engines.inputs import Inputs
from datagen.engines.local import run_local
from datagen.engines.look_ahead import LookAhead, may_overlap
from datagen.engines.plugs import NO_PLUGS, Plugs
from datagen.engines.progress import Silence
from datagen.errors import ValidatorError
from datagen.store import ReplyStore, RunFolder
from datagen.validator import Abilities

N_IMAGES = 8


class Heard(Silence):
    """Remembers tasks and sentences."""

    def __init__(self) -> None:
        self.tasks: list[tuple[str, int | None, int]] = []
        self.notes: list[str] = []

    def begin(self, task: str, total: int | None, n_done: int = 0) -> None:
        self.tasks.append((task, total, n_done))

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


class Made:
    """Runs over a corpus by an LLM on loopback and an oracle, which looks at two images at a time."""

    def __init__(self, files: CorpusFiles, place: Path, oracle: Oracle) -> None:
        self.files, self.place, self.oracle = files, place, oracle
        self.url = ""
        self.sees = threading.Event()
        self.needs_eyes = False
        self.has_waited = True
        self.broken: set[str] = set()

    def intercept(self, body: Mapping[str, Any], _: int) -> Answer | None:
        (n,) = re.findall(r"scene number (\d+)", str(body["messages"][-1]["content"]))
        if n in self.broken:
            return error_answer(500, "out of order")
        if self.needs_eyes and int(n) == N_IMAGES:
            self.has_waited &= self.sees.wait(30)  # the last image is not answered before the first was looked at
        return None

    def settings(self, **more: Any) -> Settings:
        teacher = {"name": "gpt-4o", "base_url": self.url, "max_attempts": 1, "concurrency": 2}
        plain: dict[str, Any] = {
            "teacher": teacher,
            "types": ["conversation"],
            "max_unreadable": None,
            "workers": 1,
            "dedup": {"over_set": False},
        }
        return load_settings(None, {**self.files.settings, "validator.name": "oracle", **plain, **more})

    def start(self, name: str, progress: Silence | None = None, *, overlap: bool = True, **more: Any) -> Outcome:
        settings = self.settings(**{"validator.overlap": overlap, **more})
        return run_local(settings, self.place / name, progress or Silence())


def answered(body: Mapping[str, Any]) -> str:
    (n,) = re.findall(r"scene number (\d+)", str(body["messages"][-1]["content"]))
    pairs = (
        (f"Which animal sits in garden {n}?", f"A dog sits on the lawn of garden {n}."),
        (f"What stands beside it in garden {n}?", f"Cups stand beside the dog in garden {n}."),
    )
    return "\n===\n".join(f"Question:\n{question}\n===\nAnswer:\n{answer}" for question, answer in pairs)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setattr(score_run, "IMAGES_AT_ONCE", 2)
    files = make_corpus(tmp_path / "corpus", N_IMAGES)
    corpus = load_corpus(load_settings(None, files.settings).corpus)
    made = Made(files, tmp_path, Oracle(corpus.images, corpus.categories, Abilities(texts=True, blanks=False)))
    of_oracle = made.oracle.score

    def score(*given: Any, **named: Any) -> Iterator[Any]:
        for found in of_oracle(*given, **named):
            made.sees.set()
            yield found

    monkeypatch.setattr(made.oracle, "score", score)
    monkeypatch.setattr(local, "open_validator", lambda settings: made.oracle)
    with LoopbackServer(reply=answered, intercept=made.intercept) as server:
        made.url = server.base_url
        yield made


def test_pictures_are_looked_at_while_the_teacher_is_asked(made: Made) -> None:
    made.start("after", overlap=False)
    n_scored, made.oracle.n_scored = made.oracle.n_scored, 0
    made.sees.clear()
    made.needs_eyes, heard = True, Heard()
    assert made.start("beside", heard).is_settled
    assert made.has_waited and made.oracle.n_scored == n_scored
    same(made.place / "beside", made.place / "after", *RESULTS)
    (looked,) = (told for told in heard.tasks if told[0] == "looking at the pictures")
    assert looked[1] == N_IMAGES


def test_the_pool_derives_meanwhile(made: Made) -> None:
    made.start("after", overlap=False)
    made.start("beside", workers=2)
    same(made.place / "beside", made.place / "after", *RESULTS)


def test_what_is_given_up_holds_nothing_back(made: Made) -> None:
    made.broken, made.needs_eyes = {"1", "3"}, True
    made.start("run")
    assert made.has_waited and datagen.open_run(made.place / "run").summary.rejected_by_stage["teacher"]
    made.broken.clear()
    made.start("run")
    made.start("undisturbed")
    same(made.place / "run", made.place / "undisturbed", *RESULTS)


def test_a_teacher_that_fails_ends_it(made: Made) -> None:
    long: dict[str, Any] = {"checks.min_answer_words": 40}
    with pytest.raises(datagen.DatagenError, match="hold nothing that can be used"):
        made.start("run", max_unreadable=2, **long)
    assert not [thread for thread in threading.enumerate() if thread.name == "looking ahead"]
    assert made.start("run", **long).summary.samples == N_IMAGES


def test_a_validator_that_fails_is_tried_again_when_the_teacher_is_done(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [ValidatorError("it does not fit into memory.")]
    score = made.oracle.score

    def failing(*given: Any, **named: Any) -> Iterator[Any]:
        if failures:
            raise failures[0]
        yield from score(*given, **named)

    monkeypatch.setattr(made.oracle, "score", failing)
    with pytest.raises(ValidatorError, match="does not fit"):
        made.start("run")
    heard = Heard()

    class Mending(Heard):
        def note(self, sentence: str) -> None:
            heard.note(sentence)
            failures.clear()

    made.start("run", Mending())
    assert (
        heard.notes[0] == "Looking ahead stopped: it does not fit into memory. It goes on now that the teacher is done."
    )
    made.start("after", overlap=False)
    same(made.place / "run", made.place / "after", *RESULTS)


def test_an_interrupt_ends_it(made: Made) -> None:
    folder = RunFolder(made.place / "run")
    inputs = Inputs(made.settings(), folder, Silence())
    with folder.locked(), closing(ReplyStore(folder.replies)) as replies:
        ahead = LookAhead(inputs, [made.oracle])
        candidates = partial(derive_all, inputs, ahead.reply, None)
        with pytest.raises(KeyboardInterrupt), ahead.beside(replies, candidates):
            wait_for(lambda: any(one.name == "looking ahead" for one in threading.enumerate()))
            raise KeyboardInterrupt
    assert not ahead.has_seen_all and not made.oracle.n_scored
    assert not [thread for thread in threading.enumerate() if thread.name == "looking ahead"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, True),
        ({"validator.overlap": False}, False),
        ({"teacher.base_url": "http://localhost:8000/v1"}, False),
        ({"teacher.base_url": "http://localhost:8000/v1", "validator.overlap": True}, True),
        ({"teacher.base_url": "http://10.0.0.7:8000/v1"}, True),
        ({"teacher.name": "template"}, False),
        ({"teacher.batch": True}, False),
        ({"repair": 1}, False),
        ({"balance.yes_share": 0.5, "validator.overlap": True}, False),
    ],
    ids=str,
)
def test_where_it_is_worth_it(
    corpus_files: CorpusFiles, tmp_path: Path, more: dict[str, Any], *, expected: bool
) -> None:
    given = {**corpus_files.settings, "teacher.name": "gpt-4o", "validator.name": "nano", **more}
    oracle = Oracle((), ())
    inputs = Inputs(load_settings(None, given), RunFolder(tmp_path), Silence())
    assert may_overlap(inputs, [oracle]) is expected
    assert not may_overlap(inputs, [])


def test_a_teacher_in_python_may_share_the_machine(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    given = {**corpus_files.settings, "validator.name": "nano"}

    async def answer(request: datagen.Request) -> str:
        return ""

    for overlap in (None, True):
        settings = load_settings(None, {**given, "validator.overlap": overlap})
        plugs = Plugs(teacher=answer)
        inputs = Inputs(settings, RunFolder(tmp_path), Silence(), plugs=plugs)
        assert plugs != NO_PLUGS and may_overlap(inputs, [Oracle((), ())]) is bool(overlap)
