"""``python -m tests.docs.cli_reference`` writes docs/cli.md, the command reference, from ``--help``."""

from __future__ import annotations

import click
from click.testing import CliRunner

from genbench.cli import main
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "cli.md"

HEAD = """# Command reference

This page is generated from `--help` by `python -m tests.docs.cli_reference`; a test compares both. Examples are in the
[tutorial](tutorial.md), exit codes in [leaderboards and CI](leaderboards_and_ci.md#json-and-exit-codes).

A `SPEC` names a plug, `NAME[,option=value...]` or `module:attribute[,option=value...]`: see
[names and options](plugs.md#names-and-options). `python -m genbench` is the same as `genbench`.
"""


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the words of each command below a group, in the order of the code."""
    paths = []
    for name, command in group.commands.items():
        inner = (*path, name)
        paths += commands(command, inner) if isinstance(command, click.Group) else [inner]
    return paths


def cli_reference() -> str:
    """Return the page."""
    parts = [HEAD]
    for path in commands(main):
        text = CliRunner().invoke(main, [*path, "--help"], prog_name="genbench", terminal_width=100).output
        parts.append(f"## genbench {' '.join(path)}\n\n```text\n{text.strip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(cli_reference(), encoding="utf-8")
