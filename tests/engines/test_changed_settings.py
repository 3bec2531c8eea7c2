"""A run folder is not rewritten or shrunk by settings that were left out or changed, unless that is said."""

from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles
from typer.testing import CliRunner

import datagen
from datagen.cli import app
from datagen.config import load_settings, settings_table
from datagen.engines.inputs import WHERE_AND_HOW
from datagen.engines.local import run_local
from datagen.engines.preflight import changes
from datagen.engines.progress import Silence
from datagen.errors import RunError
from datagen.pipeline import STAGES

BASE: dict[str, Any] = {
    "corpus": {"captions": ["/a/c.json"], "instances": ["/a/i.json"], "images": "/a/p", "limit": 5},
    "types": ["conversation", "description"],
    "teacher": {"name": "m", "base_url": "http://localhost:1/v1"},
}


def changed(**given: Any) -> list[str]:
    named = {name.replace("__", "."): value for name, value in given.items()}
    found = changes(load_settings(None, BASE), load_settings(None, {**BASE, **named}))
    return [change.setting for change in found]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"corpus__limit": 9},
        {"corpus__limit": None},
        {"types": ["description", "conversation", "reasoning"]},
        {"corpus__captions": ["/elsewhere/c.json"], "corpus__images": "/elsewhere"},
        {"teacher__rpm": 5, "teacher__base_url": "http://other/v1", "workers": 3, "max_failed": 1, "engine": "ray"},
        {"teacher__budget_usd": 5, "validator__device": "cpu", "max_unreadable": None},
    ],
)
def test_what_takes_nothing_away_needs_no_leave(given: dict[str, Any]) -> None:
    assert changed(**given) == []


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"teacher": {"name": "template"}}, ["teacher.name"]),
        ({"corpus__limit": 4}, ["corpus.limit"]),
        ({"types": ["description"]}, ["types"]),
        ({"corpus__instances": []}, ["corpus.instances"]),
        ({"corpus__images": None}, ["corpus.images"]),
        ({"context__style": "llava", "rng_seed": 1}, ["context.style", "rng_seed"]),
        ({"validator__name": "nano"}, ["validator.name"]),
        ({"dedup__embeddings": {"model": "e"}}, ["dedup.embeddings"]),
        ({"checks__words": {"synonyms": {"dog": ["hound"]}}}, ["checks.words"]),
    ],
)
def test_what_rewrites_or_shrinks_is_named(given: dict[str, Any], names: list[str]) -> None:
    assert changed(**given) == names


def test_every_name_is_a_settings_and_none_decides_a_stage() -> None:
    assert set(WHERE_AND_HOW) <= set(settings_table().rows)
    assert not {name for stage in STAGES for name in stage.settings} & WHERE_AND_HOW


def command(*args: str, exit_code: int = 0) -> str:
    done = CliRunner().invoke(app, [*args])
    assert done.exit_code == exit_code, done.output
    return done.output


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"mix": "conversation=58,description=23"}, "--mix  none → conversation=58,description=23\n"),
        ({"teacher.extra_body": {"top_k": 20}}, "--set teacher.extra_body  none → top_k=20\n"),
    ],
)
def test_a_mapping_is_told_as_its_option_takes_it(
    corpus_files: CorpusFiles, tmp_path: Path, given: dict[str, Any], told: str
) -> None:
    base = {**corpus_files.settings, "types": ["conversation", "description"]}
    run_local(load_settings(None, base), tmp_path, Silence())
    with pytest.raises(RunError) as refused:
        run_local(load_settings(None, {**base, **given}), tmp_path, Silence())
    assert told in str(refused.value)


def files_of(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in ("run.yaml", "samples.jsonl", "dataset.json", "summary.json")}


def test_a_run_is_kept_until_change_is_said(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    base = ["run", *corpus_files.options, "--out", out]
    command(*base, "--types", "description,conversation", "--limit", "4")
    before = files_of(Path(out))
    told = command(*base, "--types", "description", "--limit", "2", "--set", "checks.skip=refusal", exit_code=1)
    assert "--limit            4 → 2\n" in told
    assert "--types            description,conversation → description\n" in told
    assert "--set checks.skip  none → refusal\n" in told
    assert f"datagen resume {out}" in told
    assert files_of(Path(out)) == before
    assert "accepted" in command("resume", out, "--workers", "1")
    assert {**files_of(Path(out)), "run.yaml": b""} == {**before, "run.yaml": b""}
    command("resume", out, "--limit", "6")
    assert datagen.open_run(out).summary.samples == 12
    command(*base, "--types", "description", "--limit", "2", "--change")
    assert datagen.open_run(out).summary.samples == 2


def test_python_is_told_the_settings_and_may_say_change(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    settings = {**corpus_files.settings, "types": ["description"]}
    datagen.run(settings, tmp_path / "run")
    with pytest.raises(RunError, match=r"corpus\.limit  all → 1\n.*change=True"):
        datagen.run({**settings, "corpus.limit": 1}, tmp_path / "run")
    assert datagen.run({**settings, "corpus.limit": 1}, tmp_path / "run", change=True).summary.samples == 1


def test_a_run_of_another_version_is_kept_by_the_settings_that_both_know(
    corpus_files: CorpusFiles, tmp_path: Path
) -> None:
    made = datagen.run({**corpus_files.settings, "types": ["description"]}, tmp_path / "run")
    told = made.folder.settings.read_text().replace("settings:\n", "settings:\n  novelty: 3\n", 1)
    made.folder.settings.write_text(told)
    with pytest.raises(RunError, match=r"corpus\.limit  all → 1"):
        datagen.run({**corpus_files.settings, "types": ["description"], "corpus.limit": 1}, tmp_path / "run")


def test_a_run_that_holds_no_answer_may_become_anything(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    datagen.run({**corpus_files.settings, "types": ["description"]}, tmp_path / "run")
    for name in ("summary.json", "replies.jsonl"):
        (tmp_path / "run" / name).unlink()
    assert datagen.run(corpus_files.settings, tmp_path / "run").summary.samples == 18


def test_other_prompts_of_another_folder_are_a_change(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    import shutil

    from datagen.recipes import bundled_folder

    for name in ("prompts", "seeds"):
        shutil.copytree(bundled_folder(name), tmp_path / "own" / name)
    settings = {**corpus_files.settings, "types": ["description"]}
    datagen.run(settings, tmp_path / "run")
    datagen.run({**settings, "recipes_dir": str(tmp_path / "own")}, tmp_path / "run")  # the same prompts
    prompt = tmp_path / "own" / "prompts" / "description" / "system.txt"
    prompt.write_text(prompt.read_text(encoding="utf-8") + "\nBe brief.", encoding="utf-8")
    datagen.run({**settings, "recipes_dir": str(tmp_path / "own")}, tmp_path / "run")  # edited in place: it is meant
    with pytest.raises(RunError, match=r"recipes_dir  .*own → none"):
        datagen.run(settings, tmp_path / "run")


def test_a_run_yaml_is_a_settings_file(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    command("run", *corpus_files.options, "--limit", "2", "--rng-seed", "3", "--out", str(tmp_path / "a"))
    command("run", str(tmp_path / "a" / "run.yaml"), "--types", "description", "--out", str(tmp_path / "b"))
    settings = datagen.open_run(tmp_path / "b").settings
    assert (settings.rng_seed, settings.corpus.limit, settings.types) == (3, 2, ("description",))
    assert datagen.run(tmp_path / "a" / "run.yaml", tmp_path / "c").summary.samples == 6


def test_shards_are_kept_and_resumed_too(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    base = ["run", *corpus_files.options, "--out", out, "--types", "description"]
    for shard in ("1/2", "2/2"):
        command(*base, "--shard", shard)
    told = command(*base[:-1], "conversation", "--shard", "1/2", exit_code=1)
    assert "--types  description → conversation" in told
    assert "every shard here is done" in command("resume", out, exit_code=1)
    (tmp_path / "run" / "shards" / "2-of-2" / "shard.json").unlink()
    assert "shard     2/2" in command("resume", out)
    (tmp_path / "run" / "shards" / "1-of-2" / "shard.json").unlink()
    assert "shard     1/2" in command("resume", str(tmp_path / "run" / "shards" / "1-of-2"))
    assert "accepted" in command("merge", out)
    assert "accepted" in command("resume", out)
