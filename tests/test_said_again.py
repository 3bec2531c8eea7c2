"""A run folder may be a stranger's: what it says of code, keys and places has no effect before the user says it again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import CorpusFiles
from loopback import LoopbackServer
from typer.testing import CliRunner

import datagen
from datagen.cli import app
from datagen.config import dump_settings, load_settings
from datagen.engines.inputs import Inputs, common_settings
from datagen.engines.progress import Silence
from datagen.errors import SettingsError
from datagen.said_again import dangers_in
from datagen.store import RunFolder

FAR = "https://stranger.test/v1"
RUNNER = CliRunner()


def dangers(**overrides: Any) -> list[tuple[str, object]]:
    settings = dump_settings(load_settings(None, {name.replace("__", "."): one for name, one in overrides.items()}))
    return [(one.setting, one.value) for one in dangers_in(settings)]


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "mine")
    monkeypatch.setenv("OTHER_SECRET", "mine too")


def test_what_a_run_folder_may_say() -> None:
    assert dangers() == []
    assert dangers(teacher__name="m") == []  # to OpenAI, or where OPENAI_BASE_URL points
    assert dangers(teacher__name="m", teacher__base_url="http://127.0.0.9:1/v1") == []
    assert dangers(teacher__name="m", teacher__base_url="http://[::1]:1/v1") == []
    assert dangers(teacher__name="m", teacher__base_url=FAR, teacher__api_key_env="NOT_SET") == []
    assert dangers(teacher__name="m", checks__judge="j", dedup__embeddings={"model": "e"}) == []
    assert dangers(ray__address="head:1") == []  # of another engine
    assert dangers(teacher__name="m", teacher__show_images=True, corpus__images="x") == []  # to OpenAI


@pytest.mark.parametrize(
    ("overrides", "found"),
    [
        ({"teacher__base_url": FAR}, [("teacher.base_url", FAR)]),
        ({"teacher__base_url": "http://localhost.test/v1"}, [("teacher.base_url", "http://localhost.test/v1")]),
        ({"teacher__api_key_env": "OTHER_SECRET"}, [("teacher.api_key_env", "OTHER_SECRET")]),
        (
            {"teacher__base_url": "http://localhost/v1", "teacher__api_key_env": "OTHER_SECRET"},
            [("teacher.api_key_env", "OTHER_SECRET")],
        ),
        ({"teacher__show_images": True, "teacher__base_url": "http://localhost/v1", "corpus__images": "x"}, []),
        (
            {"teacher__show_images": True, "teacher__base_url": FAR, "corpus__images": "x"},
            [("teacher.base_url", FAR)],
        ),
        (
            {"teacher__base_url": "https://host/v1/[key]/x", "teacher__api_key_env": "NOT_SET"},
            [("teacher.base_url", "https://host/v1/[key]/x")],
        ),
        ({"validator__name": "endpoint:http://127.0.0.1:1/v1#v", "corpus__images": "x"}, []),
        (
            {"validator__name": f"nano,endpoint:{FAR}", "validator__api_key_env": "NOT_SET", "corpus__images": "x"},
            [("validator.name", f"nano,endpoint:{FAR}")],
        ),
        ({"checks__judge": {"model": "j", "base_url": FAR}}, [("checks.judge.base_url", FAR)]),
        ({"checks__judge": {"model": "entailment", "base_url": FAR}}, [("checks.judge.base_url", FAR)]),
        ({"checks__judge": {"model": "entailment", "api_key_env": "OTHER_SECRET"}}, []),
        (
            {"checks__judge": {"model": "j", "api_key_env": "OTHER_SECRET"}},
            [("checks.judge.api_key_env", "OTHER_SECRET")],
        ),
        ({"dedup__embeddings": {"model": "e", "base_url": FAR}}, [("dedup.embeddings.base_url", FAR)]),
        ({"engine": "ray", "ray__address": "head:1"}, [("ray.address", "head:1")]),
        ({"results": "file:///home/me"}, [("results", "file:///home/me")]),
        ({"validator__trust_remote_code": True}, [("validator.trust_remote_code", True)]),
        (
            {"validator__name": f"endpoint:{FAR}#v", "validator__api_key_env": "OTHER_SECRET", "corpus__images": "x"},
            [("validator.name", f"endpoint:{FAR}#v"), ("validator.api_key_env", "OTHER_SECRET")],
        ),
        (
            {
                "validator__name": f"nano, endpoint:{FAR}#v",
                "validator__api_key_env": "OTHER_SECRET",
                "corpus__images": "x",
            },
            [("validator.name", f"nano,endpoint:{FAR}#v"), ("validator.api_key_env", "OTHER_SECRET")],
        ),
    ],
)
def test_what_it_may_not_say_alone(overrides: dict[str, Any], found: list[tuple[str, object]]) -> None:
    assert dangers(teacher__name="m", **overrides) == found


def test_a_merge_asks_neither_teacher_nor_validator() -> None:
    given = {"validator.name": f"endpoint:{FAR}#v", "teacher.name": "m", "teacher.base_url": FAR, "corpus.images": "x"}
    settings = dump_settings(load_settings(None, given))
    assert [*dangers_in(settings, is_merge=True)] == []
    assert len([*dangers_in(settings)]) == 2
    judged = dump_settings(load_settings(None, {**given, "checks.judge": {"model": "j"}}))
    assert [one.setting for one in dangers_in(judged, is_merge=True)] == ["teacher.base_url"]


@pytest.fixture
def stranger(finished: Path, tmp_path: Path) -> Path:
    """A finished run, whose settings somebody may change."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def change(run: Path, group: str, **values: object) -> None:
    manifest = msgspec.yaml.decode((run / "run.yaml").read_bytes())
    manifest["settings"][group] |= values
    (run / "run.yaml").write_bytes(msgspec.yaml.encode(manifest))


@pytest.mark.parametrize(
    "command", ["validate RUN --validator nano", "resume RUN", "view RUN", "run RUN/run.yaml --out X"]
)
def test_no_command_runs_the_code_of_a_strangers_checkpoint(stranger: Path, command: str, tmp_path: Path) -> None:
    change(stranger, "validator", trust_remote_code=True, name="stranger/checkpoint")
    words = [word.replace("RUN", str(stranger)).replace("X", str(tmp_path / "x")) for word in command.split()]
    result = RUNNER.invoke(app, words)
    assert result.exit_code == 2 and "--trust-remote-code  runs the Python code" in result.stderr, result.output


def test_what_is_said_again_passes(stranger: Path) -> None:
    change(stranger, "validator", trust_remote_code=True)
    told = RUNNER.invoke(app, ["validate", str(stranger), "--validator", "nano", "--trust-remote-code"])
    assert told.exit_code == 0, told.output
    with pytest.raises(SettingsError, match=r"validator\.trust_remote_code=True|validator\.trust_remote_code"):
        datagen.open_run(stranger).validate("nano")
    datagen.open_run(stranger).validate("nano", trust_remote_code=True)


def test_no_secret_goes_where_a_strangers_run_says(stranger: Path) -> None:
    with LoopbackServer() as server:
        change(stranger, "teacher", name="m", base_url=server.base_url, api_key_env="OTHER_SECRET")
        result = RUNNER.invoke(app, ["resume", str(stranger), "--change"])
        assert result.exit_code == 2 and "--set teacher.api_key_env=OTHER_SECRET" in result.stderr
        assert not server.seen and not server.n_connections
        meant = ["--set", "teacher.api_key_env=OTHER_SECRET"]
        assert RUNNER.invoke(app, ["resume", str(stranger), "--change", *meant]).exit_code == 0
        assert server.seen[0][0]["authorization"] == "Bearer mine too"


def test_nothing_is_written_where_a_strangers_run_says(stranger: Path, tmp_path: Path) -> None:
    manifest = (stranger / "run.yaml").read_text().replace("results: null", f"results: file://{tmp_path}/elsewhere")
    (stranger / "run.yaml").write_text(manifest)
    result = RUNNER.invoke(app, ["validate", str(stranger), "--validator", "nano"])
    assert result.exit_code == 2 and f"--results file://{tmp_path}/elsewhere" in result.stderr
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("command", ["validate RUN", "resume RUN", "run RUN/run.yaml --out X"])
def test_no_picture_goes_where_a_strangers_run_says(stranger: Path, command: str, tmp_path: Path) -> None:
    change(stranger, "validator", name=f"endpoint:{FAR}#m")
    words = [word.replace("RUN", str(stranger)).replace("X", str(tmp_path / "x")) for word in command.split()]
    result = RUNNER.invoke(app, words)
    assert result.exit_code == 2 and f"--validator endpoint:{FAR}#m  is sent the pictures" in result.stderr
    with pytest.raises(SettingsError, match="is sent the pictures"):
        datagen.open_run(stranger).validate()


def test_a_key_in_the_path_of_an_address_is_in_no_file(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    key, out = "9f31c04b7d2e4a51a6d0c8e2b7f3a914", tmp_path / "run"
    whole = f"http://127.0.0.1:1/v1/{key}"
    settings = load_settings(None, {**corpus_files.settings, "teacher.name": "m", "teacher.base_url": whole})
    inputs = Inputs(settings, RunFolder(out), Silence())
    out.mkdir()
    inputs.write_manifest()
    assert key not in str(
        common_settings(load_settings(None, {**corpus_files.settings, "validator.name": f"endpoint:{whole}"}))
    )
    text = (out / "run.yaml").read_text()
    assert key not in text and "http://127.0.0.1:1/v1/[key]" in text
    told = RUNNER.invoke(app, ["resume", str(out)])
    assert told.exit_code == 2 and "is without its key, which no file holds; give the whole address" in told.stderr
    told = RUNNER.invoke(app, ["resume", str(out), "--base-url", whole])
    assert told.exit_code == 1 and "Nothing answers at http://127.0.0.1:1/v1/[key]" in told.stderr
