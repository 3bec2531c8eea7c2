"""Options that stand for settings, and ``--set``, which reaches every setting."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from conftest import CorpusFiles
from typer.testing import CliRunner

import datagen
from datagen.cli import app, options
from datagen.config import load_settings, settings_table
from datagen.errors import SettingsError
from datagen.settings_table import OPTIONS, OptionRow

EXAMPLES: dict[str, Any] = {
    "corpus.captions": ["a.json", "b.json"],
    "types": ["description"],
    "teacher.base_url": "http://localhost:8000/v1",
    "teacher.name": "m",
    "dedup.embeddings": {"model": "m", "batch_size": 16},
    "dedup.embeddings.base_url": "http://localhost:8000/v1",
    "checks.judge": {"model": "m", "planted": 16},
    "checks.judge.base_url": "http://localhost:8000/v1",
    "checks.words": {"synonyms": {"dog": ["hound"]}},
    "balance.yes_share": 0.4,
    "mix": {"conversation": 2.0, "reasoning": 1.0},
    "teacher.leave_out": ["temperature"],
    "teacher.image_px": 512,
    "language": "ko",
    "validator.probes": {"attribute": "Is the {thing} {value}?"},
    "teacher.extra_body": {"top_k": 20},
}


def example(name: str) -> Any:
    """A value of a setting that is not its default, where one can be made up."""
    row = settings_table().rows[name]
    if name in EXAMPLES:
        return EXAMPLES[name]
    if row.choices:
        return row.choices[-1] if name != "engine" else "ray"
    return {bool: not row.default, int: 7, float: 0.25, tuple: ["x", "y"]}.get(row.kind, "x")


def given_to(*arguments: str) -> dict[str, Any]:
    """What a command with every option is told."""
    told: dict[str, Any] = {}
    trial = typer.Typer()

    @trial.command()
    @options.takes_settings(*options.RUN)
    def catch(*, given: options.Given) -> None:
        told.update(given)

    done = CliRunner().invoke(trial, list(arguments))
    assert done.exit_code == 0, done.output
    return told


@pytest.mark.parametrize("name", settings_table().rows)
def test_set_reaches_every_setting(name: str) -> None:
    value = example(name)
    text = msgspec.json.encode(value).decode()
    told = options.assignment(f"{name}={text}")
    assert told == (name, value)
    teacher = "template" if name == "teacher.planted_errors" else "m"  # another brings errors of its own
    needed = {
        "corpus.captions": ["c.json"],
        "corpus.images": "i",
        "teacher.name": teacher,
        "dedup.embeddings.model": "m",
        "checks.judge.model": "m",
    }
    settings = msgspec.json.decode(msgspec.json.encode(load_settings(None, {**needed, name: value})))
    for part in name.split("."):
        settings = settings[part]
    if isinstance(value, list) and name.startswith("corpus."):
        value = [str(Path(one).absolute()) for one in value]
    if name in ("corpus.images", "corpus.dataset", "corpus.path", "recipes_dir", "teacher.prices"):
        value = str(Path(value).absolute())
    assert settings == value or (isinstance(value, dict) and value.items() <= settings.items())


@pytest.mark.parametrize("row", OPTIONS, ids=lambda row: row.name)
def test_every_option_sets_its_setting(row: OptionRow) -> None:
    typed = {"checks.words": "words.yaml", "mix": "conversation=2,reasoning=1"}
    value = typed.get(row.setting) or example(row.setting)
    if row.repeats:
        value = [value] if isinstance(value, str) else value
        arguments = [part for one in value for part in (row.flag, one)]
    else:
        text = ",".join(value) if isinstance(value, list) else str(value)
        arguments = [row.flag] if value is True else [row.flag, text]
    assert given_to(*arguments) == {row.setting: value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("teacher.rpm=60", 60),
        ("teacher.rpm=null", None),
        ("teacher.name=123", "123"),
        ("teacher.name=null", "null"),
        ("teacher.name=a: b", "a: b"),
        ("teacher.name=2026-13-01", "2026-13-01"),
        ("corpus.images=null", None),
        ('corpus.images="null"', "null"),
        ("checks.exhaustive=yes", "yes"),
        ("dedup.over_set=no", False),
        ("types=description, reasoning", ["description", "reasoning"]),
        ("types=[description]", ["description"]),
        ("validator.name=endpoint:http://localhost:8000/v1#m", "endpoint:http://localhost:8000/v1#m"),
        ("validator.name=[nano, x]", ["nano", "x"]),
        ("validator.name=nano,x", "nano,x"),
        ("validator.name=[nano", "[nano"),
        ("results=s3://bucket/a=b", "s3://bucket/a=b"),
        ("teacher.rpm=fast", "fast"),
    ],
)
def test_a_value_is_read_as_its_setting_takes_it(text: str, value: Any) -> None:
    assert options.assignment(text) == (text.partition("=")[0], value)


def test_set_wins_over_options_and_the_later_set_wins() -> None:
    told = given_to("--rpm", "1", "--set", "teacher.rpm=2", "--set", "teacher.rpm=3", "--tpm", "4")
    assert told == {"teacher.rpm": 3, "teacher.tpm": 4}
    assert given_to() == {}
    with pytest.raises(SettingsError, match="expected NAME=VALUE"):
        options.assignment("teacher.rpm")


def test_a_run_is_made_and_judged_again_with_set(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("rng_seed: 1\nvalidator: {name: none}\ncorpus: {limit: 3}\n")
    out = str(tmp_path / "run")
    arguments = ["--limit", "2", "--set", "corpus.limit=1", "--set", "types=description", "--rng-seed", "5"]
    done = CliRunner().invoke(app, ["run", str(path), "--out", out, *corpus_files.options, *arguments])
    assert done.exit_code == 0, done.output
    settings = datagen.open_run(out).settings
    assert (settings.corpus.limit, settings.rng_seed, settings.types) == (1, 5, ("description",))
    for command in (["estimate", str(path), *corpus_files.options], ["lint", *corpus_files.options]):
        done = CliRunner().invoke(app, [*command, "--set", "corpus.max_image_pixels=0"])
        assert done.exit_code == 2
        assert "corpus.max_image_pixels takes a whole number of at least 1; found 0." in done.stderr
    done = CliRunner().invoke(app, ["validate", out, "--set", "validator.calibration_images=0"])
    assert done.exit_code == 2
    assert "no validator yet" in done.stderr


@pytest.mark.parametrize("value", ["{a: &a [*a]}", "{a: 1, a: 2}", "&a {b: *a}"])
def test_a_value_that_holds_itself_or_a_key_twice_is_a_text(value: str) -> None:
    done = CliRunner().invoke(
        app, ["run", "--captions", "c.json", "--out", "r", "--set", f"teacher.extra_body={value}"]
    )
    assert done.exit_code == 2 and "teacher.extra_body takes" in done.stderr
