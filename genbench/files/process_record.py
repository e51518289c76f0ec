"""What a result records of the process that made it: its command line, the commit of its folder, and its software."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

MOST_SECONDS = 10.0
"""git is given up after this time, for a folder with very many files."""


def command_line() -> str:
    """Return the command line of this process as one could type it; empty unless it is a command of genbench."""
    # python -m genbench has the path of __main__.py instead of the command's
    program = Path(sys.argv[0] if sys.argv else "")
    if program.stem != "genbench" and program.parts[-2:] != ("genbench", "__main__.py"):
        return ""
    # the bytes of a path need not be valid text
    return shlex.join(["genbench", *sys.argv[1:]]).encode(errors="replace").decode()


def commit() -> str:
    """Return the first 12 digits of the current folder's commit, with ``-dirty`` if tracked files have changed.

    Empty outside of git, and where git is not installed.
    """
    # somebody may have removed the folder
    with suppress(OSError):
        return _commit_of(Path.cwd())
    return ""


@cache
def _commit_of(folder: Path) -> str:
    # a process asks once for each folder
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, timeout=MOST_SECONDS, check=True)
        return done.stdout.strip()
    return ""


def software_used() -> dict[str, str]:
    """Return the version of Python and of each library that can change a number."""
    # torch-fidelity holds the Inception network
    packages = ("genbench", "torch", "torchvision", "torch-fidelity", "numpy", "scipy", "pillow")
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}
