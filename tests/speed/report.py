"""Format the measurements as Markdown: ratios with their range, memory, targets."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from tabulate import tabulate

from tests.speed.growth import Growth
from tests.speed.material import Sizes
from tests.speed.stages import Stage
from tests.speed.targets import Runs, ratios

PACKAGES = ("torch", "numpy", "scipy", "openvino", "torch-fidelity", "pytorch-fid", "clean-fid", "torchmetrics", "prdc")


HEAD = ("contestant", "seconds", "CPU s", "relative to the first", "peak MB", "MB added while timed", "value")

BY_HAND = "(written by hand)"
"""Ends the title of the sections that a new run keeps; they are the last ones."""


def stage_table(stage: Stage, runs: Runs, sizes: Sizes) -> str:
    """Return the table of one stage and its targets; a ratio divides runs of the same round."""
    first = next(iter(stage.contestants))
    count = stage.images(sizes) if stage.images else 0
    most = max(map(len, runs.values()))
    rows = [_row(name, results, runs, first, count, most) for name, results in runs.items()]
    head = [*HEAD, "images/s"] if count else HEAD
    table = tabulate(rows, head, "pipe", disable_numparse=True)
    lines = "".join(f"{target.line(runs)}\n" for target in stage.targets)
    return f"## {stage.title}\n\n{table}\n{lines and chr(10)}{lines}"


def _row(name: str, results: Sequence[Mapping[str, Any]], runs: Runs, first: str, count: int, most: int) -> list[str]:
    if not results:
        return [name, "not measured", *[""] * (6 if count else 5)]
    spread = sorted(ratios(runs, name, first))
    relative = "1" if name == first else f"{median(spread):.2f} ({spread[0]:.2f} to {spread[-1]:.2f})" if spread else ""
    added = [run["extra_megabytes"] for run in results if run["extra_megabytes"] is not None]
    number = re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", str(results[0]["value"]))
    seconds = median(run["seconds"] for run in results)
    row = [
        name if len(results) == most else f"{name} (runs: {len(results)})",
        f"{seconds:.3g}",
        f"{median(run['cpu_seconds'] for run in results):.3g}",
        relative,
        f"{median(run['megabytes'] for run in results):.0f}",
        f"{median(added):.0f}" if added else "",
        f"{float(results[0]['value']):.9g}" if number else str(results[0]["value"]),
    ]
    return [*row, f"{count / seconds:.3g}"] if count else row


def written_by_hand(report: Path) -> list[str]:
    """Return the last sections of an earlier report, from the first one that was written by hand on."""
    text = report.read_text(encoding="utf-8") if report.exists() else ""
    start = re.search(rf"^## .*{re.escape(BY_HAND)}$", text, re.MULTILINE)
    return [text[start.start() :]] if start else []


def growth_table(growths: Sequence[Growth]) -> str:
    """Return the table of the growth with the number of samples."""
    rows = [
        [f"{count:,}", metrics, f"{seconds:.1f}", f"{megabytes:.0f}", f"{cache_megabytes:.1f}"]
        for count, metrics, seconds, megabytes, cache_megabytes in growths
    ]
    head = ["samples on each side", "metrics", "seconds, whole process", "peak MB", "MB in the cache"]
    table = tabulate(rows, head, "pipe", disable_numparse=True)
    return f"## Growth with the number of samples (points in 64-d)\n\n{table}\n"


def machine() -> str:
    """Return a description of the machine and the package versions."""
    cores, packages = len(os.sched_getaffinity(0)), ", ".join(map(_name_and_version, PACKAGES))
    return f"{cores} cores, {platform.machine()}, Python {platform.python_version()}; {packages}."


def _name_and_version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"


def load_text(loads: Sequence[float]) -> str:
    """Return how busy the machine was during the measurements."""
    return f"Load average while measuring: {np.min(loads):.1f} to {np.max(loads):.1f}, median {np.median(loads):.1f}."
