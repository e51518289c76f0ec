"""Mean and covariance of the rows of a view, computed or read from a file of statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from genbench.array_types import Float64
from genbench.errors import InputError

LARGEST_FEATURE = float(np.finfo(np.float32).max)
"""Largest value of an embedding. No mean is larger, and no covariance is larger than twice its square (for 2 rows)."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and covariance of a view: all that a Frechet distance needs."""

    mean: Float64
    """float64 [D]"""
    covariance: Float64
    """float64 [D, D], ddof 1"""
    count: int | None = None
    """Number of rows that the statistics were computed from; None if the file does not state it."""
    name: str = ""
    extractor: str = ""
    identity: str = ""
    """The extractor's identity; empty if the file does not state it."""
    fingerprint: str = ""
    view: str = "embedding"
    """The view that they were computed from."""
    others: Mapping[str, Moments] = field(default_factory=dict, repr=False)
    """Moments of further views of the same rows, by view: ADM's files hold those of ``spatial``."""

    def of_view(self, view: str) -> Moments | None:
        """Return the moments of a view, under the name and with the number of rows of these; None if unknown."""
        if view == self.view:
            return self
        other = self.others.get(view)
        return None if other is None else replace(other, name=self.name, count=self.count)

    def __post_init__(self) -> None:
        # files of statistics are made by many tools, so check the shapes and values
        require_matching(self.name or "The statistics", self.mean.shape, self.covariance.shape)
        if not (np.isfinite(self.mean).all() and np.isfinite(self.covariance).all()):
            raise InputError(f"{self.name or 'The statistics file'} holds NaN or infinity; make it again.")
        # larger values than those of float32 features, which distances would overflow with
        for values, largest in ((self.mean, LARGEST_FEATURE), (self.covariance, 2 * LARGEST_FEATURE**2)):
            size = max(float(values.max(initial=0)), -float(values.min(initial=0)))
            if size > largest:
                raise InputError(
                    f"{self.name or 'The statistics file'} holds values up to {size:.3g}, larger than float32 features "
                    f"can give ({largest:.3g}); make it again."
                )


def require_matching(name: str, mean: tuple[int, ...], covariance: tuple[int, ...]) -> None:
    """Raise InputError unless the shapes of a mean and a covariance are [D] and [D, D]."""
    if len(mean) != 1 or covariance != (*mean, *mean):
        raise InputError(
            f"{name}: a mean of shape {mean} and a covariance of shape {covariance} do not belong together; expected "
            "[D] and [D, D]."
        )
