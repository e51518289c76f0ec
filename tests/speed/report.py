"""Format the measurements as Markdown: ratios with their range, memory, targets."""

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

from tests.speed.growth import Growth
from tests.speed.stages import Stage

Runs = Mapping[str, Sequence[Mapping[str, Any]]]
"""Runs of each contestant."""

PACKAGES = ("torch", "numpy", "scipy", "openvino", "torch-fidelity", "pytorch-fid", "clean-fid", "torchmetrics", "prdc")


def stage_table(stage: Stage, runs: Runs) -> str:
    """Return the table of one stage; each ratio divides a run by the neighbouring run of the first contestant."""
    first = next(iter(stage.contestants))
    rows = []
    for name, results in runs.items():
        if not results:
            rows.append([name, "not installed", *[""] * 6])
            continue
        pairs = zip(results, runs[first], strict=False)
        ratios = sorted(run["seconds"] / first_run["seconds"] for run, first_run in pairs)
        target = stage.targets.get(name)
        number = re.fullmatch(r"-?[\d.]+(e[+-]\d+)?", str(results[0]["value"]))
        value = f"{float(results[0]['value']):.9g}" if number else ""
        rows.append([
            name,
            f"{median(run['seconds'] for run in results):.3g}",
            f"{median(run['cpu_seconds'] for run in results):.3g}",
            f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})" if name != first else "1",
            f"{median(run['megabytes'] for run in results):.0f}",
            f"{median(run['extra_megabytes'] for run in results):.0f}",
            value,
            "" if target is None else f"{target:g}: {'met' if median(ratios) >= target else 'MISSED'}",
        ])  # fmt: skip
    head = [
        "contestant",
        "seconds",
        "CPU s",
        "relative to the first",
        "peak MB",
        "MB added while timed",
        "value",
        "target",
    ]
    return f"## {stage.title}\n\n{tabulate(rows, head, 'pipe', disable_numparse=True)}\n"


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
