"""An export on a stand-in of the hub: private, whole, in nobody's place, and its token in no output and no file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import OWNER, StandInHub, serving
from huggingface_hub import constants
from typer.testing import CliRunner

from datagen.cli import app
from datagen.engines import push_export
from datagen.errors import ExportError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    with serving(StandInHub()) as hub:
        yield hub


def push(
    hub: StandInHub, run: Path, out: Path, *options: str, exit_code: int = 0, form: str = "parquet", **environment: str
) -> str:
    """Export and push in a process of its own: the hub's client reads its address when it is imported."""
    given = {"HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    given |= {"HF_HOME": str(out.parent / "hf"), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
    command = [sys.executable, "-m", "datagen", "export", str(run), "--out", str(out), "--format", form, *options]
    done = subprocess.run(
        command, env={**os.environ, **given, **environment}, capture_output=True, text=True, check=False
    )
    told = done.stdout + done.stderr
    assert done.returncode == exit_code, told
    assert hub.token not in told and "Traceback" not in told
    return told


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_is_private_and_whole_and_a_later_one_takes_its_place(
    hub: StandInHub, finished: Path, tmp_path: Path
) -> None:
    told = push(hub, finished, tmp_path / "a", "--push", "set", "--validation-share", "0.4")
    repo = f"{OWNER}/set"
    assert f"pushed to {hub.url}/datasets/{repo} (private)" in told
    assert hub.private[repo] is True
    assert hub.repos[repo] == content(tmp_path / "a")
    assert any(path.endswith(".parquet") for path in hub.repos[repo]) and any(
        one.startswith("PUT") for one in hub.asked
    )
    assert not any(hub.token.encode() in one for one in hub.repos[repo].values())
    hub.repos[repo][".gitattributes"] = b"*"
    push(hub, finished, tmp_path / "b", "--push", repo, form="llava")
    assert hub.repos[repo] == {**content(tmp_path / "b"), ".gitattributes": b"*"}  # nothing of the first is left


def test_without_git_lfs_the_client_s_other_way_is_taken(hub: StandInHub, finished: Path, tmp_path: Path) -> None:
    hub.by_lfs = ()
    told = push(hub, finished, tmp_path / "a", "--push", "team/set", "--public", form="llava", HF_HUB_DISABLE_XET="0")
    assert "(public)" in told and hub.private["team/set"] is False
    assert hub.repos["team/set"] == content(tmp_path / "a")


def test_what_is_refused_is_one_sentence_before_anything_is_written(
    hub: StandInHub, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, repo = tmp_path / "a", f"{OWNER}/set"
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)

    def refused(
        *options: str, exit_code: int = 1, form: str = "llava", token: str = hub.token, url: str = hub.url
    ) -> str:
        monkeypatch.setenv("HF_TOKEN", token)
        monkeypatch.setattr(constants, "ENDPOINT", url)
        told = CliRunner().invoke(app, ["export", str(finished), "--out", str(out), "--format", form, *options])
        assert told.exit_code == exit_code and told.output.count("\n") == 1 and not out.exists(), told.output
        assert not any(one.startswith("POST") for one in hub.asked) and (not token or token not in told.output)
        return told.output

    assert "there is no token of the hub; set HF_TOKEN" in refused("--push", "set", token="")
    assert "does not take the token" in refused("--push", "set", token="hf_" + "wrong" * 7)
    assert "out of reach" in refused("--push", "set", url="http://127.0.0.1:9")
    assert "is no name of a repository" in refused("--push", "a/b/c")
    assert "--public: says who may see" in refused("--public", exit_code=2)
    assert "claims writes one file" in refused("--push", "set", form="claims", exit_code=2)
    hub.repos[repo], hub.private[repo] = {"model.bin": b"mine"}, True
    assert "is no export of datagen's" in refused("--push", "set")
    hub.repos[repo], hub.private[repo] = {}, False
    assert "is public on the hub; give --public too" in refused("--push", "set")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in refused("--push", "set")


def test_more_files_than_the_hub_takes_are_told(
    hub: StandInHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(push_export, "MOST_FILES", 3)
    (tmp_path / "images").mkdir()
    for n in range(4):
        (tmp_path / "images" / f"{n}.jpg").touch()
    with pytest.raises(ExportError, match="4 files in images/, and the hub takes 3 in one folder; parquet"):
        push_export.HubDataset("set").put(tmp_path)
    assert not hub.repos


def test_what_fails_on_the_way_leaves_the_export(hub: StandInHub, finished: Path, tmp_path: Path) -> None:
    hub.refused["/commit/"] = 403
    told = push(hub, finished, tmp_path / "a", "--push", "set", exit_code=1)
    assert "the token has no right to write there" in told and "is whole, so the same command tries again" in told
    hub.refused.clear()
    push(hub, finished, tmp_path / "a", "--push", "set")
    assert hub.repos[f"{OWNER}/set"] == content(tmp_path / "a")
