"""The site of docs/: it builds without a warning, and its lists of pages and public names are complete."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import genbench
from tests.docs.pages import PAGES, ROOT, page

NEEDED = ("sphinx", "pydata_sphinx_theme", "myst_parser", "sphinx_click")


def test_the_python_reference_lists_every_public_name() -> None:
    listed = re.findall(r"^   (\w+)$", page("docs/api.rst"), re.MULTILINE)
    assert sorted(listed) == sorted(genbench.__all__)


def test_the_map_for_language_models_names_every_page_and_no_other_file() -> None:
    targets = re.findall(r"\]\((\S+)\)", page("docs/llms.txt"))
    assert not [target for target in targets if not (ROOT / target).exists()]
    pages = {str(path.relative_to(ROOT)) for path in PAGES} - {"docs/index.md"}
    assert pages <= set(targets)


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    for name in NEEDED:
        pytest.importorskip(name, reason="needs genbench[docs]")
    # the process finds this checkout, whichever is installed
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", tmp_path / "trees",
               "-c", ROOT / "docs", ROOT, tmp_path / "site"]  # fmt: skip
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = {str(path.relative_to(tmp_path / "site")) for path in (tmp_path / "site").rglob("*")}
    assert {"index.html", "llms.txt", "search.html", "reports/index.html", "docs/generated/genbench.score.html"} <= made
    assert {str(path.relative_to(ROOT)) for path in PAGES} <= made, "llms.txt leads to the Markdown of the pages"
    commands = (tmp_path / "site/docs/cli.html").read_text(encoding="utf-8")
    assert 'id="genbench-gate"' in commands
    assert "--max-increase" in commands
    plots = (tmp_path / "site/docs/generated/genbench.plot.html").read_text(encoding="utf-8")
    assert 'id="genbench.plot.forest"' in plots
