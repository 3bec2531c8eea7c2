"""Runs the notebooks and keeps their output: ``python notebooks/execute.py [NAME ...]``, or ``make notebooks``.

Everything that differs between two runs of the same code is left out (times, widget ids), so that a change in a
notebook's output is a change in what datagen does. All share one folder: the demo is computed once.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parent
WIDGET = "application/vnd.jupyter.widget-view+json"
LARGEST_KB = 600


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Run one notebook from top to bottom in a folder; nothing is saved.

    Raises:
        CellExecutionError: A cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
    ).execute()
    return notebook


def tidy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Leave out what is of this one run: live widgets, whose still form stays, and the kernel's version."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        cell.metadata = {}
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop(WIDGET, None)
        if "outputs" in cell:  # a line of progress leaves an empty output behind
            cell.outputs = [output for output in cell.outputs if output.get("data") != {"text/plain": ""}]
    return notebook


def main(names: list[str]) -> None:
    """Run the named notebooks, or all, and write them back."""
    paths = [NOTEBOOKS / f"{name.removesuffix('.ipynb')}.ipynb" for name in names] or sorted(NOTEBOOKS.glob("*.ipynb"))
    for path in paths:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:  # its own: a run that another made would be found finished
            text = nbformat.writes(tidy(execute(path, Path(folder)))) + "\n"
        path.write_text(text, encoding="utf-8", newline="\n")
        print(f"{path.name}: {time.monotonic() - began:.0f} s, {len(text) / 1000:.0f} KB")
        if len(text) > 1000 * LARGEST_KB:
            sys.exit(f"{path.name} is larger than {LARGEST_KB} KB; show less in it.")


if __name__ == "__main__":
    main(sys.argv[1:])
