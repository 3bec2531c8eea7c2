"""The card of an export: what its files are, under which licences, how to load and to check them, and how it was made.

Its YAML header is the one that the Hugging Face hub and ``datasets`` read: which files are which split.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from msgspec import Struct

from datagen.config import Settings
from datagen.export.card import licence_table, plain, size_category
from datagen.export.pope import Negatives
from datagen.export.rows import IMAGES, NOT_STATED, ExportSettings

_HUB_LICENCES = re.compile(r"cc0-1\.0|cc-by-[234]\.[05]|cc-by-sa-[34]\.0|cc-by-nc-(?:sa-)?[234]\.0|cc-by-nd-4\.0")
"""Creative Commons licences that the hub has an identifier for."""
_JSON_LINES = (
    'import json\n\nwith open("{first}", encoding="utf-8") as file:\n    rows = [json.loads(line) for line in file]'
)
_DATASETS = 'from datasets import load_dataset\n\nrows = load_dataset("{kind}", data_files="{files}", split="train")'
_OPEN = f'from PIL import Image\n\npicture = Image.open("{IMAGES}/" + rows[0]["image"])'
_CAST = 'from datasets import Image, List\n\nrows = rows.cast_column("images", List(Image()))'


class Described(Struct, frozen=True):
    """How a form is told.

    Attributes:
        files: Name of the files of a split, with ``SPLIT`` in it; by subset where there are several.
        loader: Python that makes ``rows`` of it, started in the export; empty for what is no Python.
        opens: Python that opens pictures, where they are copied or linked beside it.
        command: What else is started in it.
        is_of_run: Its answers are those of the run, so that the run's result speaks of them.
    """

    files: Mapping[str, str]
    loader: str = ""
    opens: str = ""
    command: str = ""
    is_of_run: bool = True


_LINES = {"default": "SPLIT.jsonl"}
_BY_KIND = {kind: f"SPLIT_{kind}.jsonl" for kind in get_args(Negatives)}
_TASKS = {f"{name}_{kind}": f"{name}_SPLIT_{kind}.parquet" for name in ("pope", "choice") for kind in _BY_KIND}
_AS_LINES, _AS_ROWS = _JSON_LINES.format(first="train.jsonl"), _DATASETS.format(kind="json", files="train.jsonl")
_AS_QUESTIONS = _JSON_LINES.format(first="train_random.jsonl")
DESCRIBED: dict[str, Described] = {
    "llava": Described(
        {"default": "SPLIT.json"},
        'import json\n\nwith open("train.json", encoding="utf-8") as file:\n    rows = json.load(file)',
        _OPEN,
    ),
    "internvl": Described(_LINES, _AS_LINES, _OPEN),
    "messages": Described(_LINES, _AS_ROWS, _CAST),
    "swift": Described(_LINES, _AS_ROWS, _CAST),
    "preference": Described(_LINES, _AS_ROWS, _CAST),
    "openai": Described(_LINES, _AS_LINES),
    "parquet": Described(
        {"default": "data/SPLIT-*.parquet"}, _DATASETS.format(kind="parquet", files="data/train-*.parquet")
    ),
    "webdataset": Described({"default": "SPLIT-*.tar"}, _DATASETS.format(kind="webdataset", files="train-*.tar")),
    "pope": Described(_BY_KIND, _AS_QUESTIONS, _OPEN, is_of_run=False),
    "choice": Described(_BY_KIND, _AS_QUESTIONS, _OPEN, is_of_run=False),
    "lmms_eval": Described(
        _TASKS,
        command="python -m lmms_eval --include_path . --tasks datagen --model NAME --model_args pretrained=MODEL",
        is_of_run=False,
    ),
}
"""The forms that come with datagen; one of the user's own is told without files and loader."""


def export_card(
    settings: ExportSettings, run: Settings, counts: Mapping[str, Any], files: Iterable[str], run_card: str
) -> str:
    """Write the ``README.md`` of an export.

    Args:
        settings: What was asked of it.
        run: The run's settings.
        counts: What came of it, as the manifest tells.
        files: Names of its files.
        run_card: Of the run; what it says of source, result and limits is said again.
    """
    about = DESCRIBED.get(settings.form, Described({}))
    rows = counts["rows"]
    told = ", ".join(f"{n} in `{split}`" for split, n in rows.items())
    has_pictures = settings.pictures != "leave"
    text = _header(settings, run, sum(rows.values()), counts["licences"], about, sorted(files))
    text += f"\n# Made with datagen, in the form `{plain(settings.form)}`\n\nRows: {told}."
    if counts["left_out"] or counts["other_licence"]:
        text += f" Left out: {counts['left_out']} that a trainer would get nothing from, {counts['other_licence']} of "
        text += "other licences."
    if has_pictures:
        text += f" Their pictures are in `{IMAGES}/`."
    text += "\n\n## Licences of the images\n\n" + licence_table("rows", counts["licences"])
    text += "\nThe licence of an image also binds what is made of it.\n\n## Loading\n\n"
    if about.loader:
        loader = _with_imports_first(about.loader, about.opens if has_pictures else "")
        text += f"Started in this folder:\n\n```python\n{loader}\n```\n\n"
    if about.command:
        text += f"Started in this folder:\n\n```\n{about.command}\n```\n\n"
    if about.opens and not has_pictures:
        text += "The pictures were left where they are; their names are relative to the folder that holds them.\n\n"
    text += "`sha256sum -c SHA256SUMS` tells whether every file is whole; `manifest.json` says what was asked and left "
    text += "out.\n"
    kept = ("Source", "Result", "Limits") if about.is_of_run else ("Source",)
    sections = "".join(f"\n{part}" for part in _sections(run_card, kept))
    return text + sections.replace("## Result\n", "## Result of the run\n", 1)


def _with_imports_first(*parts: str) -> str:
    lines = [line for part in parts for line in part.splitlines() if line]
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    return "\n".join([*imports, "", *(line for line in lines if line not in imports)])


def _header(
    settings: ExportSettings,
    run: Settings,
    n_rows: int,
    licences: Mapping[str, int],
    about: Described,
    files: list[str],
) -> str:
    lines = ["task_categories:", "- image-text-to-text" if about.is_of_run else "- visual-question-answering"]
    lines += ["language:", f"- {run.language}", "size_categories:", f"- {size_category(n_rows)}"]
    lines += [f"license: {_hub_licence(licences)}", "tags:", "- datagen"]
    configs = []
    for name, pattern in about.files.items():
        found = [
            f"  - split: {split}\n    path: {path}"
            for split in settings.choice.splits
            if _is_there(path := pattern.replace("SPLIT", split), files)
        ]
        if found:
            configs += [f"- config_name: {name}", "  data_files:", *found]
    lines += ["configs:", *configs] if configs else []
    return "---\n" + "\n".join(lines) + "\n---\n"


def _is_there(pattern: str, files: list[str]) -> bool:
    start, _, end = pattern.partition("*")
    return any(name == pattern or (end and name.startswith(start) and name.endswith(end)) for name in files)


def _hub_licence(licences: Mapping[str, int]) -> str:
    names = {name.casefold() for name in licences}
    if names == {NOT_STATED}:
        return "unknown"
    only = names.pop()
    return only if not names and _HUB_LICENCES.fullmatch(only) else "other"


def _sections(card: str, wanted: tuple[str, ...]) -> list[str]:
    """Sections of a card by their titles, in its order."""
    parts = re.split(r"^(?=## )", card, flags=re.MULTILINE)
    return [part.rstrip("\n") + "\n" for part in parts if part.partition("\n")[0].removeprefix("## ") in wanted]
