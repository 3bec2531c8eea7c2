"""The Ray engine on a real cluster of two nodes: the same bytes as here, whoever is killed on the way."""

import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from conftest import CorpusFiles, make_corpus
from loopback import LoopbackServer

from datagen.config import load_settings
from datagen.engines.local import run_local
from datagen.engines.progress import Silence
from datagen.engines.starting import run_engine
from datagen.records import Reply
from datagen.store import RunFolder, read_facts, shard_files

is_there = importlib.util.find_spec("ray") is not None
pytestmark = [pytest.mark.ray, pytest.mark.skipif(not is_there, reason="pip install 'datagen[ray]'")]
CONCURRENCY = 4
DERIVED = ("samples.jsonl", "dataset.json", "summary.json", "README.md")


@pytest.fixture(scope="module")
def cluster():
    """The head has no CPU for workers, so that whatever works does so on nodes that a test may remove."""
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0")
    with tempfile.TemporaryDirectory(prefix="r", ignore_cleanup_errors=True) as folder:  # sockets' paths must be short
        os.environ["RAY_TMPDIR"] = folder
        import ray
        from ray.cluster_utils import Cluster

        small = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
        for _ in range(2):
            made.add_node(num_cpus=1, **small)
        ray.init(address=made.address, log_to_driver=False, logging_level="ERROR", namespace="datagen")
        yield made
        ray.shutdown()
        made.shutdown()
        del os.environ["RAY_TMPDIR"]


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


def same(one: Path, other: Path) -> None:
    for name in DERIVED:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def stored(out: Path) -> list[Reply]:
    paths = [out / "replies.jsonl", *shard_files(RunFolder(out))]
    return [reply for path in paths if path.exists() for _, reply in read_facts(path, Reply) if reply is not None]


def wait_for(condition: Callable[[], object], seconds: float = 120.0) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def workers(cluster) -> list[psutil.Process]:
    """Processes of this cluster that work on a shard."""
    found = []
    for node in cluster.list_all_nodes():
        raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
        with suppress(psutil.Error):
            found += [one for one in raylet.children(recursive=True) if "work_on_shard" in " ".join(one.cmdline())]
    return found


def test_both_engines_give_the_same_bytes(cluster, files, tmp_path: Path) -> None:
    run_local(settings_of(files, "local"), tmp_path / "local", Silence())
    run_engine(settings_of(files, "ray"), tmp_path / "ray", Silence())
    same(tmp_path / "local", tmp_path / "ray")
    assert not (tmp_path / "ray" / "asked").exists()


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
    import ray

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
        doomed = max(cluster.worker_nodes, key=lambda node: len(node.all_processes))
        cluster.remove_node(doomed, allow_graceful=False)
        running.join(timeout=120)
        assert not running.is_alive() and not failures
        assert server.answered.total() - len(server.answered) <= 2 * CONCURRENCY
    assert any("A worker was lost" in note for note in notes)
    assert len(stored(out)) == len(server.answered) == 60
    same(calm, out)
    del ray
