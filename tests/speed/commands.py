"""Contestants that are one command: the start of the process, commands on committed results, and a cached score."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.speed.material import Sizes, folder, weights

IMPORTS = "import numpy, scipy.stats, pandas"
REPORTS = Path(__file__).parents[2] / "reports"

NO_MISTAKE = (0, 1, 3)
"""Exit codes of a gate that decides: passed, failed, undecided."""


@dataclass(frozen=True)
class Command:
    """A Python process to be timed. Its memory is measured without that of the process that starts it."""

    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    expected: tuple[int, ...] = (0,)

    def __call__(self) -> int:
        """Run it and return its exit code. Raises RuntimeError if it is not one of the expected ones."""
        self.output()
        return 0

    def output(self) -> bytes:
        """Run it and return what it printed."""
        command, environment = [sys.executable, *self.arguments], os.environ | self.environment
        # modules are compiled once, as those that pip installs are
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        done = subprocess.run(command, capture_output=True, env=environment, check=False)
        if done.returncode not in self.expected:
            raise RuntimeError(f"{command} exited with {done.returncode}: {done.stderr.decode()}")
        return done.stdout


def genbench(*arguments: str, expected: tuple[int, ...] = (0,), cache: str = "off") -> Command:
    """Return a command of genbench."""
    return Command(("-m", "genbench", *arguments), {"GENBENCH_CACHE": cache}, expected)


def imports(root: Path, sizes: Sizes) -> Command:
    """The imports that a score from the cache cannot do without."""
    return Command(("-c", IMPORTS))


def import_torch(root: Path, sizes: Sizes) -> Command:
    """Importing torch only."""
    return Command(("-c", "import torch"))


def cached_score(root: Path, sizes: Sizes, *more: str) -> Command:
    """A second run of the same score, with everything in the cache."""
    sides = ("--samples", folder(root, "generated", sizes), "--reference", folder(root, "reference", sizes))
    network = ("--features", "inception", "--weights", weights(root), "--metrics", "is,fid,kid,pr,prdc", "--quiet")
    command = genbench("score", *sides, *network, *more, cache=str(root / "cache"))
    command()
    return command


def cached_score_openvino(root: Path, sizes: Sizes) -> Command:
    """The same with ``--backend openvino``."""
    import openvino  # noqa: F401

    return cached_score(root, sizes, "--backend", "openvino")


def helped(root: Path, sizes: Sizes) -> Command:
    """``genbench --help``."""
    return genbench("--help")


def listed(root: Path, sizes: Sizes) -> Command:
    """``genbench list``."""
    return genbench("list")


def inspected(root: Path, sizes: Sizes) -> Command:
    """``genbench inspect`` of a folder of images of 32 pixels."""
    return genbench("inspect", folder(root, "generated", sizes))


def mistyped(root: Path, sizes: Sizes) -> Command:
    """A folder that does not exist."""
    arguments = ("--samples", str(root / "generatde"), "--reference", folder(root, "reference", sizes))
    return genbench("score", *arguments, expected=(1,))


def tabulated(root: Path, sizes: Sizes) -> Command:
    """``genbench table`` of committed results."""
    return genbench("table", str(REPORTS / "digits.jsonl"))


def compared(root: Path, sizes: Sizes) -> Command:
    """``genbench compare`` of committed results."""
    return genbench("compare", str(REPORTS / "digits.jsonl"))


def gated(root: Path, sizes: Sizes) -> Command:
    """``genbench gate`` of one committed result against all of them."""
    lines = (REPORTS / "digits.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    result = root / "result.jsonl"
    result.write_text(next(line for line in lines if '"name": "vae"' in line), encoding="utf-8")
    return genbench("gate", str(result), "--against", str(REPORTS / "digits.jsonl"), expected=NO_MISTAKE)
