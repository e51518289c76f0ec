"""The rules of the house that a machine can check: who imports whom, and how large things may get."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1] / "genbench"

FLOORS = {
    "errors": 1,
    "array_types": 1,
    "files": 2,
    "theory": 2,
    "distributed": 2,
    "features": 3,
    "plugs": 4,
    "derived_sources": 5,
    "write_samples": 5,
    "extraction": 5,
    "results": 5,
    "benchmarks": 5,
    "sources": 5,
    "samplers": 5,
    "extractors": 5,
    "metrics": 5,
    "trackers": 5,
    "comparison": 6,
    "checks": 6,
    "scoring": 7,
    "tables": 7,
    "runs": 8,
    "page": 9,
    "cli": 10,
    "__init__": 10,
    "__main__": 11,
}
"""The rooms of genbench, modules and folders at the top, and their floors."""

PLUGS = {"sources", "samplers", "extractors", "metrics", "trackers"}
EXAMINER = "checks"
"""The selftest calls the metrics' functions directly, to test them without the rest."""

LOOSE_MODULES = 8
ARROWS = 122
HOMONYMS = 15
FILE_LINES = 300
FUNCTION_LINES = 50
PARAMETERS = 6
COMMENT_SHARE = 0.06


@cache
def sources() -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in sorted(HOUSE.rglob("*.py"))}


@cache
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(text) for path, text in sources().items()}


def functions() -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    return [
        (f"{path.relative_to(HOUSE)}:{node.name}", node)
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


def room(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


@cache
def imports() -> set[tuple[str, str]]:
    """Return every (room, imported room), including imports within functions and under TYPE_CHECKING."""
    pairs = set()
    for path, tree in trees().items():
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module == "genbench":
                names = [f"genbench.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            pairs |= {(room(path), name.split(".")[1]) for name in names if name.startswith("genbench.")}
            pairs |= {(room(path), "baselines") for name in names if name.split(".")[0] == "genbench_baselines"}
    return {(a, b) for a, b in pairs if a != b}


def test_every_room_has_a_floor() -> None:
    assert {room(path) for path in sources()} == set(FLOORS)


def test_imports_point_down() -> None:
    upward = [(a, b) for a, b in imports() if FLOORS.get(b, 99) > FLOORS[a]]
    assert not upward


def test_plugs_are_loaded_by_name_and_not_imported() -> None:
    assert not [(a, b) for a, b in imports() if b in PLUGS and a != EXAMINER]


def test_a_run_never_imports_a_page() -> None:
    assert ("runs", "page") not in imports()


def test_rooms_have_no_circles() -> None:
    left = {a: {b for x, b in imports() if x == a} for a in FLOORS}
    while left:
        leaves = {a for a, needs in left.items() if not needs & set(left)}
        assert leaves, f"circle among {sorted(left)}"
        left = {a: needs for a, needs in left.items() if a not in leaves}


def test_few_modules_stand_outside_of_a_folder() -> None:
    loose = [path.name for path in HOUSE.glob("*.py") if path.name not in ("__init__.py", "__main__.py")]
    assert len(loose) <= LOOSE_MODULES, loose


def test_rooms_import_few_others() -> None:
    assert len(imports()) <= ARROWS


def test_few_top_level_names_live_in_two_modules() -> None:
    homes = defaultdict(set)
    for path, tree in trees().items():
        for node in tree.body if path.name != "__init__.py" else ():
            names = [node.name] if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else []
            if isinstance(node, ast.Assign):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names = [node.target.id]
            for name in names:
                homes[name].add(str(path.relative_to(HOUSE)))
    homonyms = {name: sorted(paths) for name, paths in homes.items() if len(paths) > 1}
    assert len(homonyms) <= HOMONYMS, homonyms


def test_files_are_short() -> None:
    long = {str(path.relative_to(HOUSE)): text.count("\n") for path, text in sources().items()}
    assert not {path: lines for path, lines in long.items() if lines > FILE_LINES}


def test_functions_are_short() -> None:
    long = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in functions()}
    assert not {name: lines for name, lines in long.items() if lines > FUNCTION_LINES}


def test_functions_have_few_parameters() -> None:
    counts = {}
    for name, node in functions():
        named = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        own = [argument for argument in named if argument not in ("self", "cls")]
        counts[name] = len(own) + bool(node.args.vararg) + bool(node.args.kwarg)
    assert not {name: count for name, count in counts.items() if count > PARAMETERS}


def test_blocks_have_comments() -> None:
    lines = [line.strip() for text in sources().values() for line in text.splitlines()]
    share = sum(line.startswith("#") for line in lines) / len(lines)
    assert share >= COMMENT_SHARE, f"{share:.1%}"


@pytest.mark.parametrize("heavy", ["torch", "numpy", "pandas", "scipy", "matplotlib"])
@pytest.mark.parametrize(
    "code", ["import genbench", "from genbench.cli import main; main(['--help'], standalone_mode=False)"]
)
def test_import_and_help_stay_light(code: str, heavy: str) -> None:
    probe = f"import sys; {code}; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], stdout=subprocess.DEVNULL, check=False).returncode == 0
