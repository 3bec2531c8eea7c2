"""What contributors and releases rely on is true: hooks and workflows run what there is, on the Pythons that are named."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def load(path: Path) -> dict[Any, Any]:
    return msgspec.yaml.decode(path.read_bytes(), type=dict[Any, Any])


def test_ci_tries_every_python_that_the_package_names_on_three_systems() -> None:
    matrix = load(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["test"]["strategy"]["matrix"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert matrix["python"] == named
    assert PROJECT["requires-python"] == f">={named[0]}"
    assert [os.partition("-")[0] for os in matrix["os"]] == ["ubuntu", "macos", "windows"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_may_do_little_and_run_what_there_is(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job.get("permissions", {}) == ({"id-token": "write"} if name == "publish" else {})
        assert job["timeout-minutes"]
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert "secrets." not in str(step)
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False
            for file in re.findall(r"(?<![\w/.-])\.ci/\w+|\w+\.txt", step.get("run", "")):
                assert (ROOT / file).is_file()


def test_only_a_tag_that_was_built_is_published() -> None:
    release = load(ROOT / ".github" / "workflows" / "release.yml")
    assert release[True] == {"push": {"tags": ["v*"]}}  # "on" is a truth value in YAML
    assert release["jobs"]["publish"]["needs"] == "build"
    told = " ".join(step.get("run", "") for step in release["jobs"]["build"]["steps"])
    assert "datagen demo" in told
    assert 'GITHUB_REF_NAME" = "v' in told


def test_hooks_run_what_make_check_runs() -> None:
    (repo,) = load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repo["repo"] == "local"
    checks = re.findall(r"^\t\$\(BIN\)/(python .+)$", MAKEFILE.partition("\ncheck:")[2].partition("\n\n")[0], re.M)
    checks = [check.replace(" format --check .", " format").removesuffix(" .") for check in checks]
    hooks = {hook["entry"]: hook for hook in repo["hooks"]}
    assert sorted(hooks) == sorted(checks)
    assert all(hook["language"] == "system" for hook in hooks.values())


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md"])
def test_pages_name_what_there_is(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for name in re.findall(r"`((?:datagen|tests|docs|\.github)/[\w./-]*)`", text):
        assert (ROOT / name).exists(), name
    for target in re.findall(r"^make ([a-z ]+?)\s{2,}|`make (\w+)`", text, re.M):
        for word in " ".join(target).split():
            assert re.search(rf"^{word}:", MAKEFILE, re.M), word
    for path in ("CONTRIBUTING.md", "SECURITY.md"):
        assert max(map(len, (ROOT / path).read_text(encoding="utf-8").splitlines())) <= 120
