"""The packages in docs/plugs.md: each is short and complete, is installed offline, and its command runs."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from genbench.plugs import registry
from tests.docs.pages import examples, page, run_command, run_examples, section

PACKAGES = {
    "genbench.metrics": "### A package with a metric",
    "genbench.extractors": "### A package with an extractor",
    "genbench.sources": "### A package with a source",
    "genbench.trackers": "### A package with a tracker",
}
"""The heading of each package, by the group of its entry point."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the four packages into a folder of their own, offline, and return the folder."""
    pytest.importorskip("setuptools")
    pytest.importorskip("pip")
    root = tmp_path_factory.mktemp("packages")
    folders = []
    for number, heading in enumerate(PACKAGES.values()):
        folders.append(root / str(number))
        folders[-1].mkdir()
        for example in examples(section(page("docs/plugs.md"), heading)):
            name = "pyproject.toml" if example.language == "toml" else example.file
            if name is not None:
                (folders[-1] / name).write_text(example.code, encoding="utf-8")
    how = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *how, "--target", str(root / "site"), *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return root / "site"


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process find the installed packages, and forget them afterwards."""
    caches = (registry.installed, registry._registrations, registry._usable)
    monkeypatch.syspath_prepend(site)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.mark.parametrize("heading", PACKAGES.values())
def test_a_package_has_at_most_20_lines_of_code(heading: str) -> None:
    blocks = [block for block in examples(section(page("docs/plugs.md"), heading)) if block.language != "sh"]
    assert {block.language for block in blocks} == {"toml", "python"}
    lines = [line for block in blocks for line in block.code.splitlines() if line.strip()]
    assert len([line for line in lines if not line.startswith("# ")]) <= 20


@pytest.mark.parametrize(("group", "heading"), PACKAGES.items())
@pytest.mark.usefixtures("installed")
def test_an_installed_package_is_found_by_name_and_its_command_runs(
    empty_folder: Path, group: str, heading: str
) -> None:
    text = section(page("docs/plugs.md"), heading)
    run_examples("\n".join(f"```sh\n{one.code}```" for one in examples(text) if one.language == "sh"))
    names = [entry.name for entry in importlib.metadata.entry_points(group=group) if "genbench_" in entry.value]
    assert len(names) == 1
    assert names[0] in registry.installed(group.removeprefix("genbench."))


@pytest.mark.usefixtures("installed")
def test_the_same_objects_are_used_as_module_and_attribute(empty_folder: Path) -> None:
    run_command(
        "genbench score --samples genbench_boards:Boards,count=200 --reference digits --log-to genbench_lines:Lines "
        "--features genbench_brightness:Brightness --metrics genbench_spread:Spread"
    )
    run, step, name, value = Path("numbers.txt").read_text().splitlines()[0].split()
    assert (run, step) == ("genbench_boards_Boards,count=200", "None")
    assert name.endswith("brightness/spread")
    assert float(value) > 0
