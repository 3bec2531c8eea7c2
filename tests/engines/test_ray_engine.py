"""The Ray engine on a real cluster of two nodes: the same bytes as here, whoever is killed on the way."""

import importlib.util
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from conftest import RESULTS, CorpusFiles, make_corpus, same, wait_for
from msgspec.structs import replace
from oracle import Oracle

from datagen.api import run_engine
from datagen.config import load_settings
from datagen.corpus import PictureChecker, load_corpus
from datagen.engines import chunks, score_run
from datagen.engines.chunks import work_on
from datagen.engines.local import Here, run_local
from datagen.engines.progress import Silence
from datagen.errors import CorpusError, RunError

is_there = importlib.util.find_spec("ray") is not None
pytestmark = [pytest.mark.ray, pytest.mark.skipif(not is_there, reason="pip install 'datagen[ray]'")]
if is_there:
    from datagen.engines.ray import engine as ray_engine
    from datagen.engines.ray.engine import Cluster
    from datagen.engines.ray.validators import Fleet
else:
    Cluster = object  # type: ignore[assignment,misc]
TESTS = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def cluster():
    """The head has no CPU for workers, so that whatever works does so on nodes that a test may remove."""
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0")
    with tempfile.TemporaryDirectory(prefix="r", ignore_cleanup_errors=True) as folder:  # sockets' paths must be short
        seen = os.pathsep.join([*map(str, (TESTS / "engines", TESTS)), os.environ.get("PYTHONPATH", "")])
        # What the nodes have in their environment, their workers have.
        given = {"RAY_TMPDIR": folder, "PYTHONPATH": seen.rstrip(os.pathsep)}
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


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CorpusFiles:
    return make_corpus(tmp_path_factory.mktemp("corpus"), n_images=20)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "SAMPLES_PER_CHUNK", 6)


class HeldOracle(Oracle):
    """Works once, and then not before it may go on: so that it can be killed at work, however busy the machine is."""

    hold, n_calls = Path(), 0

    def score(self, looks, load_picture, known=frozenset()):
        self.n_calls += 1
        if self.n_calls > 1 and self.hold.exists():
            self.hold.with_name(f"held-{os.getpid()}").touch()
        while self.n_calls > 1 and self.hold.exists():
            time.sleep(0.05)
        return super().score(looks, load_picture, known)


def open_oracle(settings) -> Oracle:
    corpus = load_corpus(settings.corpus)
    oracle = HeldOracle(corpus.images, corpus.categories)
    oracle.hold = Path(settings.corpus.images).parent / "hold"
    return oracle


class WithOracle(Cluster):
    """Judges by copies of the oracle, and gives them to the test."""

    def open_validator(self, settings, n_together=1):
        self._fleets = [Fleet(settings, partial(open_oracle, settings))]
        return self._fleets[0]


class HereWithOracle(Here):
    def open_validator(self, settings, n_together=1):
        return open_oracle(settings)


def test_copies_of_a_validator_give_the_same_scores_though_one_is_lost(
    cluster, files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setattr(score_run, "IMAGES_AT_ONCE", 2)
    more = {"validator": {"name": "nano"}, "ray": {"validators": 2, "cpus_per_validator": 0.5}}
    settings = settings_of(files, "ray", **more)
    run_local(settings, tmp_path / "local", Silence(), HereWithOracle())
    place, hold = WithOracle(), files.images.parent / "hold"
    hold.touch()
    with ThreadPoolExecutor() as beside:
        running = beside.submit(run_local, settings, tmp_path / "ray", Silence(), place)
        try:
            wait_for(lambda: running.done() or (place._fleets and len(place._fleets[0]._copies) == 2))
            wait_for(lambda: running.done() or len(list(hold.parent.glob("held-*"))) == 2)
            assert not running.done(), running.result()
            lost = place._fleets[0]._copies[0]
            ray.kill(lost)
        finally:  # a wait that failed must not leave the run held for ever
            hold.unlink()
        running.result()
    assert lost not in place._fleets[0]._copies
    place.close()
    same(tmp_path / "local", tmp_path / "ray", *RESULTS, "scores.jsonl")
    assert read_lines(tmp_path / "ray" / "scores.jsonl")


class WithoutPictures(WithOracle):
    """Machines whose image folder is empty."""

    def open_validator(self, settings, n_together=1):
        super().open_validator(settings)
        self._fleets[0]._witness = PictureChecker(settings.corpus).witness(
            one.name for one in Path(settings.corpus.images).iterdir()
        )
        empty = Path(settings.corpus.images).with_name("not mounted")
        empty.mkdir(exist_ok=True)
        self._fleets[0]._corpus = replace(settings.corpus, images=str(empty))
        return self._fleets[0]


def test_machines_without_the_pictures_stop_the_run(cluster, files, tmp_path: Path) -> None:
    settings = settings_of(files, "ray", validator={"name": "nano"}, ray={"cpus_per_validator": 0.5})
    place = WithoutPictures()
    with pytest.raises(RunError, match=r"does not see the pictures of .* stored is safe"):
        run_local(settings, tmp_path / "run", Silence(), place)
    place.close()
    assert not (tmp_path / "run" / "summary.json").exists()


def read_lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []


def marked_work(job, task, chunk):
    """Tell where it works; on a node that is to be lost it does not end before that."""
    import ray

    marks, node = Path(job.settings.corpus.images).parent, ray.get_runtime_context().get_node_id()
    (marks / f"on-{node}").touch()
    while (marks / f"doomed-{node}").exists():
        time.sleep(0.05)
    return work_on(job, task, chunk)


def test_both_engines_give_the_same_bytes_though_a_node_is_lost(
    cluster, files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "work_on", marked_work)
    run_local(settings_of(files, "local"), tmp_path / "local", Silence())
    doomed, marks = cluster.worker_nodes.copy().pop(), files.images.parent
    (marks / f"doomed-{doomed.node_id}").touch()
    with ThreadPoolExecutor() as beside:
        running = beside.submit(run_engine, settings_of(files, "ray"), tmp_path / "ray", Silence())
        wait_for(lambda: running.done() or (marks / f"on-{doomed.node_id}").exists())
        assert not running.done(), running.result()
        cluster.remove_node(doomed, allow_graceful=False)
        running.result()
    same(tmp_path / "local", tmp_path / "ray", *RESULTS)
    assert len(list(marks.glob("on-*"))) > 1


def refuse_to_work(job, task, chunk):
    raise CorpusError("It cannot be read.")


def test_what_a_task_raises_ends_the_run_with_its_sentence(cluster, files, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(ray_engine, "work_on", refuse_to_work)
    with pytest.raises(CorpusError, match="It cannot be read"):
        run_engine(settings_of(files, "ray"), tmp_path / "ray", Silence())
