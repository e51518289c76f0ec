"""Who may import whom: the table of the house, held by reading the imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1] / "genbench"

FLOORS = {
    "errors": 1,
    "arrays": 1,
    "files": 2,
    "theory": 2,
    "distributed": 2,
    "features": 3,
    "plugs": 4,
    "sampling": 5,
    "export": 5,
    "extraction": 5,
    "results": 5,
    "benchmarks": 5,
    "sources": 5,
    "samplers": 5,
    "extractors": 5,
    "metrics": 5,
    "trackers": 5,
    "comparison": 6,
    "tracking": 6,
    "checks": 6,
    "scoring": 7,
    "tables": 7,
    "runs": 8,
    "page": 9,
    "cli": 10,
    "__init__": 10,
    "__main__": 11,
}
PLUGS = {"sources", "samplers", "extractors", "metrics", "trackers"}
EXAMINER = "checks"  # it calls the metrics' plain functions, to try the instrument without the rest


def room(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


@cache
def imports() -> set[tuple[str, str]]:
    """Every (room, imported room), imports inside functions and under TYPE_CHECKING included."""
    found = set()
    for path in HOUSE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module == "genbench":
                names = [f"genbench.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            found |= {(room(path), name.split(".")[1]) for name in names if name.startswith("genbench.")}
            found |= {(room(path), "baselines") for name in names if name.split(".")[0] == "baselines"}
    return {(a, b) for a, b in found if a != b}


def test_every_room_has_a_floor() -> None:
    assert {room(path) for path in HOUSE.rglob("*.py")} == set(FLOORS)


def test_arrows_point_down() -> None:
    upward = [(a, b) for a, b in imports() if FLOORS.get(b, 9) > FLOORS[a]]
    assert not upward


def test_plugs_are_imported_by_nobody() -> None:
    assert not [(a, b) for a, b in imports() if b in PLUGS and a != EXAMINER]


def test_there_are_no_circles() -> None:
    left = {a: {b for x, b in imports() if x == a} for a in FLOORS}
    while left:
        leaves = {a for a, needs in left.items() if not needs & set(left)}
        assert leaves, f"circle among {sorted(left)}"
        left = {a: needs for a, needs in left.items() if a not in leaves}


@pytest.mark.parametrize("heavy", ["torch", "numpy", "pandas", "scipy", "matplotlib"])
@pytest.mark.parametrize(
    "code", ["import genbench", "from genbench.cli import main; main(['--help'], standalone_mode=False)"]
)
def test_import_and_help_stay_light(code: str, heavy: str) -> None:
    probe = f"import sys; {code}; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], stdout=subprocess.DEVNULL, check=False).returncode == 0
