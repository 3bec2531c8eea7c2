"""A replica on each device: all at work at once, and the bytes of one."""

import threading
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import datagen
from datagen.config import ValidatorSettings, dump_settings, load_settings
from datagen.engines import score_run
from datagen.engines.local import run_local
from datagen.engines.ordered_threads import map_in_order
from datagen.engines.progress import Silence
from datagen.errors import ValidatorError
from datagen.records import Score
from datagen.validator import Fault, Look, open_validator
from datagen.validator.loading import devices_of
from datagen.validator.models.family import LazyValidator
from datagen.validator.protocol import Abilities
from datagen.validator.replicas import Replicas


class Meeting:
    """A validator that answers only when another works beside it."""

    abilities, n_readers = Abilities(), 0

    def __init__(self, device: str, barrier: threading.Barrier) -> None:
        self.identity, self.device = device.partition(":")[0], device
        self._barrier = barrier

    def look_over(self, names: Sequence[str], load_picture: Any) -> None:
        raise ValidatorError(f"{self.device} saw {names[0]}")

    def score(
        self, looks: Sequence[Look], load_picture: Any, known: Container[str] = frozenset()
    ) -> Iterator[Score | Fault]:
        self._barrier.wait(timeout=60)
        yield from (Fault(look.picture, self.device, "it was there") for look in looks)


def no_picture(name: str) -> Any:
    """None of these looks at one."""


def test_two_replicas_work_at_once_and_answers_keep_their_order() -> None:
    barrier = threading.Barrier(2)
    two = Replicas(
        ValidatorSettings(device="x:0,x:1"), ("x:0", "x:1"), lambda settings: Meeting(settings.device, barrier)
    )
    calls = [(Look(str(n), ()),) for n in range(8)]
    found: list[Any] = []
    for _, results in map_in_order(lambda looks: two.score(looks, no_picture), calls, two.n_at_once):
        found += results
    assert [one.picture for one in found] == [str(n) for n in range(8)]
    assert {one.reason for one in found} == {"x:0", "x:1"}
    with pytest.raises(ValidatorError, match="x:0 saw it"):
        two.look_over(["it"], no_picture)


def test_devices_that_give_other_scores_are_refused() -> None:
    settings = ValidatorSettings(device="cpu,cuda:0")
    with pytest.raises(ValidatorError, match=r"^--device cpu,cuda:0: these do not compute in the same precision"):
        Replicas(settings, ("cpu", "cuda:0"), lambda one: Meeting(one.device, threading.Barrier(1)))


def test_devices_are_listed_or_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices_of("auto") == ("auto",)
    assert devices_of("cpu, cpu") == ("cpu", "cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert devices_of("auto") == ("cuda:0", "cuda:1", "cuda:2")
    assert devices_of("cuda") == ("cuda",)
    monkeypatch.undo()
    for device in ("cpu,gpu", "gpu,cpu", "cpu,"):
        with pytest.raises(ValidatorError, match="is not known; give --device auto"):
            open_validator(ValidatorSettings(name="nano", device=device))


def test_two_replicas_of_a_model_give_the_bytes_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_run, "IMAGES_AT_ONCE", 2)
    loaded: list[int] = []
    score = LazyValidator.score

    def watched(validator: LazyValidator, *given: Any) -> Iterator[Score | Fault]:
        yield from score(validator, *given)
        if validator._loaded is not None:
            loaded.append(id(validator._loaded))

    monkeypatch.setattr(LazyValidator, "score", watched)
    plain = dump_settings(datagen.demo_settings())
    for device in ("cpu", "cpu,cpu"):
        settings = {**plain, "corpus.limit": 8, "types": ["conversation"], "validator.device": device}
        run_local(load_settings(None, settings), tmp_path / device, Silence())
    assert len(set(loaded)) == 3
    for name in ("scores.jsonl", "calibration.jsonl", "samples.jsonl", "dataset.json", "summary.json"):
        assert (tmp_path / "cpu" / name).read_bytes() == (tmp_path / "cpu,cpu" / name).read_bytes(), name
