"""The view command: it says where to look, ends quietly, and tells what it lacks."""

import importlib.util
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from started import hear_interrupts
from typer.testing import CliRunner

from datagen.cli import app


def get(url: str, **headers: str) -> tuple[int, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status, answer.read().decode() + str(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C reaches a child differently elsewhere")
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_it_serves_until_it_is_interrupted(host: str, finished: Path) -> None:
    command = [sys.executable, "-m", "datagen", "view", str(finished), "--host", host]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=hear_interrupts,  # noqa: PLW1509 (no thread is started by then)
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            name, url = process.stdout.readline().split()
            assert name == "view"
            here = url.replace(url.split("/")[2].rpartition(":")[0], "127.0.0.1")
            plain = here.partition("?")[0]
            if host == "127.0.0.1":
                assert "token" not in url
                assert '"n_samples":' in get(f"{plain}state")[1]
            else:
                assert get(f"{plain}state") == (401, get(plain)[1])
                status, told = get(here)
                assert status == 200
                assert "HttpOnly" in told
        finally:
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert output == ""
    assert errors == "Stop it with Ctrl-C.\n"


def test_without_its_extra_the_way_to_install_it_is_told(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec

    def without(name: str, *more: Any) -> Any:
        return None if name in ("starlette", "uvicorn") else find_spec(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    done = CliRunner().invoke(app, ["view", str(finished)])
    assert done.exit_code == 2
    assert "pip install 'datagen[view]'" in done.output
    assert done.output.count("\n") == 1


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["view", str(tmp_path)])
    assert done.exit_code == 1
    assert "is not a run folder" in done.output
    (tmp_path / "shards").mkdir()
    for command in (["view"], ["report"], ["export", "--out", str(tmp_path / "x")]):
        done = CliRunner().invoke(app, [command[0], str(tmp_path), *command[1:]])
        assert done.exit_code == 1
        assert f"datagen merge {tmp_path}" in done.output
