"""The house plan holds: imports only go down, and the command line stays light."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "datagen"

FLOORS = (
    {"masking"},
    {"compact_map", "errors", "finish_reason", "records", "randomness", "server_words", "social_words", "version"}
    | {"yaml_text"},
    {"hallucination_rate", "settings_table", "turn_fates", "words"},
    {"repair_report", "said_again"},
    {"languages", "summary"},
    {"box_text", "config", "geometry", "lexicon"},
    {"claims", "context", "endpoint"},
    {"wishes"},
    {
        "checks",
        "companions",
        "corpus",
        "dedup",
        "diversity",
        "export",
        "parsing",
        "recipes",
        "review",
        "store",
        "teacher",
        "validator",
    },
    {"repair"},
    {"pipeline", "tables"},
    {"engines"},
    {"view"},
    {"api"},
    {"cli"},
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
OUTSIDE = {"__init__", "__main__"}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names = [f"{node.module}.{alias.name}" if node.module == "datagen" else node.module for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        rooms |= {name.split(".")[1] for name in names if name and name.startswith("datagen.")}
    return rooms & set(FLOOR_OF)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_go_down(path: Path) -> None:
    room = room_of(path)
    if room in OUTSIDE:
        return
    assert room in FLOOR_OF, f"{room} stands on no floor; add it to FLOORS"
    for other in imported_rooms(path) - {room}:
        assert FLOOR_OF[other] < FLOOR_OF[room], f"{path.name}: {room} may not import {other}"


def test_no_imports_go_in_a_circle() -> None:
    modules = {module_of(path): path for path in PACKAGE.rglob("*.py")}
    graphlib.TopologicalSorter({name: imported_modules(path, set(modules)) for name, path in modules.items()}).prepare()


def test_no_chain_of_imports_is_longer_than_15() -> None:
    """Whoever reads one module has at most so many floors of others below it."""
    modules = {module_of(path): path for path in PACKAGE.rglob("*.py")}
    below = {name: imported_modules(path, set(modules), at_top=True) for name, path in modules.items()}
    depth: dict[str, int] = {}
    for name in graphlib.TopologicalSorter(below).static_order():
        depth[name] = 1 + max((depth[other] for other in below[name]), default=0)
    deepest = max(depth, key=lambda name: depth[name])
    assert depth[deepest] <= 15, f"{deepest} stands on {depth[deepest] - 1} others"


def module_of(path: Path) -> str:
    return ".".join(("datagen", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


def imported_modules(path: Path, known: set[str], *, at_top: bool = False) -> set[str]:
    """Modules that one imports; ``at_top`` leaves out what a function or a type checker alone imports."""
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if at_top else ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in known else str(node.module) for name in inner}
    return found & known - {module_of(path)}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring and docstring.splitlines()[0].endswith((".", ":")), f"{path} does not open with one sentence"


@pytest.mark.parametrize("command", [[], ["run"], ["settings"]])
def test_help_loads_nothing_heavy(command: list[str]) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['datagen', *{command}, '--help']\n"
        "from datagen.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'openai', 'ray', 'pandas', 'numpy', 'PIL', 'pycocotools'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ("settings" if command else "demo") in done.stdout


def test_a_run_without_an_endpoint_loads_no_client() -> None:
    code = "import sys, datagen.engines.local\nfound = {'openai', 'aiohttp', 'torch', 'pandas'} & set(sys.modules)\nassert not found, found"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_exported_names_exist() -> None:
    import datagen

    for name in datagen.__all__:
        assert getattr(datagen, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = datagen.nothing
