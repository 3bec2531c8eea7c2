"""What is said when there is no Ray, or no cluster at the address."""

import importlib.util
import socket

import pytest
from conftest import CorpusFiles
from typer.testing import CliRunner

from datagen.cli import app
from datagen.config import RaySettings, load_settings
from datagen.engines.ray import cluster
from datagen.errors import SettingsError

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="pip install 'datagen[ray]'")


def test_without_ray_the_command_to_install_it_is_told(
    corpus_files: CorpusFiles, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: None)  # type: ignore[attr-defined]
    ended = CliRunner().invoke(app, ["run", *corpus_files.options, "--engine", "ray", "--out", str(tmp_path / "run")])
    assert ended.exit_code == 2
    assert ended.output.strip() == (
        "datagen: --engine ray needs Ray, which is not installed: pip install 'datagen[ray]'."
    )
    assert not (tmp_path / "run").exists()


@needs_ray
@pytest.mark.parametrize("address", ["nowhere", "ray://head:10001", "head:port", "http://head:6379", ":6379"])
def test_an_address_of_another_form_is_told_the_form(address: str) -> None:
    with pytest.raises(SettingsError, match=r"expected HOST:PORT"), cluster.connected(RaySettings(address=address)):
        pass


@needs_ray
def test_an_address_where_nobody_listens_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, so that nobody else listens there
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(SettingsError, match="no Ray cluster answers"),
            cluster.connected(RaySettings(address=address)),
        ):
            pass


def test_settings_of_a_version_that_asked_over_ray_still_load(corpus_files: CorpusFiles) -> None:
    before = {"workers": 2, "shards": 5}
    assert load_settings(None, {**corpus_files.settings, "engine": "ray", "ray": before}).ray == RaySettings(workers=2)
