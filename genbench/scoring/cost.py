"""The expected cost of a score: samples, time, disk and memory, from one timed batch a side and the store."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genbench.errors import number_of
from genbench.extraction.block_reader import BLOCK_ROWS
from genbench.extraction.feature_store import Store, added_views
from genbench.extraction.forward import ForwardPass
from genbench.features.features import Features
from genbench.plugs.contract_checks import read_batches
from genbench.plugs.contracts import Extractor, Metric, Source
from genbench.scoring.options import Options
from genbench.scoring.sides import Side, Sides, takes_train


@dataclass(frozen=True)
class ExtractionCost:
    """The cost of extracting the features of one side by one extractor."""

    side: Side
    extractor: str
    samples: int
    cached: int | None
    """Number of samples whose features are in the store; None if this is known only after the samples are drawn."""
    seconds: float
    disk_bytes: int
    """Size of the features that are not in the store yet."""
    memory_bytes: int
    """Size of all rows at once, as metrics of pairs need them."""

    def to_text(self) -> str:
        """Return one line."""
        cached = "" if self.cached is None else f", {self.cached:,} of them cached"
        samples, duration = number_of(self.samples, "samples"), _duration_text(self.seconds)
        return f"{self.side}: {samples} by {self.extractor}{cached}: {duration}"


@dataclass(frozen=True)
class Cost:
    """The cost of a score, without metrics that take little time."""

    extractions: tuple[ExtractionCost, ...]
    pair_seconds: float
    """Time for the products of all pairs of rows, if a metric needs them."""

    def to_text(self) -> str:
        """Return one line for each extraction, and the total."""
        lines = [extraction.to_text() for extraction in self.extractions]
        if self.pair_seconds:
            lines.append(f"pairs of rows: {_duration_text(self.pair_seconds)}")
        # totals over all extractors and both sides
        seconds = sum(extraction.seconds for extraction in self.extractions) + self.pair_seconds
        disk = sum(extraction.disk_bytes for extraction in self.extractions)
        memory = sum(extraction.memory_bytes for extraction in self.extractions)
        lines.append(
            f"in all about {_duration_text(seconds)}, {_size_text(disk)} of disk, {_size_text(memory)} of memory for "
            "rows"
        )
        return "\n".join(lines)


def cost_of(sides: Sides, metrics: Mapping[str, Sequence[Metric]], *, floor: Sequence[str] = ()) -> Cost:
    """Return the expected cost of evaluating metrics, by the name of their extractor.

    ``floor`` names the extractors that the floor of a panel goes through, too.
    """
    extractions: list[ExtractionCost] = []
    pair_seconds = 0.0
    for name, own in metrics.items():
        extractor = sides.extractor(name)
        costs = [_extraction_cost(side, source, extractor, sides.options) for side, source in _extracted(sides, own)]
        extractions += costs
        held_out = sides.further.get("floor")
        if name in floor and isinstance(held_out, Source):
            extractions.append(_extraction_cost("floor", held_out, extractor, sides.options))
        # all pairs within the generated and the reference side and between them
        pairs = any(metric.reference == "rows" for metric in own)
        if pairs and len(costs) >= 2 and costs[0].samples:
            counts = [cost.samples for cost in costs]
            width = costs[0].memory_bytes // (4 * counts[0])
            products = (counts[0] ** 2 + counts[1] ** 2) / 2 + counts[0] * counts[1]
            pair_seconds += products * _seconds_per_product(width)
    return Cost(tuple(extractions), pair_seconds)


def _extracted(sides: Sides, metrics: Sequence[Metric]) -> Iterator[tuple[Side, Source]]:
    """Yield the sides whose samples go through the extractor."""
    if not isinstance(sides.generated, Features):
        yield "generated", sides.generated
    needed = any(sides.needs_rows(metric) for metric in metrics)
    if sides.rows is not None and not isinstance(sides.rows, Features) and needed:
        yield "reference", sides.rows
    # the training samples, if a metric takes them
    train = sides.further.get("train")
    if train is not None and not isinstance(train, Features) and any(map(takes_train, metrics)):
        yield "train", train


def _extraction_cost(side: Side, source: Source, extractor: Extractor, options: Options) -> ExtractionCost:
    # the first call builds the network, so only the second one is timed
    batch = next(read_batches(source, options.batch_size))
    forward = ForwardPass(extractor, lambda text: None)
    forward.views(batch.data[:1])
    started = time.perf_counter()
    views = forward.views(batch.data)
    seconds_each = (time.perf_counter() - started) / len(batch.index)

    cached = _cached(source, extractor, options)
    remaining = len(source) - (cached or 0)
    bytes_each = sum(rows.nbytes for rows in views.values()) / len(batch.index)
    embedding_bytes = views["embedding"].nbytes / len(batch.index) if "embedding" in views else 0.0
    disk = round(remaining * bytes_each) if options.cache and extractor.identity else 0
    memory = round(len(source) * embedding_bytes)
    return ExtractionCost(side, extractor.name, len(source), cached, remaining * seconds_each, disk, memory)


def _cached(source: Source, extractor: Extractor, options: Options) -> int | None:
    """Return the number of samples in the store, if the source knows the hash of its blocks without decoding them."""
    # blocks are looked up by the hash of their contents
    digest_of = getattr(source, "digest", None)
    store, count = Store.default() if options.cache else None, len(source)
    if store is None or not extractor.identity:
        return 0
    if digest_of is None:
        return None
    blocks = [(start, min(start + BLOCK_ROWS, count)) for start in range(0, count, BLOCK_ROWS)]
    digests = [str(digest_of(start, stop)) for start, stop in blocks]
    held = store.holds(extractor.identity, digests, added_views(extractor))
    return sum(stop - start for (start, stop), found in zip(blocks, held, strict=True) if found)


def _seconds_per_product(width: int) -> float:
    """Return the time per pair of rows of a width, measured on one tile."""
    rows = np.ones((1024, max(width, 1)), np.float32)
    rows @ rows.T
    started = time.perf_counter()
    products = rows @ rows.T
    for _ in range(10):  # bounds, kernels and comparisons read each product about ten times
        products += 1
    return (time.perf_counter() - started) / products.size


def _duration_text(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def _size_text(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
