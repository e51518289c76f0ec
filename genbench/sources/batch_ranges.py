"""The rows of each batch of a source."""

from __future__ import annotations

from collections.abc import Iterator

from genbench.errors import UsageError


def batch_rows(name: str, length: int, size: int, start: int, stop: int | None) -> Iterator[range]:
    """Return the rows ``start`` to ``stop`` (default: the end) in order, at most ``size`` at a time.

    Raises UsageError if the source ``name`` of ``length`` rows does not have these rows.
    """
    end = length if stop is None else stop
    if size < 1:
        raise UsageError(f"A batch cannot hold {size} samples; give a batch size of 1 or more.")
    if not 0 <= start <= end <= length:
        raise UsageError(f"{name} holds {length:,} samples, so it has no rows {start:,} to {end:,}.")
    # a generator expression, so that errors are raised at the call and not at the first batch
    return (range(first, min(first + size, end)) for first in range(start, end, size))
