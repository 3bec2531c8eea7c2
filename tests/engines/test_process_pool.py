"""The process pool: the same bytes in the same order, no orphans, and one sentence when a worker is lost."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import RESULTS, CorpusFiles, make_corpus, same, wait_for
from loopback import LoopbackServer, error_answer
from msgspec.structs import replace
from started import hear_interrupts

import datagen
from datagen.config import load_settings
from datagen.engines import chunks, local, process_pool
from datagen.engines.chunks import job_of
from datagen.engines.inputs import Inputs
from datagen.engines.local import run_local
from datagen.engines.process_pool import WorkerProcesses, can_travel
from datagen.engines.progress import Silence
from datagen.errors import RunError, TeacherError
from datagen.records import AnnotatedImage, Turn
from datagen.store import RunFolder

TYPES = ["conversation", "description", "reasoning", "negation"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CorpusFiles:
    """Twenty images, the picture of one missing."""
    files = make_corpus(tmp_path_factory.mktemp("corpus"), n_images=20)
    (files.images / f"{7:012}.jpg").unlink()
    return files


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "SAMPLES_PER_CHUNK", 7)


def children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "processes import serve" in " ".join(one.cmdline())]


class Listener(Silence):
    """Keeps what is said, and where each task ended."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.n_steps = self.n_accepted = 0

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def step(self, cost_usd: float | None = None, accepted: bool | None = None) -> None:
        self.n_steps += 1
        self.n_accepted += bool(accepted)


def replies_of(out: Path) -> list[tuple[Any, ...]]:
    """What was written, the times aside."""
    with closing(datagen.store.ReplyStore(out / "replies.jsonl")) as replies:
        return [(one.request_digest, one.text, one.error, one.is_final) for _, one in replies.log.scan()]


def test_a_pool_writes_and_derives_the_bytes_of_one_process(files: CorpusFiles, tmp_path: Path) -> None:
    for n in (1, 2):
        heard = Listener()
        run_local(load_settings(None, {**files.settings, "types": TYPES, "workers": n}), tmp_path / str(n), heard)
        assert heard.n_steps == 20 + 80 + 80  # pictures, requests, samples
        assert heard.n_accepted
    same(tmp_path / "1", tmp_path / "2", *RESULTS)
    assert replies_of(tmp_path / "1") == replies_of(tmp_path / "2")
    assert not children()


def test_a_pool_derives_an_endpoints_replies_twice_over(files: CorpusFiles, tmp_path: Path) -> None:
    """Two passes, with failed requests and replies that fall in every stage."""

    def refuse(body: dict[str, Any], _: int) -> Any:
        return error_answer(400, "no") if "scene number 5." in str(body["messages"][-1]) else None

    balance = {"yes_share": 0.5, "max_loss": 0.9}
    for n in (1, 2):
        with LoopbackServer(intercept=refuse) as server:
            teacher = {"name": "m", "base_url": server.base_url}
            more = {"teacher": teacher, "workers": n, "balance": balance, "types": TYPES}
            run_local(load_settings(None, {**files.settings, **more}), tmp_path / str(n), Silence())
    assert datagen.open_run(tmp_path / "2").summary.rejected_by_stage.keys() >= {"teacher", "dedup"}
    same(tmp_path / "1", tmp_path / "2", "samples.jsonl", "dataset.json")


def test_an_imported_dataset_goes_through_a_pool(files: CorpusFiles, tmp_path: Path) -> None:
    first = datagen.run({**files.settings, "types": TYPES}, tmp_path / "run")
    corpus = {**files.settings["corpus"], "dataset": str(first.folder.dataset)}
    for n in (1, 2):
        run_local(load_settings(None, {"corpus": corpus, "workers": n}), tmp_path / str(n), Silence())
    same(tmp_path / "1", tmp_path / "2", *RESULTS)


def test_a_start_that_goes_on_writes_what_is_missing(files: CorpusFiles, tmp_path: Path) -> None:
    settings = {**files.settings, "types": TYPES, "workers": 2}
    whole = datagen.run({**settings, "workers": 1}, tmp_path / "whole")  # two give the same bytes, see above
    lines = whole.folder.replies.read_bytes().splitlines(keepends=True)
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "run.yaml").write_bytes(whole.folder.settings.read_bytes())
    (tmp_path / "half" / "replies.jsonl").write_bytes(b"".join(lines[:30]))
    datagen.run(settings, tmp_path / "half")
    same(tmp_path / "whole", tmp_path / "half", *RESULTS)
    assert replies_of(tmp_path / "half") == replies_of(tmp_path / "whole")


def test_a_small_run_starts_no_process(files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(local, "worker_processes", refuse)
    datagen.run(files.settings, tmp_path / "run")
    with pytest.raises(AssertionError):
        datagen.run({**files.settings, "workers": 2}, tmp_path / "pooled")


def pool_on(files: CorpusFiles, tmp_path: Path, n_workers: int, **more: Any) -> WorkerProcesses:
    settings = load_settings(None, {**files.settings, **more})
    return WorkerProcesses(job_of(Inputs(settings, RunFolder(tmp_path), Silence())), n_workers)


def chunk() -> bytes:
    return chunks._encoder.encode([chunks._Shown(AnnotatedImage("1", "1.jpg", 9, 9, ("A dog sits.",)), None, 1)])


def test_what_the_work_raises_is_raised_here(files: CorpusFiles, tmp_path: Path, monkeypatch: Any) -> None:
    own = tmp_path / "own" / "prompts" / "mine"
    own.mkdir(parents=True)
    (tmp_path / "own" / "seeds").mkdir()
    (own / "recipe.yaml").write_text("reply_format: delimited\n")
    (own / "system.txt").write_text("Write.")
    more = {"types": ["mine"], "recipes_dir": str(tmp_path / "own"), "workers": 2}
    with pytest.raises(TeacherError, match=r"^Response type 'mine' has no embedded writer") as raised:
        datagen.run({**files.settings, **more}, tmp_path / "run")
    assert "In a worker process" in raised.value.__notes__[0]
    with closing(pool_on(files, tmp_path, 1)) as pool, pytest.raises(Exception, match="Expected `array`"):
        pool.work("derive", b"\x80")
    assert not children()


def test_a_worker_that_is_killed_ends_the_run_in_one_sentence_and_it_goes_on(
    files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(None, {**files.settings, "types": TYPES, "workers": 2})
    run_local(replace(settings, workers=1), tmp_path / "calm", Silence())
    work, seen = WorkerProcesses.work, []

    def killing(pool: WorkerProcesses, task: chunks.Task, chunk: bytes) -> bytes:
        answer = work(pool, task, chunk)
        seen.append(task)
        if len(seen) == 3:
            for worker in pool._all:
                worker._process.kill()
        return answer

    monkeypatch.setattr(WorkerProcesses, "work", killing)
    with pytest.raises(RunError, match=r"was killed by signal 9, perhaps for want of memory; every stored fact"):
        run_local(settings, tmp_path / "run", Silence())
    assert not children()
    monkeypatch.undo()
    run_local(settings, tmp_path / "run", Silence())
    same(tmp_path / "calm", tmp_path / "run", *RESULTS)


def test_nobody_waits_for_a_worker_that_is_lost(files: CorpusFiles, tmp_path: Path) -> None:
    with closing(pool_on(files, tmp_path, 1)) as pool:
        pool.work("write", chunk())
        pool._all[0]._process.kill()
        for _ in range(2):
            with pytest.raises(RunError, match="worker process was"):
                pool.work("write", chunk())


def names_a_cup(turn: Turn, image: AnnotatedImage) -> str | None:
    """A check that prints, which must not stand among the answers."""
    print(f"looking at {image.image_id}", flush=True)
    return "a cup" if "cup" in turn.answer else None


def test_a_check_of_a_module_works_in_the_workers(files: CorpusFiles, tmp_path: Path) -> None:
    for n in (1, 2):
        datagen.run({**files.settings, "workers": n}, tmp_path / str(n), checks=[names_a_cup])
    same(tmp_path / "1", tmp_path / "2", *RESULTS)
    assert datagen.open_run(tmp_path / "2").summary.rejected_by_stage["checks"]["names_a_cup"]


def test_a_check_that_cannot_travel_keeps_all_in_one_process(files: CorpusFiles, tmp_path: Path) -> None:
    def inner(turn: Turn, image: AnnotatedImage) -> str | None:
        return None

    heard = Listener()
    datagen.run({**files.settings, "workers": 2}, tmp_path / "run", progress=heard, checks=[inner])
    assert heard.notes == ["The checks in Python are no functions of a module, so one process does all the work."]
    inner.__module__, inner.__qualname__ = "__main__", "inner"
    assert can_travel((names_a_cup,)) and not can_travel((inner,))


COMMAND = (sys.executable, "-m", "datagen", "run", "--workers", "2", "--types", ",".join(TYPES))


def started(files: CorpusFiles, out: Path) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """A command whose endpoint takes its time, and the workers that derive what is stored once it is killed."""
    command = [*COMMAND, *files.options, "--out", str(out)]
    run = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        preexec_fn=hear_interrupts if os.name == "posix" else None,  # noqa: PLW1509 (no thread is started by then)
    )  # fmt: skip
    workers = wait_for(lambda: psutil.Process(run.pid).children() if run.poll() is None else None)
    return run, workers


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_driver_that_is_interrupted_or_killed_leaves_no_orphan(
    files: CorpusFiles, tmp_path: Path, how: signal.Signals
) -> None:
    out = tmp_path / "run"
    run, workers = started(files, out)
    for worker in workers:
        worker.suspend()  # so that the run cannot end before the signal comes
    run.send_signal(how)
    for worker in workers:
        worker.resume()
    _, told = run.communicate(timeout=60)
    assert run.returncode == (130 if how == signal.SIGINT else -9)
    assert "Traceback" not in told
    psutil.wait_procs(workers, timeout=60)
    assert not [one for one in workers if one.is_running()]
    assert datagen.run({**files.settings, "types": TYPES, "workers": 2}, out).summary.samples == 80


def test_a_worker_loads_no_torch() -> None:
    code = "import sys, datagen.engines.process_pool, datagen.teacher.template; print({'torch', 'openai', 'pandas', 'ray'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"


def test_cores_are_those_of_the_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    for told, n in (("max 100000", 64), ("250000 100000\n", 2), ("50000 100000", 1), ("nonsense", 64)):
        monkeypatch.setattr(Path, "read_text", lambda *_, told=told, **__: told)
        assert process_pool.n_usable_cores() == n
