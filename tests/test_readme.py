"""README says what is true: the command reference is made from --help, the guest works, the commands are there.

``python -m tests.test_readme`` writes the reference anew.
"""

from __future__ import annotations

import re
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from genbench.cli import main

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- commands: written by `python -m tests.test_readme` -->", "<!-- end of commands -->"


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, command in group.commands.items():
        inner = commands(command, (*path, name)) if isinstance(command, click.Group) else [(*path, name)]
        found += inner
    return found


def reference() -> str:
    parts = []
    for path in commands(main):
        shown = CliRunner().invoke(main, [*path, "--help"], prog_name="genbench", terminal_width=100).output
        parts.append(f"### `genbench {' '.join(path)}`\n\n```text\n{shown.strip()}\n```\n")
    return "\n".join(parts)


def between_markers(text: str) -> tuple[str, str, str]:
    before, rest = text.split(BEGIN)
    inner, after = rest.split(END)
    return before, inner, after


def test_the_command_reference_is_what_help_says() -> None:
    _, inner, _ = between_markers(README.read_text())
    assert inner.strip() == reference().strip(), "run: python -m tests.test_readme"


def test_every_metric_is_explained() -> None:
    from genbench.plugs.registry import installed

    table = README.read_text().split("## What the numbers mean")[1].split("Things worth knowing")[0]
    for name in installed("metrics"):
        assert f"`{name}" in table, f"{name} is not in the table of metrics"


def test_the_guest_of_the_readme_is_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(# my_models.py.*?)```", README.read_text(), re.DOTALL)
    (tmp_path / "my_models.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    line, *_ = re.findall(r"genbench (score --sampler my_models:Blobs.*)", README.read_text())
    result = CliRunner().invoke(main, line.split())
    assert result.exit_code == 0, result.output
    assert re.search(r"fd@digits .*\d", result.output)


def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = README.read_text()
    (code,) = re.findall(r"```python\n(# my_models.py.*?)```", text, re.DOTALL)
    (example,) = re.findall(r"```python\n(import genbench.*?)```", text, re.DOTALL)
    (tmp_path / "my_models.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    names: dict[str, object] = {}
    exec(example, names)
    assert np.isfinite(names["result"]["fd@digits"].value)  # type: ignore[index]


if __name__ == "__main__":
    before, _, after = between_markers(README.read_text())
    README.write_text(f"{before}{BEGIN}\n\n{reference()}\n{END}{after}")
