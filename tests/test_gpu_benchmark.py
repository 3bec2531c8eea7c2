"""The benchmark for a GPU runs whole on a CPU at small size, so that it works on the day there is one."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import gpu  # type: ignore[import-untyped]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = ("clip", "similarity", "rt_detr")
    monkeypatch.setattr(gpu, "MODELS", {name: gpu.MODELS[name] for name in kept})


def test_it_runs_where_there_is_no_gpu(tmp_path: Path, few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "told.json"
    given = ["--device", "cpu", "--shape", "tiny", "--conversations", "1", "--json", str(told)]
    monkeypatch.setattr(sys, "argv", ["gpu.py", *given])
    gpu.main()
    found = json.loads(told.read_text(encoding="utf-8"))
    for name in gpu.MODELS:
        assert found[f"{name}: off by at most, fp32"] == 0 < found[f"{name}: off by at most, bf16"] < 0.2
    assert found["tiny: ratio"] > 0 and found["nano: ratio"] > 0


def test_a_device_that_computes_something_else_fails(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "figures", lambda options: iter([("clip: off by at most, fp32", 0.002)]))
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu"])
    with pytest.raises(SystemExit, match=r"differ by 2\.0e-03 in fp32, more than 0\.001"):
        gpu.main()


def test_every_model_of_it_is_written_by_a_function_that_is_there() -> None:
    assert len(gpu.MODELS) >= 15 and all(map(callable, gpu.MODELS.values()))
