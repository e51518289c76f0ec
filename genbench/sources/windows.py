"""Which rows each batch of a source holds."""

from __future__ import annotations

from collections.abc import Iterator

from genbench.errors import UsageError


def windows(name: str, length: int, size: int, start: int, stop: int | None) -> Iterator[range]:
    """Return the rows ``start`` to ``stop`` (default: the end) in order, at most ``size`` at a time.

    Raises UsageError where the source does not have these rows.
    """
    end = length if stop is None else stop
    if size < 1:
        raise UsageError(f"A batch of {size} samples cannot be; give a batch size of 1 or more.")
    if not 0 <= start <= end <= length:
        raise UsageError(f"{name} holds {length:,} samples, so it has no rows {start:,} to {end:,}.")
    return (range(first, min(first + size, end)) for first in range(start, end, size))
