"""What a score will cost, told beforehand: samples, time, disk and memory, from a timed batch a side and the store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from genbench.benchmarks import Benchmark
from genbench.extraction.extract import BLOCK
from genbench.extraction.feature_store import Store
from genbench.extraction.forward import Caller
from genbench.features.features import Features
from genbench.files.folders import cache_root
from genbench.plugs.contracts import Extractor, Source
from genbench.scoring.options import Options
from genbench.scoring.score import planned
from genbench.scoring.sides import Looker


@dataclass(frozen=True)
class Look:
    """One side through one extractor."""

    role: str
    extractor: str
    samples: int
    kept: int | None
    """How many of them the store has already; None where only drawing them would tell."""
    seconds: float
    disk_bytes: int
    """Of the features that are not kept yet."""
    memory_bytes: int
    """Of all rows at once, as metrics of pairs read them."""


@dataclass(frozen=True)
class Estimate:
    """The cost of a score, apart from comparing what does not read pairs."""

    looks: tuple[Look, ...]
    pair_seconds: float
    """Of the products of all pairs of rows, where a metric wants them."""

    def to_text(self) -> str:
        """Return one line a look, and a sum."""
        lines = [_line(look) for look in self.looks]
        if self.pair_seconds:
            lines.append(f"pairs of rows: {_duration(self.pair_seconds)}")
        disk, memory = (sum(getattr(look, name) for look in self.looks) for name in ("disk_bytes", "memory_bytes"))
        total = _duration(sum(look.seconds for look in self.looks) + self.pair_seconds)
        lines.append(f"in all about {total}, {_size(disk)} of disk, {_size(memory)} of memory for rows")
        return "\n".join(lines)


def estimate(subject: object, benchmark: str | Benchmark | None = None, **options: Any) -> Estimate:
    """Return what ``score`` with the same arguments would cost; one batch of each side is looked at and timed.

    Raises what ``score`` raises before its long work.
    """
    looker, plan, how = planned(subject, benchmark, **options)
    looks: list[Look] = []
    pair_seconds = 0.0
    for space, metrics in plan.items():
        extractor = looker.extractor(space)
        seen = [_look(role, source, extractor, how) for role, source in _sides(looker, metrics)]
        looks += seen
        pairs = any(metric.reference == "rows" for metric in metrics)
        if pairs and len(seen) == 2 and seen[0].samples:
            counts = [look.samples for look in seen]
            width = seen[0].memory_bytes // (4 * counts[0])
            work = (counts[0] ** 2 + counts[1] ** 2) / 2 + counts[0] * counts[1]
            pair_seconds += work * _seconds_a_pair(width)
    return Estimate(tuple(looks), pair_seconds)


def _sides(looker: Looker, metrics: list[Any]) -> Iterator[tuple[str, Source]]:
    yield "generated", looker.sides.generated
    rows = looker.sides.rows
    wanted = any(looker.wants_rows(metric) for metric in metrics)
    if rows is not None and not isinstance(rows, Features) and wanted:
        yield "reference", rows


def _look(role: str, source: Source, extractor: Extractor, how: Options) -> Look:
    batch = next(source.batches(how.batch_size))
    caller = Caller(extractor, lambda text: None)
    caller.views(batch.data[:1])  # builds the network
    began = time.perf_counter()
    views = caller.views(batch.data)
    seconds_each = (time.perf_counter() - began) / len(batch.index)
    kept = _kept(source, extractor, how)
    left = len(source) - (kept or 0)
    bytes_each = sum(rows.nbytes for rows in views.values()) / len(batch.index)
    embedding = views["embedding"].nbytes / len(batch.index) if "embedding" in views else 0.0
    disk = round(left * bytes_each) if how.cache and extractor.identity else 0
    memory = round(len(source) * embedding)
    return Look(role, extractor.name, len(source), kept, left * seconds_each, disk, memory)


def _kept(source: Source, extractor: Extractor, how: Options) -> int | None:
    """Return how many rows the store has, where the source can tell their content without decoding."""
    told, root = getattr(source, "digest", None), cache_root() if how.cache else None
    if root is None or not extractor.identity:
        return 0
    if told is None:
        return None
    store, count = Store(root), len(source)
    blocks = [(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK)]
    return sum(stop - start for start, stop in blocks if store.find(extractor.identity, str(told(start, stop))))


def _seconds_a_pair(width: int) -> float:
    rows = np.ones((1024, max(width, 1)), np.float32)
    rows @ rows.T
    began = time.perf_counter()
    products = rows @ rows.T
    for _ in range(10):  # bounds, kernels and comparisons read each product about as often
        products += 1
    return (time.perf_counter() - began) / products.size


def _line(look: Look) -> str:
    kept = "" if look.kept is None else f", {look.kept:,} of them kept"
    return f"{look.role}: {look.samples:,} samples by {look.extractor}{kept}: {_duration(look.seconds)}"


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
