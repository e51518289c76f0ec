"""README, CONTRIBUTING, CHANGELOG and docs/ mention only files, headings and modules that exist."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT
from tests.test_imports import FLOORS

CHANGELOG = ROOT / "CHANGELOG.md"
FILES = (".md", ".py", ".toml", ".txt", ".cff", ".json", ".html", ".jsonl")


def without_code_blocks(path: Path) -> str:
    return re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", without_code_blocks(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, CHANGELOG], ids=lambda page: page.name)
def test_relative_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code_blocks(page)):
        if re.match(r"https?://", target):
            continue
        file, _, heading = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.exists(), f"{page.name}: {target}"
        assert not heading or heading in anchors(path), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_mentioned_paths_of_the_repository_exist(page: Path) -> None:
    for code in re.findall(r"`([^`\n]+)`", without_code_blocks(page)):
        if re.fullmatch(r"(genbench|tests|baselines|reports|docs|\.ci|\.github)/[\w./-]*", code):
            assert (ROOT / code).exists(), f"{page.name}: {code}"


@pytest.mark.parametrize("page", [*PAGES, CHANGELOG], ids=lambda page: page.name)
def test_mentioned_modules_can_be_imported(page: Path) -> None:
    text = without_code_blocks(page)
    if page == CHANGELOG:  # only the last column of its table names modules that are there today
        text = "\n".join(re.findall(r"^\|.+\|(.+)\|$", text, re.MULTILINE))
    for name in re.findall(r"(?:`|-m )((?:genbench|tests)(?:\.\w+)+)", text):
        assert resolves(name), f"{page.name}: {name}"


def resolves(name: str) -> bool:
    """Return whether a dotted name is a module, or an attribute of one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        try:
            found = find_spec(module)
        except ModuleNotFoundError:
            continue
        if found is None:
            continue
        target: object = import_module(module) if length < len(parts) else None
        for part in parts[length:]:
            if not hasattr(target, part):
                return False
            target = getattr(target, part)
        return True
    return False


def test_the_map_in_contributing_is_what_the_imports_are_checked_against() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.split("\n## The map\n")[1].split("\n#")[0]
    rows = re.findall(r"^\| (\d+) \| (.+?) \|", table, re.MULTILINE)
    named = {room: int(floor) for floor, rooms in rows for room in re.findall(r"`([\w]+)`", rooms)}
    assert named == {room: floor for room, floor in FLOORS.items() if not room.startswith("__")}
