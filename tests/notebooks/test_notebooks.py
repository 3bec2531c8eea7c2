"""Every notebook runs from top to bottom, and stands in the repository with its output."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script that keeps their output."""
    spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all: the first makes the demo run, the others resume it."""
    return tmp_path_factory.mktemp("notebooks")


@pytest.mark.notebook
@each
@pytest.mark.filterwarnings("ignore")  # the kernel's own libraries warn; what the notebook prints is tested
def test_a_notebook_runs(path: Path, script: ModuleType, shared: Path) -> None:
    notebook = script.execute(path, shared)
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in shown if output.output_type == "stream" and output.name == "stderr"]
    assert any("text/html" in output.get("data", {}) for output in shown)
    assert any(script.WIDGET in output.get("data", {}) for output in shown)  # run.browse is alive
    script.tidy(notebook)
    assert script.WIDGET not in nbformat.writes(notebook)


@each
def test_a_notebook_keeps_its_output(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    install, *code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert "%pip install" in install.source
    assert not install.outputs
    silent = [cell for cell in code if not cell.outputs and "class StandIn" not in cell.source]
    assert silent == []
    assert not [output for cell in code for output in cell.outputs if output.output_type == "error"]
    assert any("<article" in str(output.get("data", {}).get("text/html")) for cell in code for output in cell.outputs)


@each
def test_a_notebook_is_small_and_of_no_one_machine(path: Path, script: ModuleType) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text) < 1000 * script.LARGEST_KB
    assert script.WIDGET not in text
    assert not re.search(r"(?<![\w/])/(?:tmp|home|root|work|Users)/", re.sub(r"[A-Za-z0-9+/=]{200,}", "", text))


@each
def test_a_notebook_links_to_what_is_there(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for name in re.findall(r"\]\(([\w./]+)\)", cell.source):
                assert (FOLDER / name).exists(), name
