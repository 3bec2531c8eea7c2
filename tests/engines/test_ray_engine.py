"""The Ray engine on a real cluster of two nodes: the same bytes as here, whoever is killed on the way."""

import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest
from conftest import CorpusFiles, make_corpus
from loopback import LoopbackServer
from oracle import Oracle

from datagen.config import load_settings
from datagen.corpus import load_corpus
from datagen.engines import judging
from datagen.engines.local import Here, make_run, run_local
from datagen.engines.progress import Silence
from datagen.engines.starting import run_engine
from datagen.errors import BudgetError, TeacherError
from datagen.records import Reply
from datagen.store import RunFolder, read_facts, shard_files

is_there = importlib.util.find_spec("ray") is not None
pytestmark = [pytest.mark.ray, pytest.mark.skipif(not is_there, reason="pip install 'datagen[ray]'")]
if is_there:
    from datagen.engines.ray import engine
    from datagen.engines.ray.actors import open_gate
    from datagen.engines.ray.engine import Cluster
    from datagen.engines.ray.validators import Fleet
else:
    Cluster = object  # type: ignore[assignment,misc]
TESTS = Path(__file__).resolve().parent.parent
CONCURRENCY = 4
KEY, SECRET = "DATAGEN_TEST_KEY", "sk-not-to-be-seen-anywhere"
DERIVED = ("samples.jsonl", "dataset.json", "summary.json", "README.md")


@pytest.fixture(scope="module")
def cluster():
    """The head has no CPU for workers, so that whatever works does so on nodes that a test may remove."""
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0")
    with tempfile.TemporaryDirectory(prefix="r", ignore_cleanup_errors=True) as folder:  # sockets' paths must be short
        seen = os.pathsep.join([*map(str, (TESTS / "engines", TESTS)), os.environ.get("PYTHONPATH", "")])
        # What the nodes have in their environment, their workers have.
        given = {"RAY_TMPDIR": folder, KEY: SECRET, "PYTHONPATH": seen.rstrip(os.pathsep)}
        before = {name: os.environ.get(name) for name in given}
        os.environ.update(given)
        import ray
        from ray.cluster_utils import Cluster

        small = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
        made = Cluster()
        for _ in range(8):
            if len(made.list_all_nodes()) < 3:
                with suppress(Exception):  # Ray gives a node 30 s to start, which a busy machine may not do
                    made.add_node(num_cpus=0 if made.head_node is None else 1, **small)
        ray.init(address=made.address, log_to_driver=False, logging_level="ERROR", namespace="datagen")
        yield made
        ray.shutdown()
        made.shutdown()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def settings_of(files, engine, **more):
    return load_settings(None, {**files.settings, "engine": engine, **more})


def asking(files, server, engine="ray", **more):
    teacher = {"name": "loopback", "base_url": server.base_url, "concurrency": CONCURRENCY, **more}
    return settings_of(files, engine, teacher=teacher, ray={"shards": 5})


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CorpusFiles:
    return make_corpus(tmp_path_factory.mktemp("corpus"), n_images=20)


@pytest.fixture(scope="module")
def calm(files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run of the local engine, with the replies that the others get."""
    out = tmp_path_factory.mktemp("calm")
    with LoopbackServer() as server:
        run_local(asking(files, server, "local"), out, Silence())
    return out


def same(one: Path, other: Path, *more: str) -> None:
    for name in (*DERIVED, *more):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def stored(out: Path) -> list[Reply]:
    paths = [out / "replies.jsonl", *shard_files(RunFolder(out))]
    return [reply for path in paths if path.exists() for _, reply in read_facts(path, Reply) if reply is not None]


def wait_for(condition: Callable[[], object], seconds: float = 120.0) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def processes(nodes, name: str) -> list[psutil.Process]:
    """Processes of these nodes that Ray has given this name."""
    found = []
    for node in nodes:
        raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
        with suppress(psutil.Error):
            found += [one for one in raylet.children(recursive=True) if name in " ".join(one.cmdline())]
    return found


def workers(cluster) -> list[psutil.Process]:
    """Processes of this cluster that work on a shard."""
    return processes(cluster.list_all_nodes(), "work_on_shard")


def test_both_engines_give_the_same_bytes(cluster, files, tmp_path: Path) -> None:
    run_local(settings_of(files, "local"), tmp_path / "local", Silence())
    run_engine(settings_of(files, "ray"), tmp_path / "ray", Silence())
    same(tmp_path / "local", tmp_path / "ray")
    assert not (tmp_path / "ray" / "asked").exists()


class SlowOracle(Oracle):
    """Takes its time, so that it can be killed at work."""

    def score(self, looks, load_picture, known=frozenset()):
        time.sleep(0.3)
        return super().score(looks, load_picture, known)


def open_oracle(settings) -> Oracle:
    corpus = load_corpus(settings.corpus)
    return SlowOracle(corpus.images, corpus.categories)


class WithOracle(Cluster):
    """Judges by copies of the oracle, and gives them to the test."""

    def open_validator(self, settings):
        self._fleet = Fleet(settings, partial(open_oracle, settings))
        return self._fleet


class HereWithOracle(Here):
    def open_validator(self, settings):
        return open_oracle(settings)


def test_copies_of_a_validator_give_the_same_scores_though_one_is_lost(
    cluster, files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setattr(judging, "IMAGES_AT_ONCE", 2)
    more = {"validator": {"name": "nano"}, "ray": {"validators": 2, "cpus_per_validator": 0.5}}
    settings = settings_of(files, "ray", **more)
    make_run(settings, tmp_path / "local", Silence(), HereWithOracle())
    place = WithOracle(settings)
    with ThreadPoolExecutor() as beside:
        running = beside.submit(make_run, settings, tmp_path / "ray", Silence(), place)
        wait_for(lambda: running.done() or (place._fleet and len(place._fleet._copies) == 2))
        wait_for(lambda: running.done() or read_lines(tmp_path / "ray" / "scores.jsonl"))
        assert not running.done(), running.result()
        lost = place._fleet._copies[0]
        ray.kill(lost)
        running.result()
    assert lost not in place._fleet._copies
    place.close()
    same(tmp_path / "local", tmp_path / "ray", "scores.jsonl")
    assert read_lines(tmp_path / "ray" / "scores.jsonl")


def read_lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []


def test_the_budget_holds_over_workers_and_a_gate_that_is_lost_and_the_key_stays_secret(
    cluster, files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    gates, out = [], tmp_path / "run"

    def open_and_keep(*given):
        gates.append(open_gate(*given))
        return gates[-1]

    monkeypatch.setattr(engine, "open_gate", open_and_keep)
    monkeypatch.setenv(KEY, SECRET)
    with LoopbackServer(delay_s=0.1, api_key=SECRET) as server:
        settings = asking(files, server, name="gpt-4o", api_key_env=KEY, budget_usd=0.08)
        with ThreadPoolExecutor() as beside:
            running = beside.submit(run_engine, settings, out, Silence())
            wait_for(lambda: running.done() or server.answered.total() >= 8)
            assert not running.done(), running.result()
            ray.kill(gates[0])
            with pytest.raises(BudgetError, match=r"The budget of \$0.08 is used up"):
                running.result()
        assert len(gates) > 1
        kept = stored(out)
        spent_usd = sum(reply.cost_usd or 0 for reply in kept)
        assert 8 < len(kept) == server.arrivals.total() < 60
        assert 0.05 < spent_usd <= 0.08
        run_engine(asking(files, server, name="gpt-4o", api_key_env=KEY, budget_usd=5), out, Silence())
        assert server.arrivals.total() == len(server.answered) == 60
    for folder in (out, Path(os.environ["RAY_TMPDIR"])):
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                assert SECRET.encode() not in path.read_bytes(), path


def test_what_ends_one_worker_ends_the_run_with_its_sentence(cluster, files, tmp_path: Path) -> None:
    with LoopbackServer(api_key="another") as server, pytest.raises(TeacherError, match="key"):
        run_engine(asking(files, server, api_key_env=KEY), tmp_path / "run", Silence())
    assert server.arrivals.total() == 0


def test_a_driver_that_is_killed_goes_on_where_it_was(cluster, files, calm: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with LoopbackServer(delay_s=0.2) as server:
        options = ["--teacher", "loopback", "--base-url", server.base_url, "--concurrency", str(CONCURRENCY)]
        engine = ["--engine", "ray", "--ray-address", cluster.address, "--ray-shards", "5"]
        command = [sys.executable, "-m", "datagen", "run", *files.options, *options, *engine, "--out", str(out)]
        driver = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_for(lambda: server.answered.total() >= 15 or driver.poll() is not None)
        assert driver.poll() is None
        driver.kill()
        driver.wait()
        wait_for(lambda: not workers(cluster))
        n_stored = len(stored(out))
        assert n_stored >= 10
        run_engine(asking(files, server), out, Silence())
        assert server.answered.total() - len(server.answered) <= CONCURRENCY
    assert len(stored(out)) == len(server.answered) == 60
    same(calm, out)


def test_workers_a_node_and_the_gate_are_lost_and_nothing_else(cluster, files, calm: Path, tmp_path: Path) -> None:
    out, notes, failures = tmp_path / "run", [], []

    class Listener(Silence):
        def note(self, sentence: str) -> None:
            notes.append(sentence)

    def run() -> None:
        try:
            run_engine(asking(files, server), out, Listener())
        except BaseException as error:
            failures.append(error)
            raise

    with LoopbackServer(delay_s=0.3) as server:
        running = threading.Thread(target=run)
        running.start()
        wait_for(lambda: server.answered.total() >= 8 or failures)
        workers(cluster)[0].kill()
        wait_for(lambda: server.answered.total() >= 20 or failures)
        doomed = max(cluster.worker_nodes, key=lambda node: len(processes([node], "GateActor")))
        cluster.remove_node(doomed, allow_graceful=False)
        running.join(timeout=120)
        assert not running.is_alive() and not failures
        assert server.answered.total() - len(server.answered) <= 2 * CONCURRENCY
    assert any("A worker was lost" in note for note in notes)
    assert len(stored(out)) == len(server.answered) == 60
    same(calm, out)
