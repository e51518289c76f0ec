"""Read README and the pages of docs/, and run the examples on them as they are written."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path
from typing import NamedTuple

from click.testing import CliRunner

from genbench.cli import main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


class Example(NamedTuple):
    """One fenced block of code."""

    language: str
    code: str

    @property
    def file(self) -> str | None:
        """The file name that a Python block declares in its first line."""
        declared = re.match(r"# (\w+\.py)\n", self.code)
        return declared[1] if declared else None

    @property
    def runs_anywhere(self) -> bool:
        """Whether a shell block needs nothing but genbench: it does not begin with ``# needs`` or as a script."""
        return not self.code.startswith(("# needs ", "#!"))

    @property
    def commands(self) -> list[str]:
        """The commands of a shell block, one per line; a line that ends with a backslash continues."""
        lines = self.code.replace("\\\n", " ").splitlines()
        return [line for line in lines if line.strip() and not line.startswith("#")]


def examples(text: str) -> list[Example]:
    return [Example(*block) for block in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)]


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def words(name: str) -> str:
    """Return the text of a page on one line, so that a sentence can be searched across line ends."""
    return " ".join(page(name).split())


def section(text: str, heading: str) -> str:
    """Return a section of a page, with its sub-sections."""
    level = heading.index(" ")
    lines: list[str] = []
    inside = fenced = False
    for line in text.splitlines(keepends=True):
        # a comment in a block of code begins like a heading
        fenced ^= line.startswith("```")
        if not fenced and re.match(rf"#{{1,{level}}} ", line):
            inside = line.strip() == heading
        if inside:
            lines.append(line)
    assert lines, f"there is no section {heading!r}"
    return "".join(lines)


def run_examples(text: str, *, skip: tuple[str, ...] = ()) -> None:
    """Write the declared files, run the other Python blocks and the commands, all in order in the current folder.

    Commands that contain a text of ``skip`` are left out, and so are those that say what they need, in a comment behind
    them or at the top of their block, and those that install something.
    """
    for example in examples(text):
        if example.language == "python" and example.file:
            Path(example.file).write_text(example.code, encoding="utf-8")
        elif example.language == "python":
            exec(compile(example.code, "example", "exec"), {})
        elif example.language == "sh" and example.runs_anywhere:
            for command in example.commands:
                if not any(part in command for part in skip) and not re.match(r"pip |.*# .*\bneeds\b", command):
                    run_command(command)


def run_command(command: str) -> str:
    """Run one command and return its output; ``# exit code N`` after it declares another exit code than 0."""
    program, *arguments = shlex.split(command, comments=True)
    if program == "python":
        runpy.run_path(arguments[0], run_name="__main__")
        return ""
    assert program == "genbench", command
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    declared = re.search(r"# exit code (\d)", command)
    assert result.exit_code == (int(declared[1]) if declared else 0), f"{command}\n{result.output}"
    return result.output
