"""A wheel built from the repository works by itself: outside the checkout, without network."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

NO_NETWORK = """
import socket

def refuse(*address, **options):
    raise OSError("this test has no network")

socket.getaddrinfo = socket.gethostbyname = refuse
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


@pytest.mark.wheel
def test_it_carries_prompts_seeds_and_the_demo_corpus(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("prompts", "seeds"):
        for path in (ROOT / folder).rglob("*.*"):
            assert f"datagen/{folder}/{path.relative_to(ROOT / folder).as_posix()}" in names
    assert "datagen/data/demo/annotations/captions_demo.json" in names
    assert {"datagen/data/prices.yaml", "datagen/data/nano_guard.json"} <= names
    assert "datagen/py.typed" in names  # a type checker reads the annotations of the users' copy
    assert {f"datagen/view/page/static/page.{kind}" for kind in ("html", "css", "js")} <= names
    assert {
        f"datagen/data/{half}/{name}" for half in ("nano", "nano_photos") for name in ("model.safetensors", "nano.json")
    } <= set(names)
    assert {f"datagen/data/entailment/{name}" for name in ("model.safetensors", "entailment.json")} <= names
    assert wheel.stat().st_size < 30 * 2**20
    assert not [name for name in names if name.startswith(("tests/", "training/", "prompts/"))]


@pytest.mark.wheel
def test_the_demo_runs_elsewhere_with_the_network_off(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    (site / "sitecustomize.py").write_text(NO_NETWORK)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    lookup = [sys.executable, "-c", "import socket; socket.getaddrinfo('localhost', 80)"]
    refused = subprocess.run(lookup, env=environment, capture_output=True, text=True, check=False)
    assert "this test has no network" in refused.stderr
    where = [sys.executable, "-c", "import datagen; print(datagen.__file__)"]
    done = subprocess.run(where, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).is_relative_to(site)
    demo = [sys.executable, "-m", "datagen", "demo", "--out", "demo"]
    subprocess.run(demo, cwd=tmp_path, env=environment, check=True, capture_output=True)
    summary = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert summary["accepted"] > 65
    assert summary["calibration"]["judged"]
