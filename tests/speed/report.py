"""From what was measured to a page of Markdown: ratios with their spread, memory, targets."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any

import numpy as np
from tabulate import tabulate

from tests.speed.growth import Grown
from tests.speed.stages import Stage

Runs = Mapping[str, Sequence[Mapping[str, Any]]]
"""Contestant to its runs."""

PACKAGES = ("torch", "numpy", "scipy", "openvino", "torch-fidelity", "pytorch-fid", "clean-fid", "torchmetrics", "prdc")


def stage_table(stage: Stage, runs: Runs) -> str:
    """Return the table of one stage; ratios are those of runs next to each other, first contestant's as unit."""
    first = next(iter(stage.contestants))
    rows = []
    for name, found in runs.items():
        if not found:
            rows.append([name, "not installed", *[""] * 5])
            continue
        pairs = zip(found, runs[first], strict=False)
        ratios = sorted(theirs["seconds"] / ours["seconds"] for theirs, ours in pairs)
        target = stage.targets.get(name)
        number = re.fullmatch(r"-?[\d.]+(e[+-]\d+)?", str(found[0]["found"]))
        result = f"{float(found[0]['found']):.9g}" if number else ""
        rows.append([
            name,
            f"{median(run['seconds'] for run in found):.3g}",
            f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})" if name != first else "1",
            f"{median(run['megabytes'] for run in found):.0f}",
            f"{median(run['extra_megabytes'] for run in found):.0f}",
            result,
            "" if target is None else f"{target:g}: {'met' if median(ratios) >= target else 'MISSED'}",
        ])  # fmt: skip
    head = ["who", "seconds", "times the first's", "peak MB", "of it while timed", "result", "target"]
    return f"## {stage.title}\n\n{tabulate(rows, head, 'pipe', disable_numparse=True)}\n"


def growth_table(grown: Sequence[Grown]) -> str:
    """Return the table of growth."""
    rows = [[f"{one.count:,}", one.metrics, f"{one.seconds:.1f}", f"{one.megabytes:.0f}", f"{one.kept_megabytes:.1f}"]
            for one in grown]  # fmt: skip
    head = ["samples a side", "metrics", "seconds, whole process", "peak MB", "kept on disk, MB"]
    table = tabulate(rows, head, "pipe", disable_numparse=True)
    return f"## Growth with the number of samples (points in 64-d)\n\n{table}\n"


def machine() -> str:
    """Return what it was measured on."""
    cores, packages = len(os.sched_getaffinity(0)), ", ".join(map(_versioned, PACKAGES))
    return f"{cores} cores, {platform.machine()}, Python {platform.python_version()}; {packages}."


def _versioned(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"


def load_text(loads: Sequence[float]) -> str:
    """Return how busy the machine was beside this."""
    return f"Load average while measuring: {np.min(loads):.1f} to {np.max(loads):.1f}, median {np.median(loads):.1f}."
