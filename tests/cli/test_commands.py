"""Every command does what its help says, and prints results on standard output."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CorpusFiles
from loopback import LoopbackServer
from typer.testing import CliRunner

from datagen.cli import app

RUNNER = CliRunner()


def run(*args: str, exit_code: int = 0) -> str:
    result = RUNNER.invoke(app, list(args))
    assert result.exit_code == exit_code, result.output
    return result.stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "run"
    run("demo", "--out", str(out))
    return out


def test_demo_makes_all_four_types_of_every_scene(demo: Path) -> None:
    summary = json.loads((demo / "summary.json").read_text())
    assert summary["samples"] == 24 * 4
    assert summary["share_accepted"] > 0.7  # an error is planted into every fifth reply
    planted = summary["planted"].values()
    assert sum(one["missed"] for one in planted) <= 0.2 * sum(one["planted"] for one in planted)
    assert summary["calibration"]["judged"]
    assert summary["verdicts"]["supported"] > summary["turns"] / 2
    assert len(json.loads((demo / "dataset.json").read_text())) == summary["accepted"]


def test_the_readme_shows_what_the_demo_prints(demo: Path) -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("and prints:\n\n```\n")[2].partition("```")[0].splitlines()
    told = run("status", str(demo)).splitlines()
    same = [
        line for line in shown if " in checks: " in line or line.startswith("planted")
    ]  # pixels may differ by machine
    assert len(same) > 4
    assert set(same) <= set(told)
    story = run("show", str(demo), "3-reasoning")
    for line in readme.partition("the evidence:\n\n```\n")[2].partition("```")[0].splitlines():
        assert line.removesuffix(" ...") in story


def test_the_same_command_twice_gives_the_same_bytes(demo: Path, tmp_path: Path) -> None:
    before = {
        name: (demo / name).read_bytes() for name in ("samples.jsonl", "dataset.json", "replies.jsonl", "README.md")
    }
    assert "accepted" in run("demo", "--out", str(demo))
    run("demo", "--out", str(tmp_path / "fresh"))
    for name, content in before.items():
        assert (demo / name).read_bytes() == content
        assert name == "replies.jsonl" or (tmp_path / "fresh" / name).read_bytes() == content


def test_run_writes_the_whole_folder_and_no_secret(
    corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with LoopbackServer() as server:
        out = run(
            "run", *corpus_files.options, "--out", str(tmp_path), "--teacher", "loopback", "--base-url", server.base_url
        )
    assert "accepted  " in out
    assert "dataset   " in out
    names = {path.name for path in tmp_path.iterdir()} - {".lock", ".finished.cache", ".sizes.cache"}
    written = {"README.md", "dataset.json", "report.html", "samples.jsonl", "summary.json"}
    assert names == {"replies.jsonl", "run.yaml", *written}
    assert not [path for path in tmp_path.iterdir() if b"sk-very-secret" in path.read_bytes()]


def test_too_many_failed_requests_is_exit_status_3(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    from loopback import error_answer

    def refuse_some(body: dict[str, object], _: int) -> object:
        return (
            error_answer(400, "prompt too long", "context_length_exceeded") if "scene number 1" in str(body) else None
        )

    args = ["run", *corpus_files.options, "--out", str(tmp_path), "--teacher", "loopback"]
    with LoopbackServer(intercept=refuse_some) as server:  # type: ignore[arg-type]
        run(*args, "--base-url", server.base_url, exit_code=3)
        run(*args, "--base-url", server.base_url, "--max-failed", "0.5")
    samples = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert sum(sample["reason"] == "context_too_long" for sample in samples) == 3


def test_status_tells_what_is_stored(demo: Path) -> None:
    out = run("status", str(demo))
    assert "replies   96 stored, 96 samples planned" in out
    assert "accepted  " in out
    assert "asked     existence " in out
    assert re.search(r"% of \d+ yes/no answers", out)
    assert "lacks     Counts are small: " in out


def test_status_says_nothing_of_cost_before_the_first_reply(demo: Path, tmp_path: Path) -> None:
    told = (demo / "run.yaml").read_text().replace("name: template", "name: gpt-4o-mini")
    (tmp_path / "run.yaml").write_text(told)
    out = run("status", str(tmp_path))
    assert "gpt-4o-mini" in out
    assert "cost" not in out


def test_status_of_an_unfinished_run(demo: Path, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_bytes((demo / "run.yaml").read_bytes())
    lines = (demo / "replies.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "replies.jsonl").write_bytes(b"".join(lines[:10]) + lines[10][:40])
    out = run("status", str(tmp_path))
    assert "replies   10 stored, 96 samples planned" in out
    assert f"next      datagen resume {tmp_path}   (it is not finished)" in out
    run("show", str(tmp_path), "1-conversation", exit_code=1)


def test_show_tells_the_whole_story(demo: Path) -> None:
    out = run("show", str(demo), "2-conversation")
    assert "Wanted:" not in out  # the embedded teacher follows no wish
    for part in (
        "## Context",
        "Counts: ",
        "## Reply of template",
        "## Turns",
        "1. Q: ",
        "   [supported_by_",
        "## Fate: accepted",
        "recipe ",
    ):
        assert part in out
    run("show", str(demo), "999-conversation", exit_code=1)


def test_export_writes_what_the_run_wrote(demo: Path, tmp_path: Path) -> None:
    out = run("export", str(demo), "--format", "llava", "--out", str(tmp_path / "llava"))
    assert "samples written" in out
    rows = json.loads((tmp_path / "llava" / "train.json").read_bytes())
    plain = [{name: row[name] for name in ("id", "image", "conversations")} for row in rows]
    assert plain == json.loads((demo / "dataset.json").read_bytes())
    run("export", str(demo), "--format", "pdf", "--out", str(tmp_path / "x"), exit_code=2)


def test_recipes_lists_the_types() -> None:
    out = run("recipes")
    assert [line.split()[0] for line in out.splitlines()] == [
        "conversation", "description", "grounded_description", "grounding", "negation", "reasoning", "referring",
    ]  # fmt: skip


def test_llava_context_reaches_the_teacher(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer() as server:
        args = ["--teacher", "loopback", "--base-url", server.base_url, "--context", "llava", "--limit", "1"]
        run("run", *corpus_files.options, *args, "--out", str(tmp_path))
        told = [body["messages"][-1]["content"] for _, body in server.seen]
    captions = (
        "A dog near 1 small cups on a lawn, scene number 1.\na brown dog sits left of some cups by a fence in garden 1"
    )
    boxes = "dog: [0.05, 0.4, 0.3, 0.9]\ncup: [0.55, 0.6, 0.6, 0.72]\nperson: [0.35, 0.05, 0.45, 0.65]"
    assert sorted(told) == sorted([captions, f"{captions}\n\n{boxes}", f"{captions}\n\n{boxes}"])


def test_version_and_wrong_usage() -> None:
    assert run("--version").startswith("datagen ")
    run("run", "--nonsense", exit_code=2)
    run("fly", exit_code=2)


def test_an_interrupt_is_exit_status_130(
    corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datagen import api

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "run_local", interrupted)
    run("run", *corpus_files.options, "--out", str(tmp_path), exit_code=130)


def test_a_run_folder_keeps_to_its_corpus(demo: Path, corpus_files: CorpusFiles) -> None:
    before = (demo / "dataset.json").read_bytes()
    result = RUNNER.invoke(app, ["run", *corpus_files.options, "--out", str(demo)])
    assert result.exit_code == 1
    assert "holds a run on captions_demo.json, instances_demo.json" in result.stderr
    assert (demo / "dataset.json").read_bytes() == before
    assert "accepted" in run("status", str(demo))


def test_show_steers_no_terminal(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    evil = "Question:\nWhat is\x1b[31m shown?\n===\nAnswer:\nA dog \x07 sits on the lawn."
    with LoopbackServer(reply=lambda body: evil) as server:
        args = ["--teacher", "loopback", "--base-url", server.base_url, "--types", "conversation", "--limit", "1"]
        run("run", *corpus_files.options, *args, "--out", str(tmp_path), exit_code=3)
    out = run("show", str(tmp_path), "1-conversation")
    assert "\x1b" not in out
    assert "\\x1b[31m" in out


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_full_log_does_not_stop_the_work(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "datagen", "run", *corpus_files.options, "--out", str(tmp_path / "run")]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stderr=full, stdout=subprocess.PIPE, check=False)
        assert done.returncode == 0
        assert (tmp_path / "run" / "dataset.json").is_file()
        told = subprocess.run(
            [*command[:3], "status", str(tmp_path / "run")], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert told.returncode == 1
    assert b"Traceback" not in told.stderr


def test_a_run_is_named_by_its_run_yaml_too(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run("run", *corpus_files.options, "--out", str(out))
    (out / "summary.json").unlink()
    for command in ("resume", "status", "report"):
        run(command, str(out / "run.yaml"))
    assert (out / "summary.json").is_file()
