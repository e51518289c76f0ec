"""Measure how time and memory of genbench grow with the number of samples, with an extractor that takes no time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

DIMENSIONS = 64


class Growth(NamedTuple):
    """Cost of one score with ``count`` samples on each side."""

    count: int
    metrics: str
    seconds: float
    megabytes: float
    cache_megabytes: float


def measure_growth(root: Path, counts: list[int], most_pairs: int) -> Iterator[Growth]:
    """Yield the cost of scoring points; metrics of pairs only up to ``most_pairs`` samples, because they take N^2."""
    for count in counts:
        for seed, role in enumerate(("generated", "reference")):
            points = np.random.default_rng(seed).normal(size=(count, DIMENSIONS)).astype(np.float32)
            np.save(root / f"{role}.npy", points)
        for metrics in ("fd", "kid,pr") if count <= most_pairs else ("fd",):
            yield _score(root, count, metrics)


def _score(root: Path, count: int, metrics: str) -> Growth:
    command = [sys.executable, "-m", "genbench", "score", "--samples", str(root / "generated.npy"), "--reference"]
    command += [str(root / "reference.npy"), "--features", "points", "--metrics", metrics, "--quiet"]
    cache = root / f"grown-{count}-{metrics}"
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"GENBENCH_CACHE": str(cache)})
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} exited with {process.returncode}")
    cached = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) / 1e6
    return Growth(count, metrics, seconds, usage.ru_maxrss / 1024, cached)
